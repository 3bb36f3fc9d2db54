"""`bindgrid mlflow`: MLflow's view of the run store."""

from typing import Annotated

import typer

from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, out, steps
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

app = typer.Typer(help="Look after MLflow's view of the runs.", no_args_is_help=True)


@app.callback()
def _keep_the_name() -> None:
    """With a single command typer would leave its name out."""


@app.command()
def sync(
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Delete this workspace's runs in MLflow and log all anew."),
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Log every finished run that MLflow does not have, after an outage, say.

    Motifs, registered models and the matches of each run's filters in JASPAR too.

    Example: MLFLOW_TRACKING_URI=http://server:5000 bindgrid mlflow sync --workspace demo
    """
    from experiments.registry import paper_figures
    from orchestrator.runs.lock import sole_driver
    from orchestrator.runs.store import RunStore
    from orchestrator.tracking.sync import MlflowView

    place = Workspace(workspace)
    store, mlflow = RunStore(place), MlflowView(place, paper_figures())
    store.check()
    if not store.completed():
        raise RunError(f"{place.runs}: no finished runs; start with `bindgrid run`")
    # a plan that runs logs its runs itself, and one of us two would log them twice
    with sole_driver(place), steps("Logging to MLflow") as on_step:
        num_deleted = mlflow.forget(store) if rebuild else 0
        num_logged = mlflow.sync(store)
        num_matched = mlflow.motifs.log_matches(store, on_step)
    deleted = f"{num_deleted} runs deleted, " if rebuild else ""
    out.print(
        f"{mlflow.client.uri}: {deleted}{num_logged} runs logged, "
        f"filters of {num_matched} runs matched",
        soft_wrap=True,
    )
