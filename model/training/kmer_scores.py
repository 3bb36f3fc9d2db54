"""Scores of gapped k-mers that regions were fitted to, as sums of a table's numbers.

Legend: n examples, L base pairs, S the widest span of a gapped k-mer.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.encoding import BASES_PER_BYTE
from model.gapped_kmers import MAX_SPAN, NUM_BASES, gapped_kmers, span_numbers, span_table
from model.rivals import support_vectors


class KmerScores(NamedTuple):
    """A linear classifier of gapped k-mers."""

    table: NDArray[np.float32]
    """What any S base pairs add to the score, shape (4^S,)."""
    bias: float

    def of(self, sequences: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Scores of packed sequences, (n, L / 4) to (n,)."""
        found = self.table[span_numbers(sequences, MAX_SPAN)].sum(axis=1, dtype=np.float64)
        return found + self.bias


def fit_kmers(
    sequences: NDArray[np.uint8], bound: NDArray[np.bool_], folds: NDArray[np.int64]
) -> tuple[KmerScores, NDArray[np.float64]]:
    """Fit gapped k-mers to regions, and score those of each fold by what the others were fitted to.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    bound
        Labels, shape (n,).
    folds
        Fold of each region, shape (n,).

    Returns
    -------
    tuple of KmerScores and ndarray
        What all regions were fitted to, and held-out scores, shape (n,).

    Raises
    ------
    ModelError
        There are regions of one class only.
    """
    counts = gapped_kmers(sequences, num_bases=NUM_BASES, max_span=MAX_SPAN, unit_norm=False)

    def fitted(rows: NDArray[np.bool_]) -> KmerScores:
        linear = support_vectors(counts[rows], bound[rows])
        table = span_table(
            linear.weights,
            length_bp=BASES_PER_BYTE * sequences.shape[1],
            num_bases=NUM_BASES,
            max_span=MAX_SPAN,
        )
        return KmerScores(table=table, bias=linear.bias)

    held_out = np.empty(len(bound))
    for fold in np.unique(folds):
        out = folds == fold
        held_out[out] = fitted(~out).of(sequences[out])
    return fitted(np.ones(len(bound), dtype=np.bool_)), held_out
