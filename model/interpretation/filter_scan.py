"""Reads regions for what activates filters: the loops over every base, compiled by numba.

In the first layer a filter's activation is a sum of look-ups, one for each four bases, in tables
of 256 entries: five rows added in place of 76 products, and no activation is ever stored. *Coarse*
tables of 16-bit whole numbers, rounded up, tell which filters may be above a threshold, 32 at a
time; for these few, tables in double precision decide. So the result is that of double precision,
always summed in the same order, and depends neither on batches nor on threads.

For a deeper layer the activations are given.

Windows of both strands are read. Counts are kept by code of four bases and turned to bases at the
end: five increments for a subsequence of 19 bp.

Legend: n regions, F filters, P positions, L base pairs, C chunks of four bases.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

NUM_CODES: Final = 256
"""Codes of four bases: those of a packed byte."""
_GROUP: Final = 5
"""Chunks that are looked up together: a filter of 17 to 20 bp in one go."""
_PADDING: Final = 4 * _GROUP
"""Codes after the end of a sequence, which chunks without weights read."""
_LANES: Final = 32
"""16-bit numbers in a vector of the widest CPUs; filters are padded to a multiple of it."""
_SIGNS: Final = np.uint64(0x8000800080008000)
"""Sign bits of four 16-bit numbers."""
_RANGE: Final = 16_000
"""Largest coarse sum: the difference of two such sums fits 16 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """Share of each four bases in the activations of a layer, before ReLU.

    Chunks without weight fill up groups of five.
    """

    exact: NDArray[np.float64]
    """Shape (C, 256, F)."""
    coarse: NDArray[np.int16]
    """In units, rounded up, shape (C, 256, F padded)."""
    units: NDArray[np.float64]
    """Activation of 1 in the coarse tables, shape (F,)."""
    num_chunks: int
    """Chunks with weights."""
    width_bp: int
    """Width of the filters."""

    @classmethod
    def of(cls, exact: NDArray[np.float64], width_bp: int) -> "Tables":
        """Make coarse tables from the exact ones, float64 (C, 256, F)."""
        num_chunks, _, num_filters = exact.shape
        exact = np.pad(exact, ((0, -num_chunks % _GROUP), (0, 0), (0, 0)))
        # rounding up adds at most 1 a chunk
        units = np.abs(exact).max(axis=1).sum(axis=0) / (_RANGE - len(exact))
        units[units == 0] = 1.0
        rounded = np.ceil(exact / units).astype(np.int16)
        return cls(
            exact=exact,
            coarse=np.pad(rounded, ((0, 0), (0, 0), (0, -num_filters % _LANES))),
            units=units,
            num_chunks=num_chunks,
            width_bp=width_bp,
        )

    def highest(self, packed: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Highest activation of each filter in packed sequences, uint8 (n, L / 4); at least 0."""
        maximum = np.zeros(len(self.units))
        _highest(packed, self.exact, self.coarse, self.units, self.width_bp, maximum)
        return maximum

    def count(self, packed: NDArray[np.uint8], threshold: NDArray[np.float64]) -> "Tally":
        """Count the windows that activate a filter above its threshold, shape (F,), at least 0."""
        tally = Tally.empty(len(self.units), self.num_chunks)
        bars = _bars(threshold, self.units, self.coarse.shape[2])
        _count(
            packed,
            (self.exact, self.coarse),
            self.width_bp,
            (threshold, bars),
            tally.by_code,
            tally.num_regions,
        )
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
def _bars(threshold: Any, units: Any, num_padded: int) -> Any:
    """Coarse sums at or below which an activation cannot be above its threshold, int16."""
    bars = np.full(num_padded, _RANGE, dtype=np.int16)
    for f in range(len(units)):
        bars[f] = _bar(threshold[f], units[f])
    return bars


@njit(nogil=True, cache=True)
def _bar(threshold: float, unit: float) -> int:
    # a sum is an upper bound, so above a threshold it is above its whole part; 1 is for rounding
    return min(math.floor(threshold / unit) - 1, _RANGE)


@njit(nogil=True, cache=True)
def _highest(packed: Any, exact: Any, coarse: Any, units: Any, width_bp: int, maximum: Any) -> None:
    """Raise the maxima to the highest activation of each filter, see :class:`Tables`."""
    num_padded = coarse.shape[2]
    bars = _bars(maximum, units, num_padded)
    margins, proposed = np.empty(num_padded, np.int16), np.empty(num_padded, np.intp)
    words = margins.view(np.uint64)
    codes = np.empty(4 * packed.shape[1] + _PADDING, dtype=np.intp)
    for region in range(len(packed)):
        for reverse in (False, True):
            _four_base_codes(packed[region], reverse, codes)
            for start in range(4 * packed.shape[1] - width_bp + 1):
                _look_up(coarse, bars, codes, start, margins)
                for i in range(_propose(words, margins, proposed)):
                    f = proposed[i]
                    activation = _activation(exact, codes, start, f)
                    if activation > maximum[f]:
                        maximum[f] = activation
                        bars[f] = _bar(activation, units[f])


@njit(nogil=True, cache=True)
def _count(
    packed: Any, tables: Any, width_bp: int, thresholds: Any, by_code: Any, num_regions: Any
) -> None:
    """Add to a tally, see :class:`Tables`; tables and thresholds are exact and coarse."""
    exact, coarse = tables
    threshold, bars = thresholds
    num_padded = coarse.shape[2]
    margins, active = np.empty(num_padded, np.int16), np.empty(num_padded, np.intp)
    words = margins.view(np.uint64)
    last_region = np.full(num_padded, -1)
    codes = np.empty(4 * packed.shape[1] + _PADDING, dtype=np.intp)
    for region in range(len(packed)):
        for reverse in (False, True):
            _four_base_codes(packed[region], reverse, codes)
            for start in range(4 * packed.shape[1] - width_bp + 1):
                _look_up(coarse, bars, codes, start, margins)
                num_active = 0
                for i in range(_propose(words, margins, active)):
                    f = active[i]
                    if _activation(exact, codes, start, f) > threshold[f]:
                        active[num_active] = f  # no further on than what is read
                        num_active += 1
                _count_window(active, num_active, codes, start, by_code)
                _count_region(active, num_active, region, last_region, num_regions)


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
    num_filters = activations.shape[3]
    active = np.empty(num_filters, dtype=np.intp)
    last_region = np.full(num_filters, -1)
    codes = np.empty(4 * packed.shape[1] + _PADDING, dtype=np.intp)
    for region in range(len(packed)):
        for strand in range(2):
            _four_base_codes(packed[region], strand == 1, codes)
            for position in range(activations.shape[2]):
                row = activations[strand, region, position]
                num_active = _find_active(row, threshold, active)
                _count_window(active, num_active, codes, position * stride_bp, by_code)
                _count_region(active, num_active, region, last_region, num_regions)


@njit(nogil=True, cache=True)
def _four_base_codes(packed: Any, reverse: bool, codes: Any) -> None:
    """Fill in the code of the four bases from each position on, A after the end.

    `packed` is one sequence, uint8 (L / 4,); with `reverse`, that of its reverse complement is
    read.
    """
    length = 4 * len(packed)
    codes[length:] = 0
    code = 0
    for position in range(length - 1, -1, -1):
        at = length - 1 - position if reverse else position
        base = (packed[at >> 2] >> (2 * (at & 3))) & 3
        code = ((code << 2) & 255) | (3 - base if reverse else base)
        codes[position] = code


@njit(nogil=True, cache=True)
def _look_up(coarse: Any, bars: Any, codes: Any, start: int, margins: Any) -> None:
    """Fill in the bar less the coarse sum of each filter for the window at `start`, int16.

    Five rows are added at a time: one by one, the sums would go to memory and back each time.
    """
    for chunk in range(0, len(coarse), 5):
        first = start + 4 * chunk
        row0 = coarse[chunk, codes[first]]
        row1 = coarse[chunk + 1, codes[first + 4]]
        row2 = coarse[chunk + 2, codes[first + 8]]
        row3 = coarse[chunk + 3, codes[first + 12]]
        row4 = coarse[chunk + 4, codes[first + 16]]
        if chunk == 0:
            for f in range(len(bars)):
                margins[f] = bars[f] - row0[f] - row1[f] - row2[f] - row3[f] - row4[f]
        else:
            for f in range(len(bars)):
                margins[f] = margins[f] - row0[f] - row1[f] - row2[f] - row3[f] - row4[f]


@njit(nogil=True, cache=True)
def _propose(words: Any, margins: Any, proposed: Any) -> int:
    """Fill in the filters with a margin below 0; how many there are.

    `words` are the margins seen by fours, so that four signs are looked at in one go.
    """
    union = np.uint64(0)
    for word in range(len(words)):
        union |= words[word]
    num_proposed = 0
    if not union & _SIGNS:
        return num_proposed
    for word in range(len(words)):
        if words[word] & _SIGNS:
            for f in range(4 * word, 4 * word + 4):
                if margins[f] < 0:
                    proposed[num_proposed] = f
                    num_proposed += 1
    return num_proposed


@njit(nogil=True, cache=True)
def _activation(exact: Any, codes: Any, start: int, f: int) -> float:
    """Activation of one filter before ReLU."""
    activation = 0.0
    for chunk in range(len(exact)):
        activation += exact[chunk, codes[start + 4 * chunk], f]
    return activation


@njit(nogil=True, cache=True)
def _find_active(activations: Any, threshold: Any, active: Any) -> int:
    """Fill in the filters whose activation is above their threshold; how many there are."""
    num_active = 0
    for f in range(len(threshold)):
        if activations[f] > threshold[f]:
            active[num_active] = f
            num_active += 1
    return num_active


@njit(nogil=True, cache=True)
def _count_window(active: Any, num_active: int, codes: Any, start: int, by_code: Any) -> None:
    """Count the window at `start` for the filters that it activates."""
    for chunk in range(len(by_code)):
        row = by_code[chunk, codes[start + 4 * chunk]]
        for i in range(num_active):
            row[active[i]] += 1


@njit(nogil=True, cache=True)
def _count_region(
    active: Any, num_active: int, region: int, last_region: Any, num_regions: Any
) -> None:
    """Count a region for the filters that it activates, once."""
    for i in range(num_active):
        f = active[i]
        if last_region[f] != region:
            last_region[f] = region
            num_regions[f] += 1
