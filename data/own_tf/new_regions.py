"""Regions that your own accessible peaks add to a dataset, after those of the build.

A dataset's regions are the DHSs that it was built from; a cell type that was not among their
biosamples has open regions of its own. If you give your DNase or ATAC peaks, those that
lie in no region can be added: 200 bp around each of the TF's summits there, and around the middle
of each peak without one, so that not all of what is added is bound. Nothing is known there of the
dataset's other TFs: their labels are unresolved.

Region ids are row numbers, so new regions stand after all others, whose ids, evidence and
fingerprints stay: finished runs stay valid, and so do the keys of planned ones.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.dataset.region_table import RegionTable
from data.errors import DataError
from data.own_tf.files import ReadFiles
from data.schema import REGION_WIDTH_BP
from data.sources.evidence import overlapping, overlaps
from data.sources.genome import Genome
from data.sources.intervals import Intervals


def new_regions(regions: RegionTable, read: ReadFiles, genome: Genome) -> RegionTable | None:
    """Find what your accessible peaks add to a region table.

    Parameters
    ----------
    regions
        Regions of the dataset.
    read
        The files of the TF, read for the chromosomes of `regions`.
    genome
        Genome of the dataset's assembly.

    Returns
    -------
    RegionTable or None
        New regions, sorted, on chromosomes that the dataset has; none overlaps another, old or
        new, or a place to leave out. None where there is no such region.

    Raises
    ------
    DataError
        If no file comes with accessible peaks.
    """
    if not read.accessible:
        raise DataError(
            "new regions are those of your own DNase or ATAC peaks; give them by --accessible, for "
            "a biosample that the dataset lacks"
        )
    summits, middles = [], []
    for path, opened in ((path, one.places) for path, one in read.accessible.items()):
        for one in read.peaks:
            if one.file.accessible == path:
                summits.append(summits_in(opened, one.summits, regions))
        middles.append(_outside(opened, regions))
    # summits first, so that a summit takes precedence over the middle of a peak near it
    chrom, start = windows_apart(
        regions,
        [np.concatenate([one[0] for one in group]) for group in (summits, middles)],
        [np.concatenate([one[1] for one in group]) for group in (summits, middles)],
        genome,
    )
    end = start + np.int32(REGION_WIDTH_BP)
    free = ~read.exclude.overlaps(chrom.astype(np.int32), regions.chroms, start, end)
    chrom, start = chrom[free], start[free]
    if not len(start):
        return None
    names = np.array(regions.chroms, dtype=object)[chrom]
    return RegionTable.from_bases(names, start, genome.sequences(names, start, REGION_WIDTH_BP))


def summits_in(
    opened: Intervals, summits: Intervals, regions: RegionTable
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Summits in accessible peaks and in no region: chromosome codes and positions."""
    is_open = np.zeros(len(summits.chrom), dtype=bool)
    for code in np.unique(summits.chrom[summits.chrom >= 0]):
        own = opened.chrom == code
        here = np.flatnonzero(summits.chrom == code)
        is_open[here] = overlapping(
            summits.start[here], summits.end[here], opened.start[own], opened.end[own]
        )
    is_open[_in_regions(summits, regions)] = False
    return summits.chrom[is_open], summits.start[is_open]


def _outside(
    opened: Intervals, regions: RegionTable
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Middles of accessible peaks that overlap no region: chromosome codes and positions."""
    free = opened.chrom >= 0
    free[_in_regions(opened, regions)] = False
    return opened.chrom[free], (opened.start + (opened.end - opened.start) // 2)[free]


def windows_apart(
    regions: RegionTable,
    chroms: Sequence[NDArray[np.int16]],
    centres: Sequence[NDArray[np.int32]],
    genome: Genome,
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Choose windows that overlap nothing, group by group: chromosome codes and starts, sorted."""
    kept_chrom: list[int] = []
    kept_start: list[int] = []
    for code, name in enumerate(regions.chroms):
        taken = np.empty(0, dtype=np.int64)
        length_bp = genome.lengths_bp.get(name, 0)
        for chrom, centre in zip(chroms, centres, strict=True):
            start = np.unique(centre[chrom == code].astype(np.int64)) - REGION_WIDTH_BP // 2
            start = start[(start >= 0) & (start + REGION_WIDTH_BP <= length_bp)]
            own = regions.lies_on([name])
            others = np.concatenate([taken, regions.start[own]])
            start = start[
                ~overlapping(start, start + REGION_WIDTH_BP, others, others + REGION_WIDTH_BP)
            ]
            taken = np.sort(np.concatenate([taken, _spaced(start)]))
        kept_chrom += [code] * len(taken)
        kept_start += taken.tolist()
    return np.array(kept_chrom, dtype=np.int16), np.array(kept_start, dtype=np.int32)


def _spaced(start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep those of sorted window starts that do not overlap the one kept before."""
    kept: list[int] = []
    for one in start.tolist():
        if not kept or one >= kept[-1] + REGION_WIDTH_BP:
            kept.append(one)
    return np.array(kept, dtype=np.int64)


def _in_regions(intervals: Intervals, regions: RegionTable) -> NDArray[np.int64]:
    """Indices of the intervals that overlap a region."""
    found = [row for row, _ in overlaps(regions, intervals)]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int64)
