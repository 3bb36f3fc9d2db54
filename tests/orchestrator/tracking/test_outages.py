"""A server that is away, refuses, or is old: one line, training goes on, and nothing is lost."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from docs.screenshots import free_port
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.runs.store import RunStore
from orchestrator.tracking import background
from orchestrator.tracking.background import BackgroundView
from orchestrator.tracking.client import TrackingClient, TrackingError
from orchestrator.tracking.sync import MlflowView
from orchestrator.tracking.ui import mlflow_server
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import planned_run, store_run
from tests.helpers.flaky_server import Flaky, flaky

pytestmark = pytest.mark.slow
TOKEN = "token-of-mine-7"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    backend = Workspace(tmp_path_factory.mktemp("server"))
    store = f"sqlite:///{backend.mlflow_db}"
    with mlflow_server(backend, store, "127.0.0.1", free_port()) as running:
        yield running.url


@pytest.fixture
def between(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flaky]:
    with flaky(server) as state:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", state.url)
        # what a test before has set as MLflow's default
        monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
        yield state


def finish(place: Workspace, run: PlannedRun) -> None:
    labels = np.array([0, 1] * 10, dtype=np.int8)
    store_run(place, run, labels, labels == 1)


def runs_of(place: Workspace, name: str) -> dict[str, Any]:
    client = TrackingClient(place)
    found = client.mlflow.get_experiment_by_name(name)
    runs = [] if found is None else list(client.all_runs(found.experiment_id))
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def complete(place: Workspace, plan: str) -> float | None:
    """How many runs of a plan are complete, as MLflow has it; None before it is there."""
    found = runs_of(place, "plans").get(plan)
    return None if found is None else found.data.metrics.get("complete")


def until(happened: Callable[[], object]) -> None:
    for _ in range(1200):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "set MLFLOW_TRACKING_TOKEN"), (403, "ask the server's administrator")],
)
def test_a_refusal_is_one_line_with_a_remedy_and_without_the_token(
    between: Flaky,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    remedy: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    between.refused["mlflow"] = status
    between.answer = f"who is Bearer {TOKEN}?".encode()
    place = Workspace(tmp_path)
    finish(place, planned_run("scratch", "A"))
    with pytest.raises(TrackingError) as caught:
        MlflowView(place).sync(RunStore(place))
    assert between.seen[-1] == f"Bearer {TOKEN}"
    said = str(caught.value)
    assert remedy in said
    assert f"MLflow at {between.url} " in said
    assert TOKEN not in said
    assert "\n" not in said


def test_what_ended_during_an_outage_is_logged_when_the_server_answers_again(
    between: Flaky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.2)
    place, said = Workspace(tmp_path), list[str]()
    name = "outage"
    runs = [planned_run("scratch", "A", number, experiment=name) for number in (1, 2, 3)]
    with BackgroundView(MlflowView(place), said.append) as thread:
        thread.begin(Plan(runs))
        finish(place, runs[0])
        thread.log(RunOutcome(planned=runs[0], status="completed"))
        until(lambda: "A scratch r1" in runs_of(place, name))
        until(lambda: complete(place, "outage: 3 runs") == 1)
        between.is_down = True
        finish(place, runs[1])
        thread.log(RunOutcome(planned=runs[1], status="completed"))
        thread.log(RunOutcome(planned=runs[2], status="failed", error="no memory"))
        until(lambda: said)
        between.is_down = False
        until(lambda: len(said) == 2)
        assert set(runs_of(place, name)) == {"A scratch r1", "A scratch r2"}
        thread.register()
    assert "nothing is lost" in said[0]
    assert said[1:] == [f"MLflow at {between.url} answers again; nothing is missing"]
    assert {run.info.status for run in runs_of(place, name).values()} == {"FINISHED"}
    plan = runs_of(place, "plans")["outage: 3 runs"]
    assert plan.data.metrics == {"complete": 2, "failed": 1, "to_do": 0}
    assert plan.info.status == "FAILED"


def test_a_server_that_is_away_to_the_end_stops_nothing_and_is_told_of_once(
    between: Flaky, tmp_path: Path
) -> None:
    between.is_down = True
    place, said = Workspace(tmp_path), list[str]()
    run = planned_run("scratch", "A", experiment="away")
    with BackgroundView(MlflowView(place), said.append) as thread:
        thread.begin(Plan([run]))
        finish(place, run)
        thread.log(RunOutcome(planned=run, status="completed"))
        thread.register()
    [line] = said
    assert "check that it is up" in line
    between.is_down = False
    assert MlflowView(place).sync(RunStore(place)) == 1
    assert set(runs_of(place, "away")) == {"A scratch r1"}


def test_a_server_without_logged_models_gets_the_networks_with_their_runs(
    between: Flaky, trained: Workspace, tmp_path: Path
) -> None:
    import mlflow

    between.refused["/logged-models"] = 404
    place = Workspace(tmp_path / "workspace")
    shutil.copytree(trained.runs, place.runs)
    view, store = MlflowView(place), RunStore(place)
    assert view.sync(store) == 4
    assert view.sync(store) == 0
    version = view.client.mlflow.get_model_version_by_alias("bindgrid-SPI1", "best")
    assert str(version.source).endswith("/artifacts/model")
    model = mlflow.pyfunc.load_model("models:/bindgrid-SPI1@best")
    table = pd.DataFrame({"sequence": ["ACGT" * 50]})
    assert 0 < model.predict(table)["probability"].iloc[0] < 1
