"""`bindgrid data build`: a dataset from the sources' own formats."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.dataset.lock import sole_writer
from data.left_out import LeftOut
from data.sources.name_rules import NameRules, Treated
from data.words import counted
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    LeftOutOption,
    WorkspaceOption,
    check_new,
    err,
    left_out_kept,
    out,
    steps,
)
from experiments.cli.options.sheet import SheetOptions, build_sheet
from experiments.cli.options.sources import SourceOptions
from experiments.cli.options.spread import spread
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.store import Dataset

_TOLD = 10
"""Most biosamples without DHSs that are printed."""
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Replace what is there already.")]


def register(app: typer.Typer) -> None:
    """Add the command to `bindgrid data`."""
    app.command()(spread(build))


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of `bindgrid data build`, as typed: its sources, and what is done with odd rows."""

    sources: SourceOptions
    sheet: SheetOptions
    replace: ReplaceOption = False
    skip_unlisted: Annotated[
        bool,
        typer.Option(
            "--skip-unlisted",
            help="Leave out peaks and sites of TFs without an experiment, and of biosamples that "
            "seem to be spelled otherwise than in the tables; continue with TFs that have peaks "
            "and no sites, or sites and no peaks.",
        ),
    ] = False
    keep_treated: Annotated[
        Treated,
        typer.Option(
            help="Which treated samples count for their biosample, where --experiments or "
            "--samples is not given: none; dhs, those of DNase-seq alone, as in the paper; or all."
        ),
    ] = Treated.NONE
    unmatched: Annotated[
        Path | None,
        typer.Option(
            help="File to write the biosamples to that have no DHSs, with the peaks that each "
            "costs. Filled in, it is a table for --biosamples. By default the ten largest are "
            "listed."
        ),
    ] = None
    left_out: LeftOutOption = None


def build(*, options: BuildOptions, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Build a dataset from the publishers' own files, or from a sample sheet of your own.

    Example: bindgrid data build --from downloads --genome hg38.fa

    Example: bindgrid data build --dhs dhs.bed.gz --peaks remap.bed.gz --sites unibind.bed.gz
    --experiments experiments.tsv --samples samples.tsv --genome hg38.fa.gz

    Example: bindgrid data build --samplesheet sheet.csv --genome mm39.fa
    """
    odd_rows, path = LeftOut(), Workspace(workspace).dataset
    options.sheet.check(options.sources)
    if options.unmatched is not None:
        check_new(options.unmatched, options)
    with sole_writer(path), left_out_kept(odd_rows, options.left_out, options):
        if options.sheet.samplesheet is None:
            dataset = _build_sources(options, path, odd_rows)
        else:
            files = options.sheet.files(options.sources)
            dataset = build_sheet(options.sheet, files, path, odd_rows, replace=options.replace)
    for remark in odd_rows.remarks():
        err.print(remark)
    if options.unmatched is not None:
        odd_rows.write_unmatched(options.unmatched)
    print_made(dataset)
    _print_unmatched(odd_rows)


def _build_sources(options: BuildOptions, path: Path, odd_rows: LeftOut) -> "Dataset":
    from data.sources.build import build_dataset

    with steps("Building the dataset") as on_step:
        return build_dataset(
            options.sources.files(),
            path,
            replace=options.replace,
            name_rules=NameRules(
                skip_unlisted=options.skip_unlisted, keep_treated=options.keep_treated
            ),
            left_out=odd_rows,
            on_step=on_step,
        )


def print_made(dataset: "Dataset") -> None:
    """Say what a new dataset holds, and what was left out of it."""
    out.print(f"{dataset.path}: {size_of(dataset)}")
    print_dropped(dataset)


def size_of(dataset: "Dataset") -> str:
    """Say how many regions and TFs a dataset has."""
    return f"{counted(dataset.num_regions, 'region')}, {counted(len(dataset.tfs), 'TF')}"


def print_dropped(dataset: "Dataset") -> None:
    """Say how much was left out of a dataset, by reason."""
    for reason, count in dataset.manifest.dropped.items():
        if count:
            out.print(f"  {reason}: {count:,}")


def _print_unmatched(left_out: LeftOut) -> None:
    """Say which biosamples without DHSs cost most rows."""
    largest = left_out.unmatched.most_common(_TOLD)
    for (file, biosample), num in largest:
        out.print(f"  {file.name}: {biosample} has no DHSs: {counted(num, 'row')}")
    num_more = len(left_out.unmatched) - len(largest)
    if num_more:
        out.print(f"  and {counted(num_more, 'biosample')} more; --unmatched FILE lists all")
