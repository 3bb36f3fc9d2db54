"""Regions of a lab's own peaks, where there is no dataset of DHSs: which are bound, which unbound.

200 bp around each summit of the TF, and unbound regions of one of two kinds:

==========  ========================================================================================
accessible  200 bp around the summit (or the middle) of each of the lab's DNase or ATAC peaks that
            no peak of the TF overlaps. Summits of the TF count where they lie in such a peak
genome      windows of the genome, drawn to the GC of the TF's regions on each chromosome, without
            an N, and at least `MARGIN_BP` from each of its peaks. A model of these also learns what
            open chromatin looks like
==========  ========================================================================================

A TF that is added later brings regions of its own, and has those of the others as further unbound
ones, unless they lie too near to one of its peaks. No two regions overlap.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.added import Background
from data.dataset.gc_matching import gc_bin
from data.dataset.region_table import RegionTable
from data.errors import DataError
from data.own_tf.files import ReadFiles
from data.own_tf.new_regions import summits_in, windows_apart
from data.packing import UNKNOWN, gc_fraction
from data.schema import REGION_WIDTH_BP
from data.sources.evidence import overlapping
from data.sources.genome import Genome
from data.sources.intervals import Intervals

MARGIN_BP: Final[dict[Background, int]] = {"accessible": 0, "genome": 1000}
"""How near to a peak a region without a summit is neither bound nor unbound."""
PER_BOUND: Final = 5
"""Windows of the genome that are drawn for each bound region, so that replicates differ."""
MOST_WINDOWS: Final = 50_000
"""Most windows; where there would be more, each bound region has fewer, but at least one."""
_TRIED: Final = 20
"""Windows examined for each one that is wanted, in the first round."""
_MOST_TRIED: Final = 1_000_000
"""Windows examined in the second round, for a GC that is rare."""
_BINS: Final = 10

Places = tuple[NDArray[np.int16], NDArray[np.int32]]
"""Chromosome codes and positions."""


def own_regions(
    before: RegionTable, read: ReadFiles, genome: Genome, unbound: Background
) -> RegionTable | None:
    """Find the regions that a TF's peaks, and unbound places, add to those that are there.

    Parameters
    ----------
    before
        Regions that are there, or an empty table; the files were read for its chromosomes.
    unbound
        Where unbound regions come from. From accessible peaks, each file has some.

    Returns
    -------
    RegionTable or None
        New regions, sorted; None where there is none.

    Raises
    ------
    DataError
        If no summit lies in an accessible peak.
    """
    around = _bound(before, read, genome)
    if unbound == "accessible":
        free = [_free(opened.places, opened.summit, read) for opened in read.accessible.values()]
        return _table(before, [around, _joined(free)], read, genome)
    bound = _table(before, [around], read, genome)
    if bound is None:
        return None
    chrom, start = _drawn(before.extended(bound), bound, read, genome)
    codes = np.array([before.chroms.index(name) for name in bound.chroms], dtype=np.int16)
    chrom, start = _joined([(codes[bound.chrom], bound.start), (chrom, start)])
    return _read(before, chrom, start, genome)


def _bound(before: RegionTable, read: ReadFiles, genome: Genome) -> Places:
    """Summits that are to have a region."""
    everywhere = Intervals.of_one_pair(
        before.chroms,
        np.arange(len(before.chroms), dtype=np.int16),
        np.zeros(len(before.chroms), dtype=np.int32),
        np.array([genome.lengths_bp.get(name, 0) for name in before.chroms], dtype=np.int32),
    )
    found, num_open = [], 0
    for one in read.peaks:
        path = one.file.accessible
        opened = everywhere if path is None else read.accessible[path].places
        found.append(summits_in(opened, one.summits, before))
        num_open += len(found[-1][0])
    if not num_open and not len(before):
        files = ", ".join(str(path) for path in read.accessible)
        num_peaks = sum(len(one.peaks) for one in read.peaks)
        raise DataError(
            f"{files}: no peak of it holds a summit of the {num_peaks:,} of "
            f"{', '.join(str(one.file.peaks) for one in read.peaks)}; give accessible peaks of the "
            "same cells and assembly, or leave --accessible out"
        )
    return _joined(found)


def _free(opened: Intervals, summit: NDArray[np.int32], read: ReadFiles) -> Places:
    """Summits of accessible peaks that no peak of the TF overlaps."""
    near = read.near_peaks(opened.chrom, opened.chroms, opened.start, opened.end, 0)
    is_free = (opened.chrom >= 0) & ~near
    return opened.chrom[is_free], summit[is_free]


def _joined(places: list[Places]) -> Places:
    return (
        np.concatenate([chrom for chrom, _ in places]),
        np.concatenate([position for _, position in places]),
    )


def _table(
    before: RegionTable, groups: list[Places], read: ReadFiles, genome: Genome
) -> RegionTable | None:
    """Make regions around places that overlap nothing, group by group."""
    chrom, start = windows_apart(
        before, [group[0] for group in groups], [group[1] for group in groups], genome
    )
    end = start + np.int32(REGION_WIDTH_BP)
    free = ~read.exclude.overlaps(chrom.astype(np.int32), before.chroms, start, end)
    return _read(before, chrom[free], start[free], genome)


def _read(
    before: RegionTable, chrom: NDArray[np.int16], start: NDArray[np.int32], genome: Genome
) -> RegionTable | None:
    """Read regions, sorted; None where there is none."""
    if not len(start):
        return None
    order = np.lexsort((start, chrom))
    names, start = np.array(before.chroms, dtype=object)[chrom[order]], start[order]
    return RegionTable.from_bases(names, start, genome.sequences(names, start, REGION_WIDTH_BP))


def _drawn(taken: RegionTable, bound: RegionTable, read: ReadFiles, genome: Genome) -> Places:
    """Draw windows of the GC that bound regions have on each chromosome: codes and starts.

    The windows of a chromosome lie side by side and are looked at in an order that is drawn once,
    so that no two overlap and the same peaks give the same windows. A second round is for a GC that
    the first one met too rarely.
    """
    each = int(np.clip(MOST_WINDOWS // len(bound), 1, PER_BOUND))
    bins = gc_bin(bound.gc)
    wanted = {
        taken.chroms.index(name): each * np.bincount(bins[bound.lies_on([name])], minlength=_BINS)
        for name in bound.chromosomes()
    }
    order = {code: _shuffled(genome.lengths_bp[taken.chroms[code]], code) for code in wanted}
    sizes = {code: _TRIED * int(num.sum()) for code, num in wanted.items()}
    drawn: list[Places] = []
    while any(sizes.values()):
        tried = {code: order[code][:num] for code, num in sizes.items()}
        order = {code: order[code][num:] for code, num in sizes.items()}
        chrom = np.repeat(
            np.array(list(tried), dtype=np.int16), [len(one) for one in tried.values()]
        )
        start = np.concatenate(list(tried.values()))
        free = _may_be_drawn(chrom, start, taken, read)
        chrom, start = chrom[free], start[free]
        names = np.array(taken.chroms, dtype=object)[chrom]
        bases = genome.sequences(names, start, REGION_WIDTH_BP)
        found = np.where((bases == UNKNOWN).any(axis=1), _BINS, gc_bin(gc_fraction(bases)))
        is_first = len(drawn) == 0
        for code, num in wanted.items():
            own = np.flatnonzero(chrom == code)
            rows = own[_first_of_each(found[own], num)]
            drawn.append((chrom[rows], start[rows]))
            wanted[code] = num - np.bincount(found[rows], minlength=_BINS)
            met = np.bincount(found[own], minlength=_BINS + 1)[:_BINS]
            sizes[code] = _further(wanted[code], met, sizes[code]) if is_first else 0
        scale = min(1.0, _MOST_TRIED / max(sum(sizes.values()), 1))
        sizes = {code: int(num * scale) for code, num in sizes.items()}
    return _joined(drawn)


def _shuffled(length_bp: int, code: int) -> NDArray[np.int32]:
    """Starts of the windows of a chromosome, in the order that they are looked at."""
    num = length_bp // REGION_WIDTH_BP
    return np.random.default_rng([0, code]).permutation(num).astype(np.int32) * REGION_WIDTH_BP


def _may_be_drawn(
    chrom: NDArray[np.int16], start: NDArray[np.int32], taken: RegionTable, read: ReadFiles
) -> NDArray[np.bool_]:
    """Whether windows lie apart from regions, from peaks, and from places to leave out."""
    end = start + np.int32(REGION_WIDTH_BP)
    free = ~read.exclude.overlaps(chrom.astype(np.int32), taken.chroms, start, end)
    for code in np.unique(chrom):
        rows, here = np.flatnonzero(chrom == code), taken.chrom == code
        free[rows] &= ~overlapping(start[rows], end[rows], taken.start[here], taken.end[here])
    return free & ~read.near_peaks(chrom, taken.chroms, start, end, MARGIN_BP["genome"])


def _further(missing: NDArray[np.int64], met: NDArray[np.int64], num_tried: int) -> int:
    """How many further windows of a chromosome to look at for the GC that is missing."""
    share = np.maximum(met, 1) / max(num_tried, 1)
    return int(np.ceil(1.5 * (missing / share).max()))


def _first_of_each(bins: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the first windows of each GC bin, as many as are wanted."""
    rows = [np.flatnonzero(bins == number)[:num] for number, num in enumerate(wanted)]
    return np.sort(np.concatenate(rows))
