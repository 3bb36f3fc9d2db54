"""The rule that turns peaks and sites into evidence codes (Novakovsky et al. 2021, Methods).

A peak counts by its summit, one base wide; a site by its whole interval; one shared base is an
overlap. An overlap counts where the region is accessible in the biosample of the ChIP-seq
experiment. Per region and pair (a TF in a biosample) the code is 1 plus 1 for a summit plus 2
for a site, and per region and TF the maximum over biosamples. Legend: N regions, S biosamples,
P pairs, T TFs.
"""

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyranges as pr
from numpy.typing import NDArray

from data.dataset.region_table import RegionTable
from data.schema import Evidence
from data.sources.intervals import Intervals
from data.sources.tables import Profiled

_QUERY, _REGION = "query", "region"
_QUERIES_AT_ONCE = 500_000  # bounds the memory of a join


def overlaps(
    regions: RegionTable, intervals: Intervals
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pair up intervals and the regions that they overlap, part by part.

    Yields
    ------
    tuple
        Indices into `intervals` and into `regions`, of equal length.
    """
    for code, chrom in enumerate(intervals.chroms):
        here = np.flatnonzero(regions.lies_on([chrom]))
        targets = _ranges(regions.start[here], regions.end[here], _REGION)
        all_rows = np.flatnonzero(intervals.chrom == code)
        for first in range(0, len(all_rows) if len(here) else 0, _QUERIES_AT_ONCE):
            rows = all_rows[first : first + _QUERIES_AT_ONCE]
            queries = _ranges(intervals.start[rows], intervals.end[rows], _QUERY)
            query, region = _joined(queries, targets)
            yield rows[query], here[region]


def overlapping(
    start: NDArray[np.integer],
    end: NDArray[np.integer],
    other_start: NDArray[np.integer],
    other_end: NDArray[np.integer],
) -> NDArray[np.bool_]:
    """Whether each interval overlaps any of some others on its chromosome, shape as `start`."""
    found = np.zeros(len(start), dtype=bool)
    found[overlap_pairs(start, end, other_start, other_end)[0]] = True
    return found


def overlap_pairs(
    start: NDArray[np.integer],
    end: NDArray[np.integer],
    other_start: NDArray[np.integer],
    other_end: NDArray[np.integer],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Indices of intervals and of others on their chromosome that overlap, of equal length."""
    if not (len(start) and len(other_start)):
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
    queries = _ranges(start, end, _QUERY)
    return _joined(queries, _ranges(other_start, other_end, _REGION))


def matched_hits(
    regions: RegionTable, intervals: Intervals, profiled: Profiled, accessible: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Overlaps in accessible regions, each once, as sorted keys `pair * N + region`.

    Parameters
    ----------
    accessible
        Whether a region is accessible in a biosample, shape (N, S).
    """
    hits = [np.empty(0, dtype=np.int64)]
    for row, region in overlaps(regions, intervals):
        pair = intervals.pair[row]
        matched = accessible[region, profiled.pair_biosample[pair]]
        keys = np.sort(pair[matched].astype(np.int64) * len(regions) + region[matched])
        # sorting and comparing is ten times as fast as np.unique, which hashes
        hits.append(keys[np.diff(keys, prepend=-1) != 0])
    # a region may be hit in two parts
    keys = np.sort(np.concatenate(hits))
    return keys[np.diff(keys, prepend=-1) != 0]


def evidence_codes(
    peak_hits: NDArray[np.int64],
    site_hits: NDArray[np.int64],
    profiled: Profiled,
    accessible: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    """Evidence of every TF, shape (T, N), from the hits of :func:`matched_hits`."""
    num_regions = len(accessible)
    codes = np.zeros((len(profiled.tfs), num_regions), dtype=np.uint8)
    for tf, biosample in zip(profiled.pair_tf, profiled.pair_biosample, strict=True):
        codes[tf] |= accessible[:, biosample]  # Evidence.UNBOUND is 1
    both = np.intersect1d(peak_hits, site_hits, assume_unique=True)
    # in ascending order, so that the maximum over biosamples is written last
    for code, hits in (
        (Evidence.PEAK, peak_hits),
        (Evidence.SITE, site_hits),
        (Evidence.BOUND, both),
    ):
        pair, region = np.divmod(hits, num_regions)
        codes[profiled.pair_tf[pair], region] = code
    return codes


def _joined(
    queries: pr.PyRanges, targets: pr.PyRanges
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Indices of the queries and the targets that overlap, of equal length."""
    with warnings.catch_warnings():
        # pyranges 0.1.7 calls pandas 3 with arguments that pandas 4 will drop
        warnings.simplefilter("ignore")
        joined = queries.join(targets).as_df()
    if joined.empty:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
    return joined[_QUERY].to_numpy(), joined[_REGION].to_numpy()


def _ranges(start: NDArray[np.integer], end: NDArray[np.integer], index_name: str) -> pr.PyRanges:
    """Make ranges on one (unnamed) chromosome that carry their own index."""
    num = len(start)
    columns = {
        "Chromosome": pd.Categorical.from_codes(
            np.zeros(num, dtype=np.int8), categories=pd.Index(["c"])
        ),
        "Start": start.astype(np.int64),
        "End": end.astype(np.int64),
        index_name: np.arange(num, dtype=np.int32),
    }
    # by chromosome already: pyranges need not look at every row's name to group the rows
    return pr.PyRanges({"c": pd.DataFrame(columns)})
