"""ENCODE's `metadata.tsv`, which comes with its files, as a sample sheet.

One file of each experiment is taken, of the first kind (its `Output type`) that it has:

==============  ====================================================================================
assay           kinds, the best first
==============  ====================================================================================
TF ChIP-seq     optimal IDR thresholded peaks, IDR thresholded peaks, conservative IDR thresholded
                peaks, pseudoreplicated IDR thresholded peaks
DNase-seq       peaks, hotspots: where the biosample is accessible
ATAC-seq        those of ChIP-seq, then replicated peaks, pseudoreplicated peaks, peaks: the same
==============  ====================================================================================

If there are several of that kind, the one of the most biological replicates is taken, then the
first. Left out and counted are files of another assembly than the genome's, of treated biosamples,
with an audit ERROR, archived or revoked, and those of biosamples without DNase-seq or ATAC-seq.
Files lie beside the table under their accessions, as `xargs curl` leaves them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.left_out import LeftOut
from data.samplesheet.faults import Faults
from data.samplesheet.sheet import OpenFile, Sheet, SheetRow, SheetTable
from data.sources.assemblies import assembly_of

_MARKS: Final = ("File accession", "Output type", "Experiment target")
_NEEDED: Final = (
    *_MARKS,
    "File format",
    "Experiment accession",
    "Assay",
    "Biosample term name",
    "File assembly",
)
_IDR: Final = (
    "optimal idr thresholded peaks",
    "idr thresholded peaks",
    "conservative idr thresholded peaks",
    "pseudoreplicated idr thresholded peaks",
)
_KINDS: Final = {
    "TF ChIP-seq": _IDR,
    "ChIP-seq": _IDR,
    "DNase-seq": ("peaks", "hotspots"),
    "ATAC-seq": (*_IDR, "replicated peaks", "pseudoreplicated peaks", "peaks"),
}
_HISTONE: Final = re.compile(r"H(1|2A|2B|3|4)([KRSTFZ]\w*)?")
_ENCODES_NAMES: Final = {"hg38": "GRCh38"}
_TAG: Final = re.compile(r"(eGFP|GFP|3xFLAG|FLAG|HA|V5|Myc)-", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file that may be taken."""

    row: int
    cells: Mapping[str, str]
    rank: tuple[int, int, int]
    """Kind, fewest replicates last, and row: the least is taken."""

    @property
    def is_open(self) -> bool:
        return "ChIP" not in self.cells["Assay"]

    @property
    def biosample(self) -> str:
        return self.cells["Biosample term name"]


def is_metadata(table: SheetTable) -> bool:
    """Whether a table is ENCODE's."""
    return set(_MARKS) <= set(table.header)


def read_metadata(
    table: SheetTable, lengths_bp: Mapping[str, int], faults: Faults, left_out: LeftOut
) -> Sheet:
    """Choose the files of ENCODE's table that make a dataset.

    Parameters
    ----------
    lengths_bp
        Length of each chromosome of the genome, by which its assembly is recognized.
    faults
        Where files that are not there are noted.
    left_out
        Where rows that are not used are noted.

    Raises
    ------
    DataError
        If a column is missing, the assembly cannot be told, or no file of a TF is left.
    """
    missing = [name for name in _NEEDED if name not in table.header]
    if missing:
        raise DataError(f"{table.path}: no column {', '.join(missing)}; download the table again")
    assembly = _assembly(table, lengths_bp)
    chosen: dict[str, _File] = {}
    for row, cells in table.records:
        reason = _unused(cells, assembly)
        if reason is not None:
            left_out.add(table.path, row, reason)
            continue
        kind = _KINDS[cells["Assay"]].index(cells["Output type"].lower())
        num = len([one for one in _cell(cells, "Biological replicate(s)").split(",") if one])
        one = _File(row=row, cells=cells, rank=(kind, -num, row))
        best = chosen.setdefault(cells["Experiment accession"], one)
        if best is not one:
            worse = max(best, one, key=lambda file: file.rank)
            chosen[cells["Experiment accession"]] = min(best, one, key=lambda file: file.rank)
            left_out.add(table.path, worse.row, "another file of the same experiment is taken")
    return _sheet(table, list(chosen.values()), faults, left_out)


def _sheet(table: SheetTable, files: list[_File], faults: Faults, left_out: LeftOut) -> Sheet:
    known = {one.biosample for one in files if one.is_open}
    rows, opened = [], []
    for one in sorted(files, key=lambda file: file.row):
        if one.biosample not in known:
            left_out.add(
                table.path, one.row, "of a biosample without DNase-seq or ATAC-seq peaks here"
            )
            continue
        path = _downloaded(table, one.cells)
        if path is None:
            faults.add(
                one.row,
                f"{one.cells['File accession']} is not in {table.folder}; download it, or drop "
                "the row",
            )
        elif one.is_open:
            opened.append(OpenFile(row=one.row, biosample=one.biosample, path=path))
        else:
            target = one.cells["Experiment target"].rpartition("-")[0]
            rows.append(
                SheetRow(
                    row=one.row,
                    tf=_TAG.sub("", target, count=1),
                    biosample=one.biosample,
                    peaks=path,
                    replicate=one.cells["Experiment accession"],
                )
            )
    if not rows:
        faults.check()
        raise DataError(
            f"{table.path}: no peaks of a TF that can be used ({left_out.why(table.path)})"
        )
    return Sheet(path=table.path, rows=tuple(rows), opened=tuple(opened), is_own=False)


def _unused(cells: Mapping[str, str], assembly: str) -> str | None:
    """Say why a file is not used; None if it may be."""
    target = cells["Experiment target"].rpartition("-")[0]
    kinds = _KINDS.get(cells["Assay"])
    if kinds is None or _HISTONE.fullmatch(target):
        return "of an assay that is not used"
    if not cells["File format"].startswith("bed") or cells["Output type"].lower() not in kinds:
        return "no peaks of a kind that is used"
    if _plain(cells["File assembly"]) != assembly:
        return f"of another assembly than {assembly}"
    if _cell(cells, "File Status") not in ("", "released"):
        return "archived or revoked"
    if _cell(cells, "Biosample treatments"):
        return "of a treated biosample"
    if _cell(cells, "Audit ERROR"):
        return "with an audit ERROR"
    if "ChIP" in cells["Assay"] and not target:
        return "without a target"
    return None


def _assembly(table: SheetTable, lengths_bp: Mapping[str, int]) -> str:
    """Recognize the genome's assembly by its chromosomes, or else by the table."""
    found = {_plain(cells["File assembly"]) for _, cells in table.records} - {""}
    told = assembly_of(lengths_bp)
    if told is not None:
        return _ENCODES_NAMES.get(told.name, told.name)
    if len(found) != 1:
        raise DataError(
            f"{table.path}: files of {len(found)} assemblies ({', '.join(sorted(found))}), and "
            "the genome's is not known; keep the rows of one"
        )
    return found.pop()


def _plain(assembly: str) -> str:
    return assembly.removesuffix("-minimal")


def _cell(cells: Mapping[str, str], name: str) -> str:
    return cells.get(name, "").strip()


def _downloaded(table: SheetTable, cells: Mapping[str, str]) -> Path | None:
    """Find the file that a row is about; None where it is not there."""
    accession = cells["File accession"]
    of_url = _cell(cells, "File download URL").rpartition("/")[2]
    names = dict.fromkeys(filter(None, (of_url, f"{accession}.bed.gz", f"{accession}.bed")))
    return next((table.folder / name for name in names if (table.folder / name).is_file()), None)
