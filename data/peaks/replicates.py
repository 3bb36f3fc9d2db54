"""Replicates: the peaks that several files of a biosample agree on, each event once.

Two peaks of different files agree where they overlap by at least half of the shorter one, as in
ENCODE's naive overlap. A peak counts if peaks of enough files agree with it, its own file counted.
Among peaks that agree, the one with the best rank in its own file is kept, with its summit, and the
others are dropped. IDR compares ranks, too, since scores of two files have no common scale. Where
ranks are equal, or files have no scores, the file that was named first takes precedence. Peaks of
one file never replace each other, so that several summits of one peak are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import LeftOut
from data.peaks.chosen import scores_of
from data.peaks.reading import Peaks
from data.sources.evidence import overlap_pairs


@dataclass(frozen=True, kw_only=True)
class _Pooled:
    """The peaks of all files, one file after the other; M rows."""

    file: NDArray[np.int64]
    """Index of each peak's file, shape (M,)."""
    chrom: NDArray[np.object_]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    rank: NDArray[np.int64]
    """Rank of each peak in its file, 0 the best, shape (M,)."""


def agreed_peaks(
    files: Sequence[Peaks], num_agreeing: int, left_out: LeftOut
) -> list[NDArray[np.int64]]:
    """Find the peaks of some files that stay, see above.

    Parameters
    ----------
    files
        Two or more, of one biosample.
    num_agreeing
        Files that must have a peak, 1 for their union.
    left_out
        Where the other peaks are noted.

    Returns
    -------
    list of numpy.ndarray
        For each file, indices of its peaks that stay, rising.

    Raises
    ------
    DataError
        If none stays.
    """
    pooled = _pooled(files)
    one, other = _agreeing_pairs(pooled)
    kinds = np.unique(one.astype(np.int64) * len(files) + pooled.file[other])
    num_others = np.bincount(kinds // len(files), minlength=len(pooled.file))
    agreed = num_others + 1 >= num_agreeing
    if not agreed.any():
        paths = ", ".join(str(peaks.rows.path) for peaks in files)
        raise DataError(
            f"{paths}: no peaks of {num_agreeing} files overlap by half of the shorter one; give "
            "whole peaks, no summits, of one assembly"
        )
    both = agreed[one] & agreed[other]
    gives_way = _giving_way(pooled, agreed, one[both], other[both])
    stay = []
    first = 0
    for peaks in files:
        own = slice(first, first + len(peaks))
        first += len(peaks)
        path, line = peaks.rows.path, peaks.rows.line
        left_out.add(path, line[~agreed[own]], f"in fewer than {num_agreeing} replicates")
        left_out.add(path, line[gives_way[own]], "agreeing with a peak of a better rank")
        stay.append(np.flatnonzero(agreed[own] & ~gives_way[own]))
    return stay


def _pooled(files: Sequence[Peaks]) -> _Pooled:
    return _Pooled(
        file=np.repeat(np.arange(len(files)), [len(peaks) for peaks in files]),
        chrom=np.concatenate([peaks.chrom_names for peaks in files]),
        start=np.concatenate([peaks.start for peaks in files]),
        end=np.concatenate([peaks.end for peaks in files]),
        rank=np.concatenate([_ranks(peaks) for peaks in files]),
    )


def _ranks(peaks: Peaks) -> NDArray[np.int64]:
    """Rank of each peak by its score; equal scores have one rank."""
    found = scores_of(peaks)
    if found is None:
        return np.zeros(len(peaks), dtype=np.int64)
    ordered = np.sort(-found[1])
    return np.searchsorted(ordered, -found[1])


def _agreeing_pairs(pooled: _Pooled) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of peaks of different files that agree, each pair in both orders."""
    pairs = [np.empty((2, 0), dtype=np.int64)]
    for chrom in dict.fromkeys(pooled.chrom.tolist()):
        rows = np.flatnonzero(pooled.chrom == chrom)
        start, end = pooled.start[rows], pooled.end[rows]
        pairs.append(rows[np.stack(overlap_pairs(start, end, start, end))])
    one, other = np.concatenate(pairs, axis=1)
    shared = np.minimum(pooled.end[one], pooled.end[other])
    shared -= np.maximum(pooled.start[one], pooled.start[other])
    length = pooled.end - pooled.start
    agree = pooled.file[one] != pooled.file[other]
    agree &= 2 * shared >= np.minimum(length[one], length[other])
    return one[agree], other[agree]


def _giving_way(
    pooled: _Pooled,
    agreed: NDArray[np.bool_],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Whether a peak is dropped in favour of an agreeing one with a better rank, shape (M,)."""
    order = np.argsort(one, kind="stable")
    others = other[order]
    bounds = np.searchsorted(one[order], np.arange(len(agreed) + 1))
    gives_way = np.zeros(len(agreed), dtype=bool)
    best_first = np.lexsort((pooled.file, pooled.rank))
    for peak in best_first[agreed[best_first]].tolist():
        if not gives_way[peak]:
            gives_way[others[bounds[peak] : bounds[peak + 1]]] = True
    return gives_way
