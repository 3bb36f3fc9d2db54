"""How alike the labels of TFs are: cosine similarity of every pair, by matrix products.

Labels are those of the less sparse view, see `data.schema`: 1 bound, 0 unbound, null unresolved.
A pair of TFs is compared over the regions that are resolved for both (Novakovsky et al. 2021,
Methods, "Pre-training TFs"), so that every pair has its own regions, and norms too:

    cosine(a, b) = |bound by a and b| / sqrt(|bound by a, resolved for b| |bound by b, ...for a|)

With a 0/1 matrix B of bound and R of resolved cells, these counts for all pairs are the products
B'B and B'R; R'R is the number of regions that a pair is compared over.

Legend: N regions, T TFs.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from data.schema import Evidence

_BLOCK: Final = 4096
"""Regions multiplied at once: float32 counts up to 2^24 are exact, and a block of the paper's 163
TFs takes 5 MB."""


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Label similarity of every pair of some TFs."""

    cosine: NDArray[np.float64]
    """Shape (T, T), 0 to 1; NaN where either binds none of the jointly resolved regions."""
    num_joint: NDArray[np.int64]
    """Numbers of jointly resolved regions, shape (T, T)."""


def label_similarity(evidence: NDArray[np.uint8]) -> Similarity:
    """Compare the less sparse labels of all pairs of TFs.

    Parameters
    ----------
    evidence
        Evidence codes, shape (N, T); fastest column-major, as `Dataset.evidence` gives them.
    """
    num_regions, num_tfs = evidence.shape
    counts = np.zeros((2 * num_tfs, 2 * num_tfs), dtype=np.int64)
    block = np.empty((min(_BLOCK, num_regions), 2 * num_tfs), dtype=np.float32, order="F")
    # where other processes run too, two threads of BLAS take ten times as long as one
    with threadpool_limits(1, user_api="blas"):
        for low in range(0, num_regions, _BLOCK):
            codes = evidence[low : low + _BLOCK]
            part = block[: len(codes)]
            part[:, :num_tfs] = codes == Evidence.BOUND
            part[:, num_tfs:] = codes != Evidence.UNMATCHED
            # a matrix times its own transpose: BLAS does half of the work
            counts += (part.T @ part).astype(np.int64)
    both_bound = counts[:num_tfs, :num_tfs]
    bound_of_row = counts[:num_tfs, num_tfs:].astype(np.float64)
    norms = np.sqrt(bound_of_row * bound_of_row.T)
    cosine = np.full(norms.shape, np.nan)
    np.divide(both_bound, norms, out=cosine, where=norms > 0)
    return Similarity(cosine=cosine, num_joint=counts[num_tfs:, num_tfs:])
