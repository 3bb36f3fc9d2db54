"""Transfer with openness: every region by what was fitted to others, or nothing at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.schema import Evidence
from orchestrator.report.calls import Predictions
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.verdict.across import NUM_PARTS
from orchestrator.verdict.openness import with_openness
from tests.helpers.tiny import tiny_dataset

NUM = 400


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedDataset:
    path = tmp_path_factory.mktemp("opened") / "dataset"
    tiny_dataset(path, NUM, opened=True)
    return LoadedDataset(path)


@pytest.fixture
def predicted(loaded: LoadedDataset) -> Predictions:
    """A model that tells little, of all regions."""
    bound = loaded.column("SPI1") == Evidence.BOUND
    logits = np.random.default_rng(0).normal(0, 1, NUM) + 0.5 * bound
    probability = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Predictions(region_ids=np.arange(NUM), bound=bound, probability=probability)


def test_openness_tells_more_and_a_part_has_no_say_in_its_own_predictions(loaded, predicted):
    (found,) = with_openness(loaded, [predicted])
    assert (found.called == found.bound).mean() > (predicted.called == predicted.bound).mean() + 0.1
    assert np.array_equal(found.region_ids, predicted.region_ids)
    first = np.arange(NUM) < NUM // NUM_PARTS
    otherwise = replace(predicted, bound=np.where(first, ~predicted.bound, predicted.bound))
    (again,) = with_openness(loaded, [otherwise])
    assert np.array_equal(again.probability[first], found.probability[first])
    assert not np.array_equal(again.probability[~first], found.probability[~first])


def test_folds_are_the_parts_where_there_are_any(loaded, predicted):
    fold = np.arange(NUM) % 3
    (found,) = with_openness(loaded, [replace(predicted, fold=fold)])
    turned = replace(predicted, fold=fold, bound=predicted.bound ^ (fold == 1))
    (again,) = with_openness(loaded, [turned])
    assert np.array_equal(again.probability[fold == 1], found.probability[fold == 1])


def test_where_nothing_can_be_fitted_there_is_nothing(loaded, predicted, tmp_path: Path):
    few = np.zeros(NUM, dtype=np.bool_)
    few[:NUM:50] = True
    assert with_openness(loaded, [predicted, replace(predicted, bound=few)]) == ()
    in_one_part = np.arange(NUM) < 20
    assert with_openness(loaded, [replace(predicted, bound=in_one_part)]) == ()
    tiny_dataset(tmp_path / "dataset", NUM)
    assert with_openness(LoadedDataset(tmp_path / "dataset"), [predicted]) == ()
