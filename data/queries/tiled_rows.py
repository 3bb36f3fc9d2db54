"""Rows of a BED file that are tiled: the bases that they cover, and the names of their tiles."""

from collections import defaultdict
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

    @cached_property
    def _has_name(self) -> NDArray[np.bool_]:
        """Which have a name, shape (n,)."""
        return (self.name != "") & (self.name != ".")

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
            First base of each tile, sorted, shape (m,); at least one.
        width_bp
            Bases of each.

        Returns
        -------
        ndarray
            Shape (m,). What overlaps no row that has a name is called by its chromosome.
        """
        found = np.full(len(start), self.chrom, dtype=object)
        first = np.searchsorted(self._reach, start[0], side="right")
        past = np.searchsorted(self.start, start[-1] + np.int32(width_bp), side="left")
        rows = np.arange(first, past)
        rows = rows[self._has_name[rows]]
        low = np.searchsorted(start, self.start[rows] - np.int32(width_bp), side="right")
        high = np.searchsorted(start, self.end[rows], side="left")
        # a tile has few rows, but a row that covers a chromosome has all of its tiles
        named = defaultdict[int, dict[str, None]](dict)
        for row, low_tile, high_tile in zip(rows, low.tolist(), high.tolist(), strict=True):
            for tile in range(low_tile, high_tile):
                named[tile][self.name[row]] = None
        for tile, names in named.items():
            found[tile] = ",".join(names)
        return found


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
