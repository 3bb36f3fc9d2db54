"""Ways to predict binding without a network: linear classifiers of motifs' hits and of k-mers.

Legend: n regions, m others, F features.
"""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from model.errors import ModelError
from model.gapped_kmers import gapped_kmers

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_STEPS: Final = 2000
"""Highest number of steps of either solver, which need some tens."""
SUPPORT_STRENGTH: Final = 0.3
"""Inverse strength of the penalty on k-mers and gapped k-mers."""
_BATCH: Final = 1000
"""Sequences to predict whose gapped k-mers are counted at a time; only memory depends on it."""


class Linear(NamedTuple):
    """A linear classifier, its weights on the features as they are."""

    weights: NDArray[np.float64]
    """Shape (F,)."""
    bias: float

    def logits(self, features: "NDArray[np.floating] | csr_matrix") -> NDArray[np.float64]:
        """Logits, or scores, of some regions by features of shape (n, F)."""
        found: NDArray[np.float64] = features @ self.weights + self.bias
        return found


def logistic_regression(
    features: NDArray[np.floating], bound: NDArray[np.bool_], *, strength: float
) -> Linear:
    """Fit a penalized logistic regression; parameters are those of `logistic_probabilities`."""
    from sklearn.linear_model import LogisticRegression

    _check_classes(bound)
    center, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1
    fitted = LogisticRegression(C=strength, max_iter=MAX_STEPS)
    fitted.fit((features - center) / scale, bound)
    weights = fitted.coef_[0] / scale
    return Linear(weights=weights, bias=float(fitted.intercept_[0] - center @ weights))


def logistic_probabilities(
    features: NDArray[np.floating],
    bound: NDArray[np.bool_],
    others: NDArray[np.floating],
    *,
    strength: float,
) -> NDArray[np.float64]:
    """Probabilities of other regions by a penalized logistic regression, shape (m,).

    Parameters
    ----------
    features
        Shape (n, F); each is standardized, and a constant one has no effect.
    bound
        Labels, shape (n,).
    others
        Features of the others, shape (m, F).
    strength
        Inverse strength C of the penalty, which is half the squared norm of the weights over C.

    Raises
    ------
    ModelError
        There are regions of one class only.
    """
    fitted = logistic_regression(features, bound, strength=strength)
    found: NDArray[np.float64] = expit(fitted.logits(others))
    return found


def support_vectors(counts: "csr_matrix", bound: NDArray[np.bool_]) -> Linear:
    """Fit a linear support vector machine to numbers of k-mers; its scores are no logits.

    Parameters
    ----------
    counts
        Shape (n, F).
    bound
        Labels, shape (n,).

    Raises
    ------
    ModelError
        There are regions of one class only.
    """
    from sklearn.svm import LinearSVC

    _check_classes(bound)
    # without a seed the solver would draw from the global state
    fitted = LinearSVC(C=SUPPORT_STRENGTH, max_iter=MAX_STEPS, random_state=0).fit(counts, bound)
    return Linear(weights=fitted.coef_[0], bias=float(fitted.intercept_[0]))


def k_mer_probabilities(
    sequences: NDArray[np.uint8],
    bound: NDArray[np.bool_],
    others: NDArray[np.uint8],
    *,
    num_bases: int,
    max_span: int,
) -> NDArray[np.float64]:
    """Scores of other regions by a linear support vector machine on gapped k-mers, shape (m,).

    As probabilities they rise with the score of the decision and are 0.5 where it is 0; they are
    not calibrated.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    bound
        Labels, shape (n,).
    others
        Packed bases of the others, shape (m, L / 4).
    num_bases, max_span
        Of `model.gapped_kmers`; k-mers have a span of k.

    Raises
    ------
    ModelError
        There are regions of one class only.
    """
    counts = gapped_kmers(sequences, num_bases=num_bases, max_span=max_span)
    fitted = support_vectors(counts, bound)
    scores = [
        fitted.logits(gapped_kmers(part, num_bases=num_bases, max_span=max_span))
        for part in np.split(others, range(_BATCH, len(others), _BATCH))
    ]
    found: NDArray[np.float64] = expit(np.concatenate(scores))
    return found


def _check_classes(bound: NDArray[np.bool_]) -> None:
    if bound.all() or not bound.any():
        raise ModelError(
            f"{int(bound.sum())} bound and {int((~bound).sum())} unbound regions to learn from; "
            "both are needed"
        )
