"""MLflow as a view of the run store: on SQLite, on a real server, and on none."""

import ast
import json
import logging
import queue
import shutil
import socket
import sqlite3
from logging.handlers import QueueHandler
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data.dataset.sampling import Sampling
from data.records import to_values
from model.network_config import NetworkConfig
from model.training.loop import TrainingConfig
from orchestrator import tracking
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun, RunOutcome
from orchestrator.role import Arm, RunRole, SampleSize
from orchestrator.runs.planned_records import run_record
from orchestrator.runs.store import HISTORY_FILE, METRICS_FILE, RUN_FILE, RunStore, StoredRun
from orchestrator.spec import RegionSpec, RunSpec
from orchestrator.tracking import ui
from orchestrator.tracking.background import BackgroundView
from orchestrator.tracking.client import TrackingClient, TrackingError
from orchestrator.tracking.database import create_database
from orchestrator.tracking.runs import RunWriter
from orchestrator.tracking.sync import MlflowView
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.entities import Run

TRAINING = TrainingConfig(lr=0.003, max_epochs=2)
MULTI = RunSpec(
    regions=RegionSpec(
        tfs=("A", "B"), view="less-sparse", sampling=Sampling(), dataset="fingerprint"
    ),
    network=NetworkConfig(num_tfs=2),
    training=TRAINING,
    seed=0,
)
METRICS = {
    "num_bound": 450,
    "num_unbound": 451,
    "num_train_regions": 800,
    "num_val_regions": 101,
    "num_test_regions": 100,
    "num_test_regions_seen_in_pretraining": 0,
    "mcc": 0.25,
    "auroc": 0.75,
    "average_precision": 0.5,
    "aucpr_trapezoid": float("nan"),
    "precision": 0.625,
    "recall": 0.375,
    "best_epoch": 2,
    "seconds": 3.0,
}
HISTORY = [
    {"epoch": 1, "train_loss": 0.75, "val_loss": 0.5, "seconds": 1.0},
    {"epoch": 2, "train_loss": 0.5, "val_loss": 0.25, "seconds": 1.0},
]


def planned(arm: Arm = "transfer", replicate: int = 1) -> PlannedRun:
    if arm == "multi":
        role = RunRole(experiment="transfer", arm=arm, tf="", replicate=replicate)
        return PlannedRun(spec=MULTI, role=role)
    spec = RunSpec(
        regions=RegionSpec(
            tfs=("A",),
            view="sparse",
            sampling=Sampling(seed=replicate),
            dataset="fingerprint",
            excluded=MULTI.regions,
        ),
        network=NetworkConfig(num_tfs=1),
        training=TRAINING,
        seed=replicate,
        start=MULTI if arm == "transfer" else None,
    )
    role = RunRole(
        experiment="transfer",
        arm=arm,
        tf="A",
        replicate=replicate,
        set_label="both",
        size=SampleSize(500),
    )
    return PlannedRun(spec=spec, role=role)


def store_run(workspace: Workspace, run: PlannedRun) -> StoredRun:
    store = RunStore(workspace)
    with store.writing(run.key) as folder:
        contents = {
            RUN_FILE: to_values(run_record(run)),
            METRICS_FILE: METRICS,
            HISTORY_FILE: HISTORY,
        }
        for name, content in contents.items():
            (folder / name).write_text(json.dumps(content))
    return store.open(run.key)


def logged(workspace: Workspace, uri: str | None = None) -> dict[str, "Run"]:
    """MLflow's runs of the experiment by name, with none twice."""
    from mlflow import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{workspace.mlflow_db}")
    experiment = client.get_experiment_by_name("transfer")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert len(by_name) == len(runs)
    return by_name


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which take seconds to make."""
    workspace = Workspace(tmp_path_factory.mktemp("template"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        _ = TrackingClient(workspace).mlflow.search_experiments()
    with sqlite3.connect(workspace.mlflow_db) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return workspace.mlflow_db


@pytest.fixture
def workspace(tmp_path: Path, template: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.mlflow_db.write_bytes(template.read_bytes())
    return made


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_run_is_logged_with_name_tags_params_metrics_and_files(workspace: Workspace) -> None:
    run = store_run(workspace, planned())
    RunWriter(TrackingClient(workspace)).log_run(run)

    runs = logged(workspace)
    assert set(runs) == {"A transfer r1"}
    logged_run = runs["A transfer r1"]
    assert logged_run.info.status == "FINISHED"
    tags = {name: value for name, value in logged_run.data.tags.items() if "mlflow." not in name}
    assert tags == {
        "key": run.key,
        "experiment": "transfer",
        "arm": "transfer",
        "tf": "A",
        "target": "",
        "with_target": "",
        "pretraining_set": "both",
        "group": "500 bound",
        "replicate": "1",
        "num_bound": "450",
        "run_folder": str(run.path),
    }
    # nested runs are folded in the UI
    assert "mlflow.parentRunId" not in logged_run.data.tags
    assert logged_run.info.end_time - logged_run.info.start_time == 3000
    assert logged_run.info.end_time == int(1000 * run.finished_at)
    assert logged_run.data.params["start"] == MULTI.key
    assert logged_run.data.params["training.lr"] == "0.003"
    assert logged_run.data.params["regions.tfs"] == '["A"]'
    assert logged_run.data.params["regions.excluded"] == "of a multi-model of 2 TFs"
    assert logged_run.data.metrics["mcc"] == 0.25
    assert logged_run.data.metrics["best_epoch"] == 2
    left_out = set(METRICS) - set(logged_run.data.metrics)
    assert left_out == {name for name in METRICS if name.startswith("num_")}
    for name in (RUN_FILE, METRICS_FILE, HISTORY_FILE):
        [copy] = workspace.mlflow_artifacts.rglob(name)
        assert copy.read_bytes() == (run.path / name).read_bytes()


def test_losses_have_the_epoch_as_step_and_its_end_as_time(workspace: Workspace) -> None:
    writer = RunWriter(TrackingClient(workspace))
    writer.log_run(store_run(workspace, planned()))
    run = logged(workspace)["A transfer r1"]
    points = writer._client.mlflow.get_metric_history(run.info.run_id, "val_loss")
    start = run.info.start_time
    assert [(p.step, p.value, p.timestamp - start) for p in points] == [
        (1, 0.5, 1000),
        (2, 0.25, 2000),
    ]


def test_a_run_is_logged_once(workspace: Workspace) -> None:
    runs = [store_run(workspace, planned(arm)) for arm in ("multi", "transfer", "scratch")]
    RunWriter(TrackingClient(workspace)).log_run(runs[0])
    writer = RunWriter(TrackingClient(workspace))
    writer.log_run(runs[0])
    assert writer.sync(RunStore(workspace)) == 2
    assert writer.sync(RunStore(workspace)) == 0
    assert set(logged(workspace)) == {
        "multi-model 2 TFs r1",
        "A transfer r1",
        "A scratch r1",
    }


def test_a_success_takes_the_place_of_what_failed_or_was_left_half_written(
    workspace: Workspace,
) -> None:
    writer = RunWriter(TrackingClient(workspace))
    run = planned()
    writer.log_failure(run, "A has 5 bound regions")
    writer.log_failure(run, "A has 6 bound regions")
    failed = logged(workspace)["A transfer r1"]
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error"] == "A has 6 bound regions"
    stored = store_run(workspace, run)
    writer.log_run(stored)
    assert logged(workspace)["A transfer r1"].info.status == "FINISHED"
    writer.log_failure(run, "late")
    assert logged(workspace)["A transfer r1"].info.status == "FINISHED"

    other = store_run(workspace, planned("scratch"))
    half = writer._client.mlflow.create_run(
        failed.info.experiment_id, tags={"key": other.key}, run_name="A scratch r1"
    )
    writer.log_run(other)
    assert logged(workspace)["A scratch r1"].info.run_id != half.info.run_id


@pytest.mark.slow
def test_readers_do_not_stop_the_writer(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "new")
    create_database(workspace)
    with sqlite3.connect(workspace.mlflow_db) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_a_database_refuses_is_a_line_without_a_traceback(tmp_path: Path) -> None:
    client = TrackingClient(Workspace(tmp_path / "new"))
    assert client.mlflow.search_experiments()
    with sqlite3.connect(client.workspace.mlflow_db) as connection:
        connection.execute("DROP TABLE experiment_tags")
    logged: queue.SimpleQueue[object] = queue.SimpleQueue()
    handler = QueueHandler(logged)
    logging.getLogger("mlflow.store.db.utils").addHandler(handler)
    try:
        with (
            pytest.raises(TrackingError, match=r"no such table: .*free space or check rights"),
            client.translated(),
        ):
            client.mlflow.search_experiments(filter_string="tags.a = 'b'")
    finally:
        logging.getLogger("mlflow.store.db.utils").removeHandler(handler)
    assert logged.empty()


@pytest.mark.slow
def test_tables_are_made_without_waits_for_the_disk_and_used_with_them(tmp_path: Path) -> None:
    from mlflow import MlflowClient
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    waits: dict[str, set[int]] = {}

    def look(connection: sqlite3.Connection, *_: object) -> None:
        _, _, file = connection.execute("PRAGMA database_list").fetchone()  # the main one is first
        [(level,)] = connection.execute("PRAGMA synchronous")
        waits.setdefault(Path(file).name, set()).add(level)

    workspace = Workspace(tmp_path / "new")
    event.listen(Pool, "checkout", look)
    try:
        create_database(workspace)
        MlflowClient(f"sqlite:///{workspace.mlflow_db}").search_experiments()
    finally:
        event.remove(Pool, "checkout", look)
    assert waits["made.db"] == {0}
    assert waits["mlflow.db"].isdisjoint({0})


@pytest.mark.slow
def test_a_database_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    workspace = Workspace(tmp_path / "new")
    monkeypatch.setattr(MlflowClient, "search_experiments", killed)
    with pytest.raises(KeyboardInterrupt):
        create_database(workspace)
    assert not list(workspace.root.iterdir())


def test_forgetting_leaves_what_others_and_failures_logged(workspace: Workspace) -> None:
    writer, store = RunWriter(TrackingClient(workspace)), RunStore(workspace)
    removed = store_run(workspace, planned(replicate=2))
    writer.sync(store)
    shutil.rmtree(removed.path)
    writer.log_run(store_run(workspace, planned(replicate=1)))
    writer.log_failure(planned(replicate=3), "A has 5 bound regions")
    elsewhere = Workspace(workspace.root / "elsewhere")
    other = store_run(elsewhere, planned(replicate=4))
    writer._log(other, other.planned, writer._views.experiment_id("transfer"))
    assert writer.forget(store) == 2
    assert set(logged(workspace)) == {"A transfer r3", "A transfer r4"}
    assert writer.sync(store) == 1


def test_the_thread_logs_what_ended_and_leaves_out_what_was_blocked(workspace: Workspace) -> None:
    warnings: list[str] = []
    runs = [planned(replicate=number) for number in (1, 2, 3)]
    store_run(workspace, runs[0])
    with BackgroundView(MlflowView(workspace), warnings.append) as background:
        background.log(RunOutcome(planned=runs[0], status="completed"))
        background.log(RunOutcome(planned=runs[1], status="failed", error="no"))
        background.log(RunOutcome(planned=runs[2], status="blocked", error="needs r2"))
    status = {name: run.info.status for name, run in logged(workspace).items()}
    assert status == {
        "A transfer r1": "FINISHED",
        "A transfer r2": "FAILED",
    }
    assert warnings == []


def test_a_server_that_is_not_there_is_one_warning(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port}")
    store_run(workspace, planned())
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        RunWriter(TrackingClient(workspace)).sync(RunStore(workspace))
    warnings: list[str] = []
    with BackgroundView(MlflowView(workspace), warnings.append) as background:
        background.sync()
        for _ in range(3):
            background.log(RunOutcome(planned=planned(), status="completed"))
    [warning] = warnings
    assert f"MLflow at http://127.0.0.1:{free_port} " in warning
    assert "\n" not in warning


@pytest.mark.slow
def test_the_ui_shows_the_store_and_as_a_server_takes_runs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    store_run(workspace, planned())
    addresses: list[str] = []

    def use(url: str) -> None:
        addresses.append(url)
        assert "A transfer r1" in logged(workspace, url)
        with pytest.raises(RunError, match=rf"127\.0\.0\.1:{free_port} .* another --port"):
            ui.serve_ui(workspace, port=free_port)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        with pytest.raises(RunError, match=f"open {url}"):
            ui.serve_ui(workspace)
        client = TrackingClient(workspace)
        assert client.uri == url
        writer = RunWriter(client)
        writer.log_run(store_run(workspace, planned("scratch")))
        assert writer.sync(RunStore(workspace)) == 0
        logged_run = logged(workspace, url)["A scratch r1"]
        files = client.mlflow.list_artifacts(logged_run.info.run_id)
        assert {file.path for file in files} == {RUN_FILE, METRICS_FILE, HISTORY_FILE}
        raise KeyboardInterrupt

    ui.serve_ui(workspace, port=free_port, on_step=use)

    assert addresses == [f"http://127.0.0.1:{free_port}"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=1)
    logged_run = logged(workspace)["A scratch r1"]
    assert logged_run.info.status == "FINISHED"
    assert logged_run.data.metrics["mcc"] == 0.25


def test_no_class_of_the_tracking_inherits_from_another() -> None:
    bases: dict[str, set[str]] = {}
    for path in Path(tracking.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {base.id for base in node.bases if isinstance(base, ast.Name)}
    assert "RunWriter" in bases
    assert not {name for name, own in bases.items() if own & bases.keys()}
