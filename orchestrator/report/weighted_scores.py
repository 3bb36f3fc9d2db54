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
    ordered = weights[:, order].astype(np.float64)
    called = np.cumsum(ordered, axis=1)[:, ends]
    hit = np.cumsum(ordered * run.bound[order], axis=1)[:, ends]
    missed = called - hit
    num_bound, num_unbound = hit[:, -1], missed[:, -1]
    before = np.pad(hit, ((0, 0), (1, 0)))[:, :-1]
    gained = hit - before
    false = np.diff(missed, axis=1, prepend=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        auroc = (false * (hit + before) / 2).sum(axis=1) / (num_bound * num_unbound)
        precision = np.divide(hit, called, out=np.zeros_like(hit), where=called > 0)
        average_precision = (gained * precision).sum(axis=1) / num_bound
    above = int((ranked[ends] >= THRESHOLD).sum())
    none = np.zeros(len(weights))
    calls = (hit[:, above - 1], missed[:, above - 1]) if above else (none, none)
    scores = np.stack([mcc(*calls, num_bound, num_unbound), auroc, average_precision], axis=1)
    scores[(num_bound == 0) | (num_unbound == 0)] = np.nan
    return scores
