"""Train one run by a group of Ray Train workers, each on its slice of every batch.

The group computes what one process computes, to float tolerance (`model.training.data_parallel`),
and talks by gloo. Its first worker evaluates the network and writes the run folder; the others only
train. Starting a group takes seconds, so this is for pre-training.

A group needs room beside the actors of Ray Tune, one of which waits for it; without room it would
wait forever. In a private Ray its workers take slots, whose number is practically unlimited: Ray
keeps reserving the resources of a group whose actor was killed, and nothing there releases them. In
a given cluster they take a CPU each, which the caller leaves free.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray import train
from ray.exceptions import RayError
from ray.train.torch import TorchTrainer

from model.training.data_parallel import DataParallel
from orchestrator.backends.ray.session import SLOT, environment
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.runs.context import RunContext
from orchestrator.runs.execute import attempt, failed
from orchestrator.runs.loaded_dataset import SharedTables
from orchestrator.runs.store import RunStore

_ENVIRONMENT: Final = {
    # the end of a group is noticed after this time; the default is 2 s
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",
    # it costs a process, and its metrics are not read
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
}


@dataclass(frozen=True, kw_only=True)
class TrainGroup:
    """What groups of Ray Train workers are made of."""

    num_workers: int
    resource: str
    """What each worker takes one of."""
    storage: Path
    """Folder for what Ray Train writes; nothing in it is read again."""

    @property
    def num_cpus(self) -> int:
        """CPUs that the workers take of the cluster."""
        return self.num_workers if self.resource == "CPU" else 0


def make_group(num_workers: int, num_cpus: int, storage: Path) -> TrainGroup:
    """Choose what a group of workers takes of the Ray at hand.

    Raises
    ------
    RunError
        If that leaves none of the `num_cpus` CPUs to the actor that waits for the group.
    """
    resource = SLOT if SLOT in ray.cluster_resources() else "CPU"
    group = TrainGroup(num_workers=num_workers, resource=resource, storage=storage)
    if group.num_cpus >= num_cpus:
        raise RunError(
            f"{num_workers} workers for pre-training take {num_workers} of the Ray cluster's "
            f"{num_cpus} CPUs, and the other runs need one more: pre-train with fewer"
        )
    return group


def pretrainings(plan: Plan) -> frozenset[str]:
    """Keys of the trainings of multi-models, and of all runs that others start from."""
    needed = {run.spec.start.key for run in plan if run.spec.start is not None}
    return frozenset(
        run.key
        for run in plan
        if run.spec.training is not None and (run.arm == "multi" or run.key in needed)
    )


def attempt_by_group(
    planned: PlannedRun,
    context: RunContext,
    tables: ray.ObjectRef[SharedTables],
    group: TrainGroup,
) -> RunOutcome | None:
    """Execute a run by a group of workers; a failure is recorded and returned, not raised.

    Parameters
    ----------
    planned
        The run.
    context
        This process's, which waits for the group.
    tables
        Those of the context, for the workers.
    group
        What the group is made of.

    Returns
    -------
    RunOutcome or None
        None if the group lost a process, so that the run can be tried again.
    """
    try:
        # if there are too few regions, no group needs to start to find out
        context.dataset().select(planned.spec.regions)
    except Exception as error:
        return failed(planned, context.workspace, error)
    trainer = TorchTrainer(
        _train_in_group,
        train_loop_config={"planned": planned, "workspace": context.workspace, "tables": tables},
        scaling_config=train.ScalingConfig(
            num_workers=group.num_workers, resources_per_worker={group.resource: 1}
        ),
        run_config=train.RunConfig(name=f"group-{planned.key}", storage_path=str(group.storage)),
    )
    store = RunStore(context.workspace)
    if store.is_complete(planned.key):
        return RunOutcome(planned=planned, status="completed")
    try:
        with environment(_ENVIRONMENT):
            trainer.fit()
    except (train.TrainingFailedError, RayError) as error:
        failures = error.worker_failures if isinstance(error, train.WorkerGroupError) else {}
        reasons = [str(failure) for failure in failures.values() if isinstance(failure, RunError)]
        if reasons:
            return RunOutcome(planned=planned, status="failed", error=reasons[0])
        if not store.is_complete(planned.key):
            return None
    return RunOutcome(planned=planned, status="completed")


def _train_in_group(config: dict[str, Any]) -> None:
    """Do a worker's part of a run."""
    context = RunContext(
        workspace=config["workspace"], tables=ray.get(config["tables"]), parallel=DataParallel()
    )
    outcome = attempt(config["planned"], context)
    if outcome.status == "failed":
        # this ends the group, whose other workers may be waiting for this one
        raise RunError(outcome.error)
