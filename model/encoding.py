"""Packed bases to what the network reads, a batch at a time.

A packed sequence has 4 bases a byte: A 0, C 1, G 2, T 3, base i in bits 2*(i%4) and
2*(i%4)+1 of byte i//4. With this code the complement of a base is 3 minus it, so that of a
byte of four bases is its bitwise inverse. One-hot: channels A, C, G, T, shape (B, 4, L); in
memory the four channels of a position lie together (strides 4L, 1, 4), so that encoding is one
gather and the convolutions read it as it is.

Examples stay packed, 50 bytes for 200 bp, until their batch is trained on: one-hot in float32
they would take 3,200.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import ModelError

BASES_PER_BYTE: Final = 4
NUM_CHANNELS: Final = 4


def one_hot_table() -> Tensor:
    """One-hot codes of the 256 bytes, float32, shape (256, 4 positions * 4 channels)."""
    table = torch.zeros(256, BASES_PER_BYTE, NUM_CHANNELS)
    byte = torch.arange(256)
    for position in range(BASES_PER_BYTE):
        table[byte, position, (byte >> (2 * position)) & 3] = 1.0
    return table.reshape(256, BASES_PER_BYTE * NUM_CHANNELS)


def _reversal_table() -> Tensor:
    """Reverse complement of the four bases of each of the 256 bytes, uint8, shape (256,)."""
    byte = torch.arange(256)
    flipped = torch.zeros_like(byte)
    for position in range(BASES_PER_BYTE):
        base = (byte >> (2 * position)) & 3
        flipped |= (3 - base) << (2 * (BASES_PER_BYTE - 1 - position))
    return flipped.to(torch.uint8)


_ONE_HOT: Final = one_hot_table()
_REVERSED: Final = _reversal_table()


class OneHotEncoder:
    """Encoder of packed batches, its table on one device.

    Parameters
    ----------
    device
        Where the batches are.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._table = _ONE_HOT.to(device)

    def __call__(self, packed: Tensor) -> Tensor:
        """One-hot codes, float32 (B, 4, 4 * bytes), of `packed`, uint8 (B, bytes)."""
        batch, num_bytes = packed.shape
        rows = self._table.index_select(0, packed.reshape(-1).to(torch.int32))
        return rows.view(batch, num_bytes * BASES_PER_BYTE, NUM_CHANNELS).transpose(1, 2)


def encode_one_hot(packed: Tensor) -> Tensor:
    """One-hot codes, float32 (B, 4, 4 * bytes), of `packed`, uint8 (B, bytes)."""
    return OneHotEncoder(packed.device)(packed)


def reverse_complement(packed: Tensor) -> Tensor:
    """Reverse complements, shape and dtype as `packed`, uint8 (n, bytes); its own inverse."""
    flipped = packed.flip(1)
    table = _REVERSED.to(packed.device)
    return table.index_select(0, flipped.reshape(-1).to(torch.int32)).view(flipped.shape)


def base_codes(sequences: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Base codes 0 to 3, shape (n, L), of packed bases, shape (n, L / 4)."""
    shifts = np.arange(0, 2 * BASES_PER_BYTE, 2, dtype=np.uint8)
    bases = (sequences[:, :, None] >> shifts) & np.uint8(3)
    return bases.reshape(len(sequences), -1).astype(np.int32)


def reverse_kmers(length: int) -> NDArray[np.int32]:
    """Code of the reverse complement of each k-mer, its bases to the base 4: shape (4^length,)."""
    kmers = np.arange(4**length, dtype=np.int32)
    reverse = np.zeros_like(kmers)
    for _ in range(length):
        kmers, base = np.divmod(kmers, 4)
        reverse = 4 * reverse + 3 - base
    return reverse


def check_sequences(sequences: NDArray[np.uint8]) -> None:
    """Raise `ModelError` unless these are packed sequences, uint8 (n, L / 4)."""
    if sequences.ndim != 2 or sequences.dtype != np.uint8:
        raise ModelError(
            f"sequences are {sequences.dtype} of shape {sequences.shape}; give packed bases,"
            " uint8 (n, L / 4)"
        )


def to_tensor(array: NDArray[np.generic]) -> Tensor:
    """Tensor of the array's values; a read-only array (memory-mapped) is copied."""
    contiguous = np.ascontiguousarray(array)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
