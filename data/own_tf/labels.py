"""A lab's own TF: from its peaks to evidence in a dataset that is there, by the build's own rules.

One file is added, which tells in its footer what it was made from; no other TF's file or
fingerprint changes. Regions, and whether they are accessible in a biosample, are the dataset's;
accessibility of a biosample that the dataset lacks may be given.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.region_table import RegionTable
from data.dataset.store import Dataset, source_record
from data.errors import DataError
from data.motifs.motif import Motif
from data.near_names import near_names
from data.own_tf.peaks import Peaks, codes_on, read_own_peaks
from data.own_tf.predicted_sites import SiteRule, predict_sites
from data.own_tf.record import motif_record
from data.schema import END, START, Evidence
from data.sources.bed import BED3, read_bed
from data.sources.evidence import evidence_codes, matched_hits, overlaps
from data.sources.genome import Genome
from data.sources.intervals import Intervals
from data.sources.tables import Profiled

MIN_BOUND: Final = 20
"""Fewest bound regions of a TF that is added, unless its owner insists."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:()-]*")


@dataclass(frozen=True, kw_only=True)
class PeakFile:
    """Peaks of the TF in one biosample."""

    peaks: Path
    biosample: str
    sites: Path | None = None
    """Sites of the TF, BED; None where they are predicted or done without."""
    accessible: Path | None = None
    """DNase or ATAC peaks of the biosample, BED; None takes the dataset's."""


@dataclass(frozen=True, kw_only=True)
class OwnTF:
    """A TF to add, and how its sites are found where no file has them.

    Raises
    ------
    ValueError
        The name cannot be one, or there are no peaks.
    """

    name: str
    files: tuple[PeakFile, ...]
    """One or more; several of one biosample are taken together."""
    motif: Motif | None = None
    """Predicts sites; None where every file has sites, or regions are bound by peaks alone."""
    rule: SiteRule = field(default_factory=SiteRule)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} cannot be a TF's name; use letters, digits and . _ + : ( ) -"
            )
        if not self.files:
            raise ValueError(f"{self.name} has no peaks; give them by --peaks")


@dataclass(frozen=True, kw_only=True)
class PeakCounts:
    """What became of the peaks of one file."""

    file: Path
    format: str
    num_peaks: int
    num_elsewhere: int
    """On chromosomes without regions."""
    num_in_regions: int
    """Peaks whose summit lies in a region."""
    num_in_accessible: int
    """Peaks whose summit lies in a region accessible in the biosample."""
    num_sites: int
    """Sites given or predicted; 0 where regions are bound by peaks alone."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Evidence of a TF that can be added."""

    name: str
    codes: NDArray[np.uint8]
    """Evidence codes, shape (N,)."""
    counts: tuple[PeakCounts, ...]
    """By file."""
    added: dict[str, Any]
    """What it was made from, as JSON types."""

    def num(self, code: Evidence) -> int:
        """Regions with an evidence code."""
        return int((self.codes == code).sum())


def label_own_tf(
    dataset: Dataset, tf: OwnTF, genome: Genome | None, regions: RegionTable | None = None
) -> Labels:
    """Work out the evidence of a TF by the rules of the build.

    Parameters
    ----------
    genome
        Checks that peaks lie on it, and is scanned for sites; None if neither is possible.
    regions
        The dataset's, with others after them that are to be added; None takes the dataset's.

    Raises
    ------
    DataError
        If a file cannot be used, a biosample is unknown, sites are to be predicted without a
        genome, or no summit lies in a region that is accessible in its biosample.
    """
    predicts = tf.motif is not None and any(file.sites is None for file in tf.files)
    if predicts and genome is None:
        raise DataError(
            f"{dataset.path}: the genome that it was built from is gone; give it by --genome"
        )
    regions = dataset.regions() if regions is None else regions
    biosamples = tuple(dict.fromkeys(file.biosample for file in tf.files))
    accessible = np.stack(
        [_accessible(dataset, regions, tf.files, biosample, genome) for biosample in biosamples],
        axis=1,
    )
    profiled = Profiled(
        tfs=(tf.name,),
        biosamples=biosamples,
        pair_tf=np.zeros(len(biosamples), dtype=np.int32),
        pair_biosample=np.arange(len(biosamples), dtype=np.int32),
        biosample_of_source={},
    )
    peak_hits, site_hits = [], []
    counts = []
    for file in tf.files:
        pair = biosamples.index(file.biosample)
        peaks = read_own_peaks(file.peaks)
        chrom = codes_on(peaks.rows, regions.chroms, genome)
        summits = Intervals.of_one_pair(
            regions.chroms, chrom, peaks.summit, peaks.summit + np.int32(1), pair
        )
        sites = _sites_of(file, tf, regions, peaks, chrom, genome, pair)
        hits = matched_hits(regions, summits, profiled, accessible)
        peak_hits.append(hits)
        site_hits.append(
            hits if sites is None else matched_hits(regions, sites, profiled, accessible)
        )
        counts.append(
            _counts(file, peaks, summits, sites, regions=regions, accessible=accessible[:, pair])
        )
    if not sum(len(hits) for hits in peak_hits):
        raise DataError(_nowhere(tf, counts))
    codes = evidence_codes(_united(peak_hits), _united(site_hits), profiled, accessible)[0]
    return Labels(name=tf.name, codes=codes, counts=tuple(counts), added=_record(tf, counts))


def _accessible(
    dataset: Dataset,
    regions: RegionTable,
    files: Sequence[PeakFile],
    biosample: str,
    genome: Genome | None,
) -> NDArray[np.bool_]:
    """Whether each region is accessible in a biosample, shape (N,)."""
    given = [file.accessible for file in files if file.biosample == biosample]
    paths = dict.fromkeys(path for path in given if path is not None)
    if not paths:
        if biosample not in dataset.biosamples:
            raise DataError(_unknown_biosample(dataset, biosample))
        known = dataset.accessibility(biosample)
        return np.concatenate([known, np.zeros(len(regions) - len(known), dtype=bool)])
    open_regions = np.zeros(len(regions), dtype=bool)
    for path in paths:
        rows = read_bed(path, BED3)
        codes = codes_on(rows, regions.chroms, genome)
        places = Intervals.of_one_pair(
            regions.chroms, codes, rows.integers(START), rows.integers(END)
        )
        for _, region in overlaps(regions, places):
            open_regions[region] = True
    if not open_regions.any():
        raise DataError(
            f"{', '.join(map(str, paths))}: overlaps no region of the dataset; check the assembly"
        )
    return open_regions


def _unknown_biosample(dataset: Dataset, biosample: str) -> str:
    """Say that a biosample's accessibility is not known, and what is near."""
    known = dataset.biosamples
    near = near_names(biosample, known)
    hint = f"near: {', '.join(near)}" if near else f"there are: {', '.join(known) or 'none'}"
    return (
        f"{dataset.path}: no biosample named {biosample!r}; {hint}; or give your own DNase or "
        "ATAC peaks of it by --accessible"
    )


def _sites_of(
    file: PeakFile,
    tf: OwnTF,
    regions: RegionTable,
    peaks: Peaks,
    chrom: NDArray[np.int16],
    genome: Genome | None,
    pair: int,
) -> Intervals | None:
    """Sites of a file's biosample, given or predicted; None if regions are bound by peaks alone."""
    if file.sites is not None:
        rows = read_bed(file.sites, BED3)
        codes = codes_on(rows, regions.chroms, genome)
        return Intervals.of_one_pair(
            regions.chroms, codes, rows.integers(START), rows.integers(END), pair
        )
    if tf.motif is None or genome is None:
        return None
    found = predict_sites(peaks, np.flatnonzero(chrom >= 0), genome, tf.motif, tf.rule)
    end = found.start + np.int32(found.length_bp)
    return Intervals.of_one_pair(regions.chroms, chrom[found.peak], found.start, end, pair)


def _counts(
    file: PeakFile,
    peaks: Peaks,
    summits: Intervals,
    sites: Intervals | None,
    *,
    regions: RegionTable,
    accessible: NDArray[np.bool_],
) -> PeakCounts:
    inside = np.zeros(len(peaks), dtype=bool)
    matched = np.zeros(len(peaks), dtype=bool)
    for peak, region in overlaps(regions, summits):
        inside[peak] = True
        matched[peak[accessible[region]]] = True
    return PeakCounts(
        file=file.peaks,
        format=peaks.format,
        num_peaks=len(peaks),
        num_elsewhere=int((summits.chrom < 0).sum()),
        num_in_regions=int(inside.sum()),
        num_in_accessible=int(matched.sum()),
        num_sites=0 if sites is None else len(sites.start),
    )


def _nowhere(tf: OwnTF, counts: Sequence[PeakCounts]) -> str:
    files = ", ".join(str(count.file) for count in counts)
    biosamples = ", ".join(dict.fromkeys(file.biosample for file in tf.files))
    num_peaks = sum(count.num_peaks for count in counts)
    num_inside = sum(count.num_in_regions for count in counts)
    return (
        f"{files}: none of {num_peaks:,} summits lies in a region that is accessible in "
        f"{biosamples} ({num_inside:,} lie in a region at all); check assembly and biosample"
    )


def _united(hits: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Hits of several files, each once, sorted."""
    return np.unique(np.concatenate(hits))


def _record(tf: OwnTF, counts: Sequence[PeakCounts]) -> dict[str, Any]:
    """What a TF was made from, as JSON types."""
    files = []
    for file, count in zip(tf.files, counts, strict=True):
        own = {"peaks": file.peaks, "sites": file.sites, "accessible": file.accessible}
        files.append(
            {
                "biosample": file.biosample,
                "format": count.format,
                "num_peaks": count.num_peaks,
                "num_in_accessible": count.num_in_accessible,
                "num_sites": count.num_sites,
                **{name: source_record(path) for name, path in own.items() if path is not None},
            }
        )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": files,
        "sites": site_source(tf),
        **({} if tf.motif is None else {"motif": motif_record(tf.motif, tf.rule)}),
    }


def site_source(tf: OwnTF) -> str:
    """Where a TF's sites come from: `given`, `predicted`, `given and predicted`, or `none`."""
    given = [file.sites is not None for file in tf.files]
    words = (["given"] if any(given) else []) + (
        ["predicted"] if tf.motif is not None and not all(given) else []
    )
    return " and ".join(words) or "none"
