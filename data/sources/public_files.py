"""What to download for a human dataset: the files of `data/tables/public_files.tsv`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from data.rows.header_table import read_records

_TABLE: Final = Path(__file__).parents[1] / "tables" / "public_files.tsv"
_COLUMNS: Final = ("role", "file", "release", "mb", "publisher", "licence", "address", "note")

ROLES: Final = {
    "dhs": "DNase I hypersensitive sites: needed",
    "dhs_sources": "names of the samples of the DHSs: needed",
    "peaks": "ChIP-seq peaks: one of these is needed",
    "sites": "TF binding sites: one of these is needed",
    "genome": "genome: needed",
    "string": "associations between TFs: optional",
}
"""What the files of a role are, and how many of them are needed."""


@dataclass(frozen=True, kw_only=True)
class PublicFile:
    """A file that a publisher offers."""

    role: str
    """Which source it is, as the options of `bindgrid data build` call it."""
    file: str
    """Its name."""
    release: str
    mb: float | None
    """About how large it is; None where that is not known."""
    publisher: str
    licence: str
    address: str
    """The folder of the publisher's site that has it."""
    note: str


@cache
def public_files() -> tuple[PublicFile, ...]:
    """Give the files, role by role."""
    return tuple(
        PublicFile(
            role=record["role"],
            file=record["file"],
            release=record["release"],
            mb=float(record["mb"]) if record["mb"] else None,
            publisher=record["publisher"],
            licence=record["licence"],
            address=record["address"],
            note=record["note"],
        )
        for _, record in read_records(_TABLE, _COLUMNS)
    )
