"""The interval of draws, MCC of counts, and tests: pure functions."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr, ttest_ind

LEVEL: Final = 0.95
"""Confidence level of all intervals."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Ends of an interval."""

    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether all of it is above zero."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether all of it is below zero."""
        return self.high < 0


@dataclass(frozen=True, kw_only=True)
class Welch:
    """Welch's t-test of two samples with unequal variances."""

    t: float
    """Positive if the first sample's mean is the larger."""
    degrees_of_freedom: float
    p: float
    """Two-sided."""


@dataclass(frozen=True, kw_only=True)
class Spearman:
    """Spearman's rank correlation."""

    rho: float
    p: float
    """Two-sided."""


def mcc(
    hits: ArrayLike, false_calls: ArrayLike, num_bound: ArrayLike, num_unbound: ArrayLike
) -> Floats:
    """Matthews correlation coefficient of counts, all of shapes that fit together.

    Parameters
    ----------
    hits
        Bound regions that are called bound.
    false_calls
        Unbound regions that are called bound.
    num_bound, num_unbound
        All regions of each label.

    Returns
    -------
    array
        0 where all labels or all calls are of one class.
    """
    hit, false, bound, unbound = (
        np.asarray(counts, dtype=np.float64)
        for counts in (hits, false_calls, num_bound, num_unbound)
    )
    called, total = hit + false, bound + unbound
    covariance = total * hit - called * bound
    scale = np.sqrt(called * (total - called) * bound * unbound)
    return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)


def interval(draws: ArrayLike) -> Interval:
    """Percentile interval of draws of shape (B,); undefined ones (NaN) are left out."""
    found = np.asarray(draws, dtype=np.float64)
    found = found[~np.isnan(found)]
    if not len(found):
        return Interval(low=float("nan"), high=float("nan"))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high))


def welch(first: ArrayLike, second: ArrayLike) -> Welch | None:
    """Test whether two samples, of shapes (n,) and (m,), have the same mean.

    None if a sample has fewer than two values, or neither varies: there is nothing to test with.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if min(len(a), len(b)) < 2 or (np.ptp(a) == 0 and np.ptp(b) == 0):
        return None
    result = ttest_ind(a, b, equal_var=False)
    return Welch(
        t=float(result.statistic), degrees_of_freedom=float(result.df), p=float(result.pvalue)
    )


def spearman(x: ArrayLike, y: ArrayLike) -> Spearman | None:
    """Rank correlation of two arrays of shape (n,).

    None with fewer than three pairs, or where one of the two does not vary.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    result = spearmanr(a, b)
    return Spearman(rho=float(result.statistic), p=float(result.pvalue))
