"""Unbound regions with the GC of bound ones, so that GC alone says nothing about binding.

Novakovsky et al. 2021 (Methods, "Model training"): unbound regions are sampled to the GC
distribution of the bound ones in ten bins. Legend: N regions of the dataset.
"""

import numpy as np
from numpy.typing import NDArray


def gc_matched(
    rng: np.random.Generator,
    gc: NDArray[np.float32],
    bound: NDArray[np.int64],
    unbound_pool: NDArray[np.int64],
    num_bins: int = 10,
) -> NDArray[np.int64]:
    """Draw unbound regions, as many per GC bin as there are bound ones.

    Bins are closed on the right. From a bin with fewer unbound than bound regions all are taken,
    as in the authors' scripts.

    Parameters
    ----------
    gc
        GC fractions of all regions, shape (N,).
    bound, unbound_pool
        Region ids.

    Returns
    -------
    NDArray
        Sorted ids of unbound regions.
    """
    bound_bin, pool_bin = (gc_bin(gc[ids], num_bins) for ids in (bound, unbound_pool))
    drawn = []
    for index, wanted in enumerate(np.bincount(bound_bin, minlength=num_bins)):
        candidates = unbound_pool[pool_bin == index]
        drawn.append(rng.choice(candidates, min(wanted, len(candidates)), replace=False))
    return np.sort(np.concatenate(drawn))


def gc_bin(gc: NDArray[np.float32], num_bins: int = 10) -> NDArray[np.int64]:
    """Say which bin each GC fraction lies in, shape as `gc`; bins are closed on the right."""
    # rounding first, since 0.3 * 10 is a little over 3
    return np.maximum(np.ceil(np.round(gc * num_bins, 4)).astype(np.int64) - 1, 0)
