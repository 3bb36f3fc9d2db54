"""Predictions of a TF by several trained networks, calibrated.

A network's logit of a sequence is the mean over its two strands; a calibration
(`model.calibration`) turns it into a calibrated probability. Networks
that differ only in their seed are averaged; the spread is the standard deviation over them.

Legend: n sequences, L base pairs, M networks, T TFs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from model.calibration import Calibration, probabilities_of
from model.checkpoint import load, load_config
from model.errors import ModelError
from model.prediction import both_strand_logits, every_logit


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A trained network as one of an ensemble."""

    network: nn.Module
    length_bp: int
    """Length of the sequences that it reads."""
    output: int = 0
    """Which of its outputs is the TF's; the first by default."""
    calibration: Calibration = field(default_factory=Calibration)
    per_openness: float = 0.0
    """As in `model.calibration.OpenCalibration`; 0 where openness does not count."""

    @classmethod
    def load(
        cls, folder: Path, *, output: int = 0, calibration: Calibration, per_openness: float = 0.0
    ) -> "Member":
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
            per_openness=per_openness,
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


def predict_ensemble(
    members: Sequence[Member],
    sequences: NDArray[np.uint8],
    opened: NDArray[np.float32] | None = None,
) -> Prediction:
    """Predict by all networks of an ensemble, on both strands.

    Parameters
    ----------
    members
        The networks, one or more.
    sequences
        Packed bases, shape (n, L / 4).
    opened
        Openness of each region, shape (n,); None where it does not count.
    """
    calibrated = []
    for member in members:
        logits = both_strand_logits(member.network, sequences, output=member.output)
        found = member.calibration.calibrated(logits)
        added = 0.0 if opened is None else np.float32(member.per_openness) * opened
        calibrated.append(found + added)
    probabilities = np.stack([probabilities_of(one) for one in calibrated])
    return Prediction(
        probability=probabilities.mean(axis=0),
        spread=probabilities.std(axis=0),
        logit=np.mean(calibrated, axis=0, dtype=np.float32),
    )
