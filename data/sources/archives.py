"""UniBind's sites as it offers them: an archive, or a folder, of a BED file for each TF and sample.

The name of a file says experiment, biosample, TF and matrix, such as
`ENCSR000BGI.GM12878.USF1.MA0093.2.pwm.bed` or `EXP1.K562_leukemia.SPI1.MA0080.5.damo.bed`; the
names in its rows are ignored. The files may lie in any folders, and other files are
skipped. An archive is read as a stream, file after file, and never unpacked to
disk.
"""

import io
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Final

import pyarrow as pa
from isal import igzip

from data.ahead import ahead
from data.errors import DataError
from data.left_out import LeftOut
from data.rows.batch import BED3, NAME, BedBatch
from data.rows.bed import parse_bed
from data.schema import CHROM, END, START
from data.text import UNPACK_ERRORS, OnRead, damaged, is_tar, open_binary

_SITE_FILE: Final = re.compile(r"[^._][^.]*\..+\.[A-Z]{2}\d+\.\d+(\.\w+)?\.bed(\.gz)?")
_BLOCK_BYTES: Final = 1 << 20
_END_BYTES: Final = 1024
"""Zeros that mark the end of an archive."""
_GZIP: Final = b"\x1f\x8b"
_EMPTY: Final = pa.RecordBatch.from_arrays(
    [pa.array([], pa.dictionary(pa.int32(), pa.string())), *(pa.array([], pa.int32()),) * 2],
    [CHROM, START, END],
)


def is_archive(path: Path) -> bool:
    """Whether a path is a folder or a tar archive, compressed or not."""
    if path.is_dir():
        return True
    with open_binary(path, archive=True) as file:
        return is_tar(file.peek(512))


def iterate_sites(
    path: Path, left_out: LeftOut | None = None, on_read: OnRead | None = None
) -> Iterator[BedBatch]:
    """Read the sites of all BED files of an archive or a folder, a file or a part of one at a time.

    Parameters
    ----------
    left_out
        Where rows that cannot be read are noted. By default the first of them is an error.
    on_read
        Called now and then with the bytes read of an archive and those that it has; by default, and
        where it is a folder, nothing is called.

    Yields
    ------
    BedBatch
        Rows with the name of their file as `name`. A file without rows gives a batch without rows,
        whose name counts: the TF was profiled in the biosample.

    Raises
    ------
    DataError
        If there is no BED file or no site, an archive is truncated or damaged, or a row does not
        fit.
    """
    num_rows = num_files = 0
    for member, file in ahead(_files(path, on_read)):
        num_files += 1
        name = PurePosixPath(member.name).name
        named = False
        for batch in parse_bed(member, BED3, file, left_out):
            num_rows += len(batch)
            named = True
            yield _with_name(batch, name)
        if not named:
            yield _with_name(BedBatch(member, _EMPTY.column(START).to_numpy(), _EMPTY), name)
    if not num_files:
        raise DataError(
            f"{path}: holds no BED file named as UniBind does "
            "(EXPERIMENT.BIOSAMPLE.TF.MA0000.0.damo.bed); "
            "give its archive of all TFBSs"
        )
    if not num_rows:
        raise DataError(f"{path}: no site in {num_files:,} BED files; fetch the archive again")


def bed_names(path: Path) -> Iterator[str]:
    """Yield the names of the BED files of an archive or a folder; errors as for its sites."""
    for member, _ in _files(path):
        yield member.name


def _files(path: Path, on_read: OnRead | None = None) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield the path and the content of every BED file, in the order of the archive."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if is_site_file(file.name) and file.is_file():
                yield file, io.BytesIO(_unpacked(file, file.read_bytes()))
        return
    with open_binary(path, archive=True, on_read=on_read) as packed:
        stream = _Tail(packed)
        try:
            with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK_BYTES) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is not None and is_site_file(PurePosixPath(member.name).name):
                        name = path / member.name
                        yield name, io.BytesIO(_unpacked(name, content.read()))
            if not stream.ends_in_zeros():
                raise tarfile.ReadError("no end mark")
        except (*UNPACK_ERRORS, OSError, tarfile.TarError) as error:
            raise damaged(path, error) from None


class _Tail(io.RawIOBase):
    """A stream that is read once and remembers its end, since an archive ends in zeros."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        """Read some bytes."""
        content = self._file.read(size)
        self._last = (self._last + content[-_END_BYTES:])[-_END_BYTES:]
        return content

    def ends_in_zeros(self) -> bool:
        """Read what is left, and tell whether the end mark of an archive is at the end."""
        while self.read(_BLOCK_BYTES):
            pass
        return self._last == b"\0" * _END_BYTES


def is_site_file(name: str) -> bool:
    """Whether a file is one of UniBind's BED files by its name."""
    return _SITE_FILE.fullmatch(name) is not None


def _unpacked(path: Path, content: bytes) -> bytes:
    if not content.startswith(_GZIP):
        return content
    try:
        return igzip.decompress(content)
    except UNPACK_ERRORS as error:
        raise damaged(path, error) from None


def _with_name(batch: BedBatch, name: str) -> BedBatch:
    """Give rows with one name, in place of their own."""
    codes = pa.repeat(pa.scalar(0, pa.int32()), len(batch))
    names = pa.DictionaryArray.from_arrays(codes, [name])
    columns = [*(batch.rows.column(column) for column in (CHROM, START, END)), names]
    rows = pa.RecordBatch.from_arrays(columns, [CHROM, START, END, NAME])
    return BedBatch(batch.path, batch.line, rows)
