"""The genome: an indexed FASTA, plain or BGZF, read in one pass.

pyfaidx reads the index (and makes it where it is missing). It takes seconds for each
chromosome of a BGZF file, so the bases come from one pass over the decompressed stream: the index
says where in it a region's lines lie.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from data.errors import DataError
from data.packing import encode
from data.text import UNPACK_ERRORS, damaged, is_gzip, open_binary

_GATHER_ROWS = 100_000


@dataclass(frozen=True)
class _IndexEntry:
    length_bp: int
    offset: int
    bases_per_line: int
    bytes_per_line: int


class Genome:
    """Chromosome lengths and sequences of a FASTA file.

    Raises
    ------
    DataError
        If the file is missing or empty, or its index is missing and cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        open_binary(path).close()
        if is_gzip(path) and path.suffix not in {".gz", ".bgz"}:
            raise DataError(f"{path}: compressed; name it .gz and index it (samtools faidx)")
        try:
            faidx = pyfaidx.Faidx(str(path), rebuild=False)
        except (OSError, ValueError, pyfaidx.FastaIndexingError, ImportError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{path}: no usable index ({reason}); run `samtools faidx {path.name}` "
                "(on a BGZF or plain FASTA)"
            ) from None
        self._index = {
            name: _IndexEntry(entry.rlen, entry.offset, entry.lenc, entry.lenb)
            for name, entry in faidx.index.items()
        }
        faidx.close()

    @cached_property
    def lengths_bp(self) -> dict[str, int]:
        """Length of every chromosome, by name."""
        return {name: entry.length_bp for name, entry in self._index.items()}

    def sequences(
        self, chrom: NDArray[np.object_], start: NDArray[np.int32], width_bp: int
    ) -> NDArray[np.uint8]:
        """Base codes of intervals of one width, shape (N, width_bp), in the order given.

        Raises
        ------
        DataError
            If the file is damaged or its index belongs to another file.
        """
        codes = np.empty((len(start), width_bp), dtype=np.uint8)
        wanted = set(chrom)
        with open_binary(self.path) as file:
            position = 0
            for name, entry in sorted(self._index.items(), key=lambda item: item[1].offset):
                if name not in wanted:
                    continue
                # from one byte before the first base, which must be the end of a header line
                _skip(self.path, file, entry.offset - 1 - position)
                num_lines, rest = divmod(entry.length_bp, entry.bases_per_line)
                num_bytes = num_lines * entry.bytes_per_line + rest + 1
                raw = np.frombuffer(_read(self.path, file, num_bytes), dtype=np.uint8)
                position = entry.offset - 1 + len(raw)
                if len(raw) < num_bytes - entry.bytes_per_line or raw[0] != ord("\n"):
                    raise DataError(
                        f"{self.path}: the index does not fit the file at {name!r}; "
                        f"run `samtools faidx {self.path.name}` again"
                    )
                rows = np.flatnonzero(chrom == name)
                for first in range(0, len(rows), _GATHER_ROWS):
                    chunk = rows[first : first + _GATHER_ROWS]
                    base = start[chunk, None] + np.arange(width_bp, dtype=np.int32)
                    padding = entry.bytes_per_line - entry.bases_per_line
                    base += padding * (base // entry.bases_per_line) + 1
                    codes[chunk] = encode(raw[base])
        return codes


def _skip(path: Path, file: IO[bytes], num_bytes: int) -> None:
    while num_bytes > 0:
        num_bytes -= len(_read(path, file, min(num_bytes, 1 << 24))) or num_bytes


def _read(path: Path, file: IO[bytes], num_bytes: int) -> bytes:
    try:
        return file.read(num_bytes)
    except (*UNPACK_ERRORS, OSError) as error:
        raise damaged(path, error) from None
