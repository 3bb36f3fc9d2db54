"""`bindgrid predict` and `variants`: what finished or imported models say of new sequences."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from data.output import Format, Output, check_apart, output_named
from data.words import counted
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    ChromAliasOption,
    LeftOutOption,
    WorkspaceOption,
    err,
    files_in,
    left_out_kept,
    steps,
    tell_left_out,
)
from experiments.cli.options.backend import auto_device, torch_name
from experiments.cli.options.choices import Device, ModelArm
from experiments.cli.options.query import QueryOptions
from experiments.cli.options.spread import spread
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from data.left_out import LeftOut
    from data.motifs.motif import Motif
    from data.queries.variants import VcfReader
    from data.sources.genome import Genome
    from model.ensemble import Member
    from orchestrator.prediction.predict import Counts
    from orchestrator.prediction.predictors import Predictor
    from orchestrator.prediction.targets import Target
    from orchestrator.prediction.variant_null import VariantNull

NameArgument = Annotated[
    str,
    typer.Argument(
        help="A TF, an imported model, or a run's key. A model of the workspace comes before the "
        "base that bindgrid came with; base:NAME is always the base's."
    ),
]
ArmOption = Annotated[
    ModelArm,
    typer.Option(
        help="Which of a TF's networks. By default that of transfer, or the base's where the "
        "workspace has no model of the TF."
    ),
]
DeviceOption = Annotated[
    Device,
    typer.Option(
        help="What predicts: the CPU, or an NVIDIA GPU; `auto` takes a GPU if there is one."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    app.command()(spread(predict))
    app.command()(spread(variants))


def predict(
    name: NameArgument,
    *,
    query: QueryOptions,
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write, in the format that its ending says: .tsv, .csv, .bed, .bedGraph "
            "(each compressed if .gz follows), .parquet or .bw. Without it, or by -, .tsv goes to "
            "standard output.",
        ),
    ] = None,
    left_out: LeftOutOption = None,
    openness: Annotated[
        bool,
        typer.Option(
            "--openness",
            help="Also count in how many of the dataset's biosamples each region is open, for a TF "
            "that was trained in this workspace. A column `open_in` has that number. By default "
            "sequences alone are read.",
        ),
    ] = False,
    arm: ArmOption = ModelArm.TRANSFER,
    device: DeviceOption = Device.CPU,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Predict the probability of binding of regions or sequences.

    Both strands and all replicates are averaged; `spread` is the standard deviation over
    replicates. Probabilities are calibrated on regions that were held back, except
    those of a model of your own that learnt from too few regions to hold any back.

    No workspace is needed for a TF of the base; `bindgrid models` lists them. The name `all`, or
    TFs separated by commas, gives a column for each of these TFs of the base in .tsv, .csv or
    .parquet, or a folder with a bigWig file of each if --out has no ending.

    Example: bindgrid predict SPI1 --bed regions.bed --genome hg38.fa --out spi1.tsv
    """
    from data.left_out import LeftOut
    from orchestrator.prediction.targets import find_target, target_output

    odd_rows = LeftOut()
    output = target_output(name, file)
    check_apart(output.path, files_in(query))
    tiles = output.format in (Format.BIGWIG, Format.BEDGRAPH)
    query.check(tiles=tiles)
    if openness and query.fasta is not None:
        raise RunError("--openness counts places of a genome; give --bed and --genome, not --fasta")
    with steps("Opening"):
        place = query.opened_genome()
        target = find_target(
            Workspace(workspace),
            name,
            arm.value,
            device=_torch_device(device),
            open_on=place if openness else None,
        )
    batches = query.windows(place, target.length_bp, odd_rows)
    with (
        left_out_kept(odd_rows, left_out, query, beside=output.path),
        target.writing(output, None if place is None else place.lengths_bp) as writer,
        _progress("sequences") as advance,
    ):
        counts = target.predict(batches, writer, advance)
    _tell(target, counts, "sequence", "a base other than A, C, G and T", output)
    tell_left_out(odd_rows)


@dataclass(frozen=True, kw_only=True)
class VariantOptions:
    """Which variants are predicted, and how their rows are read, as typed."""

    vcf: Annotated[Path, typer.Option(help="SNVs and short indels; plain or gzip.")]
    genome: Annotated[Path, typer.Option(help="Indexed FASTA of the VCF's assembly.")]
    motif: Annotated[
        str | None,
        typer.Option(help="JASPAR matrix, motif file, or FILE#NAME; the TF's own if not given."),
    ] = None
    swap_reference: Annotated[
        bool,
        typer.Option(
            "--swap-reference",
            help="Also predict variants whose alleles are swapped: the genome has ALT, not REF. "
            "Their effect is, as always, that of ALT against REF. By default they have no "
            "prediction.",
        ),
    ] = False
    chrom_alias: ChromAliasOption = None
    pass_only: Annotated[
        bool,
        typer.Option(
            "--pass-only",
            help="Predict only rows whose FILTER is PASS or missing. The others stay in the "
            "output without a prediction. By default all are predicted.",
        ),
    ] = False

    null: Annotated[
        bool,
        typer.Option(
            "--null/--no-null",
            help="Compare effects with those of random substitutions, which gives p- and q-values. "
            "These are predicted once for a model, in a few seconds, and kept.",
        ),
    ] = True

    def opened_genome(self) -> "Genome":
        """Open the genome."""
        from data.sources.genome import Genome

        return Genome(self.genome, self.chrom_alias)

    def null_of(
        self,
        workspace: Workspace,
        predictor: "Predictor",
        members: "Sequence[Member]",
        genome: "Genome",
        on_making: "Callable[[], None]",
    ) -> "VariantNull | None":
        """Give what effects are compared with; None where they are not to be."""
        from orchestrator.prediction.variant_null import null_of

        return null_of(workspace, predictor, members, genome, on_making) if self.null else None

    def reader(self, genome: "Genome", length_bp: int, odd_rows: "LeftOut") -> "VcfReader":
        """Open the VCF file, for a network that reads sequences of a length."""
        from data.queries.variants import VcfReader

        return VcfReader(
            self.vcf,
            genome,
            length_bp,
            odd_rows,
            swap_reference=self.swap_reference,
            pass_only=self.pass_only,
        )


def variants(
    name: NameArgument,
    *,
    options: VariantOptions,
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write, in the format that its ending says: .tsv, .csv, .vcf (each "
            "compressed if .gz follows) or .parquet. A .vcf is the VCF file with INFO fields "
            "added. Without it, or by -, .tsv goes to standard output.",
        ),
    ] = None,
    left_out: LeftOutOption = None,
    arm: ArmOption = ModelArm.TRANSFER,
    device: DeviceOption = Device.CPU,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Predict what variants change: reference against alternative, and the motif touched.

    Alleles are trimmed and left-aligned first, so that all spellings of a variant have one effect.
    Variants that cannot be predicted stay in the output, with the reason. Substitutions have a
    p-value, that of random ones with as large an effect, and a q-value over the file; others have
    none.

    Example: bindgrid variants SPI1 --vcf variants.vcf.gz --genome hg38.fa --out effects.tsv
    """
    from contextlib import nullcontext
    from functools import partial

    from data.left_out import LeftOut
    from orchestrator.prediction.annotated_vcf import annotating
    from orchestrator.prediction.predict import predict_variants
    from orchestrator.prediction.variant_null import with_q_values
    from orchestrator.prediction.writers import VARIANT_FORMATS, writing

    output = output_named(file, VARIANT_FORMATS)
    check_apart(output.path, files_in(options))
    odd_rows = LeftOut()
    label = name if arm is ModelArm.TRANSFER else f"{name}_{arm}"
    with left_out_kept(odd_rows, left_out, options, beside=output.path):
        with steps("Opening") as on_step:
            predictor = _predictor(workspace, name, arm)
            members = predictor.members(_torch_device(device))
            found = _motif(predictor, options.motif)
            genome = options.opened_genome()
            reader = options.reader(genome, members[0].length_bp, odd_rows)
            on_step("comparing reference alleles with the genome")
            num_swapped = reader.check_references()
            making = partial(on_step, "effects of random substitutions, once for this model")
            null = options.null_of(Workspace(workspace), predictor, members, genome, making)
        has_columns = {"has_motif": found is not None, "has_null": null is not None}
        with (
            annotating(output, options.vcf, label, predictor.source, **has_columns)
            if output.format is Format.VCF
            else writing(output, None) as file_writer,
            nullcontext(file_writer) if null is None else with_q_values(file_writer) as writer,
            _progress("variants") as advance,
        ):
            counts = predict_variants(members, reader.batches(), writer, found, advance, null)
    if options.null and null is None:
        err.print("no p-values: the genome has hardly a window without an N to compare with")
    _tell(predictor, counts, "variant", "the output has the reason", output)
    _tell_swapped(num_swapped, are_predicted=options.swap_reference)
    tell_left_out(odd_rows)


def _torch_device(device: Device) -> str:
    return torch_name(auto_device() if device is Device.AUTO else device)


def _tell_swapped(num: int, *, are_predicted: bool) -> None:
    if num:
        what = (
            "their effect is still that of ALT against REF"
            if are_predicted
            else "--swap-reference predicts them"
        )
        err.print(
            f"{counted(num, 'variant')} with swapped alleles (the genome has ALT, not REF): {what}"
        )


def _predictor(workspace: Path, name: str, arm: ModelArm) -> "Predictor":
    from orchestrator.prediction.finding import find_model

    return find_model(Workspace(workspace), name, arm.value)


def _motif(predictor: "Predictor", given: str | None) -> "Motif | None":
    """Give the motif whose positions are told; None where the TF has none."""
    from data.errors import DataError
    from data.own_tf.predicted_sites import find_motif, usable_width
    from data.own_tf.record import recorded_motif

    added = predictor.about.added
    own = recorded_motif(added)
    if own is not None and given is None:
        return usable_width(own, f"what {predictor.tf} was made from (--motif names another)")
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
    predictor: "Predictor | Target", counts: "Counts", noun: str, reason: str, output: Output
) -> None:
    where = "" if output.is_standard_output else f"; {output.path}"
    err.print(
        f"{predictor.name} ({predictor.source}): {counted(counts.num, noun)}{where}",
    )
    if counts.num_unknown:
        err.print(f"{counted(counts.num_unknown, noun)} without a prediction: {reason}")
    if counts.num_nan:
        err.print(
            f"{counted(counts.num_nan, noun)} without a prediction: the model gives no number; its "
            "weights or its calibration are damaged",
        )
    for line in predictor.cautions:
        err.print(line)
