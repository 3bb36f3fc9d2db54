"""`bindgrid data build`: a dataset from the sources' own formats."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.left_out import LeftOut
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    ChromAliasOption,
    ExcludeOption,
    LeftOutOption,
    WorkspaceOption,
    err,
    left_out_kept,
    out,
    steps,
)
from experiments.cli.options import spread
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.store import Dataset
    from data.sources.tables import SourceFiles

ReplaceOption = Annotated[bool, typer.Option("--replace", help="Replace what is there already.")]


def register(app: typer.Typer) -> None:
    """Add the command to `bindgrid data`."""
    app.command()(spread(build))


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The files of a dataset, as typed."""

    dhs: Annotated[Path, typer.Option(help="UCSC DHS clusters, BED.")]
    peaks: Annotated[Path, typer.Option(help="ReMap peaks, BED9 with summits.")]
    sites: Annotated[Path, typer.Option(help="UniBind sites, BED.")]
    experiments: Annotated[Path, typer.Option(help="Table: experiment, tf, biotype.")]
    samples: Annotated[Path, typer.Option(help="Table: source_id, dhs_sample, biotype.")]
    genome: Annotated[Path, typer.Option(help="Indexed FASTA, plain or BGZF.")]
    chrom_alias: ChromAliasOption = None
    exclude: ExcludeOption = None

    def files(self) -> "SourceFiles":
        """Give the files that the options name."""
        from data.sources.tables import SourceFiles

        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return SourceFiles(**(given | {"exclude": tuple(self.exclude or ())}))


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What `bindgrid data build` is told of its sources and of odd rows in them, as typed."""

    sources: SourceOptions
    replace: ReplaceOption = False
    skip_unlisted: Annotated[
        bool,
        typer.Option(
            "--skip-unlisted",
            help="Leave out peaks and sites of TFs without an experiment, and of biosamples that "
            "seem to be spelled otherwise than in the tables; go on with TFs that have peaks and "
            "no sites, or sites and no peaks.",
        ),
    ] = False
    left_out: LeftOutOption = None


def build(*, options: BuildOptions, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Build a dataset from the sources' own formats.

    Example: bindgrid data build --dhs dhs.bed.gz --peaks remap.bed.gz --sites unibind.bed.gz
    --experiments experiments.tsv --samples samples.tsv --genome hg38.fa.gz
    """
    from data.sources.build import build_dataset

    odd_rows = LeftOut()
    with left_out_kept(odd_rows, options.left_out), steps("Building the dataset") as on_step:
        dataset = build_dataset(
            options.sources.files(),
            Workspace(workspace).dataset,
            replace=options.replace,
            skip_unlisted=options.skip_unlisted,
            left_out=odd_rows,
            on_step=on_step,
        )
    for remark in odd_rows.remarks():
        err.print(remark)
    if options.left_out is not None:
        odd_rows.write(options.left_out)
    print_made(dataset)


def print_made(dataset: "Dataset") -> None:
    """Say what a new dataset holds, and what was left out of it."""
    out.print(f"{dataset.path}: {dataset.num_regions:,} regions, {len(dataset.tfs)} TFs")
    print_dropped(dataset)


def print_dropped(dataset: "Dataset") -> None:
    """Say how much was left out of a dataset, by reason."""
    for reason, count in dataset.manifest.dropped.items():
        if count:
            out.print(f"  {reason}: {count:,}")
