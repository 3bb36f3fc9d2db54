"""`bindgrid run`: plan experiments and run them; what is complete is not run again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from data.words import counted, lasting
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    err,
    out,
    steps,
)
from experiments.cli.drive import drive
from experiments.cli.options.motif import MotifCommand
from experiments.cli.options.run import RunOptions
from experiments.cli.options.spread import spread
from experiments.cli.options.training import settled
from experiments.cli.results import print_comparison
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from experiments.study.planner import PlannedStudy
    from orchestrator.plan import Plan, PlannedRun


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the application."""
    app.command(cls=MotifCommand)(spread(run))


def run(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Experiments: transfer, downsampling, binding-modes, pretraining-sets, "
            "interpretation, or paper for all of these; beyond the paper peaks-needed."
        ),
    ],
    *,
    options: RunOptions,
    stop_after: Annotated[
        float | None,
        typer.Option(
            help="Hours after which no further run is started. By default all runs are started."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and run nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan as JSON. Needs --dry-run.")
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Run experiments; what is complete already is not run again.

    Example: bindgrid run transfer --tfs SPI1,HNF4A --pretrain-tfs 50 --sample 500 --replicates 3
    """
    from experiments.registry import plan_experiments
    from orchestrator.plan import Plan
    from orchestrator.runs.loaded_dataset import load_dataset

    _check(stop_after, dry_run=dry_run, as_json=as_json)
    options.check(names)
    backend, place = options.backend.resolved(), Workspace(workspace)
    backend.check()
    device = backend.devices.torch_device
    precision = settled(options.precision, place, backend.address, device)
    with steps("Planning"):
        loaded = load_dataset(place)
        study = options.study(loaded, precision)
        with checked_settings():
            planned = plan_experiments(names, loaded, study)
        plan = Plan(planned.runs)
    for remark in planned.remarks:
        err.print(str(remark))
    if dry_run:
        if device != "cpu":
            err.print("times are those of this machine's CPUs, not of GPUs")
        _print_plan(plan, planned, place, backend.num_at_once(), as_json=as_json)
        return
    drive(
        plan,
        planned.remarks,
        place,
        backend.run_plan,
        stop_after=stop_after,
        show=print_comparison,
    )


def _check(stop_after: float | None, *, dry_run: bool, as_json: bool) -> None:
    """Raise `RunError` if the command's own options do not go together."""
    if stop_after is not None and stop_after <= 0:
        raise RunError(f"--stop-after is {stop_after}; give hours above 0")
    if as_json and not dry_run:
        raise RunError("--json prints a plan: pass --dry-run with it")


def _print_plan(
    plan: "Plan",
    planned: "PlannedStudy",
    workspace: Workspace,
    num_workers: int,
    *,
    as_json: bool,
) -> None:
    from orchestrator.runs.store import RunStore

    store = RunStore(workspace)
    complete = {run.key for run in plan if store.is_complete(run.key)}
    left = [run for run in plan if run.key not in complete]
    cost = _cost(plan, left, planned, num_workers)
    if as_json:
        runs: list[dict[str, Any]] = [
            {
                **run.tags(),
                "experiments": list(dict.fromkeys(role.experiment for role in plan.roles[run.key])),
            }
            for run in plan
        ]
        typer.echo(json.dumps({"runs": runs, "estimated_hours": round(cost.hours, 5)}, indent=1))
        return
    table = Table("run", "experiment", "key", "needs", "state")
    for run in plan:
        state = "complete" if run.key in complete else f"{cost.seconds[run.key]:,.0f} s"
        table.add_row(run.name, run.experiment, run.key, " ".join(run.needs), state)
    out.print(table)
    out.print(_counts(plan))
    num_multi = sum(run.arm == "multi" and run.spec.training is not None for run in plan)
    out.print(
        f"{counted(len(plan), 'run')}, of which {counted(num_multi, 'multi-model')}; "
        f"{len(complete):,} {'is' if len(complete) == 1 else 'are'} complete"
        f"{cost.measured}"
    )


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """What the runs that are left of a plan cost."""

    seconds: Mapping[str, float]
    """By key of a run."""
    hours: float = 0.0
    """Of the wall, for all."""
    measured: str = ""
    """How it was measured, in words; empty where nothing is left."""


def _cost(
    plan: "Plan", left: "Sequence[PlannedRun]", planned: "PlannedStudy", num_workers: int
) -> _Cost:
    """Estimate what is left of a plan by measuring this machine, unless nothing is."""
    if not left:
        return _Cost(seconds={})
    from orchestrator.backends.cost import calibrate, plan_seconds, run_seconds

    precisions = {run.spec.training.precision for run in left if run.spec.training is not None}
    network = min({run.spec.network.name for run in left}, default="paper")  # all have one
    with steps("Calibrating"):
        rates = calibrate(num_workers, min(precisions, default="float32"), network)
    seconds = {run.key: run_seconds(run, planned.sizes[run.key], rates) for run in left}
    wall_seconds = plan_seconds(plan, seconds, num_workers)
    how = f"{num_workers} at once" if num_workers > 1 else "one after the other"
    return _Cost(
        seconds=seconds,
        hours=wall_seconds / 3600,
        measured=f", the rest takes about {lasting(wall_seconds)} here, {how} "
        f"({rates.train:,.0f} sequences trained on per second and worker, measured just now), less "
        "what stops early",
    )


def _counts(plan: "Plan") -> Table:
    """Numbers of runs by experiment and arm; a run of two experiments counts in both."""
    from orchestrator.role import RIVALS

    roles = [role for runs in plan.roles.values() for role in runs]
    table = Table(
        "experiment",
        "multi-models",
        "scored multi-models",
        "from scratch",
        "by transfer",
        "motif alone",
        "rivals",
    )
    for experiment in dict.fromkeys(role.experiment for role in roles):
        mine = [role for role in roles if role.experiment == experiment]
        numbers = (
            sum(role.arm == "multi" and role.spec.training is not None for role in mine),
            sum(role.arm == "multi" and role.spec.training is None for role in mine),
            sum(role.arm == "scratch" for role in mine),
            sum(role.arm == "transfer" for role in mine),
            sum(role.arm == "motif" for role in mine),
            sum(role.arm in RIVALS for role in mine),
        )
        table.add_row(experiment, *(f"{number:,}" for number in numbers))
    return table
