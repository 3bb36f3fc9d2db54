"""What to download for a human dataset: the files of `data/tables/public_files.tsv`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from data.rows.header_table import read_records

_TABLE: Final = Path(__file__).parents[1] / "tables" / "public_files.tsv"
_COLUMNS: Final = ("role", "file", "release", "mb", "publisher", "licence", "address", "note")


class Role(NamedTuple):
    """What the files of a role are."""

    content: str
    need: str
    """How many of them a build needs, in words."""

    def __str__(self) -> str:
        """Write both, such as `genome: needed`."""
        return f"{self.content}: {self.need}"


ROLES: Final = {
    "dhs": Role("DNase I hypersensitive sites", "needed"),
    "dhs_sources": Role("names of the samples of the DHSs", "needed"),
    "peaks": Role("ChIP-seq peaks", "one of these is needed"),
    "sites": Role("TF binding sites", "one of these is needed"),
    "genome": Role("genome", "needed"),
    "string": Role("associations between TFs", "optional"),
}
"""By the name of the source."""


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
