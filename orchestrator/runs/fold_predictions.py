"""What the folds of a cross-validation predicted for a run's regions, each tested once."""

import numpy as np
from numpy.typing import NDArray

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part, Sampling
from data.dataset.selection import Selection
from orchestrator.report.calls import read_predictions
from orchestrator.runs.store import RunStore
from orchestrator.spec import RunSpec


def tested_by_folds(spec: RunSpec, store: RunStore) -> tuple[Selection, NDArray[np.float32]]:
    """Combine the predictions of a run's folds.

    Parameters
    ----------
    spec
        A run that is judged by folds, all of which are complete.
    store
        Has the folds.

    Returns
    -------
    Selection
        The n regions of all folds, sorted by id, all of them to test on.
    array
        Probability of each by the model that did not learn from it, shape (n, 1).

    Raises
    ------
    RunError
        If a fold is not complete, or damaged.
    """
    found = [read_predictions(store.open(fold.key)) for fold in spec.folds]
    ids = np.concatenate([one.region_ids for one in found])
    order = np.argsort(ids)
    labels = np.concatenate([one.bound for one in found]).astype(np.int8)
    tested = Selection(
        region_ids=ids[order],
        labels=labels[order, None],
        part=np.full(len(ids), Part.TEST, dtype=np.uint8),
    )
    return tested, np.concatenate([one.probability for one in found])[order, None]


def folds_of(
    sampling: Sampling, regions: RegionTable, ids: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Find the fold that tests each of some regions, counted from 0, shape (n,); None without any.

    Parameters
    ----------
    ids
        Rows of the region table, shape (n,).
    """
    if not sampling.folds:
        return None
    fold = np.zeros(len(ids), dtype=np.int64)
    for number, chroms in enumerate(sampling.folds):
        fold[regions.lies_on(chroms, ids)] = number
    return fold
