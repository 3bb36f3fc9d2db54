"""Options of how models are trained: which multi-model, its settings, and individual models."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.console import err
from experiments.cli.options.choices import Keep, Precision, Pretrain, names_in
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from data.dataset.sampling import Sampling
    from experiments.study.pretraining import Pretraining, WantedTFs
    from experiments.study.trainings import Trainings
    from model.training.config import Precision as TrainingPrecision

PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Number format of the matrix products in training. `auto` takes bfloat16 if a check "
        "on what trains, CPU or GPU, finds it faster and as good, and float32 otherwise.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class MultiModel:
    """Which multi-model a study pre-trains, as typed."""

    pretrain_tfs: Annotated[
        str,
        typer.Option(
            help="TFs of the multi-model: a number, for the TFs with the most resolved regions; "
            "names, separated by commas; or `all`. By default 50, or with --pretrain masked every "
            "TF with at least --min-bound bound regions."
        ),
    ] = ""
    pretrain: Annotated[
        Pretrain,
        typer.Option(
            help="Regions that the multi-model learns from. `complete` takes those resolved for "
            "all its TFs (the paper); `masked` takes those resolved for at least one, and masks "
            "the TFs that they are not resolved for."
        ),
    ] = Pretrain.COMPLETE
    min_bound: Annotated[
        int | None,
        typer.Option(
            help="Fewest bound regions that a TF of the multi-model may have, unless the TF is "
            "named. By default 0, or 100 with --pretrain masked."
        ),
    ] = None
    leave_out: Annotated[
        str,
        typer.Option(
            help="TFs to leave out of the multi-model, separated by commas, or `none`. By "
            "default none, or the targets with --pretrain masked."
        ),
    ] = ""
    leave_out_mode: Annotated[
        bool,
        typer.Option(
            "--leave-out-mode",
            help="Also leave out every TF that shares a binding mode with one of --leave-out.",
        ),
    ] = False
    hold_back: Annotated[
        float | None,
        typer.Option(
            help="Fraction of all regions that no multi-model learns from; individual models take "
            "theirs from it. By default nothing is held back, or 0.3 with --pretrain masked and a "
            "random split."
        ),
    ] = None

    @property
    def is_masked(self) -> bool:
        """Whether unresolved cells are masked, and their regions used, instead of left out."""
        return self.pretrain is Pretrain.MASKED

    def check_motif(self, motif: bool) -> None:
        """Raise `RunError` if the motif's term is asked for where no experiment has it."""
        if motif and not self.is_masked:
            raise RunError("--motif needs a masked multi-model; pass --pretrain masked too")

    def wanted(self) -> "WantedTFs":
        """Which TFs it has."""
        if self.pretrain_tfs == "all" or (self.is_masked and not self.pretrain_tfs):
            return None
        if not self.pretrain_tfs:
            return 50
        return (
            int(self.pretrain_tfs) if self.pretrain_tfs.isdigit() else names_in(self.pretrain_tfs)
        )

    def pretraining(self, targets: tuple[str, ...]) -> "Pretraining":
        """Which regions it learns from, and which TFs are left out of it."""
        from experiments.study.pretraining import MIN_BOUND, Pretraining

        left_out = targets if self.is_masked else ()
        if self.leave_out:
            left_out = () if self.leave_out == "none" else names_in(self.leave_out)
        if self.leave_out_mode and not left_out:
            raise RunError("--leave-out-mode: no TF is left out; name one by --leave-out")
        usual = MIN_BOUND if self.is_masked else 0
        return Pretraining(
            rows="resolved" if self.is_masked else "complete",
            min_bound=usual if self.min_bound is None else self.min_bound,
            leave_out=left_out,
            modes_of=left_out if self.leave_out_mode else (),
        )

    def held_back_of(self, sampling: "Sampling") -> "Sampling":
        """Give the split, with the fraction that is held back for individual models."""
        from experiments.study.pretraining import HELD_BACK

        usual = HELD_BACK if self.is_masked and sampling.split == "random" else None
        held_back = usual if self.hold_back is None else self.hold_back
        return replace(sampling, held_back=held_back)


@dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """How multi-models are trained, as typed."""

    pretrain_epochs: Annotated[
        int | None,
        typer.Option(
            help="Most epochs of a multi-model. By default 15 (the paper), or 12 if it is masked."
        ),
    ] = None
    pretrain_keep: Annotated[
        Keep,
        typer.Option(
            help="Which weights of a multi-model are kept. `best` stops early and keeps the epoch "
            "with the best validation loss (the paper; a masked one always keeps the last); "
            "`last` trains all epochs and keeps the last."
        ),
    ] = Keep.BEST
    pretrain_lr: Annotated[
        float | None,
        typer.Option(help="Learning rate of a multi-model. By default 0.003 (the paper)."),
    ] = None
    pretrain_batch_size: Annotated[
        int | None,
        typer.Option(help="Examples in a batch of a multi-model. By default 100 (the paper)."),
    ] = None
    pretrain_patience: Annotated[
        int | None,
        typer.Option(
            help="Stop training a multi-model after this many epochs in a row without a better "
            "validation loss. By default 4, or never if it is masked."
        ),
    ] = None

    def of(self, trainings: "Trainings") -> "Trainings":
        """Give trainings with these settings of multi-models.

        Raises
        ------
        RunError
            Two settings exclude each other, or no epoch would be trained.
        ValueError
            A setting is out of its range.
        """
        from experiments.study.trainings import Changes

        _check_epochs("--pretrain-epochs", self.pretrain_epochs)

        changes = Changes(
            lr=self.pretrain_lr,
            batch_size=self.pretrain_batch_size,
            max_epochs=self.pretrain_epochs,
            patience=self.pretrain_patience,
        )
        trainings = trainings.with_multi(changes)
        if self.pretrain_keep is Keep.BEST:
            return trainings
        if self.pretrain_patience is not None:
            raise RunError(
                "--pretrain-patience stops early and --pretrain-keep last never does; give one"
            )
        return trainings.keeping_last()


@dataclass(frozen=True, kw_only=True)
class IndividualOptions:
    """How individual models are trained, as typed."""

    epochs: Annotated[
        int | None,
        typer.Option(
            help="Most epochs of an individual model. By default 10 (the paper). Models "
            "of few regions may train for more, so that they take enough steps."
        ),
    ] = None
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of individual models by transfer. By default 0.0003 (the paper), "
            "or 0.0001 from a masked multi-model."
        ),
    ] = None
    scratch_lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of individual models from scratch. By default 0.003 (the paper)."
        ),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Examples in a batch of an individual model, by transfer and from scratch. By "
            "default 100 (the paper)."
        ),
    ] = None
    patience: Annotated[
        int | None,
        typer.Option(
            help="Stop training an individual model, by transfer or from scratch, after this many "
            "epochs in a row without a better validation loss. By default never (the paper)."
        ),
    ] = None

    def of(self, trainings: "Trainings", fine_tuning: Path | None = None) -> "Trainings":
        """Give trainings with these settings of individual models.

        Parameters
        ----------
        fine_tuning
            A file of settings of transfer that was searched, which :meth:`Trainings.tuned` will
            use; only to tell that options here contradict it.

        Raises
        ------
        RunError
            `--fine-tuning` and one of these options set the same, or no epoch would be trained.
        ValueError
            A setting is out of its range.
        """
        from experiments.study.trainings import Changes

        _check_epochs("--epochs", self.epochs)

        common = (self.lr, self.batch_size, self.patience)
        if fine_tuning is not None and any(one is not None for one in common):
            raise RunError(
                "--fine-tuning sets the rate, batches and patience of transfer; leave out --lr, "
                "--batch-size and --patience"
            )
        changes = Changes(
            batch_size=self.batch_size, max_epochs=self.epochs, patience=self.patience
        )
        changed = trainings.with_individual(changes)
        return changed.with_rates(scratch=self.scratch_lr, transfer=self.lr)


def _check_epochs(option: str, epochs: int | None) -> None:
    """Raise `RunError` where no epoch would be trained; a regression alone is no user's setting."""
    if epochs is not None and epochs < 1:
        raise RunError(f"{option} is {epochs}; give 1 or more")


def settled(
    precision: Precision, workspace: Workspace, address: str = "", device: str = "cpu"
) -> "TrainingPrecision":
    """Give the precision of all trainings; `auto` is what the workspace has chosen or chooses now.

    Parameters
    ----------
    address
        Address of the cluster that trains; by default this machine does.
    device
        Where it trains, "cpu" (the default) or "cuda".

    Raises
    ------
    RunError
        The workspace's choice cannot be read or written, the cluster not be reached, or a GPU is
        lacking.
    """
    if precision is Precision.FLOAT32:
        return "float32"
    if precision is Precision.BFLOAT16:
        return "bfloat16"
    from orchestrator.backends.precision import (
        check_precision,
        multiplies_bfloat16,
        processor,
        settle,
    )

    on_cluster = False
    if address:
        from orchestrator.backends.ray.precision import check_nodes

        on_cluster = True
        choice, is_new = settle(workspace, lambda: check_nodes(address, device=device))
    else:
        choice, is_new = settle(workspace, lambda: [check_precision(device=device)])
    where = "checked just now" if is_new else f"chosen before, in {workspace.precision}"
    err.print(
        f"--precision auto: {choice.precision} ({choice.reason}; {choice.processor}, torch "
        f"{choice.torch}; {where})",
    )
    if choice.precision == "bfloat16" and not on_cluster and not multiplies_bfloat16(device):
        err.print(
            f"{processor(device)} does not multiply bfloat16 and will be slow; keys of finished "
            "runs stay with bfloat16",
        )
    return choice.precision
