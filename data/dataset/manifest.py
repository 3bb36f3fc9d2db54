"""What a dataset says of itself: its manifest, what it was made from, and its source files."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.dataset.added import AddedTF, OwnRegions, SourceFile
from data.records import IF_SET
from data.text import local_file


@dataclass(frozen=True, kw_only=True)
class TableVersion:
    """The region table before regions were added."""

    num_regions: int
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What manifest.json says of a dataset."""

    schema_version: int
    num_regions: int
    regions_fingerprint: str
    """Hash of the region table."""
    sources: tuple[SourceFile, ...]
    """Files that the dataset was made from."""
    dropped: Mapping[str, int]
    """Numbers of rows left out or collapsed, by reason."""
    jaspar: str = field(default="", metadata=IF_SET)
    """Part of JASPAR that goes with its TFs, such as `JASPAR2022 CORE plants`; empty for the
    paper's, 2020 and vertebrates, and in what an older bindgrid wrote."""
    versions: tuple[TableVersion, ...] = field(default=(), metadata=IF_SET)
    """Earlier versions of the region table, from the build on."""
    own_regions: OwnRegions | None = field(default=None, metadata=IF_SET)
    """How the regions of a lab's own peaks were made; None for a dataset that was built."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a dataset is made from, in addition to its content."""

    sources: Sequence[SourceFile] = ()
    """The files, see :func:`source_record`."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Numbers of rows left out or collapsed, by reason."""
    built_from: Mapping[str, AddedTF] = field(default_factory=dict)
    """What TFs of a sample sheet are built from, by TF."""
    added: Mapping[str, AddedTF] = field(default_factory=dict)
    """What TFs are made from that are added to a lab's own regions, by TF."""
    own_regions: OwnRegions | None = None
    """How the regions of a lab's own peaks are made; None where they are no such regions."""
    jaspar: str = ""
    """Part of JASPAR that goes with its TFs; empty for the paper's, 2020 and vertebrates."""


def source_record(path: Path) -> SourceFile:
    """Name, size and SHA-256 of a source, for the manifest: a file, a folder, or what a pipe held.

    The checksum of a folder is that of the names and checksums of its files.
    """
    if path.is_dir():
        files = [source_record(file) for file in sorted(path.rglob("*")) if file.is_file()]
        listed = "".join(f"{Path(one.file).name} {one.sha256}\n" for one in files)
        checksum = hashlib.sha256(listed.encode()).hexdigest()
        size = sum(one.size for one in files)
        return SourceFile(file=str(path.resolve()), size=size, sha256=checksum)
    local = local_file(path)
    with local.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceFile(file=str(path.resolve()), size=local.stat().st_size, sha256=checksum)
