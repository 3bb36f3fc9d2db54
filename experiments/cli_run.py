"""`bindgrid run`, `results` and `ui`: run experiments and look at what came out."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from experiments.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    complain,
    err,
    out,
    steps,
)
from experiments.plan_progress import PlanProgress
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from data.sampling import Sampling
    from orchestrator.execute import LoadedDataset
    from orchestrator.plan import Plan, RunOutcome


class Backend(StrEnum):
    """What runs a plan."""

    RAY = "ray"
    LOCAL = "local"


class Split(StrEnum):
    """How regions are split."""

    RANDOM = "random"
    CHROMOSOME = "chromosome"


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    app.command()(run)
    app.command()(results)
    app.command()(ui)


def run(
    name: Annotated[str, typer.Argument(help="The experiment: transfer.")],
    tfs: Annotated[
        str, typer.Option(help="Target TFs, separated by commas; those pre-trained on if empty.")
    ] = "",
    pretrain_tfs: Annotated[
        str,
        typer.Option(
            help="TFs of the multi-model: how many, those with most resolved regions first, or "
            "names separated by commas."
        ),
    ] = "50",
    sample: Annotated[
        int | None, typer.Option(help="Bound regions (and as many unbound); all if not given.")
    ] = None,
    replicates: Annotated[int, typer.Option(help="Replicates of everything.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first replicate.")] = 0,
    pretrain_epochs: Annotated[int, typer.Option(help="Epochs of a multi-model at most.")] = 15,
    epochs: Annotated[int, typer.Option(help="Epochs of an individual model.")] = 10,
    split: Annotated[Split, typer.Option(help="How regions are split.")] = Split.RANDOM,
    val_chroms: Annotated[str, typer.Option(help="Chromosomes to validate on.")] = "",
    test_chroms: Annotated[str, typer.Option(help="Chromosomes to test on.")] = "",
    backend: Annotated[Backend, typer.Option(help="What runs the plan.")] = Backend.RAY,
    workers: Annotated[
        int | None, typer.Option(help="Runs that train at once on Ray; one per CPU if not given.")
    ] = None,
    address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="Ray cluster to use; none starts one here.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Run an experiment; what is complete already is not run again.

    Example: bindgrid run transfer --tfs SPI1,HNF4A --pretrain-tfs 50 --sample 500 --replicates 3
    """
    from experiments.settings import Trainings
    from experiments.transfer import NAME, TransferStudy, transfer
    from orchestrator.execute import load_dataset
    from orchestrator.plan import Plan

    if name != NAME:
        raise RunError(f"no experiment is named {name!r}; there is: {NAME}")
    place = Workspace(workspace)
    with steps("Planning"):
        loaded = load_dataset(place)
        with checked_settings():
            study = TransferStudy(
                tfs=_names(tfs),
                pretrain_tfs=int(pretrain_tfs) if pretrain_tfs.isdigit() else _names(pretrain_tfs),
                replicates=replicates,
                seed=seed,
                sampling=_sampling(loaded, sample, split, _names(val_chroms), _names(test_chroms)),
                trainings=Trainings().with_epochs(multi=pretrain_epochs, individual=epochs),
            )
        planned = transfer(loaded, study)
        plan = Plan(planned.runs)
    for tf, reason in planned.left_out.items():
        err.print(f"left out {tf}: {reason}", markup=False, highlight=False)
    if dry_run:
        _print_plan(plan, place, as_json=as_json)
        return
    _run_plan(plan, place, _runner(backend, workers, address))


def results(
    file: Annotated[
        Path | None, typer.Argument(help="Write the table there, as .parquet or .csv.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Show how transfer compares with scratch, or write the table of all runs.

    Example: bindgrid results runs.csv
    """
    from orchestrator.results import results_table, write_results
    from orchestrator.store import RunStore

    table = results_table(RunStore(Workspace(workspace)))
    if table.empty:
        raise RunError(f"{Workspace(workspace).runs}: no finished runs; start with `bindgrid run`")
    if file is None:
        print_comparison(table)
    else:
        write_results(table, file)
        out.print(f"{file}: {len(table)} runs", highlight=False)


def ui(
    port: Annotated[int, typer.Option(help="Port to serve on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Open MLflow's UI on the workspace, to see transfer beside scratch.

    Example: bindgrid ui --port 5001
    """
    from orchestrator.ui import serve_ui

    serve_ui(Workspace(workspace), host=host, port=port)


def print_comparison(table: "pd.DataFrame") -> None:
    """Print a line per experiment, TF, group and arm: means over replicates, spread of MCC."""
    shown = Table("experiment", "TF", "regions", "arm")
    for title in ("runs", "MCC", "sd", "AUROC", "avg. precision", "seconds"):
        shown.add_column(title, justify="right")
    groups = table.groupby(["experiment", "tf", "group", "arm"], sort=True)
    for names, rows in groups:
        experiment, tf, group, arm = map(str, names)
        spread = f"{rows.mcc.std():.3f}" if len(rows) > 1 else ""
        shown.add_row(
            experiment,
            tf or "(multi-model)",
            group,
            arm,
            str(len(rows)),
            f"{rows.mcc.mean():.3f}",
            spread,
            f"{rows.auroc.mean():.3f}",
            f"{rows.average_precision.mean():.3f}",
            f"{rows.seconds.mean():.0f}",
        )
    out.print(shown)


def _run_plan(plan: "Plan", workspace: Workspace, runner: Callable[..., None]) -> None:
    from orchestrator.background import BackgroundTracker
    from orchestrator.lock import sole_driver
    from orchestrator.results import results_table
    from orchestrator.store import RunStore
    from orchestrator.tracking import Tracker

    store = RunStore(workspace)
    failures: list[RunOutcome] = []
    with ExitStack() as stack:
        stack.enter_context(sole_driver(workspace))
        num_complete = sum(store.is_complete(run.key) for run in plan)
        err.print(f"{len(plan)} runs, {num_complete} complete already", highlight=False)
        tracker = stack.enter_context(BackgroundTracker(Tracker(workspace), warn=complain))
        progress = stack.enter_context(PlanProgress(workspace, len(plan), num_complete))
        tracker.sync(store)

        def on_done(outcome: "RunOutcome") -> None:
            progress.done(outcome)
            tracker.log(outcome)
            if outcome.status != "completed":
                failures.append(outcome)

        try:
            runner(plan, workspace, on_done=on_done)
        except KeyboardInterrupt:
            complain("interrupted; what is complete is kept, the same command goes on from there")
            raise typer.Exit(130) from None
    keys = {run.key for run in plan}
    table = results_table(store)
    print_comparison(table[table["key"].isin(keys)])
    if failures:
        complain(
            f"{len(failures)} of {len(plan)} runs did not complete; reasons and tracebacks: "
            f"{workspace.failure('x').parent}"
        )
        raise typer.Exit(1)


def _runner(backend: Backend, workers: int | None, address: str) -> Callable[..., None]:
    """Give the backend's `run_plan`, its own options filled in."""
    if backend is Backend.LOCAL:
        from orchestrator import local_backend

        return local_backend.run_plan
    from orchestrator import ray_backend

    def tell_ready(num_workers: int, seconds: float) -> None:
        err.print(f"{num_workers} Ray workers up after {seconds:.0f} s", highlight=False)

    return partial(
        ray_backend.run_plan, num_workers=workers, address=address or None, on_ready=tell_ready
    )


def _print_plan(plan: "Plan", workspace: Workspace, *, as_json: bool) -> None:
    from orchestrator.store import RunStore

    if as_json:
        runs: list[dict[str, Any]] = [run.tags() for run in plan]
        typer.echo(json.dumps({"runs": runs}, indent=1))
        return
    store = RunStore(workspace)
    table = Table("run", "key", "needs", "state")
    for run in plan:
        state = "complete" if store.is_complete(run.key) else ""
        table.add_row(run.name, run.key, " ".join(run.needs), state)
    out.print(table)
    num_multi = sum(run.arm == "multi" and not run.tf for run in plan)
    out.print(f"{len(plan)} runs, of which {num_multi} multi-models", highlight=False)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _sampling(
    loaded: "LoadedDataset",
    sample: int | None,
    split: Split,
    val_chroms: tuple[str, ...],
    test_chroms: tuple[str, ...],
) -> "Sampling":
    from data.sampling import Sampling, default_chromosomes

    counts = loaded.regions.chromosomes()
    for chrom in (*val_chroms, *test_chroms):
        if chrom not in counts:
            raise RunError(f"no regions on chromosome {chrom!r}; there are: {', '.join(counts)}")
    if split is Split.RANDOM:
        if val_chroms or test_chroms:
            raise RunError("--val-chroms and --test-chroms go with --split chromosome")
        return Sampling(num_bound=sample)
    val, test = default_chromosomes(counts)
    return Sampling(
        num_bound=sample,
        split="chromosome",
        val_chroms=val_chroms or (val,),
        test_chroms=test_chroms or (test,),
    )
