"""Bounds of activations: beside sums in double precision, and at the ends of their range."""

import numpy as np
import pytest
from numba import njit

from model.interpretation.filter_bounds import LANES, bounds_from, compare, limits_at
from model.interpretation.filter_scan import Tables


@njit
def masks_of(deficits, codes, limits):
    """Words of both masks for each block, for the window at 0."""
    masks = np.empty((2, len(deficits)), dtype=np.uint64)
    for block in range(len(deficits)):
        masks[0, block], masks[1, block] = compare(deficits, block, codes, 0, limits)
    return masks


def may_and_does(exact: np.ndarray, level: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Whether each filter may be, and is, above its level for a code in each chunk; (2, F)."""
    bounds = bounds_from(exact, level)
    at = np.zeros(4 * len(codes), dtype=np.uintp)
    at[::4] = codes
    masks = masks_of(bounds.deficits, at, limits_at(bounds, level))
    bits = np.unpackbits(masks.view(np.uint8), axis=1, bitorder="little").astype(bool)
    assert bits.shape[1] % LANES == 0
    assert not bits[:, exact.shape[2] :].any(), "filters that only fill up a block"
    return bits[:, : exact.shape[2]]


def sums(exact: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Activations, added in order."""
    total = np.zeros(exact.shape[2])
    for chunk, code in enumerate(codes):
        total += exact[chunk, code]
    return total


@pytest.mark.parametrize("num_chunks", [1, 5, 9])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e6])
@pytest.mark.parametrize("bias", [0.0, -2.0, 1e3, 1e9])
def test_what_is_above_a_level_may_be_and_what_surely_is_is(num_chunks, size, bias):
    rng = np.random.default_rng(num_chunks)
    exact = rng.normal(size=(num_chunks, 256, 70)) * size
    exact[0] += bias * size
    decided = []
    for _ in range(50):
        codes = rng.integers(0, 256, num_chunks)
        activation = sums(exact, codes)
        # at the activation itself, at its neighbours, and anywhere
        for level in (
            activation,
            np.nextafter(activation, -np.inf),
            np.nextafter(activation, np.inf),
            activation + rng.normal(scale=10, size=70) * size,
        ):
            may, does = may_and_does(exact, level, codes)
            above = activation > level
            assert not (above & ~may).any()
            assert not (does & ~above).any()
        decided.append((may == does).mean())
    if bias <= 0:
        assert np.mean(decided) > 0.8, "few are left to the exact sum"


def test_deficits_that_are_too_much_for_a_byte_stop_at_255():
    exact = np.zeros((6, 256, 2))
    exact[:, 0] = 1.0
    exact[0, 1] = -1e6
    # best 6; level 5.9: a unit is 0.0004, and each chunk without its best share lacks 2,500 of them
    level = np.full(2, 5.9)
    for codes, expected in (([0] * 6, True), ([1] + [0] * 5, False), ([2] * 6, False)):
        may, does = may_and_does(exact, level, np.array(codes))
        assert may.tolist() == does.tolist() == [expected, expected]


def test_a_filter_without_weights_is_above_no_level_from_its_bias_on():
    exact = np.zeros((5, 256, 3))
    exact[0] += [0.0, 0.5, -0.5]
    codes = np.zeros(5, dtype=int)
    assert not may_and_does(exact, np.array([0.0, 0.5, 0.0]), codes).any()
    may, _ = may_and_does(exact, np.array([-1e-9, 0.25, -1.0]), codes)
    assert may.all()


def test_maxima_are_found_before_and_after_bounds_are_made_finer():
    exact = np.random.default_rng(0).normal(size=(5, 256, 100))
    packed = np.random.default_rng(1).integers(0, 256, (120, 5)).astype(np.uint8)
    tables = Tables(exact=exact, width_bp=20)
    found = tables.highest(packed)
    one_by_one = [tables.highest(packed[i : i + 1]) for i in range(len(packed))]
    np.testing.assert_array_equal(found, np.max(one_by_one, axis=0))
    assert len({int(row) for row in np.argmax(one_by_one, axis=0) // 50}) == 3
    # both strands of the one window that a region has
    complement = 255 - packed[:, ::-1]
    bases = complement[:, :, None] >> np.array([6, 4, 2, 0], dtype=np.uint8) & 3
    turned = (bases << np.array([0, 2, 4, 6], dtype=np.uint8)).sum(axis=2)
    both = [sums(exact, region) for region in [*packed, *turned]]
    np.testing.assert_array_equal(found, np.maximum(np.max(both, axis=0), 0))
