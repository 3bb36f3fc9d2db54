"""Filters followed through fine-tuning (Fig. 3B): before, after, and in training from scratch.

Fine-tuning keeps a filter's place in the layer: filter 12 of the individual model has developed
from filter 12 of its multi-model. A filter resembles the target's motif if its q-value to any
profile of the target is below a threshold; q-values are computed per network, over all of its
comparisons.

Two distances measure how far a filter moved, both 0 if nothing changed. The distance of motifs is 1
minus the Pearson correlation of the PWMs at their best offset (`data.motifs.pwm.pwm_distance`), and
depends on the regions read. The distance of weights is 1 minus the cosine of the angle between
them, and does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.motifs.database import MotifDatabase
from data.motifs.matches import ALPHA
from data.motifs.motif import tf_names
from data.motifs.pwm import pwm_distance
from data.steps import OnStep, silent
from model.checkpoint import load_state
from orchestrator.errors import RunError
from orchestrator.interpretation.run_motifs import StoredMotifs, run_motifs
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.workspace import Workspace

COLUMNS: Final = (
    "filter",
    "match_before",
    "q_before",
    "match_after",
    "q_after",
    "pwm_distance",
    "weight_distance",
    "target_q_before",
    "target_q_after",
    "target_like_before",
    "target_like_after",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FollowedFilters:
    """Filters of a multi-model before and after fine-tuning, and how many resemble the target."""

    table: pd.DataFrame
    """A row per filter, :data:`COLUMNS`. If a filter has no motif that can be compared, matches and
    q-values are empty, and the target's q-value is 1."""
    num_target_like: dict[str, int]
    """Filters that resemble the target's motif, by arm: multi, transfer, scratch."""
    num_matched: dict[str, int]
    """Filters that match any motif, by arm."""
    stored: Mapping[str, StoredMotifs]
    """The motifs that were compared, by arm."""


def follow_runs(
    transfer: StoredRun,
    scratch: StoredRun,
    workspace: Workspace,
    database: MotifDatabase,
    *,
    tfs: Sequence[str] = (),
    on_step: OnStep = silent,
) -> FollowedFilters:
    """Read the first layers of paired runs and of their multi-model, and follow the filters.

    Parameters
    ----------
    transfer, scratch
        Finished runs of a target TF, on the same regions.
    workspace
        Has the dataset and the multi-model.
    database
        Motifs to compare the filters with.
    tfs
        TFs whose profiles are the target's motif; the target itself by default.
    on_step
        Called with each step; by default nothing is reported.

    Raises
    ------
    RunError
        If the transfer started from no multi-model.
    """
    start = transfer.planned.spec.start_run
    if start is None:
        raise RunError(
            f"run {transfer.key} started from no multi-model of this workspace; name a transfer "
            "run that did"
        )
    multi = RunStore(workspace).open(start.key)
    stored = {
        arm: run_motifs(run, workspace, database, on_step=on_step)
        for arm, run in (("multi", multi), ("transfer", transfer), ("scratch", scratch))
    }
    return follow_filters(
        stored,
        tfs or transfer.planned.spec.regions.tfs,
        weights=(conv_weights(multi), conv_weights(transfer)),
    )


def follow_filters(
    stored: dict[str, StoredMotifs],
    tfs: Sequence[str],
    *,
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
    alpha: float = ALPHA,
) -> FollowedFilters:
    """Compare filters before and after fine-tuning, and count those that resemble a target.

    Parameters
    ----------
    stored
        Motifs of the arms multi, transfer and scratch, compared with one database.
    tfs
        TFs whose profiles are the target's motif.
    weights
        The layer's weights in the multi-model and in the fine-tuned network, each (F, ...).
    alpha
        Q-value below which a filter resembles the target's motif.

    Raises
    ------
    RunError
        If the database has no motif of these TFs, or the networks differ in their filters.
    """
    before, after = stored["multi"], stored["transfer"]
    if weights[0].shape != weights[1].shape:
        raise RunError(
            f"the multi-model's filters have shape {weights[0].shape}, the fine-tuned ones"
            f" {weights[1].shape}; they cannot be followed"
        )
    target_q = {arm: _target_q(motifs, tfs) for arm, motifs in stored.items()}
    table = pd.DataFrame(
        {
            "filter": before.table["filter"],
            "match_before": before.table["match_name"],
            "q_before": before.table["q_value"],
            "match_after": after.table["match_name"],
            "q_after": after.table["q_value"],
            "pwm_distance": [
                pwm_distance(one, two)
                for one, two in zip(
                    before.motifs.frequencies, after.motifs.frequencies, strict=True
                )
            ],
            "weight_distance": _cosine_distance(*weights),
            "target_q_before": target_q["multi"],
            "target_q_after": target_q["transfer"],
            "target_like_before": target_q["multi"] < alpha,
            "target_like_after": target_q["transfer"] < alpha,
        }
    )
    return FollowedFilters(
        table=table,
        num_target_like={arm: int((q < alpha).sum()) for arm, q in target_q.items()},
        num_matched={arm: motifs.num_matched(alpha) for arm, motifs in stored.items()},
        stored=stored,
    )


def conv_weights(run: StoredRun, layer: int = 1) -> NDArray[np.float32]:
    """Weights of a run's convolution, shape (F, C, 1, width)."""
    return load_state(run.path)[f"conv{layer}.conv.weight"].numpy()


def target_matches(stored: StoredMotifs, tfs: Sequence[str]) -> pd.DataFrame:
    """Find the best match of each compared filter among the profiles of some TFs.

    Returns
    -------
    DataFrame
        Rows of `StoredMotifs.matches`, with the filter as index.

    Raises
    ------
    RunError
        If the database has no motif of these TFs.
    """
    matches, wanted = stored.matches, {tf.upper() for tf in tfs}
    names = matches["name"].unique()
    of_target = [name for name in names if wanted & set(tf_names(name))]
    if len(names) and not of_target:
        raise RunError(
            f"{stored.info.database} has no motif of {', '.join(tfs)}; name TFs that it has"
        )
    found = matches[matches["name"].isin(of_target)]
    return found.sort_values("q_value", kind="stable").drop_duplicates("filter").set_index("filter")


def _target_q(stored: StoredMotifs, tfs: Sequence[str]) -> NDArray[np.float64]:
    """Smallest q-value of each filter to any profile of some TFs, shape (F,)."""
    best = target_matches(stored, tfs)["q_value"]
    return best.reindex(stored.table["filter"], fill_value=1.0).to_numpy()


def _cosine_distance(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute 1 minus the cosine between the weights of each filter, shape (F,)."""
    a, b = (weights.reshape(len(weights), -1).astype(np.float64) for weights in (one, two))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore"):
        return 1.0 - (a * b).sum(axis=1) / norms
