"""Tuning: what judges a setting, the trials on disk, and the search fed by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset.sampling import Part
from data.dataset.selection import Selection
from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from experiments.transfer.plan import transfer
from model.errors import ModelError
from model.prediction import predict
from model.training.batches import Examples
from model.training.loop import TrainingConfig, train
from orchestrator.backends.local import run_plan
from orchestrator.errors import RunError
from orchestrator.plan import Plan
from orchestrator.runs.execute import starting_network
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.tuning import folds as tuning_module
from orchestrator.tuning.folds import Tuning, cross_validate, derived_seed, make_folds
from orchestrator.tuning.search import MAX_FAILURES, _SettingSearcher
from orchestrator.tuning.space import SearchSpace
from orchestrator.tuning.trials import TuningStudy, read_training, write_chosen
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset

SPACE = SearchSpace(lr=(1e-4, 1e-2), epochs=(1, 3), frozen=((), ("conv1",)), batch_sizes=(20, 100))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a tiny dataset and a multi-model."""
    place = Workspace(tmp_path_factory.mktemp("tuning"))
    tiny_dataset(place.dataset)
    multi, *_ = transfer(load_dataset(place), study()).runs
    run_plan(Plan([multi]), place, on_done=lambda _: None)
    assert RunStore(place).is_complete(multi.key)
    return place


def study() -> Study:
    trainings = Trainings().with_epochs(multi=1, individual=2)
    return Study(
        tfs=("SPI1",),
        pretrain_tfs=("ELF1", "GABPA"),
        scale=Scale(transfer_bound=40),
        trainings=trainings,
    )


@pytest.fixture(scope="module")
def tuning(pretrained: Workspace) -> Tuning:
    runs = transfer(load_dataset(pretrained), study()).runs
    [run] = [run for run in runs if run.arm == "transfer"]
    return Tuning(runs=(run.spec,), space=SPACE, num_folds=2)


# folds


def selection_of(parts: Sequence[int], labels: Sequence[int]) -> Selection:
    return Selection(
        region_ids=np.arange(len(parts)) * 10,
        labels=np.array(labels, dtype=np.int8)[:, None],
        part=np.array(parts, dtype=np.uint8),
    )


def test_every_part_judges_once_and_no_test_region_is_in_a_fold() -> None:
    rng = np.random.default_rng(0)
    parts = rng.permutation([Part.TRAIN] * 80 + [Part.VAL] * 10 + [Part.TEST] * 30)
    selection = selection_of(list(parts), list(np.arange(120) % 2))
    folds = make_folds(selection, 9, seed=0)
    allowed = set(selection.rows(Part.TRAIN)) | set(selection.rows(Part.VAL))
    assert set(folds[0].held_out) == set(selection.rows(Part.VAL))
    assert sorted(row for fold in folds for row in fold.held_out) == sorted(allowed)
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert np.array_equal(fold.choose, following.held_out)
        rows = [*fold.learn, *fold.choose, *fold.held_out]
        assert len(rows) == len(set(rows))
        assert set(rows) == allowed
        assert 9 <= len(fold.held_out) <= 11


def test_parts_are_stratified_and_decided_by_the_seed() -> None:
    labels = [1] * 20 + [0] * 60 + [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    selection = selection_of([Part.TRAIN] * 80 + [Part.VAL] * 10, labels)
    folds = make_folds(selection, 9, seed=0)
    bound = [int(selection.labels[fold.held_out].sum()) for fold in folds[1:]]
    assert sorted(bound) == [2, 2, 2, 2, 3, 3, 3, 3]
    again, other = make_folds(selection, 9, seed=0), make_folds(selection, 9, seed=1)
    assert all(np.array_equal(a.learn, b.learn) for a, b in zip(folds, again, strict=True))
    assert any(set(a.held_out) != set(b.held_out) for a, b in zip(folds, other, strict=True))
    with pytest.raises(RunError, match="make 9 parts; give 9 folds or fewer"):
        make_folds(selection, 10, seed=0)


# what judges


class Poisoned:
    """A dataset whose test regions can neither be read as they are nor used unnoticed."""

    def __init__(self, loaded: LoadedDataset) -> None:
        self.loaded = loaded
        self.regions = loaded.regions
        self.dataset = loaded.dataset

    def select(self, spec: Any) -> Selection:
        selection = self.loaded.select(spec)
        test = selection.rows(Part.TEST)
        labels, sequences = selection.labels.copy(), self.regions.sequences.copy()
        labels[test] = 7
        sequences[selection.region_ids[test]] ^= 255
        self.regions = replace(self.regions, sequences=sequences)
        return replace(selection, labels=labels)


def test_test_regions_are_never_read(
    tuning: Tuning, pretrained: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = cross_validate(tuning, tuning.first, pretrained)
    poisoned = Poisoned(load_dataset(pretrained))
    selection = poisoned.select(tuning.runs[0].regions)
    test = selection.rows(Part.TEST)
    assert len(test) >= 8
    with pytest.raises(ModelError, match="not 0, 1 or -1"):
        Examples(poisoned.regions.sequences[selection.region_ids[test]], selection.labels[test])
    monkeypatch.setattr(tuning_module, "load_dataset", lambda _: poisoned)
    assert cross_validate(tuning, tuning.first, pretrained) == clean


def test_a_setting_is_judged_on_regions_that_neither_taught_nor_chose(
    tuning: Tuning, pretrained: Workspace
) -> None:
    loaded = load_dataset(pretrained)
    selection = loaded.select(tuning.runs[0].regions)

    def examples(rows: Any) -> Examples:
        ids = selection.region_ids[rows]
        return Examples(loaded.regions.sequences[ids], selection.labels[rows])

    config = replace(tuning.first, both_strands=False)
    expected = []
    for number, fold in enumerate(make_folds(selection, 2, tuning.seed)):
        seed = derived_seed(tuning.seed, number)
        network = starting_network(
            replace(tuning.runs[0], seed=seed),
            RunStore(pretrained),
            load_dataset(pretrained).dataset,
        )
        train(network, examples(fold.learn), examples(fold.choose), config, seed=seed)
        judging = examples(fold.held_out)
        probability = predict(network, judging.sequences).astype(float)
        hit = np.where(judging.labels == 1, probability, 1 - probability)
        expected.append(-np.log(hit).mean())
    assert cross_validate(tuning, config, pretrained) == pytest.approx(expected, rel=1e-4)


def test_the_same_setting_is_worth_the_same_and_another_is_not(
    tuning: Tuning, pretrained: Workspace
) -> None:
    first = cross_validate(tuning, tuning.first, pretrained)
    assert cross_validate(tuning, tuning.first, pretrained) == first
    assert len(set(first)) == 2
    assert cross_validate(tuning, replace(tuning.first, frozen=("conv1",)), pretrained) != first


# space and key


def test_a_space_gives_a_training_its_place_and_takes_it_back() -> None:
    base = TrainingConfig(lr=0.001, max_epochs=2, weight_decay=0.5)
    there = replace(base, lr=0.002, max_epochs=3, frozen=("conv1",), batch_size=20)
    parameters = SPACE.parameters(there)
    assert parameters == {"lr": 0.002, "epochs": 3, "frozen": "conv1", "batch_size": 20}
    assert SPACE.training(base, parameters) == there
    assert SPACE.parameters(base)["frozen"] == "none"
    for outside in ({"lr": 0.1}, {"max_epochs": 4}, {"batch_size": 50}, {"frozen": ("conv2",)}):
        with pytest.raises(ValueError, match="is not among those to choose from"):
            SPACE.parameters(replace(base, **outside))


@pytest.mark.parametrize(
    "fields",
    [{"lr": (0.0, 1.0)}, {"lr": (0.1, 0.1)}, {"epochs": (0, 2)}, {"frozen": ()}],
)
def test_an_empty_space_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(SPACE, **fields)


def test_the_key_follows_all_that_decides(tuning: Tuning) -> None:
    others = [
        replace(tuning, num_folds=3),
        replace(tuning, space=replace(SPACE, epochs=(1, 4))),
        replace(tuning, runs=(replace(tuning.runs[0], seed=1),)),
    ]
    assert len({tuning.key, *(other.key for other in others)}) == 4
    assert replace(tuning).key == tuning.key
    with pytest.raises(ValueError, match="starts from a multi-model"):
        replace(tuning, runs=(replace(tuning.runs[0], start=None),))
    with pytest.raises(ValueError, match="give 1 or more"):
        replace(tuning, num_folds=0)


# the study and the search, by hand


class Feeder:
    """A searcher without Tune: trials are started and ended by hand."""

    def __init__(self, tuning: Tuning, root: Path, wanted: int, workers: int = 2) -> None:
        self.study = TuningStudy(tuning, Workspace(root))
        self.told: list[float] = []
        self.searcher = _SettingSearcher(self.study, wanted, workers, self.told.append)
        self._num_trials = 0

    def start(self) -> tuple[str, Any]:
        self._num_trials += 1
        trial = str(self._num_trials)
        config = self.searcher.suggest(trial)
        return trial, config["parameters"] if isinstance(config, dict) else config

    def end(self, trial: str, loss: float) -> None:
        result = {"loss": loss, "losses": [loss - 0.25, loss + 0.25], "seconds": 1.0}
        self.searcher.on_trial_complete(trial, result)
        if self.searcher.error is not None:
            raise self.searcher.error


def test_the_first_trial_is_the_experiments_own_setting_and_the_rest_lie_in_the_space(
    tuning: Tuning, tmp_path: Path
) -> None:
    feeder = Feeder(tuning, tmp_path, wanted=12)
    settings = []
    for loss in range(12):
        trial, parameters = feeder.start()
        settings.append(SPACE.training(tuning.first, parameters))
        feeder.end(trial, float(loss == 0))
    assert settings[0] == tuning.first
    assert len(set(settings)) == 12
    assert all(SPACE.parameters(setting) for setting in settings)
    assert feeder.start()[1] == "FINISHED"
    assert feeder.told == [1.0] + 11 * [0.0]
    result = feeder.study.result()
    assert [trial.training for trial in result.trials] == settings
    assert set(result.importances) == set(SPACE.parameters(tuning.first))
    assert sum(result.importances.values()) == pytest.approx(1)


def test_no_more_trials_than_workers_nor_than_are_wanted(tuning: Tuning, tmp_path: Path) -> None:
    feeder = Feeder(tuning, tmp_path, wanted=3)
    first, _ = feeder.start()
    second, _ = feeder.start()
    assert feeder.start()[1] is None
    feeder.end(first, 0.5)
    third, parameters = feeder.start()
    assert isinstance(parameters, dict)
    feeder.end(second, 0.5)
    assert feeder.start()[1] is None  # the third may still fail
    feeder.end(third, 0.5)
    assert feeder.start()[1] == "FINISHED"


def test_a_setting_whose_worker_died_is_tried_again_and_one_that_failed_is_not(
    tuning: Tuning, tmp_path: Path
) -> None:
    feeder = Feeder(tuning, tmp_path, wanted=2, workers=1)
    trial, lost = feeder.start()
    feeder.searcher.on_trial_complete(trial, None, error=True)
    trial, again = feeder.start()
    assert again == lost
    feeder.end(trial, 0.5)
    trial, failed = feeder.start()
    feeder.searcher.on_trial_complete(trial, {"reason": "the loss is nan"})
    trial, other = feeder.start()
    assert other != failed
    feeder.end(trial, 0.5)
    assert feeder.start()[1] == "FINISHED"
    assert feeder.study.num_complete() == 2


def test_too_many_failures_end_the_search_with_the_reason(tuning: Tuning, tmp_path: Path) -> None:
    feeder = Feeder(tuning, tmp_path, wanted=20)
    for _ in range(MAX_FAILURES):
        trial, _ = feeder.start()
        feeder.searcher.on_trial_complete(trial, {"reason": "the loss is nan"})
    assert feeder.start()[1] == "FINISHED"
    assert isinstance(feeder.searcher.error, RunError)
    assert "3 trials failed; what is complete is kept. The last one: the loss is nan" in str(
        feeder.searcher.error
    )


def test_an_error_of_the_callback_ends_the_search(tuning: Tuning, tmp_path: Path) -> None:
    feeder = Feeder(tuning, tmp_path, wanted=3)

    def broken(loss: float) -> None:
        raise KeyError("mine")

    feeder.searcher._on_trial = broken
    with pytest.raises(KeyError, match="mine"):
        feeder.end(feeder.start()[0], 0.5)
    assert feeder.start()[1] == "FINISHED"


def test_a_later_search_goes_on_and_tries_again_what_a_killed_one_left(
    tuning: Tuning, tmp_path: Path
) -> None:
    killed = Feeder(tuning, tmp_path, wanted=4)
    running = [killed.start()[1] for _ in range(2)]
    log = Workspace(tmp_path).tuning_log(tuning.key)
    log.with_name(log.name + ".lock").symlink_to(log)
    with log.open("ab") as file:
        file.write(b'{"op_code": 6, "trial_id"')

    feeder = Feeder(tuning, tmp_path, wanted=4)
    assert feeder.study.num_complete() == 0
    trials = [feeder.start() for _ in range(2)]
    assert [parameters for _, parameters in trials] == running
    for trial, _ in trials:
        feeder.end(trial, 0.5)
    seen = [feeder.start()[1]]
    feeder = Feeder(tuning, tmp_path, wanted=4)
    for _ in range(2):
        trial, parameters = feeder.start()
        seen.append(parameters)
        feeder.end(trial, 0.5)
    assert seen[0] == seen[1]
    assert seen[2] not in [*running, *seen[:2]]
    assert feeder.start()[1] == "FINISHED"
    assert Feeder(tuning, tmp_path, wanted=4).start()[1] == "FINISHED"


def test_a_journal_that_cannot_be_read_is_one_line(tuning: Tuning, tmp_path: Path) -> None:
    log = Workspace(tmp_path).tuning_log(tuning.key)
    log.parent.mkdir()
    log.write_text("nonsense\nand more\n")
    with pytest.raises(RunError, match=r"\.log: the trials cannot be read or written") as caught:
        TuningStudy(tuning, Workspace(tmp_path))
    assert "\n" not in str(caught.value)


# what comes out


def finished(tuning: Tuning, root: Path, losses: list[float]) -> TuningStudy:
    feeder = Feeder(tuning, root, wanted=len(losses))
    for loss in losses:
        feeder.end(feeder.start()[0], loss)
    return feeder.study


def test_the_best_setting_is_written_and_read(tuning: Tuning, tmp_path: Path) -> None:
    result = finished(tuning, tmp_path, [0.5, 0.75, 0.25]).result()
    assert result.first.training == tuning.first
    assert (result.best.number, result.best.loss) == (2, 0.25)
    assert result.best.loss_sd == pytest.approx(0.25 * 2**0.5)
    assert result.gains() == (0.25, 0.25)
    assert result.importances == {}
    path = write_chosen(result, Workspace(tmp_path))
    assert path == tmp_path / "tuning" / f"SPI1-{tuning.key}.json"
    assert read_training(path) == result.best.training
    assert not list(path.parent.glob("*.[0-9]*"))


def test_the_experiments_own_setting_wins_a_draw(tuning: Tuning, tmp_path: Path) -> None:
    result = finished(tuning, tmp_path, [0.5, 0.5]).result()
    assert result.best is result.first


def test_results_without_the_experiments_own_setting_are_refused(
    tuning: Tuning, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="tune again"):
        TuningStudy(tuning, Workspace(tmp_path)).result()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("no json", "holds no settings"),
        ("[]", "holds no settings"),
        ('{"tf": "SPI1"}', "holds no settings"),
        ('{"training": {"lr": 0.1, "rate": 1}}', "field training has the unknown field rate"),
        ('{"training": {"lr": -1}}', "lr is -1"),
    ],
)
def test_a_file_without_settings_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "chosen.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RunError, match=message) as caught:
        read_training(path)
    assert str(path) in str(caught.value)


def test_settings_come_back_from_json_as_they_went(tmp_path: Path) -> None:
    path = tmp_path / "by_hand.json"
    path.write_text(json.dumps({"training": {"lr": 0.001, "frozen": ["conv1", "conv2"]}}))
    assert read_training(path) == TrainingConfig(lr=0.001, frozen=("conv1", "conv2"))
