"""What computes takes one thread, however many torch may take, so that the bits are the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from experiments.transfer.plan import transfer
from orchestrator.backends.local import run_plan
from orchestrator.plan import Plan
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.tuning.folds import Tuning, cross_validate
from orchestrator.tuning.space import SearchSpace
from orchestrator.workspace import Workspace
from tests.conftest import Bindgrid
from tests.helpers.tiny import random_bases

NUM_THREADS = 3


@pytest.fixture
def threads() -> Iterator[set[int]]:
    """Numbers of threads that networks computed with, where torch may take more than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(NUM_THREADS)
    found: set[int] = set()
    hook = register_module_forward_pre_hook(lambda *_: found.add(torch.get_num_threads()))
    try:
        yield found
        assert torch.get_num_threads() == NUM_THREADS, "not given back"
    finally:
        hook.remove()
        torch.set_num_threads(before)


def test_trainings_and_folds_compute_on_one_thread(workspace: Workspace, threads: set[int]) -> None:
    study = Study(
        tfs=("SPI1",),
        pretrain_tfs=("ELF1", "GABPA"),
        scale=Scale(transfer_bound=40),
        trainings=Trainings().with_epochs(multi=1, individual=1),
    )
    plan = Plan(transfer(load_dataset(workspace), study).runs)
    run_plan(plan, workspace, on_done=lambda _: None)
    assert threads == {1}
    threads.clear()
    [tuned] = [run.spec for run in plan if run.arm == "transfer"]
    space = SearchSpace(lr=(1e-4, 1e-2), epochs=(1, 2), frozen=((),), batch_sizes=(100,))
    tuning = Tuning(runs=(tuned,), space=space, num_folds=2)
    cross_validate(tuning, tuning.first, workspace)
    assert threads == {1}


def test_predictions_and_their_calibration_compute_on_one_thread(
    bindgrid: Bindgrid, trained: Workspace, tmp_path: Path, threads: set[int]
) -> None:
    fasta = tmp_path / "sequences.fa"
    fasta.write_text(f">one\n{random_bases(3, 200)}\n")
    code, out, err = bindgrid("predict", "SPI1", "--fasta", fasta, "-w", trained.root)
    assert code == 0, err
    assert "one" in out
    assert threads == {1}
