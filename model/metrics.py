"""Measures of how well probabilities of binding agree with labels.

Labels are 1 bound, 0 unbound or unresolved (`model.labels`; left out). Ties of probability are one
threshold. What is not defined is NaN: every measure but recall or precision where there is one
class only; recall without a bound region; precision without a region predicted to be bound.

Two areas under the precision-recall curve: `average_precision` is the step-wise sum, in which a
constant predictor scores the fraction of bound regions. `aucpr_trapezoid` is the paper's, a
linear interpolation that ends in the point (recall 0, precision 1): a constant predictor scores
0.75 there when half of the regions are bound, so compare it only with the paper's numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError
from model.labels import Labels, resolved_cells

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


def evaluate(labels: Labels, probabilities: NDArray[np.float32]) -> Metrics:
    """Measures of one TF's predictions; a region is called bound at 0.5 and above.

    Parameters
    ----------
    labels
        1, 0, or NaN or -1, shape (n,).
    probabilities
        From 0 to 1, shape (n,).

    Raises
    ------
    ModelError
        The shapes differ, a label is another number, or a probability is not finite.
    """
    if labels.ndim != 1 or labels.shape != probabilities.shape:
        raise ModelError(
            f"labels have shape {labels.shape}, probabilities {probabilities.shape}; give two"
            " arrays of one dimension and one length"
        )
    resolved = resolved_cells(labels)
    bound = labels[resolved] == 1.0
    scores = probabilities[resolved]
    if not np.isfinite(scores).all():
        raise ModelError(f"{np.sum(~np.isfinite(scores))} probabilities are not finite")
    if not (bound | (labels[resolved] == 0.0)).all():
        raise ModelError("labels hold numbers other than 0, 1 and NaN; mark unresolved ones NaN")
    num_bound = int(bound.sum())
    num_unbound = int(bound.size) - num_bound
    called = scores >= THRESHOLD
    num_right = int(np.sum(called & bound))
    mcc = auroc = average_precision = trapezoid = math.nan
    if num_bound and num_unbound:
        # imported here, so that predictions, which mostly measure nothing, start quickly
        from sklearn.metrics import (
            auc,
            average_precision_score,
            matthews_corrcoef,
            precision_recall_curve,
            roc_auc_score,
        )

        mcc = float(matthews_corrcoef(bound, called))
        auroc = float(roc_auc_score(bound, scores))
        average_precision = float(average_precision_score(bound, scores))
        precisions, recalls, _ = precision_recall_curve(bound, scores)
        trapezoid = float(auc(recalls, precisions))
    return Metrics(
        mcc=mcc,
        auroc=auroc,
        average_precision=average_precision,
        aucpr_trapezoid=trapezoid,
        precision=num_right / int(called.sum()) if called.any() else math.nan,
        recall=num_right / num_bound if num_bound else math.nan,
        num_bound=num_bound,
        num_unbound=num_unbound,
    )


def best_threshold(labels: Labels, probabilities: NDArray[np.float32]) -> float:
    """Probability at and above which calling a region bound gives the highest MCC.

    Parameters
    ----------
    labels
        1, 0, or NaN or -1, shape (n,).
    probabilities
        From 0 to 1, shape (n,).

    Returns
    -------
    float
        The lowest of the best; `THRESHOLD` where there is one class only.
    """
    resolved = resolved_cells(labels)
    order = np.argsort(-probabilities[resolved], kind="stable")
    scores = probabilities[resolved][order]
    bound = labels[resolved][order] == 1.0
    num, num_bound = len(bound), int(bound.sum())
    if not 0 < num_bound < num:
        return THRESHOLD
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # of each distinct score
    right = np.cumsum(bound)[last].astype(np.float64)
    called = last + 1.0
    # the covariance of calls and labels over the product of their standard deviations
    spread = np.sqrt(called * (num - called) * num_bound * (num - num_bound))
    mcc = np.divide(
        num * right - called * num_bound, spread, out=np.zeros_like(right), where=spread > 0
    )
    best = np.flatnonzero(mcc == mcc.max())[-1]
    return float(scores[last[best]])


def evaluate_per_tf(
    labels: Labels, probabilities: NDArray[np.float32], tfs: Sequence[str]
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
