"""Runs on PostgreSQL and S3: the whole way, an outage in the middle, and two drivers at once.

`pytest -m servers` runs them. They need Debian's package postgresql, and are skipped without it.
"""

import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.report.bootstrap import SCORES
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import TrackingClient, TrackingError, without_password
from orchestrator.tracking.sync import MlflowView
from orchestrator.tracking.views import experiment_tags
from orchestrator.verdict.arms import SCRATCH, TRANSFER
from orchestrator.verdict.card import write_card
from orchestrator.verdict.rule import conclude
from orchestrator.verdict.verdict import Verdict
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import planned_run, store_run
from tests.helpers.flaky_server import flaky
from tests.helpers.real_servers import (
    BUCKET,
    PASSWORD,
    Backend,
    backend,
    mlflow_on,
    what_is_missing,
)
from tests.orchestrator.verdict.test_rule import numbers, value

MISSING = what_is_missing()
NAMES = ("SPI1 transfer r1", "SPI1 scratch r1", "SPI1 multi r1", "multi-model 2 TFs r1")
"""The MLflow runs of the workspace `trained`."""
pytestmark = [
    pytest.mark.servers,
    pytest.mark.xdist_group("servers"),  # beside the other tests of `trained`
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have MLflow's own functions look at `MLFLOW_TRACKING_URI`, whatever a test before has set."""
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)


@pytest.fixture(scope="module")
def servers() -> Iterator[Backend]:
    with backend() as running:
        yield running


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "mlflow.log"


@pytest.fixture(scope="module")
def url(servers: Backend, log: Path) -> Iterator[str]:
    """A server of MLflow that holds its runs in PostgreSQL, and artifacts in S3 for its clients."""
    options = ("--serve-artifacts", "--artifacts-destination", f"s3://{BUCKET}/served")
    with mlflow_on(servers.make_database("served"), options, log) as running:
        yield running


def without_s3(patch: pytest.MonkeyPatch, servers: Backend) -> None:
    """Take from this process what it would need to reach S3 by itself."""
    for name in servers.environment:
        patch.delenv(name)


def copy_of(trained: Workspace, root: Path) -> Workspace:
    place = Workspace(root)
    shutil.copytree(trained.runs, place.runs)
    shutil.copytree(trained.dataset, place.dataset)
    return place


def add_card(place: Workspace) -> None:
    scores = dict.fromkeys(SCORES, value(0.5, 0.6, 0.7))
    found = numbers(arms={TRANSFER: scores, SCRATCH: scores}, gains={SCRATCH: scores})
    write_card(Verdict(numbers=found, conclusion=conclude(found), filters=None), place)


def runs_of(client: TrackingClient, name: str = "transfer") -> list[Any]:
    found = client.mlflow.get_experiment_by_name(name)
    return [] if found is None else list(client.all_runs(found.experiment_id))


def test_the_whole_way_by_a_server_that_is_away_for_a_while(
    servers: Backend,
    url: str,
    trained: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mlflow

    without_s3(monkeypatch, servers)
    place = copy_of(trained, tmp_path / "workspace")
    add_card(place)
    store = RunStore(place)
    with flaky(url) as between:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", between.url)
        between.refused["mlflow-artifacts"] = 503  # the run is made, its files are not taken
        with pytest.raises(TrackingError, match="nothing is lost, `bindgrid mlflow sync`"):
            MlflowView(place).sync(store)
        between.refused.clear()
        between.is_down = True
        with pytest.raises(TrackingError, match="check that it is up"):
            MlflowView(place).sync(store)
        between.is_down = False
        view = MlflowView(place)
        view.sync(store)
        assert MlflowView(place).sync(store) == 0
    assert without_password(between.url) == between.url

    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    client = TrackingClient(place)
    names = Counter(run.info.run_name for run in runs_of(client))
    assert names == dict.fromkeys(NAMES, 1)
    assert {run.info.status for run in runs_of(client)} == {"FINISHED"}
    [run] = [one for one in runs_of(client) if one.info.run_name == "SPI1 transfer r1"]
    assert {one.tags[0].value for one in run.inputs.dataset_inputs} == {"training", "test"}
    stored = find_run(store, "SPI1")
    # PWMs and all other files lie in S3, and come back by the server, without credentials
    kept = {
        key.rpartition("/")[2] for key in _objects(servers, f"served/{run.info.experiment_id}/")
    }
    assert {"filters.meme", "logos.svg", "weights.safetensors", "MLmodel"} <= kept
    for name in ("filters.meme", "metrics.json"):
        path = client.mlflow.download_artifacts(run.info.run_id, name, str(tmp_path))
        assert Path(path).read_bytes() == (stored.path / name).read_bytes()
    models = client.mlflow.search_logged_models([run.info.experiment_id])
    assert {model.name for model in models} == {"SPI1-transfer", "SPI1-scratch"}
    model = mlflow.pyfunc.load_model("models:/bindgrid-SPI1@best")
    table = pd.DataFrame({"sequence": ["ACGT" * 50]})
    assert 0 < model.predict(table)["probability"].iloc[0] < 1
    [verdict] = runs_of(client, "verdicts")
    files = {file.path for file in client.mlflow.list_artifacts(verdict.info.run_id)}
    assert {Path(name).suffix for name in files} == {".html", ".json"}


def _objects(servers: Backend, prefix: str) -> set[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, text in servers.environment.items():
            patch.setenv(name, text)
        return servers.files(prefix)


def test_a_server_that_serves_no_artifacts_has_its_clients_put_them_in_s3_themselves(
    servers: Backend, trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    place = copy_of(trained, tmp_path / "workspace")
    root = f"s3://{BUCKET}/unserved"
    options = ("--no-serve-artifacts", "--default-artifact-root", root)
    with mlflow_on(servers.make_database("unserved"), options, tmp_path / "log") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        view, store = MlflowView(place), RunStore(place)
        assert view.sync(store) == len(NAMES)
        assert {run.info.artifact_uri.startswith(root) for run in runs_of(view.client)} == {True}
        [run] = [one for one in runs_of(view.client) if one.info.run_name == "SPI1 scratch r1"]
        path = view.client.mlflow.download_artifacts(run.info.run_id, "filters.meme", str(tmp_path))
        stored = find_run(store, "SPI1", "scratch").path / "filters.meme"
        assert Path(path).read_bytes() == stored.read_bytes()
        model = mlflow.pyfunc.load_model("models:/bindgrid-SPI1@best")
        assert model.predict(pd.DataFrame({"sequence": ["ACGT" * 50]}))["probability"].iloc[0] > 0
        assert _objects(servers, "unserved/")
        assert MlflowView(place).sync(store) == 0


def test_the_first_page_reads_its_runs_from_postgresql(
    url: str, trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    place = copy_of(trained, tmp_path / "workspace")
    MlflowView(place).sync(RunStore(place))
    with urllib.request.urlopen(f"{url}/bindgrid/", timeout=120) as answer:
        page = answer.read().decode()
    mcc = find_run(RunStore(place), "SPI1").metrics.mcc
    [row] = [line for line in page.splitlines() if ">SPI1</td>" in line]
    assert f">{mcc:.3f}<" in row


def test_without_a_server_runs_go_to_the_database_and_files_to_s3_itself(
    servers: Backend, trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copy_of(trained, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", servers.make_database("direct"))
    root = f"s3://{BUCKET}/direct"
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", root)
    view, store = MlflowView(place), RunStore(place)
    assert view.sync(store) == len(NAMES)
    [run] = [one for one in runs_of(view.client) if one.info.run_name == "SPI1 scratch r1"]
    assert run.info.artifact_uri.startswith(root)
    path = view.client.mlflow.download_artifacts(run.info.run_id, "filters.meme", str(tmp_path))
    stored = find_run(store, "SPI1", "scratch").path / "filters.meme"
    assert Path(path).read_bytes() == stored.read_bytes()
    assert set(view.client.mlflow.get_registered_model("bindgrid-SPI1").aliases) == {
        "transfer",
        "scratch",
        "best",
    }
    assert not (tmp_path / "mlruns").exists()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    store_run(place, planned_run("scratch", "B"), np.array([0, 1] * 5, np.int8), np.ones(10, bool))
    with pytest.raises(TrackingError, match="go to S3 from here: check AWS_ACCESS_KEY_ID"):
        MlflowView(place).sync(store)


def at_once(jobs: list[Callable[[], object]]) -> None:
    gate, failures = threading.Barrier(len(jobs)), list[Exception]()

    def work(job: Callable[[], object]) -> None:
        gate.wait()
        try:
            job()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_drivers_that_make_the_same_experiment_and_model_at_once_share_them(
    url: str, trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    places = [copy_of(trained, tmp_path / f"copy{number}") for number in range(3)]
    for name in ("race 1", "race 2", "race 3"):
        clients = [TrackingClient(place) for place in places]
        at_once([partial(client.experiment_id, name, experiment_tags) for client in clients])
        assert len({client.experiment_id(name, experiment_tags) for client in clients}) == 1
    views = [MlflowView(place) for place in places]
    # tests before have logged them from elsewhere
    for run in runs_of(views[0].client):
        views[0].client.mlflow.delete_run(run.info.run_id)
    for model in views[0].client.mlflow.search_registered_models():
        views[0].client.mlflow.delete_registered_model(model.name)
    at_once([partial(view.sync, RunStore(view.client.workspace)) for view in views])
    names = Counter(run.info.run_name for run in runs_of(views[0].client))
    assert names == dict.fromkeys(NAMES, 1)
    model = views[0].client.mlflow.get_registered_model("bindgrid-SPI1")
    assert set(model.aliases) == {"transfer", "scratch", "best"}
    assert [view.sync(RunStore(view.client.workspace)) for view in views] == [0, 0, 0]


def test_no_message_and_no_log_has_the_password(
    servers: Backend,
    url: str,
    log: Path,
    trained: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert PASSWORD not in log.read_text()
    place = copy_of(trained, tmp_path / "workspace")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url.replace("http://", f"http://me:{PASSWORD}@"))
    MlflowView(place).sync(RunStore(place))
    assert capfd.readouterr() == ("", "")
    for uri in (
        servers.uri("none-of-this-name"),
        servers.uri(password=f"{PASSWORD}-wrong"),
        url.replace("http://", f"http://me:{PASSWORD}@").replace("127.0.0.1", "127.0.0.2"),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(TrackingError) as caught:
            MlflowView(place).sync(RunStore(place))
        assert PASSWORD not in str(caught.value)
        assert "://***@127.0.0." in str(caught.value)
        assert "\n" not in str(caught.value)
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli.main", "ui", "--workspace", str(place.root)],
        env={**os.environ, "MLFLOW_TRACKING_URI": servers.uri(password=f"{PASSWORD}-wrong")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 2
    assert "password authentication failed" in done.stderr
    assert PASSWORD not in done.stderr + done.stdout
    written = [path for path in place.root.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


def sync_at_once(places: list[Workspace], url: str) -> None:
    """Have the command log several workspaces at the same time, each by a process of its own."""
    command = [sys.executable, "-m", "experiments.cli.main", "mlflow", "sync", "--workspace"]
    drivers = [
        subprocess.Popen(
            [*command, str(place.root)],
            # a busy machine: what is looked at is not how fast the server answers
            env={**os.environ, "MLFLOW_TRACKING_URI": url, "MLFLOW_HTTP_REQUEST_TIMEOUT": "300"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for place in places
    ]
    said = [driver.communicate()[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0] * len(drivers), said


def test_two_drivers_log_20_runs_at_once_and_none_is_lost_or_doubled(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.array([0, 1] * 10, dtype=np.int8)
    places = [Workspace(tmp_path / name) for name in ("one", "two")]
    first, second = (
        [
            planned_run(arm, f"TF{number}", experiment="downsampling")
            for number in numbers
            for arm in ("scratch", "transfer")
        ]
        for numbers in (range(8), range(2, 10))
    )
    # both have the runs of six TFs, as users have who planned the same study
    for place, planned in zip(places, (first, second), strict=True):
        for run in planned:
            store_run(place, run, labels, labels == 1)
    sync_at_once(places, url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    client = TrackingClient(places[0])
    runs = runs_of(client, "downsampling")
    wanted = {(run.key, run.arm) for run in (*first, *second)}
    assert len(wanted) == 20
    assert Counter((run.data.tags["key"], run.data.tags["arm"]) for run in runs) == dict.fromkeys(
        wanted, 1
    )
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.data.metrics["mcc"] == 1 for run in runs)
    assert [MlflowView(place).sync(RunStore(place)) for place in places] == [0, 0]
    assert len(runs_of(client, "downsampling")) == 20
