"""Logging to MLflow in a thread, so that no training waits for it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import final

from orchestrator.errors import RunError
from orchestrator.plan import Plan, RunOutcome
from orchestrator.runs.store import RunStore
from orchestrator.tracking.sync import MlflowView

FLUSH_SECONDS = 60.0
"""How long the end of a plan waits for what is still to be logged."""

POLL_SECONDS = 5.0
"""How often the epochs of what trains now are logged; MLflow's UI asks every 30 s."""


@final
class BackgroundView:
    """Logs runs from a thread of its own, so that training never waits for MLflow.

    If MLflow fails, `warn` is called with one line, once, and the rest is dropped: the run store
    has it, and the next `sync` logs it. Used as a context manager; leaving it waits for what is
    still to be logged.

    Parameters
    ----------
    view : MlflowView
        From now on used by the thread alone.
    warn : callable
        Called from the thread with a line for the user.
    """

    def __init__(self, view: MlflowView, warn: Callable[[str], None]) -> None:
        self._view = view
        self._warn = warn
        self._failed = False
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)

    def __enter__(self) -> BackgroundView:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, plan: Plan, store: RunStore) -> None:
        """Log what MLflow lacks of a run store, and from now on what trains of a plan."""
        self._jobs.put(self._view.live.mark_killed)
        self._jobs.put(lambda: self._view.sync(store))
        self._jobs.put(lambda: self._view.live.begin(plan))

    def sync(self, store: RunStore) -> None:
        """Log what MLflow lacks of a run store."""
        self._jobs.put(lambda: self._view.sync(store))

    def log(self, outcome: RunOutcome) -> None:
        """Log a run that ended; one that never started, since it was blocked, is only counted."""
        planned = outcome.planned
        if outcome.status == "completed":
            store = RunStore(self._view.client.workspace)
            self._jobs.put(lambda: self._view.runs.log_run(store.open(planned.key)))
        elif outcome.status == "failed":
            error = outcome.error or ""
            self._jobs.put(lambda: self._view.runs.log_failure(planned, error))
        self._jobs.put(lambda: self._view.live.ended(outcome))

    def register(self, store: RunStore) -> None:
        """Register the networks to use, after the runs that are still to be logged."""
        self._jobs.put(lambda: self._view.models.register(store))

    def close(self, timeout_seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all is logged, at most `timeout_seconds`."""
        self._jobs.put(self._view.live.close)
        self._jobs.put(None)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self._warn(
                f"MLflow at {self._view.client.shown_uri} is slow: {self._jobs.qsize()} runs are "
                "not logged yet; the next `bindgrid run` logs them"
            )

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if self._failed:
                continue
            try:
                job()
            except RunError as error:
                self._failed = True
                self._warn(str(error))
            except Exception as error:
                # a bug of bindgrid must neither stop the training nor go unnoticed
                self._failed = True
                logging.getLogger(__name__).debug("logging to MLflow failed", exc_info=True)
                self._warn(f"logging to MLflow stopped: {type(error).__name__}: {error}")

    def _next(self) -> Callable[[], object] | None:
        """Wait for a job; while there is none, what trains now is one every `POLL_SECONDS`."""
        try:
            return self._jobs.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return self._view.live.poll
