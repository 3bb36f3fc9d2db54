"""What processes of a group do that tests train with; imported by each of them."""

from functools import partial
from pathlib import Path

from orchestrator.plan import PlannedRun


def keep_each_epoch() -> None:
    """Have trainings in this process keep the state of each epoch, not of each minute."""
    from orchestrator.runs import execute

    execute.StateFile = partial(execute.StateFile, every_seconds=0.0)  # type: ignore[assignment,misc]


def train_as_one_of_two(rank: int, planned: PlannedRun, workspace: Path) -> None:
    """Train a run together with another process, without Ray."""
    import torch.distributed as dist

    from model.training.data_parallel import DataParallel
    from orchestrator.runs.context import RunContext
    from orchestrator.runs.execute import execute
    from orchestrator.workspace import Workspace

    meeting = f"file://{workspace}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    execute(planned, RunContext(workspace=Workspace(workspace), parallel=DataParallel()))
    dist.destroy_process_group()
