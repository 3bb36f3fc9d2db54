"""Summits of peaks: the column of ReMap's format that holds them, and which peaks have none."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.left_out import is_other_format
from data.rows.batch import MISSING, NAME, BedBatch, BedFormat
from data.schema import CHROM, END, START

SUMMIT: Final = "summit"
PEAKS_FORMAT: Final = BedFormat(
    title="ReMap peaks",
    columns=(CHROM, START, END, NAME, "score", "strand", SUMMIT, "summitEnd", "rgb"),
    integers=(START, END, SUMMIT),
    optional=(SUMMIT,),
    used=(CHROM, START, END, NAME, SUMMIT),
    remedy="give ReMap's BED9 with the summit in column 7",
)
"""Peaks as ReMap offers them, BED9 whose thick start is the summit."""


def lacks_summit(
    batch: BedBatch,
    start: NDArray[np.int32],
    end: NDArray[np.int32],
    summit: NDArray[np.int32],
    remedy: str,
) -> NDArray[np.bool_]:
    """Find the peaks that have no summit: it is `MISSING`, or lies outside the peak.

    Parameters
    ----------
    batch
        The M rows, for messages.
    start, end, summit
        Each of shape (M,).
    remedy
        What to do about a file whose summits lie elsewhere.

    Returns
    -------
    numpy.ndarray
        Shape (M,).

    Raises
    ------
    DataError
        If so many summits lie outside their peaks that the column holds something else.
    """
    lacks = summit == MISSING
    outside = ~lacks & ((summit < start) | (summit >= end))
    if is_other_format(int(outside.sum()), len(batch)):
        index = int(outside.argmax())
        told = f"summit {summit[index]} lies outside its peak {start[index]}-{end[index]}"
        raise batch.error(index, told, remedy)
    return lacks | outside
