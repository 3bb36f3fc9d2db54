"""Run a plan on Ray: Tune schedules the runs, Train runs the loop inside Tune's actors.

One Tune trial is one run. What Ray itself costs decides the shape: an actor that is started per
trial costs seconds (a process that imports torch), one that is reused costs some hundredths. So
an actor per CPU stays alive for the whole plan, takes one run after the other by `reset_config`,
and calls Ray Train in place (`ScalingConfig(num_workers=0)`), which starts nothing.

The contract of this backend:

- A run starts as soon as all that it `needs` is complete, whatever else is still training; of
  those that can start, the first in the plan's order.
- A run that raises is a failed run. It is not tried again (the same spec would raise the same),
  what needs it is blocked, the rest goes on, and the actor lives on too.
- A worker *process* that dies (killed, out of memory, its node lost) is replaced and its run is
  tried again, `MAX_WORKER_DEATHS` times. With a node lost, the plan goes on with the CPUs left.
- The dataset's tables are read once, in the driver, and put into Ray's object store: all workers
  of a node map the same memory, read-only, and another node fetches it once. A worker reads
  for itself only what is not there, or has changed on disk since.
- What is complete in the run store is not run again; where nothing is left to do, Ray is not
  started. The run store is the only memory: no state of Tune's is kept or restored.
- With `runs_per_gpu` an actor takes a CPU and a share of a GPU, which Ray shows it as the only
  one: so many small networks train on a GPU at once, each in its own process.
- With `pretrain_workers` above 1 a pre-training is trained by a group of so many Ray Train
  workers (`orchestrator.backends.ray.group`), one pre-training at a time, while other runs go on
  beside it; to float tolerance it comes to what one worker comes to. A group that loses a process
  is a worker that died.
- With an `address` (or `RAY_ADDRESS`) the runs go to that cluster, which must see the workspace
  under the same path; each node is asked whether it does. Otherwise a private Ray is started
  on 127.0.0.1 and stopped at the end.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray
from ray import tune

from orchestrator.backends.ray.group import make_group, pretrainings
from orchestrator.backends.ray.searcher import IdleStopper, PlanSearcher
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
from orchestrator.runs.loaded_dataset import load_dataset, tfs_of
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace


def run_plan(
    plan: Plan,
    workspace: Workspace,
    *,
    on_done: OnDone,
    num_workers: int | None = None,
    address: str | None = None,
    on_ready: Callable[[int, float], None] | None = None,
    may_start: Callable[[], bool] = lambda: True,
    pretrain_workers: int = 1,
    runs_per_gpu: int | None = None,
) -> None:
    """Run what is not complete of a plan, on Ray.

    Parameters
    ----------
    plan : Plan
        The runs.
    workspace : Workspace
        Where the dataset and the run store are.
    on_done : callable
        Called in this process with the outcome of every run that was not complete before, in
        the order in which they end.
    num_workers : int, optional
        Runs that train at once, one CPU each. All CPUs of the machine or cluster by default, or as
        many of them as shares of GPUs.
    address : str, optional
        Address of a Ray cluster. The environment's `RAY_ADDRESS` by default, and without one a
        Ray of its own on this machine.
    on_ready : callable, optional
        Called once, before the first run starts, with the number of workers and the seconds that
        it took until they were up.
    may_start : callable, optional
        Asked before a run starts; once it says no, those that train end and no other starts.
    pretrain_workers : int
        Processes that train a pre-training together. In a cluster that was given, above 1, they
        take so many CPUs, which leaves the rest to the other runs; a Ray of our own has them
        beside its workers.
    runs_per_gpu : int, optional
        Train on GPUs, so many runs on each at once. On CPUs by default.

    Raises
    ------
    DataError
        If the workspace has no whole dataset.
    RunError
        If Ray cannot be started or reached, is too small or lacks a GPU, a number of workers is
        not positive, or GPUs cannot be shared so.
    """
    for number in (num_workers, pretrain_workers):
        if number is not None and number < 1:
            raise RunError(f"{number} workers cannot train anything: give 1 or more")
    if runs_per_gpu is not None:
        check_sharing(runs_per_gpu, pretrain_workers)
    store = RunStore(workspace)
    complete = {run.key for run in plan if store.is_complete(run.key)}
    remaining = plan.without(complete, may_start=may_start)
    if not remaining:
        return
    began = time.monotonic()
    tfs = {tf for run in plan if run.key not in complete for tf in tfs_of(run.spec)}
    tables = load_dataset(workspace).share(tfs)

    def ready(num_up: int) -> None:
        if on_ready is not None:
            on_ready(num_up, time.monotonic() - began)

    by_group = pretrainings(plan) - complete if pretrain_workers > 1 else frozenset()
    with (
        _results_folder(workspace) as storage,
        session(
            num_workers, address, tables.num_bytes, with_gpus=runs_per_gpu is not None
        ) as num_cpus,
    ):
        if is_cluster(address):
            check_shared(workspace)
        group = make_group(pretrain_workers, num_cpus, storage) if by_group else None
        if group is not None:
            num_cpus -= group.num_cpus
            num_workers = min(num_workers or num_cpus, num_cpus)
        num_taken = 0 if group is None else group.num_cpus

        def room() -> int:
            if runs_per_gpu is None:
                return count_cpus() - num_taken
            return gpu_room(nodes(), runs_per_gpu)

        if runs_per_gpu is not None:
            num_workers = min(num_workers or num_cpus, require_room(room()))
        limit = min(num_workers or num_cpus, len(remaining))
        searcher = PlanSearcher(
            store,
            remaining,
            limit,
            on_done,
            ready,
            room=room,
            by_group=by_group,
        )
        constants = {
            "workspace": str(workspace.root.resolve()),
            "tables": ray.put(tables),
            "group": group,
        }
        _tune(searcher, limit, storage, constants, runs_per_gpu)
    if searcher.callback_error is not None:
        raise searcher.callback_error


@contextlib.contextmanager
def _results_folder(workspace: Workspace) -> Iterator[Path]:
    """Give a folder for what Ray writes, which says nothing that the run store does not say."""
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
    runs_per_gpu: int | None,
) -> None:
    trainable: Any = RunTrainable  # one CPU each, the default
    if runs_per_gpu is not None:
        trainable = tune.with_resources(trainable, {"cpu": 1, "gpu": share_of_gpu(runs_per_gpu)})
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
            # Tune would not try again where a worker dies between two runs; `PlanSearcher` does
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
