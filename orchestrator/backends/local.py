"""Run a plan in this process, one run after the other (`orchestrator.backends.interface`)."""

from dataclasses import dataclass
from typing import Final

from orchestrator.backends.interface import MayStart, always
from orchestrator.gpus import require_gpu
from orchestrator.plan import OnDone, Plan
from orchestrator.runs.context import RunContext
from orchestrator.runs.execute import attempt
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """Where this process trains."""

    device: str = "cpu"
    """Where every run trains, "cpu" or "cuda"."""


_ON_CPU: Final = LocalOptions()


def run_plan(
    plan: Plan,
    workspace: Workspace,
    *,
    on_done: OnDone,
    may_start: MayStart = always,
    options: LocalOptions = _ON_CPU,
) -> None:
    """Run what is not complete of a plan, in this process.

    Raises
    ------
    RunError
        If the runs are to train on a GPU, and torch finds none.
    """
    store = RunStore(workspace)
    complete = [run.key for run in plan if store.is_complete(run.key)]
    remaining = plan.without(complete, may_start=may_start)
    if remaining and options.device != "cpu":
        require_gpu()
    context = RunContext(workspace=workspace, device=options.device)
    while (planned := remaining.next_ready()) is not None:
        outcome = attempt(planned, context)
        on_done(outcome)
        for blocked in remaining.settle(outcome):
            on_done(blocked)
