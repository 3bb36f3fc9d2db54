"""Reading of tab-separated source files: fast where they are right, exact where they are wrong.

Arrow parses the file; when it, or a check on whole columns, finds a fault, the file is read
again line by line to name the row. Rows are counted from 1 as an editor shows them. Lines that
are blank, or start with `#`, `track` or `browser`, are passed over, and so is MACS' line of column
names.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from isal import igzip
from numpy.typing import NDArray

from data.errors import DataError
from data.schema import CHROM, END, START

_GZIP_MAGIC: Final = b"\x1f\x8b"
_HEADERS: Final = ("#", "track", "browser", "chr\tstart\t")
_BLOCK_BYTES: Final = 4 << 20
_TEXT: Final = pa.dictionary(pa.int32(), pa.string())
_INTEGER: Final = pa.int32()


@dataclass(frozen=True, kw_only=True)
class BedFormat:
    """The columns of a tab-separated format, in their order."""

    title: str
    """What its rows are, for messages."""
    columns: tuple[str, ...]
    """Names of the columns that every row must have; further ones are allowed."""
    integers: tuple[str, ...]
    """The columns that hold integers; the others are text."""
    used: tuple[str, ...]
    """The columns to keep."""
    remedy: str
    """What to do about a file of another format."""


BED3: Final = BedFormat(
    title="BED rows",
    columns=(CHROM, START, END),
    integers=(START, END),
    used=(CHROM, START, END),
    remedy="give chrom, start and end, separated by tabs",
)
"""Any BED file, for its places alone."""


def is_gzip(path: Path) -> bool:
    """Whether a file is gzip or BGZF, by its first bytes and not by its name."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def open_binary(path: Path) -> IO[bytes]:
    """Open a plain, gzip or BGZF file to read its uncompressed bytes.

    Raises
    ------
    DataError
        If the file is missing, unreadable or empty.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty; check that it arrived whole")
        return igzip.open(path, "rb") if is_gzip(path) else path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); check the path") from None


@dataclass(frozen=True)
class BedBatch:
    """Some consecutive rows of a BED-like file."""

    path: Path
    first_index: int
    """Index of the first row among the file's data rows, from 0."""
    rows: pa.RecordBatch
    """The used columns: text as dictionaries, integers as int32."""

    def integers(self, name: str) -> NDArray[np.int32]:
        """Values of an integer column, shape (M,)."""
        return self.rows.column(name).to_numpy()

    def text(self, name: str) -> tuple[NDArray[np.int32], list[str]]:
        """Codes, shape (M,), and distinct values of a text column."""
        column = self.rows.column(name)
        return column.indices.to_numpy(), column.dictionary.to_pylist()

    def error(self, index: int, reason: str, remedy: str) -> DataError:
        """Make the error for a row of this batch, by its index here."""
        wanted = self.first_index + index
        row = next(row for i, (row, _) in enumerate(data_lines(self.path)) if i == wanted)
        return DataError(f"{self.path}: row {row}: {reason}; {remedy}")


def first_true(mask: NDArray[np.bool_]) -> int | None:
    """Index of the first true element, None where there is none."""
    return int(mask.argmax()) if mask.any() else None


def read_bed(path: Path, file_format: BedFormat) -> BedBatch:
    """Read the used columns of a BED-like file at once; see :func:`iterate_bed`."""
    batches = [batch.rows for batch in iterate_bed(path, file_format)]
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    return BedBatch(path, 0, table.to_batches()[0])


def iterate_bed(path: Path, file_format: BedFormat) -> Iterator[BedBatch]:
    """Read the used columns of a BED-like file, some tens of thousands of rows at a time.

    Raises
    ------
    DataError
        If the file is missing, empty, truncated or has a row that does not fit: too few or too
        many columns, a coordinate that is no number or negative, start >= end.
    """
    num_columns = _count_columns(path, file_format)
    names = [*file_format.columns, *(f"extra{i}" for i in range(num_columns))][:num_columns]
    types = {name: _INTEGER if name in file_format.integers else _TEXT for name in names}
    convert = pacsv.ConvertOptions(
        column_types=types, include_columns=list(file_format.used), strings_can_be_null=False
    )
    parse = pacsv.ParseOptions(
        delimiter="\t",
        quote_char=False,
        invalid_row_handler=lambda row: "skip" if row.text.startswith(_HEADERS) else "error",
    )
    read = pacsv.ReadOptions(
        column_names=names,
        skip_rows=_count_header_lines(path),
        use_threads=False,
        block_size=_BLOCK_BYTES,
    )
    num_rows = 0
    try:
        with pa.OSFile(str(path)) as file:
            stream = pa.CompressedInputStream(file, "gzip") if is_gzip(path) else file
            for rows in pacsv.open_csv(stream, read, parse, convert):
                batch = BedBatch(path, num_rows, rows)
                _check_intervals(batch)
                yield batch
                num_rows += rows.num_rows
    except (OSError, pa.ArrowException) as error:
        _explain(path, file_format, num_columns, error)


def read_records(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Read a small table with a header line, as (row, record) pairs.

    Raises
    ------
    DataError
        If the file is missing or empty, the header lacks a column, or a row has another length.
    """
    with open_binary(path) as file:
        text = _decoded(path, file)
    rows = list(csv.reader(text.splitlines(), delimiter="\t"))
    if not rows:
        raise DataError(f"{path}: the file is empty; it needs a header line {columns}")
    header = rows[0]
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(
            f"{path}: row 1: no column {missing[0]!r} in the header; "
            f"name the columns {' '.join(columns)}, separated by tabs"
        )
    records = []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{path}: row {number}: {len(row)} columns where the header has {len(header)}; "
                "mend the row (separate by tabs)"
            )
        records.append((number, {name: row[header.index(name)].strip() for name in columns}))
    if not records:
        raise DataError(f"{path}: no rows below the header; add them")
    return records


def _check_intervals(batch: BedBatch) -> None:
    start, end = batch.integers(START), batch.integers(END)
    if (index := first_true(start < 0)) is not None:
        raise batch.error(
            index, f"start {start[index]} is negative", "BED counts from 0; mend the row"
        )
    if (index := first_true(start >= end)) is not None:
        raise batch.error(
            index,
            f"start {start[index]} is not before end {end[index]}",
            "BED intervals are half-open, start < end; mend the row",
        )


def _count_header_lines(path: Path) -> int:
    with open_binary(path) as file:
        count = 0
        for line in file:
            if line.strip() and not line.startswith(tuple(h.encode() for h in _HEADERS)):
                break
            count += 1
    return count


def _count_columns(path: Path, file_format: BedFormat) -> int:
    first = next(data_lines(path), None)
    if first is None:
        raise DataError(f"{path}: no rows; check that the file arrived whole")
    row, line = first
    num_columns = line.count("\t") + 1
    if num_columns < len(file_format.columns):
        raise DataError(_too_few_columns(path, row, num_columns, file_format))
    return num_columns


def _too_few_columns(path: Path, row: int, num_columns: int, file_format: BedFormat) -> str:
    return (
        f"{path}: row {row}: {num_columns} tab-separated columns, {file_format.title} have "
        f"{len(file_format.columns)} ({' '.join(file_format.columns)}); {file_format.remedy}"
    )


def data_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (row, line) of all lines but blank ones and headers."""
    return (pair for pair in all_lines(path) if pair[1].strip() and not is_header(pair[1]))


def is_header(line: str) -> bool:
    """Whether a line is a comment, a browser's setting or names of columns."""
    return line.startswith(_HEADERS)


def all_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (row, line) of every line, without its end."""
    with open_binary(path) as file:
        try:
            for row, line in enumerate(file, start=1):
                yield row, line.decode("utf-8", errors="replace").rstrip("\r\n")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise damaged_gzip(path, error) from None


def _explain(path: Path, file_format: BedFormat, num_columns: int, error: Exception) -> NoReturn:
    """Find the row that Arrow could not read and say what is wrong with it."""
    for row, line in data_lines(path):
        fields = line.split("\t")
        if len(fields) < len(file_format.columns):
            raise DataError(_too_few_columns(path, row, len(fields), file_format))
        if len(fields) != num_columns:
            raise DataError(
                f"{path}: row {row}: {len(fields)} columns where the first row has "
                f"{num_columns}; mend the row"
            )
        for name in file_format.integers:
            value = fields[file_format.columns.index(name)]
            if name in file_format.used and not _is_int32(value):
                raise DataError(
                    f"{path}: row {row}: {name} is {value[:40]!r}, not a whole number; "
                    f"{file_format.remedy}"
                )
    reason = str(error).splitlines()[0]
    raise DataError(f"{path}: cannot be read ({reason}); {file_format.remedy}")


def _is_int32(value: str) -> bool:
    try:
        return -(2**31) <= int(value) < 2**31 and "_" not in value
    except ValueError:
        return False


def damaged_gzip(path: Path, error: Exception) -> DataError:
    """Make the error for a compressed file that ends early or does not decompress."""
    return DataError(f"{path}: truncated or damaged gzip ({error}); fetch the file again")


def _decoded(path: Path, file: IO[bytes]) -> str:
    try:
        return file.read().decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged_gzip(path, error) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file ({error.reason}); check the path") from None
