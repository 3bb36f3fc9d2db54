"""The peaks of a file that count by their score: those with a minimum score, and the best ones."""

import numpy as np
from numpy.typing import NDArray

from data.dataset.added import PeakChoice
from data.errors import DataError
from data.left_out import LeftOut
from data.peaks.reading import Peaks


def chosen_peaks(peaks: Peaks, choice: PeakChoice, left_out: LeftOut) -> NDArray[np.int64]:
    """Find the peaks with a minimum score, and the best ones among them.

    Ties for the last places are broken at random. The random number of a peak depends on its
    position alone, so that the order of rows does not matter, and no chromosome is favoured.

    Parameters
    ----------
    left_out
        Where the other peaks are noted.

    Returns
    -------
    numpy.ndarray
        Indices of the peaks that count, ascending.

    Raises
    ------
    DataError
        If no peak has a score this high, or all peaks have the same score.
    """
    path, line = peaks.rows.path, peaks.rows.line
    rows = np.arange(len(peaks))
    if choice.min_score is not None:
        name = peaks.scores[0]
        scores = peaks.numbers(name)
        enough = scores >= choice.min_score
        if not enough.any():
            raise DataError(_none(peaks, scores, choice.min_score))
        left_out.add(path, line[~enough], f"{name} below {choice.min_score:g}")
        rows = rows[enough]
    if choice.top is None or len(rows) <= choice.top:
        return rows
    name, best = _best(peaks.taken(rows), choice.top)
    left_out.add(path, line[rows[~best]], f"not among the best {choice.top:,} by {name}")
    return rows[best]


def scores_of(peaks: Peaks) -> tuple[str, NDArray[np.float64]] | None:
    """Give the first score that tells peaks apart, and its name; None where there is none.

    A peak without it has minus infinity.
    """
    for name in peaks.scores:
        scores = peaks.numbers(name)
        known = scores[~np.isnan(scores)]
        if len(known) and known.min() < known.max():
            return name, np.where(np.isnan(scores), -np.inf, scores)
    return None


def _none(peaks: Peaks, scores: NDArray[np.float64], least: float) -> str:
    known = scores[~np.isnan(scores)]
    name = peaks.scores[0]
    highest = f"the highest is {known.max():g}" if len(known) else "it holds no numbers"
    return (
        f"{peaks.rows.path}: none of {len(peaks):,} peaks has a {name} of {least:g} or more, "
        f"{highest}; lower --min-score, or name another column"
    )


def _best(peaks: Peaks, num: int) -> tuple[str, NDArray[np.bool_]]:
    """Name of the score that peaks are ranked by, and whether each is among the best ones."""
    found = scores_of(peaks)
    if found is None:
        looked_at = ", ".join(peaks.scores) or "none"
        raise DataError(
            f"{peaks.rows.path}: {peaks.format} has no score that tells its peaks apart (columns "
            f"looked at: {looked_at}); name a column by --min-score, or leave --top out"
        )
    name, scores = found
    place = np.lexsort((peaks.end, peaks.start, peaks.chrom_names.astype(str)))
    lot = np.empty(len(peaks), dtype=np.int64)
    lot[place] = np.random.default_rng(0).permutation(len(peaks))
    best = np.zeros(len(peaks), dtype=bool)
    best[np.lexsort((lot, -scores))[:num]] = True
    return name, best
