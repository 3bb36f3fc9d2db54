"""Run a plan on Ray: Tune schedules the runs, Train runs the loop inside Tune's actors.

One Tune trial is one run. What Ray itself costs decides the shape: an actor that is started per
trial costs seconds (a process that imports torch), one that is reused costs some hundredths. So
an actor per CPU stays alive for the whole plan, takes one run after the other by `reset_config`,
and calls Ray Train in place (`ScalingConfig(num_workers=0)`), which starts nothing.

The contract of this backend:

- A run starts as soon as all that it `needs` is complete, whatever else is still training. Runs
  that others wait for go first.
- A run that raises is a failed run. It is not tried again, what needs it is blocked, the rest
  goes on, and the actor lives on too.
- A worker *process* that dies (killed, out of memory) is replaced and its run is tried again,
  `MAX_WORKER_DEATHS` times.
- What is complete in the run store is not run again; where nothing is left to do, Ray is not
  started. The run store is the only memory: no state of Tune's is kept or restored.
- With an `address` (or `RAY_ADDRESS`) the runs go to that cluster, which must see the workspace
  under the same path. Otherwise a private Ray is started on 127.0.0.1 and stopped at the end.
"""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import train, tune
from ray.train.torch import TorchTrainer
from ray.tune.search import Searcher

from model.training import Epoch
from orchestrator.errors import RunError
from orchestrator.execute import attempt
from orchestrator.plan import OnDone, Plan, PlannedRun, Remaining, RunOutcome
from orchestrator.ray_session import environment, session, silenced
from orchestrator.store import RunStore
from orchestrator.workspace import Workspace

MAX_WORKER_DEATHS = 2
"""How often a run is tried again after the process that trained it died."""

MAX_WARM_UP_SECONDS = 30.0
"""How long the first worker that is up waits for the others before the first run starts."""


class _PlanSearcher(Searcher):
    """Feeds Tune what is ready of a plan and tells the caller what became of each run.

    Tune drops an idle actor, and drops one that is still starting as soon as a used one is free
    for its trial; short runs would so train on one actor for ever, and every wait for a
    pre-training would cost new actors. Hence the *idle* trials: a worker starts with one until
    all workers are up, and gets one whenever no run is ready. `_IdleStopper` ends them.
    Never more trials are out than there are workers, and a used actor must find its next trial
    in the very step in which it is free, so `TUNE_MAX_PENDING_TRIALS_PG` has to be the number of
    workers.
    """

    def __init__(
        self,
        store: RunStore,
        remaining: Remaining,
        num_workers: int,
        on_done: OnDone,
        on_warm: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self._store = store
        self._remaining = remaining
        self._num_workers = num_workers
        self._on_done = on_done
        self._on_warm = on_warm
        self._ready: deque[PlannedRun] = deque()
        self._deaths: Counter[str] = Counter()
        self._trials: dict[str, PlannedRun | None] = {}
        self._up: set[tuple[str, int]] = set()
        self._first_up = math.inf
        self.callback_error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Keep the caller's objects out of the file that Tune writes of itself."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None to wait, or FINISHED."""
        if self._finished():
            return Searcher.FINISHED
        if len(self._trials) >= self._num_workers:
            return None
        planned = None
        if self._warm() and self._is_ready():
            planned = self._ready.popleft()
            if self._on_warm is not None:
                self._call(self._on_warm, len(self._up))
                self._on_warm = None
        self._trials[trial_id] = planned
        idle_seconds = min(max(0.05 * self._num_workers, 0.1), 2.0)
        return {"planned": planned, "idle_seconds": idle_seconds}

    def may_end_idling(self, worker: tuple[str, int]) -> bool:
        """Say whether there is something better to do for a worker, given by node and process."""
        self._up.add(worker)
        self._first_up = min(self._first_up, time.monotonic())
        return self._finished() or (self._warm() and self._is_ready())

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record a trial's end; `error` means that its worker died."""
        planned = self._trials.pop(trial_id)
        if error:
            # one of the workers is new, and it is not told which
            self._up.clear()
            self._first_up = math.inf
        if planned is None:
            return
        if error or result is None or "status" not in result:
            self._deaths[planned.key] += 1
            if self._deaths[planned.key] <= MAX_WORKER_DEATHS:
                self._ready.append(planned)
                return
            outcome = self._lost(planned)
        else:
            outcome = RunOutcome(
                planned=planned, status=result["status"], error=result["error"] or None
            )
        for ended in (outcome, *self._remaining.settle(outcome)):
            self._call(self._on_done, ended)

    def _call(self, callback: Callable[[Any], None], argument: Any) -> None:
        # Tune would take an exception of the caller's for a failure of the trial.
        try:
            callback(argument)
        except Exception as error:
            self.callback_error = self.callback_error or error

    def _finished(self) -> bool:
        # while a run trains its worker may die, and then it must be given out again
        num_left = len(self._ready) + len(self._remaining) + self._num_training()
        return self.callback_error is not None or num_left == 0

    def _num_training(self) -> int:
        return sum(planned is not None for planned in self._trials.values())

    def _is_ready(self) -> bool:
        if not self._ready and (planned := self._remaining.next_ready()) is not None:
            self._ready.append(planned)
        return bool(self._ready)

    def _warm(self) -> bool:
        num_up = len(self._up) + self._num_training()
        waited = time.monotonic() - self._first_up
        return num_up >= self._num_workers or waited > MAX_WARM_UP_SECONDS

    def _lost(self, planned: PlannedRun) -> RunOutcome:
        error = (
            f"the worker process died {MAX_WORKER_DEATHS + 1} times in this run (out of memory, "
            "or killed): try fewer workers"
        )
        self._store.record_failure(planned, error, traceback="")
        return RunOutcome(planned=planned, status="failed", error=error)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the run store knows what is complete."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is kept."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Keep nothing."""


class _IdleStopper(tune.Stopper):
    """Ends idle trials; runs end by themselves."""

    def __init__(self, searcher: _PlanSearcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether the trial is an idle one that should give its worker back."""
        if not result.get("idle"):
            return False
        return self._searcher.may_end_idling((result["node_ip"], result["pid"]))

    def stop_all(self) -> bool:
        """Never stop what trains."""
        return False


class _RunTrainable(tune.Trainable):
    """The actor: trains one run per `step`, and is given the next by `reset_config`."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take the first run."""
        # Ray Train says at level INFO what its local mode does, once per epoch.
        logging.getLogger("ray").setLevel(logging.WARNING)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next run."""
        self._planned: PlannedRun | None = new_config["planned"]
        self._idle_seconds: float = new_config["idle_seconds"]
        self._workspace = Workspace(Path(new_config["workspace"]))
        return True

    def step(self) -> dict[str, Any]:
        """Train the run; that it failed is a result too, so that the actor lives on."""
        planned = self._planned
        if planned is None:
            time.sleep(self._idle_seconds)
            return {"idle": True}
        outcomes: list[RunOutcome] = []

        def loop() -> None:
            outcomes.append(attempt(planned, self._workspace, _report))

        TorchTrainer(loop, scaling_config=train.ScalingConfig(num_workers=0)).fit()
        [outcome] = outcomes
        return {"status": outcome.status, "error": outcome.error or "", "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing: the run wrote its own folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing is kept."""


def _report(epoch: Epoch) -> None:
    train.report({"epoch": epoch.epoch, "train_loss": epoch.train_loss, "val_loss": epoch.val_loss})


def run_plan(
    plan: Plan,
    workspace: Workspace,
    *,
    on_done: OnDone,
    num_workers: int | None = None,
    address: str | None = None,
    on_ready: Callable[[int, float], None] | None = None,
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
        Runs that train at once, one CPU each. All CPUs of the machine or cluster by default.
    address : str, optional
        Address of a Ray cluster. The environment's `RAY_ADDRESS` by default, and without one a
        Ray of its own on this machine.
    on_ready : callable, optional
        Called once, before the first run starts, with the number of workers and the seconds that
        it took until they were up.

    Raises
    ------
    RunError
        If Ray cannot be started or reached, or `num_workers` is not positive.
    """
    if num_workers is not None and num_workers < 1:
        raise RunError(f"{num_workers} workers cannot train anything: give 1 or more")
    store = RunStore(workspace)
    remaining = _first_needed(plan).without(run.key for run in plan if store.is_complete(run.key))
    if not remaining:
        return
    began = time.monotonic()

    def ready(num_up: int) -> None:
        if on_ready is not None:
            on_ready(num_up, time.monotonic() - began)

    with session(num_workers, address) as num_cpus:
        limit = min(num_workers or num_cpus, len(remaining))
        searcher = _PlanSearcher(store, remaining, limit, on_done, ready)
        _tune(searcher, limit, workspace)
    if searcher.callback_error is not None:
        raise searcher.callback_error


def _first_needed(plan: Plan) -> Plan:
    """Return the plan with the runs first that most others wait for, else in its order."""
    num_waiting = Counter(need for run in plan for need in run.needs)
    return Plan(sorted(plan, key=lambda run: -num_waiting[run.key]))


def _tune(searcher: _PlanSearcher, num_workers: int, workspace: Workspace) -> None:
    name = f"plan-{uuid.uuid4().hex[:12]}"
    workspace.ray_results.mkdir(parents=True, exist_ok=True)
    tuner = tune.Tuner(
        _RunTrainable,  # one CPU each, the default
        param_space={"workspace": str(workspace.root.resolve())},
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(workspace.ray_results),
            # Tune would not try again where a worker dies between two runs; `_PlanSearcher` does
            failure_config=tune.FailureConfig(max_failures=0),
            stop=_IdleStopper(searcher),
            verbose=0,
        ),
    )
    try:
        with (
            environment({"TUNE_MAX_PENDING_TRIALS_PG": str(num_workers)}),
            silenced("ray.tune", "ray.train", "ray.air"),
        ):
            tuner.fit()
    finally:
        # Tune's own files say nothing that the run store does not say.
        shutil.rmtree(workspace.ray_results / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            workspace.ray_results.rmdir()


def _trial_name(trial: Any) -> str:
    planned = trial.config["planned"]
    return f"idle-{trial.trial_id}" if planned is None else str(planned.key)
