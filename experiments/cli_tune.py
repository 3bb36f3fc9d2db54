"""`bindgrid tune`: search the settings of fine-tuning for one TF."""

from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
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
from experiments.run_options import Keep, Precision, settled
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from experiments.study import Study
    from orchestrator.plan import PlannedRun, RunOutcome
    from orchestrator.tuning.folds import SearchSpace, Tuning
    from orchestrator.tuning.study import TunedTrial, TuningResult, TuningStudy


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(tune)


def tune(
    tf: Annotated[str, typer.Option(help="The target TF.")],
    pretrain_tfs: Annotated[
        str, typer.Option(help="TFs of the multi-model, as for `bindgrid run transfer`.")
    ] = "50",
    sample: Annotated[
        int, typer.Option(help="Bound regions (and as many unbound); 0 takes all.")
    ] = 500,
    trials: Annotated[
        int, typer.Option(help="Settings to try in all, earlier ones included.")
    ] = 20,
    folds: Annotated[
        int, typer.Option(help="Parts of the regions that each setting is judged on.")
    ] = 5,
    max_epochs: Annotated[int, typer.Option(help="Most epochs to try.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed, as for `bindgrid run transfer`.")] = 0,
    pretrain_epochs: Annotated[
        int | None, typer.Option(help="Epochs of the multi-model at most.")
    ] = None,
    pretrain_keep: Annotated[
        Keep, typer.Option(help="Epoch of the multi-model to keep, as for `bindgrid run`.")
    ] = Keep.BEST,
    precision: Annotated[
        Precision, typer.Option(help="Of products in training, as for `bindgrid run`.")
    ] = Precision.FLOAT32,
    workers: Annotated[
        int | None, typer.Option(help="Trials at once on Ray; one per CPU if not given.")
    ] = None,
    address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="Ray cluster to use; none starts one here.")
    ] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Search rate, epochs, frozen layers and batch size of fine-tuning by Optuna.

    Validation decides, test regions are never read. Trials that are complete are kept: a rerun
    goes on, up to `--trials` in all. The first trial is the paper's setting.

    Example: bindgrid tune --tf SPI1 --pretrain-tfs 50 --sample 500 --trials 20
    """
    from experiments.settings import Trainings
    from experiments.study import Scale, Study
    from orchestrator.lock import sole_driver
    from orchestrator.tuning.folds import SearchSpace
    from orchestrator.tuning.study import TuningStudy, write_chosen

    place = Workspace(workspace)
    chosen_precision = settled(precision, place, address)
    with steps("Planning"):
        with checked_settings():
            if trials < 1:
                raise ValueError(f"{trials} trials choose nothing; give 1 or more")
            if workers is not None and workers < 1:
                raise ValueError(f"{workers} workers cannot train anything: give 1 or more")
            names = tuple(name.strip() for name in pretrain_tfs.split(",") if name.strip())
            trainings = (
                Trainings().with_epochs(multi=pretrain_epochs).in_precision(chosen_precision)
            )
            if pretrain_keep is Keep.LAST:
                trainings = trainings.keeping_last()
            experiment = Study(
                tfs=(tf,),
                pretrain_tfs=int(pretrain_tfs) if pretrain_tfs.isdigit() else names,
                seed=seed,
                scale=Scale(transfer_bound=sample or None, trainings=trainings),
            )
            space = SearchSpace(epochs=(SearchSpace.epochs[0], max_epochs))
        multi, tuning = _plan(place, experiment, space, folds)
    with sole_driver(place):
        study = TuningStudy(tuning, place)
        err.print(f"{trials} trials, {study.num_complete()} complete already", highlight=False)
        try:
            _search(study, multi, trials, workers, address or None)
        except KeyboardInterrupt:
            complain("interrupted; complete trials are kept, the same command goes on from there")
            raise typer.Exit(130) from None
        result = study.result()
        path = write_chosen(result, place)
        _log(result, place)
    _print_result(result)
    out.print(f"Wrote {path}", highlight=False, soft_wrap=True)


def _plan(
    workspace: Workspace, experiment: "Study", space: "SearchSpace", num_folds: int
) -> tuple["PlannedRun", "Tuning"]:
    """Give the multi-model of the experiment, and the tuning of its fine-tuning."""
    from experiments.transfer import transfer
    from orchestrator.loaded_dataset import load_dataset
    from orchestrator.tuning.folds import Tuning, make_folds

    loaded = load_dataset(workspace)
    runs = transfer(loaded, experiment).runs
    multi = next(run for run in runs if run.arm == "multi" and not run.tf)
    tuned = next(run for run in runs if run.arm == "transfer")
    with checked_settings():
        tuning = Tuning(run=tuned.spec, space=space, num_folds=num_folds)
    # too few regions are told now, not after the pre-training
    make_folds(loaded.select(tuning.run.regions), num_folds, tuning.run.seed)
    return multi, tuning


def _search(
    study: "TuningStudy",
    multi: "PlannedRun",
    num_trials: int,
    num_workers: int | None,
    address: str | None,
) -> None:
    """Train the multi-model, unless it is complete, and try settings, all on one Ray."""
    from orchestrator.ray_session import session
    from orchestrator.store import RunStore
    from orchestrator.tuning.search import search

    if study.num_complete() >= num_trials:
        return
    with session(num_workers, address):
        if not RunStore(study.workspace).is_complete(multi.key):
            _pretrain(multi, study.workspace)
        with _TrialProgress(study, num_trials) as progress:
            search(study, num_trials, on_trial=progress.advance, num_workers=num_workers)


def _pretrain(multi: "PlannedRun", workspace: Workspace) -> None:
    from orchestrator.plan import Plan
    from orchestrator.ray_backend import run_plan

    failures: list[str] = []
    with PlanProgress(workspace, total=1, complete=0) as progress:

        def on_done(outcome: "RunOutcome") -> None:
            progress.done(outcome)
            if outcome.status != "completed":
                failures.append(str(outcome.error))

        run_plan(Plan([multi]), workspace, on_done=on_done)
    if failures:
        raise RunError(f"{multi.name} failed, so there is nothing to fine-tune: {failures[0]}")


class _TrialProgress:
    """A bar and the best setting so far on the terminal; a line per trial elsewhere."""

    def __init__(self, study: "TuningStudy", num_trials: int) -> None:
        self._study = study
        self._num_trials = num_trials
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=err,
            disable=not err.is_terminal,
        )
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
            err.print(f"trial {number} of {self._num_trials}: {line}", highlight=False)


def _log(result: "TuningResult", workspace: Workspace) -> None:
    """Show the trials in MLflow; that it cannot be reached is a warning."""
    from orchestrator.store import RunStore
    from orchestrator.tuning.tracking import TuningTracker

    tracker = TuningTracker(workspace)
    try:
        with steps("Logging to MLflow"):
            tracker.sync(RunStore(workspace))
            tracker.log_trials(result)
    except RunError as error:
        complain(str(error))


def _print_result(result: "TuningResult") -> None:
    tuning = result.tuning
    table = Table("setting", title=f"Fine-tuning {tuning.tf}, {len(result.trials)} trials")
    for title in ("trial", "val. loss", "sd", "rate", "epochs", "frozen", "batch"):
        table.add_column(title, justify="right")
    table.add_row("best", *_cells(tuning, result.best))
    table.add_row("paper's", *_cells(tuning, result.first))
    out.print(table)
    out.print(_verdict(result), highlight=False, soft_wrap=True)
    if result.importances:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in result.importances.items())
        out.print(f"Share in the variance of the loss: {shares}", highlight=False)


def _cells(tuning: "Tuning", trial: "TunedTrial") -> list[str]:
    values = tuning.space.parameters(trial.training)
    return [
        str(trial.number),
        f"{trial.loss:.4f}",
        f"{trial.spread:.4f}",
        f"{values['lr']:.2g}",
        str(values["epochs"]),
        str(values["frozen"]),
        str(values["batch_size"]),
    ]


def _verdict(result: "TuningResult") -> str:
    if result.best is result.first:
        return "No setting tried is better than the paper's."
    gains = result.gains()
    return (
        f"The best setting's loss is {fmean(gains):.4f} below the paper's in the mean of "
        f"{len(gains)} folds, and below it in {sum(gain > 0 for gain in gains)} of them. The best "
        f"of {len(result.trials)} is flattered by the choice: what it is worth is told by the test "
        f"regions of `bindgrid run transfer --seed {result.tuning.run.seed}`, which no trial saw."
    )
