"""`bindgrid models`: what can be predicted, and how good each model is."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from data.words import counted
from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, err, out
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd


def register(app: typer.Typer) -> None:
    """Add the command of this file to the application."""
    app.command()(models)


def models(
    tf: Annotated[
        str, typer.Argument(help="TF, or name of a model, that is shown. By default all are.")
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write the table to, as .tsv, .csv (each compressed if .gz follows) or "
            ".parquet. By default it is shown.",
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """List what can be predicted: the base's TFs and your own models, and how good each is.

    A model of the workspace is used before the base's of the same TF. The base is tested on all
    open regions of chromosomes that it never saw, few of which are bound; most individual models
    are tested on as many unbound regions as bound ones. Compare measures only where both are the
    same.

    Example: bindgrid models SPI1
    """
    from data.output import output_named
    from orchestrator.prediction.listing import models_table
    from orchestrator.prediction.writers import TABLE_FORMATS, writing

    output = None if file is None else output_named(file, TABLE_FORMATS)
    place = Workspace(workspace)
    table = models_table(place)
    if table.empty:
        raise RunError(
            f"{place.root}: no model; this bindgrid came without a base, so train one by `bindgrid "
            "tf add` or `bindgrid run`"
        )
    if tf:
        table = _of_tf(table, tf)
    if output is None:
        _print(table)
        return
    with writing(output, None) as writer:
        writer.write(table)
    if not output.is_standard_output:
        out.print(f"{file}: {counted(len(table), 'model')}")


def _of_tf(table: "pd.DataFrame", named: str) -> "pd.DataFrame":
    from data.near_names import folded, near_hint, spellings

    wanted = set(map(folded, spellings(named)))
    found = table[table["tf"].map(folded).isin(wanted) | table["name"].map(folded).isin(wanted)]
    if found.empty:
        hint = near_hint(named, sorted({*table["tf"], *table["name"]}))
        raise RunError(f"no model of {named!r}{hint}; `bindgrid models` lists them all")
    return found


def _print(table: "pd.DataFrame") -> None:
    shown = Table("predict", "model")
    for title in ("AUROC", "avg. precision", "MCC", "bound", "unbound"):
        shown.add_column(title, justify="right")
    shown.add_column("tested on")
    with_verdict = table["verdict"].any()
    if with_verdict:
        shown.add_column("verdict")
    for row in table.to_dict("records"):
        cells = [
            row["name"],
            row["model"],
            *(_number(row[name]) for name in ("auroc", "average_precision", "mcc")),
            f"{row['num_bound']:,}",
            f"{row['num_unbound']:,}",
            row["tested_on"],
        ]
        shown.add_row(*cells, *([row["verdict"]] if with_verdict else []))
    out.print(shown)
    err.print(
        f"{counted(len(table), 'model')} of {counted(table['tf'].nunique(), 'TF')}; bindgrid "
        "predict NAME --bed regions.bed --genome genome.fa"
    )


def _number(value: Any) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"
