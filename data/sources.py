"""The source files of a dataset, read and checked: what each one says, as arrays.

===========  ==================================================================================
file         format
===========  ==================================================================================
dhs          UCSC `wgEncodeRegDnaseClustered` without `bin`: chrom, start, end, name, score,
             sourceCount, sourceIds (comma-ended)
peaks        ReMap BED9: chrom, start, end, `EXPERIMENT.TF.BIOTYPE`, score, strand, summit,
             summit + 1, rgb
sites        UniBind TFBSs, BED: chrom, start, end, `EXPERIMENT.BIOTYPE.TF` (a motif's name
             behind it, as in UniBind's own file names, is passed over)
experiments  header `experiment tf biotype`: the ChIP-seq experiments; a TF and a biosample are
             matched if they stand here, with or without peaks
samples      header `source_id dhs_sample biotype`: which biosample (the biotype name of peaks
             and sites) a DHS source is; empty where it has no ChIP-seq
genome       FASTA with an index, see `data.genome`
===========  ==================================================================================
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.bed import BedFormat, data_lines, read_bed, read_records, row_error, text_column
from data.errors import DataError
from data.genome import Genome
from data.schema import CHROM, END, START

_NAME: Final = "name"
_SUMMIT: Final = "summit"
_SOURCE_IDS: Final = "sourceIds"
_MOTIF_SUFFIX: Final = re.compile(r"\.[A-Z]{2}\d+\.\d+(\.pwm)?(\.bed)?$")

DHS_FORMAT: Final = BedFormat(
    title="UCSC DHS clusters",
    columns=(CHROM, START, END, "name", "score", "sourceCount", _SOURCE_IDS),
    integers=(START, END),
    used=(CHROM, START, END, _SOURCE_IDS),
    remedy="give wgEncodeRegDnaseClustered without its bin column (cut -f 2-)",
)
PEAKS_FORMAT: Final = BedFormat(
    title="ReMap peaks",
    columns=(CHROM, START, END, _NAME, "score", "strand", _SUMMIT, "summitEnd", "rgb"),
    integers=(START, END, _SUMMIT),
    used=(CHROM, START, END, _NAME, _SUMMIT),
    remedy="give ReMap's BED9 with the summit in column 7",
)
SITES_FORMAT: Final = BedFormat(
    title="UniBind sites",
    columns=(CHROM, START, END, _NAME),
    integers=(START, END),
    used=(CHROM, START, END, _NAME),
    remedy="give UniBind's BED with EXPERIMENT.BIOTYPE.TF as name",
)


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The six source files; formats in the module's docstring."""

    dhs: Path
    peaks: Path
    sites: Path
    experiments: Path
    samples: Path
    genome: Path

    def all(self) -> tuple[Path, ...]:
        """Every path, in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))


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


@dataclass(frozen=True, kw_only=True)
class Sites:
    """Intervals of one source (summits or sites), each of a TF in a biosample; M rows."""

    chroms: list[str]
    chrom: NDArray[np.int32]
    """Index into `chroms`, shape (M,)."""
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    pair: NDArray[np.int32]
    """Index of the pair, shape (M,)."""
    dropped: dict[str, int]
    """Numbers of rows left out, by reason."""


def read_profiled(experiments: Path, samples: Path) -> Profiled:
    """Read the experiment and sample tables and check them against each other.

    Raises
    ------
    DataError
        If an experiment's biotype is not in the sample table or the other way round, a source
        id stands twice or is no number, or a TF's name is empty.
    """
    sample_rows = read_records(samples, ("source_id", "dhs_sample", "biotype"))
    biosamples = sorted({record["biotype"] for _, record in sample_rows} - {""})
    biosample_of_source: dict[int, int] = {}
    for row, record in sample_rows:
        source_id, biotype = record["source_id"], record["biotype"]
        if not source_id.isdigit():
            raise DataError(f"{samples}: row {row}: source id {source_id!r} is no number; mend it")
        if int(source_id) in biosample_of_source:
            raise DataError(f"{samples}: row {row}: source id {source_id} stands twice; drop one")
        biosample_of_source[int(source_id)] = biosamples.index(biotype) if biotype else -1

    pairs = set()
    for row, record in read_records(experiments, ("experiment", "tf", "biotype")):
        if not record["tf"]:
            raise DataError(f"{experiments}: row {row}: no TF; fill in its name")
        if record["biotype"] not in biosamples:
            raise DataError(
                f"{experiments}: row {row}: biotype {record['biotype']!r} is not in {samples}; "
                "add its DHS source there or drop the experiment"
            )
        pairs.add((record["tf"], record["biotype"]))
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
        biosample_of_source=biosample_of_source,
    )


def read_dhs(path: Path, profiled: Profiled, samples: Path) -> tuple[pa.Table, NDArray[np.bool_]]:
    """Read the DHSs: their table, and in which biosamples each is accessible, shape (N, S).

    Raises
    ------
    DataError
        If a row does not fit the format or names a source id that the sample table lacks.
    """
    table = read_bed(path, DHS_FORMAT)
    # distinct lists of sources are far fewer than DHSs: split each once
    codes, lists = text_column(table, _SOURCE_IDS)
    split = pc.split_pattern(pa.array(lists, pa.string()), ",")
    owner = pc.list_parent_indices(split).to_numpy()
    items = split.flatten().to_numpy(zero_copy_only=False)
    accessible = np.zeros((len(lists), len(profiled.biosamples)), dtype=bool)
    ids, item_code = np.unique(items.astype(str), return_inverse=True)
    for index, source_id in enumerate(ids):
        if not source_id:
            continue
        known = source_id.isdigit() and int(source_id) in profiled.biosample_of_source
        if not known:
            bad_list = owner[item_code == index][0]
            first = int(np.flatnonzero(codes == bad_list)[0])
            raise row_error(
                path, first, f"source id {source_id!r} is not in {samples}", "add it there"
            )
        biosample = profiled.biosample_of_source[int(source_id)]
        if biosample >= 0:
            accessible[owner[item_code == index], biosample] = True
    return table, accessible[codes]


def read_peaks(path: Path, profiled: Profiled, genome: Genome, *, skip_unlisted: bool) -> Sites:
    """Read ReMap peaks as their summits, one base wide.

    Raises
    ------
    DataError
        If a row does not fit the format or the chromosome, its summit lies outside the peak, or
        its TF has no experiment (unless `skip_unlisted`, then such rows are counted).
    """
    table = read_bed(path, PEAKS_FORMAT)
    summit = table.column(_SUMMIT).to_numpy()
    start, end = table.column(START).to_numpy(), table.column(END).to_numpy()
    outside = np.flatnonzero((summit < start) | (summit >= end))
    if len(outside):
        first = int(outside[0])
        raise row_error(
            path,
            first,
            f"summit {summit[first]} lies outside its peak {start[first]}-{end[first]}",
            PEAKS_FORMAT.remedy,
        )
    table = table.set_column(1, START, pa.array(summit))
    table = table.set_column(2, END, pa.array(summit + 1)).drop_columns(_SUMMIT)
    return _sites(path, table, profiled, genome, _remap_name, skip_unlisted)


def read_sites(path: Path, profiled: Profiled, genome: Genome, *, skip_unlisted: bool) -> Sites:
    """Read UniBind sites; errors as for :func:`read_peaks`."""
    table = read_bed(path, SITES_FORMAT)
    return _sites(path, table, profiled, genome, _unibind_name, skip_unlisted)


def _sites(
    path: Path,
    table: pa.Table,
    profiled: Profiled,
    genome: Genome,
    parse_name: Callable[[str], tuple[str, str]],
    skip_unlisted: bool,
) -> Sites:
    off_genome = genome.check(path, table)
    table, duplicates = _distinct(table.filter(pa.array(~off_genome)))
    names, distinct_names = text_column(table, _NAME)
    pair_of_name = _pairs_of_names(path, distinct_names, profiled, parse_name, skip_unlisted)
    pair = pair_of_name[names]
    listed = pair >= 0
    chrom, chroms = text_column(table, CHROM)
    dropped = {
        "on chromosomes that the genome lacks": int(off_genome.sum()),
        "duplicates": duplicates,
        "of no listed experiment": int(len(listed) - listed.sum()),
    }
    return Sites(
        chroms=chroms,
        chrom=chrom[listed],
        start=table.column(START).to_numpy()[listed],
        end=table.column(END).to_numpy()[listed],
        pair=pair[listed],
        dropped=dropped,
    )


def _distinct(table: pa.Table) -> tuple[pa.Table, int]:
    """Collapse rows that are the same place of the same experiment; also how many there were."""
    name, _ = text_column(table, _NAME)
    start, end = table.column(START).to_numpy(), table.column(END).to_numpy()
    chrom, chroms = text_column(table, CHROM)
    repeated = np.zeros(table.num_rows, dtype=bool)
    for code in range(len(chroms)):  # one chromosome at a time bounds the memory
        rows = np.flatnonzero(chrom == code)
        keys = pd.DataFrame({"start": start[rows], "end": end[rows], "name": name[rows]})
        repeated[rows] = keys.duplicated().to_numpy()
    num_repeated = int(repeated.sum())
    if num_repeated:
        table = table.filter(pa.array(~repeated)).combine_chunks()
    return table, num_repeated


def _pairs_of_names(
    path: Path,
    names: list[str],
    profiled: Profiled,
    parse_name: Callable[[str], tuple[str, str]],
    skip_unlisted: bool,
) -> NDArray[np.int32]:
    """Index of the pair that each distinct name speaks of, -1 for one of no listed experiment."""
    pairs, known = profiled.pair_index(), set(profiled.tfs)
    result = np.full(max(len(names), 1), -1, dtype=np.int32)
    for index, name in enumerate(names):
        try:
            tf, biosample = parse_name(name)
        except ValueError:
            raise DataError(
                f"{path}: row {_row_of_name(path, name)}: name {name[:60]!r} does not say "
                "experiment, TF and biotype separated by dots; mend it"
            ) from None
        if tf not in known and not skip_unlisted:
            raise DataError(
                f"{path}: row {_row_of_name(path, name)}: TF {tf!r} has no experiment in the "
                "experiment table; add one there, or pass --skip-unlisted to leave such rows out"
            )
        result[index] = pairs.get((tf, biosample), -1)
    return result


def _row_of_name(path: Path, name: str) -> int:
    return next(row for row, line in data_lines(path) if line.split("\t")[3] == name)


def _remap_name(name: str) -> tuple[str, str]:
    _, tf, biosample = name.split(".", 2)
    return tf, biosample


def _unibind_name(name: str) -> tuple[str, str]:
    _, rest = _MOTIF_SUFFIX.sub("", name).split(".", 1)
    biosample, tf = rest.rsplit(".", 1)
    return tf, biosample
