"""Every file of a sample sheet, read once and whole before any work, with what is wrong noted.

Rows that do not fit the genome are left out and counted, see `data.sources.fitting`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np

from data.dataset.added import PeakChoice
from data.dataset.region_table import chrom_sort_key
from data.errors import DataError
from data.left_out import LeftOut
from data.own_tf.files import (
    PeakFile,
    Places,
    ReadOpened,
    ReadPeaks,
    fitted_summits,
    peaks_of,
    read_intervals,
)
from data.peaks.formats import REMAP
from data.peaks.reading import Peaks, read_own_peaks
from data.samplesheet.faults import Faults
from data.samplesheet.sheet import Sheet, SheetRow, add_repeat
from data.schema import CHROM
from data.sources.blacklist import Blacklist
from data.sources.genome import Genome
from data.sources.intervals import Intervals

_MAX_CHROMS: Final = int(np.iinfo(np.int16).max)


@dataclass(frozen=True, kw_only=True)
class ReadSheet:
    """The files of a sample sheet as they were read."""

    chroms: tuple[str, ...]
    """Chromosomes that have accessible peaks, or regions, in natural order; all intervals are coded
    by them."""
    peaks: Mapping[int, ReadPeaks]
    """By row of the sheet; the summits are of the row's pair."""
    sites: Mapping[Path, Intervals]
    opened: Mapping[Path, ReadOpened]
    regions: ReadOpened | None
    """Regions that were given; None where accessible peaks make them."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What files are read against, and where what is odd in them is noted."""

    genome: Genome
    exclude: Blacklist
    """Places to leave out: peaks that overlap them are left out."""
    left_out: LeftOut
    faults: Faults


def read_sheet_files(
    sheet: Sheet, pairs: Sequence[tuple[str, str]], regions: Path | None, reading: Reading
) -> ReadSheet:
    """Read all files of a sheet; what cannot be used is noted at its first row.

    Parameters
    ----------
    pairs
        Each TF in a biosample, once.
    regions
        File of regions; None where accessible peaks make them.

    Raises
    ------
    DataError
        If the file of regions cannot be used, or no accessible peak lies on the genome.
    """
    genome, left_out, faults = reading.genome, reading.left_out, reading.faults
    raw: dict[Path, Peaks] = {}
    row_of = {one.path: one.row for one in reversed(sheet.opened)}
    for path, row in sorted(row_of.items(), key=lambda item: item[1]):
        found = faults.attempt(row, partial(read_own_peaks, path, left_out=left_out))
        if found is not None:
            raw[path] = found
    given = None if regions is None else read_own_peaks(regions, left_out=left_out)
    chroms = _chroms([given] if given else list(raw.values()), genome, left_out)
    places = Places(chroms, genome, left_out)
    opened: dict[Path, ReadOpened] = {}
    for path, peaks in raw.items():
        fitted = faults.attempt(row_of[path], partial(fitted_summits, peaks, places))
        if fitted is not None:
            opened[path] = fitted
    return ReadSheet(
        chroms=chroms,
        peaks=_read_peaks(sheet.rows, pairs, places, reading),
        sites=_read_sites(sheet.rows, places, reading),
        opened=opened,
        regions=None if given is None else fitted_summits(given, places),
    )


def _chroms(files: Sequence[Peaks], genome: Genome, left_out: LeftOut) -> tuple[str, ...]:
    """Chromosomes of some files that the genome has; all of the genome's where there are none."""
    named = {
        genome.chromosomes.named(name, one.rows.path, left_out)
        for one in files
        for name in one.rows.text(CHROM)[1]
    }
    chroms = sorted(named & set(genome.lengths_bp), key=chrom_sort_key)
    if len(chroms) > _MAX_CHROMS:
        raise DataError(
            f"{genome.path}: accessible peaks lie on {len(chroms):,} of its sequences, "
            f"{_MAX_CHROMS:,} are the most; leave out the small ones"
        )
    return tuple(chroms) or tuple(genome.lengths_bp)[:_MAX_CHROMS]


def _read_peaks(
    rows: Sequence[SheetRow],
    pairs: Sequence[tuple[str, str]],
    places: Places,
    reading: Reading,
) -> dict[int, ReadPeaks]:
    whole = cache(partial(read_own_peaks, left_out=places.left_out))

    def peaks_in(file: PeakFile, pair: int) -> ReadPeaks:
        return peaks_of(whole(file.peaks), file, pair, places, reading.exclude, PeakChoice())

    pair_of = {pair: index for index, pair in enumerate(pairs)}
    read: dict[int, ReadPeaks] = {}
    first: dict[Path, SheetRow] = {}
    for one in rows:
        file = PeakFile(peaks=one.peaks, biosample=one.biosample, sites=one.sites)
        pair = pair_of[one.tf, one.biosample]
        peaks = reading.faults.attempt(one.row, partial(peaks_in, file, pair))
        if peaks is None:
            continue
        read[one.row] = peaks
        before = first.setdefault(one.peaks, one)
        if before.biosample != one.biosample and peaks.peaks.format != REMAP:
            add_repeat(one, before, reading.faults)
    return read


def _read_sites(
    rows: Sequence[SheetRow], places: Places, reading: Reading
) -> dict[Path, Intervals]:
    read: dict[Path, Intervals | None] = {}
    for one in rows:
        if one.sites is not None and one.sites not in read:
            read[one.sites] = reading.faults.attempt(
                one.row, partial(read_intervals, one.sites, places)
            )
    return {path: sites for path, sites in read.items() if sites is not None}
