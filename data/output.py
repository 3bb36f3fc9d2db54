"""Output files that a user names: the format, by the ending of the name, and how they are written.

A regular file appears whole or not at all. A device or a named pipe is written to and
never replaced; a symbolic link is followed. A name that ends in `.gz` is
compressed, in the blocks of BGZF, which every reader of gzip takes and tabix can index.
"""

import codecs
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Final, cast

from data.atomic import whole_file
from data.errors import DataError
from data.temporary import temporary_folder

_INDEX_ENDINGS: Final = (".fai", ".gzi", ".tbi", ".csi")
STANDARD_OUTPUT: Final = Path("-")
"""The name that stands for standard output."""


class Format(StrEnum):
    """Format of a file, by the end of its name."""

    TSV = ".tsv"
    CSV = ".csv"
    BED = ".bed"
    BEDGRAPH = ".bedgraph"
    VCF = ".vcf"
    PARQUET = ".parquet"
    BIGWIG = ".bw"


_OTHER_ENDINGS: Final = {".bigwig": Format.BIGWIG, ".bdg": Format.BEDGRAPH, ".bg": Format.BEDGRAPH}
_BINARY: Final = frozenset({Format.PARQUET, Format.BIGWIG})
"""Formats that are compressed already, and are not written piece by piece."""


@dataclass(frozen=True)
class Output:
    """Where to write, and in which format."""

    path: Path
    format: Format
    compressed: bool
    """Whether the text is compressed by gzip."""

    @property
    def is_standard_output(self) -> bool:
        """Whether it goes to standard output."""
        return self.path == STANDARD_OUTPUT


def output_named(path: Path | None, formats: Collection[Format]) -> Output:
    """Say what a name stands for, and check that it can be written before anything is computed.

    Parameters
    ----------
    path
        The name as given; None and `-` are standard output, in the first text format.
    formats
        Formats that can be written, the usual one first.

    Raises
    ------
    DataError
        If the name ends in no such format, or the place cannot be written.
    """
    texts = [one for one in formats if one not in _BINARY]
    if path is None or path == STANDARD_OUTPUT:
        if not texts:
            raise DataError(
                f"standard output takes text; name a file that ends in {_listed(formats)}"
            )
        return Output(STANDARD_OUTPUT, texts[0], compressed=False)
    if _is_special(path):
        check_writable(path)
        return Output(path, (texts or list(formats))[0], compressed=False)
    compressed = path.suffix.lower() == ".gz"
    ending = (path.with_suffix("") if compressed else path).suffix.lower()
    known = _OTHER_ENDINGS.get(ending, ending)
    found = next((one for one in formats if one == known), None)
    if found is None or (compressed and found in _BINARY):
        raise DataError(
            f"{path}: no known format; give a name that ends in {_listed(formats)}"
            + (", and .gz after a text format to compress it" if texts else "")
        )
    check_writable(path)
    return Output(path, found, compressed)


def check_apart(path: Path, others: Iterable[Path]) -> None:
    """Check that a file to be written is none that is read, its index, or written as well.

    Raises
    ------
    DataError
        If it is.
    """
    if path == STANDARD_OUTPUT:
        return
    place = path.resolve()
    for other in others:
        own = other.resolve()
        is_index = str(place) in {f"{own}{ending}" for ending in _INDEX_ENDINGS}
        is_same = place == own or (path.is_file() and other.is_file() and path.samefile(other))
        if is_index or is_same:
            raise DataError(f"{path}: is needed, and would be replaced; name another file")


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """Give a file to write to, whose content gets to `path` when the block ends well.

    Raises
    ------
    OSError
        If the content cannot be written there.
    """
    path = path.resolve() if path.is_symlink() else path
    if not _is_special(path):
        with whole_file(path) as partial:
            yield partial
        return
    with temporary_folder("output") as folder:
        partial = folder / "output"
        yield partial
        with partial.open("rb") as content, path.open("wb") as file:
            shutil.copyfileobj(content, file)


@contextmanager
def text_output(output: Output) -> Iterator[IO[str]]:
    """Give a file of text to write to; a regular one is there only when the block ends well.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if output.is_standard_output:
        yield sys.stdout
        return
    with output_file(output.path) as partial:
        if output.compressed:
            from Bio.bgzf import BgzfWriter  # here, since most runs compress nothing

            # by itself it writes Latin-1
            with BgzfWriter(str(partial), "wb") as compressing:
                yield cast("IO[str]", codecs.getwriter("utf-8")(compressing))
        else:
            with partial.open("w", encoding="utf-8", newline="") as file:
                yield file


def check_writable(path: Path) -> None:
    """Check that a file can be written, before anything is computed.

    Raises
    ------
    DataError
        If it is a folder, or its place cannot be written.
    """
    target = path.resolve() if path.is_symlink() else path
    if target.is_dir():
        raise DataError(f"{path}: is a folder; name a file")
    if _is_special(target):
        reason = None if os.access(target, os.W_OK) else "no right to write to it"
    elif not target.parent.is_dir():
        reason = f"there is no folder {target.parent}"
    else:
        reason = None if os.access(target.parent, os.W_OK | os.X_OK) else "no right to write there"
    if reason is not None:
        raise DataError(f"{path}: cannot be written ({reason}); check the path")


def _is_special(path: Path) -> bool:
    """Whether it is there and neither a regular file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _listed(formats: Collection[Format]) -> str:
    *first, last = formats
    return f"{', '.join(first)} or {last}" if first else str(last)
