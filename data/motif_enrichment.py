"""Which motif tells a TF's bound regions from unbound ones: a guess at how an unknown TF binds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from data.motifs import Motif, best_hits
from data.sampling import gc_matched
from data.schema import Evidence
from data.sequence import unpack
from data.store import RegionTable

MAX_REGIONS: Final = 500
"""Regions of a class that are scanned at most: AUROC to about 0.02."""


@dataclass(frozen=True, kw_only=True)
class Enrichment:
    """How well a motif's best hit tells bound from unbound regions."""

    motif: Motif
    auroc: float
    """Chance that a bound region has a better hit than an unbound one, ties half; 0.5: none."""


def enriched_motifs(
    regions: RegionTable, evidence: NDArray[np.uint8], motifs: Iterable[Motif], *, seed: int = 0
) -> list[Enrichment]:
    """Rank motifs by how well they tell a TF's bound regions from unbound ones of the same GC.

    Parameters
    ----------
    evidence
        Evidence codes of the TF, shape (N,).
    seed
        Of the sample of regions.

    Returns
    -------
    list of Enrichment
        Best first; empty where a class has no region.
    """
    whole = regions.num_unknown == 0
    rng = np.random.default_rng(seed)
    bound = np.flatnonzero(whole & (evidence == Evidence.BOUND))
    bound = np.sort(rng.choice(bound, min(len(bound), MAX_REGIONS), replace=False))
    unbound = np.flatnonzero(whole & (evidence == Evidence.UNBOUND))
    unbound = gc_matched(rng, regions.gc, bound, unbound)
    if not len(bound) or not len(unbound):
        return []
    codes = unpack(regions.sequences[np.concatenate([bound, unbound])])
    found = [
        Enrichment(motif=motif, auroc=_auroc(best_hits(codes, motif).score, len(bound)))
        for motif in motifs
        if motif.length_bp <= codes.shape[1]
    ]
    return sorted(found, key=lambda one: (-one.auroc, one.motif.matrix_id))


def _auroc(scores: NDArray[np.float32], num_bound: int) -> float:
    """Area under the ROC curve of scores whose first ones are of bound regions."""
    ranks = rankdata(scores)[:num_bound]
    num_unbound = len(scores) - num_bound
    return float((ranks.sum() - num_bound * (num_bound + 1) / 2) / (num_bound * num_unbound))
