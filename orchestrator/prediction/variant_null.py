"""What effects of variants are compared with: how large they are by chance, for one model.

The null has substitutions in the middle of random sequences, each with the dinucleotides of a
window of the genome: no site is there but by chance. It is made once for a model and a genome and
kept, in the workspace or, without one, in the user's cache.

Of a variant, the *p-value* is the share of substitutions of the null that change the logit by as
much or more, in either direction (counting the variant itself, so that it is never 0). The
*q-value* is the least rate of false discoveries of a list that has the variant on it (Benjamini
and Hochberg 1995). The *quantile of the reference* is the share of windows of the genome that are
predicted to be bound with a lower probability.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.atomic import whole_file
from data.packing import pack
from data.queries.background import background_windows, of_same_composition
from data.queries.variants import VariantBatch
from data.records import RecordError, from_json, to_json
from data.sources.genome import Genome, user_cache
from data.temporary import temporary_folder
from model.checkpoint import WEIGHTS_FILE
from model.device import one_thread
from model.ensemble import Member, Prediction, predict_ensemble
from orchestrator.prediction.predictors import Predictor
from orchestrator.prediction.writers import Writer
from orchestrator.workspace import Workspace

NUM_WINDOWS: Final = 1000
"""Windows of the genome; each gives six pairs of alleles."""
MIN_WINDOWS: Final = 20
"""Windows below which nothing is compared."""
NULL_VERSION: Final = 1
"""Increase it when a null comes to be made in another way."""


@dataclass(frozen=True, kw_only=True)
class VariantNull:
    """The null of a model, as it is kept."""

    version: int
    effects: tuple[float, ...]
    """Absolute changes of the logit, sorted."""
    probabilities: tuple[float, ...]
    """Probabilities of windows of the genome, sorted."""

    def p_values(self, logit_effects: NDArray[np.float32]) -> NDArray[np.float64]:
        """p-value of each effect, shape (n,); NaN where there is none."""
        below = np.searchsorted(self.effects, np.abs(logit_effects), side="left")
        found = (len(self.effects) - below + 1) / (len(self.effects) + 1)
        return np.where(np.isfinite(logit_effects), found, np.nan)

    def quantiles(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """Quantile of each probability, shape (n,); NaN where there is none."""
        below = np.searchsorted(self.probabilities, probabilities, side="left")
        found = below / len(self.probabilities)
        return np.where(np.isfinite(probabilities), found, np.nan)

    def columns(
        self, batch: VariantBatch, reference: Prediction, alternative: Prediction
    ) -> dict[str, NDArray[np.float64]]:
        """Give the columns of some variants; p-values of substitutions of one base alone."""
        differ = (batch.reference != batch.alternative).sum(axis=1)
        same_length = [len(one.reference) == len(one.alternative) for one in batch.variants]
        effects = np.where((differ == 1) & same_length, alternative.logit - reference.logit, np.nan)
        return {
            "ref_quantile": self.quantiles(reference.probability),
            "p_value": self.p_values(effects.astype(np.float32)),
        }


def null_of(
    workspace: Workspace,
    predictor: Predictor,
    members: Sequence[Member],
    genome: Genome,
    on_making: Callable[[], None] = lambda: None,
) -> VariantNull | None:
    """Give the null of a model and a genome: the one that was kept, or a new one, which is kept.

    Parameters
    ----------
    workspace
        Keeps it; where it does not exist, the user's cache does.
    members
        The networks of the predictor.
    on_making
        Called before one is made, which takes some seconds; by default nothing is.

    Returns
    -------
    VariantNull, or None
        None where the genome has hardly a window without an unknown base.
    """
    name = f"{_digest(predictor, genome)}.json"
    folder = workspace.nulls if workspace.root.is_dir() else user_cache() / "nulls"
    kept = folder / name
    with suppress(OSError, RecordError):  # one that is damaged, or of another version, is made anew
        return from_json(kept.read_bytes(), VariantNull, {"version": NULL_VERSION})
    on_making()
    made = make_null(members, genome)
    if made is not None:
        with suppress(OSError):  # where nothing can be written it is made each time
            folder.mkdir(parents=True, exist_ok=True)
            with whole_file(kept) as partial:
                partial.write_text(to_json(made))
    return made


def make_null(members: Sequence[Member], genome: Genome) -> VariantNull | None:
    """Make the null of some networks; None where a genome has hardly any windows."""
    windows = background_windows(genome, members[0].length_bp, NUM_WINDOWS)
    if len(windows) < MIN_WINDOWS:
        return None
    random = of_same_composition(windows)
    middle = windows.shape[1] // 2
    logits = []
    with one_thread():
        for base in range(4):
            random[:, middle] = base
            logits.append(predict_ensemble(members, pack(random)).logit)
        probabilities = predict_ensemble(members, pack(windows)).probability
    effects = np.concatenate([np.abs(one - other) for one, other in combinations(logits, 2)])
    return VariantNull(
        version=NULL_VERSION,
        effects=tuple(np.sort(effects).tolist()),
        probabilities=tuple(np.sort(probabilities).tolist()),
    )


def _digest(predictor: Predictor, genome: Genome) -> str:
    """Name what decides a null: weights, their calibration, and the genome."""
    digest = hashlib.blake2b(digest_size=16)
    for one in predictor.replicates:
        digest.update((one.folder / WEIGHTS_FILE).read_bytes())
        digest.update(f"{one.output} {one.calibration}".encode())
    size = genome.path.stat().st_size
    digest.update(json.dumps([genome.lengths_bp, size, NUM_WINDOWS]).encode())
    return digest.hexdigest()


@contextmanager
def with_q_values(writer: Writer) -> Iterator[Writer]:
    """Give a writer of tables with p-values; all are written, with q-values, when the block ends.

    They wait in temporary files, since a q-value depends on all p-values.
    """
    with temporary_folder("variants") as folder:
        held = _Held(folder)
        yield held
        q_values = benjamini_hochberg(np.concatenate([np.empty(0), *held.p_values]))
        first = 0
        for number, own in enumerate(held.p_values):
            table = pd.read_parquet(held.path(number))
            writer.write(table.assign(q_value=q_values[first : first + len(own)]))
            first += len(own)


class _Held:
    """Holds tables back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.p_values: list[NDArray[np.float64]] = []

    def path(self, number: int) -> Path:
        """File of a table."""
        return self._folder / f"{number}.parquet"

    def write(self, table: pd.DataFrame) -> None:
        """Hold a table."""
        table.to_parquet(self.path(len(self.p_values)))
        self.p_values.append(table["p_value"].to_numpy(dtype=np.float64))


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """q-values of p-values, NaN where there is none: shape (n,).

    As `scipy.stats.false_discovery_control`, whose import takes longer than most predictions.
    """
    found = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    largest_first = known[np.argsort(p_values[known])[::-1]]
    num = len(known)
    scaled = p_values[largest_first] * num / np.arange(num, 0, -1)
    found[largest_first] = np.minimum.accumulate(np.minimum(scaled, 1.0))
    return found
