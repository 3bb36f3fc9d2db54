"""`bindgrid tune`: search the settings of fine-tuning for a TF, or by several for others."""

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Final, Self

import typer
from rich.table import Table

from data.words import counted
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    complain,
    err,
    out,
    steps,
)
from experiments.cli.options.backend import AUTO_DEVICE, AddressOption, DeviceOptions
from experiments.cli.options.choices import Precision, names_in
from experiments.cli.options.regions import SplitOptions
from experiments.cli.options.spread import spread
from experiments.cli.options.training import (
    MultiModel,
    PrecisionOption,
    PretrainOptions,
    settled,
)
from experiments.cli.progress import PlanProgress, counting_bar
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from experiments.study.study import Study
    from model.training.config import Precision as TrainingPrecision
    from orchestrator.backends.ray.run_plan import RayOptions
    from orchestrator.plan import PlannedRun, RunOutcome
    from orchestrator.runs.loaded_dataset import LoadedDataset
    from orchestrator.tuning.folds import Tuning
    from orchestrator.tuning.trials import TunedTrial, TuningResult, TuningStudy


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(spread(tune))


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How many settings are tried, and how each is judged, as typed."""

    trials: Annotated[
        int, typer.Option(help="Settings to try in all, those of earlier searches included.")
    ] = 20
    folds: Annotated[
        int, typer.Option(help="Folds of the cross-validation that judges each setting.")
    ] = 5
    max_epochs: Annotated[
        int, typer.Option(help="Most epochs to try, where validation chooses the epoch.")
    ] = 40
    max_steps: Annotated[
        int,
        typer.Option(
            help="Most steps to try after the output layer's regression, with which transfer "
            "from a masked multi-model begins (up to 1,000 bound regions)."
        ),
    ] = 600

    def check(self) -> None:
        """Raise `ValueError` if nothing would be searched."""
        if self.trials < 1:
            raise ValueError(f"{self.trials} trials choose nothing; give 1 or more")


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """Options of `bindgrid tune`: the study and the search, as typed."""

    tf: Annotated[
        str,
        typer.Option(
            help="The target TF, or several, separated by commas: then the mean over them decides, "
            "which gives settings for other TFs."
        ),
    ]
    multi_model: MultiModel
    motif: Annotated[
        bool,
        typer.Option(
            "--motif",
            help="Tune models that have the TF's motif as a term of the logits. Goes with "
            "--pretrain masked.",
        ),
    ] = False
    sample: Annotated[
        int, typer.Option(help="Bound regions, beside as many unbound ones; 0 takes all.")
    ] = 500
    search: SearchOptions
    seed: Annotated[int, typer.Option(help="Seed, as for `bindgrid run transfer`.")] = 0
    pretraining: PretrainOptions
    precision: PrecisionOption = Precision.FLOAT32
    regions: SplitOptions
    workers: Annotated[
        int | None,
        typer.Option(
            help="Trials that run at once on Ray. By default one for each CPU or share of a GPU."
        ),
    ] = None
    devices: DeviceOptions = AUTO_DEVICE
    address: AddressOption = ""

    def check(self) -> None:
        """Raise `ValueError` or `RunError` if the options do not go together."""
        self.multi_model.check_motif(self.motif)
        if not names_in(self.tf):
            raise ValueError("no TF to tune for; name a TF by --tf")
        self.search.check()
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"{self.workers} workers cannot train anything: give 1 or more")

    def where(self) -> "RayOptions":
        """Give where trials train, with `--device auto` replaced by what is there.

        Raises
        ------
        RunError
            The options do not go together, this machine lacks a GPU, or the cluster cannot be
            reached.
        """
        from orchestrator.backends.ray.run_plan import RayOptions

        devices = self.devices.resolved(self.address)
        if not self.address:
            devices.check()
        return RayOptions(
            num_workers=self.workers,
            address=self.address or None,
            runs_per_gpu=devices.share_of_gpu(),
        )

    def study(self, loaded: "LoadedDataset", precision: "TrainingPrecision") -> "Study":
        """Give the study that the options stand for."""
        from experiments.study.scale import Scale
        from experiments.study.study import Study
        from experiments.study.trainings import Trainings

        tfs = names_in(self.tf)
        return Study(
            tfs=tfs,
            pretrain_tfs=self.multi_model.wanted(),
            pretraining=self.multi_model.pretraining(tfs),
            seed=self.seed,
            sampling=self.multi_model.held_back_of(self.regions.sampling(loaded)),
            scale=Scale(transfer_bound=self.sample or None),
            trainings=self.pretraining.of(Trainings()).in_precision(precision),
            motif=self.motif,
        )


def tune(*, options: TuneOptions, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Search the settings of fine-tuning by Optuna.

    Validation decides, test regions are never read. Trials that are complete are kept: a rerun
    resumes the search, up to `--trials` in all. The first trial is what `bindgrid run` would do.

    Example: bindgrid tune --tf SPI1 --pretrain-tfs 50 --sample 500 --trials 20
    """
    from orchestrator.runs.loaded_dataset import load_dataset
    from orchestrator.runs.lock import sole_driver
    from orchestrator.tuning.trials import TuningStudy, write_chosen

    place, num_trials = Workspace(workspace), options.search.trials
    with checked_settings():
        options.check()
    where = options.where()
    device = "cpu" if where.runs_per_gpu is None else "cuda"
    precision = settled(options.precision, place, options.address, device)
    with steps("Planning"):
        loaded = load_dataset(place)
        with checked_settings():
            multi, tuning = _plan(loaded, options.study(loaded, precision), options.search)
    with sole_driver(place):
        study = TuningStudy(tuning, place)
        err.print(f"{counted(num_trials, 'trial')}, {study.num_complete()} complete already")
        try:
            _search(study, multi, num_trials, where)
        except KeyboardInterrupt:
            complain("interrupted; complete trials are kept, the same command resumes the search")
            raise typer.Exit(130) from None
        result = study.result()
        path = write_chosen(result, place)
        _log(result, place)
    _print_result(result)
    out.print(f"Wrote {path}", soft_wrap=True)


def _plan(
    loaded: "LoadedDataset", experiment: "Study", search: SearchOptions
) -> tuple["PlannedRun", "Tuning"]:
    """Give the multi-model of the experiment, and the tuning of its fine-tunings."""
    from experiments.transfer.plan import transfer
    from orchestrator.tuning.folds import Tuning, make_folds
    from orchestrator.tuning.space import ProbeSpace, SearchSpace, Space

    planned = transfer(loaded, experiment)
    multi = next(run for run in planned.runs if run.arm == "multi" and not run.tf)
    tuned = tuple(
        run.spec
        for run in planned.runs
        if run.arm == "transfer" and bool(run.spec.motif) == experiment.motif
    )
    if len(tuned) < len(experiment.tfs):
        raise RunError("; ".join(map(str, planned.remarks)))  # a TF without a known motif
    training = tuned[0].training
    space: Space
    if training is not None and training.probe is not None:
        space = ProbeSpace(max_steps=search.max_steps)
    else:
        space = SearchSpace(epochs=(SearchSpace.epochs[0], search.max_epochs))
    tuning = Tuning(runs=tuned, space=space, num_folds=search.folds)
    # too few regions are reported now, not after the pre-training
    for run in tuning.runs:
        make_folds(loaded.select(run.regions), search.folds, run.seed)
    return multi, tuning


def _search(
    study: "TuningStudy",
    multi: "PlannedRun",
    num_trials: int,
    where: "RayOptions",
) -> None:
    """Train the multi-model, unless it is complete, and try settings, all on one Ray."""
    from orchestrator.backends.ray.session import session
    from orchestrator.runs.store import RunStore
    from orchestrator.tuning.search import search

    if study.num_complete() >= num_trials:
        return
    with session(where.num_workers, where.address, with_gpus=where.runs_per_gpu is not None):
        if not RunStore(study.workspace).is_complete(multi.key):
            _pretrain(multi, study.workspace, where)
        with _TrialProgress(study, num_trials) as progress:
            search(study, num_trials, on_trial=progress.advance, options=where)


def _pretrain(multi: "PlannedRun", workspace: Workspace, where: "RayOptions") -> None:
    from orchestrator.backends.ray.run_plan import run_plan
    from orchestrator.plan import Plan

    failures: list[str] = []
    with PlanProgress(workspace, total=1, complete=0) as progress:

        def on_done(outcome: "RunOutcome") -> None:
            progress.done(outcome)
            if outcome.status != "completed":
                failures.append(str(outcome.error))

        run_plan(Plan([multi]), workspace, on_done=on_done, options=where)
    if failures:
        raise RunError(f"{multi.name} failed, so there is nothing to fine-tune: {failures[0]}")


class _TrialProgress:
    """A bar and the best setting so far on the terminal; a line per trial elsewhere."""

    def __init__(self, study: "TuningStudy", num_trials: int) -> None:
        self._study = study
        self._num_trials = num_trials
        self._bar = counting_bar()
        complete = study.num_complete()
        self._task = self._bar.add_task("searching", total=num_trials, completed=complete)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, loss: float) -> None:
        """Take note of a trial that is complete."""
        number = self._study.num_complete()
        line = f"validation loss {loss:.4f}, best {self._study.best_loss():.4f}"
        self._bar.update(self._task, completed=number, description=line)
        if not err.is_terminal:
            err.print(f"trial {number} of {self._num_trials}: {line}")


def _log(result: "TuningResult", workspace: Workspace) -> None:
    """Show the trials in MLflow; where MLflow cannot be reached, only warn."""
    from orchestrator.runs.store import RunStore
    from orchestrator.tracking.client import TrackingClient
    from orchestrator.tracking.runs import RunWriter
    from orchestrator.tracking.trials import TrialWriter

    client = TrackingClient(workspace)
    try:
        with steps("Logging to MLflow"):
            RunWriter(client).sync(RunStore(workspace))
            TrialWriter(client).log_trials(result)
    except RunError as error:
        complain(str(error))


def _print_result(result: "TuningResult") -> None:
    tuning = result.tuning
    table = Table(
        "setting", title=f"Fine-tuning {tuning.name}, {counted(len(result.trials), 'trial')}"
    )
    names = [_TITLES.get(name, name) for name in tuning.space.distributions()]
    for title in ("trial", "val. loss", "sd", *names):
        table.add_column(title, justify="right")
    table.add_row("best", *_cells(tuning, result.best))
    table.add_row(_first_name(tuning), *_cells(tuning, result.first))
    out.print(table)
    out.print(_verdict(result), soft_wrap=True)
    if len(tuning.tfs) > 1:
        gains = {tf: fmean(losses) for tf, losses in tuning.by_tf(result.gains()).items()}
        told = ", ".join(f"{tf} {gain:.4f}" for tf, gain in gains.items())
        out.print(f"Gain of each TF: {told}", soft_wrap=True)
    if result.importances:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in result.importances.items())
        out.print(f"Share in the variance of the loss: {shares}")


_TITLES: Final = {"lr": "rate", "batch_size": "batch", "fixed_norm": "fixed norm"}
"""Titles of columns, by parameter, where they differ from its name."""


def _first_name(tuning: "Tuning") -> str:
    """Say where the settings of the first trial come from."""
    return "paper's" if tuning.first.probe is None else "default"


def _cells(tuning: "Tuning", trial: "TunedTrial") -> list[str]:
    values = tuning.space.parameters(trial.training).values()
    told = [f"{value:.2g}" if isinstance(value, float) else str(value) for value in values]
    return [str(trial.number), f"{trial.loss:.4f}", f"{trial.loss_sd:.4f}", *told]


def _verdict(result: "TuningResult") -> str:
    first = _first_name(result.tuning)
    if result.best is result.first:
        return f"No setting tried is better than the {first}."
    gains = result.gains()
    where = f"`bindgrid run transfer --seed {result.tuning.seed}`, which no trial saw"
    if len(result.tuning.tfs) > 1:
        where = "TFs that took no part"
    whose = "the paper's" if first == "paper's" else "that of the default"
    return (
        f"The best setting's loss is lower than {whose} by {fmean(gains):.4f} on average over "
        f"{counted(len(gains), 'fold')}, and lower in {sum(gain > 0 for gain in gains)} of them. "
        f"The same folds chose it among {len(result.trials)}, so this is optimistic: judge it "
        f"by the test regions of {where}."
    )
