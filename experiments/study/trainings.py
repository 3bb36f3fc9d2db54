"""The settings of the paper's trainings, and those beyond the paper.

Departures from Novakovsky et al. 2021: early stopping of multi-models has a patience of
`MULTI_PATIENCE` epochs, which the paper does not state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from data.dataset.sampling import Sampling
from model.network import NetworkConfig
from model.training.loop import Precision, TrainingConfig

MULTI_PATIENCE: Final = 4


MULTI_TRAINING: Final = TrainingConfig(lr=0.003, max_epochs=15, patience=MULTI_PATIENCE)
"""The paper: Adam, lr 0.003, batches of 100, at most 15 epochs."""


MASKED_TRAINING: Final = TrainingConfig(
    lr=0.003, max_epochs=12, random_strand=True, averaging=0.9995, keep="last"
)
"""Of a masked multi-model, beyond the paper: it sees up to ten times the regions in an epoch, and
its validation loss still falls when the paper's has long begun to rise. Averaged weights took the
loss from 0.1038 to 0.1020 and the mean average precision over 130 TFs from 0.23 to 0.24; later
epochs transfer better than that of the best loss."""


SCRATCH_TRAINING: Final = TrainingConfig(lr=0.003, max_epochs=10)
"""The paper: lr 0.003, 10 epochs."""


TRANSFER_TRAINING: Final = TrainingConfig(lr=0.0003, max_epochs=10)
"""The paper: lr 0.0003, 10 epochs."""


PROBE_STRENGTH: Final = 0.001
"""Of the logistic regression that transfer from a masked multi-model begins with."""


MASKED_TRANSFER_TRAINING: Final = TrainingConfig(
    lr=0.0001, max_epochs=10, min_steps=300, probe=PROBE_STRENGTH, fixed_norm=True
)
"""Of transfer from a masked multi-model, beyond the paper; with few regions the probe alone."""


FEW_BOUND: Final = 250
"""Bound regions up to which the probe alone, which learns from validation regions too, did as well
as the best fine-tuning, to 0.01 MCC, and far better than the paper's (benchmarks/RESULTS.md)."""


MANY_BOUND: Final = 1000
"""Bound regions beyond which the paper's fine-tuning of all layers did better than the probe's."""


FEW_VALIDATION: Final = 50
"""Validation regions from which on they choose the epoch."""


MIN_STEPS: Final = 160
"""Of fine-tuning: ten epochs on 800 regions, both strands, in batches of 100."""


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """How each kind of model is trained; the defaults are the paper's."""

    multi: TrainingConfig = MULTI_TRAINING
    masked: TrainingConfig = MASKED_TRAINING
    """Of multi-models that learn from every resolved cell."""
    scratch: TrainingConfig = SCRATCH_TRAINING
    transfer: TrainingConfig = TRANSFER_TRAINING
    masked_transfer: TrainingConfig = MASKED_TRANSFER_TRAINING
    """Of individual models that start from a multi-model of every resolved cell."""
    by_size: bool = True
    """Whether the number of regions decides which part of `masked_transfer` is trained."""

    def with_epochs(
        self, *, multi: int | None = None, individual: int | None = None
    ) -> "Trainings":
        """Set how many epochs a multi-model and an individual model train at most."""
        changed = self
        if multi is not None:
            changed = replace(
                changed,
                multi=replace(self.multi, max_epochs=multi),
                masked=replace(self.masked, max_epochs=multi),
            )
        if individual is not None:
            changed = replace(
                changed,
                scratch=replace(self.scratch, max_epochs=individual),
                transfer=replace(self.transfer, max_epochs=individual),
                masked_transfer=replace(self.masked_transfer, max_epochs=individual),
            )
        return changed

    def from_masked(self, num_bound: int) -> TrainingConfig:
        """How an individual model is trained that starts from a masked multi-model.

        With few regions only the output layer is fitted, with many all layers are fine-tuned as
        the paper does it; settings without a probe, or not `by_size`, are taken as they are.

        Parameters
        ----------
        num_bound
            Bound regions of the model, and about as many unbound ones.
        """
        masked = self.masked_transfer
        if masked.probe is None or not self.by_size:
            return masked
        if num_bound > MANY_BOUND:
            return self.transfer
        if num_bound <= FEW_BOUND:
            return replace(masked, max_epochs=0, keep="best")
        return masked

    def tuned(self, settings: TrainingConfig) -> "Trainings":
        """Train individual models that start from a multi-model by settings that were searched.

        Settings with a probe say how many steps follow it, so no number of regions changes them.
        """
        by_size = settings.probe is None
        return replace(self, transfer=settings, masked_transfer=settings, by_size=by_size)

    def freezing(self, names: Sequence[str], network: NetworkConfig) -> "Trainings":
        """Let transfer leave some layers as they are: weights, and batch-norm statistics.

        Parameters
        ----------
        names
            Of hidden layers, such as `conv1`, or of all of a kind, such as `conv`.
        network
            That has them.

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
        return self._each(("transfer", "masked_transfer"), frozen=kept)

    def in_precision(self, precision: Precision) -> "Trainings":
        """Set the precision of all trainings."""
        return self._each(
            ("multi", "masked", "scratch", "transfer", "masked_transfer"), precision=precision
        )

    def keeping_last(self) -> "Trainings":
        """Have all epochs of a multi-model trained, and the last one's weights kept."""
        return self._each(("multi", "masked"), keep="last", patience=None)

    def _each(self, names: tuple[str, ...], **changes: Any) -> "Trainings":
        changed = {name: replace(getattr(self, name), **changes) for name in names}
        return replace(self, **changed)


def for_size(trainings: Trainings, num_bound: int | None) -> Trainings:
    """Give individual models the steps that few regions need, and the last epoch's weights.

    Parameters
    ----------
    num_bound
        Bound regions of the model, and as many unbound ones; None is all.
    """
    num_val = None if num_bound is None else round(2 * num_bound * Sampling.val_fraction)

    def of(training: TrainingConfig) -> TrainingConfig:
        few = num_val is not None and num_val < FEW_VALIDATION
        steps = max(training.min_steps, MIN_STEPS)
        return replace(training, min_steps=steps, keep="last" if few else training.keep)

    return replace(
        trainings,
        scratch=of(trainings.scratch),
        transfer=of(trainings.transfer),
        masked_transfer=of(trainings.masked_transfer)
        if trainings.by_size
        else trainings.masked_transfer,
    )
