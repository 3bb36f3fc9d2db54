"""Which settings of fine-tuning are searched: a training as a point in a space, and back.

There are two spaces. `SearchSpace` has settings of the paper's fine-tuning, in which validation
regions choose the epoch. `ProbeSpace` has settings of transfer from a masked multi-model: the
output layer's regression, and after it a fixed number of steps of all layers, which may be none.
What else was tried for few regions (warm-up, distance to the start, rates by layer, dropout, ...)
gained nothing and is not searched (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from model.training.config import TrainingConfig

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

NOT_FROZEN: Final = "none"

STRIDE: Final = 100
"""Numbers of steps that are tried are multiples of this."""


@dataclass(frozen=True, kw_only=True)
class Space(ABC):
    """Settings to choose among; all else of a training stays as it is."""

    @abstractmethod
    def parameters(self, training: TrainingConfig) -> dict[str, Any]:
        """Give a training's point in the space: values by name of parameter.

        Raises
        ------
        ValueError
            The training lies outside.
        """

    @abstractmethod
    def training(self, base: TrainingConfig, parameters: dict[str, Any]) -> TrainingConfig:
        """Give the training at a point; settings that are not searched come from `base`."""

    @abstractmethod
    def distributions(self) -> dict[str, BaseDistribution]:
        """Give the space as Optuna's distributions, by name of parameter."""


@dataclass(frozen=True, kw_only=True)
class SearchSpace(Space):
    """Settings of the paper's fine-tuning.

    Raises
    ------
    ValueError
        A range is empty or out of bounds.
    """

    lr: tuple[float, float] = (3e-5, 3e-3)
    """Lowest and highest learning rate, searched on a log scale. Paper: 0.0003."""
    epochs: tuple[int, int] = (3, 40)
    """Fewest and most epochs, searched on a log scale. Paper: 10."""
    frozen: tuple[tuple[str, ...], ...] = ((), ("conv1",), ("conv1", "conv2", "conv3"))
    """Sets of layers to freeze; the empty one freezes none. Paper: none."""
    batch_sizes: tuple[int, ...] = (20, 50, 100)
    """Examples in a step. Paper: 100."""

    def __post_init__(self) -> None:
        _check_rising("lr", self.lr)
        _check_rising("epochs", self.epochs)
        if not self.frozen or not self.batch_sizes:
            raise ValueError("give at least one set of layers to freeze and one batch size")

    def parameters(self, training: TrainingConfig) -> dict[str, Any]:
        """Give a training's point in the space."""
        inside = (
            self.lr[0] <= training.lr <= self.lr[1]
            and self.epochs[0] <= training.max_epochs <= self.epochs[1]
            and training.frozen in self.frozen
            and training.batch_size in self.batch_sizes
        )
        if not inside:
            raise ValueError(
                f"the first setting (lr {training.lr}, {training.max_epochs} epochs, batches of"
                f" {training.batch_size}, frozen {frozen_name(training.frozen)}) is not among those"
                f" to choose from (lr {self.lr[0]} to {self.lr[1]}, {self.epochs[0]} to"
                f" {self.epochs[1]} epochs, batches of {self.batch_sizes}, frozen {self.frozen})"
            )
        return {
            "lr": training.lr,
            "epochs": training.max_epochs,
            "frozen": frozen_name(training.frozen),
            "batch_size": training.batch_size,
        }

    def training(self, base: TrainingConfig, parameters: dict[str, Any]) -> TrainingConfig:
        """Give the training at a point; settings that are not searched come from `base`."""
        return replace(
            base,
            lr=parameters["lr"],
            max_epochs=parameters["epochs"],
            frozen=_by_name(self.frozen)[parameters["frozen"]],
            batch_size=parameters["batch_size"],
        )

    def distributions(self) -> dict[str, BaseDistribution]:
        """Give the space as Optuna's distributions."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        return {
            "lr": FloatDistribution(*self.lr, log=True),
            "epochs": IntDistribution(*self.epochs, log=True),
            "frozen": CategoricalDistribution(list(_by_name(self.frozen))),
            "batch_size": CategoricalDistribution(self.batch_sizes),
        }


@dataclass(frozen=True, kw_only=True)
class ProbeSpace(Space):
    """Settings of transfer that begins with the output layer alone (`TrainingConfig.probe`).

    The number of steps is searched and the weights of the last step are kept, since a few
    validation regions choose an epoch by chance. Without steps only the regression is fitted, in a
    second.

    Raises
    ------
    ValueError
        A range is empty or out of bounds.
    """

    strength: tuple[float, float] = (1e-4, 1e-1)
    """Lowest and highest inverse strength of the regression's penalty, on a log scale."""
    max_steps: int = 600
    """Most steps after the regression, searched in hundreds from 0."""
    lr: tuple[float, float] = (1e-5, 1e-3)
    """Lowest and highest learning rate of these steps, on a log scale."""
    frozen: tuple[tuple[str, ...], ...] = ((), ("conv1", "conv2", "conv3"))
    """Sets of layers to freeze in these steps; the empty one freezes none."""
    fixed_norm: tuple[bool, ...] = (True, False)
    """Whether batch norm keeps the statistics of the start in these steps."""
    averaging: tuple[float, ...] = (0.0, 0.99)
    """Decay of the average of the weights over these steps; 0 takes no average."""

    def __post_init__(self) -> None:
        _check_rising("strength", self.strength)
        _check_rising("lr", self.lr)
        if self.max_steps < 0 or self.max_steps % STRIDE:
            raise ValueError(f"at most {self.max_steps} steps: give 0 or more, in hundreds")
        if not (self.frozen and self.fixed_norm and self.averaging):
            raise ValueError("give at least one choice of frozen, fixed_norm and averaging")

    def parameters(self, training: TrainingConfig) -> dict[str, Any]:
        """Give a training's point in the space."""
        steps = training.min_steps if training.max_epochs else 0
        probe = training.probe
        inside = (
            probe is not None
            and self.strength[0] <= probe <= self.strength[1]
            and 0 <= steps <= self.max_steps
            and steps % STRIDE == 0
            and self.lr[0] <= training.lr <= self.lr[1]
            and training.frozen in self.frozen
            and training.fixed_norm in self.fixed_norm
            and training.averaging in self.averaging
        )
        if not inside:
            raise ValueError(
                f"the first setting (probe {probe}, {steps} steps at lr {training.lr}, frozen"
                f" {frozen_name(training.frozen)}, fixed_norm {training.fixed_norm}, averaging"
                f" {training.averaging}) is not among those to choose from ({self})"
            )
        return {
            "probe": probe,
            "steps": steps,
            "lr": training.lr,
            "frozen": frozen_name(training.frozen),
            "fixed_norm": training.fixed_norm,
            "averaging": training.averaging,
        }

    def training(self, base: TrainingConfig, parameters: dict[str, Any]) -> TrainingConfig:
        """Give the training at a point; settings that are not searched come from `base`."""
        if parameters == self.parameters(base):
            return base  # which may count its steps by epochs
        chosen = replace(
            base,
            probe=parameters["probe"],
            lr=parameters["lr"],
            frozen=_by_name(self.frozen)[parameters["frozen"]],
            fixed_norm=parameters["fixed_norm"],
            averaging=parameters["averaging"],
        )
        steps = parameters["steps"]
        if steps == 0:
            return replace(chosen, max_epochs=0)
        return replace(chosen, max_epochs=1, min_steps=steps, patience=None, keep="last")

    def distributions(self) -> dict[str, BaseDistribution]:
        """Give the space as Optuna's distributions."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        return {
            "probe": FloatDistribution(*self.strength, log=True),
            "steps": IntDistribution(0, self.max_steps, step=STRIDE),
            "lr": FloatDistribution(*self.lr, log=True),
            "frozen": CategoricalDistribution(list(_by_name(self.frozen))),
            "fixed_norm": CategoricalDistribution(self.fixed_norm),
            "averaging": CategoricalDistribution(self.averaging),
        }


def frozen_name(layers: tuple[str, ...]) -> str:
    """Name of a set of frozen layers, such as `conv1+conv2`."""
    return "+".join(layers) or NOT_FROZEN


def _by_name(sets: tuple[tuple[str, ...], ...]) -> dict[str, tuple[str, ...]]:
    return {frozen_name(layers): layers for layers in sets}


def _check_rising(name: str, limits: tuple[float, float]) -> None:
    least, greatest = limits
    if not (0 < least < greatest and math.isfinite(greatest)):
        raise ValueError(f"{name} from {least} to {greatest}: give two rising numbers")
