"""Reads regions for what activates filters: the loops over every base, compiled by numba.

In the first layer a filter's activation is a sum of look-ups, one for each four bases, in tables
of 256 entries: five rows added in place of 76 products, and no activation is ever stored. Bounds
in 8 bits tell for 64 filters at a time which may be above a threshold and which are for sure
(`model.interpretation.filter_bounds`); for the few between, tables in double precision decide. So
the result is that of double precision, always summed in the same order, and depends neither on
batches nor on threads.

For a deeper layer the activations are given.

Windows of both strands are read. Counts are kept by code of four bases and turned to bases at the
end: five increments for a subsequence of 19 bp. A strand is read in steps, comparing, finding and
counting: a branch that a processor guesses wrong in one of them does not hold up the others. Codes
and filters are unsigned, for numba asks of each signed index whether it is negative.

Legend: n regions, F filters, P positions, L base pairs, C chunks of four bases.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from model.interpretation.filter_bounds import (
    bounds_from,
    compare,
    filter_of,
    limits_at,
    set_limits,
    without_first,
)

NUM_CODES: Final = 256
"""Codes of four bases: those of a packed byte."""
_FIRST: Final = 50
"""Regions read for maxima to begin with, from which on bounds are finer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """Share of each four bases in the activations of a layer, before ReLU."""

    exact: NDArray[np.float64]
    """Shape (C, 256, F)."""
    width_bp: int
    """Width of the filters."""

    def highest(self, packed: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Highest activation of each filter in packed sequences, uint8 (n, L / 4); at least 0."""
        maximum = np.zeros(self.exact.shape[2])
        for part in np.split(packed, [_FIRST]):
            bounds = bounds_from(self.exact, maximum)
            _highest(part, self.exact, bounds, self.width_bp, maximum)
        return maximum

    def count(self, packed: NDArray[np.uint8], threshold: NDArray[np.float64]) -> "Tally":
        """Count the windows that activate a filter above its threshold, shape (F,), at least 0."""
        tally = Tally.empty(self.exact.shape[2], len(self.exact))
        tables = self.exact, bounds_from(self.exact, threshold)
        _count(packed, tables, self.width_bp, threshold, tally.by_code, tally.num_regions)
        return tally


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """What was counted; the kernels add to its arrays."""

    by_code: NDArray[np.int64]
    """Activating windows by chunk, its code and filter, shape (C, 256, F). Bases of the last chunk
    past the window are in its code."""
    num_regions: NDArray[np.int64]
    """Regions with an activating window, shape (F,)."""

    @classmethod
    def empty(cls, num_filters: int, num_chunks: int) -> "Tally":
        """Nothing counted yet."""
        return cls(
            by_code=np.zeros((num_chunks, NUM_CODES, num_filters), dtype=np.int64),
            num_regions=np.zeros(num_filters, dtype=np.int64),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            by_code=self.by_code + other.by_code,
            num_regions=self.num_regions + other.num_regions,
        )

    @property
    def num_subsequences(self) -> NDArray[np.int64]:
        """Activating windows, shape (F,)."""
        return self.by_code[0].sum(axis=0)


@njit(nogil=True, cache=True)
def _highest(packed: Any, exact: Any, bounds: Any, width_bp: int, maximum: Any) -> None:
    """Raise the maxima to the highest activation of each filter, see :class:`Tables`."""
    limits = limits_at(bounds, maximum)
    codes = np.empty(4 * packed.shape[1], dtype=np.uintp)
    for region in range(len(packed)):
        for reverse in (False, True):
            _four_base_codes(packed[region], reverse, codes)
            for start in range(len(codes) - width_bp + 1):
                for block in range(len(bounds.deficits)):
                    may, _ = compare(bounds.deficits, block, codes, start, limits)
                    while may:
                        f = filter_of(block, may)
                        activation = _activation(exact, codes, start, f)
                        if activation > maximum[f]:
                            maximum[f] = activation
                            set_limits(limits, bounds, f, activation)
                        may = without_first(may)


@njit(nogil=True, cache=True)
def _count(
    packed: Any, tables: Any, width_bp: int, threshold: Any, by_code: Any, num_regions: Any
) -> None:
    """Add to a tally, see :class:`Tables`; the tables are exact and bounds."""
    exact, bounds = tables
    num_blocks, num_windows = len(bounds.deficits), 4 * packed.shape[1] - width_bp + 1
    limits = limits_at(bounds, threshold)
    codes = np.empty(4 * packed.shape[1], dtype=np.uintp)
    masks = np.empty((num_windows, num_blocks, 2), dtype=np.uint64)
    active = np.empty((2, num_windows * len(threshold) + 1), dtype=np.uintp)
    seen = np.zeros(len(threshold), dtype=np.bool_)
    for region in range(len(packed)):
        for reverse in (False, True):
            _four_base_codes(packed[region], reverse, codes)
            for start in range(num_windows):
                for block in range(num_blocks):
                    may, does = compare(bounds.deficits, block, codes, start, limits)
                    masks[start, block, 0] = may
                    masks[start, block, 1] = does
            num_active = _decide(exact, threshold, masks, codes, active)
            _count_windows(active[:, :num_active], codes, by_code, seen)
        _count_region(seen, num_regions)


@njit(nogil=True, cache=True)
def _decide(exact: Any, threshold: Any, masks: Any, codes: Any, active: Any) -> int:
    """Fill in filters and starts of the windows that activate them; how many there are.

    There is room for one more.
    """
    num_active = 0
    for start in range(len(masks)):
        for block in range(masks.shape[1]):
            may, does = masks[start, block]
            open_ = may & ~does
            while open_:
                f = filter_of(block, open_)
                if _activation(exact, codes, start, f) > threshold[f]:
                    does |= open_ & -open_
                open_ = without_first(open_)
            # the first one is written even if there is none: a branch less to guess
            active[0, num_active] = filter_of(block, does)
            active[1, num_active] = start
            num_active += does != 0
            does = without_first(does)
            while does:
                active[0, num_active] = filter_of(block, does)
                active[1, num_active] = start
                num_active += 1
                does = without_first(does)
    return num_active


@njit(nogil=True, cache=True)
def count_given(
    packed: Any,
    activations: Any,
    stride_bp: int,
    threshold: Any,
    by_code: Any,
    num_regions: Any,
) -> None:
    """Count the windows whose given activation is above its filter's threshold.

    Parameters
    ----------
    packed
        Packed sequences, uint8 (n, L / 4).
    activations
        Activations of the sequences and of their reverse complements, float32 (2, n, P, F).
    stride_bp
        Base pairs from a position to the next.
    threshold
        float64 (F,).
    by_code, num_regions
        Arrays of a :class:`Tally`, changed in place.
    """
    num_positions, num_filters = activations.shape[2:]
    codes = np.empty(4 * packed.shape[1], dtype=np.uintp)
    active = np.empty((2, num_positions * num_filters), dtype=np.uintp)
    seen = np.zeros(num_filters, dtype=np.bool_)
    for region in range(len(packed)):
        for strand in range(2):
            _four_base_codes(packed[region], strand == 1, codes)
            num_active = 0
            for position in range(num_positions):
                for f in range(num_filters):
                    if activations[strand, region, position, f] > threshold[f]:
                        active[0, num_active] = f
                        active[1, num_active] = position * stride_bp
                        num_active += 1
            _count_windows(active[:, :num_active], codes, by_code, seen)
        _count_region(seen, num_regions)


@njit(nogil=True, cache=True)
def _four_base_codes(packed: Any, reverse: bool, codes: Any) -> None:
    """Fill in the code of the four bases from each position on, with A after the end, uintp.

    `packed` is one sequence, uint8 (L / 4,); with `reverse`, that of its reverse complement is
    read.
    """
    length = 4 * len(packed)
    code = 0
    for position in range(length - 1, -1, -1):
        at = length - 1 - position if reverse else position
        base = (packed[at >> 2] >> (2 * (at & 3))) & 3
        code = ((code << 2) & 255) | (3 - base if reverse else base)
        codes[position] = code


@njit(nogil=True, cache=True)
def _activation(exact: Any, codes: Any, start: int, f: int) -> float:
    """Activation of one filter before ReLU."""
    activation = 0.0
    for chunk in range(len(exact)):
        activation += exact[chunk, codes[start + 4 * chunk], f]
    return activation


@njit(nogil=True, cache=True)
def _count_windows(active: Any, codes: Any, by_code: Any, seen: Any) -> None:
    """Count windows of a strand, given by filter and start, and note which filters there were."""
    filters, starts = active
    for chunk in range(len(by_code)):
        counts, codes_there = by_code[chunk], codes[4 * chunk :]
        for i in range(len(filters)):
            counts[codes_there[starts[i]], filters[i]] += 1
    for f in filters:
        seen[f] = True


@njit(nogil=True, cache=True)
def _count_region(seen: Any, num_regions: Any) -> None:
    """Count a region for the filters that it activates, and begin the next one."""
    for f in range(len(seen)):
        num_regions[f] += seen[f]
        seen[f] = False
