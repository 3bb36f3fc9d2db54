"""What a threshold on the probability does: curves, operating points, and rates of binding.

A test set has about as many bound as unbound regions, and a genome far fewer bound ones. Recall and
false-positive rate do not depend on that, and precision does: at a rate r of bound regions it is
r * recall / (r * recall + (1 - r) * false-positive rate).

Legend: n test regions, P points of a curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from data.dataset.store import Dataset
from data.schema import Evidence

THRESHOLDS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Probabilities, as `bindgrid predict` gives them, at or above which a region is called bound."""
MAX_POINTS: Final = 100
"""Points of a curve; more are thinned evenly, and both ends kept."""
BALANCED: Final = 0.2
"""Fraction of bound regions above which a dataset is taken to be made of a TF's peaks, so that it
says nothing about a genome."""
ASSUMED_RATE: Final = 0.01
"""Fraction of regions that are assumed to be bound, where the dataset gives no rate."""
NONE_SEEN: Final = 3.0
"""Where none of n unbound regions is called bound, with 95 % confidence fewer than 3 / n of all are
(Hanley and Lippman-Hand 1983, doi 10.1001/jama.1983.03330370053031)."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """An arm's curves, the strictest threshold first; all of length P."""

    arm: str
    false_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    """At the balance of the test regions; 1 where nothing is called bound."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """What calling regions bound at or above a threshold does."""

    threshold: float
    recall: float
    false_positive_rate: float
    precision: float
    """At the balance of the test regions; 0 where nothing is called bound."""
    precision_at_rate: float
    """At the rate of binding elsewhere; a lower bound where `is_bound`."""
    is_bound: bool
    """Whether no unbound region is called bound, so that the precision elsewhere is only known to
    be at least this high (with 95 % confidence)."""

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, at the balance of the test regions."""
        return _f1(self.precision, self.recall)

    @property
    def f1_at_rate(self) -> float:
        """Harmonic mean of precision and recall, at the rate of binding elsewhere."""
        return _f1(self.precision_at_rate, self.recall)


@dataclass(frozen=True, kw_only=True)
class Operating:
    """How a model operates at any threshold."""

    curves: tuple[Curve, ...]
    """The model's first, then those of other arms."""
    points: tuple[Point, ...]
    """By threshold, rising."""
    balance: float
    """Fraction of the test regions that is bound."""
    rate: float
    """Fraction of regions that is bound elsewhere."""
    rate_of: str
    """Where that rate is from, for people."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Test regions of an arm, those of all replicates."""

    probability: NDArray[np.float32]
    """Shape (n,)."""
    bound: NDArray[np.bool_]
    """Shape (n,)."""


def operating(
    model: Scored, others: Sequence[tuple[str, Scored]], name: str, rate: float, rate_of: str
) -> Operating:
    """Work out curves and operating points.

    Parameters
    ----------
    model
        Calibrated probabilities of the model, of both classes.
    others
        Names and predictions of the arms to draw beside it.
    name
        Name of the model's arm.
    rate, rate_of
        As in `Operating`.
    """
    return Operating(
        curves=tuple(curve(arm, scored) for arm, scored in ((name, model), *others)),
        points=tuple(point(model, threshold, rate) for threshold in THRESHOLDS),
        balance=float(model.bound.mean()),
        rate=rate,
        rate_of=rate_of,
    )


def curve(arm: str, scored: Scored) -> Curve:
    """Compute an arm's ROC and precision-recall curves."""
    false_positive, recall, _ = roc_curve(scored.bound, scored.probability)
    called = false_positive * (~scored.bound).sum() + recall * scored.bound.sum()
    hits = recall * scored.bound.sum()
    precision = np.divide(hits, called, out=np.ones_like(hits), where=called > 0)
    at = np.unique(
        np.linspace(0, len(recall) - 1, min(MAX_POINTS, len(recall))).round().astype(int)
    )
    return Curve(
        arm=arm,
        false_positive_rate=_rounded(false_positive[at]),
        recall=_rounded(recall[at]),
        precision=_rounded(precision[at]),
    )


def point(scored: Scored, threshold: float, rate: float) -> Point:
    """Count the regions that are called bound at or above a threshold."""
    called = scored.probability >= threshold
    num_bound, num_unbound = int(scored.bound.sum()), int((~scored.bound).sum())
    hits, wrong = int((called & scored.bound).sum()), int((called & ~scored.bound).sum())
    recall = hits / num_bound
    least = min(1.0, (wrong or NONE_SEEN) / num_unbound)
    return Point(
        threshold=threshold,
        recall=recall,
        false_positive_rate=wrong / num_unbound,
        precision=hits / (hits + wrong) if hits + wrong else 0.0,
        precision_at_rate=precision_at(rate, recall, least),
        is_bound=wrong == 0 and hits > 0,
    )


def precision_at(rate: float, recall: float, false_positive_rate: float) -> float:
    """Precision where a fraction `rate` of regions is bound; 0 where nothing is called bound."""
    called = rate * recall + (1 - rate) * false_positive_rate
    return rate * recall / called if called else 0.0


def binding_rate(dataset: Dataset, tf: str) -> tuple[float, str]:
    """Fraction of regions that a TF binds, and where that is from.

    It is that of the dataset's regions where the TF is known to be bound or not; or assumed, where
    the dataset was made of a lab's own peaks, or has hardly any other regions than the TF's.
    """
    summary = dataset.summary(tf)
    num_bound, num_unbound = (summary.count(code) for code in (Evidence.BOUND, Evidence.UNBOUND))
    rate = num_bound / max(1, num_bound + num_unbound)
    if dataset.manifest.own_regions is not None:
        return ASSUMED_RATE, "assumed, since the regions were made of your own peaks"
    if 0 < rate < BALANCED:
        return rate, f"{num_bound:,} of {num_bound + num_unbound:,} open regions of the dataset"
    return ASSUMED_RATE, "assumed, since the dataset has few regions that are not bound"


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.round(values, 4).tolist())
