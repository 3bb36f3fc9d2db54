"""Predictions by rivals: ways to predict binding that need no network, on a run's own regions.

Each is fitted to the regions that a network would be trained and validated on, and predicts those
to test on; where a run is judged by folds, it is fitted anew for each. The features of a region
(the best hits of all motifs, the biosamples in which it is open) are computed once in a process.

The settings were chosen by the development TFs of benchmarks/RESULTS.md.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.sampling import Part
from data.dataset.selection import Selection
from data.motifs.database import Jaspar, jaspar_matrices
from model.gapped_kmers import MAX_SPAN, NUM_BASES
from model.motif_scan import best_scores
from model.rivals import k_mer_probabilities, logistic_probabilities
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.ls_gkm import ls_gkm_probabilities
from orchestrator.spec import RegionSpec, Rival, RunSpec

ALL_MOTIFS_STRENGTH: Final = 0.003
"""Inverse strength of the penalty on the hits of all motifs."""
MAX_KEPT: Final = 50_000
"""Regions whose motifs' hits are kept at most: 75 MB."""

Fit = Callable[[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.float64]]
"""Takes the regions to learn from and those to predict, and gives probabilities of the latter."""


def rival_predictions(
    spec: RunSpec, loaded: LoadedDataset
) -> tuple[Selection, NDArray[np.float32]]:
    """Let a rival predict the test regions of a run.

    Returns
    -------
    Selection
        The n test regions, sorted by id: the run's own or, where folds judge it, those of all.
    array
        Probability of each, shape (n, 1).

    Raises
    ------
    DataError
        The installed `pyjaspar` lacks the part of JASPAR, or the dataset does not say where
        regions are open.
    ModelError
        There are regions of one class only to learn from.
    RunError
        LS-GKM cannot be run.
    """
    ids, labels, probabilities = [], [], []
    for regions in _tested(spec.regions):
        # a fold of a sample tests regions that were not sampled too
        selection = loaded.select(regions)
        asked = selection.part == Part.TEST
        ids.append(selection.region_ids[asked])
        labels.append(selection.labels[asked])
        probabilities.append(_fit_of(spec, loaded, selection)(~asked, asked))
    order = np.argsort(np.concatenate(ids))
    tested = Selection(
        region_ids=np.concatenate(ids)[order],
        labels=np.concatenate(labels)[order],
        part=np.full(len(order), Part.TEST, dtype=np.uint8),
    )
    return tested, np.concatenate(probabilities)[order, None].astype(np.float32)


def _tested(regions: RegionSpec) -> tuple[RegionSpec, ...]:
    """Give the regions as they are, or as each fold splits them."""
    sampling = regions.sampling
    if not sampling.is_judged_by_folds:
        return (regions,)
    return tuple(
        replace(regions, sampling=sampling.of_fold(number)) for number in range(len(sampling.folds))
    )


def _fit_of(spec: RunSpec, loaded: LoadedDataset, selection: Selection) -> Fit:
    """Give what fits a rival to some of a selection's regions and predicts others of them."""
    rival = Rival(spec.rival)
    ids, bound = selection.region_ids, selection.labels[:, 0] == 1
    sequences = loaded.regions.sequences[ids]
    if rival is Rival.LS_GKM:
        return lambda known, asked: ls_gkm_probabilities(
            sequences[known], bound[known], sequences[asked]
        )
    if rival in (Rival.K_MERS, Rival.GKM_SVM):
        span = NUM_BASES if rival is Rival.K_MERS else MAX_SPAN
        return lambda known, asked: k_mer_probabilities(
            sequences[known], bound[known], sequences[asked], num_bases=NUM_BASES, max_span=span
        )
    gc = loaded.regions.gc[ids]
    if rival is Rival.OPENNESS:
        features, strength = np.column_stack([gc, _open_in(loaded)[ids]]), 1.0
    else:
        hits = _hits_of(loaded, Jaspar.called(spec.jaspar)).of(ids)
        features, strength = np.column_stack([hits, gc]), ALL_MOTIFS_STRENGTH
    return lambda known, asked: logistic_probabilities(
        features[known], bound[known], features[asked], strength=strength
    )


@lru_cache(maxsize=1)
def _open_in(loaded: LoadedDataset) -> NDArray[np.float32]:
    """Count the biosamples in which each region of a dataset is open, shape (N,).

    Raises
    ------
    DataError
        If the dataset does not say.
    """
    return loaded.dataset.open_in().sum(axis=1, dtype=np.float32)


class _MotifHits:
    """Best hits of all motifs of JASPAR in the regions of a dataset, each region scanned once."""

    def __init__(self, loaded: LoadedDataset, jaspar: Jaspar) -> None:
        self._regions = loaded.regions
        self._log_odds = [motif.log_odds for motif in jaspar_matrices(jaspar)]
        self._forget()

    def _forget(self) -> None:
        self._row = np.full(len(self._regions), -1, dtype=np.int64)
        self._hits = np.empty((0, len(self._log_odds)), dtype=np.float16)

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Bits of the best hits in some regions, shape (n, M)."""
        missing = ids[self._row[ids] < 0]
        if len(self._hits) + len(missing) > MAX_KEPT:
            self._forget()
            missing = ids
        if len(missing):
            found = best_scores(self._regions.sequences[missing], self._log_odds)
            self._row[missing] = len(self._hits) + np.arange(len(missing))
            self._hits = np.concatenate([self._hits, found.astype(np.float16)])
        return self._hits[self._row[ids]].astype(np.float32)


@lru_cache(maxsize=1)
def _hits_of(loaded: LoadedDataset, jaspar: Jaspar) -> _MotifHits:
    return _MotifHits(loaded, jaspar)
