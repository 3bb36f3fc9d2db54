"""Regions of accessible peaks, and which of them are accessible in which biosample.

A region is 200 bp around a summit (or the middle of a peak without one). Where regions are made of
accessible peaks, the summits of all biosamples come together: the one that most summits lie near
(within the 200 bp) becomes a region first, the leftmost of equals, and no summit whose region would
overlap one that is there becomes another. So no two regions overlap, and jitter between biosamples
makes no second region. (As ENCODE chooses representative DHSs, by support in place of signal.)

An accessible peak opens the region whose middle is nearest to its summit, of those that it
overlaps, and each further one that lies wholly in it. In this way a DHS of UCSC's clusters opens
its own region and not a neighbour's, and a wide ATAC peak opens all regions in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.dataset.region_table import RegionTable
from data.errors import DataError
from data.own_tf.files import ReadOpened
from data.schema import REGION_WIDTH_BP
from data.sources.blacklist import Blacklist
from data.sources.evidence import overlap_pairs, overlaps
from data.sources.genome import Genome

_HALF_BP = REGION_WIDTH_BP // 2


@dataclass(frozen=True, kw_only=True)
class MadeRegions:
    """A region table, and what was left out of it."""

    regions: RegionTable
    num_past_end: int
    """Summits nearer to an end of their chromosome than half a region."""
    num_excluded: int
    """Summits whose regions overlap places to leave out."""
    num_merged: int
    """Summits without a region of their own, since they lie in that of another."""


def regions_of(
    chroms: Sequence[str],
    files: Sequence[ReadOpened],
    genome: Genome,
    exclude: Blacklist,
    *,
    merge: bool,
) -> MadeRegions:
    """Make regions of the summits of some files.

    Parameters
    ----------
    chroms
        Chromosomes by which the files are coded, in natural order.
    exclude
        Places to leave out: no region overlaps one.
    merge
        Whether summits whose regions would overlap become one; False makes a region of each
        place, for regions that were given.

    Raises
    ------
    DataError
        If no summit makes a region, or every region holds an N.
    """
    codes = np.concatenate([one.places.chrom for one in files])
    middles = np.concatenate([one.summit for one in files])
    names: list[str] = []
    starts: list[NDArray[np.int64]] = []
    num_past_end = num_excluded = 0
    for code, name in enumerate(chroms):
        middle = middles[codes == code].astype(np.int64)
        inside = (middle >= _HALF_BP) & (middle + _HALF_BP <= genome.lengths_bp[name])
        num_past_end += int((~inside).sum())
        middle = middle[inside]
        here = np.zeros(len(middle), dtype=np.int32)
        excluded = exclude.overlaps(here, [name], middle - _HALF_BP, middle + _HALF_BP)
        num_excluded += int(excluded.sum())
        place, num = np.unique(middle[~excluded], return_counts=True)
        kept = place[_apart(place, _support(place, num))] if merge else place
        names += [name] * len(kept)
        starts.append(kept - _HALF_BP)
    start = np.concatenate(starts).astype(np.int32)
    if not len(start):
        raise DataError(
            f"{genome.path}: no region lies within its chromosomes and out of --exclude"
        )
    chrom = np.array(names, dtype=object)
    bases = genome.sequences(chrom, start, REGION_WIDTH_BP)
    regions = RegionTable.from_bases(chrom, start, bases)
    if regions.num_with_n == len(regions):
        raise DataError(f"{genome.path}: every region holds an N; give the genome unmasked")
    return MadeRegions(
        regions=regions,
        num_past_end=num_past_end,
        num_excluded=num_excluded,
        num_merged=len(middles) - num_past_end - num_excluded - len(regions),
    )


def accessibility(
    regions: RegionTable, opened: Sequence[tuple[int, ReadOpened]], num_biosamples: int
) -> NDArray[np.bool_]:
    """Say where each biosample is accessible, shape (N, S).

    Parameters
    ----------
    opened
        Index of the biosample, and its accessible peaks, by file.
    """
    found = np.zeros((len(regions), num_biosamples), dtype=bool)
    middle = regions.start.astype(np.int64) + _HALF_BP
    for biosample, one in opened:
        places = one.places
        for row, region in overlaps(regions, places):
            whole = (places.start[row] <= regions.start[region]) & (
                regions.end[region] <= places.end[row]
            )
            distance = np.abs(middle[region] - one.summit[row])
            order = np.lexsort((region, distance, row))
            nearest = order[np.diff(row[order], prepend=-1) != 0]
            found[region[nearest], biosample] = True
            found[region[whole], biosample] = True
    return found


def _support(place: NDArray[np.int64], num: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of summits in the region around each place, shape as `place`."""
    one, other = overlap_pairs(place - _HALF_BP, place + _HALF_BP, place, place + 1)
    return np.bincount(one, weights=num[other], minlength=len(place)).astype(np.int64)


def _apart(place: NDArray[np.int64], support: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Choose places a region's width apart, the best supported first; shape as `place`."""
    places = place.tolist()
    chosen = np.zeros(len(places), dtype=bool)
    blocked = bytearray(len(places))
    for index in np.lexsort((place, -support)).tolist():
        if blocked[index]:
            continue
        chosen[index] = True
        for step in (-1, 1):
            near = index
            while 0 <= near < len(places) and abs(places[near] - places[index]) < REGION_WIDTH_BP:
                blocked[near] = 1
                near += step
    return chosen
