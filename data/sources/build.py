"""From the source files to a dataset: `bindgrid data build`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data import schema
from data.dataset.manifest import Origin, source_record
from data.dataset.region_table import RegionTable, chrom_sort_key
from data.dataset.store import DROPPED_WITH_N, Dataset, refuse_existing, write_dataset
from data.errors import DataError
from data.left_out import EXCLUDED, LeftOut
from data.rows.batch import BedBatch
from data.sources.blacklist import Blacklist
from data.sources.evidence import evidence_codes, matched_hits
from data.sources.fitting import Fitted, Fitting
from data.sources.genome import Genome
from data.sources.intervals import Intervals, read_peaks, read_sites, tfs_of, tfs_without
from data.sources.name_rules import NameRules
from data.sources.row_names import ListedNames, Naming, read_naming
from data.sources.tables import Profiled, SourceFiles, read_dhs
from data.steps import OnStep, silent
from data.text import OnRead

ALTERNATE: Final = "DHSs: on unplaced and alternate contigs"
TREATED_SOURCES: Final = "DHS sources: treated"
_LARGE_BYTES: Final = 100_000_000
"""Smallest file for which the part that is read is reported."""
_PARTS_TOLD: Final = 20


def build_dataset(
    sources: SourceFiles,
    path: Path,
    *,
    replace: bool = False,
    name_rules: NameRules | None = None,
    left_out: LeftOut | None = None,
    on_step: OnStep = silent,
) -> Dataset:
    """Build a dataset from the sources' own formats and write it to `path`.

    Parameters
    ----------
    replace
        Whether an existing dataset is replaced; by default it is an error.
    name_rules
        What to do with rows whose names do not match the other sources; by default as
        :class:`NameRules` says.
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
    rules = name_rules or NameRules()
    with ThreadPoolExecutor(max_workers=1) as background:
        checksums = background.submit(lambda: [source_record(p) for p in sources.all()])
        genome = Genome(sources.genome, sources.chrom_alias)
        exclude = Blacklist(sources.exclude, genome.chromosomes, left_out)
        naming = read_naming(sources, rules)
        on_read = _reading(on_step, "reading sites")
        sites = read_sites(sources.sites, naming.names, genome, left_out, on_read)
        on_step("reading DHSs and their sequences")
        made = _made_regions(sources, naming, genome, exclude, left_out)
        on_step("joining sites")
        of_sites = _joined("sites", sites, made)
        del sites  # or gigabytes of sites are in memory while the peaks are read
        on_read = _reading(on_step, "reading peaks")
        peaks = read_peaks(sources.peaks, naming.names, genome, left_out, exclude, on_read)
        on_step("joining peaks")
        of_peaks = _joined("peaks", peaks, made)
        del peaks
        lacking = _lacking(sources, of_peaks.tfs, of_sites.tfs, skip_unlisted=rules.skip_unlisted)
        on_step("writing the dataset")
        evidence = evidence_codes(of_peaks.hits, of_sites.hits, made.profiled, made.accessible)
        return write_dataset(
            path,
            regions=made.regions,
            evidence=dict(zip(made.profiled.tfs, evidence, strict=True)),
            accessibility=dict(zip(made.profiled.biosamples, made.accessible.T, strict=True)),
            origin=Origin(
                sources=checksums.result(),
                dropped=made.dropped | of_peaks.dropped | of_sites.dropped | lacking,
            ),
            replace=replace,
        )


@dataclass(frozen=True, kw_only=True)
class _MadeRegions:
    """The regions, N of them, and what was profiled in them."""

    regions: RegionTable
    profiled: Profiled
    accessible: NDArray[np.bool_]
    """Whether each region is accessible in each biosample, shape (N, S)."""
    dropped: dict[str, int]
    """Numbers of DHSs and regions left out or collapsed, by reason."""


def _made_regions(
    sources: SourceFiles, naming: Naming, genome: Genome, exclude: Blacklist, left_out: LeftOut
) -> _MadeRegions:
    """Read the DHSs, once the sites tell what was profiled, and make the regions of them."""
    profiled = naming.names.profiled()
    dhs, accessible, dropped = _read_dhs(sources, profiled, naming, left_out)
    fitting = Fitting(sources.dhs, genome.chromosomes, left_out)
    fitted = fitting.fit(dhs, dhs.integers(schema.START), dhs.integers(schema.END))
    fitting.check()
    fitted = without_excluded(fitted, exclude, left_out)
    regions, accessible, of_regions = make_regions(fitted, accessible, genome)
    told = {f"DHSs: {why}": num for why, num in left_out.told(sources.dhs).items()}
    return _MadeRegions(
        regions=regions,
        profiled=profiled,
        accessible=accessible,
        dropped=of_regions | told | dropped,
    )


class _Joined(NamedTuple):
    """What peaks or sites say of the regions."""

    hits: NDArray[np.int64]
    """As :func:`matched_hits` gives them."""
    dropped: dict[str, int]
    """Numbers of rows left out or collapsed, by reason."""
    tfs: frozenset[str]
    """TFs that have any."""


def _joined(kind: str, intervals: Intervals, made: _MadeRegions) -> _Joined:
    return _Joined(
        hits=matched_hits(made.regions, intervals, made.profiled, made.accessible),
        dropped={f"{kind}: {reason}": count for reason, count in intervals.dropped.items()},
        tfs=tfs_of(intervals, made.profiled),
    )


def _lacking(
    sources: SourceFiles,
    with_peaks: frozenset[str],
    with_sites: frozenset[str],
    *,
    skip_unlisted: bool,
) -> dict[str, int]:
    """Count the TFs without peaks, and those without sites; many of them are an error."""
    return tfs_without(
        sources.peaks, "peaks", with_peaks, with_sites, skip_unlisted=skip_unlisted
    ) | tfs_without(sources.sites, "sites", with_sites, with_peaks, skip_unlisted=skip_unlisted)


def _reading(on_step: OnStep, step: str) -> OnRead:
    """Report how much of a large file is read, at every twentieth of it."""
    num_told = 0

    def on_read(num_read: int, num_bytes: int) -> None:
        nonlocal num_told
        num = num_read * _PARTS_TOLD // num_bytes
        if num_bytes >= _LARGE_BYTES and num > num_told:
            num_told = num
            on_step(f"{step}: {num / _PARTS_TOLD:.0%} of {num_bytes / 1e9:.1f} GB")

    return on_read


def _read_dhs(
    sources: SourceFiles, profiled: Profiled, naming: Naming, left_out: LeftOut
) -> tuple[BedBatch, NDArray[np.bool_], dict[str, int]]:
    """Read the DHSs, in which biosamples each is accessible, and what was left out, by reason.

    What UCSC has on unplaced and alternate contigs (`chr6_GL000250v2_alt`) is left out, as in the
    paper: they repeat what chromosomes hold, so that a test region could be one that was trained
    on.
    """
    dhs, accessible = read_dhs(sources.dhs, profiled, naming.dhs_table, left_out)
    dropped = {TREATED_SOURCES: naming.treated_sources}
    if isinstance(naming.names, ListedNames):
        return dhs, accessible, dropped
    codes, chroms = dhs.text(schema.CHROM)
    is_main = np.array(["_" not in chrom for chrom in chroms])[codes]
    kept = np.flatnonzero(is_main)
    dropped[ALTERNATE] = len(dhs) - len(kept)
    return dhs.taken(kept), accessible[kept], dropped


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
        Accessibility of the DHSs as the file has them, shape (DHSs, S).

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
