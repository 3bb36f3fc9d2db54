"""Rows of a BED file that are tiled: the bases that they cover, and the names of their tiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.left_out import LeftOut
from data.peaks.reading import read_named_places
from data.schema import CHROM
from data.sources.fitting import Fitting
from data.sources.genome import Genome


@dataclass(frozen=True, kw_only=True, eq=False)
class TiledRows:
    """Rows on one chromosome, sorted by their start; n of them."""

    chrom: str
    """The genome's name of the chromosome."""
    start: NDArray[np.int32]
    """First base of each, counted from 0, shape (n,)."""
    end: NDArray[np.int32]
    """One past its last base, shape (n,)."""
    name: NDArray[np.object_]
    """Name of each, shape (n,); `.` where it has none."""

    @cached_property
    def _reach(self) -> NDArray[np.int32]:
        """How far the rows up to each one reach, shape (n,)."""
        return np.maximum.accumulate(self.end)

    def spans(self) -> list[tuple[int, int]]:
        """Give what the rows cover: those that overlap, or touch, as one span."""
        begins = np.flatnonzero(np.append(True, self.start[1:] > self._reach[:-1]))
        ends = np.append(begins[1:], len(self.start)) - 1
        return list(zip(self.start[begins].tolist(), self._reach[ends].tolist(), strict=True))

    def names(self, start: NDArray[np.int32], width_bp: int) -> NDArray[np.object_]:
        """Name tiles by the rows that they overlap, several by all their names with commas.

        Parameters
        ----------
        start
            First base of each tile, shape (m,).
        width_bp
            Bases of each.

        Returns
        -------
        ndarray
            Shape (m,). What overlaps no row that has a name is called by its chromosome.
        """
        first = np.searchsorted(self._reach, start, side="right")
        past = np.searchsorted(self.start, start + np.int32(width_bp), side="left")
        found = [
            self._joined(range(low, high), at)
            for low, high, at in zip(first.tolist(), past.tolist(), start.tolist(), strict=True)
        ]
        return np.array(found, dtype=object)

    def _joined(self, rows: Sequence[int], start: int) -> str:
        own = [self.name[row] for row in rows if self.end[row] > start]
        named = dict.fromkeys(name for name in own if name not in ("", "."))
        return ",".join(named) or self.chrom


def tiled_rows(path: Path, genome: Genome, left_out: LeftOut) -> dict[str, TiledRows]:
    """Read the rows of a BED file, by chromosome in the genome's order.

    Parameters
    ----------
    left_out
        Where rows that cannot be read or do not fit the genome are noted.

    Raises
    ------
    DataError
        If the file cannot be read or does not fit the genome.
    """
    fitting = Fitting(path, genome.chromosomes, left_out)
    places = read_named_places(path, left_out)
    fitted = fitting.fit(places.rows, places.start, places.end)
    fitting.check()
    chrom = fitted.batch.names(CHROM)
    names = places.name[fitted.rows]
    found = {}
    for one in genome.lengths_bp:
        rows = np.flatnonzero(chrom == one)
        rows = rows[np.argsort(fitted.start[rows], kind="stable")]
        if len(rows):
            found[one] = TiledRows(
                chrom=one, start=fitted.start[rows], end=fitted.end[rows], name=names[rows]
            )
    return found
