"""Predictions of a TF by several trained networks, calibrated.

A network's logit of a sequence is the mean over its two strands; a :class:`Calibration` turns it
into a calibrated probability: of the regions that are given 0.8, about 80 % are bound. Networks
that differ only in their seed are averaged; the spread is the standard deviation over them.

Legend: n sequences, L base pairs, M networks, T TFs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from model.checkpoint import load, load_config
from model.errors import ModelError
from model.prediction import both_strand_logits, every_logit


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A trained network as one of an ensemble."""

    network: nn.Module
    length_bp: int
    """Length of the sequences that it reads."""
    output: int = 0
    """Which of its outputs is the TF's; the first by default."""
    calibration: Calibration = Calibration()

    @classmethod
    def load(cls, folder: Path, *, output: int = 0, calibration: Calibration) -> "Member":
        """Load the network in a folder.

        Raises
        ------
        ModelError
            It cannot be loaded or has no such output.
        """
        config = load_config(folder)
        if not 0 <= output < config.num_tfs:
            raise ModelError(f"{folder}: no output {output}, the network has {config.num_tfs}")
        return cls(
            network=load(folder),
            length_bp=config.length_bp,
            output=output,
            calibration=calibration,
        )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What an ensemble predicts of n sequences."""

    probability: NDArray[np.float32]
    """Mean over the networks, shape (n,)."""
    spread: NDArray[np.float32]
    """Standard deviation over the networks, shape (n,); 0 where there is one."""
    logit: NDArray[np.float32]
    """Mean over the networks of the calibrated logits, shape (n,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Trained networks that predict T TFs at once, each by an output of its own."""

    networks: tuple[nn.Module, ...]
    """M networks, one or more, with the same outputs."""
    length_bp: int
    """Length of the sequences that they read."""
    outputs: tuple[int, ...]
    """Which outputs are the TFs', T of them."""
    calibrations: tuple[tuple[Calibration, ...], ...]
    """By network, one for each TF."""

    def predict(self, sequences: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict calibrated probabilities, means over strands and networks, shape (n, T).

        Each sequence goes through each network once, however many TFs there are.

        Parameters
        ----------
        sequences
            Packed bases, shape (n, L / 4).
        """
        found = np.zeros((len(sequences), len(self.outputs)), dtype=np.float32)
        for network, calibrations in zip(self.networks, self.calibrations, strict=True):
            logits = every_logit(network, sequences, self.outputs)
            for column, calibration in enumerate(calibrations):
                found[:, column] += calibration.probabilities(logits[:, column])
        return found / np.float32(len(self.networks))


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


def predict_ensemble(members: Sequence[Member], sequences: NDArray[np.uint8]) -> Prediction:
    """Predict by all networks of an ensemble, on both strands.

    Parameters
    ----------
    members
        The networks, one or more.
    sequences
        Packed bases, shape (n, L / 4).
    """
    logits = [
        both_strand_logits(member.network, sequences, output=member.output) for member in members
    ]
    pairs = [(one.calibration, row) for one, row in zip(members, logits, strict=True)]
    probabilities = np.stack([calibration.probabilities(row) for calibration, row in pairs])
    calibrated = [calibration.calibrated(row) for calibration, row in pairs]
    return Prediction(
        probability=probabilities.mean(axis=0),
        spread=probabilities.std(axis=0),
        logit=np.mean(calibrated, axis=0, dtype=np.float32),
    )
