"""Files of your own TF: its peaks, sites and accessible peaks, each read once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.dataset.added import PeakChoice
from data.errors import DataError
from data.left_out import LeftOut
from data.peaks.chosen import chosen_peaks
from data.peaks.reading import Peaks, read_own_peaks, read_places
from data.peaks.remap import of_biosample
from data.peaks.replicates import agreed_peaks
from data.rows.batch import BedBatch
from data.schema import CHROM
from data.sources.blacklist import Blacklist
from data.sources.chromosomes import Chromosomes
from data.sources.evidence import overlapping
from data.sources.fitting import Fitted, Fitting
from data.sources.genome import Genome
from data.sources.intervals import Intervals


@dataclass(frozen=True, kw_only=True)
class PeakFile:
    """Peaks of the TF in one biosample."""

    peaks: Path
    biosample: str
    sites: Path | None = None
    """Sites of the TF, BED; None where they are predicted, or peaks alone count."""
    accessible: Path | None = None
    """DNase or ATAC peaks of the biosample, BED; None takes the dataset's."""


@dataclass(frozen=True, kw_only=True)
class ReadPeaks:
    """A file of peaks as it was read."""

    file: PeakFile
    whole: Peaks
    """All that fit the genome."""
    whole_summits: Intervals
    """Their summits, one base wide; their chromosomes are coded as those of the regions."""
    counted: NDArray[np.int64]
    """Indices of those that count, into `whole`."""

    @cached_property
    def peaks(self) -> Peaks:
        """Those that count."""
        return self.whole.taken(self.counted)

    @cached_property
    def summits(self) -> Intervals:
        """Summits of those that count."""
        return self.whole_summits.taken(self.counted)

    @cached_property
    def other_summits(self) -> Intervals:
        """Summits of those that do not count: a region with one is not unbound for that."""
        others = np.setdiff1d(np.arange(len(self.whole)), self.counted)
        return self.whole_summits.taken(others)

    def taken(self, indices: NDArray[np.int64]) -> "ReadPeaks":
        """Let some of the peaks that count do so, and the others no more."""
        return replace(self, counted=self.counted[indices])


@dataclass(frozen=True, kw_only=True)
class ReadOpened:
    """Accessible peaks of one file, or regions, that fit the genome."""

    places: Intervals
    summit: NDArray[np.int32]
    """Shape as the intervals; the middle of a peak without one."""


@dataclass(frozen=True, kw_only=True)
class ReadFiles:
    """All files of a TF as they were read."""

    biosamples: tuple[str, ...]
    """A pair of an interval is the index of its biosample here."""
    peaks: tuple[ReadPeaks, ...]
    """By file of peaks."""
    sites: dict[Path, Intervals]
    """By file of sites."""
    accessible: dict[Path, ReadOpened]
    """By file of DNase or ATAC peaks."""
    exclude: Blacklist
    """Places to leave out; peaks that overlap them are not among these."""
    left_out: LeftOut
    """Rows that do not fit the genome."""

    def accessible_of(self, biosample: str) -> list[Path]:
        """Files of accessible peaks that were given for a biosample; there may be none."""
        given = (one.file.accessible for one in self.peaks if one.file.biosample == biosample)
        return list(dict.fromkeys(path for path in given if path is not None))

    def near_peaks(
        self,
        codes: NDArray[np.integer],
        chroms: Sequence[str],
        start: NDArray[np.int32],
        end: NDArray[np.int32],
        margin_bp: int,
    ) -> NDArray[np.bool_]:
        """Whether each of n intervals overlaps a peak, or lies nearer to one than a margin.

        Peaks that do not count are peaks too.

        Parameters
        ----------
        codes
            Chromosome of each interval, an index into `chroms`, shape (n,).
        chroms
            Names of chromosomes.
        start, end
            Shape (n,).
        margin_bp
            The margin; 0 for overlaps alone.

        Returns
        -------
        numpy.ndarray
            Shape (n,).
        """
        near = np.zeros(len(start), dtype=bool)
        for one in self.peaks:
            peaks, places = one.whole, one.whole_summits
            own = {name: code for code, name in enumerate(places.chroms)}
            chrom = np.array([own.get(name, -1) for name in chroms], dtype=np.int64)[codes]
            for code in np.unique(places.chrom[places.chrom >= 0]):
                here = np.flatnonzero(chrom == code)
                rows = np.flatnonzero(places.chrom == code)
                first = np.maximum(peaks.start[rows] - margin_bp, 0)
                last = peaks.end[rows] + margin_bp
                near[here] |= overlapping(start[here], end[here], first, last)
        return near


class Places:
    """Where intervals must lie: on the genome, and somewhere on chromosomes that have regions.

    Parameters
    ----------
    chroms
        Chromosomes that have regions; an interval on another one gets the code -1.
    genome
        What intervals must fit, see `data.sources.fitting`; None checks no ends.
    left_out
        Where rows that do not fit are noted.
    """

    def __init__(self, chroms: Sequence[str], genome: Genome | None, left_out: LeftOut) -> None:
        self.chroms = chroms
        self.left_out = left_out
        self.chromosomes = (
            Chromosomes(Path("the dataset"), chroms, None) if genome is None else genome.chromosomes
        )

    def placed(
        self,
        rows: BedBatch,
        start: NDArray[np.int32],
        end: NDArray[np.int32],
        exclude: Blacklist | None = None,
    ) -> tuple[Fitted, NDArray[np.int16]]:
        """Fit intervals; the code of each one's chromosome is that among those of the regions.

        Raises
        ------
        DataError
            If none lies on a chromosome that has regions, or the file is of another assembly.
        """
        fitting = Fitting(rows.path, self.chromosomes, self.left_out, exclude)
        fitted = fitting.fit(rows, start, end)
        codes, names = fitted.batch.text(CHROM)
        known = {chrom: code for code, chrom in enumerate(self.chroms)}
        found = np.array([known.get(name, -1) for name in names], dtype=np.int16)
        if (found < 0).all():
            raise DataError(
                f"{rows.path}: no row on a chromosome that has regions; it names them like "
                f"{names[0]!r}, the dataset or genome like {self.chroms[0]!r}: give another "
                "assembly, or its names by --chrom-alias"
            )
        fitting.check()
        return fitted, found[codes]


def read_files(
    files: Sequence[PeakFile],
    chroms: Sequence[str],
    genome: Genome | None,
    left_out: LeftOut | None = None,
    choice: PeakChoice | None = None,
    exclude: Sequence[Path] = (),
) -> ReadFiles:
    """Read the files of a TF.

    Parameters
    ----------
    chroms
        Chromosomes that have regions; an interval on another one gets the code -1.
    genome
        What intervals must fit, see `data.sources.fitting`; None checks no ends.
    left_out
        Where rows that do not fit, and peaks that do not count, are noted.
    choice
        Which peaks count: the minimum score applies first, then the best of each file, then
        what replicates agree on. By default all peaks count.
    exclude
        BED files of places to leave out: peaks that overlap them do not count. By default there are
        none.

    Raises
    ------
    DataError
        If a file cannot be used, none of its rows lies on a chromosome that has regions, or no peak
        counts.
    """
    left_out = LeftOut() if left_out is None else left_out
    choice = choice or PeakChoice()
    places = Places(chroms, genome, left_out)
    blacklist = Blacklist(exclude, places.chromosomes, left_out)
    biosamples = tuple(dict.fromkeys(file.biosample for file in files))
    sites: dict[Path, Intervals] = {}
    opened: dict[Path, ReadOpened] = {}
    for file in files:
        if file.sites is not None and file.sites not in sites:
            sites[file.sites] = read_intervals(file.sites, places)
        if file.accessible is not None and file.accessible not in opened:
            opened[file.accessible] = fitted_summits(read_own_peaks(file.accessible), places)
    whole = cache(lambda path: read_own_peaks(path, choice.score, left_out))
    peaks = [
        peaks_of(
            whole(file.peaks), file, biosamples.index(file.biosample), places, blacklist, choice
        )
        for file in files
    ]
    if choice.replicates:
        peaks = _agreed(peaks, choice, left_out)
    return ReadFiles(
        biosamples=biosamples,
        peaks=tuple(peaks),
        sites=sites,
        accessible=opened,
        exclude=blacklist,
        left_out=left_out,
    )


def read_intervals(path: Path, places: Places) -> Intervals:
    """Read the intervals of a BED file; errors as for :func:`read_files`."""
    rows, start, end = read_places(path, places.left_out)
    fitted, codes = places.placed(rows, start, end)
    return Intervals.of_one_pair(places.chroms, codes, fitted.start, fitted.end)


def fitted_summits(peaks: Peaks, places: Places) -> ReadOpened:
    """Fit accessible peaks, or regions, to the genome; errors as for :func:`read_files`."""
    fitted, codes = places.placed(peaks.rows, peaks.start, peaks.end)
    return ReadOpened(
        places=Intervals.of_one_pair(places.chroms, codes, fitted.start, fitted.end),
        summit=np.clip(peaks.summit[fitted.rows], fitted.start, fitted.end - 1),
    )


def peaks_of(
    whole: Peaks,
    file: PeakFile,
    pair: int,
    places: Places,
    exclude: Blacklist,
    choice: PeakChoice,
) -> ReadPeaks:
    """Take what counts of a file's peaks in a biosample, as those of a pair.

    Parameters
    ----------
    whole
        All peaks of the file, which may be of several biosamples.
    pair
        Index of the pair that the peaks are given.

    Raises
    ------
    DataError
        As :func:`read_files`.
    """
    peaks = of_biosample(whole, file.biosample, places.left_out)
    fitted, codes = places.placed(peaks.rows, peaks.start, peaks.end, exclude)
    summit = np.clip(peaks.summit[fitted.rows], fitted.start, fitted.end - 1)
    peaks = peaks.taken(fitted.rows)
    peaks = replace(peaks, rows=fitted.batch, start=fitted.start, end=fitted.end, summit=summit)
    return ReadPeaks(
        file=file,
        whole=peaks,
        whole_summits=Intervals.of_one_pair(
            places.chroms, codes, summit, summit + np.int32(1), pair
        ),
        counted=chosen_peaks(peaks, choice, places.left_out),
    )


def _agreed(read: Sequence[ReadPeaks], choice: PeakChoice, left_out: LeftOut) -> list[ReadPeaks]:
    """Take the replicates of each biosample together."""
    taken = list(read)
    for biosample in dict.fromkeys(one.file.biosample for one in read):
        own = [i for i, one in enumerate(read) if one.file.biosample == biosample]
        paths = [read[i].file.peaks for i in own]
        if len(own) != (choice.num_files or max(len(own), 2)):
            wanted = choice.num_files or "two or more"
            raise DataError(
                f"{biosample} has {len(own)} files of peaks, --replicates {choice.replicates} is "
                f"for {wanted}; give each by --peaks"
            )
        if len(set(paths)) < len(paths):
            raise DataError(f"{paths[0]}: is given twice as a replicate of {biosample}")
        stay = agreed_peaks([read[i].peaks for i in own], choice.num_agreeing, left_out)
        for i, indices in zip(own, stay, strict=True):
            taken[i] = read[i].taken(indices)
    return taken
