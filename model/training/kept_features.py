"""Features that a network gave of some sequences, kept for other trainings from the same weights.

Arms, folds and steps of a learning curve that start from one multi-model and train the output layer
alone ask for the features of the same regions again and again, and computing them is most of what
such a training costs. A process keeps those of the last hidden layers that it was asked for. They
do not depend on what else is in a batch, beyond the last bits of a float.

Legend: n sequences, L base pairs, F features.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.motif_term import is_term_layer

MOST: Final = 20_000
"""Sequences at most whose features are kept, 80 MB with 1,000 features."""

Features = NDArray[np.float32]


class KeptFeatures:
    """Features by sequence, of one network's hidden layers at a time."""

    def __init__(self) -> None:
        self._weights = b""
        self._rows: dict[bytes, int] = {}
        self._values: Features = np.zeros((0, 0), dtype=np.float32)

    def of(
        self,
        network: nn.Module,
        sequences: NDArray[np.uint8],
        compute: Callable[[NDArray[np.uint8]], Features],
    ) -> Features:
        """Give the features of some sequences, computing those that are not kept.

        Parameters
        ----------
        network
            The network whose hidden layers give the features; its `output` layer and motif terms
            are ignored.
        sequences
            Packed bases, shape (n, L / 4).
        compute
            Gives the features of packed sequences, shape (n, F).

        Returns
        -------
        ndarray of float32
            Shape (n, F), a copy.
        """
        weights = hidden_digest(network)
        if weights != self._weights:
            self._weights, self._rows = weights, {}
            self._values = np.zeros((0, 0), dtype=np.float32)
        names = [one.tobytes() for one in sequences]
        missing = list(dict.fromkeys(name for name in names if name not in self._rows))
        if len(self._rows) + len(missing) > MOST:
            return compute(sequences)
        if missing:
            new = np.frombuffer(b"".join(missing), dtype=np.uint8).reshape(len(missing), -1)
            values = compute(new.copy())
            self._values = np.concatenate([self._values, values]) if self._rows else values
            for name in missing:
                self._rows[name] = len(self._rows)
        return self._values[[self._rows[name] for name in names]]


def hidden_digest(network: nn.Module) -> bytes:
    """Hash the weights and statistics of a network's hidden layers."""
    found = hashlib.blake2b(digest_size=16)
    for name, layer in network.named_children():
        if name == "output" or is_term_layer(name):
            continue
        for key, value in layer.state_dict().items():
            found.update(f"{name}.{key} {tuple(value.shape)}".encode())
            found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return found.digest()
