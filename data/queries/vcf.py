"""Rows of a VCF file as they are spelled: which lines they are, and the alleles that they name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from data.errors import DataError
from data.left_out import LeftOut
from data.text import all_lines

COLUMNS: Final = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
"""The columns that every VCF file has; files of the first five are read too."""
MISSING: Final = "."
NO_ROW: Final = "no VCF row (CHROM POS ID REF ALT, by tabs)"
_MAX_DIGITS: Final = 10
"""Most digits of a position."""


@dataclass(frozen=True, kw_only=True)
class VcfRow:
    """One row of the file: a variant with all of its alternative alleles."""

    chrom: str
    position: int
    """First base of the reference allele, counted from 0; -1 for a telomere, which VCF counts 0."""
    name: str
    reference: str
    alternatives: tuple[str, ...]
    filter: str
    """What the column FILTER says; `.` where there is none."""
    row: int
    """Line of the file."""


def is_row(line: str) -> bool:
    """Whether a line belongs to the variants: it is neither blank nor part of the header."""
    return not line.startswith("#") and bool(line.strip())


def row_fields(line: str) -> list[str] | None:
    """Split a line at its tabs, all behind FILTER as one; None where it holds no variant."""
    fields = line.split("\t", 7)
    if not is_row(line) or len(fields) < 5 or len(fields[1]) > _MAX_DIGITS:
        return None
    return fields if fields[1].isdecimal() else None


def num_alternatives(allele_column: str) -> int:
    """How many alleles the column ALT lists."""
    return allele_column.count(",") + 1


def vcf_rows(path: Path, left_out: LeftOut) -> Iterator[VcfRow]:
    """Yield the rows of a file.

    Parameters
    ----------
    left_out
        Where rows that hold no variant are noted, once all are read.

    Raises
    ------
    DataError
        If no row holds a variant, but other text stands there.
    """
    num = 0
    odd: list[int] = []
    for row, line in all_lines(path):
        # what follows FILTER, such as thousands of genotypes, is not looked at
        fields = row_fields(line)
        if fields is None:
            if is_row(line):
                odd.append(row)
            continue
        num += 1
        yield VcfRow(
            chrom=fields[0],
            position=int(fields[1]) - 1,
            name=fields[2],
            reference=fields[3],
            alternatives=tuple(fields[4].split(",")),
            filter=fields[6] if len(fields) > 6 else MISSING,
            row=row,
        )
    if odd and not num:
        raise DataError(f"{path}: row {odd[0]}: {NO_ROW}, and no other is one; give a VCF file")
    left_out.add(path, np.array(odd, dtype=np.int32), NO_ROW)
