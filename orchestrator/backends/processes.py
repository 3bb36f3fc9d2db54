"""Run a plan in a few processes of this machine, without Ray (`orchestrator.backends.interface`).

This process takes one run after the other as `orchestrator.backends.local` does, and each further
process, which takes some seconds to import what training needs, another one beside it. For runs
that take seconds this is enough; what Ray adds (many machines, GPUs, memory that workers share,
lost workers that are replaced) costs about half a minute of processor time.

A process that dies fails the run that it had, and the others continue. A process that is started
ends with this one: it is told so, or finds that its pipe is closed.
"""

import multiprocessing
import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from orchestrator.backends.children import interrupts_blocked
from orchestrator.backends.interface import MayStart, always
from orchestrator.errors import RunError
from orchestrator.plan import OnDone, Plan, PlannedRun, Remaining, RunOutcome
from orchestrator.runs.context import RunContext
from orchestrator.runs.execute import attempt, failed
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace

MOST: Final = 4
"""Processes at most, by default."""


@dataclass(frozen=True, kw_only=True)
class ProcessOptions:
    """How many runs train at once."""

    num_workers: int | None = None
    """Processes, this one included, that train a run each. By default as many as there are CPUs, at
    most `MOST`."""


_ONE_PER_CPU: Final = ProcessOptions()


def usual_num_workers() -> int:
    """Give how many processes train by default: one for each CPU, at most `MOST`."""
    return min(len(os.sched_getaffinity(0)), MOST)


def run_plan(
    plan: Plan,
    workspace: Workspace,
    *,
    on_done: OnDone,
    may_start: MayStart = always,
    options: ProcessOptions = _ONE_PER_CPU,
) -> None:
    """Run what is not complete of a plan, in this process and others beside it.

    Raises
    ------
    RunError
        If the number of workers is below 1.
    """
    num_workers = options.num_workers
    if num_workers is not None and num_workers < 1:
        raise RunError(f"{num_workers} workers cannot train anything: give 1 or more")
    store = RunStore(workspace)
    complete = [run.key for run in plan if store.is_complete(run.key)]
    remaining = plan.without(complete, may_start=may_start)
    if not remaining:
        return
    wanted = num_workers or usual_num_workers()
    queue = _Queue(remaining, on_done)
    others = [_Other(workspace) for _ in range(min(wanted, len(remaining)) - 1)]
    try:
        for other in others:
            threading.Thread(target=other.work, args=(queue,), daemon=True).start()
        context = RunContext(workspace=workspace)
        while (planned := queue.take()) is not None:
            queue.settle(attempt(planned, context))
    finally:
        for other in others:
            other.end()
    if queue.error is not None:
        raise queue.error


class _Queue:
    """The runs that are left, given out to several threads, which tell it how each ended."""

    def __init__(self, remaining: Remaining, on_done: OnDone) -> None:
        self._remaining = remaining
        self._on_done = on_done
        self._num_running = 0
        self._changed = threading.Condition()
        self.error: Exception | None = None
        """What a callback raised, which ends the plan."""

    def take(self) -> PlannedRun | None:
        """Give the next run, once there is one; None where nothing is left."""
        with self._changed:
            while self.error is None:
                planned = self._remaining.next_ready()
                if planned is not None:
                    self._num_running += 1
                    return planned
                if not self._num_running:
                    return None
                # a signal interrupts such a wait only when it ends
                self._changed.wait(timeout=1.0)
            return None

    def settle(self, outcome: RunOutcome) -> None:
        """Record how a run ended and which others it blocks, and report all of them."""
        with self._changed:
            self._num_running -= 1
            try:
                for one in (outcome, *self._remaining.settle(outcome)):
                    self._on_done(one)
            except Exception as error:
                self.error = error
            self._changed.notify_all()


class _Other:
    """A process that executes the runs that it is sent, one after the other."""

    def __init__(self, workspace: Workspace) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawning.Pipe()
        self._workspace = workspace
        self._is_ended = False
        # "spawn": a fork would copy threads' locks, held by whoever holds them just then
        self._process = spawning.Process(target=_serve, args=(theirs, workspace.root), daemon=True)
        with interrupts_blocked():
            self._process.start()
        theirs.close()

    def work(self, queue: _Queue) -> None:
        """Execute runs of a queue until none is left, or the process is gone."""
        while (planned := queue.take()) is not None:
            try:
                self._pipe.send(planned)
                outcome: RunOutcome = self._pipe.recv()
            except (EOFError, OSError):
                if self._is_ended:
                    return
                error = RunError("the process that trained it ended; run the same command again")
                queue.settle(failed(planned, self._workspace, error))
                return
            queue.settle(outcome)

    def end(self) -> None:
        """End the process; a run that it still trains is given up."""
        self._is_ended = True
        self._process.terminate()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection, root: Path) -> None:
    """Execute each run that comes through a pipe, and send back how it ended."""
    context = RunContext(workspace=Workspace(root))
    try:
        while True:
            pipe.send(attempt(pipe.recv(), context))
    except (EOFError, OSError):
        return
