"""Logging to MLflow in a thread, so that no training waits for it."""

from __future__ import annotations

import logging
import queue
import threading
import time
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

RETRY_SECONDS = 60.0
"""How long after MLflow failed it is tried again."""

_Job = Callable[[], object]


@final
class BackgroundView:
    """Logs runs from a thread of its own, so that training never waits for MLflow.

    If MLflow fails, `warn` is called with one line, and what is to be logged meanwhile is dropped:
    the run store has it. MLflow is tried again every `RETRY_SECONDS` and at the end of the plan;
    when it answers, what it lacks is logged, and `warn` says so. Used as a context manager; leaving
    it waits for what is still to be logged.

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
        self._store = RunStore(view.client.workspace)
        self._broken = False
        """Whether a bug has stopped the logging."""
        self._retry_at: float | None = None
        """When MLflow is tried again, in seconds of the monotonic clock; None while it answers."""
        self._jobs: queue.SimpleQueue[tuple[_Job, bool] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)

    def __enter__(self) -> BackgroundView:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, plan: Plan) -> None:
        """Log what MLflow lacks of the run store, and from now on what trains of a plan."""
        self._view.live.expect(plan)  # before the thread has anything to do
        self._put(self._view.live.mark_killed)
        self._put(lambda: self._view.sync(self._store))
        self._put(self._view.live.log_counts)

    def sync(self) -> None:
        """Log what MLflow lacks of the run store."""
        self._put(lambda: self._view.sync(self._store))

    def log(self, outcome: RunOutcome) -> None:
        """Log a run that ended; one that never started, since it was blocked, is only counted."""
        planned = outcome.planned
        if outcome.status == "completed":
            self._put(lambda: self._view.runs.log_run(self._store.open(planned.key)))
        elif outcome.status == "failed":
            error = outcome.error or ""
            self._put(lambda: self._view.runs.log_failure(planned, error))
        self._put(lambda: self._view.live.count(outcome), is_local=True)
        self._put(self._view.live.log_counts)

    def register(self) -> None:
        """Register the networks to use, after the runs that are still to be logged."""
        self._put(self._try_again, is_local=True)
        self._put(lambda: self._view.models.register(self._store))

    def close(self, timeout_seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all is logged, at most `timeout_seconds`."""
        self._put(self._view.live.close)
        self._jobs.put(None)
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self._warn(
                f"MLflow at {self._view.client.shown_uri} is slow: {self._jobs.qsize()} steps are "
                "not logged yet; the next `bindgrid run` logs them"
            )

    def _put(self, do: _Job, *, is_local: bool = False) -> None:
        """Add a job; one that is local is done even while MLflow does not answer."""
        self._jobs.put((do, is_local))

    def _work(self) -> None:
        while (job := self._next()) is not None:
            do, is_local = job
            if self._broken or (self._retry_at is not None and not is_local):
                continue
            try:
                do()
            except RunError as error:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                self._warn(str(error))
            except Exception as error:
                # a bug of bindgrid must neither stop the training nor go unnoticed
                self._broken = True
                logging.getLogger(__name__).debug("logging to MLflow failed", exc_info=True)
                self._warn(f"logging to MLflow stopped: {type(error).__name__}: {error}")

    def _next(self) -> tuple[_Job, bool] | None:
        """Wait for a job; while there is none, what trains now is one every `POLL_SECONDS`."""
        try:
            return self._jobs.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if self._retry_at is not None and time.monotonic() >= self._retry_at:
                return self._try_again, True
            return self._view.live.poll, False

    def _try_again(self) -> None:
        """Log what MLflow lacks, if it failed before and answers now."""
        if self._retry_at is None:
            return
        try:
            self._view.sync(self._store)
            self._view.live.log_counts()
        except RunError:
            self._retry_at = time.monotonic() + RETRY_SECONDS
        else:
            self._retry_at = None
            self._warn(f"MLflow at {self._view.client.shown_uri} answers again; nothing is missing")
