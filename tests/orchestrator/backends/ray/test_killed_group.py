"""A masked multi-model that two Ray Train workers train outlives its driver, and one of the two."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open
from torch import multiprocessing

from data.records import to_values
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.helpers.group_member import train_as_one_of_two
from tests.helpers.tiny import tiny_dataset
from tests.orchestrator.backends.ray.test_run_plan import worker_pids

pytestmark = pytest.mark.xdist_group("ray-waiting")

ROOT = Path(__file__).parents[4]
STATE_OF_EACH_EPOCH = """
from functools import partial
from benchmarks.killing.command import small
from model import network_config
network_config.published = small
from orchestrator.backends.ray import session as ray_session
hook = {"worker_process_setup_hook": "tests.helpers.group_member.keep_each_epoch"}
ray_session._init = partial(ray_session._init, runtime_env=hook)
from experiments.cli.main import main
main()
"""
NUM_EPOCHS = 60
RUN = (
    *("run", "transfer", "--pretrain", "masked", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA"),
    *("--min-bound", "10", "--pretrain-epochs", str(NUM_EPOCHS), "--epochs", "1"),
    *("--pretrain-workers", "2", "--workers", "1"),
)


def start(workspace: Workspace) -> "subprocess.Popen[bytes]":
    """Run the plan of small networks in a process; its groups keep the state of each epoch."""
    foreign = ("RAY_", "TUNE_", "MLFLOW_", "BINDGRID_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with (workspace.root / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", STATE_OF_EACH_EPOCH, *RUN, "--workspace", str(workspace.root)],
            env={
                **kept,
                "PYTHONPATH": str(ROOT),
                "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
                # at Ray's niceness of 15 the workers starve beside the other half of the tests
                "RAY_worker_niceness": "0",
            },
            stdout=log,
            stderr=log,
        )


def wait_for_states(number: int, workspace: Workspace, driver: "subprocess.Popen[bytes]") -> Path:
    """Wait until so many states are written from now on; give their file."""
    states = {path.stat().st_mtime_ns for path in workspace.root.glob("training/[!.]*")}
    number += len(states)
    until = time.monotonic() + 300
    while len(states) < number:
        assert driver.poll() is None, (workspace.root / "log").read_text()
        assert time.monotonic() < until, "waited in vain"
        states |= {path.stat().st_mtime_ns for path in workspace.root.glob("training/[!.]*")}
        time.sleep(0.002)
    [state] = workspace.root.glob("training/[!.]*")
    return state


def epochs_in(state: Path) -> list[dict[str, float]]:
    with safe_open(state, framework="pt") as opened:
        history: list[dict[str, float]] = json.loads(opened.metadata()["state"])["history"]
    return history


@pytest.mark.timeout(600)  # three groups start, under two Rays
def test_a_group_goes_on_after_a_kill_of_its_driver_and_one_of_a_worker(tmp_path: Path) -> None:
    killed, undisturbed = Workspace(tmp_path / "killed"), Workspace(tmp_path / "whole")
    for workspace in (killed, undisturbed):
        tiny_dataset(workspace.dataset)
    store = RunStore(killed)

    with start(killed) as driver:
        state = wait_for_states(3, killed, driver)
        before = epochs_in(state)
        driver.send_signal(signal.SIGKILL)
    assert not store.is_complete(state.stem)
    # at once: what the killed command has left may still be training
    with start(killed) as driver:
        while not (members := worker_pids("ray::RayTrainWorker")):
            assert driver.poll() is None, (killed.root / "log").read_text()
            time.sleep(0.2)
        wait_for_states(3, killed, driver)
        os.kill(max(members), signal.SIGKILL)
        between = epochs_in(state)
        assert driver.wait() == 0, (killed.root / "log").read_text()
    assert not state.exists()

    run = store.open(state.stem)
    multiprocessing.spawn(train_as_one_of_two, (run.planned, undisturbed.root), nprocs=2)
    expected = RunStore(undisturbed).open(state.stem)
    weights = [(place / "weights.safetensors").read_bytes() for place in (run.path, expected.path)]
    assert weights[0] == weights[1]
    # the epochs of before took the very seconds that they took then: they were not trained again
    assert len(run.history) == NUM_EPOCHS
    for kept in (before, between):
        assert 3 <= len(kept) < NUM_EPOCHS
        assert to_values(run.history[: len(kept)]) == kept
    assert len(between) > len(before)
