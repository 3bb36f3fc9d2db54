"""Numbers of gapped k-mers in sequences, the features of a gapped k-mer support vector machine.

A gapped k-mer is k bases with any bases between them (Ghandi et al. 2014, doi
10.1371/journal.pcbi.1003711). One and its reverse complement are the same, so that no strand is
preferred. A k-mer without gaps is the special case of a span of k.

Legend: n sequences, L base pairs, F features.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from model.encoding import base_codes, reverse_kmers

Places = tuple[int, ...]


def gapped_kmers(sequences: NDArray[np.uint8], *, num_bases: int, max_span: int) -> csr_matrix:
    """Count the gapped k-mers of each sequence; each row has a Euclidean norm of 1.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    num_bases
        k, the bases of a gapped k-mer that count.
    max_span
        Base pairs from its first to its last base at most.

    Returns
    -------
    csr_matrix of float32
        Shape (n, F), F being the number of patterns times 4^k.
    """
    patterns = [(0, *rest) for rest in combinations(range(1, max_span), num_bases - 1)]
    number_of = {pattern: number for number, pattern in enumerate(patterns)}
    num_codes = np.int32(4**num_bases)
    reverse = reverse_kmers(num_bases)
    codes = base_codes(sequences)
    found = []
    for number, pattern in enumerate(patterns):
        own = _codes_of(codes, pattern)
        mirror = np.int32(number_of[tuple(pattern[-1] - place for place in reversed(pattern))])
        other = mirror * num_codes + reverse[own]
        found.append(np.minimum(np.int32(number) * num_codes + own, other))
    columns = np.hstack(found)
    num, each = columns.shape
    ends = np.arange(0, num * each + 1, each, dtype=np.int32)
    counts = csr_matrix(
        (np.ones(num * each, dtype=np.float32), columns.ravel(), ends),
        shape=(num, len(patterns) * num_codes),
    )
    counts.sum_duplicates()
    norms = np.sqrt(np.add.reduceat(counts.data**2, counts.indptr[:-1]))
    counts.data /= np.repeat(norms, np.diff(counts.indptr))
    return counts


def _codes_of(codes: NDArray[np.int32], pattern: Places) -> NDArray[np.int32]:
    """Bases of a pattern at each place that it fits, to the base 4."""
    num_places = codes.shape[1] - pattern[-1]
    found = np.zeros((len(codes), num_places), dtype=np.int32)
    for place in pattern:
        found = 4 * found + codes[:, place : place + num_places]
    return found
