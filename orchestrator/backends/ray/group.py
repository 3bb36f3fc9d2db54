"""Train one run by a group of Ray Train workers, each on its slice of every batch.

The group computes what one process computes, to float tolerance (`model.training.data_parallel`).
Its processes communicate by gloo, or, where they train on GPUs, each on another one, by nccl. Its
first worker evaluates the network and writes the run folder; the others only train. Starting a
group takes seconds, so this is for pre-training.

A group needs room beside the actors of Ray Tune, one of which waits for it; without room it would
wait forever. In a private Ray its workers take slots, whose number is practically unlimited: Ray
keeps reserving the resources of a group whose actor was killed, and nothing there releases them.
They see all GPUs of the machine, and each takes that of its rank. In a given cluster a worker takes
a CPU, which the caller leaves free, or a share of a GPU that no other worker fits beside
(`orchestrator.gpus`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
import torch
from ray import train
from ray.exceptions import RayError
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from model.training.data_parallel import DataParallel
from orchestrator.backends.ray.session import SLOT, environment
from orchestrator.errors import RunError
from orchestrator.gpus import GROUP_SHARE
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
    resources: Mapping[str, float]
    """What each worker takes."""
    storage: Path
    """Folder for what Ray Train writes; nothing in it is read again."""
    on_gpus: bool = False
    """Whether each worker trains on a GPU of its own; by default all train on CPUs."""

    @property
    def num_cpus(self) -> int:
        """CPUs that the workers take of the cluster."""
        return self.num_workers if "CPU" in self.resources else 0

    @property
    def share_of_gpu(self) -> float:
        """Share that a worker takes of a GPU of the cluster."""
        return self.resources.get("GPU", 0.0)


def make_group(
    num_workers: int, num_cpus: int, storage: Path, *, on_gpus: bool = False
) -> TrainGroup:
    """Choose which resources of this Ray a group of workers takes.

    Raises
    ------
    RunError
        If that leaves none of the `num_cpus` CPUs to the actor that waits for the group, or there
        are fewer GPUs than workers.
    """
    there = ray.cluster_resources()
    num_gpus = int(there.get("GPU", 0))
    if on_gpus and num_workers > num_gpus:
        raise RunError(
            f"{num_workers} workers for pre-training need a GPU each, and this Ray has {num_gpus}: "
            "give fewer --pretrain-workers, or use --device cpu"
        )
    of_cluster = {"GPU": GROUP_SHARE} if on_gpus else {"CPU": 1.0}
    group = TrainGroup(
        num_workers=num_workers,
        resources={SLOT: 1.0} if SLOT in there else of_cluster,
        storage=storage,
        on_gpus=on_gpus,
    )
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
        train_loop_config={
            "planned": planned,
            "workspace": context.workspace,
            "tables": tables,
            "on_gpus": group.on_gpus,
        },
        torch_config=TorchConfig(backend="nccl" if group.on_gpus else "gloo"),
        scaling_config=train.ScalingConfig(
            num_workers=group.num_workers,
            use_gpu="GPU" in group.resources,
            resources_per_worker=dict(group.resources),
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
    device = device_of_worker() if config["on_gpus"] else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    context = RunContext(
        workspace=config["workspace"],
        tables=ray.get(config["tables"]),
        device=str(device),
        parallel=DataParallel(device=device),
    )
    outcome = attempt(config["planned"], context)
    if outcome.status == "failed":
        # this ends the group, whose other workers may be waiting for this one
        raise RunError(outcome.error)


def device_of_worker() -> torch.device:
    """Give the GPU that Ray gave this worker, or in a private Ray the one of its rank."""
    if ray.get_gpu_ids():
        return torch.device(get_device())
    return torch.device("cuda", train.get_context().get_local_rank())
