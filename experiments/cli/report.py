"""`bindgrid report`: the results as the paper shows them, as a page, figures and tables."""

from typing import Annotated

import typer

from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, complain, out, steps
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the command of this file to the application."""
    app.command()(report)


def report(
    filters: Annotated[
        bool,
        typer.Option(
            help="Also compare the filters of multi-models with JASPAR, which takes a minute for "
            "each multi-model the first time."
        ),
    ] = True,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Write the report of all finished runs: figures, tables and what they show, as one page.

    Example: bindgrid report
    """
    from data.motifs.database import jaspar_database
    from experiments.registry import paper_figures
    from experiments.report import make_report
    from orchestrator.interpretation.motif_reader import MotifReader
    from orchestrator.interpretation.workspace_jaspar import workspace_jaspar
    from orchestrator.report.files import write_report
    from orchestrator.report.page import FIGURES_FOLDER
    from orchestrator.runs.store import RunStore
    from orchestrator.tracking.client import TrackingClient
    from orchestrator.tracking.motifs import MotifWriter
    from orchestrator.tracking.summaries import SummaryWriter

    place = Workspace(workspace)
    with steps("Report") as on_step:
        on_step("reading runs")
        database = jaspar_database(workspace_jaspar(place))
        reader = MotifReader(workspace=place, database=database, on_step=on_step)
        made = make_report(place, motifs=reader if filters else None)
        on_step("drawing")
        page = write_report(made, place)
        on_step("logging to MLflow")
        try:
            client = TrackingClient(place)
            SummaryWriter(client, paper_figures).log_report(made, place.report / FIGURES_FOLDER)
            MotifWriter(client).log_motifs(RunStore(place))
        except RunError as error:
            complain(str(error))
    for section in made.sections:
        out.print(f"{section.experiment}: {section.headline}")
    for note in made.notes:
        out.print(note)
    out.print(page, soft_wrap=True)
