"""The bootstrap against closed forms: what it draws in common, what for each, and how widely."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score

from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.calls import Calls, Predictions
from orchestrator.report.statistics import Interval, interval
from orchestrator.report.weighted_scores import SCORES, weighted_scores


def predictions(num: int, seed: int, skill: float = 1.0, first: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    bound = rng.random(num) < 0.4
    # rounded, so that there are ties
    logits = np.round(rng.normal(size=num) + skill * (bound - 0.5), 1)
    return Predictions(
        region_ids=np.arange(first, first + num),
        bound=bound,
        probability=(1 / (1 + np.exp(-logits))).astype(np.float32),
    )


def calls(num_right: int, num: int = 200, first: int = 0) -> Calls:
    """Half of the regions bound, and of each half the first `num_right` called right."""
    bound = np.arange(num) < num // 2
    right = np.arange(num) % (num // 2) < num_right
    ids = np.arange(first, first + num, dtype=np.int32)
    return Calls(region_ids=ids, bound=bound, called=bound == right, regions="")


def width(ends: Interval) -> float:
    return ends.high - ends.low


def spread(draws: NDArray[np.float64]) -> float:
    """Standard deviation, by quantiles: Student's t of one degree of freedom has none."""
    low, high = np.quantile(draws, [0.1587, 0.8413])
    return float(high - low) / 2


def test_scores_of_weighted_regions_are_those_of_regions_repeated_as_often() -> None:
    found = predictions(60, 1)
    weights = np.random.default_rng(2).integers(0, 4, (5, 60))
    for row, scores in zip(weights, weighted_scores(found, weights), strict=True):
        bound = np.repeat(found.bound, row)
        probability = np.repeat(found.probability, row)
        expected = [
            matthews_corrcoef(bound, probability >= 0.5),
            roc_auc_score(bound, probability),
            average_precision_score(bound, probability),
        ]
        assert scores == pytest.approx(expected)


def test_one_class_is_undefined_and_one_call_for_all_is_worth_nothing() -> None:
    found = predictions(40, 1)
    only_bound = found.bound.astype(np.int64)[None]
    assert np.isnan(weighted_scores(found, only_bound)).all()
    same = Predictions(
        region_ids=found.region_ids,
        bound=found.bound,
        probability=np.full(40, 0.2, dtype=np.float32),
    )
    mcc, auroc, precision = weighted_scores(same, np.ones((1, 40), dtype=np.int64))[0]
    assert (mcc, auroc) == (0, 0.5)
    assert precision == pytest.approx(found.bound.mean())


def test_regions_are_drawn_within_labels_as_a_binomial_says() -> None:
    # balanced and as often wrong in both labels, MCC is a + b - 1 to first order, a and b the
    # fractions called right
    draws = Bootstrap().mcc({"arm": [calls(80)]}).draws({"arm": 1.0})
    assert draws.mean() == pytest.approx(0.6, abs=0.005)
    assert draws.std() == pytest.approx(np.sqrt(2 * 0.8 * 0.2 / 100), rel=0.08)


def test_counting_and_ranking_draw_the_same_mcc() -> None:
    runs = [predictions(500, 1), predictions(500, 2, first=300), predictions(400, 3, first=9000)]
    counted = Bootstrap().mcc({"arm": runs})
    ranked = Bootstrap(num_rank_draws=2000).scores({"arm": runs})["mcc"]
    assert counted.values == pytest.approx(ranked.values)
    for one, other in zip(counted.regions[:, 0].T, ranked.regions[:, 0].T, strict=True):
        assert one.mean() == pytest.approx(other.mean(), abs=0.005)
        assert one.std() == pytest.approx(other.std(), rel=0.08)
    correlations = [np.corrcoef(one.regions[:, 0].T) for one in (counted, ranked)]
    assert correlations[0] == pytest.approx(correlations[1], abs=0.07)


def test_every_run_keeps_its_numbers_of_bound_and_unbound_regions() -> None:
    """Average precision follows the fraction bound: drawing it would add what is not there."""
    guesses = Predictions(
        region_ids=np.arange(60),
        bound=np.arange(60) < 30,
        probability=np.full(60, 0.5, dtype=np.float32),
    )
    ends = Bootstrap().scores({"arm": [guesses]})["average_precision"].of("arm")
    assert (ends.low, ends.high) == (0.5, 0.5)


def test_shared_regions_are_drawn_once_and_others_for_each() -> None:
    one = calls(80)
    # every second region of one is the other's too, and of those as many are called right
    ids = one.region_ids + 1000 * (one.region_ids % 2)
    half = replace(one, region_ids=ids.astype(np.int32))
    drawn = Bootstrap().mcc({"arm": [one, one, calls(80, first=5000), half]}).regions[:, 0]
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1]) < 0.07
    assert np.corrcoef(drawn[:, 0], drawn[:, 3])[0, 1] == pytest.approx(0.5, abs=0.06)


def test_replicates_that_agree_on_the_same_regions_are_no_further_evidence() -> None:
    one = predictions(400, 1)
    alone = Bootstrap().scores({"arm": [one]})
    three = Bootstrap().scores({"arm": [one] * 3})
    for name in SCORES:
        assert width(three[name].of("arm")) == pytest.approx(width(alone[name].of("arm")))


@pytest.mark.parametrize("num", [2, 3, 5])
def test_replicates_with_regions_of_their_own_vary_as_student_says(num: int) -> None:
    runs = [calls(70 + 4 * i, 2000, first=10_000 * i) for i in range(num)]
    drawn = Bootstrap(num_draws=20_000).mcc({"arm": runs})
    error = drawn.values.std(ddof=1) / np.sqrt(num)
    ends = interval(drawn.draws({"arm": 1.0}))
    # a tenth of the regions' variance, which is small here, comes on top
    expected = student.ppf(0.975, num - 1) * error
    assert width(ends) / 2 == pytest.approx(expected, rel=0.12)


def test_replicates_on_the_same_regions_have_their_common_noise_on_top() -> None:
    runs = [calls(700 + 10 * i, 2000) for i in range(3)]
    drawn = Bootstrap(num_draws=20_000).mcc({"arm": runs})
    common = drawn.regions[:, 0].mean(axis=1).std()
    error = drawn.values.std(ddof=1) / np.sqrt(3)
    normal = np.random.default_rng(0).normal(0, common, 200_000)
    both = normal + error * np.random.default_rng(1).standard_t(2, 200_000)
    assert spread(drawn.draws({"arm": 1.0})) == pytest.approx(spread(both), rel=0.05)


def test_replicates_that_agree_by_chance_do_not_end_all_doubt() -> None:
    runs = [calls(80, first=10_000 * i) for i in range(2)]
    alone = Bootstrap().mcc({"arm": runs[:1]}).of("arm")
    ends = Bootstrap().mcc({"arm": runs}).of("arm")
    assert 0.2 * width(alone) < width(ends) < 0.5 * width(alone)


def test_arms_are_drawn_together() -> None:
    first = [predictions(300, 1), predictions(300, 2, first=100)]
    drawn = Bootstrap().scores({"one": first, "same": first})
    for name in SCORES:
        ends = drawn[name].difference("one", "same")
        assert (ends.low, ends.high) == (0, 0)
        assert width(drawn[name].of("one")) > 0.01
    ends = Bootstrap().mcc({"one": first, "same": first}).difference("one", "same")
    assert (ends.low, ends.high) == (0, 0)


def test_arms_on_other_regions_are_drawn_apart() -> None:
    drawn = Bootstrap().mcc({"one": [calls(80)], "other": [calls(80, first=5000)]})
    both = drawn.draws({"one": 1.0, "other": -1.0}).std()
    assert both == pytest.approx(np.sqrt(2) * drawn.draws({"one": 1.0}).std(), rel=0.08)


def test_replicates_go_together_for_several_tfs() -> None:
    """A multi-model that is better for two TFs at once does not cancel in their draws."""
    boot = Bootstrap()
    runs = [calls(75, 20_000), calls(9000, 20_000)]
    first, second = (boot.mcc({"arm": runs}).draws({"arm": 1.0}) for _ in range(2))
    assert np.corrcoef(np.argsort(np.argsort(first)), np.argsort(np.argsort(second)))[0, 1] > 0.95


def test_the_mean_over_tfs_varies_as_student_says() -> None:
    values = np.array([0.1, 0.2, 0.4, 0.6])
    ends = interval(Bootstrap(num_draws=20_000).mean_over_tfs(values))
    half = student.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert ends.low == pytest.approx(values.mean() - half, abs=0.03)
    assert ends.high == pytest.approx(values.mean() + half, abs=0.03)
    assert set(Bootstrap().mean_over_tfs(values[:1])) == {0.1}


def test_tfs_are_drawn_with_replacement_for_their_median() -> None:
    draws = np.repeat([[0.0], [1.0]], 2000, axis=1)
    values = Bootstrap().median_over_tfs(draws)
    assert sorted(set(values)) == [0, 0.5, 1]
    assert values.mean() == pytest.approx(0.5, abs=0.03)


def test_a_seed_gives_the_same_draws_and_another_gives_others() -> None:
    runs = {"arm": [predictions(100, 1), predictions(100, 2)]}
    first, again, other = (Bootstrap(seed) for seed in (0, 0, 1))

    def drawn(boot: Bootstrap) -> list[NDArray[np.float64]]:
        of_scores = [one.draws({"arm": 1.0}) for one in boot.scores(runs).values()]
        return [boot.mcc(runs).draws({"arm": 1.0}), *of_scores]

    of_first, of_again, of_other = drawn(first), drawn(again), drawn(other)
    for one, same, else_ in zip(of_first, of_again, of_other, strict=True):
        assert np.array_equal(one, same)
        assert not np.array_equal(one, else_)


def test_scores_stay_within_what_they_can_be() -> None:
    unlike = [predictions(50, 1, 6), predictions(50, 2, 0, first=90)]
    drawn = Bootstrap().scores({"arm": unlike})
    ends = {name: drawn[name].of("arm") for name in SCORES}
    assert {name: (one.low, one.high) for name, one in ends.items()} == {
        "mcc": (-1, 1),
        "auroc": (0, 1),
        "average_precision": (0, 1),
    }


def test_a_difference_is_no_larger_than_scores_can_differ() -> None:
    one = [predictions(50, 1, 6), predictions(50, 2, 0, first=90)]
    other = [predictions(50, 3, 0), predictions(50, 4, 6, first=90)]
    drawn = Bootstrap().scores({"one": one, "other": other})
    ends = {name: drawn[name].difference("one", "other") for name in SCORES}
    assert {name: (found.low, found.high) for name, found in ends.items()} == {
        "mcc": (-2, 2),
        "auroc": (-1, 1),
        "average_precision": (-1, 1),
    }


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="no test region"):
        Bootstrap().mcc({"arm": [calls(0, 0)]})
    with pytest.raises(ValueError, match="the same replicates; they have 'one' 1, 'two' 2"):
        Bootstrap().mcc({"one": [calls(80)], "two": [calls(80)] * 2})
