"""Bounds of filters' activations in 8 bits, compared with a level for 64 filters at a time.

A filter's activation is a sum of one share per chunk of four bases. A *deficit* says how far a
share is below the best one of its chunk, in units of about a 250th of what the whole sum may lack
of the filter's best before it is at a level. Deficits are rounded down, so their sum is at most the
true one, and less than one unit per chunk below it: where it is high the activation is not above
the level, where it is low the activation is, and in a narrow band between only the exact sum
tells. Sums stop at 255, beyond any level.

Legend: B blocks of 64 filters, C chunks of four bases, F filters.
"""

import math
from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir  # numba's own, as its intrinsics are written in it
from numba import njit, types
from numba.core import cgutils
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES: Final = 64
"""Filters in a block: a bit each in a word, a byte each in a cache line."""
_UNITS: Final = 250
"""Units between a filter's best and the level: what remains to 255 is for rounding."""
_PRECISION: Final = 1e-9
"""Smallest unit, as a part of the shares, beside which errors of double precision are nothing."""


class Bounds(NamedTuple):
    """Deficits for levels that are not below those they were made for."""

    deficits: NDArray[np.uint8]
    """Shape (B, C, 256, 64)."""
    best: NDArray[np.float64]
    """What no activation is above, shape (F,)."""
    units: NDArray[np.float64]
    """Activation that a deficit of 1 stands for, shape (F,)."""


def bounds_from(exact: NDArray[np.float64], level: NDArray[np.float64]) -> Bounds:
    """Bounds for levels from `level` on, shape (F,), of the exact shares, shape (C, 256, F)."""
    num_chunks, num_codes, num_filters = exact.shape
    best_shares = exact.max(axis=1)
    # added in the same order as an activation, so that rounding brings none above it
    best = reduce(np.add, best_shares)
    smallest = _PRECISION * np.abs(exact).max(axis=1).sum(axis=0)
    units = np.maximum((best - level) / _UNITS, smallest)
    units[units == 0] = 1.0
    deficits = np.minimum((best_shares[:, None] - exact) / units, 255).astype(np.uint8)
    blocks = np.pad(deficits, ((0, 0), (0, 0), (0, -num_filters % LANES)))
    blocks = blocks.reshape(num_chunks, num_codes, -1, LANES).transpose(2, 0, 1, 3)
    return Bounds(_at_cache_lines(blocks), best, units)


def _at_cache_lines(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy an array to where a cache line begins, so that each 64 bytes are one."""
    room = np.empty(array.size + LANES, dtype=np.uint8)
    copy = room[-room.ctypes.data % LANES :][: array.size].reshape(array.shape)
    copy[...] = array
    return copy


@njit(nogil=True, cache=True)
def limits_at(bounds: Any, level: Any) -> Any:
    """Limits of all filters, see :func:`set_limits`, uint8 (2, F padded)."""
    limits = np.zeros((2, len(bounds.deficits) * LANES), dtype=np.uint8)
    for f in range(len(level)):
        set_limits(limits, bounds, f, level[f])
    return limits


@njit(nogil=True, cache=True)
def set_limits(limits: Any, bounds: Any, f: int, level: float) -> None:
    """Set the sums below which filter `f` may be, and surely is, above a level; 0 for never."""
    if level >= bounds.best[f]:
        limits[:, f] = 0
        return
    lacking = math.floor((bounds.best[f] - level) / bounds.units[f])
    # one unit is for the part cut off here, one for rounding
    limits[0, f] = lacking + 2
    limits[1, f] = max(lacking - bounds.deficits.shape[1], 0)


def _compare(
    _context: Any, deficits: Any, block: Any, codes: Any, start: Any, limits: Any
) -> tuple[Any, Any]:
    """Bits of the filters of a block whose sum at `start` is below the first and second limit.

    Compiled to a handful of vector instructions: numba would add bytes as 64-bit numbers.
    `codes` are of the four bases from each position on, uintp.
    """
    returns = types.UniTuple(types.uint64, 2)
    row = ir.VectorType(ir.IntType(8), LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, block, _, start, _ = arguments

        def at(argument: int, *index: Any) -> Any:
            of_type = signature.args[argument]
            array = context.make_array(of_type)(context, builder, arguments[argument])
            return cgutils.get_item_pointer(context, builder, of_type, array, index)

        def load_row(argument: int, *index: Any) -> Any:
            pointer = builder.bitcast(at(argument, *index), row.as_pointer())
            return builder.load(pointer, align=1)

        add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(row, [row, row]), f"llvm.uadd.sat.v{LANES}i8"
        )
        zero = context.get_constant(types.intp, 0)
        total = cgutils.alloca_once_value(builder, ir.Constant(row, [0] * LANES))
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        num_chunks = builder.extract_value(array.shape, 1)
        with cgutils.for_range(builder, num_chunks) as chunk:
            position = builder.add(start, builder.shl(chunk.index, zero.type(2)))
            code = builder.load(at(2, position))
            shares = load_row(0, block, chunk.index, code, zero)
            builder.store(builder.call(add, [builder.load(total), shares]), total)
        first = builder.mul(block, zero.type(LANES))
        masks = []
        for limit in (zero, zero.type(1)):
            below = builder.icmp_unsigned("<", builder.load(total), load_row(4, limit, first))
            masks.append(builder.bitcast(below, ir.IntType(LANES)))
        return context.make_tuple(builder, returns, masks)

    return returns(deficits, block, codes, start, limits), generate


# called without the context
compare: Any = intrinsic(_compare)
_trailing_zeros: Any = trailing_zeros


@njit(nogil=True, cache=True)
def filter_of(block: Any, mask: Any) -> Any:
    """Which filter the lowest bit of a block's mask is of, uint64; none of the block if it is 0."""
    return np.uint64(block * LANES) + _trailing_zeros(mask)


@njit(nogil=True, cache=True)
def without_first(mask: Any) -> Any:
    """Mask without its lowest bit."""
    return mask & (mask - np.uint64(1))
