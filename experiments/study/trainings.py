"""How each kind of model is trained: the paper's settings, those beyond the paper, and a user's.

:meth:`Trainings.training_for` is the one place that decides it.

Departures from Novakovsky et al. 2021: early stopping of multi-models has a patience of
`MULTI_PATIENCE` epochs, which the paper does not state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from data.dataset.sampling import Sampling
from model.network_config import NetworkConfig
from model.training.config import Precision, TrainingConfig

MULTI_PATIENCE: Final = 4


MULTI_TRAINING: Final = TrainingConfig(lr=0.003, max_epochs=15, patience=MULTI_PATIENCE)
"""The paper: Adam, lr 0.003, batches of 100, at most 15 epochs."""


MASKED_TRAINING: Final = TrainingConfig(
    lr=0.003, max_epochs=12, random_strand=True, averaging=0.9995, keep="last"
)
"""For masked multi-models, beyond the paper: an epoch has up to ten times the regions, and the
validation loss still falls when the paper's has long begun to rise. Averaging the weights took the
loss from 0.1038 to 0.1020 and the mean average precision over 130 TFs from 0.23 to 0.24; the last
epoch transfers better than the one with the best loss."""


SCRATCH_TRAINING: Final = TrainingConfig(lr=0.003, max_epochs=10)
"""The paper: lr 0.003, 10 epochs."""


TRANSFER_TRAINING: Final = TrainingConfig(lr=0.0003, max_epochs=10)
"""The paper: lr 0.0003, 10 epochs."""


PROBE_STRENGTH: Final = 0.001
"""Inverse strength of the penalty in the logistic regression that transfer from a masked
multi-model begins with."""


MASKED_TRANSFER_TRAINING: Final = TrainingConfig(
    lr=0.0001, max_epochs=10, min_steps=300, probe=PROBE_STRENGTH, fixed_norm=True
)
"""For transfer from a masked multi-model, beyond the paper; few regions train the probe alone."""


FEW_BOUND: Final = 250
"""Bound regions up to which the probe alone, which learns from validation regions too, did as well
as the best fine-tuning, to 0.01 MCC, and far better than the paper's (benchmarks/RESULTS.md)."""


MANY_BOUND: Final = 1000
"""Bound regions beyond which the paper's fine-tuning of all layers did better than the probe's."""


FEW_VALIDATION: Final = 50
"""With fewer validation regions the last epoch is kept, since so few would choose an epoch by
chance."""


NEVER: Final = -1
"""No number of regions."""

MIN_STEPS: Final = 160
"""Steps that few regions are trained for at least: as many as ten epochs on 800 regions, both
strands, in batches of 100."""


class ModelKind(StrEnum):
    """The kinds of model that are trained in different ways."""

    MULTI = "multi"
    """A multi-model, on the regions resolved for all its TFs (paper)."""
    MASKED_MULTI = "masked multi"
    """A multi-model, on every resolved cell."""
    SCRATCH = "scratch"
    """An individual model from scratch."""
    TRANSFER = "transfer"
    """An individual model that starts from a multi-model of the paper's kind."""
    MASKED_TRANSFER = "masked transfer"
    """An individual model that starts from a masked multi-model."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a user wants of a training; None leaves a setting as it is."""

    lr: float | None = None
    """Learning rate of Adam."""
    batch_size: int | None = None
    """Examples in a step."""
    max_epochs: int | None = None
    """Epochs at most."""
    patience: int | None = None
    """Epochs in a row without a better validation loss, after which training stops."""

    def of(self, training: TrainingConfig) -> TrainingConfig:
        """Give a training with these changes.

        Raises
        ------
        ValueError
            A setting is out of its range.
        """
        wanted = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(training, **{name: own for name, own in wanted.items() if own is not None})


_MULTI: Final = ("multi", "masked")
_TRANSFER: Final = ("transfer", "masked_transfer")
_INDIVIDUAL: Final = ("scratch", *_TRANSFER)


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """How each kind of model is trained; the defaults are the paper's."""

    multi: TrainingConfig = MULTI_TRAINING
    masked: TrainingConfig = MASKED_TRAINING
    """For multi-models that learn from every resolved cell."""
    scratch: TrainingConfig = SCRATCH_TRAINING
    transfer: TrainingConfig = TRANSFER_TRAINING
    masked_transfer: TrainingConfig = MASKED_TRANSFER_TRAINING
    """For individual models that start from a masked multi-model."""
    by_size: bool = True
    """Whether the number of regions decides which part of `masked_transfer` is trained."""
    min_steps: int = 0
    """Steps that individual models are trained for at least; see :meth:`sized_for`."""
    keep_last: bool = False
    """Whether individual models keep the last epoch's weights; see :meth:`sized_for`."""
    few_bound: int = FEW_BOUND
    """Bound regions up to which masked transfer fits the output layer alone; `NEVER` for none."""
    many_bound: int = MANY_BOUND
    """Bound regions beyond which masked transfer fine-tunes all layers as the paper does."""

    def training_for(self, kind: ModelKind, num_bound: int = 0) -> TrainingConfig:
        """Decide how a model is trained.

        Transfer from a masked multi-model depends on the number of regions: few fit the output
        layer only, and many fine-tune all layers as the paper does. Settings without a probe, or
        not `by_size`, are taken as they are.

        Parameters
        ----------
        num_bound
            Bound regions that the model learns from, beside about as many unbound ones. Only
            transfer from a masked multi-model asks for them.
        """
        match kind:
            case ModelKind.MULTI:
                return self.multi
            case ModelKind.MASKED_MULTI:
                return self.masked
            case ModelKind.SCRATCH:
                return self._long_enough(self.scratch)
            case ModelKind.TRANSFER:
                return self._long_enough(self.transfer)
        if not self.by_size:
            return self.masked_transfer
        masked = self._long_enough(self.masked_transfer)
        if masked.probe is None:
            return masked
        if num_bound > self.many_bound:
            return self._long_enough(self.transfer)
        if num_bound <= self.few_bound:
            return replace(masked, max_epochs=0, keep="best")
        return masked

    def sized_for(self, num_bound: int | None) -> "Trainings":
        """Give individual models the steps that few regions need.

        Where fewer than `FEW_VALIDATION` validation regions would choose the epoch, the last one is
        kept.

        Parameters
        ----------
        num_bound
            Bound regions of the model, beside as many unbound ones; None is all.
        """
        num_val = None if num_bound is None else round(2 * num_bound * Sampling.val_fraction)
        few = num_val is not None and num_val < FEW_VALIDATION
        return replace(self, min_steps=MIN_STEPS, keep_last=few)

    def costing_little(self, patience: int) -> "Trainings":
        """Give trainings that cost little, for a verdict within a minute.

        Masked transfer fits the output layer alone up to `many_bound` bound regions, unless it is
        never to: with 500 that is within 0.01 MCC of fine-tuning. Scratch stops `patience` epochs
        after the one of the best validation loss, unless the settings have a patience.
        """
        own = self.scratch.patience
        scratch = replace(self.scratch, patience=patience if own is None else own)
        return replace(self.fitting_output(), scratch=scratch)

    def fitting_output(self) -> "Trainings":
        """Give trainings of which masked transfer fits the output layer alone, up to `many_bound`.

        Many motifs can be a term beside it (`model.training.many_motifs`).
        """
        return self if self.few_bound == NEVER else replace(self, few_bound=self.many_bound)

    def training_layers(self) -> "Trainings":
        """Give trainings of which masked transfer trains all layers, however few regions it has."""
        return replace(self, few_bound=NEVER)

    def with_epochs(
        self, *, multi: int | None = None, individual: int | None = None
    ) -> "Trainings":
        """Set how many epochs a multi-model and an individual model train at most."""
        return self.with_multi(Changes(max_epochs=multi)).with_individual(
            Changes(max_epochs=individual)
        )

    def with_multi(self, changes: Changes) -> "Trainings":
        """Change how multi-models are trained."""
        return self._each(_MULTI, changes)

    def with_individual(self, changes: Changes) -> "Trainings":
        """Change how individual models are trained, from scratch and by transfer."""
        return self._each(_INDIVIDUAL, changes)

    def with_rates(
        self, *, scratch: float | None = None, transfer: float | None = None
    ) -> "Trainings":
        """Set the learning rates of individual models from scratch and by transfer."""
        changed = self._each(("scratch",), Changes(lr=scratch))
        return changed._each(_TRANSFER, Changes(lr=transfer))

    def tuned(self, settings: TrainingConfig) -> "Trainings":
        """Train individual models that start from a multi-model with settings that a search found.

        Settings with a probe say how many steps follow it, so the number of regions does not change
        them.
        """
        by_size = settings.probe is None
        return replace(self, transfer=settings, masked_transfer=settings, by_size=by_size)

    def freezing(self, names: Sequence[str], network: NetworkConfig) -> "Trainings":
        """Let transfer leave some layers as they are: weights, and batch-norm statistics.

        Parameters
        ----------
        names
            Hidden layers, such as `conv1`, or all layers of a kind, such as `conv`.
        network
            The network that has these layers.

        Raises
        ------
        ValueError
            The network has no such layer.
        """
        there = network.hidden_layers()
        frozen: list[str] = []
        for name in names:
            found = [layer for layer in there if name in (layer, layer.rstrip("0123456789"))]
            if not found:
                raise ValueError(
                    f"network {network.name} has no layer {name!r} to freeze; there are: "
                    f"{', '.join(there)}, or all of a kind: conv, dense"
                )
            frozen += found
        # in the order of the network: the same layers, the same run
        kept = tuple(layer for layer in there if layer in frozen)
        return self._replaced(_TRANSFER, frozen=kept)

    def in_precision(self, precision: Precision) -> "Trainings":
        """Set the precision of all trainings."""
        return self._replaced((*_MULTI, *_INDIVIDUAL), precision=precision)

    def keeping_last(self) -> "Trainings":
        """Train all epochs of multi-models, and keep the last one's weights."""
        return self._replaced(_MULTI, keep="last", patience=None)

    def _long_enough(self, training: TrainingConfig) -> TrainingConfig:
        return replace(
            training,
            min_steps=max(training.min_steps, self.min_steps),
            keep="last" if self.keep_last else training.keep,
        )

    def _each(self, names: tuple[str, ...], changes: Changes) -> "Trainings":
        changed: dict[str, Any] = {name: changes.of(getattr(self, name)) for name in names}
        return replace(self, **changed)

    def _replaced(self, names: tuple[str, ...], **settings: Any) -> "Trainings":
        changed = {name: replace(getattr(self, name), **settings) for name in names}
        return replace(self, **changed)


TRAININGS: Final[Mapping[str, Trainings]] = {
    "paper": Trainings(),
    "laptop": Trainings().with_epochs(multi=8),
}
"""How models are trained in a study of each size of `experiments.study.scale.SCALES`."""
