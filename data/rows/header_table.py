"""Small tables with a line of column names, such as that of the experiments."""

import csv
from pathlib import Path

from data.errors import DataError
from data.text import filled_lines


def read_records(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a small table with a header line, as (row, record) pairs.

    Comments, lines that begin with `#`, are skipped, also in front of the header.

    Parameters
    ----------
    columns
        The columns that the table must have.
    optional
        Columns that it may have; a record is empty there where the table lacks one. By default
        there are none.

    Raises
    ------
    DataError
        If the file is missing or empty, the header lacks a column, or a row has another length.
    """
    lines = [(row, line) for row, line in filled_lines(path) if not line.startswith("#")]
    cells = [_cells(path, row, line) for row, line in lines]
    if not cells:
        raise DataError(f"{path}: the file is empty; it needs a header line {columns}")
    header = [name.strip() for name in cells[0]]
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(
            f"{path}: row {lines[0][0]}: no column {missing[0]!r} in the header; "
            f"name the columns {' '.join(columns)}, separated by tabs"
        )
    records = []
    for (number, _), row in zip(lines[1:], cells[1:], strict=True):
        if len(row) != len(header):
            raise DataError(
                f"{path}: row {number}: {len(row)} columns where the header has {len(header)}; "
                "mend the row (separate by tabs)"
            )
        cell_of = dict(zip(header, (cell.strip() for cell in row), strict=True))
        records.append((number, {name: cell_of.get(name, "") for name in (*columns, *optional)}))
    if not records:
        raise DataError(f"{path}: no rows below the header; add them")
    return records


def _cells(path: Path, row: int, line: str) -> list[str]:
    """Split a line of a table; a cell may stand in double quotes."""
    try:
        return next(csv.reader([line], delimiter="\t"))
    except csv.Error as error:
        raise DataError(f"{path}: row {row}: cannot be read ({error}); mend the row") from None
