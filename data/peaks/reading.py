"""Peaks of one TF in one biosample, in the formats of `data.peaks.formats`.

A peak whose own summit is missing (`.`, `NA`, empty, in narrowPeak -1), or lies outside the peak,
counts by its middle, and their number is reported. Coordinates become 0-based and half-open; a
summit is one base.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import LeftOut
from data.peaks.formats import PeakFormat, format_of
from data.peaks.summits import lacks_summit
from data.rows.batch import BedBatch, first_true
from data.rows.bed import read_bed
from data.rows.head import read_head
from data.schema import CHROM, END, START


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Peaks of one file; M rows, in the file's order."""

    format: str
    """The format that was recognized."""
    rows: BedBatch
    """Where the rows come from, for messages, and their scores."""
    start: NDArray[np.int32]
    """Shape (M,)."""
    end: NDArray[np.int32]
    """Shape (M,)."""
    summit: NDArray[np.int32]
    """Shape (M,)."""
    lacks_summit: NDArray[np.bool_]
    """Whether a peak of a format with summits counts by its middle, since its own is missing,
    shape (M,)."""
    scores: tuple[str, ...] = ()
    """Columns of `rows` that may tell how good a peak is, the one to look at first in front; the
    one that was asked for stands alone."""
    remark: str = ""
    """A remark for the user on the file; empty without one."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def num_without_summit(self) -> int:
        """Peaks that count by their middle, since their own summit is missing."""
        return int(self.lacks_summit.sum())

    @property
    def chrom_names(self) -> NDArray[np.object_]:
        """Name of each peak's chromosome, shape (M,)."""
        return self.rows.names(CHROM)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Numbers in a column of `rows` that was read as text, shape (M,); NaN where none is."""
        codes, values = self.rows.text(column)
        return np.array([_score(value) for value in values], dtype=np.float64)[codes]

    def taken(self, indices: NDArray[np.int64]) -> "Peaks":
        """Give some of the peaks."""
        return replace(
            self,
            rows=self.rows.taken(indices),
            start=self.start[indices],
            end=self.end[indices],
            summit=self.summit[indices],
            lacks_summit=self.lacks_summit[indices],
        )


def read_own_peaks(path: Path, score: str = "", left_out: LeftOut | None = None) -> Peaks:
    """Read a file of peaks in one of the formats of `data.peaks.formats`.

    Parameters
    ----------
    score
        Column that tells how good a peak is: the format's name for it, or its number, counted from
        1. By default those that the format has for it.
    left_out
        Where rows that cannot be read are noted. By default the first of them refuses the file.

    Raises
    ------
    DataError
        If too many rows cannot be read, or have a summit outside their peak, or there is no such
        column.
    """
    head = read_head(path)
    shape = format_of(head, path)
    num_columns = head.num_columns
    try:
        columns = [shape.index_of(score, num_columns)] if score else shape.score_columns()
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    columns = [index for index in columns if index < num_columns]
    rows = read_bed(path, shape.bed_format(columns), left_out)
    start, summit, lacks = start_and_summit(rows, shape)
    return Peaks(
        format=shape.name,
        rows=rows,
        start=start,
        end=rows.integers(END),
        summit=summit,
        lacks_summit=lacks,
        scores=tuple(shape.column(index) for index in columns),
    )


def read_places(
    path: Path, left_out: LeftOut | None = None
) -> tuple[BedBatch, NDArray[np.int32], NDArray[np.int32]]:
    """Read the intervals of a BED file, or of a file in any other format of peaks.

    Parameters
    ----------
    left_out
        Where rows that cannot be read are noted. By default the first of them refuses the file.

    Returns
    -------
    tuple
        The rows, their starts and ends, 0-based and half-open, each of shape (M,).

    Raises
    ------
    DataError
        If a row does not fit the format.
    """
    shape = format_of(read_head(path), path).intervals()
    rows = read_bed(path, shape.bed_format([]), left_out)
    start, _, _ = start_and_summit(rows, shape)
    return rows, start, rows.integers(END)


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedPlaces:
    """Intervals of one file and their names; M rows, in the file's order."""

    rows: BedBatch
    """Where they come from."""
    start: NDArray[np.int32]
    """Counted from 0, shape (M,)."""
    end: NDArray[np.int32]
    """One past the last base of each, shape (M,)."""
    name: NDArray[np.object_]
    """Shape (M,); `.` where no column has names."""


def read_named_places(path: Path, left_out: LeftOut | None = None) -> NamedPlaces:
    """Read intervals as `read_places` does, and their names.

    Raises
    ------
    DataError
        If a row does not fit the format.
    """
    head = read_head(path)
    shape = format_of(head, path).intervals()
    index = name_column(shape, head.num_columns)
    rows = read_bed(path, shape.bed_format([] if index is None else [index]), left_out)
    start, _, _ = start_and_summit(rows, shape)
    return NamedPlaces(
        rows=rows, start=start, end=rows.integers(END), name=names_of(rows, shape, index)
    )


def name_column(shape: PeakFormat, num_columns: int) -> int | None:
    """Index of the column that names the rows of a file; None where none does."""
    # what counts from 1 is a table, whose fourth column is no name
    return 3 if num_columns > 3 and not shape.counts_from_one else None


def names_of(rows: BedBatch, shape: PeakFormat, index: int | None) -> NDArray[np.object_]:
    """Names of rows, from the column of an index, shape (M,); `.` where there is none."""
    if index is None:
        return np.full(len(rows), ".", dtype=object)
    return rows.names(shape.column(index))


def start_and_summit(
    rows: BedBatch, shape: PeakFormat
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """Give starts, summits, and which summits are middles since their own is missing; M rows.

    Returns
    -------
    tuple
        Counted from 0, each of shape (M,).

    Raises
    ------
    DataError
        If a start is 0 in a file that counts from 1, or too many summits lie outside their peaks.
    """
    start, end = rows.integers(START), rows.integers(END)
    if shape.counts_from_one:
        if (index := first_true(start == 0)) is not None:
            raise rows.error(index, "start 0 in a file that counts from 1", shape.remedy)
        start = start - np.int32(1)
    middle = start + (end - start) // 2
    summit = middle if shape.summit is None else shape.summit(rows, start)
    lacks = np.zeros(len(rows), dtype=bool)
    if shape.summit is not None:
        lacks = lacks_summit(rows, start, end, summit, shape.remedy)
    return start, np.where(lacks, middle, summit), lacks


def _score(text: str) -> float:
    """Value of a field, which may be infinite; NaN where it is no number."""
    try:
        return float(text)
    except ValueError:
        return np.nan
