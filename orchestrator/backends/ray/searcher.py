"""How Ray Tune is given the runs of a plan: workers get what is ready, and idle until then."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from orchestrator.backends.ray.worker import DIED
from orchestrator.plan import OnDone, PlannedRun, Remaining, RunOutcome
from orchestrator.runs.store import RunStore

MAX_WORKER_DEATHS = 2
"""How often a run is tried again after the process that trained it died."""

MAX_WARM_UP_SECONDS = 30.0
"""How long workers that are up wait for the next one before the first run starts. All wait as long
as workers come up: Tune would give a run to one that is up, and end one that is starting."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many runs may train at once, and which of them a group of processes trains."""

    most: int
    """Workers, at most."""
    room: Callable[[], int] | None = None
    """Counts the workers that there is room for now, which a lost node makes fewer. None always has
    room for all."""
    by_group: frozenset[str] = frozenset()
    """Keys of the runs that a group trains, one run at a time; by default none."""

    def num_possible(self) -> int:
        """Count the workers that there can be now, at least one."""
        return self.most if self.room is None else max(1, min(self.most, self.room()))


class PlanSearcher(Searcher):
    """Gives Tune what is ready of a plan and tells the caller how each run ended.

    Tune drops an idle actor, and drops one that is still starting as soon as a used one is free
    for its trial. Short runs would then all train on one actor, and every wait for a pre-training
    would cost new actors. Hence the *idle* trials: a worker starts with one until all workers are
    up, and gets one whenever no run is ready. `IdleStopper` ends them.
    There are never more trials than workers, and a used actor must find its next trial in the very
    step in which it is free, so `TUNE_MAX_PENDING_TRIALS_PG` has to be the number of workers.

    Parameters
    ----------
    store
        Where failures of runs are recorded whose worker has died.
    remaining
        What is left to do of the plan.
    workers
        How many runs may train at once.
    on_done
        Called with the outcome of each run.
    on_warm
        Called once, when the first run starts, with the number of workers that are up.
    """

    def __init__(
        self,
        store: RunStore,
        remaining: Remaining,
        workers: Workers,
        on_done: OnDone,
        on_warm: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self._store = store
        self._remaining = remaining
        self._workers = workers
        self._on_done = on_done
        self._on_warm = on_warm
        self._ready: deque[PlannedRun] = deque()
        self._deaths: Counter[str] = Counter()
        self._trials: dict[str, PlannedRun | None] = {}
        self._up: set[tuple[str, int]] = set()
        self._last_up = math.inf
        self.callback_error: Exception | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Keep the caller's objects out of the file that Tune writes of itself."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None to wait, or FINISHED."""
        if self._finished():
            return Searcher.FINISHED
        if len(self._trials) >= self._workers.num_possible():
            return None
        planned = self._next_ready() if self._warm() else None
        if planned is not None:
            self._ready.remove(planned)
            if self._on_warm is not None:
                self._call(self._on_warm, len(self._up))
                self._on_warm = None
        self._trials[trial_id] = planned
        idle_seconds = min(max(0.05 * self._workers.most, 0.1), 2.0)
        by_group = planned is not None and planned.key in self._workers.by_group
        return {"planned": planned, "idle_seconds": idle_seconds, "by_group": by_group}

    def may_end_idling(self, worker: tuple[str, int]) -> bool:
        """Whether there is a run for a worker, which is given by node and process."""
        if worker not in self._up and not self._warm():
            self._last_up = time.monotonic()
        self._up.add(worker)
        return self._finished() or (self._warm() and self._next_ready() is not None)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record a trial's end; `error` means that its worker died."""
        planned = self._trials.pop(trial_id)
        if error:
            # one of the workers is new, and Tune does not say which
            self._up.clear()
            self._last_up = math.inf
        if planned is None:
            return
        if error or result is None or result.get("status", DIED) == DIED:
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

    def _next_ready(self) -> PlannedRun | None:
        """Find the run to start next; it stays among the ready runs until it starts."""
        found = next(filter(self._has_room, self._ready), None)
        if found is None and (found := self._remaining.next_ready(self._has_room)) is not None:
            self._ready.append(found)
        return found

    def _has_room(self, planned: PlannedRun) -> bool:
        """Whether a run could train now: there is room for one group at a time."""
        by_group = self._workers.by_group
        training = (run.key for run in self._trials.values() if run is not None)
        return planned.key not in by_group or by_group.isdisjoint(training)

    def _warm(self) -> bool:
        num_up = len(self._up) + self._num_training()
        waited = time.monotonic() - self._last_up
        return num_up >= self._workers.num_possible() or waited > MAX_WARM_UP_SECONDS

    def _lost(self, planned: PlannedRun) -> RunOutcome:
        error = (
            f"the worker process died {MAX_WORKER_DEATHS + 1} times in this run (out of memory, "
            "or killed): try fewer workers"
        )
        self._store.record_failure(planned, error, traceback="")
        return RunOutcome(planned=planned, status="failed", error=error)

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the run store has what is complete."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is kept."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Keep nothing."""


class IdleStopper(tune.Stopper):
    """Ends idle trials; trials that train end by themselves."""

    def __init__(self, searcher: PlanSearcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether the trial is an idle one that should give its worker back."""
        if not result.get("idle"):
            return False
        return self._searcher.may_end_idling((result["node_ip"], result["pid"]))

    def stop_all(self) -> bool:
        """Never stop what trains."""
        return False
