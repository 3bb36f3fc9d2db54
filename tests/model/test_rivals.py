"""Classifiers without a network: what they learn, and what they refuse."""

import numpy as np
import pytest

from model.errors import ModelError
from model.rivals import k_mer_probabilities, logistic_probabilities

RNG = np.random.default_rng(0)
BOUND = RNG.random(200) < 0.5
FEATURES = np.column_stack([BOUND + RNG.normal(0, 0.3, 200), RNG.normal(50, 9, 200), np.ones(200)])


def test_a_regression_finds_the_feature_that_counts_whatever_the_scale_of_others() -> None:
    found = logistic_probabilities(FEATURES[:100], BOUND[:100], FEATURES[100:], strength=1.0)
    assert ((found > 0.5) == BOUND[100:]).mean() > 0.9
    scaled = FEATURES * [1000, 0.001, 1]
    again = logistic_probabilities(scaled[:100], BOUND[:100], scaled[100:], strength=1.0)
    assert np.allclose(found, again, atol=1e-3)


def test_a_support_vector_machine_learns_a_word_and_says_the_same_each_time() -> None:
    codes = RNG.integers(0, 4, (200, 48))
    codes[BOUND, 20:28] = [2, 0, 3, 3, 0, 1, 0, 2]
    sequences = (codes.reshape(200, -1, 4) << np.arange(0, 8, 2)).sum(axis=2).astype(np.uint8)
    given = (sequences[:100], BOUND[:100], sequences[100:])
    for span in (6, 8):
        found = k_mer_probabilities(*given, num_bases=6, max_span=span)
        assert ((found > 0.5) == BOUND[100:]).mean() > 0.9
        assert np.array_equal(found, k_mer_probabilities(*given, num_bases=6, max_span=span))


def test_one_class_teaches_nothing() -> None:
    nothing = np.zeros(100, dtype=bool)
    with pytest.raises(ModelError, match="0 bound and 100 unbound regions to learn from"):
        logistic_probabilities(FEATURES[:100], nothing, FEATURES[100:], strength=1.0)
    with pytest.raises(ModelError, match="0 bound and 100 unbound"):
        sequences = np.zeros((100, 12), dtype=np.uint8)
        k_mer_probabilities(sequences, nothing, sequences, num_bases=6, max_span=6)
