"""Measures of how well probabilities of binding meet labels.

Labels are 1 bound, 0 unbound, NaN unresolved (left out). Ties of probability are one threshold.
What is not defined is NaN: every measure but recall or precision where there is one class only;
recall without a bound region; precision without a region predicted to be bound.

Two areas under the precision-recall curve: `average_precision` is the step-wise sum, in which a
constant predictor scores the fraction of bound regions. `aucpr_trapezoid` is the paper's, a
linear interpolation that ends in the point (recall 0, precision 1): a constant predictor scores
0.75 there when half of the regions are bound, so read it only beside the paper's numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError

THRESHOLD: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Measures of one TF's predictions on one set of regions."""

    mcc: float
    """Matthews correlation coefficient at the threshold; 0 if all predictions are one class."""
    auroc: float
    """Area under the receiver operating characteristic."""
    average_precision: float
    """Sum over thresholds of precision times gain in recall."""
    aucpr_trapezoid: float
    """Area under the linearly interpolated precision-recall curve, as in the paper."""
    precision: float
    """Bound fraction of the regions at or above the threshold."""
    recall: float
    """Fraction of the bound regions at or above the threshold."""
    num_bound: int
    """Resolved regions with label 1."""
    num_unbound: int
    """Resolved regions with label 0."""


def evaluate(labels: NDArray[np.float32], probabilities: NDArray[np.float32]) -> Metrics:
    """Measures of one TF's predictions; a region is called bound at 0.5 and above.

    Parameters
    ----------
    labels
        1, 0 or NaN, shape (n,).
    probabilities
        From 0 to 1, shape (n,).

    Raises
    ------
    ModelError
        The shapes differ, a label is another number, or a probability is not finite.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 1 or labels.shape != probabilities.shape:
        raise ModelError(
            f"labels have shape {labels.shape}, probabilities {probabilities.shape}; give two"
            " arrays of one dimension and one length"
        )
    resolved = ~np.isnan(labels)
    bound = labels[resolved] == 1.0
    scores = probabilities[resolved]
    if not np.isfinite(scores).all():
        raise ModelError(f"{np.sum(~np.isfinite(scores))} probabilities are not finite")
    if not (bound | (labels[resolved] == 0.0)).all():
        raise ModelError("labels hold numbers other than 0, 1 and NaN; mark unresolved ones NaN")
    num_bound = int(bound.sum())
    num_unbound = int(bound.size) - num_bound
    called = scores >= THRESHOLD
    true_bound = int(np.sum(called & bound))
    num_called = int(called.sum())
    mcc = auroc = average_precision = trapezoid = math.nan
    if num_bound and num_unbound:
        mcc = _mcc(true_bound, num_called - true_bound, num_bound, num_unbound)
        auroc, average_precision, trapezoid = _areas(bound, scores)
    return Metrics(
        mcc=mcc,
        auroc=auroc,
        average_precision=average_precision,
        aucpr_trapezoid=trapezoid,
        precision=true_bound / num_called if num_called else math.nan,
        recall=true_bound / num_bound if num_bound else math.nan,
        num_bound=num_bound,
        num_unbound=num_unbound,
    )


def evaluate_per_tf(
    labels: NDArray[np.float32], probabilities: NDArray[np.float32], tfs: Sequence[str]
) -> dict[str, Metrics]:
    """Measures by TF, of labels and probabilities of shape (n, T), columns as `tfs`."""
    if labels.ndim != 2 or labels.shape != probabilities.shape or labels.shape[1] != len(tfs):
        raise ModelError(
            f"labels have shape {labels.shape}, probabilities {probabilities.shape}, for"
            f" {len(tfs)} TFs; give a column for each TF"
        )
    return {tf: evaluate(labels[:, t], probabilities[:, t]) for t, tf in enumerate(tfs)}


def mean_metrics(per_tf: Mapping[str, Metrics]) -> Metrics:
    """Mean over TFs of each measure, over the TFs where it is defined; counts are summed."""
    values: dict[str, float] = {}
    for field in fields(Metrics):
        column = [getattr(metrics, field.name) for metrics in per_tf.values()]
        if field.name.startswith("num_"):
            values[field.name] = sum(column)
        else:
            defined = [value for value in column if not math.isnan(value)]
            values[field.name] = math.fsum(defined) / len(defined) if defined else math.nan
    return Metrics(**values)  # type: ignore[arg-type]


def _mcc(true_bound: int, false_bound: int, num_bound: int, num_unbound: int) -> float:
    """Matthews correlation coefficient; 0, its limit, if all calls are one class."""
    called, rest = true_bound + false_bound, num_bound + num_unbound - true_bound - false_bound
    if not called or not rest:
        return 0.0
    true_unbound, false_unbound = num_unbound - false_bound, num_bound - true_bound
    covariance = true_bound * true_unbound - false_bound * false_unbound
    # Python's integers: the product overflows 64 bits from some 60,000 regions on
    return covariance / math.sqrt(called * rest * num_bound * num_unbound)


def _areas(bound: NDArray[np.bool_], scores: NDArray[np.float32]) -> tuple[float, float, float]:
    """AUROC, average precision and trapezoidal AUCPR, where both classes are there."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    true_bound = np.cumsum(bound[order])[last_of_tie].astype(np.float64)
    called = (last_of_tie + 1).astype(np.float64)
    recall = true_bound / true_bound[-1]
    fall_out = (called - true_bound) / (called[-1] - true_bound[-1])
    precision = true_bound / called
    from_none = np.insert(recall, 0, 0.0)
    auroc = np.trapezoid(from_none, np.insert(fall_out, 0, 0.0))
    average_precision = np.sum(np.diff(from_none) * precision)
    trapezoid = np.trapezoid(np.insert(precision, 0, 1.0), from_none)
    return float(auroc), float(average_precision), float(trapezoid)
