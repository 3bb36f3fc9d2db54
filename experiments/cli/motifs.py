"""`bindgrid motifs`: what the filters of a finished run learnt."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from data.words import counted
from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, complain, err, out, steps
from experiments.cli.options.jaspar import JasparOptions
from experiments.cli.options.spread import spread
from orchestrator.errors import RunError, UnknownModelError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from data.motifs.database import MotifDatabase
    from orchestrator.interpretation.run_motifs import StoredMotifs

_SHOWN = 30
"""Filters that the terminal shows, unless asked for all."""


class ArmName(StrEnum):
    """Which of a TF's networks."""

    TRANSFER = "transfer"
    SCRATCH = "scratch"
    MULTI = "multi"


@dataclass(frozen=True, kw_only=True)
class MotifsOptions:
    """Options of `bindgrid motifs`: which filters, and what they are compared with, as typed."""

    arm: Annotated[
        ArmName,
        typer.Option(
            help="Which of the TF's models: the one by transfer, the one from scratch, or the "
            "multi-model that transfer started from."
        ),
    ] = ArmName.TRANSFER
    layer: Annotated[
        int, typer.Option(help="The convolution whose filters are shown, counted from 1.")
    ] = 1
    jaspar: JasparOptions
    motifs: Annotated[
        Path | None, typer.Option(help="File of motifs to compare with. By default JASPAR's.")
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="Show every filter.")] = False


def register(app: typer.Typer) -> None:
    """Add the command of this file to the application."""
    app.command()(spread(motifs))


def motifs(
    run: Annotated[
        str, typer.Argument(help="A TF, for its newest run, or the key of a finished run.")
    ],
    *,
    options: MotifsOptions,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Show the filters of a run as motifs, with their matches in JASPAR; write MEME and logos.

    Example: bindgrid motifs HNF4A --arm multi
    """
    from orchestrator.interpretation.run_motifs import run_motifs
    from orchestrator.runs.find_run import find_run
    from orchestrator.runs.store import RunStore
    from orchestrator.tracking.client import TrackingClient
    from orchestrator.tracking.motifs import MotifWriter

    place = Workspace(workspace)
    database = _database(place, options.jaspar, options.motifs)
    try:
        found = find_run(RunStore(place), run, options.arm.value)
    except UnknownModelError as error:
        raise RunError(f"{error}{_about_base(run)}") from None
    err.print(f"{found.planned.name}, run {found.key}")
    with steps("Reading filters") as on_step:
        stored = run_motifs(found, place, database, layer=options.layer, on_step=on_step)
        on_step("logging to MLflow")
        try:
            MotifWriter(TrackingClient(place)).log_motifs(RunStore(place))
        except RunError as error:
            complain(str(error))
    _print(stored, everything=options.everything)


def _about_base(named: str) -> str:
    """Say what to do about a TF of the base; empty where it is none."""
    from orchestrator.prediction.base import find_base
    from orchestrator.prediction.finding import name_in_base

    base, tf = find_base(), name_in_base(named) or named
    if base is None or base.known_as(tf) is None:
        return ""
    return (
        f"; the base has {tf}, but its networks have no motifs of single TFs: see what they read "
        f"by `bindgrid explain {tf}` with --bed, --genome and --out, or train {tf} here by "
        "`bindgrid tf add` or `tf train`"
    )


def _database(workspace: Workspace, jaspar: JasparOptions, file: Path | None) -> "MotifDatabase":
    from data.motifs.database import file_database, jaspar_database
    from data.motifs.tomtom import FEW_TARGETS
    from orchestrator.interpretation.workspace_jaspar import workspace_jaspar

    if file is None:
        return jaspar_database(jaspar.part(workspace_jaspar(workspace)))
    database = file_database(file, err.print)
    if len(database) < FEW_TARGETS:
        err.print(
            f"{file}: {counted(len(database), 'motif')}; p-values depend on the motifs compared "
            f"with and are unreliable with fewer than {FEW_TARGETS}",
        )
    return database


def _print(stored: "StoredMotifs", *, everything: bool) -> None:
    info, table = stored.info, stored.table
    by_q = table.sort_values(["q_value", "filter"], ignore_index=True)
    shown = by_q if everything else by_q.head(_SHOWN)
    out.print(_table(shown))
    states = table["state"].value_counts().to_dict()
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    out.print(
        f"{stored.num_matched()} of {len(table)} filters match a motif of {info.database}"
        f" (q < 0.05), {info.num_matched_shuffled} with their positions shuffled; {told}",
    )
    out.print(
        f"{info.num_correct:,} of {info.num_regions:,} regions are predicted correctly and were "
        f"read; not shown: {counted(len(table) - len(shown), 'filter')}; files: {stored.path}",
        soft_wrap=True,
    )


def _table(rows: "pd.DataFrame") -> Table:
    table = Table("filter", "consensus")
    for title in ("bits", "sites", "regions", "importance"):
        table.add_column(title, justify="right")
    table.add_column("best match")
    table.add_column("q", justify="right")
    for row in rows.to_dict("records"):
        compared = row["state"] == "compared"
        name = f"{row['match_name']} {row['match_id']} {row['orientation']}"
        table.add_row(
            str(row["filter"]),
            row["consensus"],
            f"{row['information_bits']:.1f}",
            f"{row['num_sites']:,}",
            f"{row['num_regions']:,}",
            f"{row['importance']:.1e}",
            name if compared else row["state"],
            f"{row['q_value']:.1e}" if compared else "",
        )
    return table
