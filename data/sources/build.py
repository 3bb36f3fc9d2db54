"""From the source files to a dataset: `bindgrid data build`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data import schema
from data.dataset.region_table import RegionTable, chrom_sort_key
from data.dataset.store import (
    DROPPED_WITH_N,
    Dataset,
    refuse_existing,
    source_record,
    write_dataset,
)
from data.errors import DataError
from data.left_out import EXCLUDED, LeftOut
from data.sources.bed import BedBatch
from data.sources.blacklist import Blacklist
from data.sources.evidence import evidence_codes, matched_hits
from data.sources.fitting import Fitted, Fitting
from data.sources.genome import Genome
from data.sources.intervals import read_peaks, read_sites
from data.sources.tables import SourceFiles, read_dhs, read_profiled


def build_dataset(
    sources: SourceFiles,
    path: Path,
    *,
    replace: bool = False,
    skip_unlisted: bool = False,
    left_out: LeftOut | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Dataset:
    """Build a dataset from the sources' own formats and write it to `path`.

    Parameters
    ----------
    replace
        Whether a dataset that is there already gives way.
    skip_unlisted
        Leave out, and count, peaks and sites of TFs that the experiment table lacks, or of
        biosamples spelled otherwise than there; otherwise they are an error.
    left_out
        Where rows that do not fit the genome are noted; they are counted in the manifest anyway.
    on_step
        Called with each step before it begins, in a few words; by default nothing is called.

    Raises
    ------
    DataError
        If a source cannot be used; nothing is written then.
    """
    refuse_existing(path, replace=replace)
    left_out = LeftOut() if left_out is None else left_out
    with ThreadPoolExecutor(max_workers=1) as background:
        checksums = background.submit(lambda: [source_record(p) for p in sources.all()])
        genome = Genome(sources.genome, sources.chrom_alias)
        exclude = Blacklist(sources.exclude, genome.chromosomes, left_out)
        profiled = read_profiled(sources.experiments, sources.samples)
        on_step("reading DHSs and their sequences")
        dhs, accessible = read_dhs(sources.dhs, profiled, sources.samples)
        fitting = Fitting(sources.dhs, genome.chromosomes, left_out)
        fitted = fitting.fit(dhs, dhs.integers(schema.START), dhs.integers(schema.END))
        fitting.check()
        fitted = without_excluded(fitted, exclude, left_out)
        regions, accessible, dropped = make_regions(fitted, accessible, genome)
        dropped |= {f"DHSs: {why}": num for why, num in left_out.told(sources.dhs).items()}

        hits = []
        for kind, file, read in (
            ("peaks", sources.peaks, partial(read_peaks, exclude=exclude)),
            ("sites", sources.sites, read_sites),
        ):
            on_step(f"joining {kind}")
            found = read(file, profiled, genome, left_out, skip_unlisted=skip_unlisted)
            hits.append(matched_hits(regions, found, profiled, accessible))
            dropped |= {f"{kind}: {reason}": count for reason, count in found.dropped.items()}
            del found
        on_step("writing the dataset")
        evidence = evidence_codes(hits[0], hits[1], profiled, accessible)
        return write_dataset(
            path,
            regions=regions,
            evidence=dict(zip(profiled.tfs, evidence, strict=True)),
            accessibility=dict(zip(profiled.biosamples, accessible.T, strict=True)),
            sources=checksums.result(),
            dropped=dropped,
            replace=replace,
        )


def without_excluded(fitted: Fitted, exclude: Blacklist, left_out: LeftOut) -> Fitted:
    """Leave out DHSs whose regions, the 200 bp around their middles, overlap places to leave out.

    Raises
    ------
    DataError
        If none is left.
    """
    dhs = fitted.batch
    codes, chroms = dhs.text(schema.CHROM)
    start = _region_start(dhs)
    excluded = exclude.overlaps(codes, chroms, start, start + np.int32(schema.REGION_WIDTH_BP))
    left_out.add(dhs.path, dhs.line[excluded], EXCLUDED)
    if excluded.all():
        raise DataError(
            f"{dhs.path}: every region overlaps what --exclude names; check that it is of the same "
            "assembly"
        )
    kept = np.flatnonzero(~excluded)
    return Fitted(
        batch=dhs.taken(kept),
        rows=fitted.rows[kept],
        start=fitted.start[kept],
        end=fitted.end[kept],
    )


def _region_start(dhs: BedBatch) -> NDArray[np.int32]:
    middle = (dhs.integers(schema.START) + dhs.integers(schema.END)) // 2
    return (middle - schema.REGION_WIDTH_BP // 2).astype(np.int32)


def make_regions(
    fitted: Fitted, accessible: NDArray[np.bool_], genome: Genome
) -> tuple[RegionTable, NDArray[np.bool_], dict[str, int]]:
    """Turn DHSs into the region table: their centres +/- 100 bp, sorted, each once.

    Parameters
    ----------
    fitted
        The DHSs that fit the genome.
    accessible
        Of the DHSs as the file has them, shape (DHSs, S).

    Returns
    -------
    tuple
        The regions, their accessibility (N, S) and how many were left out, by reason.

    Raises
    ------
    DataError
        If every region holds an N.
    """
    codes, chroms = fitted.batch.text(schema.CHROM)
    accessible = accessible[fitted.rows]
    sorted_chroms = sorted(chroms, key=chrom_sort_key)
    rank = np.array([sorted_chroms.index(chrom) for chrom in chroms], dtype=np.int64)
    start = _region_start(fitted.batch)
    lengths = np.array([genome.lengths_bp.get(chrom, 0) for chrom in chroms])[codes]
    inside = (start >= 0) & (start + schema.REGION_WIDTH_BP <= lengths)

    key = (rank[codes] << 32) | start
    unique, group = np.unique(key[inside], return_inverse=True)
    merged = np.zeros((len(unique), accessible.shape[1]), dtype=bool)
    np.logical_or.at(merged, group, accessible[inside])
    chrom = np.array(sorted_chroms, dtype=object)[unique >> 32]
    start = (unique & 0xFFFFFFFF).astype(np.int32)

    regions = RegionTable.from_bases(
        chrom, start, genome.sequences(chrom, start, schema.REGION_WIDTH_BP)
    )
    if regions.num_with_n == len(regions):
        raise DataError(f"{genome.path}: every region holds an N; give the genome unmasked")
    dropped = {
        "DHSs: window past the end of its chromosome": int((~inside).sum()),
        "DHSs: duplicates": int(inside.sum()) - len(unique),
        DROPPED_WITH_N: regions.num_with_n,
    }
    return regions, merged, dropped
