"""A training that is killed goes on from its last epoch, and ends with the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from model.data_parallel import DataParallel
from model.network import NetworkConfig, build_network
from model.training import Epoch, Examples, StateFile, TrainingConfig, train
from orchestrator.store import HISTORY_FILE, RunStore
from orchestrator.workspace import Workspace
from tests.test_orchestrator_execute import contents
from tests.tiny import tiny_dataset

ROOT = Path(__file__).parents[1]
STATE_OF_EACH_EPOCH = """
from functools import partial
from orchestrator import execute
execute.StateFile = partial(execute.StateFile, every_seconds=0.0)
from experiments.cli import main
main()
"""
RUN = (
    *("run", "transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--backend", "local"),
    *("--pretrain-epochs", "12", "--pretrain-keep", "last", "--epochs", "1"),
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
    kept = state.stat().st_mtime
    with start(killed) as process:
        assert process.wait() == 0
    assert contents(killed) == contents(undisturbed)
    assert not list(killed.root.glob("training/[!.]*"))
    # its first epochs are those of before: they took the seconds that they took then
    run = RunStore(killed).open(state.stem)
    ends = (run.path / HISTORY_FILE).stat().st_mtime - kept
    assert len(run.history) == 12
    assert sum(epoch["seconds"] for epoch in run.history) > 0
    assert ends > 0


CONFIG = TrainingConfig(lr=0.003, batch_size=16, max_epochs=5, keep="last", random_strand=True)


def group_member(rank: int, folder: str, name: str, killed_after: int) -> None:
    """Train as one of two processes; be killed, if so, after an epoch."""
    torch.set_num_threads(1)
    init = f"file://{folder}/meeting-{name}"
    dist.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    rng = np.random.default_rng(0)
    examples = Examples(
        rng.integers(0, 256, (90, 50), dtype=np.uint8),
        rng.integers(-1, 2, (90, 3)).astype(np.int8),
    )
    network = build_network(
        NetworkConfig(num_tfs=3, conv_filters=(8, 8, 8), dense_units=(16,)), seed=0
    )
    epochs: list[int] = []

    def note(epoch: Epoch) -> None:
        epochs.append(epoch.epoch)
        if rank == 0 and epoch.epoch == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)

    place = "interrupted" if name != "whole" else name
    result = train(
        network,
        examples,
        examples,
        CONFIG,
        seed=0,
        on_epoch=note,
        parallel=DataParallel(),
        state_file=StateFile(path=Path(folder, f"{place}.safetensors"), every_seconds=0.0),
    )
    losses = [(epoch.train_loss, epoch.val_loss) for epoch in result.history]
    torch.save((epochs, losses, network.state_dict()), Path(folder, f"{name}-{rank}.pt"))


@pytest.mark.timeout(300)
def test_two_processes_that_are_killed_go_on_together(tmp_path: Path) -> None:
    def group(name: str, killed_after: int = 0) -> None:
        arguments = (str(tmp_path), name, killed_after)
        multiprocessing.spawn(group_member, arguments, nprocs=2)

    group("whole")
    with pytest.raises(multiprocessing.ProcessExitedException, match="SIGKILL"):
        group("killed", killed_after=2)
    group("again")
    for rank in (0, 1):
        whole, again = (
            torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=False)
            for name in ("whole", "again")
        )
        assert (whole[0], again[0]) == ([1, 2, 3, 4, 5], [3, 4, 5])
        assert again[1] == whole[1]
        assert all(torch.equal(again[2][key], tensor) for key, tensor in whole[2].items())
