"""Text files as they come in practice: every reader of this program reads text through this file.

A file is known by its first bytes, never by its name. Gzip (of any number of members, and BGZF),
bzip2, xz and zstd are unpacked. A file that is not text, such as a zip archive, a workbook, BAM or
a web page, is refused, and the message says what it is. A byte-order mark is skipped, lines may
end in LF, CRLF or CR, and bytes that are not UTF-8 are read as Latin-1.

A pipe can be read only once: what comes from it, or from standard input (`-`), is kept in a
temporary file until the program ends.
"""

import atexit
import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np
import pyarrow as pa
from isal import igzip, igzip_lib

from data.errors import DataError
from data.temporary import temporary_folder

BLOCK_BYTES: Final = 4 << 20
"""Bytes of text read at a time."""
_ISAL_ERROR: Final = cast(type[Exception], igzip_lib.IsalError)
UNPACK_ERRORS: Final = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, _ISAL_ERROR)
"""What a damaged compressed file raises, beside OSError."""
HEADERS: Final = ("#", "track ", "track\t", "browser ", "browser\t")
"""Beginnings of lines that hold no data."""
STANDARD_INPUT: Final = "-"
OnRead = Callable[[int, int], None]
"""Called with the number of bytes read of a file as it lies on disk, and with its size."""
_LINE_END: Final = b"\n"[0]
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_PACKERS: Final = {
    _GZIP: "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_NO_TEXT: Final = {
    b"BAM\1": "a BAM file; convert it with `bedtools bamtobed`, or give peaks called from it",
    b"CRAM": "a CRAM file; give peaks called from it",
    b"BCF\2": "a BCF file; convert it with `bcftools view`",
    b"TBI\1": "a tabix index; give the file that it belongs to",
    b"CSI\1": "a CSI index; give the file that it belongs to",
    b"\x87\x89\xf2\xeb": "a bigBed file; convert it with `bigBedToBed`",
    b"\xeb\xf2\x89\x87": "a bigBed file; convert it with `bigBedToBed`",
    b"\x88\x8f\xfc\x26": "a bigWig file; give intervals",
    b"\x26\xfc\x8f\x88": "a bigWig file; give intervals",
    b"\x1a\x41\x27\x43": "a 2bit file; convert it with `twoBitToFa`",
    b"\x43\x27\x41\x1a": "a 2bit file; convert it with `twoBitToFa`",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as tab-separated text",
    b"%PDF": "a PDF document; give the table as tab-separated text",
    b"\x89HDF": "an HDF5 file; give tab-separated text",
    b"PAR1": "a Parquet file; give tab-separated text",
    b"\x93NUMPY": "a NumPy array; give tab-separated text",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
_MARKUP: Final = (b"<!doctype", b"<html", b"<?xml")
_spooled: dict[str, Path] = {}
_spooling: Final = threading.Lock()


def local_file(path: Path) -> Path:
    """Give a file that can be read again and again: `path` itself, or what a pipe held.

    Raises
    ------
    DataError
        If the file is missing or unreadable, or `path` is a folder.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if str(path) != STANDARD_INPUT:
            raise DataError(f"{path}: cannot be opened (no such file); check the path") from None
        mode = stat.S_IFIFO
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    if stat.S_ISREG(mode):
        return path
    if stat.S_ISDIR(mode):
        raise DataError(f"{path}: is a folder; name a file")
    with _spooling:
        if str(path) not in _spooled:
            _spooled[str(path)] = _spool(path)
        return _spooled[str(path)]


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes of an unpacked file are those of a tar archive."""
    return head[257:262] == b"ustar"


def is_gzip(path: Path) -> bool:
    """Whether a file is gzip or BGZF."""
    with local_file(path).open("rb") as file:
        return file.read(2) == _GZIP


def is_bgzf(path: Path) -> bool:
    """Whether a file is BGZF: gzip in blocks, any of which can be read by itself."""
    with local_file(path).open("rb") as file:
        head = file.read(16)
    return head.startswith(_GZIP) and head[3] & 4 != 0 and head[12:14] == b"BC"


def open_binary(
    path: Path, *, archive: bool = False, on_read: OnRead | None = None
) -> io.BufferedReader:
    """Open a file, unpacked, to read its bytes.

    Parameters
    ----------
    archive
        Whether it may be a tar archive. By default an archive is refused, since it is not text.
    on_read
        Called now and then while the file is read, perhaps by another thread; by default nothing
        is called.

    Raises
    ------
    DataError
        If the file is missing, unreadable or empty, or of a kind that holds no text.
    """
    local = local_file(path)
    try:
        with local.open("rb") as raw:
            head = raw.read(8)
        if not head:
            raise DataError(f"{path}: the file is empty; check that it arrived whole")
        file = _unpacked(local, head, on_read)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); check the path") from None
    try:
        head = file.peek(1024)
        if not (archive and is_tar(head)):
            _refuse_what_is_no_text(path, head)
    except (*UNPACK_ERRORS, OSError) as error:
        file.close()
        raise damaged(path, error) from None
    except DataError:
        file.close()
        raise
    return file


def blocks(path: Path, on_read: OnRead | None = None) -> Iterator[tuple[int, bytes]]:
    r"""Yield a file's text, some megabytes at a time.

    Parameters
    ----------
    on_read
        As for :func:`open_binary`.

    Yields
    ------
    tuple
        Number of the first line, counted from 1 as an editor shows it, and whole lines: UTF-8,
        each ended by `\n`.

    Raises
    ------
    DataError
        As :func:`open_binary`, or if the file is truncated, damaged or no text.
    """
    with open_binary(path, on_read=on_read) as file:
        yield from blocks_of(path, file)


def blocks_of(path: Path, file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the text of a file that is open, unpacked; see :func:`blocks`.

    Parameters
    ----------
    path
        What the file is called in messages.
    """
    line = 1
    rest = b""
    is_first = True
    while True:
        try:
            read = file.read(BLOCK_BYTES)
        except (*UNPACK_ERRORS, OSError) as error:
            raise damaged(path, error) from None
        at_end = not read
        if is_first:
            read, is_first = read.removeprefix(_BOM), False
        text = rest + read
        # a CR at the very end may be the first half of a line end
        end = len(text) if at_end else len(text) - text.endswith(b"\r")
        text, rest = text[:end], text[end:]
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not at_end:
            end = text.rfind(b"\n") + 1
            text, rest = text[:end], text[end:] + rest
        elif text and not text.endswith(b"\n"):
            text += b"\n"
        if text:
            yield line, _utf8(path, text, line)
            line += num_lines(text)
        if at_end:
            return


def num_lines(text: bytes) -> int:
    r"""Count the lines of some text, each of which ends in `\n`."""
    # five times as fast as bytes.count, which matters for gigabytes
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) == _LINE_END))


def all_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number, counted from 1, and text of every line, without its end."""
    return lines_of(blocks(path))


def lines_of(parts: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, str]]:
    """Yield the number and text of every line of some blocks of text, without its end."""
    for first, text in parts:
        # one by one, since often the first lines alone are wanted
        for number, line in enumerate(io.BytesIO(text), start=first):
            yield number, line[:-1].decode()


def filled_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and text of every line that is not blank."""
    return (pair for pair in all_lines(path) if pair[1].strip())


def is_header(line: str) -> bool:
    """Whether a line holds no data: a comment, or a setting of a genome browser."""
    return line.startswith(HEADERS) or line in ("track", "browser")


def damaged(path: Path, error: Exception) -> DataError:
    """Make the error for a compressed file that ends early or cannot be unpacked."""
    reason = str(error).partition("\n")[0]
    return DataError(f"{path}: truncated or damaged ({reason}); fetch the file again")


class _OnDisk(io.FileIO):
    """A file as it lies on disk, which tells how much of it is read."""

    def __init__(self, path: Path, on_read: OnRead | None) -> None:
        super().__init__(path)
        self._on_read = on_read
        self._size = os.fstat(self.fileno()).st_size
        self._num_read = 0

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        return self._told(super().readinto(buffer) or 0)

    def read(self, size: int | None = -1) -> bytes:
        """Read some bytes."""
        found = super().read(size) or b""
        self._told(len(found))
        return found

    def _told(self, num: int) -> int:
        self._num_read += num
        if self._on_read is not None:
            self._on_read(self._num_read, self._size)
        return num


class _Unpacked(io.BufferedReader):
    """A file, unpacked while it is read, which closes what lies on disk as well."""

    def __init__(self, raw: io.RawIOBase, on_disk: _OnDisk) -> None:
        super().__init__(raw, 1 << 16)
        self._on_disk = on_disk

    def close(self) -> None:
        """Close both."""
        super().close()
        self._on_disk.close()


def _unpacked(path: Path, head: bytes, on_read: OnRead | None) -> io.BufferedReader:
    on_disk = _OnDisk(path, on_read)
    packer = next((name for magic, name in _PACKERS.items() if head.startswith(magic)), None)
    if packer == "gzip":
        raw = igzip.open(on_disk, "rb")
    elif packer == "bzip2":
        raw = bz2.open(on_disk, "rb")  # noqa: SIM115
    elif packer == "xz":
        raw = lzma.open(on_disk, "rb")  # noqa: SIM115
    elif packer == "zstd":
        raw = pa.CompressedInputStream(pa.PythonFile(on_disk), "zstd")
    else:
        return io.BufferedReader(on_disk)
    return _Unpacked(cast(io.RawIOBase, raw), on_disk)


def _refuse_what_is_no_text(path: Path, head: bytes) -> None:
    found = next((what for magic, what in _NO_TEXT.items() if head.startswith(magic)), None)
    if head.startswith(b"PK\3\4"):
        is_workbook = b"[Content_Types].xml" in head or b"xl/" in head
        found = (
            "an Excel workbook; save the sheet as tab-separated text"
            if is_workbook
            else "a zip archive; unpack it"
        )
    elif is_tar(head):
        found = "a tar archive; unpack it"
    elif head.removeprefix(_BOM).lstrip()[:9].lower().startswith(_MARKUP):
        found = "a web page, not the file meant; the download went wrong, fetch it again"
    if found is not None:
        raise DataError(f"{path}: is {found}")


def _utf8(path: Path, text: bytes, line: int) -> bytes:
    """Give text as UTF-8; what is not valid UTF-8 is taken for Latin-1."""
    if b"\0" in text:
        row = line + text.count(b"\n", 0, text.index(b"\0"))
        raise DataError(f"{path}: row {row}: not text (it holds zero bytes); check the path")
    if text.isascii():
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text


def _spool(path: Path) -> Path:
    """Copy what a pipe holds to a temporary file, which is removed when the program ends."""
    until_end = ExitStack()
    name = until_end.enter_context(temporary_folder("pipe")) / "content"
    atexit.register(until_end.close)
    try:
        with name.open("wb") as copy:
            if str(path) == STANDARD_INPUT:
                shutil.copyfileobj(sys.stdin.buffer, copy)
            else:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, copy)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    return name
