"""Strata of openness: unbound regions drawn by them are as open as bound ones."""

import numpy as np
import pytest

from data.dataset.gc_matching import Strata
from data.dataset.openness_matching import openness_strata

NUM, NUM_BIOSAMPLES = 20_000, 9


@pytest.fixture
def world() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bound regions are open in more biosamples, and the first biosample has most of them."""
    rng = np.random.default_rng(0)
    bound = rng.random(NUM) < 0.03
    chance = np.where(bound, 0.5, 0.35)[:, None] * np.ones(NUM_BIOSAMPLES)
    chance[:, 0] = np.where(bound, 0.8, 0.4)
    open_in = rng.random((NUM, NUM_BIOSAMPLES)) < chance
    return open_in, np.flatnonzero(bound), np.flatnonzero(~bound)


def test_unbound_regions_are_as_open_as_bound_ones_in_each_biosample_and_in_number(world):
    open_in, bound, unbound = world
    strata = openness_strata(open_in, bound, unbound)
    gc = np.full(NUM, 0.5, dtype=np.float32)
    rng = np.random.default_rng(1)

    def differences(drawn):
        """Largest difference of a biosample's open fraction, and that of the mean number."""
        by_class = (open_in[bound], open_in[drawn])
        fractions = [one.mean(axis=0) for one in by_class]
        numbers = [one.sum(axis=1).mean() for one in by_class]
        return abs(fractions[0] - fractions[1]).max(), abs(numbers[0] - numbers[1])

    by_gc = differences(Strata(gc=gc).matched(rng, bound, unbound))
    matched = differences(Strata(gc=gc, openness=strata).matched(rng, bound, unbound))
    assert by_gc[0] > 0.3
    assert by_gc[1] > 1
    assert matched[0] < 0.08
    assert matched[1] < 0.15


def test_gc_is_matched_beside_openness(world):
    open_in, bound, unbound = world
    rng = np.random.default_rng(2)
    gc = rng.uniform(0.2, 0.7, NUM).astype(np.float32)
    gc[bound] = rng.uniform(0.4, 0.7, len(bound))
    strata = Strata(gc=gc, openness=openness_strata(open_in, bound, unbound))
    drawn = strata.matched(rng, bound, unbound)
    assert abs(gc[drawn].mean() - gc[bound].mean()) < 0.05
    assert abs(gc[unbound].mean() - gc[bound].mean()) > 0.08


def test_regions_open_in_the_same_biosamples_share_a_stratum_whatever_the_class(world):
    open_in, bound, unbound = world
    strata = openness_strata(open_in, bound, unbound)
    _, pattern = np.unique(open_in, axis=0, return_inverse=True)
    strata_of = [set(strata[pattern == one]) for one in range(pattern.max() + 1)]
    assert all(len(one) == 1 for one in strata_of)
    assert len(set(strata)) > 5


@pytest.mark.parametrize("missing", ["bound", "unbound"])
def test_without_one_of_the_classes_there_is_one_stratum(world, missing):
    open_in, bound, unbound = world
    none = np.zeros(0, dtype=np.int64)
    classes = (none, unbound) if missing == "bound" else (bound, none)
    assert set(openness_strata(open_in, *classes)) == {0}


def test_where_all_are_equally_open_there_is_one_stratum():
    open_in = np.ones((40, 3), dtype=bool)
    strata = openness_strata(open_in, np.arange(10), np.arange(10, 40))
    assert set(strata) == {0}
