"""Groups of Ray Train workers: what they are made of, how they end, and a real one."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray import train
from ray.exceptions import RayError

from model.errors import ProcessLostError
from model.network_config import NetworkConfig
from model.training.data_parallel import OneProcess
from orchestrator.backends import local as local_backend
from orchestrator.backends.ray import group as ray_group
from orchestrator.backends.ray.group import TrainGroup, attempt_by_group, make_group, pretrainings
from orchestrator.backends.ray.run_plan import RayOptions, run_plan
from orchestrator.backends.ray.session import SLOT
from orchestrator.errors import RunError
from orchestrator.plan import Plan, RunOutcome
from orchestrator.runs.context import RunContext
from orchestrator.runs.progress import EpochNotes
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.orchestrator.backends.ray.test_run_plan import (
    TRAINING,
    individual_spec,
    make_dataset,
    multi_spec,
    planned,
    worker_pids,
)

pytestmark = pytest.mark.xdist_group("ray")


def test_pretrainings_are_what_others_start_from_and_multi_models() -> None:
    multi = multi_spec()
    base = individual_spec(1)
    tuned = planned(individual_spec(2, start=base), "transfer")
    scored = replace(multi, training=None, start=multi, layers="all")
    runs = [planned(multi, "multi"), planned(base), tuned, planned(scored, "multi")]
    assert pretrainings(Plan(runs)) == {multi.key, base.key}


def test_a_group_needs_room_beside_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    assert make_group(3, 4, tmp_path).num_cpus == 3
    with pytest.raises(RunError, match="4 workers for pre-training take 4 of the Ray cluster's 4"):
        make_group(4, 4, tmp_path)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0, SLOT: 1e6})
    assert make_group(4, 2, tmp_path).num_cpus == 0


GROUP_ERRORS = {
    "a run that raises, others lose it": (
        train.WorkerGroupError("", {0: ProcessLostError(), 1: RunError("too high a rate")}),
        ("failed", "too high a rate"),
    ),
    "a process that dies": (
        train.WorkerGroupError("", {0: ProcessLostError(), 1: RayError("killed")}),
        None,
    ),
    "no group": (train.ControllerError(RuntimeError("no room")), None),
    "no controller": (RayError("killed"), None),
    "nothing": (None, ("completed", None)),
}


@pytest.mark.parametrize("name", GROUP_ERRORS)
def test_what_becomes_of_a_group_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error, expected = GROUP_ERRORS[name]
    workspace = Workspace(tmp_path)
    run = planned(multi_spec(make_dataset(workspace)[0]), "multi")
    environment: list[str] = []

    class Trainer:
        def __init__(self, loop: object, **options: Any) -> None:
            assert options["scaling_config"].num_workers == 2

        def fit(self) -> None:
            environment.append(os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"])
            if error is not None:
                raise error

    monkeypatch.setattr(ray_group, "TorchTrainer", Trainer)
    group = TrainGroup(num_workers=2, resources={"CPU": 1.0}, storage=tmp_path)
    context = RunContext(workspace=workspace)
    outcome = attempt_by_group(run, context, None, group)  # type: ignore[arg-type]
    assert (outcome and (outcome.status, outcome.error)) == expected
    assert environment == ["0.25"]
    assert "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S" not in os.environ


def test_a_worker_of_a_group_raises_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    training = replace(TRAINING, lr=1e30)
    run = planned(replace(multi_spec(make_dataset(workspace)[0]), training=training), "multi")
    monkeypatch.setattr(ray, "get", lambda _: None)
    monkeypatch.setattr(ray_group, "DataParallel", lambda device: OneProcess())
    with pytest.raises(RunError, match="loss is"):
        ray_group._train_in_group(
            {"planned": run, "workspace": workspace, "tables": None, "on_gpus": False}
        )
    record = json.loads(workspace.failure(run.key).read_text())
    assert "loss is" in record["error"]
    assert any("ModelError" in line for line in record["traceback"])


@pytest.mark.timeout(600)  # two groups start, one of them for the second time
def test_a_group_gives_one_workers_history_and_outlives_a_killed_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    workspace, local = Workspace(tmp_path / "ray"), Workspace(tmp_path / "local")
    both, _ = make_dataset(workspace)
    local.root.mkdir()
    local.dataset.symlink_to(workspace.dataset)
    sizes = NetworkConfig(num_tfs=2, conv_filters=(8, 8, 8), dense_units=(16,))
    training = replace(TRAINING, lr=0.0003, max_epochs=40)
    multi = replace(multi_spec(both), network=sizes, training=training)
    broken = replace(multi, regions=replace(multi.regions, dataset="another"))
    scored = replace(multi, training=None, start=multi, layers="all")
    plan = Plan([planned(multi, "multi"), planned(broken, "multi"), planned(scored, "multi")])
    expected: list[RunOutcome] = []
    local_backend.run_plan(plan, local, on_done=expected.append)

    notes = EpochNotes(workspace)
    killed: list[int] = []
    ended = threading.Event()

    def kill_one() -> None:
        while not killed and not ended.wait(0.02):
            if notes.read():
                killed.append(max(worker_pids("ray::RayTrainWorker")))
                os.kill(killed[0], 9)

    killer = threading.Thread(target=kill_one)
    killer.start()
    outcomes: list[RunOutcome] = []
    try:
        options = RayOptions(num_workers=1, pretrain_workers=2)
        run_plan(plan, workspace, on_done=outcomes.append, options=options)
    finally:
        ended.set()
        killer.join()
    assert killed

    ends = {(o.planned.key, o.status) for o in expected}
    assert ends == {(o.planned.key, o.status) for o in outcomes}
    assert sorted(o.status for o in outcomes) == ["completed", "completed", "failed"]
    assert "Traceback" in json.loads(workspace.failure(broken.key).read_text())["traceback"][0]
    theirs, ours = (RunStore(place).open(multi.key).history for place in (workspace, local))
    for name in ("train_loss", "val_loss"):
        np.testing.assert_allclose(
            [getattr(epoch, name) for epoch in theirs],
            [getattr(epoch, name) for epoch in ours],
            rtol=0.01,
        )
    assert not workspace.ray_results.exists()
    assert not worker_pids("ray::")
