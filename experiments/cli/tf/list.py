"""`bindgrid tf list` and `remove`: the TFs of a dataset, and those that were added."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from data.dataset.store import Dataset
from data.schema import Evidence
from experiments.cli.console import DEFAULT_WORKSPACE, WorkspaceOption, out
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.added import AddedTF


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `bindgrid tf`."""
    app.command("list")(list_tfs)
    app.command()(remove)


def list_tfs(workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Show every TF: where it is from, and its regions.

    Example: bindgrid tf list
    """
    dataset = Dataset.open(Workspace(workspace).dataset)
    table = Table("TF", "from", "biosamples", "sites")
    for title in ("bound", "unbound", "one source"):
        table.add_column(title, justify="right")
    # what was added stands last, where it is seen
    for summary in sorted(dataset.summaries(), key=lambda one: (one.added is not None, one.tf)):
        added, made_from = summary.added, summary.made_from
        one_source = summary.count(Evidence.PEAK) + summary.count(Evidence.SITE)
        table.add_row(
            summary.tf,
            f"added {added.at[:10]}" if added else "dataset",
            ", ".join(made_from.biosamples) if made_from else "",
            _sites_words(made_from),
            f"{summary.count(Evidence.BOUND):,}",
            f"{summary.count(Evidence.UNBOUND):,}",
            f"{one_source:,}",
        )
    out.print(table)


def _sites_words(record: "AddedTF | None") -> str:
    """Say where the sites of a TF are from, with its motif."""
    if record is None:
        return ""
    # a motif beside given sites, or none, is the model's term, and predicted none of them
    link = " by " if "predicted" in record.sites else ", motif "
    return link.join(filter(None, (record.sites, record.matrix_id)))


def remove(
    name: Annotated[str, typer.Argument(help="A TF that was added.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Remove a TF that was added; its finished runs and its card stay.

    Example: bindgrid tf remove ETV4
    """
    from data.dataset.lock import sole_writer
    from data.own_tf.edit import remove_tf

    path = Workspace(workspace).dataset
    with sole_writer(path):
        dataset = Dataset.open(path)
        remove_tf(dataset, name)
    out.print(f"{name} is no longer in {dataset.path}")
    out.print(
        "Its finished runs and its card stay: `predict`, `variants` and `export` work as before. "
        "What reads its labels does not, until it is added again: `tf train`, `tf suggest`, "
        "`motifs`, and `explain` without --genome.",
        soft_wrap=True,
    )
