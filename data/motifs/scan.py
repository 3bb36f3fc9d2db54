"""How likely a motif's hits are by chance: the best hit of each sequence with its p-value.

The p-value of a score is the chance that a place of random sequence, bases drawn from a
background, scores as high or higher: by adding up one position of the motif after the other
(Staden 1989), scores rounded to a thousandth of a bit. It is that of one place on one strand, as
FIMO's; over `n` places a hit as good is found by chance in `1 - (1 - p) ** n` of the sequences.

Legend: N sequences, L base pairs, W positions of the motif.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.motifs.motif import Motif
from data.packing import UNKNOWN

_BIN_BITS: Final = 0.001
_UNIFORM: Final = (0.25, 0.25, 0.25, 0.25)


class BestHits(NamedTuple):
    """The best hit of a motif in each of N sequences, over both strands."""

    score: NDArray[np.float32]
    """Bits, shape (N,)."""
    start: NDArray[np.int32]
    """First base of the hit on the forward strand, shape (N,)."""
    reverse: NDArray[np.bool_]
    """The hit reads on the reverse strand, shape (N,)."""


@dataclass(frozen=True, eq=False)
class ScoreTail:
    """Chance of each score of a motif, or a higher one, at a random place."""

    lowest: float
    """Lowest score, in bits."""
    slack: int
    """How many steps a score may be off by rounding; chances are those of scores this much
    lower."""
    tail: NDArray[np.float64]
    """Chance of a score of at least `lowest + i * 0.001` bits, falling."""

    def p_values(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Chance of such scores or higher ones, any shape; 1 where a score is minus infinity."""
        steps = np.rint((np.maximum(scores, self.lowest) - self.lowest) / _BIN_BITS)
        index = steps.astype(np.int64) - self.slack
        return self.tail[np.clip(index, 0, len(self.tail) - 1)]

    def score_at(self, p_value: float) -> float:
        """Lowest score, in bits, whose chance is at most `p_value`; infinity if there is none."""
        # the tail falls, so it is searched from its end
        num_rarer = int(np.searchsorted(self.tail[::-1], p_value, side="right"))
        if num_rarer == 0:
            return float("inf")
        return self.lowest + (len(self.tail) - num_rarer + self.slack) * _BIN_BITS


@dataclass(frozen=True, eq=False)
class ScoredHits:
    """The best hit of a motif in each of N sequences."""

    hits: BestHits
    p_value: NDArray[np.float64]
    """P-value of the hit's place, shape (N,); 1 where no place is free of unknown bases."""


@lru_cache(maxsize=64)
def score_tail(motif: Motif, background: tuple[float, ...] = _UNIFORM) -> ScoreTail:
    """Compute how likely each score of a motif is at a random place.

    Parameters
    ----------
    motif
        Scores are its log-odds over a uniform background, as those of `data.motifs.scan.best_hits`.
    background
        Frequencies of A, C, G and T at random places.
    """
    rounded = np.rint(motif.log_odds.astype(np.float64) / _BIN_BITS).astype(np.int64)
    offsets = rounded - rounded.min(axis=0)
    chance = np.ones(1)
    for column in offsets.T:
        longer = np.zeros(len(chance) + int(column.max()))
        for offset, share in zip(column.tolist(), background, strict=True):
            longer[offset : offset + len(chance)] += share * chance
        chance = longer
    tail = np.minimum(np.cumsum(chance[::-1])[::-1], 1.0)
    return ScoreTail(
        lowest=float(rounded.min(axis=0).sum() * _BIN_BITS),
        slack=(motif.length_bp + 1) // 2,
        tail=tail,
    )


def scan(
    codes: NDArray[np.uint8], motif: Motif, background: tuple[float, ...] = _UNIFORM
) -> ScoredHits:
    """Find the best hit of a motif in each sequence, on either strand, and its p-value.

    Parameters
    ----------
    codes
        Base codes 0 to 4, shape (N, L); L at least W.
    background
        Frequencies of A, C, G and T at random places, for the p-values.

    Raises
    ------
    ValueError
        As `data.motifs.scan.best_hits`.
    """
    hits = best_hits(codes, motif)
    return ScoredHits(hits, score_tail(motif, background).p_values(hits.score))


_KMER: Final = 6
"""Bases scored by one table look-up: 4,096 entries stay in the first-level cache."""


_CHUNK: Final = 2000
"""Sequences scanned at once: bounds the memory of a scan to some megabytes."""


def best_hits(codes: NDArray[np.uint8], motif: Motif) -> BestHits:
    """Find the highest-scoring position of a motif in each sequence, on either strand.

    Parameters
    ----------
    codes
        Base codes 0 to 4, shape (N, L); L at least the motif's length. A place that holds an
        unknown base scores minus infinity.

    Raises
    ------
    ValueError
        If a sequence is shorter than the motif or holds a code above 4.
    """
    num, length = codes.shape
    if length < motif.length_bp:
        raise ValueError(f"sequences of {length} bp are shorter than {motif.matrix_id}")
    if num and codes.max() > UNKNOWN:
        raise ValueError("sequences to scan must hold the codes 0 to 4 only")
    num_places = length - motif.length_bp + 1
    forward = _kmer_tables(motif.log_odds)
    reverse = _kmer_tables(motif.log_odds[::-1, ::-1])
    score = np.empty(num, dtype=np.float32)
    start = np.empty(num, dtype=np.int32)
    on_reverse = np.empty(num, dtype=np.bool_)
    for low in range(0, num, _CHUNK):
        part = slice(low, min(low + _CHUNK, num))
        unknown = codes[part] == UNKNOWN
        kmers = _kmers(np.where(unknown, np.uint8(0), codes[part]))
        places = [_scores(kmers, tables, num_places) for tables in (forward, reverse)]
        if unknown.any():
            before = np.pad(np.cumsum(unknown, axis=1), ((0, 0), (1, 0)))
            known = before[:, motif.length_bp :] == before[:, :num_places]
            places = [np.where(known, scores, np.float32(-np.inf)) for scores in places]
        at = [scores.argmax(axis=1) for scores in places]
        best = [scores[np.arange(len(scores)), i] for scores, i in zip(places, at, strict=True)]
        on_reverse[part] = best[1] > best[0]
        score[part] = np.where(on_reverse[part], best[1], best[0])
        start[part] = np.where(on_reverse[part], at[1], at[0])
    return BestHits(score, start, on_reverse)


def _kmers(codes: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Index of the k-mer that starts at each base, shape as `codes`; the end is padded with A."""
    length = codes.shape[1]
    padded = np.pad(codes, ((0, 0), (0, _KMER))).astype(np.intp)
    index = np.zeros(codes.shape, dtype=np.intp)
    for i in range(_KMER):
        index = index * 4 + padded[:, i : i + length]
    return index


def _kmer_tables(log_odds: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Score of every k-mer for each stretch of k motif positions; a short last one is padded."""
    length = log_odds.shape[1]
    kmers = np.indices((4,) * _KMER).reshape(_KMER, -1)
    padded = np.pad(log_odds, ((0, 0), (0, -length % _KMER)))
    return [
        padded[kmers, np.arange(first, first + _KMER)[:, None]].sum(axis=0)
        for first in range(0, length, _KMER)
    ]


def _scores(
    kmers: NDArray[np.intp], tables: list[NDArray[np.float32]], num_places: int
) -> NDArray[np.float32]:
    """Score of every place, shape (N, num_places)."""
    total = tables[0][kmers[:, :num_places]]
    for i, table in enumerate(tables[1:], start=1):
        total += table[kmers[:, i * _KMER : i * _KMER + num_places]]
    return total
