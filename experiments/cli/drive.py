"""How a command runs a plan: one driver per workspace, progress, MLflow, and failures."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from data.temporary import remove_abandoned
from data.words import counted
from experiments.cli.console import complain, err
from experiments.cli.progress import PlanProgress
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.backends.interface import RunPlan
    from orchestrator.plan import Plan, Remark, RunOutcome
    from orchestrator.runs.store import RunStore


def drive(
    plan: "Plan",
    remarks: "Sequence[Remark]",
    workspace: Workspace,
    backend: "Callable[[], RunPlan]",
    *,
    stop_after: float | None = None,
    show: "Callable[[pd.DataFrame], None] | None" = None,
) -> None:
    """Run a plan with progress and MLflow beside it; what is complete is not run again.

    Parameters
    ----------
    remarks
        What planning left out, for the report.
    backend
        Gives the backend's `run_plan`; not asked, so that nothing of it is imported, where all is
        complete.
    stop_after
        Hours after which no further run is started.
    show
        Prints the results table of the plan's runs.

    Raises
    ------
    typer.Exit
        If a run failed (code 1) or the user interrupted (130).
    """
    from orchestrator.runs.lock import sole_driver
    from orchestrator.runs.results import results_table
    from orchestrator.runs.store import RunStore

    store = RunStore(workspace)
    with sole_driver(workspace):
        store.check()
        store.record_roles(plan)
        roles = (role for runs in plan.roles.values() for role in runs)
        store.record_remarks({role.experiment for role in roles}, remarks)
        failures = _run(plan, store, backend, stop_after)
    keys = {run.key for run in plan}
    if show is not None:
        table = results_table(store)
        show(table[table["key"].isin(keys)])
    num_left = len(plan) - sum(store.is_complete(key) for key in keys) - len(failures)
    if num_left:
        err.print(
            f"stopped after {stop_after:g} hours with {num_left} of {counted(len(plan), 'run')} to "
            "do; the same command resumes the plan",
        )
    if failures:
        where = workspace.failure(failures[0].planned.key)
        place = where if len(failures) == 1 and where.exists() else where.parent
        complain(
            f"{len(failures)} of {counted(len(plan), 'run')} did not complete; reasons and "
            f"tracebacks: {place}"
        )
        raise typer.Exit(1)


def _run(
    plan: "Plan", store: "RunStore", backend: "Callable[[], RunPlan]", stop_after: float | None
) -> "list[RunOutcome]":
    """Run what is not complete, with progress and MLflow beside it; gives what failed.

    Raises
    ------
    typer.Exit
        If the user interrupted (130).
    """
    from experiments.registry import paper_figures
    from orchestrator.tracking.background import BackgroundView
    from orchestrator.tracking.sync import MlflowView

    workspace = store.workspace
    failures: list[RunOutcome] = []
    deadline = None if stop_after is None else time.monotonic() + 3600 * stop_after
    num_complete = sum(store.is_complete(run.key) for run in plan)
    err.print(f"{counted(len(plan), 'run')}, {num_complete:,} complete already")
    with (
        BackgroundView(MlflowView(workspace, paper_figures), warn=complain) as mlflow,
        PlanProgress(workspace, len(plan), num_complete) as progress,
    ):
        mlflow.begin(plan)

        def on_done(outcome: "RunOutcome") -> None:
            progress.done(outcome)
            mlflow.log(outcome)
            if outcome.status != "completed":
                failures.append(outcome)

        def may_start() -> bool:
            return deadline is None or time.monotonic() < deadline

        try:
            if num_complete < len(plan):
                backend()(plan, workspace, on_done=on_done, may_start=may_start)
            else:
                remove_abandoned()
        except KeyboardInterrupt:
            complain("interrupted; what is complete is kept, the same command resumes the plan")
            raise typer.Exit(130) from None
        finally:
            mlflow.register()
    return failures
