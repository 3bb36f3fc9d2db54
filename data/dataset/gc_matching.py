"""Unbound regions with the GC of bound ones, so that GC alone says nothing about binding.

Novakovsky et al. 2021 (Methods, "Model training"): unbound regions are sampled to the GC
distribution of the bound ones in ten bins. A control matches openness too, see
`data.dataset.openness_matching`. Legend: N regions of the dataset.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Strata:
    """What unbound regions are matched to bound ones by: the stratum of each region."""

    gc: NDArray[np.float32]
    """GC fractions of all regions, shape (N,)."""
    gc_bins: int = 10
    """Bins of equal width, closed on the right; paper: 10."""
    openness: NDArray[np.int64] | None = None
    """Stratum of openness of each region, shape (N,); None matches by GC alone."""

    def matched(
        self,
        rng: np.random.Generator,
        bound: NDArray[np.int64],
        unbound_pool: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Draw unbound regions, as many per stratum as there are bound ones.

        From a stratum with fewer unbound than bound regions all are taken, as in the authors'
        scripts.

        Parameters
        ----------
        bound, unbound_pool
            Region ids.

        Returns
        -------
        NDArray
            Sorted ids of unbound regions.
        """
        of_bound, of_pool = self._of(bound), self._of(unbound_pool)
        drawn = []
        for stratum, wanted in enumerate(np.bincount(of_bound, minlength=self.gc_bins)):
            candidates = unbound_pool[of_pool == stratum]
            drawn.append(rng.choice(candidates, min(wanted, len(candidates)), replace=False))
        return np.sort(np.concatenate(drawn))

    def _of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        bins = gc_bin(self.gc[ids], self.gc_bins)
        return bins if self.openness is None else self.openness[ids] * self.gc_bins + bins


def gc_bin(gc: NDArray[np.float32], num_bins: int = 10) -> NDArray[np.int64]:
    """Say which bin each GC fraction lies in, shape as `gc`; bins are closed on the right."""
    # rounding first, since 0.3 * 10 is a little over 3
    return np.maximum(np.ceil(np.round(gc * num_bins, 4)).astype(np.int64) - 1, 0)
