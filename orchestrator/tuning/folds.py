"""What fine-tuning settings are searched, and how one setting is judged.

A setting is judged by cross-validation within the regions that the tuned run trains and validates
on. They are dealt into parts of the size of the validation part, which is the first of them. In a
fold one part judges, the next one chooses the epoch, and the network learns from all the others;
the setting's worth is the mean over the folds of the loss on the part that judges. The reasons:

- A single validation part of 100 regions is noise. Every setting is judged on the same parts by
  the same seeds, so that settings are compared pair by pair.
- The epoch is not chosen on the part that judges. Training goes through the same epochs however
  many come after, so the best validation loss can only fall with more epochs, and the longest
  training would always win.
- All parts come from one draw of regions, and not from the draws of several replicates: of what
  one replicate tests on, the others train on a part. This way no trial sees a test region of the
  tuned run, as a setting chosen on test regions would make the test worth nothing.

A fold learns from one part less than the run does (at 80/10/10 from 7/8 of its training regions).
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.region_table import RegionTable
from data.sampling import Part, Selection
from model.training import Examples, TrainingConfig, train
from orchestrator.errors import RunError
from orchestrator.execute import one_thread, starting_network
from orchestrator.loaded_dataset import load_dataset
from orchestrator.spec import RunSpec
from orchestrator.store import RunStore
from orchestrator.workspace import Workspace

TUNING_VERSION: Final = 1
"""Raised when the same tuning comes to mean another search."""

NOT_FROZEN: Final = "none"


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """Settings to choose among; all else of a training stays as it is.

    Raises
    ------
    ValueError
        A range is empty or out of bounds.
    """

    lr: tuple[float, float] = (3e-5, 3e-3)
    """Least and greatest learning rate, searched by its logarithm. Paper: 0.0003."""
    epochs: tuple[int, int] = (3, 40)
    """Fewest and most epochs, searched by their logarithm. Paper: 10."""
    frozen: tuple[tuple[str, ...], ...] = ((), ("conv1",), ("conv1", "conv2", "conv3"))
    """Sets of layers to freeze; the empty one freezes none. Paper: none."""
    batch_sizes: tuple[int, ...] = (20, 50, 100)
    """Examples a step. Paper: 100."""

    def __post_init__(self) -> None:
        if not (0 < self.lr[0] < self.lr[1] and math.isfinite(self.lr[1])):
            raise ValueError(f"lr from {self.lr[0]} to {self.lr[1]}: give two rising numbers")
        if not 1 <= self.epochs[0] < self.epochs[1]:
            raise ValueError(
                f"epochs from {self.epochs[0]} to {self.epochs[1]}: give two rising numbers"
            )
        if not self.frozen or not self.batch_sizes:
            raise ValueError("give at least one set of layers to freeze and one batch size")

    def parameters(self, training: TrainingConfig) -> dict[str, Any]:
        """Give a training's place in the space: values by name of parameter.

        Raises
        ------
        ValueError
            The training lies outside.
        """
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
        """Undo :meth:`parameters`; what is not searched comes from `base`."""
        frozen = {frozen_name(layers): layers for layers in self.frozen}
        return replace(
            base,
            lr=parameters["lr"],
            max_epochs=parameters["epochs"],
            frozen=frozen[parameters["frozen"]],
            batch_size=parameters["batch_size"],
        )


def frozen_name(layers: tuple[str, ...]) -> str:
    """Name of a set of frozen layers, such as `conv1+conv2`."""
    return "+".join(layers) or NOT_FROZEN


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A search for the settings of one fine-tuning."""

    run: RunSpec
    """The fine-tuning as the experiment has it; its settings are the first to be tried."""
    space: SearchSpace
    num_folds: int
    """Parts that each setting is judged on."""

    def __post_init__(self) -> None:
        if self.run.training is None or self.run.start is None:
            raise ValueError("only a training that starts from a multi-model is tuned")
        if self.num_folds < 1:
            raise ValueError(f"{self.num_folds} folds judge nothing; give 1 or more")
        self.space.parameters(self.run.training)

    @property
    def tf(self) -> str:
        """The TF that the individual model is about."""
        return self.run.regions.tfs[0]

    @property
    def first(self) -> TrainingConfig:
        """The settings that the experiment has."""
        assert self.run.training is not None  # checked when made
        return self.run.training

    @cached_property
    def key(self) -> str:
        """Hash of all that decides which settings are best, 16 hexadecimal digits."""
        content = {
            "version": TUNING_VERSION,
            "run": self.run.key,
            "space": asdict(self.space),
            "folds": self.num_folds,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Which of a selection's regions serve for what; indices into its arrays."""

    learn: NDArray[np.int64]
    """Regions to train on."""
    choose: NDArray[np.int64]
    """Regions to choose the epoch by."""
    judge: NDArray[np.int64]
    """Regions that the setting is judged by."""


def make_folds(selection: Selection, num_folds: int, seed: int) -> tuple[Fold, ...]:
    """Deal the regions for training and validation into parts, stratified by label.

    Parameters
    ----------
    selection
        Of an individual model. Its test regions are left alone.
    num_folds
        How many parts judge, the validation part first.
    seed
        Decides which training regions come together.

    Raises
    ------
    RunError
        There are fewer parts than folds.
    """
    validation, training = selection.rows(Part.VAL), selection.rows(Part.TRAIN)
    num_more = max(2, round(len(training) / len(validation)))
    if num_folds > num_more + 1:
        raise RunError(
            f"{len(training) + len(validation)} regions for training and validation make"
            f" {num_more + 1} parts; give {num_more + 1} folds or fewer"
        )
    rng = np.random.default_rng([seed, 2])
    bound = selection.labels[training, 0] == 1
    dealt = [
        np.array_split(rng.permutation(training[of_class]), num_more)
        for of_class in (bound, ~bound)
    ]
    parts = [validation, *(np.sort(np.concatenate(pair)) for pair in zip(*dealt, strict=True))]
    return tuple(
        Fold(
            learn=np.sort(np.concatenate([parts[i] for i in _others(number, len(parts))])),
            choose=parts[(number + 1) % len(parts)],
            judge=parts[number],
        )
        for number in range(num_folds)
    )


def _others(number: int, num_parts: int) -> list[int]:
    return [i for i in range(num_parts) if i not in (number, (number + 1) % num_parts)]


def judge(tuning: Tuning, training: TrainingConfig, workspace: Workspace) -> tuple[float, ...]:
    """Fine-tune with some settings and give the loss of each fold, mean over its regions.

    The loss is the binary cross-entropy on both strands, of the weights that a run with these
    settings would keep. Folds differ in their regions and in their seed, and are the same for
    all settings.

    Raises
    ------
    DataError, ModelError, RunError
        There are too few regions, a loss is not finite, or the multi-model is not complete.
    """
    loaded = load_dataset(workspace)
    selection = loaded.select(tuning.run.regions)
    folds = make_folds(selection, tuning.num_folds, tuning.run.seed)
    losses = []
    with one_thread():
        for number, fold in enumerate(folds):
            spec = replace(tuning.run, seed=derived_seed(tuning.run.seed, number))
            network = starting_network(spec, RunStore(workspace), loaded.dataset)
            learn, choose, held_out = (
                _examples(loaded.regions, selection, rows)
                for rows in (fold.learn, fold.choose, fold.judge)
            )
            train(network, learn, choose, training, seed=spec.seed)
            no_more = replace(training, max_epochs=0)
            losses.append(train(network, learn, held_out, no_more, seed=0).best_val_loss)
    return tuple(losses)


def derived_seed(seed: int, number: int) -> int:
    """One of many seeds that follow from one."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _examples(regions: RegionTable, selection: Selection, rows: NDArray[np.int64]) -> Examples:
    return Examples(
        sequences=regions.sequences[selection.region_ids[rows]], labels=selection.labels[rows]
    )
