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
genome       FASTA with an index, see `data.sources.genome`
chrom_alias  what the genome's chromosomes are called in the other files, see
             `data.sources.chromosomes`; there may be none
exclude      BED files of places to leave out, see `data.sources.blacklist`; there may be none
===========  ==================================================================================
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import DataError
from data.schema import CHROM, END, START
from data.sources.bed import BedBatch, BedFormat, read_bed, read_records

_SOURCE_IDS: Final = "sourceIds"

DHS_FORMAT: Final = BedFormat(
    title="UCSC DHS clusters",
    columns=(CHROM, START, END, "name", "score", "sourceCount", _SOURCE_IDS),
    integers=(START, END),
    used=(CHROM, START, END, _SOURCE_IDS),
    remedy="give wgEncodeRegDnaseClustered without its bin column (cut -f 2-)",
)


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The source files; formats in the module's docstring."""

    dhs: Path
    peaks: Path
    sites: Path
    experiments: Path
    samples: Path
    genome: Path
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


def read_dhs(path: Path, profiled: Profiled, samples: Path) -> tuple[BedBatch, NDArray[np.bool_]]:
    """Read the DHSs: their rows, and in which biosamples each is accessible, shape (N, S).

    Whether they lie within the genome is not looked at here, see `data.sources.fitting`.

    Raises
    ------
    DataError
        If a row does not fit the format or names a source id that the sample table lacks.
    """
    batch = read_bed(path, DHS_FORMAT)
    # distinct lists of sources are fewer than DHSs: split each once
    codes, lists = batch.text(_SOURCE_IDS)
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
            raise batch.error(first, f"source id {source_id!r} is not in {samples}", "add it there")
        biosample = profiled.biosample_of_source[int(source_id)]
        if biosample >= 0:
            accessible[owner[item_code == index], biosample] = True
    return batch, accessible[codes]
