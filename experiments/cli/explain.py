"""`bindgrid explain`: what each base of some regions contributes to a prediction."""

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

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
from experiments.cli.motifs import ArmName
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.interpretation.explain import StoredExplanation
    from orchestrator.runs.store import StoredRun

_SHOWN = 10


class MethodName(StrEnum):
    """How contributions are computed."""

    DEEPLIFT = "deeplift"
    MUTAGENESIS = "mutagenesis"


def register(app: typer.Typer) -> None:
    """Add the command of this file to the application."""
    app.command()(explain)


def explain(
    tf: Annotated[str, typer.Argument(help="The TF whose prediction is explained.")],
    bed: Annotated[
        Path | None, typer.Option(help="BED file: explain the dataset's regions that overlap it.")
    ] = None,
    regions: Annotated[
        str,
        typer.Option(
            help="Regions to explain: top:N takes the N bound test regions predicted highest."
        ),
    ] = "top:100",
    method: Annotated[
        MethodName,
        typer.Option(
            help="How contributions are computed: DeepLIFT/SHAP, or in-silico mutagenesis."
        ),
    ] = MethodName.DEEPLIFT,
    arm: Annotated[ArmName, typer.Option(help="Which of the TF's networks.")] = ArmName.TRANSFER,
    run: Annotated[
        str, typer.Option(help="Key of the run to explain. By default the newest.")
    ] = "",
    left_out: LeftOutOption = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Write what each base contributes: a table, a bigWig track and logos.

    Example: bindgrid explain HNF4A --regions top:50
    """
    from orchestrator.interpretation import explain as explaining
    from orchestrator.runs.find_run import find_run
    from orchestrator.runs.store import RunStore

    place = Workspace(workspace)
    num = _num_top(regions)
    found = find_run(RunStore(place), run or tf, arm.value)
    err.print(f"{found.planned.name}, run {found.key}")
    with steps("Explaining") as on_step:
        ids = _ids(found, place, tf, bed, num, left_out)
        stored = explaining.explain(
            found, place, tf.upper(), ids, method=method.value, on_step=on_step
        )
    _print(stored)


def _num_top(text: str) -> int:
    found = re.fullmatch(r"top:(\d+)", text)
    if found is None or int(found[1]) < 1:
        raise RunError(f"--regions is {text!r}; give top:N, such as top:100")
    return int(found[1])


def _ids(
    run: "StoredRun", place: Workspace, tf: str, bed: Path | None, num: int, left_out: Path | None
) -> "NDArray[np.int64]":
    from data.left_out import LeftOut
    from orchestrator.interpretation.explain import bed_regions, top_regions
    from orchestrator.runs.loaded_dataset import load_dataset

    if bed is None:
        return top_regions(run, place, tf, num)
    odd_rows = LeftOut()
    with left_out_kept(odd_rows, left_out):
        ids = bed_regions(bed, load_dataset(place).regions, odd_rows)
    tell_left_out(odd_rows)
    return ids


def _print(stored: "StoredExplanation") -> None:
    regions, bases = stored.regions, stored.bases
    table = Table("region", "probability", "total", "bases that contribute most")
    for row in regions.head(_SHOWN).to_dict("records"):
        own = bases[bases["region_id"] == row["region_id"]]
        contributions = own["contribution"].to_numpy()
        # the stretch of ten bases with the highest sum
        sums = [contributions[i : i + 10].sum() for i in range(len(contributions) - 9)]
        first = max(range(len(sums)), key=sums.__getitem__)
        text = "".join(own["base"].iloc[first : first + 10])
        table.add_row(
            f"{row['chrom']}:{row['start'] + 1}-{row['end']}",
            f"{row['probability']:.3f}",
            f"{row['total']:.2f}",
            f"{text} at {row['start'] + first + 1}: {sums[first]:.2f}",
        )
    out.print(table)
    out.print(
        f"{len(regions)} regions; contributions are in logits; files: {stored.path}",
        soft_wrap=True,
    )
