"""The trials of a tuning on disk, and their result.

The trials are an Optuna study in a journal, a file of the workspace to which each event adds a
line. It survives a killed writer: a line that was cut off is dropped, and trials that were running
when the last search ended are tried again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Final

from data.atomic import whole_file
from data.records import RecordError, from_json, to_json
from model.training.config import TrainingConfig
from orchestrator.errors import RunError
from orchestrator.tuning.folds import Tuning, derived_seed
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    import optuna

LOSSES: Final = "losses"
SECONDS: Final = "seconds"
REASON: Final = "reason"
_FIRST: Final = "first"

MIN_TRIALS_FOR_IMPORTANCE: Final = 10
"""With fewer trials the importance of parameters cannot be estimated."""


@dataclass(frozen=True, kw_only=True)
class TunedTrial:
    """Settings that were tried, and their losses."""

    number: int
    """Counted from 0 in the order in which trials began, including those that were killed."""
    training: TrainingConfig
    losses: tuple[float, ...]
    """Held-out loss of each fold."""
    seconds: float
    """Wall time."""
    ended: float
    """Time of the end, in seconds since the epoch."""

    @property
    def loss(self) -> float:
        """Mean over the folds."""
        return fmean(self.losses)

    @property
    def loss_sd(self) -> float:
        """Standard deviation of the loss over the folds; NaN for a single one."""
        return stdev(self.losses) if len(self.losses) > 1 else float("nan")


@dataclass(frozen=True, kw_only=True)
class TuningResult:
    """The complete trials of a tuning, and what they show."""

    tuning: Tuning
    trials: tuple[TunedTrial, ...]
    """The complete ones, in the order of their numbers."""
    importances: dict[str, float]
    """Share of each parameter in the variance of the loss (fANOVA), the largest first; empty
    where there are fewer than `MIN_TRIALS_FOR_IMPORTANCE` trials."""

    @property
    def best(self) -> TunedTrial:
        """The trial with the lowest loss; the first one of equals."""
        return min(self.trials, key=lambda trial: trial.loss)

    @property
    def first(self) -> TunedTrial:
        """The trial of the settings that the experiment plans."""
        return next(trial for trial in self.trials if trial.training == self.tuning.first)

    def gains(self) -> tuple[float, ...]:
        """By how much the best loss is below the first one, in each fold of each TF."""
        pairs = zip(self.first.losses, self.best.losses, strict=True)
        return tuple(before - after for before, after in pairs)


@dataclass(frozen=True, kw_only=True)
class ComparedSettings:
    """The experiment's own settings, and their losses."""

    training: TrainingConfig
    val_losses: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ChosenSettings:
    """The file that a tuning writes; one made by hand needs only the training."""

    tf: str = ""
    """The TFs, joined by `+`."""
    tuning: str = ""
    """Key of the tuning."""
    multi_model: str = ""
    """Key of the multi-model that was fine-tuned."""
    num_trials: int = 0
    """Complete trials."""
    training: TrainingConfig
    """The settings with the lowest loss."""
    val_losses: tuple[float, ...] = ()
    """Held-out loss of each fold with these settings."""
    compared_with: ComparedSettings | None = None
    importances: Mapping[str, float] = field(default_factory=dict)
    """Share of each parameter in the variance of the loss."""


class TuningStudy:
    """The Optuna study of a tuning, opened by the one process that holds the workspace.

    Trials that another process left unfinished are queued again, and so are the experiment's own
    settings until they have been tried.

    Raises
    ------
    RunError
        The journal cannot be read or written.
    """

    def __init__(self, tuning: Tuning, workspace: Workspace) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.tuning = tuning
        self.workspace = workspace
        self._path = workspace.tuning_log(tuning.key)
        try:
            self._mend()
            backend = JournalFileBackend(str(self._path))
            self.storage = optuna.storages.JournalStorage(backend)
            self.study = optuna.create_study(
                storage=self.storage,
                study_name=tuning.key,
                direction="minimize",
                load_if_exists=True,
            )
            self._enqueue()
        except (OSError, ValueError, KeyError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise RunError(
                f"{self._path}: the trials cannot be read or written ({reason}); make room or "
                "fix the permissions, or remove the file to start over"
            ) from error

    def sampler(self) -> optuna.samplers.BaseSampler:
        """Tree-structured Parzen estimator; a later search draws other random numbers."""
        import optuna

        seed = derived_seed(self.tuning.seed, len(self.study.trials))
        return optuna.samplers.TPESampler(seed=seed)

    def num_complete(self) -> int:
        """Count the complete trials."""
        return len(self._trials("COMPLETE"))

    def best_loss(self) -> float:
        """Lowest loss so far."""
        return min(_loss(trial) for trial in self._trials("COMPLETE"))

    def try_again(self, trial: optuna.trial.FrozenTrial | optuna.Trial) -> None:
        """Queue a trial again that was interrupted."""
        attributes = {
            name: trial.user_attrs[name] for name in (_FIRST,) if name in trial.user_attrs
        }
        self.study.enqueue_trial(trial.params, user_attrs=attributes)

    def result(self) -> TuningResult:
        """Read the complete trials.

        Raises
        ------
        RunError
            The experiment's own settings have not been tried yet.
        """
        space, base = self.tuning.space, self.tuning.first
        trials = tuple(
            TunedTrial(
                number=trial.number,
                training=space.training(base, trial.params),
                losses=tuple(trial.user_attrs[LOSSES]),
                seconds=trial.user_attrs[SECONDS],
                ended=_ended(trial),
            )
            for trial in self._trials("COMPLETE")
        )
        if not any(trial.training == base for trial in trials):
            raise RunError(f"{self._path}: no trial of the experiment's own settings; tune again")
        return TuningResult(tuning=self.tuning, trials=trials, importances=self._importances())

    def _mend(self) -> None:
        """Remove the incomplete line and the lock that a killed process left."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.with_name(self._path.name + ".lock").unlink(missing_ok=True)
        if self._path.exists():
            content = self._path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(self._path, whole)

    def _enqueue(self) -> None:
        for trial in self._trials("RUNNING"):
            self.study.tell(trial.number, state=_state("FAIL"))
            self.try_again(trial)
        if not any(trial.user_attrs.get(_FIRST) for trial in self._trials("WAITING", "COMPLETE")):
            first = self.tuning.space.parameters(self.tuning.first)
            self.study.enqueue_trial(first, user_attrs={_FIRST: True})

    def _trials(self, *states: str) -> list[optuna.trial.FrozenTrial]:
        wanted = tuple(_state(state) for state in states)
        return self.study.get_trials(deepcopy=False, states=wanted)

    def _importances(self) -> dict[str, float]:
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        if self.num_complete() < MIN_TRIALS_FOR_IMPORTANCE:
            return {}
        evaluator = FanovaImportanceEvaluator(seed=0)
        shares = get_param_importances(self.study, evaluator=evaluator)
        return {name: float(share) for name, share in shares.items()}


def _state(name: str) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    return TrialState[name]


def _loss(trial: optuna.trial.FrozenTrial) -> float:
    return float("nan") if trial.value is None else trial.value


def _ended(trial: optuna.trial.FrozenTrial) -> float:
    return 0.0 if trial.datetime_complete is None else trial.datetime_complete.timestamp()


def write_chosen(result: TuningResult, workspace: Workspace) -> Path:
    """Write the best settings, with their losses and those of the experiment's own settings.

    Returns
    -------
    Path
        The file, for `read_training`.

    Raises
    ------
    RunError
        The file cannot be written.
    """
    tuning = result.tuning
    path = workspace.tuned(tuning.name, tuning.key)
    record = ChosenSettings(
        tf="+".join(tuning.tfs),
        tuning=tuning.key,
        multi_model=tuning.multi.key,
        num_trials=len(result.trials),
        training=result.best.training,
        val_losses=result.best.losses,
        compared_with=ComparedSettings(
            training=result.first.training, val_losses=result.first.losses
        ),
        importances=result.importances,
    )
    try:
        with whole_file(path) as partial:
            partial.write_text(to_json(record))
    except OSError as error:
        raise RunError(f"{path}: cannot write ({error.strerror}); the trials are kept") from None
    return path


def read_training(path: Path) -> TrainingConfig:
    """Read the settings that a tuning chose.

    Parameters
    ----------
    path
        A file that `bindgrid tune` wrote, or one with its field `training` alone.

    Raises
    ------
    RunError
        The file is not there or holds no settings.
    """
    try:
        return from_json(path.read_bytes(), ChosenSettings).training
    except OSError as error:
        reason = error.strerror
        raise RunError(f"{path}: cannot be read ({reason}); `bindgrid tune` writes it") from None
    except RecordError as error:
        raise RunError(
            f"{path}: holds no settings of a training ({error}); give a file that `bindgrid tune` "
            "wrote"
        ) from None
