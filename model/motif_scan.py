"""Best hits of many motifs at once: all profiles of a database in a second or two.

Motifs of a width are the filters of one convolution, both strands of it. The scores are those of a
motif's term (`model.motif_term`): bits over a uniform background.

Legend: n sequences, L base pairs, M motifs, W width of a motif.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.encoding import BASES_PER_BYTE, OneHotEncoder, check_sequences, to_tensor
from model.errors import ModelError
from model.motif_term import both_strands

_BATCH: Final = 250
"""Sequences scanned at a time; only memory and speed depend on it."""


@torch.inference_mode()
def best_scores(
    sequences: NDArray[np.uint8],
    motifs: Sequence[NDArray[np.float32]],
    *,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """Bits of the best hit of each motif in each sequence, on either strand.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    motifs
        Log-odds in bits, each of shape (4, W), rows A C G T.
    device
        Where to compute; the CPU by default.

    Returns
    -------
    ndarray of float32
        Shape (n, M).

    Raises
    ------
    ModelError
        A motif is longer than the sequences.
    """
    check_sequences(sequences)
    by_width: dict[int, list[int]] = defaultdict(list)
    for number, motif in enumerate(motifs):
        by_width[motif.shape[1]].append(number)
    length_bp = BASES_PER_BYTE * sequences.shape[1]
    if by_width and max(by_width) > length_bp:
        raise ModelError(f"a motif of {max(by_width)} bp is longer than sequences of {length_bp}")
    kernels = {width: both_strands([motifs[i] for i in own]) for width, own in by_width.items()}
    encode, packed = OneHotEncoder(device), to_tensor(sequences)
    found = np.empty((len(sequences), len(motifs)), dtype=np.float32)
    for first in range(0, len(sequences), _BATCH):
        rows = slice(first, first + _BATCH)
        one_hot = encode(packed[rows].to(device)).unsqueeze(2)
        for width, own in by_width.items():
            places = nn.functional.conv2d(one_hot, kernels[width].to(device))
            best = places.amax((2, 3)).unflatten(1, (2, len(own))).amax(1)
            found[rows, own] = best.cpu().numpy()
    return found
