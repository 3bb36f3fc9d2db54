"""Intervals of draws, MCC of counts and tests against closed forms."""

import numpy as np
import pytest

from orchestrator.report.statistics import Interval, interval, mcc, spearman, welch
from orchestrator.report.words import confidence, counted, listed, number, p_value


def test_mcc_of_counts_by_hand():
    # of 50 bound regions 45 are called bound, of 50 unbound ones 15
    expected = (45 * 35 - 15 * 5) / np.sqrt(60 * 50 * 50 * 40)
    assert mcc(45, 15, 50, 50) == pytest.approx(expected)
    one_class, one_call, half = mcc([45, 0, 25], [0, 0, 25], [50, 50, 50], [0, 50, 50])
    assert (one_class, one_call, half) == (0, 0, 0)


def test_the_interval_leaves_out_two_and_a_half_percent_on_each_side():
    ends = interval(np.arange(1001))
    assert (ends.low, ends.high) == (pytest.approx(25), pytest.approx(975))
    assert Interval(0.1, 0.2).above_zero
    assert not Interval(-0.1, 0.2).above_zero
    assert Interval(-0.2, -0.1).below_zero


def test_undefined_draws_are_left_out_of_an_interval():
    ends = interval(np.array([np.nan, 0.2, 0.2, np.nan]))
    assert (ends.low, ends.high) == (0.2, 0.2)
    assert np.isnan(interval(np.array([np.nan])).low)


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
