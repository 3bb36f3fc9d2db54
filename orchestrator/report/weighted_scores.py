"""Scores of predictions whose regions count several times, as in a bootstrap of regions.

Legend: n test regions, C draws.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.metrics import THRESHOLD
from orchestrator.report.calls import Predictions
from orchestrator.report.statistics import Floats, mcc

SCORES: Final = ("mcc", "auroc", "average_precision")
"""Names of the scores, in their order."""
_CELLS_AT_ONCE: Final = 60_000
"""Regions times draws that are scored at once: what the caches of a processor hold."""
_FEWEST_AT_ONCE: Final = 8
"""Draws that are scored at once at least."""


def weighted_scores(run: Predictions, weights: NDArray[np.int64] | Floats) -> Floats:
    """Scores of predictions whose regions count several times, or not at all.

    Parameters
    ----------
    weights
        How often each region counts, shape (C, n).

    Returns
    -------
    array
        Shape (C, 3), in the order of `SCORES`; those of weights 1 are scikit-learn's. NaN where
        one class has no region; an MCC is 0 where all regions are called the same.
    """
    order = np.argsort(-run.probability, kind="stable")
    ranked = run.probability[order]
    # ties are one threshold: counts are read where the probability changes
    ends = np.append(np.flatnonzero(np.diff(ranked) != 0), len(ranked) - 1)
    above = int((ranked[ends] >= THRESHOLD).sum())
    bound = run.bound[order][:, None]
    num_at_once = max(_FEWEST_AT_ONCE, _CELLS_AT_ONCE // len(order))
    parts = []
    for low in range(0, len(weights), num_at_once):
        # regions by draws, so that sums along the regions are sums of whole rows
        ordered = weights.T[:, low : low + num_at_once][order].astype(np.float64, copy=False)
        called, hit = (np.cumsum(part, axis=0)[ends] for part in (ordered, ordered * bound))
        parts.append(_scores(called, hit, above))
    return np.concatenate(parts)


def _scores(called: Floats, hit: Floats, above: int) -> Floats:
    """Scores (C, 3) from the regions called bound at each of P thresholds, and those bound: (P, C).

    The first `above` thresholds are not below that of a call.
    """
    missed = called - hit
    num_bound, num_unbound = hit[-1], missed[-1]
    gained = np.diff(hit, axis=0, prepend=0)
    false = np.diff(missed, axis=0, prepend=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        area = np.einsum("pc,pc->c", false, hit) - np.einsum("pc,pc->c", false, gained) / 2
        auroc = area / (num_bound * num_unbound)
        precision = np.divide(hit, called, out=np.zeros_like(hit), where=called > 0)
        average_precision = np.einsum("pc,pc->c", gained, precision) / num_bound
    none = np.zeros(hit.shape[1])
    true_calls, false_calls = (hit[above - 1], missed[above - 1]) if above else (none, none)
    at_half = mcc(true_calls, false_calls, num_bound, num_unbound)
    scores = np.stack([at_half, auroc, average_precision], axis=1)
    scores[(num_bound == 0) | (num_unbound == 0)] = np.nan
    return scores
