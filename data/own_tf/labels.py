"""Your own TF: from its peaks to evidence in a dataset that is there, by the rules of the build.

One file is added, whose footer says what it was made from; no other TF's file or
fingerprint changes. Regions, and whether they are accessible in a biosample, are the dataset's;
accessibility of a biosample that the dataset lacks may be given.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.atomic import MAX_NAME_BYTES
from data.dataset.added import AddedFile, AddedTF, PeakChoice
from data.dataset.evidence_file import evidence_path
from data.dataset.manifest import source_record
from data.dataset.region_table import RegionTable
from data.dataset.store import Dataset
from data.errors import DataError
from data.motifs.motif import Motif
from data.near_names import near_names
from data.own_tf.files import PeakFile, ReadFiles, ReadPeaks, read_files
from data.own_tf.predicted_sites import SiteRule, predict_sites
from data.own_tf.record import motif_record
from data.schema import CHROM, END, START, Evidence
from data.sources.evidence import evidence_codes, matched_hits, overlaps
from data.sources.genome import Genome
from data.sources.intervals import Intervals
from data.sources.tables import Profiled

MIN_BOUND: Final = 20
"""Fewest bound regions of a TF that is added without `--force`."""
_TAKEN: Final = frozenset({CHROM, START, END, "all"})
"""Columns of tables that have one for each TF beside them, and the name of all TFs of the base."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:()-]*")


def name_fault(name: str) -> str:
    """Say why a name cannot be a TF's; empty where it can."""
    if not _NAME.fullmatch(name):
        return f"{name!r} cannot be a TF's name; use letters, digits and . _ + : ( ) -"
    if name.lower() in _TAKEN or name.lower().startswith("base:"):
        return f"{name!r} means something else in tables and commands; take another name"
    num_bytes = len(evidence_path(Path(), name).name)
    if num_bytes > MAX_NAME_BYTES:
        return (
            f"{name[:40]!r}... is too long for a TF's name: its files would have names of "
            f"{num_bytes:,} bytes, above {MAX_NAME_BYTES}; take a shorter name"
        )
    return ""


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
    """Predicts sites where a file has none, and is a term of the TF's model; None for neither."""
    predicts_sites: bool = True
    """False leaves the motif a term of the model alone: peaks without given sites are enough."""
    rule: SiteRule = field(default_factory=SiteRule)
    choice: PeakChoice = field(default_factory=PeakChoice)
    """Which of the peaks in the files count; all by default."""
    exclude: tuple[Path, ...] = ()
    """BED files of places to leave out: peaks there do not count, and regions are unresolved."""

    def __post_init__(self) -> None:
        if fault := name_fault(self.name):
            raise ValueError(fault)
        if not self.files:
            raise ValueError(f"{self.name} has no peaks; give them by --peaks")

    @property
    def has_predicted_sites(self) -> bool:
        """Whether its motif predicts the sites of a file that comes without."""
        lacks_sites = any(file.sites is None for file in self.files)
        return self.predicts_sites and self.motif is not None and lacks_sites

    @property
    def sites(self) -> str:
        """Where its sites come from: `given`, `predicted`, `given and predicted`, or `none`."""
        words = ["given"] if any(file.sites is not None for file in self.files) else []
        words += ["predicted"] if self.has_predicted_sites else []
        return " and ".join(words) or "none"


@dataclass(frozen=True, kw_only=True)
class PeakCounts:
    """How many peaks of one file count, and where they lie."""

    file: Path
    format: str
    num_peaks: int
    num_elsewhere: int
    """On chromosomes without regions."""
    num_without_summit: int
    """Peaks that count by their middle, since their summit is missing."""
    num_in_regions: int
    """Peaks whose summit lies in a region."""
    num_in_accessible: int
    """Peaks whose summit lies in a region accessible in the biosample."""
    num_sites: int
    """Sites given or predicted; 0 where regions are bound by peaks alone."""
    remark: str
    """A remark for the user on the file; empty without one."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Evidence of a TF that can be added."""

    name: str
    codes: NDArray[np.uint8]
    """Evidence codes, shape (N,)."""
    counts: tuple[PeakCounts, ...]
    """By file."""
    added: AddedTF
    """What it was made from."""
    num_excluded: int
    """Regions that are unresolved since they overlap a place to leave out."""
    num_weak: int
    """Regions that are unresolved since only peaks that do not count have a summit in them."""
    num_bound_with_n: int
    """Bound regions with a base that the genome does not give (N): no model learns from them."""

    @property
    def num_bound_usable(self) -> int:
        """Bound regions that a model can learn from or be tested on."""
        return self.num(Evidence.BOUND) - self.num_bound_with_n

    def num(self, code: Evidence) -> int:
        """Regions with an evidence code."""
        return int((self.codes == code).sum())


def label_own_tf(
    dataset: Dataset,
    tf: OwnTF,
    genome: Genome | None,
    regions: RegionTable | None = None,
    read: ReadFiles | None = None,
) -> Labels:
    """Compute the evidence of a TF by the rules of the build.

    Parameters
    ----------
    genome
        Checks that peaks lie on it, and is scanned for sites; None if neither is possible.
    regions
        The dataset's, with others after them that are to be added; None takes the dataset's.
    read
        The TF's files; None reads them.

    Raises
    ------
    DataError
        If a file cannot be used, a biosample is unknown, sites are to be predicted without a
        genome, or no summit lies in a region that is accessible in its biosample.
    """
    if tf.has_predicted_sites and genome is None:
        raise DataError(
            f"{dataset.path}: the genome that it was built from is gone; give it by --genome"
        )
    regions = dataset.regions() if regions is None else regions
    if read is None:
        read = read_files(tf.files, regions.chroms, genome, choice=tf.choice, exclude=tf.exclude)
    accessible = np.stack(
        [_accessible(dataset, regions, read, biosample) for biosample in read.biosamples], axis=1
    )
    return labels_of(tf, read, genome, regions, accessible)


def labels_of(
    tf: OwnTF,
    read: ReadFiles,
    genome: Genome | None,
    regions: RegionTable,
    accessible: NDArray[np.bool_],
    *,
    margin_bp: int | None = None,
) -> Labels:
    """Compute the evidence of a TF on regions whose accessibility is known.

    Parameters
    ----------
    read
        The TF's files.
    genome
        Is scanned for sites; None where none are to be predicted.
    accessible
        Whether a region is accessible in each biosample of the files, shape (N, S).
    margin_bp
        How near to a peak a region without a summit is unresolved, and not unbound. None, the
        default, calls it unbound even where it overlaps the peak, as the build does.

    Raises
    ------
    DataError
        If no summit lies in a region that is accessible in its biosample.
    """
    profiled = _profiled(tf, read.biosamples)
    peak_hits, site_hits = [], []
    counts = []
    for one in read.peaks:
        pair = read.biosamples.index(one.file.biosample)
        sites = _sites_of(one, tf, read, genome)
        hits = matched_hits(regions, one.summits, profiled, accessible)
        peak_hits.append(hits)
        site_hits.append(
            hits if sites is None else matched_hits(regions, sites, profiled, accessible)
        )
        counts.append(_counts(one, sites, regions=regions, accessible=accessible[:, pair]))
    if not sum(len(hits) for hits in peak_hits):
        raise DataError(_nowhere(tf, counts))
    codes = evidence_codes(_united(peak_hits), _united(site_hits), profiled, accessible)[0]
    # a region without the peaks that were left out there is not unbound, but unknown
    excluded = read.exclude.overlaps(
        regions.chrom.astype(np.int32), regions.chroms, regions.start, regions.end
    )
    codes[excluded] = Evidence.UNMATCHED
    # nor is one with a peak that does not count, by its score or by the replicates
    weak = overlapped(regions, (one.other_summits for one in read.peaks))
    weak &= codes == Evidence.UNBOUND
    codes[weak] = Evidence.UNMATCHED
    if margin_bp is not None:
        near = read.near_peaks(regions.chrom, regions.chroms, regions.start, regions.end, margin_bp)
        codes[near & (codes == Evidence.UNBOUND)] = Evidence.UNMATCHED
    return Labels(
        name=tf.name,
        codes=codes,
        counts=tuple(counts),
        added=_record(tf, counts),
        num_excluded=int(excluded.sum()),
        num_weak=int(weak.sum()),
        num_bound_with_n=int(((codes == Evidence.BOUND) & (regions.num_unknown > 0)).sum()),
    )


def _profiled(tf: OwnTF, biosamples: tuple[str, ...]) -> Profiled:
    """Give what was profiled: only this TF, in its biosamples."""
    return Profiled(
        tfs=(tf.name,),
        biosamples=biosamples,
        pair_tf=np.zeros(len(biosamples), dtype=np.int32),
        pair_biosample=np.arange(len(biosamples), dtype=np.int32),
        biosample_of_source={},
    )


def overlapped(regions: RegionTable, several: Iterable[Intervals]) -> NDArray[np.bool_]:
    """Whether each region overlaps an interval of any of several tables, shape (N,)."""
    found = np.zeros(len(regions), dtype=bool)
    for intervals in several:
        for _, region in overlaps(regions, intervals):
            found[region] = True
    return found


def _accessible(
    dataset: Dataset, regions: RegionTable, read: ReadFiles, biosample: str
) -> NDArray[np.bool_]:
    """Whether each region is accessible in a biosample, shape (N,)."""
    paths = read.accessible_of(biosample)
    if not paths:
        if biosample not in dataset.biosamples:
            raise DataError(_unknown_biosample(dataset, biosample))
        known = dataset.accessibility(biosample)
        return np.concatenate([known, np.zeros(len(regions) - len(known), dtype=bool)])
    open_regions = overlapped(regions, (read.accessible[path].places for path in paths))
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
    one: ReadPeaks, tf: OwnTF, read: ReadFiles, genome: Genome | None
) -> Intervals | None:
    """Sites of a file's biosample, given or predicted; None if regions are bound by peaks alone."""
    summits = one.summits
    pair = read.biosamples.index(one.file.biosample)
    if one.file.sites is not None:
        return read.sites[one.file.sites].of_pair(pair)
    if not tf.has_predicted_sites or tf.motif is None or genome is None:
        return None
    found = predict_sites(one.peaks, np.flatnonzero(summits.chrom >= 0), genome, tf.motif, tf.rule)
    end = found.start + np.int32(found.length_bp)
    return Intervals.of_one_pair(summits.chroms, summits.chrom[found.peak], found.start, end, pair)


def _counts(
    one: ReadPeaks,
    sites: Intervals | None,
    *,
    regions: RegionTable,
    accessible: NDArray[np.bool_],
) -> PeakCounts:
    inside = np.zeros(len(one.peaks), dtype=bool)
    matched = np.zeros(len(one.peaks), dtype=bool)
    for peak, region in overlaps(regions, one.summits):
        inside[peak] = True
        matched[peak[accessible[region]]] = True
    return PeakCounts(
        file=one.file.peaks,
        format=one.peaks.format,
        num_peaks=len(one.peaks),
        num_elsewhere=int((one.summits.chrom < 0).sum()),
        num_without_summit=one.peaks.num_without_summit,
        num_in_regions=int(inside.sum()),
        num_in_accessible=int(matched.sum()),
        num_sites=0 if sites is None else len(sites.start),
        remark=one.peaks.remark,
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


def _record(tf: OwnTF, counts: Sequence[PeakCounts]) -> AddedTF:
    """What a TF was made from."""
    files = tuple(
        AddedFile(
            biosample=file.biosample,
            format=count.format,
            num_peaks=count.num_peaks,
            num_in_accessible=count.num_in_accessible,
            num_sites=count.num_sites,
            peaks=source_record(file.peaks),
            sites=None if file.sites is None else source_record(file.sites),
            accessible=None if file.accessible is None else source_record(file.accessible),
        )
        for file, count in zip(tf.files, counts, strict=True)
    )
    return AddedTF(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
        sites=tf.sites,
        motif=None if tf.motif is None else motif_record(tf.motif, tf.rule),
        choice=tf.choice,
        exclude=tuple(source_record(path) for path in tf.exclude),
    )
