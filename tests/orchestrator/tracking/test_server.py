"""What readers of MLflow's documentation try on runs of bindgrid, against a real server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from docs.screenshots import free_port
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import TrackingClient
from orchestrator.tracking.live import system_monitor
from orchestrator.tracking.sync import MlflowView
from orchestrator.tracking.ui import mlflow_server
from orchestrator.workspace import Workspace

pytestmark = pytest.mark.slow  # a server starts, and every test asks it

SPI1 = "tags.tf = 'SPI1' and tags.arm = 'transfer'"


@pytest.fixture(scope="module")
def place(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("sent") / "workspace")
    shutil.copytree(trained.runs, made.runs)
    shutil.copytree(trained.dataset, made.dataset)
    return made


@pytest.fixture(scope="module")
def uri(place: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server, to which the runs of a workspace were sent over HTTP; MLflow's default here."""
    import mlflow

    backend = Workspace(tmp_path_factory.mktemp("server"))
    store = f"sqlite:///{backend.mlflow_db}"
    with (
        pytest.MonkeyPatch.context() as patch,
        mlflow_server(backend, store, "127.0.0.1", free_port()) as server,
    ):
        patch.setenv("MLFLOW_TRACKING_URI", server.url)
        MlflowView(place).sync(RunStore(place))
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(server.url)
        yield server.url
        mlflow.set_tracking_uri(before)


def test_runs_are_found_by_tf_and_arm_and_compared(uri: str, place: Workspace) -> None:
    import mlflow

    found = mlflow.search_runs(filter_string=SPI1, search_all_experiments=True)
    [row] = found.to_dict("records")
    run = find_run(RunStore(place), "SPI1")
    assert row["metrics.mcc"] == run.metrics.mcc
    assert row["params.network.name"] == run.planned.spec.network.name
    assert row["tags.mlflow.source.name"].startswith("bindgrid ")
    assert row["tags.mlflow.user"]
    both = mlflow.search_runs(
        filter_string="tags.tf = 'SPI1'",
        search_all_experiments=True,
        order_by=["metrics.mcc DESC"],
    )
    assert {"transfer", "scratch"} <= set(both["tags.arm"])
    assert both["metrics.mcc"].is_monotonic_decreasing


def test_the_commit_is_that_of_the_checkout(uri: str) -> None:
    import mlflow

    row = mlflow.search_runs(filter_string=SPI1, search_all_experiments=True).iloc[0]
    root = Path(__file__).parents[3]
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git checkout")
    assert row["tags.mlflow.source.git.commit"] == done.stdout.strip()


def test_artifacts_are_downloaded(uri: str, place: Workspace, tmp_path: Path) -> None:
    import mlflow

    row = mlflow.search_runs(filter_string=SPI1, search_all_experiments=True).iloc[0]
    path = mlflow.artifacts.download_artifacts(
        run_id=row["run_id"], artifact_path="metrics.json", dst_path=str(tmp_path)
    )
    stored = find_run(RunStore(place), "SPI1").path / "metrics.json"
    assert Path(path).read_bytes() == stored.read_bytes()


def test_logged_models_are_searched_by_tf_and_ordered_by_their_metric(uri: str) -> None:
    import mlflow

    ids = [one.experiment_id for one in mlflow.search_experiments()]
    models = mlflow.search_logged_models(
        experiment_ids=ids,
        filter_string="tags.tf = 'SPI1'",
        order_by=[{"field_name": "metrics.mcc", "ascending": False}],
        output_format="list",
    )
    assert {model.name for model in models} == {"SPI1-transfer", "SPI1-scratch"}
    scores = [
        next(metric.value for metric in model.metrics or () if metric.key == "mcc")
        for model in models
    ]
    assert scores == sorted(scores, reverse=True)
    best = models[0]
    assert best.status == "READY"
    run = mlflow.get_run(str(best.source_run_id))
    assert run.inputs is not None
    assert run.outputs is not None
    [tested] = [one for one in run.inputs.dataset_inputs if one.tags[0].value == "test"]
    [metric] = [metric for metric in best.metrics or () if metric.key == "mcc"]
    assert metric.dataset_digest == tested.dataset.digest
    assert [output.model_id for output in run.outputs.model_outputs] == [best.model_id]
    # the model card stands where MLflow's UI shows the description of a logged model
    note = best.tags["mlflow.note.content"]
    assert note.startswith(f"{run.info.run_name}, trained and validated on ")
    assert f"MCC {scores[0]:.3f}" in note
    assert (
        note
        == mlflow.MlflowClient().search_model_versions(f"run_id='{run.info.run_id}'")[0].description
    )


def test_the_best_model_is_loaded_by_its_alias_with_signature_and_example(uri: str) -> None:
    import mlflow

    version = mlflow.MlflowClient().get_model_version_by_alias("bindgrid-SPI1", "best")
    assert str(version.source).startswith("models:/m-")
    assert "MCC" in str(version.description)
    model = mlflow.pyfunc.load_model("models:/bindgrid-SPI1@best")
    assert f"models:/{model.metadata.model_id}" == version.source
    assert model.metadata.signature.inputs.input_names() == ["sequence"]
    example = model.input_example
    assert isinstance(example, pd.DataFrame)
    assert 0 < model.predict(example)["probability"].iloc[0] < 1


def test_a_registered_model_is_served(uri: str, tmp_path: Path) -> None:
    import mlflow

    model = mlflow.pyfunc.load_model("models:/bindgrid-SPI1@best")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m"]
    command += ["models:/bindgrid-SPI1@best", "--env-manager", "local", "--port", str(port)]
    log = tmp_path / "log"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MLFLOW_TRACKING_URI": uri, "PATH": path},
            start_new_session=True,
        )
        try:
            table = model.input_example.to_dict(orient="split", index=False)
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/invocations",
                data=json.dumps({"dataframe_split": table}).encode(),
                headers={"Content-Type": "application/json"},
            )
            answer = _answer(process, request, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    [row] = answer["predictions"]
    expected = model.predict(model.input_example)["probability"].iloc[0]
    assert row["probability"] == pytest.approx(expected, abs=1e-6)


def _answer(
    process: subprocess.Popen[bytes], request: urllib.request.Request, log: Path
) -> dict[str, Any]:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return dict(json.loads(answer.read()))
        except ConnectionError:
            pass
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
        time.sleep(0.3)
    raise AssertionError(log.read_text())


def test_the_use_of_the_machine_is_logged_where_mlflow_is_asked_for_it(
    uri: str, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = TrackingClient(place)
    assert system_monitor("none", uri) is None
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    run = client.mlflow.create_run("0")
    monitor = system_monitor(run.info.run_id, uri)
    assert monitor is not None
    for _ in range(100):
        metrics = client.mlflow.get_run(run.info.run_id).data.metrics
        if metrics:
            break
        time.sleep(0.2)
    monitor.finish()
    assert "system/cpu_utilization_percentage" in metrics
