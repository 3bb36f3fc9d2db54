"""Measures against values by hand."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from model.errors import ModelError
from model.metrics import Metrics, evaluate, evaluate_per_tf, mean_metrics


def f32(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_a_constant_predictor_on_half_bound() -> None:
    measured = evaluate(f32(1, 0, 1, 0), f32(0.3, 0.3, 0.3, 0.3))
    assert measured.aucpr_trapezoid == 0.75
    assert measured.average_precision == 0.5
    assert measured.auroc == 0.5
    assert measured.mcc == 0.0
    assert math.isnan(measured.precision)  # nothing is called bound
    assert measured.recall == 0.0
    assert (measured.num_bound, measured.num_unbound) == (2, 2)


def test_a_perfect_predictor() -> None:
    measured = evaluate(f32(1, 0, 1, 0), f32(0.9, 0.1, 0.5, 0.2))  # 0.5 is called bound
    values = asdict(measured)
    assert (values.pop("num_bound"), values.pop("num_unbound")) == (2, 2)
    assert set(values.values()) == {1.0}


def test_by_hand() -> None:
    # by falling score: 1 0 1 0; two called bound, one of them rightly
    measured = evaluate(f32(1, 0, 1, 0), f32(0.9, 0.8, 0.4, 0.1))
    assert measured.mcc == 0.0
    assert measured.auroc == 0.75  # 3 of 4 pairs in order
    assert measured.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # points (recall, precision): (0,1) (.5,1) (.5,.5) (1,2/3) (1,.5)
    assert measured.aucpr_trapezoid == pytest.approx(0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2)
    assert measured.precision == 0.5
    assert measured.recall == 0.5


def test_mcc_by_hand() -> None:
    # 3 true bound, 1 false bound, 1 false unbound, 5 true unbound: 14 / sqrt(4 * 6 * 4 * 6)
    labels = f32(1, 1, 1, 0, 1, 0, 0, 0, 0, 0)
    called = f32(1, 1, 1, 1, 0, 0, 0, 0, 0, 0)
    assert evaluate(labels, called).mcc == pytest.approx(14 / 24)


def test_mcc_of_many_regions_does_not_overflow() -> None:
    labels = np.tile(f32(1, 0), 200_000)
    assert evaluate(labels, labels).mcc == 1.0


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_only_is_nan_where_undefined(label: float) -> None:
    measured = evaluate(f32(label, label), f32(0.9, 0.1))
    for name in ("mcc", "auroc", "average_precision", "aucpr_trapezoid"):
        assert math.isnan(getattr(measured, name)), name
    assert measured.precision == label
    assert measured.recall == 0.5 if label else math.isnan(measured.recall)


def test_unresolved_labels_are_left_out() -> None:
    with_gaps = evaluate(f32(1, math.nan, 0, 1, math.nan), f32(0.9, 0.1, 0.2, 0.3, 0.7))
    assert with_gaps == evaluate(f32(1, 0, 1), f32(0.9, 0.2, 0.3))
    packed = np.array([1, -1, 0, 1, -1], dtype=np.int8)
    assert evaluate(packed, f32(0.9, 0.1, 0.2, 0.3, 0.7)) == with_gaps
    nothing = evaluate(f32(math.nan), f32(0.5))
    assert (nothing.num_bound, nothing.num_unbound) == (0, 0)
    assert math.isnan(nothing.mcc)
    assert math.isnan(nothing.precision)


def test_per_tf_and_their_mean() -> None:
    labels = np.stack([f32(1, 0, 1, 0), f32(0, 0, 0, 0)], axis=1)
    scores = np.stack([f32(0.9, 0.1, 0.8, 0.2), f32(0.9, 0.1, 0.2, 0.2)], axis=1)
    per_tf = evaluate_per_tf(labels, scores, ["SPI1", "MAX"])
    assert list(per_tf) == ["SPI1", "MAX"]
    assert per_tf["SPI1"] == evaluate(labels[:, 0], scores[:, 0])
    mean = mean_metrics(per_tf)
    assert isinstance(mean, Metrics)
    assert mean.mcc == 1.0  # undefined for MAX
    assert mean.precision == 0.5  # 1 and 0
    assert (mean.num_bound, mean.num_unbound) == (2, 6)
    assert math.isnan(mean_metrics({"MAX": per_tf["MAX"]}).mcc)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ModelError, match=r"\(2,\).*\(3,\)"):
        evaluate(f32(1, 0), f32(1, 0, 1))
    with pytest.raises(ModelError, match="NaN"):
        evaluate(f32(1, -1), f32(1, 0))
    with pytest.raises(ModelError, match="1 probabilities are not finite"):
        evaluate(f32(1, 0), f32(1, math.nan))
    with pytest.raises(ModelError, match="column for each TF"):
        evaluate_per_tf(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32), ["SPI1"])
