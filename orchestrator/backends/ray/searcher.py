"""How Ray Tune is fed with the runs of a plan: what is ready goes out, the idle stop."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from orchestrator.backends.ray.worker import DIED
from orchestrator.plan import OnDone, PlannedRun, Remaining, RunOutcome
from orchestrator.runs.store import RunStore

MAX_WORKER_DEATHS = 2
"""How often a run is tried again after the process that trained it died."""


MAX_WARM_UP_SECONDS = 30.0
"""How long the first worker that is up waits for the others before the first run starts."""


class PlanSearcher(Searcher):
    """Feeds Tune what is ready of a plan and tells the caller what became of each run.

    Tune drops an idle actor, and drops one that is still starting as soon as a used one is free
    for its trial; short runs would so train on one actor for ever, and every wait for a
    pre-training would cost new actors. Hence the *idle* trials: a worker starts with one until
    all workers are up, and gets one whenever no run is ready. `IdleStopper` ends them.
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
        room: Callable[[], int] | None = None,
        by_group: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self._store = store
        self._remaining = remaining
        self._num_workers = num_workers
        self._on_done = on_done
        self._on_warm = on_warm
        self._room = room
        self._by_group = by_group
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
        if len(self._trials) >= self._num_possible():
            return None
        planned = self._next_ready() if self._warm() else None
        if planned is not None:
            self._ready.remove(planned)
            if self._on_warm is not None:
                self._call(self._on_warm, len(self._up))
                self._on_warm = None
        self._trials[trial_id] = planned
        idle_seconds = min(max(0.05 * self._num_workers, 0.1), 2.0)
        by_group = planned is not None and planned.key in self._by_group
        return {"planned": planned, "idle_seconds": idle_seconds, "by_group": by_group}

    def may_end_idling(self, worker: tuple[str, int]) -> bool:
        """Say whether there is something better to do for a worker, given by node and process."""
        self._up.add(worker)
        self._first_up = min(self._first_up, time.monotonic())
        return self._finished() or (self._warm() and self._next_ready() is not None)

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
        """Find the run to start next; it stays among the ready ones until it starts."""
        found = next(filter(self._has_room, self._ready), None)
        if found is None and (found := self._remaining.next_ready(self._has_room)) is not None:
            self._ready.append(found)
        return found

    def _has_room(self, planned: PlannedRun) -> bool:
        """Say whether a run could train now: there is room for one group at a time."""
        training = (run.key for run in self._trials.values() if run is not None)
        return planned.key not in self._by_group or self._by_group.isdisjoint(training)

    def _warm(self) -> bool:
        num_up = len(self._up) + self._num_training()
        waited = time.monotonic() - self._first_up
        return num_up >= self._num_possible() or waited > MAX_WARM_UP_SECONDS

    def _num_possible(self) -> int:
        """Workers that there can be: fewer than asked for where the cluster has lost a node."""
        if self._room is None:
            return self._num_workers
        return max(1, min(self._num_workers, self._room()))

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


class IdleStopper(tune.Stopper):
    """Ends idle trials; runs end by themselves."""

    def __init__(self, searcher: PlanSearcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether the trial is an idle one that should give its worker back."""
        if not result.get("idle"):
            return False
        return self._searcher.may_end_idling((result["node_ip"], result["pid"]))

    def stop_all(self) -> bool:
        """Never stop what trains."""
        return False
