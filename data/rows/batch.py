"""Rows of a tab-separated file once they are read: their format, and columns as Arrow has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import DataError
from data.schema import CHROM, END, START

NAME: Final = "name"
"""Column of the names of rows, where a format has one."""
MISSING: Final = -1
"""What an optional integer is where a row has none."""


@dataclass(frozen=True, kw_only=True)
class BedFormat:
    """The columns of a tab-separated format, in their order."""

    title: str
    """What its rows are, for messages."""
    columns: tuple[str, ...]
    """Names of the columns that every row must have; further ones are allowed."""
    integers: tuple[str, ...]
    """The columns that hold integers; the others are text."""
    optional: tuple[str, ...] = ()
    """Integers that a row may lack (`.`, `NA`, nothing); they may be written as `150.0`."""
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


@dataclass(frozen=True)
class BedBatch:
    """Some consecutive rows of a BED-like file; M rows."""

    path: Path
    line: NDArray[np.int32]
    """Line of each row in the file, counted from 1, shape (M,)."""
    rows: pa.RecordBatch
    """The used columns: text as dictionaries, integers as int32, optional ones as float64."""

    def __len__(self) -> int:
        return len(self.line)

    def integers(self, name: str) -> NDArray[np.int32]:
        """Values of an integer column, shape (M,); `MISSING` where an optional one has none."""
        column = self.rows.column(name)
        if pa.types.is_floating(column.type):
            values = column.to_numpy(zero_copy_only=False)
            return np.where(np.isfinite(values), values, MISSING).astype(np.int32)
        return column.to_numpy()

    def text(self, name: str) -> tuple[NDArray[np.int32], list[str]]:
        """Codes, shape (M,), and distinct values of a text column."""
        column = self.rows.column(name)
        return column.indices.to_numpy(), column.dictionary.to_pylist()

    def names(self, name: str) -> NDArray[np.object_]:
        """Values of a text column, shape (M,)."""
        codes, values = self.text(name)
        return np.array(values, dtype=object)[codes]

    def taken(self, indices: NDArray[np.int64]) -> "BedBatch":
        """Give some of the rows."""
        if len(indices) == len(self):
            return self
        return BedBatch(self.path, self.line[indices], self.rows.take(pa.array(indices)))

    def with_names(self, name: str, values: Sequence[str]) -> "BedBatch":
        """Give the same rows with other values in place of the distinct ones of a text column."""
        place = self.rows.schema.get_field_index(name)
        changed = pa.DictionaryArray.from_arrays(self.rows.column(place).indices, list(values))
        return BedBatch(self.path, self.line, self.rows.set_column(place, name, changed))

    def error(self, index: int, reason: str, remedy: str) -> DataError:
        """Make the error for a row of this batch, by its index here."""
        return DataError(f"{self.path}: row {self.line[index]}: {reason}; {remedy}")


def first_true(mask: NDArray[np.bool_]) -> int | None:
    """Index of the first true element, None where there is none."""
    return int(mask.argmax()) if mask.any() else None
