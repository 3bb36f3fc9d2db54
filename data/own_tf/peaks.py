"""Peaks as a lab has them: one TF in one biosample, in the formats that peak callers write.

===========  ==================================================================================
format       told by                                          summit
===========  ==================================================================================
narrowPeak   10 columns, the last a whole number              start + column 10; the middle where
                                                              that is -1
MACS xls     a line of column names `chr start end ...`;      column `abs_summit`; the middle where
             counts from 1                                    there is none (broad peaks)
ReMap        9 columns, column 8 one more than column 7       column 7
BED          3 columns or more, such as MACS' summits         the middle
===========  ==================================================================================

Plain, gzip or BGZF. Coordinates become 0-based and half-open; a summit is one base.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.schema import CHROM, END, START
from data.sources.bed import BED3, BedBatch, BedFormat, all_lines, first_true, is_header, read_bed
from data.sources.genome import Genome
from data.sources.intervals import PEAKS_FORMAT, remap_name

_SUMMIT: Final = "summit"
_NAME: Final = "name"
_MACS_SUMMIT: Final = "abs_summit"

_NARROW: Final = BedFormat(
    title="narrowPeak rows",
    columns=(CHROM, START, END, _NAME, "score", "strand", "signal", "p", "q", _SUMMIT),
    integers=(START, END, _SUMMIT),
    used=(CHROM, START, END, _SUMMIT),
    remedy="give narrowPeak's ten columns, the summit's distance from the start in the last",
)
_MACS: Final = BedFormat(
    title="rows of MACS' xls",
    columns=(CHROM, START, END, "length", _MACS_SUMMIT),
    integers=(START, END, _MACS_SUMMIT),
    used=(CHROM, START, END, _MACS_SUMMIT),
    remedy="give the file as MACS wrote it",
)


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Peaks of one file; M rows, in the file's order."""

    format: str
    """What the file was taken for."""
    rows: BedBatch
    """Where the rows come from, for messages."""
    start: NDArray[np.int32]
    """Shape (M,)."""
    end: NDArray[np.int32]
    """Shape (M,)."""
    summit: NDArray[np.int32]
    """Shape (M,)."""

    def __len__(self) -> int:
        return len(self.start)

    @property
    def chrom_names(self) -> NDArray[np.object_]:
        """Name of each peak's chromosome, shape (M,)."""
        codes, names = self.rows.text(CHROM)
        return np.array(names, dtype=object)[codes]


def read_own_peaks(path: Path) -> Peaks:
    """Read a file of peaks in one of the formats above.

    Raises
    ------
    DataError
        If a row does not fit the format, a summit lies outside its peak, or a ReMap file holds
        peaks of several TFs or biosamples.
    """
    first, columns = _first_row(path)
    if columns is not None:
        return _read_macs(path, columns)
    if len(first) == 10 and _is_whole(first[9]):
        return _read_narrow(path)
    if len(first) == 9 and first[6].isdigit() and first[7] == str(int(first[6]) + 1):
        return _read_remap(path)
    rows = read_bed(path, BED3)
    start, end = rows.integers(START), rows.integers(END)
    return Peaks(format="BED", rows=rows, start=start, end=end, summit=_middle(start, end))


def codes_on(peaks: BedBatch, chroms: Sequence[str], genome: Genome | None) -> NDArray[np.int16]:
    """Index of each row's chromosome among those of the regions, -1 for any other; shape (M,).

    Raises
    ------
    DataError
        If no row lies on one of them, or the genome, where there is one, ends before a row does.
    """
    if genome is not None:
        genome.lacks(peaks)
    codes, names = peaks.text(CHROM)
    known = {chrom: code for code, chrom in enumerate(chroms)}
    found = np.array([known.get(name, -1) for name in names], dtype=np.int16)
    if (found < 0).all():
        raise DataError(
            f"{peaks.path}: no row on a chromosome that has regions; it names them like "
            f"{names[0]!r}, the dataset like {chroms[0]!r}: rename them, or give another assembly"
        )
    return found[codes]


def _first_row(path: Path) -> tuple[list[str], list[str] | None]:
    """Fields of the first row, and the names of columns where a line above it has them."""
    columns = None
    for _, line in all_lines(path):
        if is_header(line):
            fields = line.split("\t")
            columns = fields if fields[0] == "chr" else columns
        elif line.strip():
            return line.split("\t"), columns
    raise DataError(f"{path}: no peaks; check that the file arrived whole")


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def _middle(start: NDArray[np.int32], end: NDArray[np.int32]) -> NDArray[np.int32]:
    return start + (end - start) // 2


def _checked(rows: BedBatch, peaks: Peaks, remedy: str) -> Peaks:
    """Give peaks whose summits all lie inside them."""
    outside = (peaks.summit < peaks.start) | (peaks.summit >= peaks.end)
    if (index := first_true(outside)) is not None:
        raise rows.error(
            index,
            f"summit {peaks.summit[index]} lies outside its peak "
            f"{peaks.start[index]}-{peaks.end[index]}",
            remedy,
        )
    return peaks


def _read_narrow(path: Path) -> Peaks:
    rows = read_bed(path, _NARROW)
    start, end, offset = (rows.integers(name) for name in (START, END, _SUMMIT))
    summit = np.where(offset == -1, _middle(start, end), start + offset)
    peaks = Peaks(format="narrowPeak", rows=rows, start=start, end=end, summit=summit)
    return _checked(rows, peaks, "column 10 is the summit's distance from the start, or -1")


def _read_macs(path: Path, columns: list[str]) -> Peaks:
    has_summit = columns[:5] == ["chr", "start", "end", "length", _MACS_SUMMIT]
    rows = read_bed(path, _MACS if has_summit else BED3)
    # MACS counts from 1 in this file, and only there
    start, end = rows.integers(START) - np.int32(1), rows.integers(END)
    if (index := first_true(start < 0)) is not None:
        raise rows.error(index, "start 0 in a file that counts from 1", _MACS.remedy)
    summit = rows.integers(_MACS_SUMMIT) - np.int32(1) if has_summit else _middle(start, end)
    peaks = Peaks(format="MACS xls", rows=rows, start=start, end=end, summit=summit)
    return _checked(rows, peaks, _MACS.remedy)


def _read_remap(path: Path) -> Peaks:
    rows = read_bed(path, PEAKS_FORMAT)
    _, names = rows.text(_NAME)
    found = set()
    for name in names:
        try:
            found.add(remap_name(name))
        except ValueError:  # a BED9 of another origin, whose names mean nothing here
            found.add(("", ""))
    if len(found) > 1:
        listed = ", ".join(sorted(f"{tf} in {biosample}" for tf, biosample in found)[:3])
        raise DataError(
            f"{path}: peaks of {len(found)} pairs of TF and biosample ({listed} ...); "
            "give a file for each biosample, with the peaks of one TF"
        )
    start, end, summit = (rows.integers(name) for name in (START, END, _SUMMIT))
    peaks = Peaks(format="ReMap", rows=rows, start=start, end=end, summit=summit)
    return _checked(rows, peaks, PEAKS_FORMAT.remedy)
