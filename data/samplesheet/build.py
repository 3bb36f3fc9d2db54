"""From a sample sheet to a dataset: `bindgrid data build --samplesheet`.

The evidence is that of the build (`data.sources.evidence`): a peak counts by its summit, a site by
its whole interval, where the region is accessible in the biosample of the experiment.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.added import AddedFile, AddedTF, SourceFile
from data.dataset.manifest import Origin, source_record
from data.dataset.region_table import RegionTable
from data.dataset.store import DROPPED_WITH_N, Dataset, refuse_existing, write_dataset
from data.errors import DataError
from data.left_out import EXCLUDED, LeftOut
from data.motifs.database import DEFAULT, Jaspar
from data.motifs.motif import Motif
from data.own_tf.predicted_sites import SiteRule, find_motif
from data.own_tf.record import motif_record
from data.samplesheet.encode import is_metadata, read_metadata
from data.samplesheet.faults import Faults
from data.samplesheet.predict import predicted_sites
from data.samplesheet.read import Reading, ReadSheet, read_sheet_files
from data.samplesheet.regions import MadeRegions, accessibility, regions_of
from data.samplesheet.sheet import Sheet, SheetRow, biosamples_of, checked_sheet, read_table
from data.sources.blacklist import Blacklist
from data.sources.evidence import evidence_codes, matched_hits, overlaps
from data.sources.genome import Genome
from data.sources.intervals import Intervals
from data.sources.tables import Profiled
from data.steps import OnStep, silent
from data.words import counted

WITHOUT_SUMMIT: Final = "peaks: without a summit, taken at their middle"
"""The reason under which a manifest counts such peaks of a format that has summits."""


@dataclass(frozen=True, kw_only=True)
class SheetFiles:
    """What a dataset is built from."""

    sheet: Path
    """See `data.samplesheet.sheet`."""
    genome: Path
    """Indexed FASTA of any assembly."""
    chrom_alias: Path | None = None
    """What its chromosomes are called in the files, see `data.sources.chromosomes`."""
    regions: Path | None = None
    """Peaks or BED whose summits or middles are the regions; None takes the accessible peaks'."""
    exclude: tuple[Path, ...] = ()
    """BED files of places to leave out, see `data.sources.blacklist`."""


@dataclass(frozen=True, kw_only=True)
class SheetSites:
    """How sites are found where the sheet names none."""

    are_used: bool = True
    """False calls a region bound by peaks alone, which is weaker evidence."""
    rule: SiteRule = field(default_factory=SiteRule)
    jaspar: Jaspar = DEFAULT


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A sheet without faults, and its files as they were read."""

    sheet: Sheet
    motifs: dict[str, Motif]
    """By TF that lacks sites."""
    profiled: Profiled
    read: ReadSheet


@dataclass(frozen=True, kw_only=True)
class _Hits:
    """Overlaps in accessible regions, see `data.sources.evidence.matched_hits`."""

    peaks: NDArray[np.int64]
    sites: NDArray[np.int64]
    """Those of the peaks where peaks alone count."""


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """How many peaks of one row count."""

    format: str
    num_peaks: int
    num_in_accessible: int
    num_sites: int


def build_from_sheet(
    files: SheetFiles,
    path: Path,
    *,
    sites: SheetSites,
    replace: bool = False,
    left_out: LeftOut | None = None,
    on_step: OnStep = silent,
) -> Dataset:
    """Build a dataset from the files that a sample sheet names, and write it to `path`.

    Parameters
    ----------
    replace
        Whether an existing dataset is replaced; by default it is an error.
    left_out
        Where rows are noted that do not fit the genome, and files of ENCODE's table that are not
        used.
    on_step
        Called with each step before it begins; by default nothing is reported.

    Raises
    ------
    SheetError
        With everything that is wrong with the sheet and its files; nothing is written then.
    DataError
        If another file cannot be used; nothing is written then.
    """
    refuse_existing(path, replace=replace)
    left_out = LeftOut() if left_out is None else left_out
    genome = Genome(files.genome, files.chrom_alias)
    exclude = Blacklist(files.exclude, genome.chromosomes, left_out)
    reading = Reading(genome=genome, exclude=exclude, left_out=left_out, faults=Faults(files.sheet))
    checked = _checked(files, sites, reading, on_step)
    sheet, read, profiled = checked.sheet, checked.read, checked.profiled
    with ThreadPoolExecutor(max_workers=1) as background:
        checksums = background.submit(_checksums, files, sheet)
        on_step("making regions")
        made, accessible = _regions(checked, genome, exclude)
        site_files = _sites(checked, sites, genome, on_step)
        on_step("joining peaks and sites")
        hits, counts = _hits(made.regions, checked, site_files, accessible)
        on_step("writing the dataset")
        evidence = evidence_codes(hits.peaks, hits.sites, profiled, accessible)
        sources = checksums.result()
        return write_dataset(
            path,
            regions=made.regions,
            evidence=dict(zip(profiled.tfs, evidence, strict=True)),
            accessibility=dict(zip(profiled.biosamples, accessible.T, strict=True)),
            origin=Origin(
                sources=list(sources.values()),
                dropped=_dropped_regions(made, read) | _dropped(files, sheet, left_out),
                built_from=_records(checked, counts, sites, sources),
                jaspar=sites.jaspar.recorded,
            ),
            replace=replace,
        )


def _checked(files: SheetFiles, sites: SheetSites, reading: Reading, on_step: OnStep) -> _Checked:
    """Read the sheet and all its files, and stop with everything that is wrong."""
    faults, left_out = reading.faults, reading.left_out
    sheet = _sheet(files.sheet, reading.genome, faults, left_out)
    sheet, motifs = _with_motifs(sheet, sites, faults, left_out)
    profiled = _profiled(sheet)
    on_step(f"reading {counted(len(sheet.rows), 'file')} of peaks")
    pairs = list(profiled.pair_index())
    read = read_sheet_files(sheet, pairs, files.regions, reading)
    faults.check()
    for row, one in read.peaks.items():
        if one.peaks.remark:
            on_step(f"row {row}: {one.file.peaks}: {one.peaks.remark}")
    return _Checked(sheet=sheet, motifs=motifs, profiled=profiled, read=read)


def _sheet(path: Path, genome: Genome, faults: Faults, left_out: LeftOut) -> Sheet:
    table = read_table(path, faults)
    if is_metadata(table):
        return read_metadata(table, genome.lengths_bp, faults, left_out)
    sheet = checked_sheet(table, faults)
    if not sheet.rows:
        faults.check()
        raise DataError(f"{path}: no row names the peaks of a TF; add one")
    return sheet


def _with_motifs(
    sheet: Sheet, sites: SheetSites, faults: Faults, left_out: LeftOut
) -> tuple[Sheet, dict[str, Motif]]:
    """Find the motif of each TF that lacks sites; leave out a public table's rows without one."""
    motifs: dict[str, Motif] = {}
    without: set[str] = set()
    if not sites.are_used:
        for one in sheet.rows:
            if one.sites is not None:
                faults.add(one.row, "names sites, and --no-sites leaves them out; drop one of them")
        return sheet, motifs
    for one in sheet.rows:
        if one.sites is not None or not one.tf or one.tf in motifs or one.tf in without:
            continue
        try:
            motifs[one.tf] = find_motif(one.tf, jaspar=sites.jaspar)
        except DataError:
            without.add(one.tf)
            if sheet.is_own:
                faults.add(
                    one.row,
                    f"{sites.jaspar.name} has no motif of {one.tf!r} to predict sites by; name it "
                    "as JASPAR does, name a file in the column sites, or call regions bound by "
                    "peaks alone: --no-sites",
                )
    if sheet.is_own or not without:
        return sheet, motifs
    for one in sheet.rows:
        if one.tf in without:
            left_out.add(sheet.path, one.row, f"of a TF without a motif in {sites.jaspar.name}")
    rows = tuple(one for one in sheet.rows if one.tf not in without)
    if not rows:
        raise DataError(f"{sheet.path}: {sites.jaspar.name} has a motif of none of its TFs")
    return replace(sheet, rows=rows), motifs


def _profiled(sheet: Sheet) -> Profiled:
    tfs = sorted({one.tf for one in sheet.rows})
    biosamples = biosamples_of([*sheet.rows, *sheet.opened])
    pairs = sorted({(one.tf, one.biosample) for one in sheet.rows})
    return Profiled(
        tfs=tuple(tfs),
        biosamples=biosamples,
        pair_tf=np.array([tfs.index(tf) for tf, _ in pairs], dtype=np.int32),
        pair_biosample=np.array([biosamples.index(name) for _, name in pairs], dtype=np.int32),
        biosample_of_source={},
    )


def _regions(
    checked: _Checked, genome: Genome, exclude: Blacklist
) -> tuple[MadeRegions, NDArray[np.bool_]]:
    """Make the regions, and say in which biosamples each is accessible, shape (N, S)."""
    read, given = checked.read, checked.read.regions
    made = regions_of(
        read.chroms,
        list(read.opened.values()) if given is None else [given],
        genome,
        exclude,
        merge=given is None,
    )
    index = {name: code for code, name in enumerate(checked.profiled.biosamples)}
    opened = [(index[one.biosample], read.opened[one.path]) for one in checked.sheet.opened]
    return made, accessibility(made.regions, opened, len(index))


def _sites(
    checked: _Checked, sites: SheetSites, genome: Genome, on_step: OnStep
) -> dict[int, Intervals] | None:
    """Sites by row of the sheet, given or predicted; None where peaks alone count."""
    if not sites.are_used:
        return None
    read, rows = checked.read, checked.sheet.rows
    found = {
        one.row: read.sites[one.sites].of_pair(int(read.peaks[one.row].summits.pair[0]))
        for one in rows
        if one.sites is not None
    }
    lacking = {
        one.row: (read.peaks[one.row], checked.motifs[one.tf]) for one in rows if one.sites is None
    }
    return found | predicted_sites(lacking, read.chroms, genome, sites.rule, on_step)


def _hits(
    regions: RegionTable,
    checked: _Checked,
    sites: Mapping[int, Intervals] | None,
    accessible: NDArray[np.bool_],
) -> tuple[_Hits, dict[int, _Counts]]:
    """Hits of summits and of sites, and what became of each row's peaks."""
    read, profiled = checked.read, checked.profiled
    rows = [one.row for one in checked.sheet.rows]
    summits = Intervals.joined(read.chroms, [read.peaks[row].summits for row in rows])
    matched = np.zeros(len(summits.start), dtype=bool)
    for summit, region in overlaps(regions, summits):
        pair = summits.pair[summit]
        matched[summit[accessible[region, profiled.pair_biosample[pair]]]] = True
    if not matched.any():
        raise DataError(
            f"{checked.sheet.path}: none of {len(matched):,} summits lies in a region that is "
            "accessible in its biosample; check that all files are of one assembly"
        )
    ends = np.cumsum([len(read.peaks[row].summits.start) for row in rows])
    counts = {
        row: _Counts(
            format=read.peaks[row].peaks.format,
            num_peaks=len(own),
            num_in_accessible=int(own.sum()),
            num_sites=len(sites[row].start) if sites else 0,
        )
        for row, own in zip(rows, np.split(matched, ends[:-1]), strict=True)
    }
    peak_hits = matched_hits(regions, summits, profiled, accessible)
    if sites is None:
        return _Hits(peaks=peak_hits, sites=peak_hits), counts
    places = Intervals.joined(read.chroms, list(sites.values()))
    return _Hits(peaks=peak_hits, sites=matched_hits(regions, places, profiled, accessible)), counts


def _checksums(files: SheetFiles, sheet: Sheet) -> dict[Path, SourceFile]:
    given = (files.sheet, files.genome, files.chrom_alias, files.regions, *files.exclude)
    paths = [path for path in given if path is not None]
    paths += [one.path for one in sheet.opened] + [one.peaks for one in sheet.rows]
    paths += [one.sites for one in sheet.rows if one.sites is not None]
    return {path: source_record(path) for path in dict.fromkeys(paths)}


def _records(
    checked: _Checked,
    counts: Mapping[int, _Counts],
    sites: SheetSites,
    sources: Mapping[Path, SourceFile],
) -> dict[str, AddedTF]:
    """What each TF was built from."""
    sheet, motifs = checked.sheet, checked.motifs
    opened = {one.biosample: sources[one.path] for one in reversed(sheet.opened)}
    by_tf: dict[str, list[SheetRow]] = {}
    for one in sheet.rows:
        by_tf.setdefault(one.tf, []).append(one)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        tf: AddedTF(
            at=now,
            files=tuple(
                AddedFile(
                    biosample=one.biosample,
                    format=counts[one.row].format,
                    num_peaks=counts[one.row].num_peaks,
                    num_in_accessible=counts[one.row].num_in_accessible,
                    num_sites=counts[one.row].num_sites,
                    peaks=sources[one.peaks],
                    sites=None if one.sites is None else sources[one.sites],
                    accessible=opened[one.biosample],
                )
                for one in rows
            ),
            sites=_words(rows, are_used=sites.are_used),
            motif=motif_record(motifs[tf], sites.rule) if tf in motifs else None,
        )
        for tf, rows in by_tf.items()
    }


def _words(rows: Sequence[SheetRow], *, are_used: bool) -> str:
    """Where the sites of a TF come from, as `tf add` records it."""
    if not are_used:
        return "none"
    kinds = dict.fromkeys("predicted" if one.sites is None else "given" for one in rows)
    return " and ".join(sorted(kinds))


def _dropped_regions(made: MadeRegions, read: ReadSheet) -> dict[str, int]:
    """Regions that were not made, and summits that were not read, by reason."""
    return {
        "regions: past the end of their chromosome": made.num_past_end,
        f"regions: {EXCLUDED}": made.num_excluded,
        "regions: summits of one place or in another's region": made.num_merged,
        WITHOUT_SUMMIT: sum(one.peaks.num_without_summit for one in read.peaks.values()),
        DROPPED_WITH_N: made.regions.num_with_n,
    }


def _dropped(files: SheetFiles, sheet: Sheet, left_out: LeftOut) -> dict[str, int]:
    """Rows of the files that were left out or clipped, by kind of file and reason."""
    kinds: dict[str, list[Path | None]] = {
        "sheet": [sheet.path],
        "regions": [files.regions],
        "accessible peaks": [one.path for one in sheet.opened],
        "peaks": [one.peaks for one in sheet.rows],
        "sites": [one.sites for one in sheet.rows],
    }
    found: dict[str, int] = {}
    for kind, paths in kinds.items():
        for path in dict.fromkeys(one for one in paths if one is not None):
            for reason, num in left_out.told(path).items():
                found[f"{kind}: {reason}"] = found.get(f"{kind}: {reason}", 0) + num
    return found
