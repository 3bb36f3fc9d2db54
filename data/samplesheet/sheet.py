"""A sample sheet: which file holds the peaks of which TF in which biosample.

==========  =======================================================================================
column      content
==========  =======================================================================================
tf          name of the TF
biosample   cell line or tissue, spelled in one way
peaks       file of the TF's peaks there, in any format of `data.peaks.reading`
sites       file of its binding sites there, BED; where it is empty, sites are predicted
accessible  file of the biosample's DNase or ATAC peaks, in any format of `data.peaks.reading`; one
            row of the biosample is enough, and those of several rows are taken together
replicate   tells rows of one TF and biosample apart; their peaks are taken together
==========  =======================================================================================

The last three columns may be missing. A row with neither TF nor peaks says what is accessible in a
biosample. Columns are separated by commas, semicolons or tabs; paths are relative to the sheet's
folder, or absolute. ENCODE's `metadata.tsv` is a sheet too, see `data.samplesheet.encode`.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.near_names import folded, misspelled
from data.own_tf.labels import name_fault
from data.samplesheet.faults import Faults
from data.text import STANDARD_INPUT, filled_lines

REQUIRED: Final = ("tf", "biosample", "peaks")
COLUMNS: Final = (*REQUIRED, "sites", "accessible", "replicate")


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """Peaks of a TF in a biosample."""

    row: int
    """Line in the sheet, counted from 1."""
    tf: str
    biosample: str
    peaks: Path
    sites: Path | None = None
    """None where sites are predicted, or peaks alone count."""
    replicate: str = ""


@dataclass(frozen=True, kw_only=True)
class OpenFile:
    """Accessible peaks of a biosample."""

    row: int
    biosample: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What a sample sheet says."""

    path: Path
    rows: tuple[SheetRow, ...]
    opened: tuple[OpenFile, ...]
    is_own: bool
    """Whether people wrote it, so that each row must be usable; False for ENCODE's table, of which
    rows that cannot be used are left out and counted."""


@dataclass(frozen=True, kw_only=True)
class SheetTable:
    """The cells of a sheet."""

    path: Path
    header: tuple[str, ...]
    records: tuple[tuple[int, dict[str, str]], ...]
    """Line and cells, by the name of the column."""

    @property
    def folder(self) -> Path:
        """Folder that paths are relative to."""
        return Path() if str(self.path) == STANDARD_INPUT else self.path.parent


def read_table(path: Path, faults: Faults) -> SheetTable:
    """Read the cells of a sheet; rows of another length are noted as faults.

    Raises
    ------
    DataError
        If the file cannot be read, or has no row.
    """
    lines = [(row, line) for row, line in filled_lines(path) if not line.startswith("#")]
    if len(lines) < 2:
        raise DataError(f"{path}: no rows; a sheet has a line {','.join(COLUMNS)} and rows below")
    delimiter = max("\t,;", key=lines[0][1].count)
    header = tuple(cell.strip() for cell in _cells(path, *lines[0], delimiter))
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: row {lines[0][0]}: two columns are named {twice!r}; rename one")
    records = []
    for row, line in lines[1:]:
        cells = _cells(path, row, line, delimiter)
        # spreadsheets leave off, or add, empty cells at the end
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) > len(header):
            faults.add(row, f"{len(cells)} columns where the header has {len(header)}")
            continue
        cells += [""] * (len(header) - len(cells))
        if any(cell.strip() for cell in cells):
            records.append((row, dict(zip(header, map(str.strip, cells), strict=True))))
    return SheetTable(path=path, header=header, records=tuple(records))


def checked_sheet(table: SheetTable, faults: Faults) -> Sheet:
    """Check the cells of a sheet that people wrote, each fault noted.

    Raises
    ------
    DataError
        If a column is missing or unknown.
    """
    columns = _columns(table)
    rows: list[SheetRow] = []
    opened: dict[tuple[str, Path], OpenFile] = {}
    for line, cells in table.records:
        cell = {name: cells[own] for name, own in columns.items()}
        tf, biosample = cell["tf"], cell["biosample"]
        if not biosample:
            faults.add(line, "no biosample; fill it in")
        if accessible := cell.get("accessible"):
            path = _path(table, accessible)
            opened.setdefault((biosample, path), OpenFile(row=line, biosample=biosample, path=path))
            if not (tf or cell["peaks"]):
                continue
        if fault := name_fault(tf) if tf else "no TF; fill it in":
            faults.add(line, fault)
        if not cell["peaks"]:
            faults.add(line, "no peaks; name a file")
            continue
        sites = cell.get("sites")
        rows.append(
            SheetRow(
                row=line,
                tf=tf,
                biosample=biosample,
                peaks=_path(table, cell["peaks"]),
                sites=_path(table, sites) if sites else None,
                replicate=cell.get("replicate", ""),
            )
        )
    sheet = Sheet(path=table.path, rows=tuple(rows), opened=tuple(opened.values()), is_own=True)
    _check_names(sheet, faults)
    _check_repeats(sheet, faults)
    _check_opened(sheet, faults)
    return sheet


def _columns(table: SheetTable) -> dict[str, str]:
    """Give the sheet's own name of each column that it has."""
    own = {name.lower(): name for name in table.header}
    missing = [name for name in REQUIRED if name not in own]
    if missing:
        raise DataError(
            f"{table.path}: no column {', '.join(missing)}; a sheet has {', '.join(REQUIRED)} and, "
            f"if need be, {', '.join(COLUMNS[len(REQUIRED) :])}"
        )
    for name in own:
        # further columns are allowed, unless one looks like a misspelled column of ours
        meant = misspelled(name, COLUMNS)
        if meant is not None:
            raise DataError(f"{table.path}: no column is named {name!r}; rename it {meant!r}")
    return {name: own[name] for name in COLUMNS if name in own}


def _check_names(sheet: Sheet, faults: Faults) -> None:
    """Note names that differ only in spelling: they would count as two TFs or biosamples."""
    tfs = [(one.row, one.tf) for one in sheet.rows]
    biosamples = [(one.row, one.biosample) for one in sheet.rows]
    biosamples += [(one.row, one.biosample) for one in sheet.opened]
    for kind, named in (("TF", tfs), ("biosample", biosamples)):
        first: dict[str, tuple[int, str]] = {}
        for row, name in sorted(named):
            known_row, known = first.setdefault(folded(name), (row, name))
            if name != known:
                faults.add(row, f"{kind} {name!r} is {known!r} in row {known_row}; spell it once")


def _check_repeats(sheet: Sheet, faults: Faults) -> None:
    """Note files of peaks that stand twice, and replicates that do.

    A file of ReMap's may hold the peaks of a TF in several biosamples, so that another biosample is
    looked at when the file is read.
    """
    by_file: dict[Path, SheetRow] = {}
    by_replicate: dict[tuple[str, str, str], SheetRow] = {}
    for one in sheet.rows:
        before = by_file.setdefault(one.peaks, one)
        is_other_tf = before.tf != one.tf
        if before is not one and (is_other_tf or before.biosample == one.biosample):
            add_repeat(one, before, faults)
        elif one.replicate:
            key = (one.tf, one.biosample, one.replicate)
            before = by_replicate.setdefault(key, one)
            if before is not one:
                faults.add(
                    one.row,
                    f"replicate {one.replicate} of {one.tf} in {one.biosample} stands in row "
                    f"{before.row} too; number them apart",
                )


def add_repeat(row: SheetRow, before: SheetRow, faults: Faults) -> None:
    """Note that a row names the peaks of a row before it."""
    faults.add(
        row.row,
        f"{row.peaks}: the peaks of row {before.row} too, there of {before.tf} in "
        f"{before.biosample}; name each file once",
    )


def _check_opened(sheet: Sheet, faults: Faults) -> None:
    """Note biosamples that lack accessible peaks."""
    known = {one.biosample for one in sheet.opened}
    told: set[str] = set()
    for one in sheet.rows:
        if one.biosample and one.biosample not in known | told:
            told.add(one.biosample)
            faults.add(
                one.row,
                f"no accessible peaks of {one.biosample} in any of its rows; name its DNase or "
                "ATAC peaks in the column accessible, or the file of --regions if all are to count",
            )


def _path(table: SheetTable, cell: str) -> Path:
    return table.folder / Path(cell).expanduser()


def _cells(path: Path, row: int, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise DataError(f"{path}: row {row}: cannot be read ({error}); mend the row") from None


def biosamples_of(rows: Iterable[SheetRow | OpenFile]) -> tuple[str, ...]:
    """Biosamples of some rows, sorted, each once."""
    return tuple(sorted({one.biosample for one in rows}))
