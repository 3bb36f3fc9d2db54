"""Rows of a VCF file as they are spelled: read for their alleles, and told from its header."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.text import all_lines

COLUMNS: Final = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
"""The columns that every VCF file has; files of the first five are read too."""
MISSING: Final = "."
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
    """Whether a line holds a variant: it is neither blank nor part of the header."""
    return not line.startswith("#") and bool(line.strip())


def num_alternatives(allele_column: str) -> int:
    """How many alleles the column ALT lists."""
    return allele_column.count(",") + 1


def vcf_rows(path: Path) -> Iterator[VcfRow]:
    """Yield the rows of a file.

    Raises
    ------
    DataError
        If a row is no VCF row.
    """
    for row, line in all_lines(path):
        if not is_row(line):
            continue
        # what follows FILTER, such as thousands of genotypes, is not looked at
        fields = line.split("\t", 7)
        if len(fields) < 5 or not fields[1].isdecimal() or len(fields[1]) > _MAX_DIGITS:
            raise DataError(f"{path}: row {row}: no VCF row; give CHROM POS ID REF ALT, by tabs")
        yield VcfRow(
            chrom=fields[0],
            position=int(fields[1]) - 1,
            name=fields[2],
            reference=fields[3],
            alternatives=tuple(fields[4].split(",")),
            filter=fields[6] if len(fields) > 6 else MISSING,
            row=row,
        )
