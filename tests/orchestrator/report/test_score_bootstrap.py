"""Intervals of a verdict: scores of weighted regions are scikit-learn's, draws go together."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score

from orchestrator.report.calls import Predictions
from orchestrator.report.score_bootstrap import ends_of, score_draws, weighted_scores


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


def test_scores_of_weighted_regions_are_those_of_regions_repeated_as_often():
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


def test_one_class_is_undefined_and_one_call_for_all_is_worth_nothing():
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


def test_arms_are_drawn_together():
    first = [predictions(300, 1), predictions(300, 2, first=100)]
    draws = score_draws({"one": first, "same": first}, num_draws=50)
    assert draws["one"].shape == (50, 3)
    assert (draws["one"] == draws["same"]).all()
    assert np.ptp(draws["one"][:, 0]) > 0.01


def test_replicates_on_the_same_regions_are_no_further_evidence():
    """Three replicates tested on the same regions narrow no interval, on others they do."""
    one = predictions(400, 1)
    others = [predictions(400, seed, first=1000 * seed) for seed in (1, 2, 3)]

    def width(replicates: list[Predictions]) -> float:
        ends = ends_of(score_draws({"arm": replicates}, num_draws=600)["arm"][:, 0])
        return ends.high - ends.low

    assert width([one] * 3) == pytest.approx(width([one]), rel=0.15)
    assert width(others) < 0.95 * width([one])


def test_arms_on_other_regions_are_refused():
    with pytest.raises(ValueError, match="arm 'two' was tested on other regions"):
        score_draws({"one": [predictions(30, 1)], "two": [predictions(30, 1, first=5)]})


def test_undefined_draws_are_left_out_of_an_interval():
    ends = ends_of(np.array([np.nan, 0.2, 0.2, np.nan]))
    assert (ends.low, ends.high) == (0.2, 0.2)
    assert np.isnan(ends_of(np.array([np.nan])).low)
