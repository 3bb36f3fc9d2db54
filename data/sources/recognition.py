"""Which source each file of a folder is, recognized by its content, and whether it is whole."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.rows.head import Head, read_head
from data.sources.archives import bed_names, is_archive, is_site_file
from data.sources.public_files import public_files
from data.sources.row_names import remap_name, says_matrix, unibind_name
from data.text import BLOCK_BYTES, UNPACK_ERRORS, damaged, is_bgzf, is_gzip, open_binary

_BGZF_END: Final = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_LEAST_OF_SIZE: Final = 0.5
"""Share of the publisher's size below which a file is called too small; sizes are approximate."""
_INDEXES: Final = (".fai", ".gzi", ".tbi", ".csi", ".md5")


class Kind(StrEnum):
    """What a file is."""

    DHS = "UCSC DHS clusters"
    DHS_SOURCES = "names of UCSC's DHS sources"
    PEAKS = "ReMap peaks"
    MERGED_PEAKS = "ReMap non-redundant peaks, which merge biosamples: give `all` peaks"
    SITES = "UniBind sites"
    GENOME = "genome"
    EXPERIMENTS = "experiment table"
    SAMPLES = "sample table"
    BIOSAMPLES = "table of biosamples"
    STRING = "STRING links"
    STRING_NAMES = "STRING protein names"
    OTHER = "not recognized"


FIELD_OF: Final[Mapping[Kind, str]] = {
    Kind.DHS: "dhs",
    Kind.DHS_SOURCES: "dhs_sources",
    Kind.PEAKS: "peaks",
    Kind.SITES: "sites",
    Kind.GENOME: "genome",
    Kind.EXPERIMENTS: "experiments",
    Kind.SAMPLES: "samples",
    Kind.BIOSAMPLES: "biosamples",
}
"""The source that a file of a kind is, by its name in `data.sources.tables.SourceFiles`."""
_HEADERS: Final = {
    Kind.EXPERIMENTS: {"experiment", "tf", "biotype"},
    Kind.SAMPLES: {"source_id", "dhs_sample", "biotype"},
    Kind.BIOSAMPLES: {"name", "biosample"},
    Kind.STRING_NAMES: {"#string_protein_id", "preferred_name"},
}


@dataclass(frozen=True, kw_only=True)
class Recognized:
    """A file, or a folder of sites, and what it is."""

    path: Path
    kind: Kind
    size: int
    """In bytes; of a folder, that of its files of sites."""
    fault: str = ""
    """Why it cannot be used; empty where it can, as far as is known."""


def recognize(folder: Path) -> list[Recognized]:
    """Recognize what each file in a folder, and in the folders in it, is; a folder of sites is one.

    Raises
    ------
    DataError
        If it is no folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no folder; name the one that holds the downloads")
    return sorted(_scan(folder), key=lambda one: (list(Kind).index(one.kind), one.path))


def find_sources(folder: Path, but: Collection[str] = ()) -> dict[str, Path]:
    """Find the sources in a folder, by their names in `data.sources.tables.SourceFiles`.

    Parameters
    ----------
    but
        Sources that need not be found; by default all are looked for.

    Raises
    ------
    DataError
        If it is no folder, or two files are the same source.
    """
    found: dict[str, Path] = {}
    for one in recognize(folder):
        name = FIELD_OF.get(one.kind)
        if name is None or name in but or one.fault:
            continue
        if name in found:
            option = "--" + name.replace("_", "-")
            raise DataError(
                f"{folder}: {found[name].name} and {one.path.name} are both {one.kind}; choose one "
                f"by {option}, or move the other away"
            )
        found[name] = one.path
    return found


def fault_of(one: Recognized) -> str:
    """Read a file to its end, and say what is wrong with it; empty where it is whole."""
    if one.fault:
        return one.fault
    try:
        if one.kind is Kind.SITES and is_archive(one.path):
            if not any([*bed_names(one.path)]):
                return "holds no BED file of sites"
        else:
            _read_through(one.path)
    except DataError as error:
        return str(error).removeprefix(f"{one.path}: ")
    return ""


def size_note(one: Recognized) -> str:
    """Say where a file is much smaller than the publisher's of its name; empty where it is not."""
    sizes = [file.mb for file in public_files() if file.file == one.path.name and file.mb]
    if sizes and one.size < _LEAST_OF_SIZE * min(sizes) * 1e6:
        return f"whole, but far smaller than the publisher's, about {min(sizes):g} MB"
    return ""


def _scan(folder: Path) -> Iterator[Recognized]:
    sites = [file for file in folder.iterdir() if is_site_file(file.name) and file.is_file()]
    if sites:
        yield Recognized(path=folder, kind=Kind.SITES, size=_size(sites))
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path in sites or path.suffix in _INDEXES:
            continue
        if path.is_file():
            yield _recognize_file(path)
        elif path.is_dir():
            inside = [file for file in path.rglob("*") if is_site_file(file.name)]
            if inside:
                yield Recognized(path=path, kind=Kind.SITES, size=_size(inside))
            else:
                yield from _scan(path)


def _size(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _recognize_file(path: Path) -> Recognized:
    fault = ""
    try:
        kind = _kind(path)
        if kind is Kind.GENOME and is_gzip(path) and not is_bgzf(path):
            fault = f"compressed by gzip, not BGZF: unpack it (gunzip {path.name})"
        if kind is Kind.MERGED_PEAKS:
            fault = "cannot be used"
    except DataError as error:
        kind, fault = Kind.OTHER, str(error).removeprefix(f"{path}: ")
    return Recognized(path=path, kind=kind, size=path.stat().st_size, fault=fault)


def _kind(path: Path) -> Kind:
    if is_archive(path):
        return Kind.SITES
    with open_binary(path) as file:
        first = file.peek(1024).lstrip()
    if first.startswith(b">"):
        return Kind.GENOME
    line = first.partition(b"\n")[0].decode("latin-1")
    if {"protein1", "protein2"} <= set(line.split()) or {"node1", "node2"} <= _words(line):
        return Kind.STRING
    for kind, columns in _HEADERS.items():
        if columns <= set(map(str.strip, line.split("\t"))):
            return kind
    return _kind_of_rows(read_head(path))


def _words(line: str) -> set[str]:
    return set(line.lstrip("#").split())


def _kind_of_rows(head: Head) -> Kind:
    """Recognize a file without a header by most of its rows."""
    if head.most(lambda row: len(row) == 2 and row[0].isdigit()):
        return Kind.DHS_SOURCES
    if head.most(lambda row: _is_dhs(row) or _is_dhs(row[1:])):
        return Kind.DHS
    if head.most(lambda row: len(row) > 3 and says_matrix(row[3]) and _parses(unibind_name, row)):
        return Kind.SITES
    if head.most(lambda row: _has_summit(row) and ":" in row[3]):
        return Kind.MERGED_PEAKS
    if head.most(lambda row: _has_summit(row) and _parses(remap_name, row)):
        return Kind.PEAKS
    if head.most(lambda row: 4 <= len(row) <= 6 and _parses(unibind_name, row)):
        return Kind.SITES
    return Kind.OTHER


def _is_place(row: tuple[str, ...]) -> bool:
    return len(row) > 2 and row[1].isdigit() and row[2].isdigit()


def _is_dhs(row: tuple[str, ...]) -> bool:
    """Whether a row ends in a list of sources, as long as its count says."""
    if len(row) < 7 or not _is_place(row) or not row[5].isdigit():
        return False
    ids = row[6].rstrip(",").split(",")
    return all(one.isdigit() for one in ids) and len(ids) == int(row[5])


def _has_summit(row: tuple[str, ...]) -> bool:
    """Whether a row has ReMap's columns, with a summit within its peak."""
    if len(row) < 9 or not _is_place(row) or not row[6].isdigit():
        return False
    return int(row[1]) <= int(row[6]) < int(row[2])


def _parses(parse: Callable[[str], tuple[str, str]], row: tuple[str, ...]) -> bool:
    try:
        parse(row[3])
    except ValueError:
        return False
    return _is_place(row)


def _read_through(path: Path) -> None:
    """Read a file to its end, unpacked, so that a truncated one is noticed."""
    with open_binary(path) as file:
        try:
            while file.read(BLOCK_BYTES):
                pass
        except (*UNPACK_ERRORS, OSError) as error:
            raise damaged(path, error) from None
    if is_bgzf(path):
        with path.open("rb") as raw:
            raw.seek(-len(_BGZF_END), 2)
            if raw.read() != _BGZF_END:
                raise damaged(path, EOFError("no end mark"))
