"""What MLflow shows while a plan runs, and after it was interrupted or killed."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.records import to_values
from model.training.epoch import Epoch
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.runs.epoch_log import epoch_log, epoch_logs
from orchestrator.runs.store import RunStore
from orchestrator.tracking import background
from orchestrator.tracking.background import BackgroundView
from orchestrator.tracking.database import create_database
from orchestrator.tracking.sync import MlflowView
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import planned_run, store_run


def epoch(number: int) -> Epoch:
    return Epoch(epoch=number, train_loss=1 / number, val_loss=2 / number, seconds=1.0)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which take seconds to make."""
    place = Workspace(tmp_path_factory.mktemp("template"))
    create_database(place)
    return place.mlflow_db


@pytest.fixture
def view(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowView:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    place = Workspace(tmp_path)
    place.mlflow_db.write_bytes(template.read_bytes())
    return MlflowView(place)


def runs_of(view: MlflowView, experiment: str = "transfer") -> list[Any]:
    found = view.client.mlflow.get_experiment_by_name(experiment)
    return [] if found is None else list(view.client.all_runs(found.experiment_id))


def steps(view: MlflowView, run: Any) -> list[int]:
    history = view.client.mlflow.get_metric_history(run.info.run_id, "val_loss")
    return sorted(point.step for point in history)


def finish(view: MlflowView, run: PlannedRun) -> None:
    labels = np.array([0, 1] * 10, dtype=np.int8)
    store_run(view.client.workspace, run, labels, labels == 1)


@pytest.mark.slow
def test_losses_appear_while_a_run_trains_and_the_same_mlflow_run_is_completed(view):
    place, run = view.client.workspace, planned_run("scratch", "A")
    view.live.begin(Plan([run]))
    view.live.poll()
    assert runs_of(view) == []
    log = epoch_log(place, run.key)
    log.append(epoch(1))
    view.live.poll()
    [begun] = runs_of(view)
    assert begun.info.status == "RUNNING"
    assert begun.data.tags["arm"] == "scratch"
    assert begun.data.params["training.lr"] == "0.003"
    assert begun.data.metrics["val_loss"] == 2
    log.append(epoch(2))
    log.append(epoch(3))
    view.live.poll()
    view.live.poll()
    assert steps(view, begun) == [1, 2, 3]
    log.remove()
    finish(view, run)  # its history has the first epoch alone
    view.runs.log_run(RunStore(place).open(run.key))
    [ended] = runs_of(view)
    assert (ended.info.run_id, ended.info.status) == (begun.info.run_id, "FINISHED")
    assert ended.data.metrics["mcc"] == 1
    assert steps(view, ended) == [1, 2, 3]


@pytest.mark.slow
def test_an_interrupted_plan_is_marked_and_goes_on_in_the_same_mlflow_runs(view):
    place = view.client.workspace
    done, other = planned_run("scratch", "A", 1), planned_run("scratch", "A", 2)
    plan = Plan([done, other])
    view.live.begin(plan)
    finish(view, done)
    view.runs.log_run(RunStore(place).open(done.key))
    view.live.count(RunOutcome(planned=done, status="completed"))
    view.live.log_counts()
    epoch_log(place, other.key).append(epoch(1))
    epoch_log(place, other.key).append(epoch(2))
    view.live.poll()
    view.live.close()
    states = {run.info.run_name: run.info.status for run in runs_of(view)}
    assert states == {"A scratch r1": "FINISHED", "A scratch r2": "KILLED"}
    [planned] = runs_of(view, "plans")
    assert planned.info.status == "KILLED"
    assert planned.data.metrics == {"complete": 1, "failed": 0, "to_do": 1}

    again = MlflowView(place)
    again.live.begin(plan)
    # the training resumes from a state before its last epoch
    for number in (2, 3):
        epoch_log(place, other.key).append(epoch(number))
    again.live.poll()
    [resumed] = [run for run in runs_of(view) if run.info.run_name == "A scratch r2"]
    assert resumed.info.status == "RUNNING"
    assert steps(view, resumed) == [1, 2, 3]
    finish(view, other)
    again.runs.log_run(RunStore(place).open(other.key))
    again.live.count(RunOutcome(planned=other, status="completed"))
    again.live.log_counts()
    again.live.close()
    [same] = runs_of(view, "plans")
    assert (same.info.run_id, same.info.status) == (planned.info.run_id, "FINISHED")
    assert same.data.metrics["to_do"] == 0
    assert len(runs_of(view)) == 2


@pytest.mark.slow
def test_what_a_killed_process_left_running_is_marked_by_the_next_and_no_other_workspace(view):
    run = planned_run("scratch", "A")
    view.live.begin(Plan([run]))
    epoch_log(view.client.workspace, run.key).append(epoch(1))
    view.live.poll()
    mlflow = view.client.mlflow
    [begun] = runs_of(view)
    foreign = mlflow.create_run(begun.info.experiment_id, tags={"run_folder": "/other/runs/key"})
    assert MlflowView(view.client.workspace).live.mark_killed() == 2
    assert mlflow.get_run(begun.info.run_id).info.status == "KILLED"
    assert mlflow.get_run(foreign.info.run_id).info.status == "RUNNING"


def test_a_run_that_fails_keeps_its_losses(view):
    run = planned_run("scratch", "A")
    view.live.begin(Plan([run]))
    epoch_log(view.client.workspace, run.key).append(epoch(1))
    view.live.poll()
    view.runs.log_failure(run, "no memory")
    view.live.count(RunOutcome(planned=run, status="failed", error="no memory"))
    view.live.log_counts()
    view.live.close()
    [failed] = runs_of(view)
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error"] == "no memory"
    assert steps(view, failed) == [1]
    [plan] = runs_of(view, "plans")
    assert plan.info.status == "FAILED"


def test_the_thread_looks_for_epochs_while_it_has_nothing_else_to_do(view, monkeypatch):
    monkeypatch.setattr(background, "POLL_SECONDS", 0.05)
    place, run = view.client.workspace, planned_run("scratch", "A")
    warnings: list[str] = []
    with BackgroundView(view, warnings.append) as thread:
        thread.begin(Plan([run]))
        epoch_log(place, run.key).append(epoch(1))
        reader = MlflowView(place)
        for _ in range(600):
            if runs_of(reader):
                break
            time.sleep(0.05)
    [begun] = runs_of(view)
    assert steps(view, begun) == [1]
    assert begun.info.status == "KILLED"
    assert warnings == []


def test_a_log_of_epochs_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    log = epoch_log(place, "key")
    assert log.read() == []
    log.append(epoch(1))
    log.append(epoch(2))
    log.append(epoch(2))
    with log.path.open("a") as file:
        file.write('{"epoch": 3, "train_')
    assert [to_values(one) for one in log.read()] == [to_values(epoch(1)), to_values(epoch(2))]
    assert [one.key for one in epoch_logs(place)] == ["key"]
    log.remove()
    assert list(epoch_logs(place)) == []
