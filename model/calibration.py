"""Calibration: from a network's logit to the probability that a region is bound.

Of the regions that are given 0.8, about 80 % are bound. How open a region is may count beside its
sequence, which is all that the network reads. Without torch, so that models are listed before it is
imported.

Legend: n regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Probability of a logit x: sigmoid(slope * x + intercept) (Platt 1999)."""

    slope: float = 1.0
    intercept: float = 0.0

    def calibrated(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated logits, any shape."""
        return self.slope * logits + self.intercept

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of logits, any shape."""
        return probabilities_of(self.calibrated(logits))


class OpenCalibration(NamedTuple):
    """A calibration that openness counts in."""

    of_logits: Calibration
    per_openness: float
    """What a unit of :func:`openness` adds to a calibrated logit."""

    def probabilities(
        self, logits: NDArray[np.float32], opened: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Probabilities of logits and the openness of each region, both of shape (n,)."""
        calibrated = self.of_logits.calibrated(logits)
        return probabilities_of(calibrated + np.float32(self.per_openness) * opened)


def probabilities_of(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of calibrated logits, any shape."""
    # tanh cannot overflow
    return (0.5 + 0.5 * np.tanh(0.5 * logits)).astype(np.float32)


def openness(num_biosamples: NDArray[np.int64]) -> NDArray[np.float32]:
    """Openness of regions by the number of biosamples in which each is open, any shape.

    The logarithm of one more: from none to one says as much as from nine to nineteen.
    """
    return np.log1p(num_biosamples).astype(np.float32)


def fit_calibration(logits: NDArray[np.float32], labels: NDArray[np.float32]) -> Calibration:
    """Fit a calibration to regions that the network was not trained on.

    By maximum likelihood, with Platt's targets (n + 1) / (n + 2) for the n bound regions and
    1 / (n + 2) for the n unbound ones, so that a few regions that are all classified correctly do
    not make the probabilities certain. Where logits do not rise with labels the slope is 0.

    Parameters
    ----------
    logits, labels
        Shape (n,); a label is 1 or 0.

    Raises
    ------
    ModelError
        There are no bound regions, or no unbound ones.
    """
    slope, intercept = _fitted([logits], labels)
    return Calibration(slope=slope, intercept=intercept)


def fit_open_calibration(
    logits: NDArray[np.float32], labels: NDArray[np.float32], opened: NDArray[np.float32]
) -> OpenCalibration:
    """Fit a calibration that openness counts in, as :func:`fit_calibration` fits one.

    Parameters
    ----------
    opened
        Openness of each region, shape (n,).
    """
    slope, per_openness, intercept = _fitted([logits, opened], labels)
    return OpenCalibration(Calibration(slope=slope, intercept=intercept), per_openness)


def _fitted(reasons: Sequence[NDArray[np.float32]], labels: NDArray[np.float32]) -> list[float]:
    """Weights of some reasons, each of shape (n,), and the intercept; the first is at least 0."""
    # imported here, so that predictions, which mostly fit nothing, start quickly
    from scipy.optimize import minimize

    bound = labels == 1
    num_bound, num_unbound = int(bound.sum()), int((labels == 0).sum())
    if not num_bound or not num_unbound:
        raise ModelError(
            f"{num_bound} bound and {num_unbound} unbound regions to calibrate by; both are needed"
        )
    targets = np.where(bound, (num_bound + 1) / (num_bound + 2), 1 / (num_unbound + 2))
    columns = [one.astype(np.float64) for one in reasons]

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = values[-1] + sum(
            weight * column for weight, column in zip(values[:-1], columns, strict=True)
        )
        off = 0.5 + 0.5 * np.tanh(0.5 * z) - targets
        gradient = np.array([*((off * column).mean() for column in columns), off.mean()])
        return float((np.logaddexp(0.0, z) - targets * z).mean()), gradient

    start = np.zeros(len(columns) + 1)
    start[0] = 1.0
    bounds = [(0.0, None), *[(None, None)] * len(columns)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return [float(value) for value in found]
