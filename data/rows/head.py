"""The beginning of a tab-separated file, from which its format is recognized."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.text import all_lines, filled_lines, is_header

HEAD_ROWS: Final = 1000
"""Rows from which the format of a file is recognized."""
_START_WORD: Final = re.compile(r"[\"']?[a-z_. ]*(start|begin|from)", re.IGNORECASE)
_END_WORD: Final = re.compile(r"[\"']?[a-z_. ]*(end|stop|to\b)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Head:
    """The beginning of a tab-separated file, from which its format is recognized."""

    names: tuple[str, ...]
    """Names of the columns, where a line above the rows has them, else empty."""
    comments: tuple[str, ...]
    """Lines above the rows that hold no data."""
    rows: tuple[tuple[str, ...], ...]
    """Fields of the first rows, at most `HEAD_ROWS`."""
    first_line: int
    """Line of the first row, counted from 1."""

    @property
    def num_columns(self) -> int:
        """Columns of most of the first rows, else of the first one."""
        (usual, num), *_ = Counter(map(len, self.rows)).most_common()
        return usual if 2 * num > len(self.rows) else len(self.rows[0])

    @property
    def is_quoted(self) -> bool:
        """Whether text stands in quotes, as R writes it."""
        first = self.rows[0][0]
        return len(first) > 2 and first[0] == first[-1] and first[0] in "\"'"

    def most(self, shows: Callable[[tuple[str, ...]], bool]) -> bool:
        """Whether more than half of the first rows show something."""
        return 2 * sum(map(shows, self.rows)) > len(self.rows)


def read_head(path: Path) -> Head:
    """Read the beginning of a file.

    Raises
    ------
    DataError
        If the file has no rows, or cannot be read as text.
    """
    head = head_of(filled_lines(path))
    if head is None:
        raise DataError(f"{path}: no rows; check that the file arrived whole")
    return head


def head_of(lines: Iterator[tuple[int, str]], num_rows: int = HEAD_ROWS) -> Head | None:
    """Find the beginning of a file in its filled lines; None where it has no rows.

    Parameters
    ----------
    num_rows
        Most rows that the beginning has; by default as many as are needed to recognize the format.
    """
    names: tuple[str, ...] = ()
    comments = []
    for number, line in lines:
        fields = tuple(fields_of(line))
        if is_header(line):
            comments.append(line)
        elif has_names(fields):
            names = tuple(field.strip("\"' ") for field in fields)
        else:
            data = (one for _, one in lines if not is_header(one))
            rows = (fields, *(tuple(fields_of(one)) for one in islice(data, num_rows - 1)))
            return Head(names=names, comments=tuple(comments), rows=rows, first_line=number)
    return None


def fields_of(line: str) -> list[str]:
    """Split a line at its tabs; one without any is split at its spaces."""
    return line.split("\t") if "\t" in line else line.split()


def has_names(fields: Sequence[str]) -> bool:
    """Whether the fields of a line are names of columns, by those of start and end.

    They stand second and third, or, after a peak's name, third and fourth.
    """
    return any(_START_WORD.match(a) and _END_WORD.match(b) for a, b in pairwise(fields[1:4]))


def data_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (row, line) of all lines but blank ones, comments and names of columns."""
    for row, line in all_lines(path):
        if line.strip() and not is_header(line) and not has_names(fields_of(line)):
            yield row, line
