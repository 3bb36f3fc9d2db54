"""Predictions of a network for packed sequences, on one strand or both: the one place for them.

Predictions read the forward strand (Novakovsky et al. 2021, Methods) or the mean of both strands:
of probabilities in :func:`predict`, of logits in :func:`both_strand_logits`, which is what an
ensemble calibrates (`model.ensemble`).

Legend: B batch, L base pairs, n sequences, T TFs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.device import borrowed, device_of, forward_batch
from model.encoding import OneHotEncoder, check_sequences, reverse_complement, to_tensor


def predict(
    network: nn.Module,
    sequences: NDArray[np.uint8],
    *,
    both_strands: bool = False,
    batch_size: int | None = None,
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
        Whether to read the reverse complements too, and average; by default they are not read.
    batch_size
        Sequences of a forward pass; only memory and speed depend on it. By default as many as the
        device is fastest with.
    device
        Where to compute; the CPU by default.

    Returns
    -------
    ndarray of float32
        Shape (n, T).
    """
    check_sequences(sequences)
    device = torch.device(device)
    encode = OneHotEncoder(device)
    forward = to_tensor(sequences)
    strands = [forward, reverse_complement(forward)] if both_strands else [forward]

    def probabilities(packed: Tensor) -> NDArray[np.float32]:
        # `split` gives one empty batch of an empty input, whose output still tells T
        batches = packed.to(device).split(batch_size or forward_batch(device))
        logits = torch.cat([network(encode(batch)) for batch in batches])
        return torch.sigmoid(logits).cpu().numpy()

    with borrowed(network, device), torch.inference_mode():
        network.eval()
        found = [probabilities(strand) for strand in strands]
    return found[0] if len(found) == 1 else (found[0] + found[1]) / np.float32(2)


def both_strand_logits(
    network: nn.Module, sequences: NDArray[np.uint8], *, output: int = 0
) -> NDArray[np.float32]:
    """Mean logits of both strands of one output, shape (n,); see :func:`every_logit`."""
    return every_logit(network, sequences, [output])[:, 0]


def every_logit(
    network: nn.Module, sequences: NDArray[np.uint8], outputs: Sequence[int]
) -> NDArray[np.float32]:
    """Mean logits of both strands of some outputs, in eval mode, shape (n, T).

    They are computed on the device that the network is on. Its mode is given back as found.

    Parameters
    ----------
    network
        Takes (B, 4, L), returns logits (B, T).
    sequences
        Packed bases, shape (n, L / 4).
    outputs
        Which of the network's logits to give, T of them.
    """
    check_sequences(sequences)
    device = device_of(network)
    num = forward_batch(device) // 2  # of which each is read on both strands
    encode = OneHotEncoder(device)
    columns = torch.tensor(outputs, dtype=torch.int64).to(device)
    # they stay on the device until all are there: each one that is read would wait for it
    found = torch.empty(len(sequences), len(outputs), device=device)
    with borrowed(network, device), torch.inference_mode():
        network.eval()
        for first in range(0, len(sequences), num):
            forward = to_tensor(sequences[first : first + num]).to(device)
            both = torch.cat([forward, reverse_complement(forward)])
            logits = network(encode(both))[:, columns].float().view(2, len(forward), -1)
            found[first : first + num] = logits.mean(dim=0)
    return found.cpu().numpy()
