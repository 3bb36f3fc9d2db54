"""Run a plan in this process, one run after the other."""

from collections.abc import Callable

from orchestrator.gpus import require_gpu
from orchestrator.plan import OnDone, Plan
from orchestrator.runs.execute import attempt
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace


def run_plan(
    plan: Plan,
    workspace: Workspace,
    *,
    on_done: OnDone,
    may_start: Callable[[], bool] = lambda: True,
    device: str = "cpu",
) -> None:
    """Run what of a plan is not complete; `on_done` hears of each run that ends here.

    `may_start` is asked before each; once it says no, no other starts. They train on `device`,
    "cpu" or "cuda".

    Raises
    ------
    RunError
        If they are to train on a GPU, and torch finds none.
    """
    store = RunStore(workspace)
    complete = [run.key for run in plan if store.is_complete(run.key)]
    remaining = plan.without(complete, may_start=may_start)
    if remaining and device != "cpu":
        require_gpu()
    while (planned := remaining.next_ready()) is not None:
        outcome = attempt(planned, workspace, device=device)
        on_done(outcome)
        for blocked in remaining.settle(outcome):
            on_done(blocked)
