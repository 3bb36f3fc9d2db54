"""DNA as small integers: bases coded 0 to 3, packed four to a byte.

Codes: A 0, C 1, G 2, T 3, anything else `UNKNOWN`. A packed region has its first base in the
lowest two bits of its first byte. The complement of a code is 3 minus the code. Legend:
N regions, L base pairs.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.schema import BASES_PER_BYTE

UNKNOWN: Final = 4
_SHIFTS: Final = np.array([0, 2, 4, 6], dtype=np.uint8)

_CODE_OF_ASCII: Final = np.full(256, UNKNOWN, dtype=np.uint8)
for _code, _letters in enumerate(("Aa", "Cc", "Gg", "Tt")):
    for _letter in _letters:
        _CODE_OF_ASCII[ord(_letter)] = _code

_BYTES: Final = np.arange(256, dtype=np.uint8)
_CODES_OF_BYTE: Final = ((_BYTES[:, None] >> _SHIFTS) & 3).astype(np.uint8)
_REVERSE_COMPLEMENT_OF_BYTE: Final = (
    ((3 - _CODES_OF_BYTE[:, ::-1]) << _SHIFTS).sum(axis=1).astype(np.uint8)
)


def encode(ascii_bases: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of bases given as ASCII bytes, in upper or lower case; any shape."""
    return _CODE_OF_ASCII[ascii_bases]


def pack(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack codes of shape (N, L) to bytes of shape (N, L / 4).

    Raises
    ------
    ValueError
        If L is no multiple of four or a code is `UNKNOWN`.
    """
    num_regions, length_bp = codes.shape
    if length_bp % BASES_PER_BYTE:
        raise ValueError(f"cannot pack {length_bp} bases: not a multiple of {BASES_PER_BYTE}")
    if codes.size and codes.max() > 3:
        raise ValueError("cannot pack a sequence with bases other than A, C, G and T")
    quads = codes.reshape(num_regions, length_bp // BASES_PER_BYTE, BASES_PER_BYTE)
    packed = quads[:, :, 0].copy()
    for position in range(1, BASES_PER_BYTE):
        packed |= np.left_shift(quads[:, :, position], _SHIFTS[position])
    return packed


def unpack(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes, shape (N, 4 B), of packed regions of shape (N, B)."""
    codes: NDArray[np.uint8] = _CODES_OF_BYTE[packed].reshape(len(packed), -1)
    return codes


def reverse_complement(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The other strand of packed regions, shape (N, B) as given."""
    return _REVERSE_COMPLEMENT_OF_BYTE[packed[:, ::-1]]


def gc_fraction(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Fraction of C and G, shape (N,), of codes of shape (N, L)."""
    num_gc = np.count_nonzero((codes == 1) | (codes == 2), axis=1)
    return (num_gc / codes.shape[1]).astype(np.float32)
