"""Predictions by a TF's motif alone: the baseline that needs no training.

A region's score is that of the motif's best hit on either strand, in bits over a uniform
background. Regions at or above a threshold are called bound: the threshold of highest MCC over the
regions that a network would train and validate on. The odds of binding are assumed to double with
each bit above it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part
from data.dataset.selection import Selection
from data.dataset.store import Dataset
from data.errors import DataError
from data.motifs.database import Jaspar, jaspar_matrix, jaspar_motifs
from data.motifs.motif import Motif
from data.motifs.scan import best_hits
from data.own_tf.record import added_motif
from data.packing import unpack

_HASH_MARK: Final = "#"
"""Separates the name of a motif that is not JASPAR's from the hash of its matrix."""


def motif_of(tf: str, jaspar: Jaspar) -> Motif:
    """Find the motif of a TF in a part of JASPAR, that of its monomer if there is one.

    Raises
    ------
    DataError
        If there is none.
    """
    motifs = jaspar_motifs(jaspar).get(tf.upper())
    if not motifs:
        raise DataError(f"{jaspar.name} has no motif of {tf}; leave it out or rename it")
    return motifs[0]


def motif_name(motif: Motif) -> str:
    """Name a motif for a run spec: JASPAR's identifier, or the name and hash of another motif."""
    known = jaspar_matrix(motif.matrix_id)
    if known is not None and np.array_equal(known.probabilities, motif.probabilities):
        return motif.matrix_id
    return f"{motif.matrix_id}{_HASH_MARK}{motif.digest}"


def motif_named(name: str, dataset: Dataset, tf: str) -> Motif:
    """Find the motif that a run spec names.

    Parameters
    ----------
    name
        As :func:`motif_name` gives it.
    tf
        The added TF whose sites were predicted by the motif, if the motif is not JASPAR's.

    Raises
    ------
    DataError
        If there is no such motif.
    """
    if _HASH_MARK in name:
        motif = added_motif(dataset, tf)
        if motif is None or motif_name(motif) != name:
            raise DataError(f"{tf} was not added by a motif {name!r}; plan the run again")
        return motif
    motif = jaspar_matrix(name)
    if motif is None:
        raise DataError(f"JASPAR has no motif {name!r} in any release")
    return motif


def motif_probabilities(
    motif: Motif, regions: RegionTable, selection: Selection
) -> NDArray[np.float32]:
    """Score the test regions of an individual model, shape (n, 1)."""
    scores = best_hits(unpack(regions.sequences[selection.region_ids]), motif).score
    seen, test = selection.part != Part.TEST, selection.part == Part.TEST
    threshold = best_cut(selection.labels[seen, 0] == 1, scores[seen])
    # exponents beyond a float's reach would warn and change nothing
    bits = np.clip(scores[test] - threshold, -100, 100)
    return (1 / (1 + np.exp2(-bits)))[:, None].astype(np.float32)


def best_cut(bound: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """Find the threshold of the score that has the highest MCC.

    It is halfway between two scores that occur; of equally good thresholds, the lowest one.

    Parameters
    ----------
    bound
        Labels, shape (n,).
    scores
        Shape (n,).
    """
    order = np.argsort(scores, kind="stable")
    ranked, is_bound = scores[order].astype(np.float64), bound[order]
    cuts = np.flatnonzero(np.diff(ranked) > 0) + 1  # number of regions below the threshold
    if not len(cuts):
        return float(ranked[0])
    missed = np.cumsum(is_bound)[cuts - 1]
    hit, num_bound = is_bound.sum() - missed, is_bound.sum()
    called, num = len(ranked) - cuts, len(ranked)
    # MCC is the covariance of label and call over the product of their standard deviations
    covariance = num * hit - called * num_bound
    scale = np.sqrt(called * (num - called).astype(np.float64))
    best = cuts[np.argmax(covariance / scale)]
    return float((ranked[best - 1] + ranked[best]) / 2)
