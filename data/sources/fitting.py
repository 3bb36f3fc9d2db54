"""Intervals made to fit the genome: those elsewhere are left out, those past an end are clipped."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import EXCLUDED, LeftOut, is_other_assembly
from data.rows.batch import BedBatch
from data.schema import CHROM
from data.sources.chromosomes import Chromosomes

if TYPE_CHECKING:
    from data.sources.blacklist import Blacklist

MAX_OVERHANG_BP: Final = 500
"""Bases by which an interval may reach past an end of its chromosome and still be used: peak
callers extend reads beyond the ends."""
LACKING: Final = "on chromosomes that the genome lacks"
BEYOND: Final = "beyond the end of their chromosome"
NEAR_END: Final = "nearer to an end of their chromosome than the network reads"
_NO_END: Final = np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The rows of a batch that fit; K of them."""

    batch: BedBatch
    """These rows, with their chromosomes named as the genome names them."""

    rows: NDArray[np.int64]
    """Indices of these rows in the batch, rising, shape (K,)."""
    start: NDArray[np.int32]
    """First base within the chromosome, shape (K,)."""
    end: NDArray[np.int32]
    """One past the last base within the chromosome, shape (K,)."""


class Fitting:
    """Fits the intervals of one file to a genome, batch by batch.

    Parameters
    ----------
    path
        The file, for messages.
    chromosomes
        Those of the genome. Where their lengths are not known, starts alone are checked.
    left_out
        Where rows that do not fit are noted.
    exclude
        Places to leave out: an interval that overlaps one does not fit. By default there is none.
    """

    def __init__(
        self,
        path: Path,
        chromosomes: Chromosomes,
        left_out: LeftOut,
        exclude: "Blacklist | None" = None,
    ) -> None:
        self._path = path
        self._chromosomes = chromosomes
        self._left_out = left_out
        self._exclude = exclude
        self._num_kept = 0
        self._num_known = 0
        self._num_odd = 0
        self._first = ""
        self._a_chrom = ""

    def fit(self, batch: BedBatch, start: NDArray[np.int32], end: NDArray[np.int32]) -> Fitted:
        """Choose the intervals that fit, and clip those that reach past an end by some bases."""
        codes, found = batch.text(CHROM)
        names = self._chromosomes
        chroms = [names.named(chrom, self._path, self._left_out) for chrom in found]
        if chroms != found:
            batch = batch.with_names(CHROM, chroms)
        limits = np.array([self._limit(chrom) for chrom in chroms], dtype=np.int64)
        limit = limits[codes]
        known = limit >= 0
        within = (start >= 0) & (end <= limit)
        self._num_known += int(known.sum())
        excluded = np.zeros(len(batch), dtype=bool)
        if self._exclude is not None:
            excluded = self._exclude.overlaps(codes, chroms, start, end)
        if known.all() and within.all() and not excluded.any():
            self._num_kept += len(batch)
            return Fitted(batch=batch, rows=np.arange(len(batch)), start=start, end=end)
        odd = known & ~within
        near = odd & (start >= -MAX_OVERHANG_BP) & (end <= limit + MAX_OVERHANG_BP)
        near &= (start < limit) & (end > 0)
        self._note(batch, known, odd, near)
        if odd.any() and not self._first:
            row = int(odd.argmax())
            self._first = (
                f"row {batch.line[row]}: {chroms[codes[row]]} ends at {limit[row]}, the interval "
                f"is {start[row]}-{end[row]}"
            )
        fits = known & (within | near)
        self._left_out.add(batch.path, batch.line[fits & excluded], EXCLUDED)
        kept = np.flatnonzero(fits & ~excluded)
        self._num_kept += len(kept)
        return Fitted(
            batch=batch.taken(kept),
            rows=kept,
            start=np.maximum(start[kept], 0),
            end=np.minimum(end[kept], limit[kept]).astype(np.int32),
        )

    def check(self) -> None:
        """Stop where nothing is left, or too much reaches beyond the chromosomes' ends.

        Raises
        ------
        DataError
            If so.
        """
        if not self._num_known:
            raise DataError(
                f"{self._path} and {self._chromosomes.path} have no chromosome in common (one has "
                f"{self._a_chrom!r}); give files of the same assembly, or its names by "
                "--chrom-alias"
            )
        nothing_left = self._left_out.of(self._path).get(BEYOND, 0) >= self._num_known
        if nothing_left or is_other_assembly(self._num_odd, self._num_known):
            raise DataError(
                f"{self._path}: {self._num_odd:,} of {self._num_known:,} intervals reach beyond "
                f"their chromosome in {self._chromosomes.path}, first {self._first}; give files of "
                "the same assembly"
            )
        if not self._num_kept:
            raise DataError(
                f"{self._path}: nothing is left of it ({self._left_out.why(self._path)}); check "
                "that what --exclude names is of the same assembly"
            )

    def _limit(self, chrom: str) -> int:
        """Length of a chromosome; -1 where the genome lacks it."""
        lengths_bp = self._chromosomes.lengths_bp
        if lengths_bp is None:
            return _NO_END
        if chrom not in lengths_bp:
            self._a_chrom = self._a_chrom or chrom
        return lengths_bp.get(chrom, -1)

    def _note(
        self,
        batch: BedBatch,
        known: NDArray[np.bool_],
        odd: NDArray[np.bool_],
        near: NDArray[np.bool_],
    ) -> None:
        self._num_odd += int(odd.sum())
        self._left_out.add(batch.path, batch.line[~known], LACKING)
        self._left_out.add(batch.path, batch.line[odd & ~near], BEYOND)
        if near.any():
            self._left_out.clipped[self._path] += int(near.sum())
