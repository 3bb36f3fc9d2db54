"""The source files of a dataset, read and checked: what each one says, as arrays.

===========  ==================================================================================
file         format
===========  ==================================================================================
dhs          UCSC `wgEncodeRegDnaseClustered`, with its `bin` in front or without: chrom, start,
             end, name, score, sourceCount, sourceIds (comma-ended)
dhs_sources  UCSC `wgEncodeRegDnaseClusteredSources`: the number and the name of every DHS source
peaks        ReMap BED9: chrom, start, end, `EXPERIMENT.TF.BIOTYPE`, score, strand, summit,
             summit + 1, rgb
sites        UniBind TFBSs, BED: chrom, start, end, `EXPERIMENT.BIOTYPE.TF` (a motif's name
             behind it, as in UniBind's own file names, is skipped); or an archive or folder
             of a file for each TF and biosample, see `data.sources.archives`
experiments  header `experiment tf biotype`: the ChIP-seq experiments; a TF and a biosample are
             matched if they stand here, with or without peaks
samples      header `source_id dhs_sample biotype`: which biosample (the biotype name of peaks
             and sites) a DHS source is; empty where it has no ChIP-seq
biosamples   header `name biosample`: further names of biosamples, see `data.sources.biosamples`
genome       FASTA with an index, see `data.sources.genome`
chrom_alias  what the genome's chromosomes are called in the other files, see
             `data.sources.chromosomes`; there may be none
exclude      BED files of places to leave out, see `data.sources.blacklist`; there may be none
===========  ==================================================================================

The experiment table may be missing: then the names of the sites tell the experiments. The sample
table may be missing where the names of the DHS sources are given. See `data.sources.row_names`.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import LeftOut
from data.rows.batch import BedBatch, BedFormat
from data.rows.bed import read_bed
from data.rows.head import Head, read_head
from data.rows.header_table import read_records
from data.schema import CHROM, END, START
from data.text import filled_lines

_SOURCE_IDS: Final = "sourceIds"

DHS_FORMAT: Final = BedFormat(
    title="UCSC DHS clusters",
    columns=(CHROM, START, END, "name", "score", "sourceCount", _SOURCE_IDS),
    integers=(START, END),
    used=(CHROM, START, END, _SOURCE_IDS),
    remedy="give UCSC's wgEncodeRegDnaseClustered",
)
_SAMPLE_COLUMNS: Final = ("source_id", "dhs_sample", "biotype")
_BIN: Final = "bin"
"""UCSC's index, in front of the columns of a table as it is downloaded."""


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The source files; formats in the module's docstring."""

    dhs: Path
    peaks: Path
    sites: Path
    experiments: Path | None = None
    samples: Path | None = None
    genome: Path
    dhs_sources: Path | None = None
    biosamples: Path | None = None
    chrom_alias: Path | None = None
    exclude: tuple[Path, ...] = ()

    def all(self) -> tuple[Path, ...]:
        """Every path, in the order of the fields."""
        given = [getattr(self, field.name) for field in fields(self) if field.name != "exclude"]
        return (*(path for path in given if path is not None), *self.exclude)


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """Which TF was profiled by ChIP-seq in which biosample: the experiment and sample tables.

    A *pair* is a TF in a biosample; P pairs.
    """

    tfs: tuple[str, ...]
    biosamples: tuple[str, ...]
    pair_tf: NDArray[np.int32]
    """Index into `tfs`, shape (P,)."""
    pair_biosample: NDArray[np.int32]
    """Index into `biosamples`, shape (P,)."""
    biosample_of_source: dict[int, int]
    """Index into `biosamples` by DHS source id, -1 for one without ChIP-seq."""

    def pair_index(self) -> dict[tuple[str, str], int]:
        """Index of a pair by the names of TF and biosample."""
        return {
            (self.tfs[tf], self.biosamples[biosample]): pair
            for pair, (tf, biosample) in enumerate(
                zip(self.pair_tf, self.pair_biosample, strict=True)
            )
        }


def read_profiled(experiments: Path, samples: Path) -> Profiled:
    """Read the experiment and sample tables and check them against each other.

    Raises
    ------
    DataError
        If an experiment's biotype is not in the sample table or the other way round, a source
        id stands twice or is no number, or a TF's name is empty.
    """
    sample_rows = read_records(samples, _SAMPLE_COLUMNS)
    biotype_of = _biotypes(samples, sample_rows)
    biosamples = sorted(set(biotype_of.values()) - {""})
    pairs = set()
    for row, tf, biotype in read_experiments(experiments):
        if biotype not in biosamples:
            raise DataError(
                f"{experiments}: row {row}: biotype {biotype!r} is not in {samples}; "
                "add its DHS source there or drop the experiment"
            )
        pairs.add((tf, biotype))
    profiled_biosamples = {biotype for _, biotype in pairs}
    for row, record in sample_rows:
        if record["biotype"] and record["biotype"] not in profiled_biosamples:
            raise DataError(
                f"{samples}: row {row}: biotype {record['biotype']!r} has no experiment in "
                f"{experiments}; mend its name, or leave it empty where there is no ChIP-seq"
            )
    tfs = sorted({tf for tf, _ in pairs})
    ordered = sorted(pairs)
    return Profiled(
        tfs=tuple(tfs),
        biosamples=tuple(biosamples),
        pair_tf=np.array([tfs.index(tf) for tf, _ in ordered], dtype=np.int32),
        pair_biosample=np.array([biosamples.index(b) for _, b in ordered], dtype=np.int32),
        biosample_of_source={
            source: biosamples.index(biotype) if biotype else -1
            for source, biotype in biotype_of.items()
        },
    )


def read_experiments(path: Path) -> list[tuple[int, str, str]]:
    """Read the experiment table: row, TF and biotype of each experiment.

    Raises
    ------
    DataError
        If a TF's name is empty.
    """
    found = []
    for row, record in read_records(path, ("experiment", "tf", "biotype")):
        if not record["tf"]:
            raise DataError(f"{path}: row {row}: no TF; fill in its name")
        found.append((row, record["tf"], record["biotype"]))
    return found


def read_samples(path: Path) -> dict[int, str]:
    """Read the sample table: the biotype of each DHS source, empty for one without ChIP-seq.

    Raises
    ------
    DataError
        If a source id stands twice or is no number.
    """
    return _biotypes(path, read_records(path, _SAMPLE_COLUMNS))


def read_dhs_sources(path: Path) -> dict[int, str]:
    """Read the names of the DHS sources, by their numbers.

    Raises
    ------
    DataError
        If a row is not a number and a name, or a number stands twice.
    """
    names: dict[int, str] = {}
    for row, line in filled_lines(path):
        number, tab, name = line.partition("\t")
        if not number.isdigit() or not tab or not name.strip():
            raise DataError(
                f"{path}: row {row}: {line[:60]!r} is not a number and a name, separated by a tab; "
                "give UCSC's wgEncodeRegDnaseClusteredSources"
            )
        if int(number) in names:
            raise DataError(f"{path}: row {row}: source id {number} stands twice; drop one")
        names[int(number)] = name.strip()
    if not names:
        raise DataError(f"{path}: no rows; check that the file arrived whole")
    return names


def read_dhs(
    path: Path, profiled: Profiled, samples: Path, left_out: LeftOut
) -> tuple[BedBatch, NDArray[np.bool_]]:
    """Read the DHSs: their rows, and in which biosamples each is accessible, shape (N, S).

    Whether they lie within the genome is not looked at here, see `data.sources.fitting`.

    Parameters
    ----------
    left_out
        Where rows that cannot be read are noted.

    Raises
    ------
    DataError
        If a row does not fit the format or names a source id that the sample table lacks.
    """
    batch = read_bed(path, _with_bin() if _has_bin(read_head(path)) else DHS_FORMAT, left_out)
    # distinct lists of sources are fewer than DHSs: split each once
    lists = batch.rows.column(_SOURCE_IDS)
    split = pc.split_pattern(lists.dictionary, ",")
    owner = pc.list_parent_indices(split).to_numpy()
    items = split.flatten().dictionary_encode()
    accessible = np.zeros((len(split), len(profiled.biosamples)), dtype=bool)
    item_codes = items.indices.to_numpy()
    for code, source_id in enumerate(items.dictionary.to_pylist()):
        if not source_id:
            continue
        biosample = profiled.biosample_of_source.get(
            int(source_id) if source_id.isdecimal() else -1
        )
        if biosample is None:
            bad_list = owner[item_codes == code][0]
            first = int(np.flatnonzero(lists.indices.to_numpy() == bad_list)[0])
            raise batch.error(first, f"source id {source_id!r} is not in {samples}", "add it there")
        if biosample >= 0:
            accessible[owner[item_codes == code], biosample] = True
    codes = lists.indices.to_numpy()
    return batch, accessible[codes]


def _biotypes(path: Path, rows: list[tuple[int, dict[str, str]]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for row, record in rows:
        source_id = record["source_id"]
        if not source_id.isdigit():
            raise DataError(f"{path}: row {row}: source id {source_id!r} is no number; mend it")
        if int(source_id) in found:
            raise DataError(f"{path}: row {row}: source id {source_id} stands twice; drop one")
        found[int(source_id)] = record["biotype"]
    return found


def _with_bin() -> BedFormat:
    return replace(DHS_FORMAT, columns=(_BIN, *DHS_FORMAT.columns))


def _has_bin(head: Head) -> bool:
    """Whether a number stands in front of the chromosome, as in what UCSC offers for download."""
    first = head.rows[0]
    return len(first) > len(DHS_FORMAT.columns) and first[0].isdigit() and not first[1].isdigit()
