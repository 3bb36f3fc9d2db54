"""Run a plan in this process, one run after the other."""

from collections.abc import Callable

from orchestrator.execute import attempt
from orchestrator.plan import OnDone, Plan
from orchestrator.store import RunStore
from orchestrator.workspace import Workspace


def run_plan(
    plan: Plan,
    workspace: Workspace,
    *,
    on_done: OnDone,
    may_start: Callable[[], bool] = lambda: True,
) -> None:
    """Run what of a plan is not complete; `on_done` hears of each run that ends here.

    `may_start` is asked before each; once it says no, no other starts.
    """
    store = RunStore(workspace)
    complete = [run.key for run in plan if store.is_complete(run.key)]
    remaining = plan.without(complete, may_start=may_start)
    while (planned := remaining.next_ready()) is not None:
        outcome = attempt(planned, workspace)
        on_done(outcome)
        for blocked in remaining.settle(outcome):
            on_done(blocked)
