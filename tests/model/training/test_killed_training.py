"""A training that is killed resumes from its last epoch, and ends with the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import safe_open

from data.records import to_values
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset
from tests.orchestrator.runs.test_execute import contents

ROOT = Path(__file__).parents[3]
STATE_OF_EACH_EPOCH = """
from functools import partial
from benchmarks.killing.command import small
from model import network_config
network_config.published = small
from orchestrator.runs import execute
execute.StateFile = partial(execute.StateFile, every_seconds=0.0)
from experiments.cli.main import main
main()
"""
NUM_EPOCHS = 40
"""So many that a busy machine does not come too late with the kill."""
RUN = (
    *("run", "transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--backend", "local"),
    *("--pretrain-epochs", str(NUM_EPOCHS), "--pretrain-keep", "last", "--epochs", "1"),
)
KILLED_IN_EPOCH = 3


def start(workspace: Workspace) -> "subprocess.Popen[bytes]":
    """Run the plan in a process of its own that keeps the state of each epoch."""
    foreign = ("RAY_", "TUNE_", "MLFLOW_", "BINDGRID_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.Popen(
        [sys.executable, "-c", STATE_OF_EACH_EPOCH, *RUN, "--workspace", str(workspace.root)],
        env={**kept, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_command_goes_on_in_the_midst_of_a_training(tmp_path: Path) -> None:
    undisturbed, killed = Workspace(tmp_path / "whole"), Workspace(tmp_path / "killed")
    for workspace in (undisturbed, killed):
        tiny_dataset(workspace.dataset)
    with start(undisturbed) as process:
        assert process.wait() == 0
    with start(killed) as process:
        states: set[int] = set()
        until = time.monotonic() + 120
        while len(states) < KILLED_IN_EPOCH:
            assert process.poll() is None, "ended before it was killed"
            assert time.monotonic() < until, "waited in vain"
            states |= {path.stat().st_mtime_ns for path in killed.root.glob("training/[!.]*")}
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    [state] = killed.root.glob("training/[!.]*")
    assert not RunStore(killed).is_complete(state.stem)
    with safe_open(state, framework="pt") as opened:
        before = json.loads(opened.metadata()["state"])["history"]
    assert len(before) >= KILLED_IN_EPOCH
    with start(killed) as process:
        assert process.wait() == 0
    assert contents(killed) == contents(undisturbed)
    assert not list(killed.root.glob("training/[!.]*"))
    # its first epochs are those of before: they took the very seconds that they took then
    history = RunStore(killed).open(state.stem).history
    assert len(history) == NUM_EPOCHS
    assert to_values(history[: len(before)]) == before
