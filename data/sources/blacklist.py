"""Places to leave out, such as ENCODE's blacklist: the BED files of `--exclude`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.left_out import LeftOut
from data.peaks.reading import read_places
from data.schema import CHROM
from data.sources.chromosomes import Chromosomes
from data.sources.evidence import overlapping
from data.sources.fitting import Fitting

_CHROM_STEP: Final = 1 << 33
"""Gap between chromosomes when all are laid out on one line."""


class Blacklist:
    """The intervals of some BED files; what overlaps one of them by a base is left out.

    Parameters
    ----------
    paths
        The files; none at all leaves nothing out.
    chromosomes
        What their intervals must fit, see `data.sources.fitting`.
    left_out
        Where their rows that do not fit are noted, and files that nothing overlaps.

    Raises
    ------
    DataError
        If a file cannot be read, or is of another assembly.
    """

    def __init__(self, paths: Sequence[Path], chromosomes: Chromosomes, left_out: LeftOut) -> None:
        self._left_out = left_out
        self._codes: dict[str, int] = {}
        self._intervals: dict[Path, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        for path in paths:
            rows, start, end = read_places(path, left_out)
            fitting = Fitting(path, chromosomes, left_out)
            fitted = fitting.fit(rows, start, end)
            fitting.check()
            codes, chroms = fitted.batch.text(CHROM)
            line = np.array([self._codes.setdefault(chrom, len(self._codes)) for chrom in chroms])
            offset = line[codes] * _CHROM_STEP
            self._intervals[path] = (fitted.start + offset, fitted.end + offset)
            left_out.without_overlap.add(path)

    def overlaps(
        self,
        codes: NDArray[np.int32],
        chroms: Sequence[str],
        start: NDArray[np.integer],
        end: NDArray[np.integer],
    ) -> NDArray[np.bool_]:
        """Whether each of n intervals overlaps one of the files'.

        Parameters
        ----------
        codes
            Chromosome of each interval, an index into `chroms`, shape (n,).
        chroms
            Names of chromosomes.
        start, end
            Shape (n,).

        Returns
        -------
        numpy.ndarray
            Shape (n,).
        """
        found = np.zeros(len(start), dtype=bool)
        if not self._intervals:
            return found
        line = np.array([self._codes.get(chrom, -1) for chrom in chroms], dtype=np.int64)[codes]
        rows = np.flatnonzero(line >= 0)
        offset = line[rows] * _CHROM_STEP
        for path, (other_start, other_end) in self._intervals.items():
            hit = overlapping(start[rows] + offset, end[rows] + offset, other_start, other_end)
            found[rows[hit]] = True
            if hit.any():
                self._left_out.without_overlap.discard(path)
        return found
