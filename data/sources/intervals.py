"""ReMap peaks and UniBind sites, read in batches into a few bytes a row.

A peak counts by its summit, one base wide; see `data.sources.tables` for the formats.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.schema import CHROM, END, START
from data.sources.bed import BedBatch, BedFormat, first_true, iterate_bed
from data.sources.genome import Genome
from data.sources.tables import Profiled

_NAME: Final = "name"
_SUMMIT: Final = "summit"
_MOTIF_SUFFIX: Final = re.compile(r"\.[A-Z]{2}\d+\.\d+(\.pwm)?(\.bed)?$")

PEAKS_FORMAT: Final = BedFormat(
    title="ReMap peaks",
    columns=(CHROM, START, END, _NAME, "score", "strand", _SUMMIT, "summitEnd", "rgb"),
    integers=(START, END, _SUMMIT),
    used=(CHROM, START, END, _NAME, _SUMMIT),
    remedy="give ReMap's BED9 with the summit in column 7",
)
SITES_FORMAT: Final = BedFormat(
    title="UniBind sites",
    columns=(CHROM, START, END, _NAME),
    integers=(START, END),
    used=(CHROM, START, END, _NAME),
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


def read_peaks(path: Path, profiled: Profiled, genome: Genome, *, skip_unlisted: bool) -> Intervals:
    """Read ReMap peaks as their summits, one base wide.

    Raises
    ------
    DataError
        If a row does not fit the format or the chromosome, its summit lies outside the peak, or
        its TF has no experiment (unless `skip_unlisted`, then such rows are counted).
    """
    collected = _Collector(path, profiled, genome, remap_name, skip_unlisted)
    for batch in iterate_bed(path, PEAKS_FORMAT):
        start, end, summit = (batch.integers(name) for name in (START, END, _SUMMIT))
        if (index := first_true((summit < start) | (summit >= end))) is not None:
            raise batch.error(
                index,
                f"summit {summit[index]} lies outside its peak {start[index]}-{end[index]}",
                PEAKS_FORMAT.remedy,
            )
        collected.add(batch, summit, summit + 1)
    return collected.sites()


def read_sites(path: Path, profiled: Profiled, genome: Genome, *, skip_unlisted: bool) -> Intervals:
    """Read UniBind sites; errors as for :func:`read_peaks`."""
    collected = _Collector(path, profiled, genome, _unibind_name, skip_unlisted)
    for batch in iterate_bed(path, SITES_FORMAT):
        collected.add(batch, batch.integers(START), batch.integers(END))
    return collected.sites()


class _Collector:
    """Takes batches of rows and keeps their places and pairs."""

    def __init__(
        self,
        path: Path,
        profiled: Profiled,
        genome: Genome,
        parse_name: Callable[[str], tuple[str, str]],
        skip_unlisted: bool,
    ) -> None:
        self._path = path
        self._genome = genome
        self._parse_name = parse_name
        self._skip_unlisted = skip_unlisted
        self._pairs = profiled.pair_index()
        self._known_tfs = set(profiled.tfs)
        self._names: dict[str, int] = {}
        self._pair_of_name: list[int] = []
        self._chroms = {chrom: code for code, chrom in enumerate(genome.lengths_bp)}
        self._num_off_genome = 0
        self._batches: list[list[NDArray[Any]]] = []

    def add(self, batch: BedBatch, start: NDArray[np.int32], end: NDArray[np.int32]) -> None:
        """Check a batch against the genome and the experiments, and keep its rows."""
        kept = ~self._genome.lacks(batch)
        self._num_off_genome += int(len(kept) - kept.sum())
        chrom_codes, chroms = batch.text(CHROM)
        chrom_of = np.array([self._chroms.get(chrom, -1) for chrom in chroms], dtype=np.int16)
        name_codes, names = batch.text(_NAME)
        name_of = np.array([self._name_id(name, batch, i) for i, name in enumerate(names)])
        columns = (
            chrom_of[chrom_codes],
            start,
            end,
            name_of.astype(np.int32)[name_codes],
        )
        self._batches.append([column[kept] for column in columns])

    def sites(self) -> Intervals:
        """Everything that was added; the collector is empty afterwards."""
        chrom, start, end, name = (self._joined(column) for column in range(4))
        if not len(chrom):
            raise DataError(
                f"{self._path} and {self._genome.path} have no chromosome in common; "
                "give files of the same assembly"
            )
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
                "on chromosomes that the genome lacks": self._num_off_genome,
                "duplicates": num_duplicates,
                "of no listed experiment": num_unlisted,
            },
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
        first = int(np.flatnonzero(batch.text(_NAME)[0] == code)[0])
        try:
            tf, biosample = self._parse_name(name)
        except ValueError:
            raise batch.error(
                first,
                f"name {name[:60]!r} does not say experiment, TF and biotype separated by dots",
                "mend it",
            ) from None
        if tf not in self._known_tfs and not self._skip_unlisted:
            raise batch.error(
                first,
                f"TF {tf!r} has no experiment in the experiment table",
                "add one there, or pass --skip-unlisted to leave such rows out",
            )
        self._pair_of_name.append(self._pairs.get((tf, biosample), -1))
        self._names[name] = len(self._names)
        return self._names[name]


def _num_repeats(start: NDArray[np.int32], end: NDArray[np.int32], name: NDArray[np.int32]) -> int:
    """Count the rows of a chromosome that repeat another one's place and name."""
    order = np.lexsort((end, name, start))
    same = np.ones(max(len(order) - 1, 0), dtype=bool)
    for column in (start, end, name):
        same &= np.diff(column[order]) == 0
    return int(same.sum())


def remap_name(name: str) -> tuple[str, str]:
    """TF and biosample of a ReMap peak's name; `ValueError` if it does not tell them."""
    _, tf, biosample = name.split(".", 2)
    return tf, biosample


def _unibind_name(name: str) -> tuple[str, str]:
    _, rest = _MOTIF_SUFFIX.sub("", name).split(".", 1)
    biosample, tf = rest.rsplit(".", 1)
    return tf, biosample
