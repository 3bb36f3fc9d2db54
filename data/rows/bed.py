"""Reading of tab-separated source files: fast for correct rows, exact about faulty ones.

Arrow parses a block of lines; where it, or a check on whole columns, finds a fault, the lines of
that block are read one by one; a few rows that cannot be read are left out and counted, and a file
with many of them is refused. Rows are counted from 1 as an editor shows them. Blank lines,
comments, `track` and `browser` lines and lines of column names are skipped. A line without any
tab is separated by its spaces. A coordinate may be spelled as R, pandas and spreadsheets spell it
(`data.rows.whole_numbers`); one that was rounded (`1.23E+08`) is refused.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from data.ahead import ahead
from data.errors import DataError
from data.left_out import LeftOut, is_other_assembly, is_other_format
from data.rows.batch import BedBatch, BedFormat
from data.rows.head import Head, fields_of, has_names, head_of, read_head
from data.rows.whole_numbers import (
    is_coordinate,
    is_too_large,
    may_be_rounded,
    plain_integer,
)
from data.schema import CHROM, END, START
from data.text import (
    HEADERS,
    OnRead,
    blocks,
    blocks_of,
    is_header,
    lines_of,
    num_lines,
)

FEW_COLUMNS: Final = "too few columns"
OTHER_COLUMNS: Final = "another number of columns than the other rows"
NO_NUMBER: Final = "a coordinate that is no whole number"
TOO_LARGE: Final = "a coordinate that is too large"
NO_BASE: Final = "an interval without a base"
_TEXT: Final = pa.dictionary(pa.int32(), pa.string())
_NULLS: Final = ["", ".", "NA", "N/A", "NaN", "nan", "na", "None", "none", "NULL", "null", "-"]
_SPACES: Final = re.compile(rb"[^\S\n]+")
_OUTER_SPACES: Final = re.compile(rb"^[^\S\n]+|[^\S\n]+$", re.MULTILINE)


def read_bed(path: Path, file_format: BedFormat, left_out: LeftOut | None = None) -> BedBatch:
    """Read the used columns of a BED-like file at once; see :func:`iterate_bed`."""
    batches = list(iterate_bed(path, file_format, left_out))
    table = pa.Table.from_batches([batch.rows for batch in batches])
    table = table.unify_dictionaries().combine_chunks()
    return BedBatch(path, np.concatenate([one.line for one in batches]), table.to_batches()[0])


def iterate_bed(
    path: Path,
    file_format: BedFormat,
    left_out: LeftOut | None = None,
    on_read: OnRead | None = None,
) -> Iterator[BedBatch]:
    """Read the used columns of a BED-like file, some tens of thousands of rows at a time.

    Starts may be negative here, and ends beyond the chromosome's: `data.sources.fitting` handles
    them.

    Parameters
    ----------
    left_out
        Where rows that cannot be read are noted: too few or too many columns, a coordinate that is
        no number, start >= end. By default the first of them refuses the file.
    on_read
        Called now and then with the bytes read and those of the file; by default nothing is called.

    Raises
    ------
    DataError
        If the file is missing, empty, truncated, or has too many such rows.
    """
    parser = _Parser(path, file_format, read_head(path), left_out)
    num_rows = 0
    for first_line, text in ahead(blocks(path, on_read)):
        batch = parser.parse(first_line, text)
        if batch is not None:
            num_rows += len(batch)
            yield batch
    parser.finish()
    if not num_rows:
        raise DataError(f"{path}: no rows; check that the file arrived whole")


def parse_bed(
    path: Path, file_format: BedFormat, file: IO[bytes], left_out: LeftOut | None = None
) -> Iterator[BedBatch]:
    """Read the used columns of a BED-like file that is open; one without rows gives no batch.

    Parameters
    ----------
    path
        What the file is called in messages, such as a member of an archive.
    file
        The file, unpacked; it is small enough to be held in memory.
    left_out
        As for :func:`iterate_bed`.

    Raises
    ------
    DataError
        As :func:`iterate_bed`, but that the file may be empty.
    """
    parts = list(blocks_of(path, file))
    filled = ((number, line) for number, line in lines_of(parts) if line.strip())
    # few rows are enough to count the columns, and an archive has thousands of files
    head = head_of(filled, num_rows=9)
    if head is None:
        return
    parser = _Parser(path, file_format, head, left_out)
    for first_line, text in parts:
        batch = parser.parse(first_line, text)
        if batch is not None:
            yield batch
    parser.finish()


class _Parser:
    """Makes batches of blocks of lines of one file."""

    def __init__(
        self, path: Path, file_format: BedFormat, head: Head, left_out: LeftOut | None
    ) -> None:
        self._path = path
        self._format = file_format
        self._left_out = left_out
        self._num_rows = 0
        self._odd: defaultdict[str, list[int]] = defaultdict(list)
        self._first_error: DataError | None = None
        self._quote = head.rows[0][0][0] if head.is_quoted else ""
        self._num_columns = head.num_columns
        is_first = self._num_columns == len(head.rows[0])
        self._usual = "the first row has" if is_first else "most rows have"
        if self._num_columns < len(file_format.columns):
            raise DataError(self._too_few(head.first_line, self._num_columns))
        extra = range(self._num_columns - len(file_format.columns))
        names = [*file_format.columns, *(f"extra{i}" for i in extra)]
        self._read = pacsv.ReadOptions(column_names=names, use_threads=False)
        self._parse = pacsv.ParseOptions(delimiter="\t", quote_char=False)
        types = {name: self._type(name) for name in file_format.used}
        self._convert = pacsv.ConvertOptions(
            column_types=types,
            include_columns=list(file_format.used),
            strings_can_be_null=False,
            null_values=_NULLS,
        )

    def parse(self, first_line: int, text: bytes) -> BedBatch | None:
        """Parse whole lines; None where none of them is a row."""
        if self._quote:
            text = text.replace(self._quote.encode(), b"")
        if b"\t" not in text:
            text = _SPACES.sub(b"\t", _OUTER_SPACES.sub(b"", text))
        rows = self._arrow(text)
        if self._is_whole(rows, num_lines(text)) and not self._holds_headers(rows):
            numbers = np.arange(first_line, first_line + rows.num_rows, dtype=np.int32)
        else:
            lines, rows = self._line_by_line(first_line, text)
            numbers = np.array([number for number, _ in lines], dtype=np.int32)
        batch = None if rows is None else self._checked(BedBatch(self._path, numbers, rows))
        self._num_rows += 0 if batch is None else len(batch)
        self._check_share(is_other_assembly)
        return batch

    def finish(self) -> None:
        """Note the rows that could not be read, once all are parsed.

        Raises
        ------
        DataError
            If they are too many.
        """
        self._check_share(is_other_format)
        if self._left_out is not None:
            for reason, rows in self._odd.items():
                self._left_out.add(self._path, np.array(rows, dtype=np.int32), reason)

    def _check_share(self, is_too_much: Callable[[int, int], bool]) -> None:
        num_odd = sum(map(len, self._odd.values()))
        if self._first_error is not None and is_too_much(num_odd, num_odd + self._num_rows):
            raise self._first_error

    def _leave_out(self, row: int, reason: str, error: DataError) -> None:
        if self._left_out is None:
            raise error
        self._odd[reason].append(row)
        self._first_error = self._first_error or error

    def _line_by_line(
        self, first_line: int, text: bytes
    ) -> tuple[list[tuple[int, str]], pa.RecordBatch | None]:
        """Parse the lines that are rows and can be read; None where there are none."""
        lines = [
            (number, "\t".join(fields))
            for number, line in enumerate(text.decode()[:-1].split("\n"), start=first_line)
            if line.strip() and not is_header(line) and not has_names(fields := fields_of(line))
        ]
        rows = self._arrow_of(lines)
        if rows is None:
            lines = [one for one in lines if self._can_be_read(*one)]
            rows = self._arrow_of(lines)
        if rows is None and lines:
            raise DataError(
                f"{self._path}: rows {lines[0][0]} to {lines[-1][0]} cannot be read; "
                f"{self._format.remedy}"
            )
        return lines, rows

    def _arrow_of(self, lines: list[tuple[int, str]]) -> pa.RecordBatch | None:
        """Parse lines, as they are or else with plain integers; None where one has a fault."""
        texts = [line for _, line in lines]
        rows = self._arrow("".join(f"{line}\n" for line in texts).encode())
        if rows is None:
            plain = map(self._with_plain_integers, texts)
            rows = self._arrow("".join(f"{line}\n" for line in plain).encode())
        return rows if self._is_whole(rows, len(lines)) else None

    def _is_whole(self, rows: pa.RecordBatch | None, num: int) -> TypeGuard[pa.RecordBatch]:
        return rows is not None and rows.num_rows == num and not self._lacks_integers(rows)

    def _checked(self, batch: BedBatch) -> BedBatch | None:
        """Give the rows that hold a base; None where none does."""
        start, end = batch.integers(START), batch.integers(END)
        odd = start >= end
        for index in np.flatnonzero(odd).tolist():
            reason = f"start {start[index]} is not before end {end[index]}"
            error = batch.error(
                index, reason, "BED intervals are half-open, start < end; mend the row"
            )
            self._leave_out(int(batch.line[index]), NO_BASE, error)
        if not odd.any():
            return batch
        return None if odd.all() else batch.taken(np.flatnonzero(~odd))

    def _arrow(self, text: bytes) -> pa.RecordBatch | None:
        """Parse by Arrow; None where it finds a fault."""
        self._read.block_size = len(text) + 1
        try:
            # a buffer and no thread, so that nothing reads on after an error
            table = pacsv.read_csv(pa.BufferReader(text), self._read, self._parse, self._convert)
        except (pa.ArrowException, OSError):
            return None
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else None

    def _with_plain_integers(self, line: str) -> str:
        """Give a line with the integers that every row must have written as digits alone."""
        fields = line.split("\t")
        for name in self._format.integers:
            index = self._format.columns.index(name)
            if name not in self._format.optional and index < len(fields):
                fields[index] = plain_integer(fields[index])
        return "\t".join(fields)

    def _holds_headers(self, rows: pa.RecordBatch) -> bool:
        if CHROM not in self._format.used:
            return False
        chroms = rows.column(CHROM).dictionary.to_pylist()
        return any(f"{chrom}\t".startswith(HEADERS) for chrom in chroms)

    def _lacks_integers(self, rows: pa.RecordBatch) -> bool:
        """Whether an integer that every row must have is missing, or another one is too large."""
        for name in self._format.used:
            if name in self._format.optional:
                values = rows.column(name).to_numpy(zero_copy_only=False)
                if (np.abs(values) >= 2**31).any():
                    return True
            elif name in self._format.integers and rows.column(name).null_count:
                return True
        return False

    def _type(self, name: str) -> pa.DataType:
        if name in self._format.optional:
            return pa.float64()
        return pa.int32() if name in self._format.integers else _TEXT

    def _too_few(self, row: int, num_columns: int) -> str:
        columns = self._format.columns
        return (
            f"{self._path}: row {row}: {num_columns} tab-separated columns, {self._format.title} "
            f"have {len(columns)} ({' '.join(columns)}); {self._format.remedy}"
        )

    def _can_be_read(self, row: int, line: str) -> bool:
        """Whether a row can be read; otherwise it is left out, or raised as an error."""
        fields = line.split("\t")
        if len(fields) < len(self._format.columns):
            self._leave_out(row, FEW_COLUMNS, DataError(self._too_few(row, len(fields))))
            return False
        if len(fields) != self._num_columns:
            told = f"{len(fields)} columns where {self._usual} {self._num_columns}; mend the row"
            self._leave_out(row, OTHER_COLUMNS, DataError(f"{self._path}: row {row}: {told}"))
            return False
        for name in self._format.integers:
            value = fields[self._format.columns.index(name)]
            fits = _is_number_or_missing if name in self._format.optional else is_coordinate
            if name in self._format.used and not fits(value):
                reason, why = NO_NUMBER, f"not a whole number; {self._format.remedy}"
                if may_be_rounded(value):
                    why = "which may have been rounded; save the numbers in full"
                elif is_too_large(value):
                    reason, why = TOO_LARGE, "too large for a place on a chromosome; mend the row"
                told = f"{self._path}: row {row}: {name} is {value[:40]!r}, {why}"
                self._leave_out(row, reason, DataError(told))
                return False
        return True


def _is_number_or_missing(value: str) -> bool:
    try:
        return value in _NULLS or abs(float(value)) < 2**31
    except ValueError:
        return False
