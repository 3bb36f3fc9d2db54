"""Thresholds of a verdict: what they do to test regions, and at another rate of binding."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from data.dataset.added import OwnRegions
from data.dataset.evidence_file import evidence_path, write_evidence
from data.dataset.store import Dataset
from data.schema import Evidence
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.verdict.card_tables import strongest_bases, threshold_caption, threshold_rows
from orchestrator.verdict.examples import ShownRegion
from orchestrator.verdict.operating import (
    ASSUMED_RATE,
    Scored,
    binding_rate,
    curve,
    operating,
    point,
    precision_at,
)
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset
from tests.orchestrator.verdict.test_rule import numbers

BOUND = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
PROBABILITY = np.array([0.95, 0.8, 0.6, 0.2, 0.7, 0.4, 0.3, 0.1, 0.05, 0.01], dtype=np.float32)
SCORED = Scored(probability=PROBABILITY, bound=BOUND)


def test_a_threshold_is_counted_and_carried_over_to_another_rate():
    half = point(SCORED, 0.5, rate=0.01)
    assert (half.recall, half.precision) == (0.75, 0.75)
    assert half.false_positive_rate == pytest.approx(1 / 6)
    assert half.f1 == pytest.approx(0.75)
    # of 10,000 regions 100 are bound, of which 75 are found, and 1,650 others are called
    assert half.precision_at_rate == pytest.approx(75 / (75 + 1650))
    assert not half.is_bound
    assert precision_at(0.4, half.recall, half.false_positive_rate) == pytest.approx(0.75)


def test_where_no_unbound_region_is_called_the_precision_is_only_known_to_be_at_least_so_high():
    strict = point(SCORED, 0.9, rate=0.01)
    assert (strict.recall, strict.precision, strict.is_bound) == (0.25, 1.0, True)
    assert strict.precision_at_rate == pytest.approx(precision_at(0.01, 0.25, 3 / 6))
    nothing = point(SCORED, 0.99, rate=0.01)
    assert (nothing.recall, nothing.precision, nothing.precision_at_rate) == (0.0, 0.0, 0.0)
    assert (nothing.f1, nothing.is_bound) == (0.0, False)


def test_curves_have_the_areas_of_the_scores():
    rng = np.random.default_rng(0)
    bound = rng.random(80) < 0.4
    scored = Scored(probability=(rng.random(80) + bound).astype(np.float32), bound=bound)
    found = curve("transfer", scored)
    area = np.trapezoid(found.recall, found.false_positive_rate)
    assert area == pytest.approx(roc_auc_score(bound, scored.probability), abs=0.01)
    steps = np.diff(found.recall, prepend=0.0) * np.array(found.precision)
    expected = average_precision_score(bound, scored.probability)
    assert steps.sum() == pytest.approx(expected, abs=0.02)


def test_the_table_says_its_rate_and_marks_bounds():
    found = operating(SCORED, [("motif alone", SCORED)], "transfer", 0.02, "2 of 100 open regions")
    assert [one.arm for one in found.curves] == ["transfer", "motif alone"]
    rows = threshold_rows(found)
    assert rows[2][:4] == ("0.50", "0.75", "0.75", "0.75")
    assert rows[-1][4].startswith("≥ ")
    said = threshold_caption(found, numbers())
    assert "40 % are bound, and at a rate of 2 % (2 of 100 open regions)" in said
    assert "at least this high" in said
    assert "from a calibrated probability" in said
    assert "from a probability" in threshold_caption(found, numbers(learns_from_val=True))


def test_the_rate_is_the_datasets_or_assumed_where_it_has_hardly_other_regions(tmp_path):
    dataset = tiny_dataset(tmp_path / "dataset")
    rate, words = binding_rate(dataset, "SPI1")
    assert rate == ASSUMED_RATE  # 40 % of its regions are bound
    assert words.startswith("assumed")
    codes = np.full(dataset.num_regions, Evidence.UNBOUND, dtype=np.uint8)
    codes[:4] = Evidence.BOUND
    write_evidence(evidence_path(dataset.path, "RARE"), codes, None)
    loaded = load_dataset(Workspace(tmp_path))
    assert binding_rate(loaded.dataset, "RARE") == (0.01, "4 of 400 open regions of the dataset")
    own = OwnRegions(unbound="accessible", genome="genome.fa")
    made = Dataset(loaded.dataset.path, replace(loaded.dataset.manifest, own_regions=own))
    assert binding_rate(made, "RARE") == (
        ASSUMED_RATE,
        "assumed, since the regions were made of your own peaks",
    )


def test_the_terminal_shows_the_bases_that_contribute_most():
    bases = "A" * 50 + "GATA" + "C" * 46
    values = np.zeros(100)
    values[50:54] = (1.0, 2.0, 0.2, 1.0)
    region = ShownRegion(
        region="chr1:0-100", probability=0.9, bases=bases, contributions=tuple(values.tolist())
    )
    shown = strongest_bases(region)
    assert len(shown) == 30
    assert "GAtA" in shown
    assert shown.replace("GAtA", "").islower()
