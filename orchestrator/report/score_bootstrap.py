"""Intervals of MCC, AUROC and average precision of several arms on the same test regions.

Regions are drawn with replacement once for all arms and replicates: replicates of one TF share the
bound regions that they are tested on, so drawing for each anew would take the same regions for
independent ones. Replicates are drawn with replacement too.

Legend: n test regions of a replicate, U regions of any replicate, R replicates, B draws, C draws
computed at a time.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.metrics import THRESHOLD
from orchestrator.report.calls import Predictions
from orchestrator.report.statistics import Floats, Interval, interval

SCORES: Final = ("mcc", "auroc", "average_precision")
NUM_DRAWS: Final = 1000
_CELLS_AT_ONCE: Final = 500_000
"""Draws times regions that are in memory at a time: tens of megabytes."""


def score_draws(
    arms: Mapping[str, Sequence[Predictions]], *, seed: int = 0, num_draws: int = NUM_DRAWS
) -> dict[str, Floats]:
    """Draw the mean over replicates of the scores of each arm.

    Parameters
    ----------
    arms
        Predictions of each replicate; all arms have the same replicates, on the same regions.
    seed
        Of the draws.

    Returns
    -------
    dict
        By arm, shape (B, 3), in the order of `SCORES`; NaN where a draw has one class only.

    Raises
    ------
    ValueError
        If arms differ in their test regions.
    """
    first = next(iter(arms.values()))
    for name, own in arms.items():
        ids = [one.region_ids for one in own]
        same = len(own) == len(first) and all(
            np.array_equal(a, b.region_ids) for a, b in zip(ids, first, strict=True)
        )
        if not same:
            raise ValueError(f"arm {name!r} was tested on other regions")
    union = np.unique(np.concatenate([one.region_ids for one in first]))
    places = [np.searchsorted(union, one.region_ids) for one in first]
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // len(union))
    parts: dict[str, list[Floats]] = {name: [] for name in arms}
    for low in range(0, num_draws, at_once):
        num = min(at_once, num_draws - low)
        weights = _drawn(rng, num, len(union))
        picked = rng.integers(0, len(first), (num, len(first)))
        for name, own in arms.items():
            each = np.stack(
                [
                    weighted_scores(one, weights[:, place])
                    for one, place in zip(own, places, strict=True)
                ]
            )
            parts[name].append(each[picked.T, np.arange(num)].mean(axis=0))
    return {name: np.concatenate(found) for name, found in parts.items()}


def weighted_scores(predicted: Predictions, weights: NDArray[np.int64]) -> Floats:
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
    order = np.argsort(-predicted.probability, kind="stable")
    ranked = predicted.probability[order]
    # ties are one threshold: counts are read where the probability changes
    ends = np.append(np.flatnonzero(np.diff(ranked) != 0), len(ranked) - 1)
    ordered = weights[:, order].astype(np.float64)
    called = np.cumsum(ordered, axis=1)[:, ends]
    hit = np.cumsum(ordered * predicted.bound[order], axis=1)[:, ends]
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
        true_calls = hit[:, above - 1] if above else np.zeros(len(weights))
        calls = called[:, above - 1] if above else np.zeros(len(weights))
        total = num_bound + num_unbound
        covariance = total * true_calls - calls * num_bound
        scale = np.sqrt(calls * (total - calls) * num_bound * num_unbound)
        mcc = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    scores = np.stack([mcc, auroc, average_precision], axis=1)
    scores[(num_bound == 0) | (num_unbound == 0)] = np.nan
    return scores


def ends_of(draws: Floats) -> Interval:
    """Percentile interval of draws of shape (B,), undefined ones left out."""
    defined = draws[~np.isnan(draws)]
    if not len(defined):
        return Interval(low=float("nan"), high=float("nan"))
    return interval(defined)


def _drawn(rng: np.random.Generator, num: int, size: int) -> NDArray[np.int64]:
    """How often each of some regions is drawn, shape (num, size)."""
    index = rng.integers(0, size, (num, size)) + size * np.arange(num)[:, None]
    return np.bincount(index.ravel(), minlength=num * size).reshape(num, size)
