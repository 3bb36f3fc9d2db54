"""`bindgrid explain`: what each base of some regions contributes to a prediction."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from data.words import counted
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    LeftOutOption,
    WorkspaceOption,
    err,
    left_out_kept,
    out,
    steps,
    tell_left_out,
)
from experiments.cli.options.choices import ModelArm
from experiments.cli.options.spread import spread
from experiments.cli.predict import ArmOption
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.interpretation.explain import StoredExplanation
    from orchestrator.prediction.finding import AnyArm
    from orchestrator.runs.store import StoredRun

_SHOWN = 10
_USUAL = 100
"""Regions that are explained where no option says how many."""


class MethodName(StrEnum):
    """How contributions are computed."""

    DEEPLIFT = "deeplift"
    MUTAGENESIS = "mutagenesis"


def register(app: typer.Typer) -> None:
    """Add the command of this file to the application."""
    app.command()(spread(explain))


@dataclass(frozen=True, kw_only=True)
class GenomeRegions:
    """Regions of a genome to explain and where to write, as typed."""

    bed: Path
    genome: Path
    folder: Path
    num: int
    left_out: Path | None


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """Options of `bindgrid explain`: which regions, by which method and network, as typed."""

    bed: Annotated[
        Path | None,
        typer.Option(
            help="BED file: explain the dataset's regions that overlap it; with --genome, its own."
        ),
    ] = None
    genome: Annotated[
        Path | None,
        typer.Option(
            help="Indexed FASTA, plain or BGZF: explain the summits or middles of the rows of "
            "--bed in this genome. Needs no dataset, and so no workspace for a TF of the base. By "
            "default regions of the dataset are explained."
        ),
    ] = None
    folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder to write with --genome, which needs it. Without --genome the workspace "
            "keeps the files.",
        ),
    ] = None
    regions: Annotated[
        str | None,
        typer.Option(
            help="Regions to explain: top:N takes the N predicted highest, of the bound test "
            "regions, or of those that --bed says. By default top:100, or with --bed alone all "
            "that overlap it."
        ),
    ] = None
    method: Annotated[
        MethodName,
        typer.Option(
            help="How contributions are computed: DeepLIFT/SHAP, or in-silico mutagenesis."
        ),
    ] = MethodName.DEEPLIFT
    arm: ArmOption = ModelArm.TRANSFER
    run: Annotated[str, typer.Option(help="Key of the run to explain. By default the newest.")] = ""
    left_out: LeftOutOption = None

    def num(self) -> int | None:
        """Give the number of regions that are explained; None where all of them are.

        Raises
        ------
        RunError
            If `--regions` does not say it.
        """
        if self.regions is None:
            return _USUAL if self.bed is None else None
        found = re.fullmatch(r"top:(\d+)", self.regions)
        if found is None or int(found[1]) < 1:
            raise RunError(f"--regions is {self.regions!r}; give top:N, such as top:100")
        return int(found[1])

    def on_genome(self) -> GenomeRegions | None:
        """Give the regions of a genome; None where regions of the dataset are explained.

        Raises
        ------
        RunError
            If options that need each other are not given together.
        """
        if self.genome is None and self.folder is None:
            return None
        if self.genome is None or self.folder is None or self.bed is None:
            raise RunError("--genome needs --bed and --out, and --out needs --genome")
        return GenomeRegions(
            bed=self.bed,
            genome=self.genome,
            folder=self.folder,
            num=self.num() or _USUAL,
            left_out=self.left_out,
        )


def explain(
    tf: Annotated[str, typer.Argument(help="The TF whose prediction is explained.")],
    *,
    options: ExplainOptions,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Write what each base contributes: a table, a bigWig track and logos.

    Example: bindgrid explain HNF4A --regions top:50
    """
    from orchestrator.interpretation import explain as explaining

    place = Workspace(workspace)
    num, named = options.num(), options.run or tf
    where = options.on_genome()
    if where is not None:
        _print(_explain_windows(place, named, options.arm, where, options.method))
        return
    found = _find_run(place, named, options.arm)
    err.print(f"{found.planned.name}, run {found.key}")
    with steps("Explaining") as on_step:
        ids = _ids(found, place, tf, options, num)
        stored = explaining.explain(
            found, place, tf.upper(), ids, method=options.method.value, on_step=on_step
        )
    _print(stored)


def _find_run(place: Workspace, named: str, arm: ModelArm) -> "StoredRun":
    from orchestrator.errors import UnknownModelError
    from orchestrator.prediction.finding import name_in_base
    from orchestrator.runs.find_run import find_run
    from orchestrator.runs.store import RunStore

    remedy = "to explain a TF of the base, give --bed, --genome and --out"
    of_run: AnyArm = arm.value
    if of_run == "base" or name_in_base(named) is not None:
        raise RunError(f"the base has no dataset to take regions from; {remedy}")
    try:
        return find_run(RunStore(place), named, of_run)
    except UnknownModelError as error:
        raise RunError(f"{error}; {remedy}") from None


def _explain_windows(
    place: Workspace, named: str, arm: ModelArm, where: GenomeRegions, method: MethodName
) -> "StoredExplanation":
    from data.left_out import LeftOut
    from data.queries.windows import bed_windows
    from data.sources.genome import Genome
    from orchestrator.interpretation.explain_windows import explain_windows, top_windows
    from orchestrator.prediction.finding import find_model
    from orchestrator.prediction.targets import OneTF

    if where.folder.exists():
        raise RunError(f"{where.folder}: something is there already; name another folder by --out")
    odd_rows = LeftOut()
    with left_out_kept(odd_rows, where.left_out, where), steps("Explaining") as on_step:
        predictor = find_model(place, named, arm.value)
        err.print(f"{predictor.name} ({predictor.source})")
        target = OneTF(predictor, predictor.members())
        genome = Genome(where.genome)
        on_step("predicting the regions")
        batches = bed_windows(where.bed, genome, target.length_bp, odd_rows)
        explained = top_windows(target, batches, where.num)
        stored = explain_windows(
            target, explained, genome, where.folder, method=method.value, on_step=on_step
        )
    tell_left_out(odd_rows)
    return stored


def _ids(
    run: "StoredRun", place: Workspace, tf: str, options: ExplainOptions, num: int | None
) -> "NDArray[np.int64]":
    from data.left_out import LeftOut
    from orchestrator.interpretation.explain import bed_regions, highest_regions, top_regions
    from orchestrator.runs.loaded_dataset import load_dataset

    if options.bed is None:
        return top_regions(run, place, tf, num or _USUAL)
    odd_rows = LeftOut()
    with left_out_kept(odd_rows, options.left_out, options.bed):
        ids = bed_regions(options.bed, load_dataset(place).regions, odd_rows)
    tell_left_out(odd_rows)
    return ids if num is None else highest_regions(run, place, tf, ids, num)


def _print(stored: "StoredExplanation") -> None:
    regions, bases = stored.regions, stored.bases
    table = Table("region", "probability", "total", "bases that contribute most")
    for row in regions.head(_SHOWN).to_dict("records"):
        own = bases[bases["region_id"] == row["region_id"]]
        contributions = own["contribution"].to_numpy()
        # the ten consecutive bases with the highest sum
        sums = [contributions[i : i + 10].sum() for i in range(len(contributions) - 9)]
        first = max(range(len(sums)), key=sums.__getitem__)
        text = "".join(own["base"].iloc[first : first + 10])
        table.add_row(
            f"{row['chrom']}:{row['start']}-{row['end']}",
            f"{row['probability']:.3f}",
            f"{row['total']:.2f}",
            f"{text} at {row['start'] + first}: {sums[first]:.2f}",
        )
    out.print(table)
    out.print(
        f"{counted(len(regions), 'region')}; contributions are in logits; files: {stored.path}",
        soft_wrap=True,
    )
