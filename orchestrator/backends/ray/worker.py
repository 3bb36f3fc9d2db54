"""The actor of the Ray backend: Tune keeps it alive, and it trains one run after the other.

It calls Ray Train in place (`ScalingConfig(num_workers=0)`), which starts nothing, or waits for a
group of Ray Train workers that trains the run instead.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Final

import ray
from ray import train, tune
from ray.train.torch import TorchTrainer

from model.training.epoch import Epoch
from orchestrator.backends.ray.group import TrainGroup, attempt_by_group
from orchestrator.plan import PlannedRun, RunOutcome
from orchestrator.runs.context import RunContext
from orchestrator.runs.execute import attempt
from orchestrator.runs.loaded_dataset import SharedTables
from orchestrator.workspace import Workspace

DIED: Final = "died"
"""Status of a run whose group lost a process. If the actor itself dies, it reports no status."""


class RunTrainable(tune.Trainable):
    """The actor: trains one run per `step`, and is given the next by `reset_config`."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first run."""
        # Ray Train logs at level INFO what its local mode does, once per epoch
        logging.getLogger("ray").setLevel(logging.WARNING)
        self._tables: ray.ObjectRef[SharedTables] = config["tables"]
        self._context = RunContext(
            workspace=Workspace(Path(config["workspace"])),
            tables=ray.get(self._tables),
            device=given_device(),
            on_epoch=_report,
        )
        self._group: TrainGroup | None = config["group"]
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next run."""
        self._planned: PlannedRun | None = new_config["planned"]
        self._idle_seconds: float = new_config["idle_seconds"]
        self._by_group: bool = new_config["by_group"]
        return True

    def step(self) -> dict[str, Any]:
        """Train the run; a failure is a result too, so that the actor lives on."""
        planned = self._planned
        if planned is None:
            time.sleep(self._idle_seconds)
            return {"idle": True}
        outcome: RunOutcome | None
        if self._by_group and self._group is not None:
            outcome = attempt_by_group(planned, self._context, self._tables, self._group)
        else:
            outcome = self._train_here(planned)
        if outcome is None:
            return {"status": DIED, "done": True}
        return {"status": outcome.status, "error": outcome.error or "", "done": True}

    def _train_here(self, planned: PlannedRun) -> RunOutcome:
        outcomes: list[RunOutcome] = []

        def loop() -> None:
            outcomes.append(attempt(planned, self._context))

        TorchTrainer(loop, scaling_config=train.ScalingConfig(num_workers=0)).fit()
        [outcome] = outcomes
        return outcome

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing: the run has written its own folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Restore nothing, since nothing is kept."""


def given_device() -> str:
    """Give the device to train on: the GPU that Ray gave this process a share of, or the CPU."""
    return "cuda" if ray.get_gpu_ids() else "cpu"


def _report(epoch: Epoch) -> None:
    train.report({"epoch": epoch.epoch, "train_loss": epoch.train_loss, "val_loss": epoch.val_loss})
