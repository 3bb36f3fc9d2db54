"""Options of trainings reach the settings of each kind of model, and nothing else."""

import pytest

from experiments.cli.options.choices import Keep
from experiments.cli.options.training import IndividualOptions, PretrainOptions
from experiments.study.trainings import ModelKind, Trainings
from orchestrator.errors import RunError

MULTI = {ModelKind.MULTI, ModelKind.MASKED_MULTI}
BY_TRANSFER = {ModelKind.TRANSFER, ModelKind.MASKED_TRANSFER}
SOME = 500  # bound regions


def changed(trainings: Trainings, setting: str, value: float | str) -> set[ModelKind]:
    """Kinds of models of which a setting is `value`; no default is."""
    return {
        kind for kind in ModelKind if getattr(trainings.training_for(kind, SOME), setting) == value
    }


@pytest.mark.parametrize(
    ("options", "setting", "value", "kinds"),
    [
        (PretrainOptions(pretrain_lr=0.5), "lr", 0.5, MULTI),
        (PretrainOptions(pretrain_batch_size=7), "batch_size", 7, MULTI),
        (PretrainOptions(pretrain_patience=9), "patience", 9, MULTI),
        (PretrainOptions(pretrain_epochs=77), "max_epochs", 77, MULTI),
        (IndividualOptions(lr=0.5), "lr", 0.5, BY_TRANSFER),
        (IndividualOptions(scratch_lr=0.5), "lr", 0.5, {ModelKind.SCRATCH}),
        (IndividualOptions(batch_size=7), "batch_size", 7, {ModelKind.SCRATCH, *BY_TRANSFER}),
        (IndividualOptions(patience=9), "patience", 9, {ModelKind.SCRATCH, *BY_TRANSFER}),
        (IndividualOptions(epochs=77), "max_epochs", 77, {ModelKind.SCRATCH, *BY_TRANSFER}),
    ],
)
def test_an_option_changes_one_setting_of_some_kinds(
    options: PretrainOptions | IndividualOptions,
    setting: str,
    value: float,
    kinds: set[ModelKind],
) -> None:
    assert changed(Trainings(), setting, value) == set()
    assert changed(options.of(Trainings()), setting, value) == kinds


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epoch_is_no_training(epochs: int) -> None:
    with pytest.raises(RunError, match=f"^--epochs is {epochs}; give 1 or more"):
        IndividualOptions(epochs=epochs).of(Trainings())
    with pytest.raises(RunError, match=f"^--pretrain-epochs is {epochs}; give 1 or more"):
        PretrainOptions(pretrain_epochs=epochs).of(Trainings())


def test_without_options_nothing_changes() -> None:
    assert PretrainOptions().of(IndividualOptions().of(Trainings())) == Trainings()


def test_the_last_epoch_is_kept_of_multi_models_only() -> None:
    kept = PretrainOptions(pretrain_keep=Keep.LAST).of(Trainings())
    assert kept.training_for(ModelKind.MULTI).patience is None
    assert changed(kept, "keep", "last") >= MULTI
    assert kept.training_for(ModelKind.SCRATCH) == Trainings().scratch
