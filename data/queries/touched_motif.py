"""Where variants lie in a motif: its best hit at each of them, and how they change its score."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.motifs.motif import Motif
from data.motifs.scan import best_hits, score_tail
from data.packing import UNKNOWN
from data.queries.variants import VariantBatch

HIT_P_VALUE: Final = 1e-3
"""A hit of the motif at which a variant counts as touching it."""


@dataclass(frozen=True, kw_only=True)
class TouchedMotif:
    """The best hits of a motif that variants lie in; n variants."""

    touched: NDArray[np.bool_]
    """Whether the reference or the alternative has a hit there, shape (n,)."""
    reference_bits: NDArray[np.float32]
    """Best score of a place that overlaps the variant, shape (n,)."""
    alternative_bits: NDArray[np.float32]
    first: NDArray[np.int64]
    """First position of the motif that the variant touches, counted from 1, shape (n,)."""
    last: NDArray[np.int64]
    """Last such position; where bases are inserted into a hit, those to both sides are given."""
    reverse: NDArray[np.bool_]
    """The motif reads on the reverse strand, shape (n,)."""


def touched_motif(batch: VariantBatch, motif: Motif) -> TouchedMotif:
    """Find the best hit of a motif that each variant lies in, of the reference and alternative."""
    width = motif.length_bp
    hits = []
    for codes, allele in (
        (batch.reference, batch.reference_bp),
        (batch.alternative, batch.alternative_bp),
    ):
        end = batch.place + allele
        column = np.arange(codes.shape[1])
        far = (column < (batch.place - width + 1)[:, None]) | (column >= (end + width - 1)[:, None])
        hits.append((best_hits(np.where(far, np.uint8(UNKNOWN), codes), motif), end))
    (reference, _), (alternative, _) = hits
    in_alternative = alternative.score > reference.score
    score, start, reverse, end = (
        np.where(in_alternative, ours, theirs)
        for ours, theirs in (
            (alternative.score, reference.score),
            (alternative.start, reference.start),
            (alternative.reverse, reference.reverse),
            (hits[1][1], hits[0][1]),
        )
    )
    low = np.maximum(batch.place, start) - start
    high = np.minimum(end, start + width) - 1 - start
    one = np.where(reverse, width - 1 - high, low) + 1
    other = np.where(reverse, width - 1 - low, high) + 1
    return TouchedMotif(
        touched=score_tail(motif).p_values(score) <= HIT_P_VALUE,
        reference_bits=reference.score,
        alternative_bits=alternative.score,
        # an allele without bases lies between two positions; `low` is the second of them
        first=np.minimum(one, other),
        last=np.maximum(one, other),
        reverse=reverse,
    )
