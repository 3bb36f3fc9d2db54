"""`bindgrid run`: plan experiments and run them; what is complete is not run again."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    err,
    out,
    steps,
)
from experiments.cli.drive import drive, runner
from experiments.cli.options import (
    AddressOption,
    BackendOption,
    ModesOption,
    PrecisionOption,
    PretrainEpochsOption,
    PretrainKeepOption,
    SplitOption,
    StringInfoOption,
    StringOption,
    TestOption,
    ValOption,
    WorkersOption,
    spread,
)
from experiments.cli.results import print_comparison
from experiments.cli.run_options import (
    Backend,
    Device,
    Keep,
    MultiModel,
    Network,
    Precision,
    ScaleName,
    Split,
    names_in,
    runs_on_gpu,
    settled,
    sized,
    split_by,
)
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from experiments.study.planner import PlannedStudy
    from orchestrator.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    app.command()(spread(run))


def run(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Experiments: transfer, downsampling, binding-modes, pretraining-sets, "
            "interpretation, paper (all of them); beyond the paper peaks-needed."
        ),
    ],
    scale: Annotated[
        ScaleName,
        typer.Option(
            help="Sizes: the paper's, or a night's on two cores. Other options change it."
        ),
    ] = ScaleName.PAPER,
    tfs: Annotated[
        str, typer.Option(help="Target TFs, separated by commas; the experiment's own if empty.")
    ] = "",
    *,
    multi_model: MultiModel,
    motif: Annotated[
        bool,
        typer.Option(
            "--motif/--no-motif",
            help="Try transfer with the TF's motif as a term of the logits too; with --pretrain "
            "masked, in transfer, downsampling and binding-modes.",
        ),
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(help="Bound regions (and as many unbound) of individual models."),
    ] = None,
    sizes: Annotated[
        str,
        typer.Option(
            help="Bound regions of each step of downsampling or peaks-needed, such as all,1000,500."
        ),
    ] = "",
    set_regions: Annotated[
        int | None, typer.Option(help="Most regions of a multi-model in pretraining-sets.")
    ] = None,
    mode_models: Annotated[
        int | None,
        typer.Option(
            help="Multi-models of peaks-needed that lack the modes of its targets; one per target, "
            "0 leaves them out."
        ),
    ] = None,
    replicates: Annotated[int | None, typer.Option(help="Replicates of everything.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first replicate.")] = 0,
    pretrain_epochs: PretrainEpochsOption = None,
    pretrain_keep: PretrainKeepOption = Keep.BEST,
    epochs: Annotated[int | None, typer.Option(help="Epochs of an individual model.")] = None,
    fine_tuning: Annotated[
        Path | None, typer.Option(help="Settings of transfer that `bindgrid tune` chose.")
    ] = None,
    network: Annotated[
        Network, typer.Option(help="Network of all models: the paper's, or DanQ.")
    ] = Network.PAPER,
    freeze: Annotated[
        str,
        typer.Option(
            help="Layers that transfer leaves as they are, batch-norm statistics too: conv, or "
            "names such as conv1,conv2."
        ),
    ] = "",
    precision: PrecisionOption = Precision.FLOAT32,
    split: SplitOption = Split.RANDOM,
    val_chroms: ValOption = "",
    test_chroms: TestOption = "",
    string: StringOption = None,
    string_info: StringInfoOption = None,
    modes: ModesOption = None,
    backend: BackendOption = Backend.RAY,
    workers: WorkersOption = None,
    pretrain_workers: Annotated[
        int, typer.Option(help="Processes that train a multi-model together, on Ray.")
    ] = 1,
    device: Annotated[
        Device, typer.Option(help="What trains; gpu: NVIDIA GPUs, shared by several runs each.")
    ] = Device.CPU,
    runs_per_gpu: Annotated[
        int | None,
        typer.Option(help="Runs that train on a GPU at once, on Ray; 4 if not given."),
    ] = None,
    address: AddressOption = "",
    stop_after: Annotated[
        float | None, typer.Option(help="Hours after which no further run is started.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Run experiments; what is complete already is not run again.

    Example: bindgrid run transfer --tfs SPI1,HNF4A --pretrain-tfs 50 --sample 500 --replicates 3
    """
    from data.relations.binding_modes import load_modes
    from data.relations.string_links import read_string_links
    from experiments.registry import plan_experiments
    from experiments.study.scale import SCALES
    from experiments.study.study import Study
    from experiments.study.trainings import TRAININGS
    from model.network import published
    from orchestrator.plan import Plan
    from orchestrator.runs.loaded_dataset import load_dataset
    from orchestrator.tuning.trials import read_training

    if stop_after is not None and stop_after <= 0:
        raise RunError(f"--stop-after is {stop_after}; give hours above 0")
    if as_json and not dry_run:
        raise RunError("--json prints a plan: pass --dry-run with it")
    multi_model.check_motif(motif)
    gpu_runs = runs_on_gpu(
        device,
        runs_per_gpu,
        backend=backend,
        pretrain_workers=pretrain_workers,
        precision=precision,
    )
    place = Workspace(workspace)
    chosen_precision = settled(precision, place, address)
    with steps("Planning"):
        loaded = load_dataset(place)
        links = (
            None if string is None else read_string_links(string, loaded.dataset.tfs, string_info)
        )
        with checked_settings():
            chosen = sized(SCALES[scale], sample, sizes, set_regions, replicates, mode_models)
            trainings = TRAININGS[scale].with_epochs(multi=pretrain_epochs, individual=epochs)
            trainings = trainings.in_precision(chosen_precision)
            if fine_tuning is not None:
                trainings = trainings.tuned(read_training(fine_tuning))
            if freeze:
                layers = published(network.value, num_tfs=1)
                trainings = trainings.freezing(names_in(freeze), layers)
            if pretrain_keep is Keep.LAST:
                trainings = trainings.keeping_last()
            study = Study(
                tfs=names_in(tfs),
                pretrain_tfs=multi_model.wanted(),
                pretraining=multi_model.pretraining(names_in(tfs)),
                seed=seed,
                sampling=multi_model.held_back_of(
                    split_by(loaded, split, names_in(val_chroms), names_in(test_chroms))
                ),
                scale=chosen,
                trainings=trainings,
                modes=load_modes(modes),
                links=links,
                network=network.value,
                motif=motif,
            )
        planned = plan_experiments(names, loaded, study)
        plan = Plan(planned.runs)
    for remark in planned.remarks:
        err.print(remark, markup=False, highlight=False)
    if dry_run:
        if gpu_runs is not None:
            err.print("hours are those of this machine's CPUs, not of GPUs", highlight=False)
        _print_plan(plan, planned, place, workers, as_json=as_json)
        return
    drive(
        plan,
        planned.remarks,
        place,
        runner(backend, workers, pretrain_workers, address, gpu_runs),
        stop_after=stop_after,
        show=print_comparison,
    )


def _print_plan(
    plan: "Plan",
    planned: "PlannedStudy",
    workspace: Workspace,
    workers: int | None,
    *,
    as_json: bool,
) -> None:
    from orchestrator.backends.cost import calibrate, plan_seconds, run_seconds
    from orchestrator.runs.store import RunStore

    store = RunStore(workspace)
    complete = {run.key for run in plan if store.is_complete(run.key)}
    num_workers = workers or os.cpu_count() or 1
    precisions = {run.spec.training.precision for run in plan if run.spec.training is not None}
    network = min({run.spec.network.name for run in plan}, default="paper")  # all have one
    with steps("Calibrating"):
        rates = calibrate(num_workers, min(precisions, default="float32"), network)
    seconds = {
        run.key: run_seconds(run, planned.sizes[run.key], rates)
        for run in plan
        if run.key not in complete
    }
    hours = plan_seconds(plan, seconds, num_workers) / 3600
    if as_json:
        runs: list[dict[str, Any]] = [
            {
                **run.tags(),
                "experiments": list(dict.fromkeys(role.experiment for role in plan.roles[run.key])),
            }
            for run in plan
        ]
        typer.echo(json.dumps({"runs": runs, "estimated_hours": round(hours, 5)}, indent=1))
        return
    table = Table("run", "experiment", "key", "needs", "state")
    for run in plan:
        state = "complete" if run.key in complete else f"{seconds[run.key]:,.0f} s"
        table.add_row(run.name, run.experiment, run.key, " ".join(run.needs), state)
    out.print(table)
    out.print(_counts(plan))
    num_multi = sum(run.arm == "multi" and run.spec.training is not None for run in plan)
    out.print(
        f"{len(plan)} runs, of which {num_multi} multi-models; {len(complete)} are complete, the "
        f"rest takes about {hours:,.1f} hours here, {num_workers} at once ({rates.train:,.0f} "
        "sequences trained on per second and worker, measured just now), less what stops early",
        highlight=False,
    )


def _counts(plan: "Plan") -> Table:
    """Numbers of runs by experiment and arm; a run of two experiments counts in both."""
    roles = [role for runs in plan.roles.values() for role in runs]
    table = Table(
        "experiment",
        "multi-models",
        "scored multi-models",
        "from scratch",
        "by transfer",
        "motif alone",
    )
    for experiment in dict.fromkeys(role.experiment for role in roles):
        mine = [role for role in roles if role.experiment == experiment]
        numbers = (
            sum(role.arm == "multi" and role.spec.training is not None for role in mine),
            sum(role.arm == "multi" and role.spec.training is None for role in mine),
            sum(role.arm == "scratch" for role in mine),
            sum(role.arm == "transfer" for role in mine),
            sum(role.arm == "motif" for role in mine),
        )
        table.add_row(experiment, *(f"{number:,}" for number in numbers))
    return table
