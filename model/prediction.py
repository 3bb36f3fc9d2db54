"""Logits of a trained network for packed sequences, on one strand or both."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.device import borrowed
from model.encoding import OneHotEncoder, check_sequences, reverse_complement, to_tensor


def predict(
    network: nn.Module,
    sequences: NDArray[np.uint8],
    *,
    both_strands: bool = False,
    batch_size: int = 1000,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """Probabilities of binding, in eval mode, of the forward strand or the mean of both.

    The network's device and mode are given back as found.

    Parameters
    ----------
    network
        Takes (B, 4, L), returns logits (B, T).
    sequences
        Packed bases, shape (n, L / 4).
    both_strands
        Read the reverse complements too, and average.
    batch_size
        Sequences encoded at a time; only memory and speed depend on it.
    device
        Where to compute.

    Returns
    -------
    ndarray of float32
        Shape (n, T).
    """
    check_sequences(sequences)
    device = torch.device(device)
    packed = to_tensor(sequences).to(device)
    encode = OneHotEncoder(device)
    with borrowed(network, device), torch.inference_mode():
        network.eval()
        # an empty input is one empty batch, which still says T
        parts = [network(encode(part)) for part in packed.split(batch_size)] or [
            network(encode(packed))
        ]
        probabilities = torch.sigmoid(torch.cat(parts)).cpu().numpy()
    if not both_strands:
        return probabilities
    backward = reverse_complement(to_tensor(sequences)).numpy()
    other = predict(network, backward, batch_size=batch_size, device=device)
    return (probabilities + other) / np.float32(2)


BATCH = 1000
"""Sequences encoded at a time; only memory and speed depend on it."""


def both_strand_logits(
    network: nn.Module, sequences: NDArray[np.uint8], *, output: int = 0
) -> NDArray[np.float32]:
    """Mean logits of both strands, in eval mode, shape (n,).

    The network's mode is left at eval.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    """
    check_sequences(sequences)
    network.eval()
    encode = OneHotEncoder()
    found = np.empty(len(sequences), dtype=np.float32)
    with torch.inference_mode():
        for first in range(0, len(sequences), BATCH):
            forward = to_tensor(sequences[first : first + BATCH])
            both = torch.cat([forward, reverse_complement(forward)])
            logits = network(encode(both))[:, output].float().view(2, -1)
            found[first : first + BATCH] = logits.mean(dim=0).numpy()
    return found
