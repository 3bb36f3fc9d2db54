"""`bindgrid results` and `bindgrid ui`: look at what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from data.words import counted
from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, out
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    app.command()(results)
    app.command()(ui)


def results(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Write the table of all runs to this file, as .csv, .tsv (each compressed if .gz "
            "follows) or .parquet; - writes .csv to standard output."
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Show how transfer compares with scratch, or write the table of all runs.

    Example: bindgrid results runs.csv
    """
    from data.output import output_named
    from orchestrator.runs.results import FORMATS, results_table, write_results
    from orchestrator.runs.store import RunStore

    output = None if file is None else output_named(file, FORMATS)
    table = results_table(RunStore(Workspace(workspace)))
    if table.empty:
        raise RunError(f"{Workspace(workspace).runs}: no finished runs; start with `bindgrid run`")
    if output is None:
        print_comparison(table)
        return
    write_results(table, output)
    if not output.is_standard_output:
        out.print(f"{file}: {counted(len(table), 'run')}")


def ui(
    port: Annotated[int, typer.Option(help="Port to serve on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Open MLflow's UI on the workspace, to see transfer beside scratch.

    Example: bindgrid ui --port 5001
    """
    from orchestrator.tracking.ui import serve_ui

    def figures() -> Mapping[str, str]:
        from experiments.registry import paper_figures

        return paper_figures()

    serve_ui(Workspace(workspace), host=host, port=port, figures=figures)


def print_comparison(table: "pd.DataFrame") -> None:
    """Print a line per experiment, TF, group and arm: means over replicates, spread of MCC.

    Where an arm of a TF has several pre-training sets or networks, each has a line, and a column
    says which; the middle of long names is left out. So it is where a replicate was run with
    several settings, such as before and after an option was changed.

    Parameters
    ----------
    table
        The table of `orchestrator.runs.results.results_table`, in its order.
    """
    from orchestrator.role_names import shortened

    cell = ["experiment", "tf", "group", "with_target", "arm"]
    shown = Table("experiment", "TF", "group", "arm")
    if table.loc[table["network"] != "", "network"].nunique() > 1:
        cell.append("network")
        shown.add_column("network")
    several = table.groupby(cell)["pretraining_set"].nunique().max() > 1
    if several:
        cell.append("pretraining_set")
        shown.add_column("pre-trained on")
    twice = table[table.duplicated([*cell, "replicate"])]
    if not twice.empty:
        is_mixed = table.set_index(cell).index.isin(twice.set_index(cell).index)
        # the mean number of bound regions tells most of them apart
        bound = table.groupby("settings")["num_bound"].transform("mean").round().astype(int)
        named = bound.astype(str) + " bound, " + table["settings"].str[:6]
        table = table.assign(settings=named.where(is_mixed, ""))
        cell.append("settings")
        shown.add_column("settings")
    for title in ("runs", "MCC", "sd", "AUROC", "avg. precision", "seconds"):
        shown.add_column(title, justify="right")
    short = shortened(list(table["pretraining_set"]))
    for names, rows in table.groupby(cell, sort=False):
        experiment, tf, group, _, arm, *more = map(str, names)
        if rows.with_target.any():
            group += " with target"
        shown.add_row(
            experiment,
            tf or "(multi-model)",
            group,
            arm,
            *(short.get(name, name) for name in more),
            str(len(rows)),
            f"{rows.mcc.mean():.3f}",
            f"{rows.mcc.std():.3f}" if len(rows) > 1 else "",
            f"{rows.auroc.mean():.3f}",
            f"{rows.average_precision.mean():.3f}",
            f"{rows.seconds.mean():.0f}",
        )
    out.print(shown)
