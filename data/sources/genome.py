"""The genome: an indexed FASTA, plain or BGZF, read in one pass.

pyfaidx only makes the index where it is missing, and is not used otherwise: it overwrites an
existing index of a BGZF file whose block index is missing, and needs seconds for each of its
chromosomes. The bases come from one pass over the decompressed stream: the index says where in it a
region's lines lie.
"""

import hashlib
import os
import struct
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Protocol

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from data.errors import DataError
from data.packing import UNKNOWN, encode
from data.sources.chromosomes import Chromosomes
from data.sources.excerpts import Part, read_parts
from data.text import (
    UNPACK_ERRORS,
    damaged,
    filled_lines,
    is_bgzf,
    is_gzip,
    local_file,
    open_binary,
)

_GATHER_ROWS = 100_000
_READ_BYTES = 1 << 20
_INDEX_ERRORS = (
    *UNPACK_ERRORS,
    *(OSError, ValueError, IndexError, ImportError, RuntimeError, struct.error),
    pyfaidx.FastaIndexingError,
)
"""What pyfaidx and its reader of BGZF raise where a file is damaged."""
_MAX_BP = 2**31 - 1
_NEWLINE, _RETURN = b"\n\r"


@dataclass(frozen=True)
class _IndexEntry:
    length_bp: int
    offset: int
    bases_per_line: int
    bytes_per_line: int

    @property
    def num_bytes(self) -> int:
        """Bytes from the first base to the last one, line ends between them included."""
        if not self.length_bp:
            return 0
        num_lines, rest = divmod(self.length_bp, self.bases_per_line)
        padding = self.bytes_per_line - self.bases_per_line
        return num_lines * self.bytes_per_line + rest - (0 if rest or not num_lines else padding)

    def offsets(self, base: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where bases lie in the unpacked file, shape as given."""
        padding = self.bytes_per_line - self.bases_per_line
        return self.offset + base + padding * (base // self.bases_per_line)


class Bases(Protocol):
    """What bases can be read of: a genome, or one chromosome of it."""

    @property
    def lengths_bp(self) -> Mapping[str, int]:
        """Length of every chromosome, by name."""

    def sequences(
        self, chrom: NDArray[np.object_], start: NDArray[np.int32], width_bp: int
    ) -> NDArray[np.uint8]:
        """Base codes of intervals of one width, shape (N, width_bp), in the order given."""


@dataclass(frozen=True, eq=False)
class Chromosome:
    """The bases of one chromosome, held in memory."""

    name: str
    codes: NDArray[np.uint8]
    """Shape (L,)."""

    @property
    def lengths_bp(self) -> dict[str, int]:
        """Its length, by its name."""
        return {self.name: len(self.codes)}

    def sequences(
        self, chrom: NDArray[np.object_], start: NDArray[np.int32], width_bp: int
    ) -> NDArray[np.uint8]:
        """Base codes of intervals within it, all of one width; `chrom` is this one throughout."""
        del chrom
        return self.codes[start[:, None] + np.arange(width_bp, dtype=np.int32)]


class Genome:
    """Chromosome lengths and sequences of a FASTA file.

    Parameters
    ----------
    path
        The file.
    alias
        Table of what its chromosomes are called elsewhere, see `data.sources.chromosomes`. By
        default there is none.

    Raises
    ------
    DataError
        If the file is missing or empty, its index is missing and cannot be made, the index is
        another file's, or the table cannot be used.
    """

    def __init__(self, path: Path, alias: Path | None = None) -> None:
        self.path = path
        open_binary(path).close()
        if is_gzip(path) and path.suffix not in {".gz", ".bgz"}:
            raise DataError(f"{path}: compressed; name it .gz and index it (samtools faidx)")
        if is_gzip(path) and not is_bgzf(path):
            raise DataError(
                f"{path}: compressed by gzip, which cannot be read from the middle; unpack it "
                f"(gunzip {path.name}) or compress it by bgzip"
            )
        if local_file(path) != path:
            raise DataError(f"{path}: a genome is read several times; give a file, not a pipe")
        self._index = _read_index(path)
        if not is_gzip(path):
            self._check_index()
        self.chromosomes = Chromosomes(path, self._index, self.lengths_bp, alias)
        """Its chromosomes, and what they are called in other files."""

    @cached_property
    def lengths_bp(self) -> dict[str, int]:
        """Length of every chromosome, by name."""
        return {name: entry.length_bp for name, entry in self._index.items()}

    def sequences(
        self, chrom: NDArray[np.object_], start: NDArray[np.int32], width_bp: int
    ) -> NDArray[np.uint8]:
        """Base codes of intervals of one width, shape (N, width_bp), in the order given.

        Bases beyond the ends of a chromosome are unknown.

        Raises
        ------
        DataError
            If the file is damaged or its index belongs to another file.
        """
        codes = np.empty((len(start), width_bp), dtype=np.uint8)
        for name, entry, raw in self._bytes_of(set(chrom)):
            rows = np.flatnonzero(chrom == name)
            for first in range(0, len(rows), _GATHER_ROWS):
                chunk = rows[first : first + _GATHER_ROWS]
                base = start[chunk, None] + np.arange(width_bp, dtype=np.int32)
                padding = entry.bytes_per_line - entry.bases_per_line
                low, high = int(base[:, 0].min()), int(base[:, -1].max())
                outside = None
                if low < 0 or high >= entry.length_bp:
                    outside = (base < 0) | (base >= entry.length_bp)
                    base = np.clip(base, 0, entry.length_bp - 1)
                base += padding * (base // entry.bases_per_line) + 1
                found = encode(raw[base])
                if outside is not None:
                    found[outside] = UNKNOWN
                codes[chunk] = found
            del raw  # before the next one is read
        return codes

    def excerpts(
        self, chrom: NDArray[np.object_], start: NDArray[np.int32], width_bp: int
    ) -> NDArray[np.uint8]:
        """Give base codes of a few intervals as :meth:`sequences`, without reading chromosomes.

        Parameters
        ----------
        chrom
            Chromosomes of the genome that are not empty.

        Raises
        ------
        DataError
            If the file is damaged or its index belongs to another file.
        """
        codes = np.empty((len(start), width_bp), dtype=np.uint8)
        entries = [self._index[name] for name in chrom]
        base = start[:, None].astype(np.int64) + np.arange(width_bp)
        within = [np.clip(one, 0, of.length_bp - 1) for of, one in zip(entries, base, strict=True)]
        at = [of.offsets(one) for of, one in zip(entries, within, strict=True)]
        parts = [Part(int(one[0]), int(one[-1] - one[0]) + 1) for one in at]
        for row, raw in enumerate(read_parts(self.path, parts)):
            if len(raw) < parts[row].num_bytes:
                raise self._stale(chrom[row])
            found = np.frombuffer(raw, dtype=np.uint8)[at[row] - at[row][0]]
            if np.isin(found, (_NEWLINE, _RETURN)).any():
                raise self._stale(chrom[row])
            codes[row] = np.where(within[row] == base[row], encode(found), UNKNOWN)
        return codes

    def read_chromosomes(self, names: Collection[str]) -> Iterator["Chromosome"]:
        """Yield the bases of some chromosomes, in the order of the file, in one pass.

        Raises
        ------
        DataError
            If the file is damaged or its index belongs to another file.
        """
        for name, entry, raw in self._bytes_of(names):
            text = raw[1 : entry.num_bytes + 1]
            yield Chromosome(name, encode(text[(text != _NEWLINE) & (text != _RETURN)]))

    def _bytes_of(
        self, names: Collection[str]
    ) -> Iterator[tuple[str, _IndexEntry, NDArray[np.uint8]]]:
        """Yield name, index entry and bytes of chromosomes, from one byte before the bases on."""
        with open_binary(self.path) as file:
            position = 0
            for name, entry in sorted(self._index.items(), key=lambda item: item[1].offset):
                if name not in names:
                    continue
                # from one byte before the first base, which must be the end of a header line
                _skip(self.path, file, entry.offset - 1 - position)
                # and to the first byte behind the last line's end, which begins the next header
                num_bytes = 1 + entry.num_bytes + 3
                raw = _read_into(self.path, file, num_bytes)
                position = entry.offset - 1 + len(raw)
                if not _fits(raw, entry):
                    raise self._stale(name)
                yield name, entry, raw
                del raw  # or two chromosomes are in memory while the next one is read

    def _check_index(self) -> None:
        """Look at every header and at some line ends of a plain file, where the index has them."""
        end, size = 0, self.path.stat().st_size
        with self.path.open("rb") as file:
            for name, entry in sorted(self._index.items(), key=lambda item: item[1].offset):
                if entry.offset + entry.num_bytes > size:
                    raise self._stale(name)
                file.seek(end)
                header = file.read(max(entry.offset - end, 0)).strip()
                words = header[1:].split()
                line_end = entry.offset + entry.bases_per_line
                end = entry.offset + entry.num_bytes
                file.seek(min(line_end, end))
                if (
                    not header.startswith(b">")
                    or b"\n" in header
                    or (words[0].decode(errors="replace") if words else "") != name
                    or file.read(1) not in (b"\n", b"\r", b"")
                ):
                    raise self._stale(name)
            file.seek(end)
            if file.read(1024).strip():
                raise self._stale(name)

    def _stale(self, name: str) -> DataError:
        return DataError(
            f"{self.path}: the index does not fit the file at {name!r}; remove "
            f"{self.path.name}.fai, or run `samtools faidx {self.path.name}` again"
        )


def _read_index(path: Path) -> dict[str, _IndexEntry]:
    """Read the index beside a FASTA file, or in the user's cache; make it where there is none."""
    index = path.with_name(f"{path.name}.fai")
    if not index.exists() and not os.access(path.parent, os.W_OK):
        index = _in_cache(path)
    if not index.exists():
        row, line = next(filled_lines(path), (1, ""))
        if not line.startswith((">", ";")):
            raise DataError(
                f"{path}: row {row}: no FASTA file, which begins with '>' and a chromosome's name; "
                "give the genome as FASTA"
            )
        # an existing index is kept: pyfaidx would overwrite it beside a BGZF file
        try:
            index.parent.mkdir(parents=True, exist_ok=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                blocks = index.with_suffix(".gzi")
                pyfaidx.Faidx(
                    str(path), indexname=str(index), gzi_indexname=str(blocks), rebuild=False
                ).close()
        except _INDEX_ERRORS as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise _unusable(path, reason) from None
    entries: dict[str, _IndexEntry] = {}
    for row, line in filled_lines(index):
        name, *cells = line.split("\t")
        numbers = [int(cell) for cell in cells if cell.isdecimal() and len(cell) < 19]
        if len(numbers) != 4 or len(cells) != 4:
            raise _unusable(path, f"row {row} of {index.name} is not a name and four numbers")
        entry = _IndexEntry(*numbers)
        per_line = entry.bases_per_line, entry.bytes_per_line
        fits = 0 < per_line[0] <= per_line[1] <= per_line[0] + len(b"\r\n")
        if entry.length_bp > _MAX_BP or (entry.length_bp and not fits):
            raise _unusable(path, f"row {row} of {index.name} has numbers that no file has")
        if name in entries:
            raise _unusable(path, f"{name[:60]!r} stands twice in {index.name}")
        entries[name] = entry
    if not entries:
        raise _unusable(path, f"{index.name} has no rows")
    return entries


def _in_cache(path: Path) -> Path:
    """Where the index lies of a file whose folder cannot be written to; that of its content."""
    state = path.stat()
    content = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()
    name = hashlib.blake2b(content, digest_size=8).hexdigest()
    return user_cache() / f"{path.name}.{name}.fai"


def user_cache() -> Path:
    """Folder of files that can be made again and belong to no workspace."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bindgrid"


def _unusable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path}: no usable index ({reason}); run `samtools faidx {path.name}` (on a BGZF or plain "
        "FASTA)"
    )


def _fits(raw: NDArray[np.uint8], entry: _IndexEntry) -> bool:
    """Whether bytes, from the one before the first base on, have line ends where they must be."""
    if len(raw) <= entry.num_bytes or raw[0] != _NEWLINE:
        return False
    last_bases = raw[entry.bases_per_line : entry.num_bytes : entry.bytes_per_line]
    first_ends = raw[entry.bases_per_line + 1 : entry.num_bytes : entry.bytes_per_line]
    behind = raw[entry.num_bytes + 1 :].tobytes().lstrip(b"\r\n")
    is_end = np.isin(first_ends, (_NEWLINE, _RETURN))
    is_base = last_bases > _RETURN
    return bool(is_base.all() and is_end.all()) and behind[:1] in (b"", b">")


def _skip(path: Path, file: BufferedReader, num_bytes: int) -> None:
    while num_bytes > 0:
        num_bytes -= len(_read_into(path, file, min(num_bytes, 1 << 24))) or num_bytes


def _read_into(path: Path, file: BufferedReader, num_bytes: int) -> NDArray[np.uint8]:
    """Read as many bytes as there are, at most `num_bytes`, without a second copy of them."""
    raw = np.empty(num_bytes, dtype=np.uint8)
    view, num_read = raw.data, 0
    try:
        # in small pieces, since the decompressor holds a copy of what it returns
        while num := file.readinto(view[num_read : num_read + _READ_BYTES]):
            num_read += num
        return raw[:num_read]
    except (*UNPACK_ERRORS, OSError) as error:
        raise damaged(path, error) from None
