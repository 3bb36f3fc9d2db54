"""What processes of a group do that tests train with; imported by each of them."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.training.state import StateFile, TrainingState
    from orchestrator.plan import PlannedRun

EPOCH_SECONDS = 0.1
"""What is added to an epoch of a small network, which would be over before it can be killed."""


class _KeepingEachEpoch(MetaPathFinder):
    """Changes `StateFile` where it is imported: five of seven processes of a group never do."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "model.training.state":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            module.StateFile.__init__.__kwdefaults__["every_seconds"] = 0.0
            write = module.TrainingState.write

            def write_slowly(state: TrainingState, file: StateFile) -> None:
                write(state, file)
                time.sleep(EPOCH_SECONDS)

            module.TrainingState.write = write_slowly

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


def keep_each_epoch() -> None:
    """Have trainings in this process keep the state of each epoch, and take their time for it."""
    sys.meta_path.insert(0, _KeepingEachEpoch())


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
