"""`bindgrid data`: build, import, simulate, show and export datasets."""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.table import Table

from data import schema
from data.dataset.evidence_file import TFSummary
from data.dataset.lock import sole_writer
from data.dataset.store import Dataset
from data.errors import DataError
from data.output import Format, output_file, output_named
from data.schema import Evidence
from data.words import counted
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    out,
    steps,
)
from experiments.cli.data import build as cli_data_build
from experiments.cli.data import sources as cli_data_sources
from experiments.cli.data.build import ReplaceOption, print_dropped, print_made, size_of
from orchestrator.workspace import Workspace

app = typer.Typer(help="Make and look at datasets.", no_args_is_help=True)
cli_data_sources.register(app)
cli_data_build.register(app)


@app.command("import")
def import_release(
    directory: Annotated[Path, typer.Argument(help="Folder of the authors' released files.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    replace: ReplaceOption = False,
) -> None:
    """Import the matrices and sequences that the paper's authors released.

    Example: bindgrid data import release/ --workspace paper
    """
    from data.release.authors import import_authors

    path = Workspace(workspace).dataset
    with sole_writer(path), steps("Importing the release") as on_step:
        dataset = import_authors(directory, path, replace=replace, on_step=on_step)
    print_made(dataset)


@app.command()
def simulate(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Folder to write to; `sources` in the workspace if not given."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed; the same seed gives the same files, byte for byte.")
    ] = 0,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    replace: ReplaceOption = False,
) -> None:
    """Simulate source files: a small genome with real JASPAR motifs planted.

    Example: bindgrid data simulate --workspace demo --seed 1
    """
    from data.simulation.simulate import SimulationConfig
    from data.simulation.simulate import simulate as write_simulation

    folder = workspace / "sources" if directory is None else directory
    with checked_settings():
        config = SimulationConfig(seed=seed)
    with steps("Simulating"):
        sources = write_simulation(folder, config, replace=replace)
    options = " ".join(
        f"--{name} {getattr(sources, name)}"
        for name in ("dhs", "peaks", "sites", "experiments", "samples", "genome")
    )
    out.print(f"Wrote {folder}. Next:\n  bindgrid data build {options}", soft_wrap=True)


@app.command()
def show(
    tf: Annotated[list[str] | None, typer.Option(help="Only these TFs; repeat it.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Show what a dataset holds: counts per TF, chromosomes, GC, sources.

    Example: bindgrid data show --tf SPI1
    """
    from data.own_tf.record import labels_in_words

    dataset = Dataset.open(Workspace(workspace).dataset)
    summaries = [dataset.summary(name) for name in tf] if tf else dataset.summaries()
    regions = dataset.regions()
    chroms = ", ".join(f"{chrom} {count:,}" for chrom, count in regions.chromosomes().items())
    out.print(str(dataset.path), style="bold")
    out.print(f"{counted(dataset.num_regions, 'region')} of {schema.REGION_WIDTH_BP} bp: {chroms}")
    out.print(
        f"GC: mean {regions.gc.mean():.3f}, from {regions.gc.min():.3f} to "
        f"{regions.gc.max():.3f}; {counted(len(dataset.tfs), 'TF')}"
        + (f", {counted(len(dataset.biosamples), 'biosample')}" if dataset.biosamples else "")
    )
    out.print(f"labels: bound by {labels_in_words(summaries)}")
    out.print(_counts_table(summaries))
    for source in dataset.manifest.sources:
        out.print(
            f"{source.file}  {source.size:,} bytes  sha256 {source.sha256[:16]}…",
        )
    print_dropped(dataset)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Export the evidence: chrom, start, end and a uint8 column per TF.

    Codes: 0 unmatched, 1 unbound, 2 peak only, 3 site only, 4 bound.

    Example: bindgrid data export evidence.parquet
    """
    output = output_named(file, [Format.PARQUET])
    dataset = Dataset.open(Workspace(workspace).dataset)
    with steps("Exporting"):
        regions = dataset.regions()
        evidence = dataset.evidence(dataset.tfs)
        columns = {
            schema.CHROM: pa.array(regions.chrom_names, pa.string()),
            schema.START: regions.start,
            schema.END: regions.end,
            **{tf: evidence[:, column] for column, tf in enumerate(dataset.tfs)},
        }
        try:
            with output_file(output.path) as partial:
                pq.write_table(pa.table(columns), partial, compression="zstd")
        except OSError as error:
            raise DataError(f"{file}: cannot write ({error.strerror}); check the path") from None
    out.print(f"{file}: {size_of(dataset)}")


def _counts_table(summaries: list[TFSummary] | tuple[TFSummary, ...]) -> Table:
    table = Table("TF", title=None)
    for title in ("bound", "unbound", "one source", "unresolved"):
        table.add_column(title, justify="right")
    for summary in summaries:
        one_source = summary.count(Evidence.PEAK) + summary.count(Evidence.SITE)
        numbers = (
            summary.count(Evidence.BOUND),
            summary.count(Evidence.UNBOUND),
            one_source,
            summary.count(Evidence.UNMATCHED),
        )
        table.add_row(summary.tf, *(f"{number:,}" for number in numbers))
    return table
