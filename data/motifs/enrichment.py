"""Which motif tells a TF's bound regions from unbound ones: a guess at how an unknown TF binds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from data.dataset.gc_matching import Strata
from data.dataset.region_table import RegionTable
from data.motifs.motif import Motif
from data.motifs.scan import best_hits
from data.packing import unpack
from data.schema import Evidence

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
        Seed of the sample of regions.

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
    unbound = Strata(gc=regions.gc).matched(rng, bound, unbound)
    if not len(bound) or not len(unbound):
        return []
    codes = unpack(regions.sequences[np.concatenate([bound, unbound])])
    is_bound = np.arange(len(codes)) < len(bound)
    found = [
        Enrichment(motif=motif, auroc=float(roc_auc_score(is_bound, best_hits(codes, motif).score)))
        for motif in motifs
        if motif.length_bp <= codes.shape[1]
    ]
    return sorted(found, key=lambda one: (-one.auroc, one.motif.matrix_id))
