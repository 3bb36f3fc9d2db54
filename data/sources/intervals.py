"""ReMap peaks and UniBind sites, read in batches into a few bytes a row.

A peak counts by its summit, one base wide; see `data.sources.tables` for the formats.
"""

from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from data.ahead import ahead
from data.errors import DataError
from data.left_out import MAX_ODD_SHARE, LeftOut
from data.peaks.summits import PEAKS_FORMAT, SUMMIT, lacks_summit
from data.rows.batch import NAME, BedBatch, BedFormat
from data.rows.bed import iterate_bed
from data.schema import CHROM, END, START
from data.sources.archives import is_archive, iterate_sites
from data.sources.fitting import LACKING, Fitting
from data.sources.genome import Genome
from data.sources.row_names import (
    NO_PAIR,
    UNMATCHED,
    LookUp,
    RowNames,
    UnknownTF,
    remap_name,
    some_names,
    unibind_name,
)
from data.sources.tables import Profiled
from data.text import OnRead

if TYPE_CHECKING:
    from data.sources.blacklist import Blacklist

_WITHOUT_SUMMIT: Final = "without a summit, taken at their middle"

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
    names: RowNames,
    genome: Genome,
    left_out: LeftOut,
    exclude: "Blacklist | None" = None,
    on_read: OnRead | None = None,
) -> Intervals:
    """Read ReMap peaks as their summits, one base wide; the middle of a peak without one.

    Parameters
    ----------
    names
        Tells which pair a row is of, by its name.
    left_out
        Where rows that do not fit the genome are noted.
    exclude
        Places to leave out: peaks that overlap them are left out. By default there are none.
    on_read
        Called now and then with the bytes read and those of the file; by default nothing is called.

    Raises
    ------
    DataError
        If too many rows cannot be read, or have a summit outside the peak, names do not match
        those of the dataset, no row is left, or the file is of another assembly.
    """
    collected = _Collector(path, names, genome, remap_name, left_out, exclude)
    num_without = 0
    for batch in ahead(iterate_bed(path, PEAKS_FORMAT, left_out, on_read)):
        start, end = batch.integers(START), batch.integers(END)
        summit = batch.integers(SUMMIT)
        lacks = lacks_summit(batch, start, end, summit, PEAKS_FORMAT.remedy)
        if lacks.any():
            num_without += int(lacks.sum())
            summit = np.where(lacks, start + (end - start) // 2, summit)
        collected.add(batch, summit)
    found = collected.intervals()
    if num_without:
        found.dropped[_WITHOUT_SUMMIT] = num_without
    return found


def read_sites(
    path: Path,
    names: RowNames,
    genome: Genome,
    left_out: LeftOut,
    on_read: OnRead | None = None,
) -> Intervals:
    """Read UniBind sites, of one file, a folder or a tar archive; see :func:`read_peaks`."""
    collected = _Collector(path, names, genome, unibind_name, left_out)
    batches = (
        iterate_sites(path, left_out, on_read)
        if is_archive(path)
        else iterate_bed(path, SITES_FORMAT, left_out, on_read)
    )
    for batch in ahead(batches):
        collected.add(batch)
    return collected.intervals()


class _Collector:
    """Takes batches of rows and keeps the places and names of those that are of a pair."""

    def __init__(
        self,
        path: Path,
        names: RowNames,
        genome: Genome,
        parse_name: Callable[[str], tuple[str, str]],
        left_out: LeftOut,
        exclude: "Blacklist | None" = None,
    ) -> None:
        self._path = path
        self._names = names
        self._left_out = left_out
        self._fitting = Fitting(path, genome.chromosomes, left_out, exclude)
        self._parse_name = parse_name
        self._ids: dict[str, int] = {}
        self._found: list[tuple[LookUp, str]] = []
        self._num_rows: Counter[int] = Counter()
        self._chroms = {chrom: code for code, chrom in enumerate(genome.lengths_bp)}
        self._batches: list[list[NDArray[Any]]] = []

    def add(self, batch: BedBatch, summit: NDArray[np.int32] | None = None) -> None:
        """Check a batch against the genome and the names, and keep the rows of a pair.

        Parameters
        ----------
        summit
            Keep these, one base wide, in place of whole intervals; shape (M,).
        """
        name_codes, names = batch.text(NAME)
        known = self._ids
        ids = [
            known[name] if name in known else self._name_id(name, batch, code)
            for code, name in enumerate(names)
        ]
        if not len(batch):
            return
        fitted = self._fitting.fit(batch, batch.integers(START), batch.integers(END))
        rows, start, end = fitted.rows, fitted.start, fitted.end
        if summit is not None:
            start = np.clip(summit[rows], start, end - 1)
            end = start + np.int32(1)
        chrom_codes, chroms = fitted.batch.text(CHROM)
        chrom_of = np.array([self._chroms.get(chrom, -1) for chrom in chroms], dtype=np.int16)
        name_codes = name_codes[rows]
        name = np.array(ids, dtype=np.int32)[name_codes]
        num_rows = np.bincount(name_codes, minlength=len(names)).tolist()
        self._num_rows.update(dict(zip(ids, num_rows, strict=True)))
        is_used = np.array([self._found[number][0].pair != NO_PAIR for number in ids])
        used = np.flatnonzero(is_used[name_codes])
        columns = (chrom_of[chrom_codes], start, end, name)
        self._batches.append([column[used] for column in columns])

    def intervals(self) -> Intervals:
        """Give everything that was added; the collector is empty afterwards."""
        self._fitting.check()
        self._names.check(self._path)
        chrom, start, end, name = (self._joined(column) for column in range(4))
        num_duplicates = sum(
            _num_repeats(start[rows], end[rows], name[rows])
            for rows in (np.flatnonzero(chrom == code) for code in self._chroms.values())
        )
        by_reason: Counter[str] = Counter()
        for index, (found, biosample) in enumerate(self._found):
            num = self._num_rows[index]
            if found.pair == NO_PAIR:
                by_reason[found.reason] += num
                if found.reason == UNMATCHED:
                    self._left_out.unmatched[self._path, biosample] += num
        pair = np.array([found.pair for found, _ in self._found], dtype=np.int32)[name]
        return Intervals(
            chroms=list(self._chroms),
            chrom=chrom,
            start=start,
            end=end,
            pair=pair,
            dropped={
                LACKING: self._left_out.of(self._path).get(LACKING, 0),
                "duplicates": num_duplicates,
                **by_reason,
                **self._left_out.told(self._path),
            },
        )

    def _joined(self, column: int) -> NDArray[Any]:
        """Join the batches of a column and free them, which halves the peak memory."""
        joined = np.concatenate([batch[column] for batch in self._batches])
        for batch in self._batches:
            batch[column] = np.empty(0)
        return joined

    def _name_id(self, name: str, batch: BedBatch, code: int) -> int:
        """Number a name that is met for the first time, and look up what it says."""

        def first_row() -> int:
            return int(np.flatnonzero(batch.text(NAME)[0] == code)[0])

        try:
            tf, biosample = self._parse_name(name)
            found = self._names.look_up(tf, biosample)
        except ValueError:
            raise batch.error(
                first_row(),
                f"name {name[:60]!r} does not say experiment, TF and biotype separated by dots",
                "mend it",
            ) from None
        except UnknownTF as error:
            raise batch.error(first_row(), str(error), error.remedy) from None
        self._found.append((found, biosample))
        self._ids[name] = len(self._ids)
        return self._ids[name]


def tfs_of(found: Intervals, profiled: Profiled) -> frozenset[str]:
    """Name the TFs that some intervals are of."""
    return frozenset(profiled.tfs[code] for code in profiled.pair_tf[np.unique(found.pair)])


def tfs_without(
    path: Path, kind: str, here: Set[str], wanted: Set[str], *, skip_unlisted: bool
) -> dict[str, int]:
    """Count the TFs that have peaks and no sites, or sites and no peaks: no region can be bound.

    A TF that has neither was profiled and found nowhere.

    Parameters
    ----------
    kind
        What the file has, `peaks` or `sites`.
    here
        TFs that the file has.
    wanted
        TFs that the other file has.
    skip_unlisted
        Whether it is no error if there are many.

    Returns
    -------
    dict
        The number by a sentence for people; empty where there is none.

    Raises
    ------
    DataError
        If they are more than `MAX_ODD_SHARE`: names are spelled otherwise, or rows are missing.
    """
    absent = sorted(wanted - here)
    if len(absent) > MAX_ODD_SHARE * len(wanted) and not skip_unlisted:
        raise DataError(
            f"{path}: no {kind} of {some_names(absent)}, so that no region would be bound; it has "
            f"those of {some_names(sorted(here))}: check that it is whole and how it spells names, "
            "or pass --skip-unlisted to continue all the same"
        )
    told = f"{kind}: none of some TFs, of which no region is bound ({some_names(absent)})"
    return {told: len(absent)} if absent else {}


def _num_repeats(start: NDArray[np.int32], end: NDArray[np.int32], name: NDArray[np.int32]) -> int:
    """Count the rows of a chromosome that repeat another one's place and name."""
    # start and name in one number, which sorts ten times as fast as rows do; few rows are alike
    key = start.astype(np.int64) << 32 | name
    ordered = np.sort(key)
    alike = np.flatnonzero(np.isin(key, ordered[1:][np.diff(ordered) == 0]))
    order = alike[np.lexsort((end[alike], key[alike]))]
    return int(((np.diff(key[order]) == 0) & (np.diff(end[order]) == 0)).sum())
