"""Kills, lost nodes, failures, no MLflow and no space: nothing is lost, and a rerun gives the bits.

All disturbances hit one small plan, which is run undisturbed once.
"""

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from data.dataset.sampling import Sampling
from experiments.cli.main import main
from orchestrator.backends import local as local_backend
from orchestrator.backends.ray import run_plan as ray_backend
from orchestrator.errors import RunError
from orchestrator.plan import Plan, RunOutcome
from orchestrator.runs import execute as execute_module
from orchestrator.runs.context import RunContext
from orchestrator.runs.results import results_table
from orchestrator.runs.store import RUN_FILE, RunStore
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset
from tests.orchestrator.runs.test_execute import contents

pytestmark = [pytest.mark.xdist_group("ray-waiting"), pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
RUN = ("run", "transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--workers", "2")
EPOCHS = ("--pretrain-epochs", "2", "--epochs", "200")
"""Of small networks: enough for both arms to train for a while when the multi-model is complete."""
SMALL, PAPERS = "benchmarks.killing.command", "experiments.cli.main"
"""The command line with small networks, as the tests of this process have, and that of users."""
NO_MLFLOW = "http://127.0.0.1:1"
AGENTS_SECONDS = 100.0
"""How long Ray's agents of a killed driver may live on: they try for a minute to tell somebody."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Variables for a command; nothing of the caller's own settings."""
    foreign = ("RAY_", "TUNE_", "MLFLOW_", "BINDGRID_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # at Ray's niceness of 15 the workers starve beside the other tests
    own = {"HOME": str(home), "PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    return {**kept, **own, **more}


def command(workspace: Workspace, *arguments: str, program: str = SMALL) -> list[str]:
    words = arguments or (*RUN, *EPOCHS)
    return [sys.executable, "-m", program, *words, "--workspace", str(workspace.root)]


def bindgrid(
    workspace: Workspace,
    *arguments: str,
    program: str = SMALL,
    preexec_fn: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command (the plan, if none is given) in a process of its own, without MLflow."""
    return subprocess.run(
        command(workspace, *arguments, program=program),
        env=environment(workspace.root.parent, MLFLOW_TRACKING_URI=NO_MLFLOW),
        cwd=workspace.root.parent,
        preexec_fn=preexec_fn,
        capture_output=True,
        text=True,
        check=False,
    )


def table(workspace: Workspace) -> pd.DataFrame:
    """The results, without what the clock says."""
    return results_table(RunStore(workspace)).drop(columns="seconds")


def wait_until(condition: Callable[[], object], seconds: float = 240.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def num_complete(workspace: Workspace) -> int:
    return len(list(workspace.runs.glob("[!.]*")))


def num_training(workspace: Workspace) -> int:
    """Number of runs that have trained for an epoch, and not to the end."""
    return len(list(workspace.progress.glob("*.json")))


@dataclass(frozen=True)
class Process:
    """A process, not to be mistaken for a later one of the same number."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        stat = _stat(self.pid)
        return stat is not None and stat[19] == self.started and stat[0] != "Z"


def _stat(pid: int) -> list[str] | None:
    """State, parent and more of a process, see proc(5), from the third field on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def processes_below(pid: int) -> set[Process]:
    stats = {int(path.name): _stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    below = {pid}
    while more := {p for p, stat in stats.items() if stat and int(stat[1]) in below} - below:
        below |= more
    return {Process(p, stat[19]) for p in below - {pid} if (stat := stats[p]) is not None}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """The plan, run without Ray or a disturbance but that of MLflow; what it said of that."""
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed") / "workspace")
    tiny_dataset(workspace.dataset)
    done = bindgrid(workspace, *RUN, *EPOCHS, "--backend", "local")
    assert done.returncode == 0, done.stderr
    return workspace, done.stderr


@pytest.fixture(scope="module")
def plan(undisturbed: tuple[Workspace, str]) -> Plan:
    return Plan(run.planned for run in RunStore(undisturbed[0]).completed())


@pytest.fixture(scope="session")
def orphans() -> Iterator[set[Process]]:
    """Processes that must come to their end by themselves, while other files' tests run."""
    processes: set[Process] = set()
    yield processes
    wait_until(lambda: not any(p.is_alive() for p in processes), AGENTS_SECONDS)


@pytest.fixture
def copy(undisturbed: tuple[Workspace, str], tmp_path: Path) -> Workspace:
    """A copy of the undisturbed workspace."""
    shutil.copytree(undisturbed[0].root, tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


def run_here(plan: Plan, workspace: Workspace) -> dict[str, RunOutcome]:
    outcomes: dict[str, RunOutcome] = {}
    local_backend.run_plan(plan, workspace, on_done=lambda o: outcomes.update({o.planned.key: o}))
    return outcomes


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["bindgrid", *map(str, arguments)])
    capsys.readouterr()
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    return (code, *capsys.readouterr())


@pytest.mark.timeout(900)  # three times Ray, and the first of this module runs the plan before
def test_a_killed_driver_loses_only_what_was_training(
    undisturbed: tuple[Workspace, str], workspace: Workspace, orphans: set[Process]
) -> None:
    with subprocess.Popen(
        command(workspace),
        env=environment(workspace.root.parent, MLFLOW_TRACKING_URI=NO_MLFLOW),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as driver:
        # a second driver, while Ray starts for the first
        wait_until(lambda: workspace.lock.exists() and workspace.lock.read_text())
        second = bindgrid(workspace)
        wait_until(lambda: num_complete(workspace) and num_training(workspace))
        complete = contents(workspace)
        orphans |= processes_below(driver.pid)
        driver.kill()
    assert second.returncode == 2
    assert f"in use by process {driver.pid} on " in second.stderr.splitlines()[-1]
    assert "Traceback" not in second.stderr
    assert 0 < len(complete) < len(contents(undisturbed[0]))

    again = bindgrid(workspace)
    assert again.returncode == 0, again.stderr
    assert f"MLflow at {NO_MLFLOW} does not take the runs" in again.stderr
    assert "3 runs, 0 complete already" not in again.stderr
    assert complete.items() <= contents(workspace).items()
    assert contents(workspace) == contents(undisturbed[0])
    pd.testing.assert_frame_equal(table(workspace), table(undisturbed[0]), check_exact=True)
    assert names(workspace.root) == names(undisturbed[0].root)


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a path short enough for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_lost_node_loses_only_what_it_trained(
    undisturbed: tuple[Workspace, str],
    plan: Plan,
    workspace: Workspace,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ray._raylet import Config  # type: ignore[attr-defined]
    from ray.cluster_utils import Cluster

    from orchestrator.backends.ray import storage as shared_storage
    from orchestrator.backends.ray.session import _token, session

    monkeypatch.setenv("HOME", str(scratch))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", _token())
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    Config.initialize("")  # Ray has read the environment when it was imported
    quick = {
        "health_check_initial_delay_ms": 0,
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 4,
    }
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    lost = cluster.add_node(num_cpus=1)
    trained_at_the_loss: list[int] = []

    def lose_the_node() -> None:
        with contextlib.suppress(AssertionError):
            # one on each node
            wait_until(lambda: num_complete(workspace) and num_training(workspace) == 2)
        trained_at_the_loss.append(num_training(workspace))
        for process in processes_below(lost.all_processes["raylet"][0].process.pid):
            os.kill(process.pid, signal.SIGKILL)
        cluster.remove_node(lost, allow_graceful=False)

    outcomes: list[RunOutcome] = []
    losing = threading.Thread(target=lose_the_node)
    try:
        with session(None, cluster.address):
            other = shared_storage.Probe(
                workspace=workspace, folder=workspace.root, token="", manifest=""
            )
            monkeypatch.setattr(shared_storage, "LOOK_SECONDS", 0.0)
            told = shared_storage._ask_all(other)
            assert len(told) == 2
            assert all(f"has another {workspace.root}" in line for line in told)
            losing.start()
            options = ray_backend.RayOptions(address=cluster.address)
            ray_backend.run_plan(plan, workspace, on_done=outcomes.append, options=options)
    finally:
        if losing.is_alive():
            losing.join()
        cluster.shutdown()
    assert trained_at_the_loss == [2]
    assert [outcome.status for outcome in outcomes] == ["completed"] * 3
    assert contents(workspace) == contents(undisturbed[0])
    pd.testing.assert_frame_equal(table(workspace), table(undisturbed[0]), check_exact=True)


def test_without_mlflow_training_goes_on_and_a_sync_makes_up_for_it(
    undisturbed: tuple[Workspace, str],
    copy: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [warning] = [line for line in undisturbed[1].splitlines() if "MLflow" in line]
    assert f"MLflow at {NO_MLFLOW} does not take the runs" in warning
    assert "`bindgrid mlflow sync` logs what is missing" in warning
    assert not copy.mlflow_db.exists()

    sync = ("mlflow", "sync", "-w", copy.root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NO_MLFLOW)
    code, _, err = call(monkeypatch, capsys, *sync)
    assert (code, err.count("MLFLOW_TRACKING_URI is right"), err.count("bindgrid: ")) == (2, 1, 1)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for more, words in [
        ((), "3 runs logged"),
        ((), "0 runs logged"),
        (("--rebuild",), "3 runs deleted, 3 runs logged"),
    ]:
        code, out, err = call(monkeypatch, capsys, *sync, *more)
        assert (code, words in out) == (0, True), err

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{copy.mlflow_db}")
    experiment = client.get_experiment_by_name("transfer")
    assert experiment is not None
    logged = {run.data.tags["key"]: run for run in client.search_runs([experiment.experiment_id])}
    for run in RunStore(copy).completed():
        assert logged.pop(run.key).data.metrics["mcc"] == pytest.approx(run.metrics.mcc)
    assert not logged


def test_a_run_that_fails_is_told_with_its_reason_and_the_rest_goes_on(
    undisturbed: tuple[Workspace, str],
    plan: Plan,
    copy: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NO_MLFLOW)
    multi, scratch, transfer = sorted(plan, key=lambda run: run.arm)
    for run in (scratch, transfer):
        shutil.rmtree(copy.run(run.key))
    weights = copy.run(multi.key) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    command = (*RUN, *EPOCHS, "--backend", "local", "-w", copy.root)
    code, _, err = call(monkeypatch, capsys, *command)
    assert code == 1
    record = copy.failure(transfer.key)
    [told] = [line for line in err.splitlines() if "failed: " in line]
    assert told.startswith("SPI1 transfer r1: failed: ")
    assert str(weights) in told
    assert told.endswith(f"(traceback: {record})")
    assert "1 of 3 runs did not complete" in err.splitlines()[-1]
    assert str(record.parent) in err.splitlines()[-1]
    written = json.loads(record.read_text())
    assert written["error"] in told
    assert written["traceback"][0] == "Traceback (most recent call last):"
    assert RunStore(copy).is_complete(scratch.key)

    shutil.rmtree(weights.parent)
    run_here(plan, copy)
    assert not record.exists()
    assert contents(copy) == contents(undisturbed[0])


def test_a_run_with_too_few_regions_fails_by_itself(plan: Plan, workspace: Workspace) -> None:
    [scratch] = [run for run in plan if run.arm == "scratch"]
    regions = replace(scratch.spec.regions, sampling=Sampling(num_bound=10_000), excluded=None)
    too_few = replace(scratch, spec=replace(scratch.spec, regions=regions))
    outcomes = run_here(Plan([too_few, scratch]), workspace)
    assert outcomes[scratch.key].status == "completed"
    assert outcomes[too_few.key].status == "failed"
    assert "10000 are needed" in str(outcomes[too_few.key].error)
    record = json.loads(workspace.failure(too_few.key).read_text())
    assert record["error"] == outcomes[too_few.key].error


def file_size_limit(num_bytes: int) -> Callable[[], None]:
    """Let no file of a process grow beyond a size, as a disk without space does."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))


def test_without_space_runs_fail_in_one_line_and_leave_nothing_half_written(
    plan: Plan, workspace: Workspace
) -> None:
    run = (*RUN, "--pretrain-epochs", "1", "--epochs", "1", "--backend", "local")
    nothing = bindgrid(workspace, *run, program=PAPERS, preexec_fn=file_size_limit(0))
    assert nothing.returncode == 2
    assert "Traceback" not in nothing.stderr
    complaint = nothing.stderr.splitlines()[-1]
    assert f"cannot write to {workspace.root} (File too large): free space" in complaint

    some = bindgrid(workspace, *run, program=PAPERS, preexec_fn=file_size_limit(1_000_000))
    assert some.returncode == 1
    assert "Traceback" not in some.stderr
    failed = [line for line in some.stderr.splitlines() if ": failed: " in line]
    assert len(failed) == 2
    assert all("cannot be written (File too large); free space" in line for line in failed)
    assert not list(workspace.runs.iterdir())


def test_a_table_that_cannot_be_written_is_one_line_and_leaves_the_old_one(
    undisturbed: tuple[Workspace, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    old = tmp_path / "runs.csv"
    old.write_text("old")
    results = ("results", "-w", undisturbed[0].root)
    code, _, err = call(monkeypatch, capsys, *results, tmp_path / "none" / "runs.csv")
    assert (code, err.count("\n"), "cannot be written" in err) == (2, 1, True)
    monkeypatch.setattr(os, "replace", full)
    code, _, err = call(monkeypatch, capsys, *results, old)
    assert (code, "runs.csv: cannot be written (No space left on device)" in err) == (2, True)
    assert os.listdir(tmp_path) == ["runs.csv"]
    assert old.read_text() == "old"


def test_an_error_of_the_place_is_one_line_and_one_of_the_program_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(code: int) -> None:
        raise OSError(code, os.strerror(code), "there")

    monkeypatch.setattr("experiments.cli.main.app", lambda: broken(errno.EACCES))
    code, _, err = call(monkeypatch, capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "there: Permission denied; free space or check rights" in err
    monkeypatch.setattr("experiments.cli.main.app", lambda: broken(errno.EBADF))
    with pytest.raises(OSError, match="Bad file descriptor"):
        call(monkeypatch, capsys)


def test_a_full_disk_is_told_even_if_that_cannot_be_written_down(
    plan: Plan, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    [scratch] = [run for run in plan if run.arm == "scratch"]
    monkeypatch.setattr(Path, "write_text", full)
    outcome = execute_module.attempt(scratch, RunContext(workspace=workspace))
    assert outcome.status == "failed"
    assert outcome.error == (
        f"{workspace.run(scratch.key)}: cannot be written (No space left on device); free space "
        "or check rights, and run again"
    )
    assert not list(workspace.runs.iterdir())
    assert not list(workspace.failure(scratch.key).parent.glob("*"))


def test_what_a_newer_program_wrote_is_refused_in_one_line(
    copy: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_file = RunStore(copy).completed()[0].path / RUN_FILE
    run_file.write_text(json.dumps({**json.loads(run_file.read_text()), "version": 99}))
    with pytest.raises(RunError, match="version 99"):
        RunStore(copy).check()
    code, _, err = call(monkeypatch, capsys, "results", "-w", copy.root)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{run_file}: version 99, this bindgrid reads up to 2; update bindgrid" in err

    manifest = copy.dataset / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 99}))
    code, _, err = call(monkeypatch, capsys, *RUN, "-w", copy.root)
    assert (code, err.splitlines()[-1].count("schema version 99, this bindgrid reads")) == (2, 1)
