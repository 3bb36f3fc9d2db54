"""ReMap peaks and UniBind sites, read in batches into a few bytes a row.

A peak counts by its summit, one base wide; see `data.sources.tables` for the formats.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import LeftOut
from data.near_names import folded, near_names
from data.schema import CHROM, END, START
from data.sources.bed import MISSING, BedBatch, BedFormat, first_true, iterate_bed
from data.sources.fitting import LACKING, Fitting
from data.sources.genome import Genome
from data.sources.tables import Profiled

if TYPE_CHECKING:
    from data.sources.blacklist import Blacklist

NAME: Final = "name"
SUMMIT: Final = "summit"
_WITHOUT_SUMMIT: Final = "without a summit, taken at their middle"
_TOLD: Final = 3
"""Most names that an error message gives."""
_MOTIF_SUFFIX: Final = re.compile(r"\.[A-Z]{2}\d+\.\d+(\.[A-Za-z]+)*$")
"""UniBind's matrix and prediction model behind a name, such as `.MA0139.1.damo.bed`."""

PEAKS_FORMAT: Final = BedFormat(
    title="ReMap peaks",
    columns=(CHROM, START, END, NAME, "score", "strand", SUMMIT, "summitEnd", "rgb"),
    integers=(START, END, SUMMIT),
    optional=(SUMMIT,),
    used=(CHROM, START, END, NAME, SUMMIT),
    remedy="give ReMap's BED9 with the summit in column 7",
)
SITES_FORMAT: Final = BedFormat(
    title="UniBind sites",
    columns=(CHROM, START, END, NAME),
    integers=(START, END),
    used=(CHROM, START, END, NAME),
    remedy="give UniBind's BED with EXPERIMENT.BIOTYPE.TF as name",
)


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Intervals of one source (summits or sites), each of a TF in a biosample; M rows."""

    chroms: list[str]
    chrom: NDArray[np.int16]
    """Index into `chroms`, shape (M,)."""
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    pair: NDArray[np.int32]
    """Index of the pair, shape (M,)."""
    dropped: dict[str, int]
    """Numbers of rows left out or collapsed, by reason."""

    @classmethod
    def of_one_pair(
        cls,
        chroms: Sequence[str],
        chrom: NDArray[np.int16],
        start: NDArray[np.int32],
        end: NDArray[np.int32],
        pair: int = 0,
    ) -> "Intervals":
        """Intervals of one pair; those on other chromosomes stay, with a code that none has."""
        return cls(
            chroms=list(chroms),
            chrom=chrom,
            start=start,
            end=end,
            pair=np.full(len(start), pair, dtype=np.int32),
            dropped={},
        )

    @classmethod
    def joined(cls, chroms: Sequence[str], parts: Sequence["Intervals"]) -> "Intervals":
        """Intervals of several files, all coded by the same chromosomes, one after the other."""
        return cls(
            chroms=list(chroms),
            chrom=np.concatenate([np.empty(0, dtype=np.int16), *(one.chrom for one in parts)]),
            start=np.concatenate([np.empty(0, dtype=np.int32), *(one.start for one in parts)]),
            end=np.concatenate([np.empty(0, dtype=np.int32), *(one.end for one in parts)]),
            pair=np.concatenate([np.empty(0, dtype=np.int32), *(one.pair for one in parts)]),
            dropped={},
        )

    def taken(self, indices: NDArray[np.int64]) -> "Intervals":
        """Give some of the intervals."""
        return replace(
            self,
            chrom=self.chrom[indices],
            start=self.start[indices],
            end=self.end[indices],
            pair=self.pair[indices],
        )

    def of_pair(self, pair: int) -> "Intervals":
        """Give the same intervals as those of one pair."""
        return replace(self, pair=np.full(len(self.start), pair, dtype=np.int32))


def read_peaks(
    path: Path,
    profiled: Profiled,
    genome: Genome,
    left_out: LeftOut,
    *,
    skip_unlisted: bool,
    exclude: "Blacklist | None" = None,
) -> Intervals:
    """Read ReMap peaks as their summits, one base wide; the middle of a peak without one.

    Parameters
    ----------
    left_out
        Where rows that do not fit the genome are noted.
    skip_unlisted
        Whether rows of TFs without an experiment, and of biosamples that seem to be spelled
        otherwise than in the tables, are left out and counted, not an error.
    exclude
        Places to leave out: peaks that overlap them are left out. By default there are none.

    Raises
    ------
    DataError
        If a row does not fit the format, its summit lies outside the peak, its TF has no
        experiment, all rows of a TF are of biosamples that the tables do not list for it, a
        biosample differs from a listed one by its spelling alone, no row is left, or the file is of
        another assembly.
    """
    collected = _Collector(path, profiled, genome, remap_name, left_out, exclude)
    collected.skip_unlisted = skip_unlisted
    num_without = 0
    for batch in iterate_bed(path, PEAKS_FORMAT):
        start, end, summit = (batch.integers(name) for name in (START, END, SUMMIT))
        lacks = summit == MISSING
        if lacks.any():
            num_without += int(lacks.sum())
            summit = np.where(lacks, start + (end - start) // 2, summit)
        if (index := first_true((summit < start) | (summit >= end))) is not None:
            raise batch.error(
                index,
                f"summit {summit[index]} lies outside its peak {start[index]}-{end[index]}",
                PEAKS_FORMAT.remedy,
            )
        collected.add(batch, summit)
    return collected.intervals({_WITHOUT_SUMMIT: num_without})


def read_sites(
    path: Path,
    profiled: Profiled,
    genome: Genome,
    left_out: LeftOut,
    *,
    skip_unlisted: bool,
) -> Intervals:
    """Read UniBind sites; parameters and errors as for :func:`read_peaks`."""
    collected = _Collector(path, profiled, genome, _unibind_name, left_out)
    collected.skip_unlisted = skip_unlisted
    for batch in iterate_bed(path, SITES_FORMAT):
        collected.add(batch)
    return collected.intervals({})


class _Collector:
    """Takes batches of rows and keeps their places and pairs."""

    def __init__(
        self,
        path: Path,
        profiled: Profiled,
        genome: Genome,
        parse_name: Callable[[str], tuple[str, str]],
        left_out: LeftOut,
        exclude: "Blacklist | None" = None,
    ) -> None:
        self.skip_unlisted = False
        self._path = path
        self._left_out = left_out
        self._fitting = Fitting(path, genome.chromosomes, left_out, exclude)
        self._parse_name = parse_name
        self._pairs = profiled.pair_index()
        self._listed: dict[str, list[str]] = {tf: [] for tf in profiled.tfs}
        for tf, biosample in self._pairs:
            self._listed[tf].append(biosample)
        self._matched: set[str] = set()
        self._unlisted: list[tuple[str, str]] = []
        self._names: dict[str, int] = {}
        self._pair_of_name: list[int] = []
        self._chroms = {chrom: code for code, chrom in enumerate(genome.lengths_bp)}
        self._batches: list[list[NDArray[Any]]] = []

    def add(self, batch: BedBatch, summit: NDArray[np.int32] | None = None) -> None:
        """Check a batch against the genome and the experiments, and keep its rows.

        Parameters
        ----------
        summit
            Keep these, one base wide, in place of whole intervals; shape (M,).
        """
        fitted = self._fitting.fit(batch, batch.integers(START), batch.integers(END))
        rows, start, end = fitted.rows, fitted.start, fitted.end
        if summit is not None:
            start = np.clip(summit[rows], start, end - 1)
            end = start + np.int32(1)
        chrom_codes, chroms = fitted.batch.text(CHROM)
        chrom_of = np.array([self._chroms.get(chrom, -1) for chrom in chroms], dtype=np.int16)
        name_codes, names = batch.text(NAME)
        name_of = np.array([self._name_id(name, batch, i) for i, name in enumerate(names)])
        name = name_of.astype(np.int32)[name_codes[rows]]
        self._batches.append([chrom_of[chrom_codes], start, end, name])

    def intervals(self, counts: Mapping[str, int]) -> Intervals:
        """Give everything that was added; the collector is empty afterwards.

        Parameters
        ----------
        counts
            More counts for `Intervals.dropped`; those of 0 are not told.
        """
        self._fitting.check()
        if not self.skip_unlisted:
            self._refuse_other_spellings()
        chrom, start, end, name = (self._joined(column) for column in range(4))
        num_duplicates = sum(
            _num_repeats(start[rows], end[rows], name[rows])
            for rows in (np.flatnonzero(chrom == code) for code in self._chroms.values())
        )
        pair = np.array(self._pair_of_name, dtype=np.int32)[name]
        listed = pair >= 0
        num_unlisted = int(len(listed) - listed.sum())
        if num_unlisted:
            chrom, start, end, pair = (column[listed] for column in (chrom, start, end, pair))
        return Intervals(
            chroms=list(self._chroms),
            chrom=chrom,
            start=start,
            end=end,
            pair=pair,
            dropped={
                LACKING: self._left_out.of(self._path).get(LACKING, 0),
                "duplicates": num_duplicates,
                "of no listed experiment": num_unlisted,
                **self._left_out.told(self._path),
                **{reason: num for reason, num in counts.items() if num},
            },
        )

    def _refuse_other_spellings(self) -> None:
        """Stop where names of the file and of the tables do not meet.

        Rows of biosamples that the tables do not list are passed over, but not all rows of a TF,
        nor those of a biosample that differs from a listed one by its spelling alone.
        """
        near_of: dict[str, list[str]] = {}
        tfs: dict[str, None] = {}
        for tf, biosample in self._unlisted:
            listed = self._listed[tf]
            if tf in self._matched and folded(biosample) not in map(folded, listed):
                continue
            tfs[tf] = None
            near_of[biosample] = near_names(biosample, listed) or near_of.get(biosample, [])
        if not tfs:
            return
        told = [
            repr(biosample) + (f" (near: {', '.join(near)})" if near else "")
            for biosample, near in list(near_of.items())[:_TOLD]
        ]
        more = f", and {len(near_of) - _TOLD:,} more" if len(near_of) > _TOLD else ""
        raise DataError(
            f"{self._path}: rows of {_some(list(tfs))} are of biosamples that the experiment table "
            f"does not list for them: {', '.join(told)}{more}; spell them in one way, or pass "
            "--skip-unlisted to leave such rows out"
        )

    def _joined(self, column: int) -> NDArray[Any]:
        """Join the batches of a column and let go of them, which halves the peak memory."""
        joined = np.concatenate([batch[column] for batch in self._batches])
        for batch in self._batches:
            batch[column] = np.empty(0)
        return joined

    def _name_id(self, name: str, batch: BedBatch, code: int) -> int:
        """Number a name; what it says is looked up when it is first met."""
        known = self._names.get(name)
        if known is not None:
            return known
        first = int(np.flatnonzero(batch.text(NAME)[0] == code)[0])
        try:
            tf, biosample = self._parse_name(name)
        except ValueError:
            raise batch.error(
                first,
                f"name {name[:60]!r} does not say experiment, TF and biotype separated by dots",
                "mend it",
            ) from None
        if tf not in self._listed and not self.skip_unlisted:
            near = near_names(tf, self._listed)
            hint = f" (near: {', '.join(near)})" if near else ""
            raise batch.error(
                first,
                f"TF {tf!r} has no experiment in the experiment table{hint}",
                "add one there, or pass --skip-unlisted to leave such rows out",
            )
        pair = self._pairs.get((tf, biosample), -1)
        if pair >= 0:
            self._matched.add(tf)
        elif tf in self._listed:
            self._unlisted.append((tf, biosample))
        self._pair_of_name.append(pair)
        self._names[name] = len(self._names)
        return self._names[name]


def _num_repeats(start: NDArray[np.int32], end: NDArray[np.int32], name: NDArray[np.int32]) -> int:
    """Count the rows of a chromosome that repeat another one's place and name."""
    order = np.lexsort((end, name, start))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (start, end, name):
        same &= np.diff(column[order]) == 0
    return int(same.sum())


def _some(names: Sequence[str]) -> str:
    """Give the first of some names, and say how many others there are."""
    more = f", and {len(names) - _TOLD:,} more TFs" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more


def remap_name(name: str) -> tuple[str, str]:
    """TF and biosample of a ReMap peak's name; `ValueError` if it does not tell them."""
    _, tf, biosample = name.split(".", 2)
    return tf, biosample


def _unibind_name(name: str) -> tuple[str, str]:
    _, rest = _MOTIF_SUFFIX.sub("", name).split(".", 1)
    biosample, tf = rest.rsplit(".", 1)
    return tf, biosample
