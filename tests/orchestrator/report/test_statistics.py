"""Bootstrap and tests against closed forms."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import matthews_corrcoef

from orchestrator.report.statistics import (
    Bootstrap,
    Interval,
    interval,
    mcc,
    outcome_counts,
    spearman,
    welch,
)
from orchestrator.report.words import confidence, counted, listed, number, p_value


def fraction_of_last(counts):
    return counts[..., -1] / counts.sum(axis=-1)


def test_outcomes_are_counted_label_first():
    bound = [True, True, True, False, False]
    first = [True, True, False, False, False]
    second = [True, False, False, False, True]
    counts = outcome_counts(bound, first, second)
    assert counts.tolist() == [1, 1, 0, 0, 1, 0, 1, 1]


def test_mcc_of_a_table_by_hand():
    # 35 true and 15 false unbound calls, 5 false and 45 true bound ones by the definition
    counts = [35, 15, 5, 45]
    assert mcc(counts) == pytest.approx([(45 * 35 - 15 * 5) / np.sqrt(60 * 50 * 50 * 40)])
    assert mcc([[0, 0, 5, 45], [35, 0, 5, 0]]).tolist() == [[0.0], [0.0]]


def test_mcc_of_two_models_equals_sklearns():
    rng = np.random.default_rng(3)
    bound = rng.random(300) < 0.4
    calls = [bound ^ (rng.random(300) < wrong) for wrong in (0.1, 0.4)]
    expected = [matthews_corrcoef(bound, called) for called in calls]
    assert mcc(outcome_counts(bound, *calls)) == pytest.approx(expected)


def test_regions_are_drawn_as_a_binomial_says():
    draws = Bootstrap().mean([[300, 100]], fraction_of_last)
    assert draws.std() == pytest.approx(np.sqrt(0.25 * 0.75 / 400), rel=0.08)
    ends = interval(draws)
    low, high = binom.ppf([0.025, 0.975], 400, 0.25) / 400
    assert ends.low == pytest.approx(low, abs=0.006)
    assert ends.high == pytest.approx(high, abs=0.006)


def test_replicates_are_drawn_with_replacement():
    # no noise of regions within a replicate: 0 in the first, 1 in the second
    draws = Bootstrap().mean([[10, 0], [0, 10]], fraction_of_last)
    values, counts = np.unique(draws, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    assert counts / len(draws) == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_a_replicate_drawn_twice_has_regions_drawn_twice():
    # the variance of a mean of two independent draws of one replicate, and no more
    one = Bootstrap().mean([[50, 50]], fraction_of_last).var()
    two = Bootstrap().mean([[50, 50], [50, 50]], fraction_of_last).var()
    assert two == pytest.approx(one / 2, rel=0.15)


def test_draws_of_replicates_are_common_to_all_tfs():
    boot = Bootstrap()
    noiseless = [[10, 0], [0, 10], [0, 10]]
    first, second = (boot.mean(noiseless, fraction_of_last) for _ in range(2))
    assert np.array_equal(first, second)


def test_arms_on_the_same_regions_are_drawn_together():
    called = np.arange(100) % 2 == 0
    draws = Bootstrap().mcc([outcome_counts(np.arange(100) < 50, called, called)])
    assert np.array_equal(draws[:, 0], draws[:, 1])
    assert draws[:, 0].std() > 0


def test_tfs_are_drawn_with_replacement():
    draws = np.repeat([[0.0], [1.0]], 2000, axis=1)
    values = Bootstrap().of_many(draws)
    assert sorted(set(values)) == [0, 0.5, 1]
    assert values.mean() == pytest.approx(0.5, abs=0.03)
    assert set(Bootstrap().of_many(draws[:1], np.median)) == {0}


def test_a_seed_gives_the_same_draws_and_another_gives_others():
    counts = [[35, 15, 5, 45]] * 2
    first, again, other = (Bootstrap(seed).mcc(counts) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_test_regions_are_refused():
    with pytest.raises(ValueError, match="no test region"):
        Bootstrap().mcc([[0, 0, 0, 0]])


def test_the_interval_leaves_out_two_and_a_half_percent_on_each_side():
    ends = interval(np.arange(1001))
    assert (ends.low, ends.high) == (pytest.approx(25), pytest.approx(975))
    assert Interval(0.1, 0.2).above_zero
    assert not Interval(-0.1, 0.2).above_zero
    assert Interval(-0.2, -0.1).below_zero


def test_welchs_t_by_its_formula():
    a, b = np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 6, 8])
    parts = a.var(ddof=1) / 4, b.var(ddof=1) / 5
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 4)
    test = welch(a, b)
    assert test is not None
    assert test.t == pytest.approx((a.mean() - b.mean()) / np.sqrt(sum(parts)))
    assert test.degrees_of_freedom == pytest.approx(degrees)
    assert 0.05 < test.p < 1


def test_spearman_is_of_ranks():
    related = spearman([1, 10, 100, 1000], [9, 3, 2, 1])
    assert related is not None
    assert related.rho == pytest.approx(-1)


@pytest.mark.parametrize(
    ("test", "first", "second"),
    [
        (welch, [1.0], [1.0, 2.0]),
        (welch, [1.0, 1.0], [2.0, 2.0]),
        (spearman, [1, 2], [3, 4]),
        (spearman, [900, 900, 900], [0.1, 0.2, 0.3]),
        (spearman, [1, 2, 3], [0.1, 0.1, 0.1]),
    ],
)
def test_what_cannot_be_tested_is_none(test, first, second):
    assert test(first, second) is None


def test_numbers_in_words():
    assert (number(-0.004), number(0.125, 3), number(-0.4)) == ("0.00", "0.125", "-0.40")
    assert confidence(Interval(-0.004, 0.15)) == "95 % CI 0.00 to 0.15"
    assert (p_value(0.0123), p_value(2.3e-7), p_value(0.0)) == (
        "p = 0.012",
        "p = 2e-07",
        "p < 1e-300",
    )
    assert (counted(1, "TF"), counted(1044, "run")) == ("1 TF", "1,044 runs")
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c"], limit=2) == "a, b and 1 more"
