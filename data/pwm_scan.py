"""How likely a motif's hits are by chance: the best hit of each sequence with its p-value.

The p-value of a score is the chance that a place of random sequence, bases drawn from a
background, scores as high or higher: by adding up one position of the motif after the other
(Staden 1989), scores rounded to a thousandth of a bit. It is that of one place on one strand, as
FIMO's; over `n` places a hit as good is found by chance in `1 - (1 - p) ** n` of the sequences.

Legend: N sequences, L base pairs, W positions of the motif.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.motifs import BestHits, Motif, best_hits

_BIN_BITS: Final = 0.001
_UNIFORM: Final = (0.25, 0.25, 0.25, 0.25)


@dataclass(frozen=True, eq=False)
class ScoreTail:
    """Chance of each score of a motif, or a higher one, at a random place."""

    lowest: float
    """Lowest score, in bits."""
    slack: int
    """How many steps a score may lie off by rounding; chances are told of so much less."""
    tail: NDArray[np.float64]
    """Chance of a score of at least `lowest + i * 0.001` bits, falling."""

    def p_values(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Chance of such scores or higher ones, any shape; 1 where a score is minus infinity."""
        steps = np.rint((np.maximum(scores, self.lowest) - self.lowest) / _BIN_BITS)
        index = steps.astype(np.int64) - self.slack
        return self.tail[np.clip(index, 0, len(self.tail) - 1)]

    def score_at(self, p_value: float) -> float:
        """Lowest score, in bits, whose chance is at most `p_value`; infinity if none is so rare."""
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
    """Of the hit's place, shape (N,); 1 where no place is free of unknown bases."""


@lru_cache(maxsize=64)
def score_tail(motif: Motif, background: tuple[float, ...] = _UNIFORM) -> ScoreTail:
    """Work out how likely each score of a motif is at a random place.

    Parameters
    ----------
    motif
        Scores are its log-odds over a uniform background, as those of `data.motifs.best_hits`.
    background
        Chances of A, C, G and T at random places.
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
        Chances of A, C, G and T by which p-values are reckoned.

    Raises
    ------
    ValueError
        As `data.motifs.best_hits`.
    """
    hits = best_hits(codes, motif)
    return ScoredHits(hits, score_tail(motif, background).p_values(hits.score))
