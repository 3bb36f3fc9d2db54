"""Parts of a large file from its middle, plain or BGZF, without reading what stands before them.

BGZF (SAM specification, section 4.1) is gzip in blocks of at most 64 KB. Each says in its header
how long it is, and in its end how much it holds, so that the block of a place is found by going
from header to header.
"""

import mmap
import struct
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from data.text import UNPACK_ERRORS, damaged, is_bgzf

_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS
"""The format, as `zlib` calls it."""


class Part(NamedTuple):
    """Where some bytes lie in a file, once it is unpacked."""

    offset: int
    num_bytes: int


def read_parts(path: Path, parts: Sequence[Part]) -> list[bytes]:
    """Read some parts of a file; one that reaches beyond its end is shorter.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    try:
        with path.open("rb") as file:
            if not is_bgzf(path):
                return [file.read(part.num_bytes) for part in parts if file.seek(part.offset) >= 0]
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as packed:
                blocks = _Blocks(packed)
                return [blocks.read(part) for part in parts]
    except (*UNPACK_ERRORS, OSError, struct.error) as error:
        raise damaged(path, error) from None


class _Blocks:
    """The blocks of a BGZF file."""

    def __init__(self, packed: mmap.mmap) -> None:
        self._packed = packed
        self._starts = [0]
        """First byte of each block, and the end of the last."""
        self._offsets = [0]
        """The same in the unpacked file."""
        while (start := self._starts[-1]) < len(packed):
            if packed[start : start + 2] != _MAGIC or packed[start + 12 : start + 14] != b"BC":
                raise zlib.error("no BGZF block where one must begin")
            end = start + struct.unpack_from("<H", packed, start + 16)[0] + 1
            if end > len(packed):
                raise zlib.error("it ends within a block")
            num_bytes = struct.unpack_from("<I", packed, end - 4)[0]
            self._starts.append(end)
            self._offsets.append(self._offsets[-1] + num_bytes)

    def read(self, part: Part) -> bytes:
        """Unpack the blocks of a part."""
        # of blocks at one offset, all but the last are empty
        first = number = bisect_right(self._offsets, part.offset) - 1
        end, found = part.offset + part.num_bytes, []
        while number < len(self._starts) - 1 and self._offsets[number] < end:
            found.append(self._unpacked(number))
            number += 1
        skipped = part.offset - self._offsets[first]
        return b"".join(found)[skipped : skipped + part.num_bytes]

    def _unpacked(self, number: int) -> bytes:
        # with its header and end, whose checksum is compared
        return zlib.decompress(self._packed[self._starts[number] : self._starts[number + 1]], _GZIP)
