"""Tuning of transfer from a masked multi-model: its space, several TFs at once, and the command."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.dataset.sampling import Part, Sampling
from experiments.study.pretraining import Pretraining
from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.study.trainings import MASKED_TRANSFER_TRAINING, ModelKind, Trainings
from experiments.transfer.plan import transfer
from model.prediction import predict
from model.training.batches import Examples
from model.training.loop import TrainingConfig
from model.training.probe import fit_output_layer
from orchestrator.backends.local import run_plan
from orchestrator.errors import RunError
from orchestrator.plan import Plan
from orchestrator.runs.execute import starting_network
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.tuning.folds import Tuning, cross_validate, derived_seed, make_folds
from orchestrator.tuning.space import ProbeSpace
from orchestrator.tuning.trials import read_training
from orchestrator.workspace import Workspace
from tests.conftest import Bindgrid
from tests.helpers.tiny import tiny_dataset

SPACE = ProbeSpace(max_steps=300)
PROBE_ALONE = replace(MASKED_TRANSFER_TRAINING, max_epochs=0)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a tiny dataset and a masked multi-model trained on neither target."""
    place = Workspace(tmp_path_factory.mktemp("tuning"))
    tiny_dataset(place.dataset, 800)
    multi, *_ = transfer(load_dataset(place), study()).runs
    run_plan(Plan([multi]), place, on_done=lambda _: None)
    assert RunStore(place).is_complete(multi.key)
    return place


def study() -> Study:
    targets = ("SPI1", "GABPA")
    return Study(
        tfs=targets,
        pretrain_tfs=None,
        pretraining=Pretraining(rows="resolved", min_bound=20, leave_out=targets),
        sampling=Sampling(held_back=0.5),
        scale=Scale(transfer_bound=30),
        trainings=Trainings().with_epochs(multi=1),
    )


@pytest.fixture(scope="module")
def tuning(pretrained: Workspace) -> Tuning:
    planned = transfer(load_dataset(pretrained), study()).runs
    runs = tuple(run.spec for run in planned if run.arm == "transfer")
    return Tuning(runs=runs, space=SPACE, num_folds=3)


# the space


@pytest.mark.parametrize(
    "base",
    [PROBE_ALONE, MASKED_TRANSFER_TRAINING],
    ids=["regression alone", "ten epochs of at least 300 steps"],
)
def test_a_space_gives_a_training_its_place_and_takes_it_back(base: TrainingConfig) -> None:
    assert SPACE.training(base, SPACE.parameters(base)) == base
    changed = replace(base, probe=0.01, lr=0.0002, frozen=("conv1", "conv2", "conv3"))
    more = replace(changed, max_epochs=1, min_steps=200, averaging=0.99, keep="last")
    for training in (replace(changed, max_epochs=0), more):
        parameters = SPACE.parameters(training)
        assert parameters["steps"] == (200 if training.max_epochs else 0)
        again = SPACE.training(base, parameters)
        assert replace(again, min_steps=0) == replace(training, min_steps=0)
        assert again.num_epochs(1) == training.num_epochs(1)


@pytest.mark.parametrize(
    "outside",
    [
        {"probe": None},
        {"probe": 1.0},
        {"lr": 0.1},
        {"min_steps": 150},
        {"min_steps": 400},
        {"frozen": ("conv1",)},
        {"averaging": 0.5},
    ],
)
def test_what_lies_outside_is_refused(outside: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not among those to choose from"):
        SPACE.parameters(replace(MASKED_TRANSFER_TRAINING, **outside))


@pytest.mark.parametrize(
    "fields",
    [{"strength": (0.0, 1.0)}, {"lr": (0.1, 0.1)}, {"max_steps": 150}, {"averaging": ()}],
)
def test_an_empty_space_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        replace(SPACE, **fields)


# several TFs


def test_several_tfs_decide_together(tuning: Tuning, pretrained: Workspace) -> None:
    assert (tuning.tfs, tuning.name) == (("SPI1", "GABPA"), "2 TFs")
    # 30 bound regions: the regression is all there is
    assert tuning.first.learns_from_val
    losses = cross_validate(tuning, tuning.first, pretrained)
    assert len(losses) == 6
    alone = [
        cross_validate(replace(tuning, runs=(run,)), tuning.first, pretrained)
        for run in tuning.runs
    ]
    assert losses == (*alone[0], *alone[1])
    assert tuning.by_tf(losses) == {"SPI1": alone[0], "GABPA": alone[1]}
    one = replace(tuning, runs=tuning.runs[:1])
    assert one.name == "SPI1"
    assert len({tuning.key, one.key, replace(tuning, runs=tuning.runs[::-1]).key}) == 3


def test_tfs_that_are_trained_differently_are_refused(tuning: Tuning) -> None:
    first, second = tuning.runs
    other = replace(second, training=replace(PROBE_ALONE, probe=0.01))
    with pytest.raises(ValueError, match="give one number for all"):
        replace(tuning, runs=(first, other))
    assert first.start_run is not None
    elsewhere = replace(second, start=replace(first.start_run, seed=7))
    with pytest.raises(ValueError, match="start from the same multi-model"):
        replace(tuning, runs=(first, elsewhere))
    with pytest.raises(ValueError, match="give at least one"):
        replace(tuning, runs=())


def test_what_judges_is_not_fitted_to(tuning: Tuning, pretrained: Workspace) -> None:
    one = replace(tuning, runs=tuning.runs[:1])
    loaded = load_dataset(pretrained)
    selection = loaded.select(one.runs[0].regions)
    expected = []
    for number, fold in enumerate(make_folds(selection, 3, one.seed)):
        seed = derived_seed(one.seed, number)
        spec = replace(one.runs[0], seed=seed)
        network = starting_network(spec, RunStore(pretrained), loaded.dataset)
        learn, judging = (
            Examples(loaded.regions.sequences[selection.region_ids[rows]], selection.labels[rows])
            for rows in (np.concatenate([fold.learn, fold.choose]), fold.held_out)
        )
        assert one.first.probe is not None
        fit_output_layer(network, learn, one.first.probe)
        strands = Examples(judging.sequences, judging.labels)
        forward = predict(network, strands.sequences).astype(float)
        backward = 2 * predict(network, strands.sequences, both_strands=True) - forward
        bound = judging.labels == 1
        hits = [np.where(bound, found, 1 - found) for found in (forward, backward)]
        expected.append(-np.log(np.concatenate(hits)).mean())
    assert cross_validate(one, one.first, pretrained) == pytest.approx(expected, rel=1e-3)


# what was found, in a plan


def test_settings_that_were_searched_are_trained_as_they_are() -> None:
    steps = replace(MASKED_TRANSFER_TRAINING, max_epochs=1, min_steps=100, keep="last")
    found = Trainings().tuned(steps)
    for size in (25, 500, 5000):
        assert found.sized_for(size).training_for(ModelKind.MASKED_TRANSFER, size) == steps
    # the paper's kind goes by the same rules as before
    paper = TrainingConfig(lr=0.001)
    assert (
        Trainings().tuned(paper).sized_for(25).training_for(ModelKind.MASKED_TRANSFER, 25).min_steps
        == 160
    )


@pytest.mark.xdist_group("ray")
def test_the_command_searches_for_several_tfs_and_run_uses_what_it_finds(
    bindgrid: Bindgrid, tmp_path: Path
) -> None:
    place = Workspace(tmp_path / "workspace")
    tiny_dataset(place.dataset, 800)
    multi = ["--pretrain", "masked", "--min-bound", "20", "--pretrain-epochs", "1"]
    multi += ["--sample", "30", "-w", str(place.root)]
    code, out, err = bindgrid(
        *("tune", "--tf", "SPI1,GABPA", *multi, "--motif", "--folds", "1"),
        *("--trials", "2", "--max-steps", "100", "--workers", "2"),
    )
    assert code == 0, err
    assert "default" in out and "Gain of each TF: SPI1" in out
    assert "judge it by the test regions of TFs that took no part" in out or "No setting" in out
    [chosen] = (place.root / "tuning").glob("2-TFs-*.json")
    record = json.loads(chosen.read_text())
    assert (record["tf"], len(record["val_losses"])) == ("SPI1+GABPA", 2)
    assert record["compared_with"]["training"]["max_epochs"] == 0
    [run] = RunStore(place).completed()
    assert (run.key, run.planned.spec.regions.tfs) == (record["multi_model"], ("ELF1",))
    code, _, err = bindgrid(
        *("run", "transfer", "--tfs", "SPI1,GABPA", *multi, "--fine-tuning", chosen),
        *("--backend", "local"),
    )
    assert code == 0, err
    planned = [run.planned for run in RunStore(place).completed()]
    runs = [run for run in planned if run.arm == "transfer"]
    assert {run.spec.training for run in runs} == {read_training(chosen)}
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--tf", "SPI1,SPI2"], "no TF named 'SPI2'"),
        (["--max-steps", "150"], "give 0 or more, in hundreds"),
        (["--leave-out", "none", "--leave-out-mode"], "no TF is left out"),
        (["--test-chroms", "chr4"], "go with --split chromosome"),
        (["--tf", ""], "name a TF"),
        (["--motif", "--tf", "ELF1,QQQ"], "no TF named 'QQQ'"),
        (
            ["--motif", "--pretrain", "complete"],
            "--motif needs a masked multi-model; pass --pretrain masked too",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    bindgrid: Bindgrid, workspace: Workspace, options: list[str], complaint: str
) -> None:
    code, out, err = bindgrid(
        *("tune", "--tf", "SPI1", "--pretrain", "masked", "--min-bound", "20", "--sample", "30"),
        *(*options, "-w", workspace.root),
    )
    assert (code, out) == (2, "")
    assert complaint in err.splitlines()[-1]
    assert {path.name for path in workspace.root.iterdir()} == {"dataset"}


def test_a_selection_has_test_regions(tuning: Tuning, pretrained: Workspace) -> None:
    # or the tests above would prove nothing
    selection = load_dataset(pretrained).select(tuning.runs[0].regions)
    assert len(selection.rows(Part.TEST)) > 10


def test_no_setting_is_read_from_a_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "chosen.json"
    path.write_text(json.dumps({"training": {"lr": 0.1, "probe": -1}}))
    with pytest.raises(RunError, match="probe is -1"):
        read_training(path)
