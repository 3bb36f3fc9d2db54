"""`bindgrid mlflow`: MLflow's view of the run store."""

from typing import Annotated

import typer

from data.words import counted
from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, out, steps
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

app = typer.Typer(help="Keep MLflow's view of the runs up to date.", no_args_is_help=True)


@app.callback()
def _keep_the_name() -> None:
    """Keep the name of the single command, which typer would leave out."""


@app.command()
def sync(
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild",
            help="Delete this workspace's runs in MLflow first, and log all of them again.",
        ),
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Log to MLflow every finished run that it lacks, such as after an outage.

    This includes motifs, registered models and the matches of each run's filters in JASPAR.

    Example: MLFLOW_TRACKING_URI=http://server:5000 bindgrid mlflow sync --workspace demo
    """
    from experiments.registry import paper_figures
    from orchestrator.runs.lock import sole_driver
    from orchestrator.runs.store import RunStore
    from orchestrator.tracking.sync import MlflowView

    place = Workspace(workspace)
    store, mlflow = RunStore(place), MlflowView(place, paper_figures)
    store.check()
    if not store.completed():
        raise RunError(f"{place.runs}: no finished runs; start with `bindgrid run`")
    # a plan in progress logs its own runs, which would then be logged twice
    with sole_driver(place), steps("Logging to MLflow") as on_step:
        num_deleted = mlflow.forget(store) if rebuild else 0
        mlflow.live.mark_killed()
        num_logged = mlflow.sync(store)
        num_matched = mlflow.motifs.log_matches(store, on_step)
    deleted = f"{counted(num_deleted, 'run')} deleted, " if rebuild else ""
    out.print(
        f"{mlflow.client.shown_uri}: {deleted}{counted(num_logged, 'run')} logged, "
        f"filters of {counted(num_matched, 'run')} matched",
        soft_wrap=True,
    )
