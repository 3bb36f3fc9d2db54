"""Predictions of each part of a run's test regions, by what was fitted to the other parts.

Legend: n test regions, m of them in a part.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from orchestrator.report.calls import Predictions

NUM_PARTS: Final = 5
"""Parts of the test regions, where there are no folds."""

Fit = Callable[[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.float32]]
"""Takes which regions to learn from and which to predict, and gives probabilities of the latter."""


def parts_of(predicted: Predictions) -> NDArray[np.int64]:
    """Give the part of each region, shape (n,): its fold, or a fifth in the order of the genome."""
    if predicted.fold is not None:
        return predicted.fold
    rank = np.argsort(np.argsort(predicted.region_ids, kind="stable"), kind="stable")
    return rank * NUM_PARTS // len(rank)


def predicted_across(part: NDArray[np.int64], fit: Fit) -> NDArray[np.float32]:
    """Predict each part by what was fitted to all others, shape (n,)."""
    found = np.empty(len(part), dtype=np.float32)
    for number in np.unique(part):
        own = part == number
        found[own] = fit(~own, own)
    return found
