"""What a TF's motif alone says of regions: the baseline that needs no training.

A region's score is that of the motif's best hit on either strand, in bits over a uniform
background. Regions are called bound from a threshold on, the one of highest MCC over the regions
that a network would train and validate on. The odds of being bound are taken to double with each
bit above it.
"""

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs import Motif, best_hits, jaspar_motifs
from data.sampling import Part, Selection
from data.sequence import unpack
from data.store import RegionTable


def motif_of(tf: str) -> Motif:
    """Give the motif of a TF in JASPAR 2020, that of its monomer if there is one.

    Raises
    ------
    DataError
        If there is none.
    """
    motifs = jaspar_motifs().get(tf.upper())
    if not motifs:
        raise DataError(f"JASPAR 2020 has no motif of {tf}; leave it out or rename it")
    return motifs[0]


def motif_probabilities(
    matrix_id: str, regions: RegionTable, selection: Selection
) -> NDArray[np.float32]:
    """Score the test regions of an individual model, shape (n, 1).

    Raises
    ------
    DataError
        If JASPAR 2020 has no such motif.
    """
    known = {motif.matrix_id: motif for motifs in jaspar_motifs().values() for motif in motifs}
    if matrix_id not in known:
        raise DataError(f"JASPAR 2020 has no motif {matrix_id!r} of a vertebrate")
    scores = best_hits(unpack(regions.sequences[selection.region_ids]), known[matrix_id]).score
    seen, test = selection.part != Part.TEST, selection.part == Part.TEST
    threshold = best_threshold(selection.labels[seen, 0] == 1, scores[seen])
    # exponents beyond a float's reach would warn and change nothing
    bits = np.clip(scores[test] - threshold, -100, 100)
    return (1 / (1 + np.exp2(-bits)))[:, None].astype(np.float32)


def best_threshold(bound: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """Score from which on calling regions bound has the highest MCC.

    It lies halfway between two scores that occur; of thresholds that are as good, the lowest.

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
    # of the 2 x 2 table: covariance of label and call over the product of their deviations
    covariance = num * hit - called * num_bound
    scale = np.sqrt(called * (num - called).astype(np.float64))
    best = cuts[np.argmax(covariance / scale)]
    return float((ranked[best - 1] + ranked[best]) / 2)
