"""Run a plan on Ray: Tune schedules the runs, Train runs the loop inside Tune's actors.

One Tune trial is one run. The design follows from what Ray itself costs: an actor that is started
for each trial costs seconds (a process that imports torch), one that is reused costs some
hundredths of a second. So an actor per CPU stays alive for the whole plan, takes one run after the
other by `reset_config`, and calls Ray Train in place (`ScalingConfig(num_workers=0)`), which starts
nothing.

The contract of this backend, beside that of all (`orchestrator.backends.interface`):

- A run starts as soon as all that it `needs` is complete, whatever else is still training; of
  those that can start, the first in the plan's order.
- A run that raises is a failed run. It is not tried again (the same spec would raise the same
error),
  what needs it is blocked, the other runs continue, and the actor lives on too.
- A worker *process* that dies (killed, out of memory, its node lost) is replaced and its run is
  tried again, `MAX_WORKER_DEATHS` times. If a node is lost, the plan continues on the CPUs left.
- The dataset's tables are read once, in the driver, and put into Ray's object store: all workers
  of a node map the same memory, read-only, and another node fetches it once. A worker reads
  for itself only what is not there, or has changed on disk since.
- What is complete in the run store is not run again; where nothing is left to do, Ray is not
  started. The run store is the only memory: no state of Tune's is kept or restored.
- With `runs_per_gpu` an actor takes a CPU and a share of a GPU, which Ray shows it as the only
  one: that many small networks train on a GPU at once, each in its own process.
- With `pretrain_workers` above 1 a pre-training is trained by a group of as many Ray Train
  workers (`orchestrator.backends.ray.group`), one pre-training at a time, while other runs train
  beside it; its result is that of one worker, to float tolerance. With `runs_per_gpu` each of
  these workers has another GPU. A group that loses a process counts as a worker that died.
- With an `address` (or `RAY_ADDRESS`) the runs go to that cluster, which must see the workspace
  under the same path; each node is checked for that. Otherwise a private Ray is started on
  127.0.0.1 and stopped at the end.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ray
from ray import tune

from orchestrator.backends.interface import MayStart, always
from orchestrator.backends.ray.group import TrainGroup, make_group, pretrainings
from orchestrator.backends.ray.searcher import IdleStopper, PlanSearcher, Workers
from orchestrator.backends.ray.session import (
    count_cpus,
    environment,
    is_cluster,
    nodes,
    session,
    silenced,
)
from orchestrator.backends.ray.storage import check_shared
from orchestrator.backends.ray.worker import RunTrainable
from orchestrator.errors import RunError
from orchestrator.gpus import check_sharing, gpu_room, require_room, share_of_gpu
from orchestrator.plan import OnDone, Plan
from orchestrator.runs.loaded_dataset import load_dataset, tfs_needed
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """Where Ray trains, and how many runs at once."""

    num_workers: int | None = None
    """Runs that train at once, one CPU each. By default as many as the machine or the cluster has
    CPUs, or shares of GPUs if those are fewer."""
    address: str | None = None
    """Address of a Ray cluster. By default that in the environment's `RAY_ADDRESS`, and without one
    a private Ray is started on this machine."""
    pretrain_workers: int = 1
    """Processes that train a pre-training together, 1 by default. In a given cluster, more than one
    take as many CPUs, and the other runs train on the rest; a private Ray runs them beside its
    workers. Where runs train on GPUs, each of these processes has another GPU, which it shares with
    runs."""
    runs_per_gpu: int | None = None
    """Train on GPUs, this many runs on each at once. By default runs train on CPUs."""
    on_ready: Callable[[int, float], None] | None = None
    """Called once, before the first run starts, with the number of workers and the seconds until
    they were up."""

    def check(self) -> None:
        """Raise `RunError` if a number is out of its range, or GPUs cannot be shared like this."""
        for number in (self.num_workers, self.pretrain_workers):
            if number is not None and number < 1:
                raise RunError(f"{number} workers cannot train anything: give 1 or more")
        if self.runs_per_gpu is not None:
            check_sharing(self.runs_per_gpu)


_ONE_RUN_PER_CPU: Final = RayOptions()


def run_plan(
    plan: Plan,
    workspace: Workspace,
    *,
    on_done: OnDone,
    may_start: MayStart = always,
    options: RayOptions = _ONE_RUN_PER_CPU,
) -> None:
    """Run what is not complete of a plan, on Ray.

    Raises
    ------
    DataError
        If the workspace has no complete dataset.
    RunError
        If Ray cannot be started or reached, is too small or lacks a GPU, or the options are out of
        range.
    """
    options.check()
    store = RunStore(workspace)
    complete = {run.key for run in plan if store.is_complete(run.key)}
    remaining = plan.without(complete, may_start=may_start)
    if not remaining:
        return
    began = time.monotonic()
    tfs = {tf for run in plan if run.key not in complete for tf in tfs_needed(run.spec)}
    tables = load_dataset(workspace).share(tfs)

    def ready(num_up: int) -> None:
        if options.on_ready is not None:
            options.on_ready(num_up, time.monotonic() - began)

    by_group = pretrainings(plan) - complete if options.pretrain_workers > 1 else frozenset()
    with_gpus = options.runs_per_gpu is not None
    with (
        _results_folder(workspace) as storage,
        session(
            options.num_workers, options.address, tables.num_bytes, with_gpus=with_gpus
        ) as num_cpus,
    ):
        if is_cluster(options.address):
            check_shared(workspace)
        group = None
        if by_group:
            number = options.pretrain_workers
            group = make_group(number, num_cpus, storage, on_gpus=with_gpus)
        most = min(_num_workers(options, num_cpus, group), len(remaining))
        workers = Workers(most=most, room=lambda: _room(options, group), by_group=by_group)
        searcher = PlanSearcher(store, remaining, workers, on_done, ready)
        constants = {
            "workspace": str(workspace.root.resolve()),
            "tables": ray.put(tables),
            "group": group,
        }
        _tune(searcher, most, storage, constants, _share(options, group))
    if searcher.callback_error is not None:
        raise searcher.callback_error


def _share(options: RayOptions, group: TrainGroup | None) -> float | None:
    """Give the share of a GPU that an actor takes beside a group; None where runs use CPUs."""
    if options.runs_per_gpu is None:
        return None
    return share_of_gpu(options.runs_per_gpu, 0.0 if group is None else group.share_of_gpu)


def _room(options: RayOptions, group: TrainGroup | None) -> int:
    """Count the runs that could train at once on the nodes that are alive, beside a group."""
    if options.runs_per_gpu is not None:
        return gpu_room(nodes(), options.runs_per_gpu)
    return count_cpus() - (0 if group is None else group.num_cpus)


def _num_workers(options: RayOptions, num_cpus: int, group: TrainGroup | None) -> int:
    """Give the number of workers: those asked for, as far as there is room for them.

    More workers than CPUs may be asked for, but not beside a group, which would wait for a CPU.

    Raises
    ------
    RunError
        If the runs are to train on GPUs, and no node has one.
    """
    num_free = num_cpus - (0 if group is None else group.num_cpus)
    num_workers = options.num_workers or num_free
    if group is not None:
        num_workers = min(num_workers, num_free)
    if options.runs_per_gpu is not None:
        num_workers = min(num_workers, require_room(_room(options, group)))
    return num_workers


@contextlib.contextmanager
def _results_folder(workspace: Workspace) -> Iterator[Path]:
    """Give a folder for what Ray writes; the run store has all of it that matters."""
    folder = workspace.ray_results / f"plan-{uuid.uuid4().hex[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            workspace.ray_results.rmdir()


def _tune(
    searcher: PlanSearcher,
    num_workers: int,
    storage: Path,
    constants: dict[str, Any],
    share: float | None,
) -> None:
    trainable: Any = RunTrainable  # one CPU each, the default
    if share is not None:
        trainable = tune.with_resources(trainable, {"cpu": 1, "gpu": share})
    tuner = tune.Tuner(
        trainable,
        param_space=constants,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name=storage.name,
            storage_path=str(storage.parent),
            # Tune would not retry if a worker dies between two runs; `PlanSearcher` does
            failure_config=tune.FailureConfig(max_failures=0),
            stop=IdleStopper(searcher),
            verbose=0,
        ),
    )
    with (
        environment({"TUNE_MAX_PENDING_TRIALS_PG": str(num_workers)}),
        silenced("ray.tune", "ray.train", "ray.air"),
    ):
        tuner.fit()


def _trial_name(trial: Any) -> str:
    planned = trial.config["planned"]
    return f"idle-{trial.trial_id}" if planned is None else str(planned.key)
