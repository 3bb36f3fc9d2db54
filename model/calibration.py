"""Calibration: from a network's logit to the probability that a region is bound.

Of the regions that are given 0.8, about 80 % are bound. Without torch, so that models are listed
before it is imported.
"""

from dataclasses import dataclass

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
        # tanh cannot overflow
        return (0.5 + 0.5 * np.tanh(0.5 * self.calibrated(logits))).astype(np.float32)


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
    # imported here, so that predictions, which mostly fit nothing, start quickly
    from scipy.optimize import minimize

    bound = labels == 1
    num_bound, num_unbound = int(bound.sum()), int((labels == 0).sum())
    if not num_bound or not num_unbound:
        raise ModelError(
            f"{num_bound} bound and {num_unbound} unbound regions to calibrate by; both are needed"
        )
    targets = np.where(bound, (num_bound + 1) / (num_bound + 2), 1 / (num_unbound + 2))
    x = logits.astype(np.float64)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = values[0] * x + values[1]
        off = 0.5 + 0.5 * np.tanh(0.5 * z) - targets
        gradient = np.array([(off * x).mean(), off.mean()])
        return float((np.logaddexp(0.0, z) - targets * z).mean()), gradient

    slope, intercept = minimize(
        loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)]
    ).x
    return Calibration(slope=float(slope), intercept=float(intercept))
