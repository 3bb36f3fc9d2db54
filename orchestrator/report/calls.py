"""What finished runs called bound on their test regions, read back from the run store."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.metrics import THRESHOLD
from orchestrator.errors import RunError
from orchestrator.runs.store import PREDICTIONS_FILE, RunStore, StoredRun

_LEAST: Final = 1e-6
"""Smallest distance of a probability from 0 and 1; closer ones are moved to it."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """A run's predictions of its n test regions of one TF."""

    region_ids: NDArray[np.int64]
    """Rows of the region table, shape (n,)."""
    bound: NDArray[np.bool_]
    """Labels, shape (n,)."""
    probability: NDArray[np.float32]
    """As the network gave it, not calibrated, shape (n,)."""
    fold: NDArray[np.int64] | None = None
    """Which fold of a cross-validation each was tested in, shape (n,); None without one."""

    @property
    def called(self) -> NDArray[np.bool_]:
        """Whether the probability is 0.5 or more, shape (n,)."""
        return self.probability >= THRESHOLD

    @property
    def logits(self) -> NDArray[np.float32]:
        """The probabilities as logits, shape (n,)."""
        inside = np.clip(self.probability.astype(np.float64), _LEAST, 1 - _LEAST)
        return np.log(inside / (1 - inside)).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Calls:
    """A run's test regions and which of them it calls bound; n regions of one TF."""

    region_ids: NDArray[np.int32]
    """Rows of the region table, shape (n,)."""
    bound: NDArray[np.bool_]
    """Labels, shape (n,)."""
    called: NDArray[np.bool_]
    """Whether the probability is 0.5 or more, shape (n,)."""
    regions: str
    """Hash of the regions' ids and labels: the same for runs that can be compared pair by pair."""


def read_calls(store: RunStore, keys: Iterable[str]) -> dict[str, Calls]:
    """Read the calls of runs on one TF, by key.

    Raises
    ------
    RunError
        If predictions are missing or damaged.
    """
    return {key: _calls(store.open(key)) for key in keys}


def read_predictions(run: StoredRun) -> Predictions:
    """Read a run's predictions of its test regions, those with a resolved label.

    Raises
    ------
    RunError
        If they are missing or damaged.
    """
    path = run.path / PREDICTIONS_FILE
    try:
        table = pq.read_table(path, columns=["region_id", "label", "probability"])
    except FileNotFoundError:
        raise RunError(f"{path}: is missing; remove {run.path} and run again") from None
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{path}: damaged ({reason}); remove {run.path} and run again") from None
    probability = table["probability"].to_numpy()
    if not ((probability >= 0) & (probability <= 1)).all():
        raise RunError(
            f"{path}: damaged (a probability is not between 0 and 1); remove {run.path} and run "
            "again"
        )
    return Predictions(
        region_ids=table["region_id"].to_numpy().astype(np.int64),
        bound=table["label"].to_numpy() == 1,
        probability=probability,
    )


def _calls(run: StoredRun) -> Calls:
    found = read_predictions(run)
    digest = hashlib.blake2b(found.region_ids.tobytes(), digest_size=8)
    digest.update(found.bound.astype(np.int8).tobytes())
    return Calls(
        region_ids=found.region_ids.astype(np.int32),
        bound=found.bound,
        called=found.called,
        regions=digest.hexdigest(),
    )
