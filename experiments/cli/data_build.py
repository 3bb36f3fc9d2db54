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
    out,
    steps,
)
from experiments.cli.options import spread
from experiments.cli.sheet_options import SheetOptions, build_sheet
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.store import Dataset
    from data.sources.tables import SourceFiles

_OPTIONAL = ("chrom_alias", "exclude")
"""Sources that a build can do without, by the options that name them."""
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Replace what is there already.")]


def register(app: typer.Typer) -> None:
    """Add the command to `bindgrid data`."""
    app.command()(spread(build))


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The files of a dataset, as typed."""

    dhs: Annotated[Path | None, typer.Option(help="UCSC DHS clusters, BED.")] = None
    peaks: Annotated[Path | None, typer.Option(help="ReMap peaks, BED9 with summits.")] = None
    sites: Annotated[Path | None, typer.Option(help="UniBind sites, BED.")] = None
    experiments: Annotated[Path | None, typer.Option(help="Table: experiment, tf, biotype.")] = None
    samples: Annotated[Path | None, typer.Option(help="Table: source_id, dhs_sample, biotype.")] = (
        None
    )
    genome: Annotated[Path | None, typer.Option(help="Indexed FASTA, plain or BGZF.")] = None
    chrom_alias: ChromAliasOption = None
    exclude: ExcludeOption = None

    def files(self) -> "SourceFiles":
        """Give the files that the options name.

        Raises
        ------
        RunError
            If one is lacking.
        """
        from data.sources.tables import SourceFiles

        named = {one.name: getattr(self, one.name) for one in fields(self)}
        lacking = [
            f"--{name}" for name, path in named.items() if path is None and name not in _OPTIONAL
        ]
        if lacking:
            raise RunError(f"{', '.join(lacking)} missing; or name a --samplesheet")
        return SourceFiles(**(named | {"exclude": tuple(self.exclude or ())}))


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """What `bindgrid data build` is told of its sources and of odd rows in them, as typed."""

    sources: SourceOptions
    sheet: SheetOptions
    replace: ReplaceOption = False
    skip_unlisted: Annotated[
        bool,
        typer.Option(
            "--skip-unlisted",
            help="Leave out peaks and sites of TFs without an experiment, and of biosamples that "
            "seem to be spelled otherwise than in the tables.",
        ),
    ] = False
    left_out: LeftOutOption = None


def build(*, options: BuildOptions, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Build a dataset from the sources' own formats, or from a sample sheet of your own files.

    Example: bindgrid data build --dhs dhs.bed.gz --peaks remap.bed.gz --sites unibind.bed.gz
    --experiments experiments.tsv --samples samples.tsv --genome hg38.fa.gz

    Example: bindgrid data build --samplesheet sheet.csv --genome mm39.fa
    """
    odd_rows, path = LeftOut(), Workspace(workspace).dataset
    options.sheet.check(options.sources)
    if options.sheet.samplesheet is None:
        dataset = _build_sources(options, path, odd_rows)
    else:
        files = options.sheet.files(options.sources)
        dataset = build_sheet(options.sheet, files, path, odd_rows, replace=options.replace)
    for remark in odd_rows.remarks():
        err.print(remark)
    if options.left_out is not None:
        odd_rows.write(options.left_out)
    print_made(dataset)


def _build_sources(options: BuildOptions, path: Path, odd_rows: LeftOut) -> "Dataset":
    from data.sources.build import build_dataset

    with steps("Building the dataset") as on_step:
        return build_dataset(
            options.sources.files(),
            path,
            replace=options.replace,
            skip_unlisted=options.skip_unlisted,
            left_out=odd_rows,
            on_step=on_step,
        )


def print_made(dataset: "Dataset") -> None:
    """Say what a new dataset holds, and what was left out of it."""
    out.print(f"{dataset.path}: {dataset.num_regions:,} regions, {len(dataset.tfs)} TFs")
    print_dropped(dataset)


def print_dropped(dataset: "Dataset") -> None:
    """Say how much was left out of a dataset, by reason."""
    for reason, count in dataset.manifest.dropped.items():
        if count:
            out.print(f"  {reason}: {count:,}")
