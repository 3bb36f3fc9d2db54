"""The rule of a verdict: which numbers make a model good, doubtful or useless."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.report.statistics import Interval
from orchestrator.verdict.arms import MOTIF, OPENNESS, SCRATCH, TRANSFER, WITH_OPENNESS
from orchestrator.verdict.numbers import CalibrationCheck, Numbers, Value, check_calibration
from orchestrator.verdict.rule import Level, conclude


def value(low: float, middle: float, high: float) -> Value:
    return Value(value=middle, ends=Interval(low=low, high=high))


OVER_NOTHING = value(-0.1, 0.0, 0.1)
GOOD, OVER_MOTIF, OVER_SCRATCH = value(0.5, 0.6, 0.7), value(0.1, 0.2, 0.3), value(0.2, 0.3, 0.4)


def numbers(
    mcc: Value = GOOD,
    motif: Value | None = OVER_MOTIF,
    motif_precision: Value = OVER_NOTHING,
    scratch: Value = OVER_SCRATCH,
    **others: object,
) -> Numbers:
    """Numbers of a model that is good enough, unless told otherwise."""
    gains = {SCRATCH: {"mcc": scratch}}
    if motif is not None:
        gains[MOTIF] = {"mcc": motif, "average_precision": motif_precision}
    good = Numbers(
        tf="MINE",
        arms={TRANSFER: {"mcc": mcc}},
        gains=gains,
        steps=(),
        outlook=None,
        calibration=CalibrationCheck(bins=(), brier=0.1, error=0.0),
        num_replicates=3,
        num_bound=500,
        num_train_bound=400,
        num_val_bound=40,
        num_test_bound=60,
        num_test=120,
        num_seen=0,
        sites="predicted",
        split="tested on chr1, validated on chr2",
        start_key="0" * 16,
        start_tfs=("A", "B"),
        start_name="2 TFs, masked",
        keys=("1" * 16,),
    )
    return replace(good, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "level", "words"),
    [
        (numbers(), Level.GOOD, "MINE: good enough to use, MCC 0.60 (0.50 to 0.70)."),
        (numbers(motif=None), Level.GOOD, "good enough"),
        (numbers(value(0.4, 0.49, 0.6)), Level.CARE, "because its MCC is below 0.5."),
        (numbers(value(0.35, 0.52, 0.7)), Level.CARE, "its MCC may be below 0.4"),
        (numbers(num_test_bound=29), Level.CARE, "tested on only 29 bound regions"),
        (numbers(motif=value(-0.1, 0.1, 0.3)), Level.CARE, "the motif alone may be as good"),
        (
            numbers(motif=value(-0.1, 0.0, 0.1), motif_precision=value(0.1, 0.2, 0.3)),
            Level.GOOD,
            "good enough",
        ),
        (
            numbers(motif=value(-0.3, -0.2, -0.1), motif_precision=value(0.1, 0.2, 0.3)),
            Level.CARE,
            "the motif alone calls regions better, though it ranks them worse",
        ),
        (numbers(scratch=value(-0.3, -0.2, -0.1)), Level.CARE, "`--arm scratch`"),
        (numbers(sites="none"), Level.GOOD, "MCC 0.60 (0.50 to 0.70) by peaks alone."),
        (
            numbers(sites="none", motif=value(-0.1, 0.1, 0.3)),
            Level.CARE,
            "by peaks alone, because the motif alone may be as good",
        ),
        (
            numbers(value(0.1, 0.2, 0.3), sites="none"),
            Level.DO_NOT,
            "by peaks alone, because its MCC is below 0.3",
        ),
        (numbers(num_seen=1200), Level.CARE, "1,200 test regions were seen"),
        (numbers(value(0.1, 0.2, 0.3)), Level.DO_NOT, "its MCC is below 0.3"),
        (numbers(value(-0.1, 0.4, 0.8)), Level.DO_NOT, "its MCC may be 0"),
        (
            numbers(motif=value(-0.3, -0.2, -0.1)),
            Level.DO_NOT,
            "the motif alone is better by 0.20 MCC (0.10 to 0.30)",
        ),
    ],
)
def test_the_rule(case: Numbers, level: Level, words: str):
    found = conclude(case)
    assert found.level is level
    assert words in found.sentence
    assert bool(found.reasons) is (level is not Level.GOOD)


def test_the_rule_goes_by_the_best_rival() -> None:
    case = numbers()
    better = {"mcc": value(-0.3, -0.2, -0.1), "average_precision": OVER_NOTHING}
    as_good = {"mcc": value(-0.1, 0.05, 0.2), "average_precision": OVER_NOTHING}
    beaten = {"mcc": value(0.3, 0.4, 0.5), "average_precision": OVER_NOTHING}
    found = conclude(replace(case, gains={**case.gains, "all motifs": as_good, "gkm-SVM": beaten}))
    assert found.level is Level.CARE
    assert found.reasons == ("the rival all motifs may be as good",)
    found = conclude(replace(case, gains={**case.gains, "all motifs": as_good, "gkm-SVM": better}))
    assert found.level is Level.DO_NOT
    assert found.reasons == ("the rival gkm-SVM is better by 0.20 MCC (0.10 to 0.30)",)


@pytest.mark.parametrize(
    ("mcc", "precision", "alone", "words"),
    [
        (value(-0.3, -0.2, -0.1), OVER_NOTHING, GOOD, "tells bound ones better"),
        (OVER_NOTHING, OVER_NOTHING, GOOD, "may tell bound ones as well"),
        (OVER_NOTHING, value(0.1, 0.2, 0.3), GOOD, ""),
        (value(0.1, 0.2, 0.3), OVER_NOTHING, GOOD, ""),
        # too few test regions to say anything of openness
        (value(-0.1, 0.2, 0.6), OVER_NOTHING, value(-0.1, 0.06, 0.2), ""),
    ],
)
def test_openness_that_tells_as_much_is_a_doubt_and_no_rival(mcc, precision, alone, words) -> None:
    case = numbers()
    told = {"mcc": mcc, "average_precision": precision}
    arms = {**case.arms, OPENNESS: {"mcc": alone}}
    found = conclude(replace(case, arms=arms, gains={**case.gains, OPENNESS: told}))
    assert found.level is (Level.CARE if words else Level.GOOD)
    doubt = f"how open a region is {words}"
    assert found.reasons == ((doubt,) if words else ())
    helps = {**case.gains, OPENNESS: told, WITH_OPENNESS: {"mcc": value(-0.2, -0.1, -0.05)}}
    found = conclude(replace(case, arms=arms, gains=helps))
    assert found.reasons == ((f"{doubt} (predict with `--openness`)",) if words else ())


def test_an_undefined_mcc_is_no_recommendation():
    nan = float("nan")
    assert conclude(numbers(value(nan, nan, nan))).level is Level.DO_NOT


def test_calibration_of_true_probabilities_is_near_the_diagonal_and_of_sharpened_ones_is_not():
    rng = np.random.default_rng(0)
    true = rng.random(5000).astype(np.float32)
    bound = rng.random(5000) < true
    good = check_calibration(true, bound)
    assert sum(one.num for one in good.bins) == 5000
    assert good.error < 0.03
    assert good.brier == pytest.approx(1 / 6, abs=0.01)
    sharp = check_calibration(np.round(true), bound)
    assert sharp.error > 0.2
    assert sharp.brier > good.brier + 0.05
