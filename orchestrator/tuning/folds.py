"""A search of fine-tuning settings, and the cross-validation of one setting.

Cross-validation stays within the regions that the tuned run trains and validates on. They are dealt
into parts of the size of the validation part, which is the first part. In each fold one part is
held out, the next one chooses the epoch, and the network learns from all others. The score of a
setting is the loss on the held-out parts, the mean over all folds, of one TF or of several. The
reasons:

- A single validation part of 100 regions is too noisy. Every setting is scored on the same parts
  with the same seeds, so that settings are compared pair by pair.
- The epoch is not chosen on the held-out part. The first epochs of a training are the same however
  many follow, so the best validation loss can only fall with more epochs, and the longest training
  would always win.
- All parts come from one draw of regions, and not from the draws of several replicates, since
  replicates train on some of the regions that others test on. So no trial sees a test region of the
  tuned run: the test of a setting that was chosen on test regions would be biased.

A fold learns from one part less than the run does (at 80/10/10 from 7/8 of its training regions).

Settings that are chosen by several TFs are meant for other TFs: how good they are is measured on
the test regions of those.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.sampling import Part
from data.dataset.selection import Selection
from model.device import one_thread
from model.training.loop import TrainingConfig, TrainingContext, train, validation_loss
from orchestrator.errors import RunError
from orchestrator.runs.execute import examples_of, starting_network
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.spec import RunSpec
from orchestrator.tuning.space import Space
from orchestrator.workspace import Workspace

TUNING_VERSION: Final = 1
"""Increase it when the same tuning comes to mean another search."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A search for settings of fine-tuning, by one TF or by the mean over several."""

    runs: tuple[RunSpec, ...]
    """The fine-tuning of each TF as the experiment plans it. Its settings, the same for all TFs,
    are tried first."""
    space: Space
    num_folds: int
    """Folds of the cross-validation of each TF, 1 or more."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("give at least one fine-tuning")
        if any(run.training is None or run.start_run is None for run in self.runs):
            raise ValueError("only a training that starts from a multi-model is tuned")
        if len({run.start for run in self.runs}) > 1:
            raise ValueError("the TFs of a tuning start from the same multi-model")
        if len({run.training for run in self.runs}) > 1:
            raise ValueError(
                "the TFs differ in how their numbers of bound regions are trained on; give one "
                "number for all (--sample)"
            )
        if self.num_folds < 1:
            raise ValueError(f"{self.num_folds} folds judge nothing; give 1 or more")
        self.space.parameters(self.first)

    @property
    def tfs(self) -> tuple[str, ...]:
        """The TFs whose losses decide, each that of an individual model."""
        return tuple(run.regions.tfs[0] for run in self.runs)

    @property
    def name(self) -> str:
        """Name of the TFs for files and tables."""
        return self.tfs[0] if len(self.tfs) == 1 else f"{len(self.tfs)} TFs"

    @property
    def multi(self) -> RunSpec:
        """The multi-model that all start from."""
        assert self.runs[0].start_run is not None  # checked when made
        return self.runs[0].start_run

    @property
    def first(self) -> TrainingConfig:
        """The settings that the experiment plans."""
        assert self.runs[0].training is not None  # checked when made
        return self.runs[0].training

    @property
    def seed(self) -> int:
        """Seed of the experiment."""
        return self.runs[0].seed

    def by_tf(self, losses: Sequence[float]) -> dict[str, tuple[float, ...]]:
        """Losses of all folds, as :func:`cross_validate` gives them, by TF."""
        folds = self.num_folds
        return {
            tf: tuple(losses[number * folds : (number + 1) * folds])
            for number, tf in enumerate(self.tfs)
        }

    @cached_property
    def key(self) -> str:
        """Hash of everything that decides which settings are best, 16 hexadecimal digits."""
        keys = [run.key for run in self.runs]
        content = {
            "version": TUNING_VERSION,
            **({"run": keys[0]} if len(keys) == 1 else {"runs": keys}),
            "space": asdict(self.space),
            "folds": self.num_folds,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Fold:
    """What a fold uses each of a selection's regions for; indices into its arrays."""

    learn: NDArray[np.int64]
    """Regions to train on."""
    choose: NDArray[np.int64]
    """Regions to choose the epoch by."""
    held_out: NDArray[np.int64]
    """Regions that the setting is scored on."""


def make_folds(selection: Selection, num_folds: int, seed: int) -> tuple[Fold, ...]:
    """Deal the regions for training and validation into parts, stratified by label.

    Parameters
    ----------
    selection
        The regions of an individual model. Its test regions are not used.
    num_folds
        How many parts are held out in turn; the validation part is the first.
    seed
        Decides which training regions form a part.

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
            held_out=parts[number],
        )
        for number in range(num_folds)
    )


def _others(number: int, num_parts: int) -> list[int]:
    return [i for i in range(num_parts) if i not in (number, (number + 1) % num_parts)]


def cross_validate(
    tuning: Tuning, training: TrainingConfig, workspace: Workspace, *, device: str = "cpu"
) -> tuple[float, ...]:
    """Fine-tune with some settings and give the held-out loss of each fold.

    The loss is the mean binary cross-entropy on both strands, with the weights that a run with
    these settings would keep. Folds differ in their regions and in their seed, and are the same for
    all settings.

    Parameters
    ----------
    tuning
        The fine-tunings and the number of folds.
    training
        The settings.
    workspace
        Has the dataset and the multi-model.
    device
        Where to train, "cpu" (the default) or "cuda".

    Returns
    -------
    tuple of float
        The losses of the first TF's folds, then those of the next TF's.

    Raises
    ------
    DataError, ModelError, RunError
        There are too few regions, a loss is not finite, or the multi-model is not complete.
    """
    loaded = load_dataset(workspace)
    losses = []
    with one_thread():
        for run in tuning.runs:
            selection = loaded.select(run.regions)
            folds = make_folds(selection, tuning.num_folds, run.seed)
            for number, fold in enumerate(folds):
                spec = replace(run, seed=derived_seed(run.seed, number))
                network = starting_network(spec, RunStore(workspace), loaded.dataset)
                learn, choose, held_out = (
                    examples_of(loaded.regions, selection, rows)
                    for rows in (fold.learn, fold.choose, fold.held_out)
                )
                context = TrainingContext(device=device)
                train(network, learn, choose, training, seed=spec.seed, context=context)
                losses.append(validation_loss(network, held_out, training, device=device))
    return tuple(losses)


def derived_seed(seed: int, number: int) -> int:
    """Derive one of many seeds from a seed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
