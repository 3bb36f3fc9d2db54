"""`bindgrid tf suggest` and `tf train`: what a TF starts from, and the verdict on its model."""

import os
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from data.steps import OnStep
from data.words import lasting
from experiments.cli.console import (
    DEFAULT_WORKSPACE,
    WorkspaceOption,
    checked_settings,
    complain,
    err,
    out,
    steps,
)
from experiments.cli.drive import drive
from experiments.cli.options.backend import (
    AUTO_DEVICE,
    BackendOptions,
    DeviceOptions,
    WorkersOption,
)
from experiments.cli.options.choices import Backend, Device, Precision, Pretrain, Split, names_in
from experiments.cli.options.motif import ChosenMotifsOption, ManyMotifsOption
from experiments.cli.options.regions import SplitOptions, StringOption
from experiments.cli.options.spread import spread
from experiments.cli.options.training import (
    IndividualOptions,
    MultiModel,
    PrecisionOption,
    PretrainOptions,
    settled,
)
from experiments.cli.tf.verdict_tables import print_suggestion, print_verdict
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.sampling import Sampling
    from experiments.own_tf.suggestion import Start, Suggestion
    from experiments.study.planner import PlannedStudy
    from experiments.study.study import Study
    from model.training.config import Precision as TrainingPrecision
    from orchestrator.plan import Plan
    from orchestrator.runs.loaded_dataset import LoadedDataset


_NUMBER: Final = re.compile(r"-?\d{1,6}")
_BY_CHROMOSOME: Final = SplitOptions(split=Split.CHROMOSOME)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of `bindgrid tf train` and `tf add`, as typed: the training and its verdict."""

    pretrain_set: Annotated[
        str,
        typer.Option(
            help="Start from a multi-model of this kind (masked, same-mode, cofactors, string, "
            "complete), from the base that comes with bindgrid (base), or from a multi-model of "
            "these TFs, separated by commas. By default the first suggestion of "
            "`bindgrid tf suggest`."
        ),
    ] = ""
    pretrain_run: Annotated[
        str,
        typer.Option(
            help="Start from this finished multi-model, named by its run key. By default "
            "--pretrain-set decides."
        ),
    ] = ""
    sample: Annotated[str, typer.Option(help="Most bound regions to use, or `all`.")] = "5000"
    replicates: Annotated[
        str,
        typer.Option(
            help="Replicates of every arm, a number. `tf add` also takes how files of peaks that "
            "are replicates of a biosample count: `union`, each peak once, or such as `2-of-3`, "
            "what two of three files agree on; with a number, both separated by a comma. By "
            "default every peak of each file counts."
        ),
    ] = "3"
    regions: SplitOptions = _BY_CHROMOSOME
    folds: Annotated[
        str,
        typer.Option(
            help="Judge by cross-validation in this many folds of whole chromosomes, and let the "
            "model learn from all regions; 0 holds chromosomes out. By default `auto`: 5 folds "
            "where fewer than 50 bound regions lie on the chromosome that would be held out."
        ),
    ] = "auto"
    string: StringOption = None
    chosen_motifs: ChosenMotifsOption = None
    many_motifs: ManyMotifsOption = None
    pretraining: PretrainOptions
    individual: IndividualOptions
    precision: PrecisionOption = Precision.AUTO
    backend: Annotated[
        Backend | None,
        typer.Option(
            help="What runs the plan: Ray; a few processes of this machine without Ray, which "
            "start sooner; or this process, one run after the other. By default processes, and Ray "
            "where a multi-model is to be trained or RAY_ADDRESS names a cluster."
        ),
    ] = None
    workers: WorkersOption = None
    devices: DeviceOptions = AUTO_DEVICE
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Train a multi-model that is missing without asking."),
    ] = False

    def placed(self) -> "TrainOptions":
        """Give the options with `--device auto` replaced by what is there.

        Raises
        ------
        RunError
            The options of where it trains do not go together, or there is no GPU.
        """
        # the Ray backend goes to this cluster, though there is no option for it here
        on_cluster = self.backend in (None, Backend.RAY)
        address = os.environ.get("RAY_ADDRESS", "") if on_cluster else ""
        own = replace(self, devices=self.devices.resolved(address))
        own.where().check()
        if not address:
            own.devices.check()
        return own

    def where(self, *, is_short: bool = False) -> BackendOptions:
        """Give the options of where it trains.

        Parameters
        ----------
        is_short
            Whether nothing has to be pre-trained, so that processes of this machine do, unless
            the options name a backend, a cluster or a GPU. By default Ray does.
        """
        named, on_gpu = self.backend, self.devices.device is Device.GPU
        if named is None:
            does = is_short and not on_gpu and not os.environ.get("RAY_ADDRESS")
            named = Backend.PROCESSES if does else Backend.RAY
        return BackendOptions(backend=named, workers=self.workers, devices=self.devices)

    @property
    def max_bound(self) -> int | None:
        """Bound regions to use at most; None: all.

        Raises
        ------
        RunError
            If it is neither a number nor `all`.
        """
        if self.sample == "all":
            return None
        if not self.sample.isdigit():
            raise RunError(f"--sample: {self.sample!r} is neither a number nor `all`")
        return int(self.sample)

    @property
    def num_folds(self) -> int | None:
        """Folds of chromosomes to judge by; None where the number of bound regions decides.

        Raises
        ------
        RunError
            If it is neither a number nor `auto`, or does not go with the split.
        """
        from data.dataset.sampling import MIN_FOLDS

        held_out = bool(self.regions.test_chroms or self.regions.val_chroms)
        if self.folds == "auto":
            return 0 if held_out else None
        if not self.folds.isdecimal() or 0 < int(self.folds) < MIN_FOLDS:
            raise RunError(
                f"--folds: give {MIN_FOLDS} or more, 0 for none, or `auto`, and not {self.folds!r}"
            )
        if int(self.folds) and (held_out or self.regions.split is Split.RANDOM):
            raise RunError(
                "--folds tests every chromosome once; leave out --test-chroms and --val-chroms, "
                "and --split random"
            )
        return int(self.folds)

    @property
    def num_replicates(self) -> int:
        """Replicates of every arm.

        Raises
        ------
        RunError
            If there are several numbers.
        """
        numbers = [word for word in names_in(self.replicates) if _NUMBER.fullmatch(word)]
        if len(numbers) > 1:
            raise RunError(f"--replicates: {self.replicates!r} has several numbers; give one")
        return int(numbers[0]) if numbers else int(TrainOptions.replicates)

    @property
    def peak_replicates(self) -> str:
        """How files of peaks that are replicates count; empty where it is not said."""
        words = names_in(self.replicates)
        return ",".join(word for word in words if not _NUMBER.fullmatch(word))

    def check_together(self) -> None:
        """Raise `RunError` where options of the split, the motifs or the start exclude each other.

        What a single option must be is checked too where text stands for a number.
        """
        _ = self.num_folds, self._many_motifs()
        if self.pretrain_set and self.pretrain_run:
            raise RunError("--pretrain-set and --pretrain-run exclude each other; give one of them")

    def sampling(self, loaded: "LoadedDataset", avoid: Collection[str] = ()) -> "Sampling":
        """Give how regions are split; parameters and errors as for `SplitOptions.sampling`."""
        masked = MultiModel(pretrain=Pretrain.MASKED)
        with checked_settings():
            return masked.held_back_of(self.regions.sampling(loaded, avoid))

    def study(self, loaded: "LoadedDataset", tf: str, precision: "TrainingPrecision") -> "Study":
        """Give the study that the options stand for.

        Raises
        ------
        DataError
            The file of STRING's links cannot be used.
        RunError
            An option is out of its range, or does not go with another.
        """
        from data.relations.string_links import read_string_links
        from experiments.study.scale import Scale
        from experiments.study.study import Study
        from experiments.study.trainings import Trainings

        links = None
        if self.string is not None:
            links = read_string_links(self.string, loaded.dataset.tfs, None)
        with checked_settings():
            trainings = self.individual.of(self.pretraining.of(Trainings()))
            if self._asks_of_transfer and not self.many_motifs:
                trainings = trainings.training_layers()
            return Study(
                tfs=(tf,),
                sampling=self.sampling(loaded),
                scale=Scale(target_replicates=self.num_replicates),
                trainings=trainings.in_precision(precision),
                links=links,
                chosen_motifs=bool(self.chosen_motifs or self.many_motifs),
                many_motifs=self._many_motifs(),
                gapped_kmers=True,
            )

    def _many_motifs(self) -> bool | None:
        """Whether many motifs are a term; None lets the number of regions decide.

        Raises
        ------
        RunError
            The motif is to be that of the name, and many are asked for.
        """
        if self.chosen_motifs is False and self.many_motifs:
            raise RunError(
                "--many-motifs lets the peaks choose the motifs; leave out --named-motif"
            )
        if self.many_motifs is None and (self._asks_of_transfer or self.chosen_motifs is False):
            return False  # what is asked of the training is of all layers
        return self.many_motifs

    @property
    def _asks_of_transfer(self) -> bool:
        """Whether an option says how transfer is trained."""
        return replace(self.individual, scratch_lr=None) != IndividualOptions()


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `bindgrid tf`."""
    app.command()(spread(suggest))
    app.command()(spread(train))


def suggest(
    name: Annotated[str, typer.Argument(help="A TF of the dataset.")],
    *,
    string: StringOption = None,
    regions: SplitOptions = _BY_CHROMOSOME,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Show which multi-models a TF could start from, best first, and why.

    Example: bindgrid tf suggest ETV4
    """
    options = TrainOptions(
        string=string,
        regions=regions,
        pretraining=PretrainOptions(),
        individual=IndividualOptions(),
        precision=Precision.FLOAT32,
    )
    place = Workspace(workspace)
    with steps("Comparing TFs") as on_step:
        loaded, study = _study(place, name, options, on_step)
        suggestion = _suggestion(place, loaded, study, name)
    print_suggestion(suggestion)


def train(
    name: Annotated[str, typer.Argument(help="A TF of the dataset, added or not.")],
    *,
    options: TrainOptions,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Train a TF's model, its controls and a learning curve, and give a verdict.

    What is complete is not run again: the same command resumes after an interruption, and shows
    the verdict of a TF that is trained.

    Example: bindgrid tf train ETV4
    """
    if rule := options.peak_replicates:
        raise RunError(
            f"--replicates {rule!r} is no number; combining files of peaks is for `bindgrid tf add`"
        )
    train_and_judge(Workspace(workspace), name, options.placed())


def train_and_judge(workspace: Workspace, tf: str, options: TrainOptions) -> None:
    """Train what is missing for a TF, write its card and print it.

    Parameters
    ----------
    options
        Those that `TrainOptions.placed` gives.

    Raises
    ------
    DataError, RunError
        If the TF cannot be trained on.
    typer.Exit
        If a run failed, or the user declined to train a multi-model.
    """
    from experiments.own_tf.plan import own_tf
    from orchestrator.plan import Plan
    from orchestrator.spec import BaseStart
    from orchestrator.verdict.card import write_card
    from orchestrator.verdict.verdict import judge

    max_bound, num_folds = options.max_bound, options.num_folds
    with steps("Planning") as on_step:
        loaded, study = _study(workspace, tf, options, on_step)
        on_step("choosing what to start from")
        start, suggestion = _chosen(workspace, loaded, study, tf, options)
        if isinstance(start.spec, BaseStart):
            sampling = options.sampling(loaded, start.spec.seen_chroms)
            study = replace(study, sampling=sampling)
        with checked_settings():
            planned = own_tf(loaded, study, start, tf, max_bound, num_folds)
        plan = Plan(planned.runs)
    if suggestion is not None:
        print_suggestion(suggestion)
    for remark in planned.remarks:
        err.print(str(remark))
    if not start.is_finished:
        _offer(start, plan, planned, options)
    backend = options.where(is_short=start.is_finished)
    backend.check()
    drive(plan, planned.remarks, workspace, backend.run_plan)
    with steps("Judging") as on_step:
        runs = [run for runs in plan.roles.values() for run in runs]
        verdict = judge(workspace, runs, tf, on_step)
        card = write_card(verdict, workspace)
        on_step("logging to MLflow")
        _log(workspace)
    print_verdict(verdict)
    out.print(f"card: {card.page}", soft_wrap=True)


def _study(
    workspace: Workspace, tf: str, options: TrainOptions, on_step: OnStep
) -> "tuple[LoadedDataset, Study]":
    """Load the dataset, and give the study that the options stand for."""
    from orchestrator.runs.loaded_dataset import load_dataset

    loaded = load_dataset(workspace)
    loaded.dataset.summary(tf)  # an unknown TF is reported before anything is read
    wanted = options.precision
    if wanted is Precision.AUTO and not workspace.precision.exists():
        if _start_is_finished(workspace, loaded, tf, options):
            # the check takes up to a minute, longer than what there is to train
            wanted = Precision.FLOAT32
        else:
            on_step("checking whether bfloat16 is quicker here, once in a workspace")
    precision = settled(wanted, workspace, device=options.devices.torch_device)
    return loaded, options.study(loaded, tf, precision)


def _start_is_finished(
    workspace: Workspace, loaded: "LoadedDataset", tf: str, options: TrainOptions
) -> bool:
    """Whether nothing has to be pre-trained for what the options name, or for what is suggested."""
    if options.pretrain_run or _starts_from_base(loaded, options):
        return True
    if options.pretrain_set:
        return False
    study = options.study(loaded, tf, "float32")
    return _suggestion(workspace, loaded, study, tf).starts[0].is_finished


def _starts_from_base(loaded: "LoadedDataset", options: TrainOptions) -> bool:
    """Whether the options name the base, or name nothing where the dataset is a lab's own."""
    from orchestrator.role import SetKind

    is_own = loaded.dataset.manifest.own_regions is not None
    named = options.pretrain_set or options.pretrain_run
    return options.pretrain_set == SetKind.BASE or (is_own and not named)


def _suggestion(
    workspace: Workspace, loaded: "LoadedDataset", study: "Study", tf: str
) -> "Suggestion":
    from experiments.own_tf.suggestion import suggest
    from orchestrator.runs.store import RunStore

    return suggest(loaded, study, RunStore(workspace), tf)


def _chosen(
    workspace: Workspace,
    loaded: "LoadedDataset",
    study: "Study",
    tf: str,
    options: TrainOptions,
) -> "tuple[Start, Suggestion | None]":
    """Give the start that the options name, or the first suggestion and all others."""
    from experiments.own_tf.suggestion import (
        KINDS,
        start_from_base,
        start_from_run,
        start_from_tfs,
    )
    from orchestrator.runs.store import RunStore

    options.check_together()
    store = RunStore(workspace)
    if options.pretrain_run:
        return start_from_run(loaded, store, options.pretrain_run, tf), None
    if options.pretrain_set and options.pretrain_set not in KINDS:
        return start_from_tfs(loaded, study, store, names_in(options.pretrain_set)), None
    if _starts_from_base(loaded, options):
        return start_from_base(loaded, study, tf), None
    suggestion = _suggestion(workspace, loaded, study, tf)
    if not options.pretrain_set:
        return suggestion.starts[0], suggestion
    for start in suggestion.starts:
        if start.kind == options.pretrain_set:
            return start, None
    reason = suggestion.left_out[options.pretrain_set]
    raise RunError(f"--pretrain-set {options.pretrain_set}: {reason}")


def _offer(start: "Start", plan: "Plan", planned: "PlannedStudy", options: TrainOptions) -> None:
    """Say how long a multi-model that is missing takes to train, and ask at a terminal."""
    from orchestrator.backends.cost import calibrate, run_seconds

    run = start.run
    if run is None:
        return
    precision = run.training.precision if run.training is not None else "float32"
    with steps("Calibrating"):
        rates = calibrate(1, precision, run.network.name)
    seconds = run_seconds(plan[run.key], planned.sizes[run.key], rates)
    serves = "; it serves every TF that you add" if start.kind == "masked" else ""
    err.print(
        f"the multi-model ({start.name}) is not trained yet; that takes about "
        f"{lasting(seconds)} here, once{serves}",
    )
    asks = sys.stdin.isatty() and err.is_terminal and not options.yes
    if asks and not typer.confirm("Train it now?", default=True, err=True):
        err.print("nothing was trained; see `--pretrain-set` for other starts")
        raise typer.Exit(1)


def _log(workspace: Workspace) -> None:
    """Show the card in MLflow; where MLflow cannot be reached, only warn."""
    from orchestrator.tracking.client import TrackingClient
    from orchestrator.tracking.verdicts import VerdictWriter

    try:
        VerdictWriter(TrackingClient(workspace)).log_cards()
    except RunError as error:
        complain(str(error))
