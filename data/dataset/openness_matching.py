"""Unbound regions as open as bound ones, so that openness tells little of the binding: a control.

Bound regions come from the biosamples that a TF was profiled in, and tend to be open in more of
them; the number of biosamples in which a region is open alone finds some of them. Regions are
therefore put into strata by their *propensity*: the probability of being bound that follows from
the biosamples in which they are open, and from the number of these, by a logistic regression
(Rosenbaum and Rubin 1983, doi 10.1093/biomet/70.1.41). Unbound regions are then drawn by stratum.

Legend: N regions of the dataset, B biosamples, m regions of a class.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

NUM_STRATA: Final = 10
"""Strata, each with as many bound regions as far as equal propensities allow."""
_DECIMALS: Final = 6
"""Decimals of a propensity that count, so that rounding moves no region to another stratum."""


def openness_strata(
    open_in: NDArray[np.bool_],
    bound: NDArray[np.int64],
    unbound: NDArray[np.int64],
    num_strata: int = NUM_STRATA,
) -> NDArray[np.int64]:
    """Say which stratum of openness each region lies in, shape (N,).

    Parameters
    ----------
    open_in
        Whether each region is open in each biosample, shape (N, B).
    bound, unbound
        Ids of the regions of each class, shape (m,), that the propensity is fitted to.
    num_strata
        Most strata, 10 by default; there are fewer where many bound regions are open in the same
        biosamples.
    """
    if not len(bound) or not len(unbound):
        return np.zeros(len(open_in), dtype=np.int64)
    propensity = _propensity(open_in, bound, unbound)
    inner = np.linspace(0, 1, num_strata + 1)[1:-1]
    edges = np.unique(np.quantile(propensity[bound], inner, method="lower"))
    return np.searchsorted(edges, propensity, side="left").astype(np.int64)


def _propensity(
    open_in: NDArray[np.bool_], bound: NDArray[np.int64], unbound: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probability of being bound that openness alone gives each region, shape (N,)."""
    from sklearn.linear_model import LogisticRegression

    # the same biosamples, the same propensity: of N regions only so many are worked out
    patterns, of_region = _patterns(open_in)
    number = patterns.sum(axis=1)
    features = np.column_stack([patterns, number[:, None] == np.unique(number)]).astype(np.float64)
    counts = [np.bincount(of_region[ids], minlength=len(patterns)) for ids in (bound, unbound)]
    weights = np.concatenate(counts)
    labels = np.repeat([1, 0], len(patterns))
    there = weights > 0
    fitted = LogisticRegression(solver="newton-cholesky")
    fitted.fit(np.tile(features, (2, 1))[there], labels[there], sample_weight=weights[there])
    found: NDArray[np.float64] = fitted.predict_proba(features)[:, 1]
    return np.round(found, _DECIMALS)[of_region]


def _patterns(open_in: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Give the distinct rows, and which of them each row is."""
    packed = np.packbits(open_in, axis=1)
    as_bytes = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, of_row = np.unique(as_bytes, return_index=True, return_inverse=True)
    return open_in[first], of_row
