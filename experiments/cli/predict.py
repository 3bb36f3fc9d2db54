"""`bindgrid predict` and `variants`: what finished or imported models say of new sequences."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from data.output import Format, Output, output_named
from experiments.cli.choices import ModelArm
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    LeftOutOption,
    WorkspaceOption,
    err,
    steps,
    tell_left_out,
)
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from data.motifs.motif import Motif
    from data.queries.windows import Windows
    from orchestrator.prediction.predict import Counts
    from orchestrator.prediction.predictors import Predictor
    from orchestrator.prediction.targets import Target

NameArgument = Annotated[
    str,
    typer.Argument(
        help="A TF, an imported model, or a run's key. A model of the workspace comes before the "
        "base that bindgrid came with; base:NAME is always the base's."
    ),
]
GenomeOption = Annotated[Path | None, typer.Option(help="Indexed FASTA, plain or BGZF.")]
ArmOption = Annotated[
    ModelArm,
    typer.Option(
        help="Which of a TF's networks. By default that of transfer, or the base's where the "
        "workspace has no model of the TF."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    app.command()(predict)
    app.command()(variants)


def predict(
    name: NameArgument,
    bed: Annotated[Path | None, typer.Option(help="Regions; the middle of each is read.")] = None,
    genome: GenomeOption = None,
    fasta: Annotated[
        Path | None, typer.Option(help="Sequences, in place of --bed and --genome.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write, in the format that its ending says: .tsv, .csv, .bed, .bedGraph "
            "(each compressed if .gz follows), .parquet or .bw. Without it, or by -, .tsv goes to "
            "standard output.",
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(help="Tile --bed, or the whole genome: a value each so many bases."),
    ] = None,
    left_out: LeftOutOption = None,
    arm: ArmOption = ModelArm.TRANSFER,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Predict the probability of binding of regions or sequences.

    Both strands and all replicates are averaged; `spread` is the standard deviation over
    replicates. Probabilities are calibrated on each replicate's validation regions.

    No workspace is needed for a TF of the base; `bindgrid models` lists them. The name `all`, or
    TFs separated by commas, gives a column for each of these TFs of the base in .tsv, .csv or
    .parquet, or a folder with a bigWig file of each if --out has no ending.

    Example: bindgrid predict SPI1 --bed regions.bed --genome hg38.fa --out spi1.tsv
    """
    from data.left_out import LeftOut
    from data.queries.windows import bed_windows, fasta_windows, tiled_windows
    from data.sources.genome import Genome
    from orchestrator.prediction.targets import find_target, target_output

    odd_rows = LeftOut()
    output = target_output(name, file)
    tiles = output.format in (Format.BIGWIG, Format.BEDGRAPH)
    _check_inputs(bed, genome, fasta, stride, tiles=tiles)
    with steps("Opening"):
        target = find_target(Workspace(workspace), name, arm.value)
        place = None if genome is None else Genome(genome)
    length = target.length_bp
    batches: Iterator[Windows]
    if fasta is not None:
        batches = fasta_windows(fasta, length, odd_rows)
    elif place is None:
        raise RunError("regions need --genome")
    elif stride is not None:
        if not 0 < stride <= length:
            raise RunError(f"--stride is {stride}; give 1 to {length}, the network's input")
        batches = tiled_windows(place, length, stride, bed, odd_rows)
    elif bed is not None:
        batches = bed_windows(bed, place, length, odd_rows)
    with (
        target.writing(
            output, None if place is None or fasta is not None else place.lengths_bp
        ) as writer,
        _progress("sequences") as advance,
    ):
        counts = target.predict(batches, writer, advance)
    _tell(target, counts, "sequences", "hold a base other than A, C, G and T", output)
    tell_left_out(odd_rows, left_out)


def variants(
    name: NameArgument,
    vcf: Annotated[Path, typer.Option(help="SNVs and short indels; plain or gzip.")],
    genome: Annotated[Path, typer.Option(help="Indexed FASTA of the VCF's assembly.")],
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write, in the format that its ending says: .tsv, .csv (each compressed "
            "if .gz follows) or .parquet. Without it, or by -, .tsv goes to standard output.",
        ),
    ] = None,
    motif: Annotated[
        str | None,
        typer.Option(help="JASPAR matrix, motif file, or FILE#NAME; the TF's own if not given."),
    ] = None,
    left_out: LeftOutOption = None,
    arm: ArmOption = ModelArm.TRANSFER,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Predict what variants change: reference against alternative, and the motif touched.

    Example: bindgrid variants SPI1 --vcf variants.vcf.gz --genome hg38.fa --out effects.tsv
    """
    from data.queries.variants import VcfReader
    from data.sources.genome import Genome
    from orchestrator.prediction.predict import predict_variants
    from orchestrator.prediction.writers import TABLE_FORMATS, writing

    output = output_named(file, TABLE_FORMATS)
    with steps("Opening") as on_step:
        predictor = _predictor(workspace, name, arm)
        members = predictor.members()
        found = _motif(predictor, motif)
        reader = VcfReader(vcf, Genome(genome), members[0].length_bp)
        on_step("comparing reference alleles with the genome")
        num_differ = reader.check_references()
    with (
        writing(output, None) as writer,
        _progress("variants") as advance,
    ):
        counts = predict_variants(members, reader.batches(), writer, found, advance)
    reason = f"hold an unknown base or another reference allele ({num_differ:,} of these)"
    _tell(predictor, counts, "variants", reason, output)
    tell_left_out(reader.left_out, left_out)


def _check_inputs(
    bed: Path | None, genome: Path | None, fasta: Path | None, stride: int | None, *, tiles: bool
) -> None:
    if fasta is not None and (bed is not None or genome is not None or stride is not None):
        raise RunError("--fasta stands alone; leave out --bed, --genome and --stride")
    if fasta is None and genome is None:
        raise RunError("nothing to predict; give --bed with --genome, or --fasta")
    if fasta is None and bed is None and stride is None:
        raise RunError("the whole genome is predicted in tiles; give --stride, or regions by --bed")
    if tiles and stride is None:
        raise RunError(
            "a bigWig or bedGraph has a value for each tile of bases; give --stride, such as 50"
        )


def _predictor(workspace: Path, name: str, arm: ModelArm) -> "Predictor":
    from orchestrator.prediction.finding import find_model

    return find_model(Workspace(workspace), name, arm.value)


def _motif(predictor: "Predictor", given: str | None) -> "Motif | None":
    """Give the motif whose positions are told; None where the TF has none."""
    from data.errors import DataError
    from data.own_tf.predicted_sites import find_motif
    from data.own_tf.record import recorded_motif

    added = predictor.about.added
    own = recorded_motif(added)
    if own is not None and given is None:
        return own
    try:
        own_id = (added.matrix_id if added else None) or None
        return find_motif(predictor.tf, given or own_id, err.print)
    except DataError:
        if given is not None:
            raise
        err.print(
            f"no motif of {predictor.tf} is known; name one by --motif to see what is touched",
        )
        return None


def _progress(what: str) -> "AbstractContextManager[Callable[[int], None]]":
    from contextlib import contextmanager

    @contextmanager
    def shown() -> "Iterator[Callable[[int], None]]":
        columns = (TextColumn("{task.completed:,} " + what), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
            task = bar.add_task("", total=None)
            yield lambda num: bar.advance(task, num)

    return shown()


def _tell(
    predictor: "Predictor | Target", counts: "Counts", what: str, reason: str, output: Output
) -> None:
    where = "" if output.is_standard_output else f"; {output.path}"
    err.print(
        f"{predictor.name} ({predictor.source}): {counts.num:,} {what}{where}",
    )
    if counts.num_unknown:
        err.print(
            f"{counts.num_unknown:,} {what} without a prediction: they {reason}",
        )
