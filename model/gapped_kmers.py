"""Numbers of gapped k-mers in sequences, the features of a gapped k-mer support vector machine.

A gapped k-mer is k bases with any bases between them (Ghandi et al. 2014, doi
10.1371/journal.pcbi.1003711). One and its reverse complement are the same, so that no strand is
preferred. A k-mer without gaps is the special case of a span of k.

What a linear score of them adds up for any 8 bp (the widest span), for instance, is a table of 4^8
numbers: the score of a sequence is then the sum of those of its places.

Legend: n sequences, L base pairs, F features, S widest span.
"""

from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from model.encoding import base_codes, reverse_kmers

NUM_BASES: Final = 6
"""k of the k-mers that tell regions apart."""
MAX_SPAN: Final = 8
"""Base pairs from the first to the last base of a gapped k-mer at most."""

Places = tuple[int, ...]


def gapped_kmers(
    sequences: NDArray[np.uint8], *, num_bases: int, max_span: int, unit_norm: bool = True
) -> csr_matrix:
    """Count the gapped k-mers of each sequence.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    num_bases
        k, the bases of a gapped k-mer that count.
    max_span
        S, base pairs from its first to its last base at most.
    unit_norm
        Whether each row has a Euclidean norm of 1, as by default; otherwise that of a sequence
        without repeats is 1, and rows are linear in the counts.

    Returns
    -------
    csr_matrix of float32
        Shape (n, F), F being the number of patterns times 4^k.
    """
    patterns = _patterns(num_bases, max_span)
    columns = np.hstack(_columns(base_codes(sequences), patterns))
    num, each = columns.shape
    ends = np.arange(0, num * each + 1, each, dtype=np.int32)
    counts = csr_matrix(
        (np.ones(num * each, dtype=np.float32), columns.ravel(), ends),
        shape=(num, len(patterns) * 4**num_bases),
    )
    counts.sum_duplicates()
    if not unit_norm:
        counts.data /= np.sqrt(np.float32(each))
        return counts
    norms = np.sqrt(np.add.reduceat(counts.data**2, counts.indptr[:-1]))
    counts.data /= np.repeat(norms, np.diff(counts.indptr))
    return counts


def span_table(
    weights: NDArray[np.floating], *, length_bp: int, num_bases: int, max_span: int
) -> NDArray[np.float32]:
    """Add up, for any S base pairs, the weights of the gapped k-mers that begin with the first.

    Parameters
    ----------
    weights
        Of the columns of :func:`gapped_kmers` without unit norm, shape (F,).
    length_bp
        L, of the sequences that they are for.
    num_bases, max_span
        As there.

    Returns
    -------
    ndarray of float32
        Shape (4^S,), the bases of a span being its number to the base 4. Summed over the places of
        a sequence that gives the score, but for a few gapped k-mers of its last S - 1 bases.
    """
    patterns = _patterns(num_bases, max_span)
    each = sum(length_bp - pattern[-1] for pattern in patterns)
    number = np.arange(4**max_span, dtype=np.int32)[:, None]
    spans = number >> np.arange(2 * (max_span - 1), -1, -2, dtype=np.int32) & 3
    found = np.zeros(len(spans))
    for columns in _columns(spans, patterns):
        found += weights[columns[:, 0]]
    return (found / np.sqrt(each)).astype(np.float32)


def span_numbers(sequences: NDArray[np.uint8], max_span: int) -> NDArray[np.int32]:
    """Numbers of the spans at each place of packed sequences, shape (n, L - S + 1)."""
    return _codes_of(base_codes(sequences), tuple(range(max_span)))


def _patterns(num_bases: int, max_span: int) -> list[Places]:
    """Places of the bases that count, of each kind of gapped k-mer."""
    return [(0, *rest) for rest in combinations(range(1, max_span), num_bases - 1)]


def _columns(codes: NDArray[np.int32], patterns: list[Places]) -> list[NDArray[np.int32]]:
    """Features at each place of sequences, (n, places), pattern by pattern."""
    number_of = {pattern: number for number, pattern in enumerate(patterns)}
    num_bases = len(patterns[0])
    num_codes = np.int32(4**num_bases)
    reverse = reverse_kmers(num_bases)
    found = []
    for number, pattern in enumerate(patterns):
        own = _codes_of(codes, pattern)
        mirror = np.int32(number_of[tuple(pattern[-1] - place for place in reversed(pattern))])
        other = mirror * num_codes + reverse[own]
        found.append(np.minimum(np.int32(number) * num_codes + own, other))
    return found


def _codes_of(codes: NDArray[np.int32], pattern: Places) -> NDArray[np.int32]:
    """Bases of a pattern at each place that it fits, to the base 4."""
    num_places = codes.shape[1] - pattern[-1]
    found = np.zeros((len(codes), num_places), dtype=np.int32)
    for place in pattern:
        found = 4 * found + codes[:, place : place + num_places]
    return found
