"""The card of an exported model: what it refuses."""

import math

import pytest

from data.records import RecordError, from_values, to_values
from model.calibration import Calibration
from orchestrator.prediction.model_card import CardReplicate
from orchestrator.runs.run_metrics import RunMetrics

METRICS = RunMetrics(
    num_bound=1,
    num_unbound=1,
    num_train_regions=2,
    num_val_regions=2,
    num_test_regions=2,
    num_test_regions_seen_in_pretraining=0,
    mcc=0.5,
    auroc=0.75,
    average_precision=0.75,
    aucpr_trapezoid=0.75,
    precision=0.5,
    recall=0.5,
    best_epoch=1,
    best_val_loss=0.5,
    seconds=1.0,
)
CARD = CardReplicate(
    folder="replicate-1", output=0, calibration=Calibration(), key="k", metrics=METRICS
)


@pytest.mark.parametrize(("name", "value"), [("slope", math.nan), ("intercept", math.inf)])
def test_a_calibration_without_finite_numbers_is_refused(name, value):
    values = to_values(CARD)
    assert from_values(values, CardReplicate) == CARD
    values["calibration"][name] = value
    with pytest.raises(RecordError, match=f"{name} of the calibration is {value}"):
        from_values(values, CardReplicate)
