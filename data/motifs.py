"""Motifs of TFs from JASPAR, and the scan of sequences for their best hit.

Profiles come from JASPAR 2020 (`data.motif_database`). Variants (`JUND(var.2)`) and halves of
dimers (`MAX::MYC`) are filed under the TF's own name, after the TF's plain monomer.

Sequences are base codes: A 0, C 1, G 2, T 3, unknown 4 (`data.sequence`). Scores are in bits over a
uniform background; `data.pwm_scan` tells how likely they are by chance.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.motif_database import jaspar_profiles
from data.sequence import UNKNOWN

_KMER: Final = 6
"""Bases scored by one table look-up: 4,096 entries stay in the first-level cache."""
_CHUNK: Final = 2000
"""Sequences scanned at once: bounds the memory of a scan to some megabytes."""


@dataclass(frozen=True, eq=False)
class Motif:
    """A position frequency matrix of a TF."""

    tf: str
    """TF name as the peak files write it, upper case."""
    matrix_id: str
    """JASPAR identifier with version, such as MA0491.2."""
    probabilities: NDArray[np.float64]
    """Base probabilities, shape (4, L), rows A C G T, columns sum to one."""

    @property
    def length_bp(self) -> int:
        """Number of positions."""
        return self.probabilities.shape[1]

    @property
    def log_odds(self) -> NDArray[np.float32]:
        """Bits over a uniform background, shape (4, L)."""
        return np.log2(self.probabilities * 4).astype(np.float32)

    @property
    def digest(self) -> str:
        """Hash of the probabilities, 16 hexadecimal digits."""
        matrix = np.ascontiguousarray(self.probabilities)
        return hashlib.blake2b(matrix.tobytes(), digest_size=8).hexdigest()

    @property
    def max_score(self) -> float:
        """Score of the consensus, in bits."""
        return float(self.log_odds.max(axis=0).sum())


class BestHits(NamedTuple):
    """The best hit of a motif in each of N sequences, over both strands."""

    score: NDArray[np.float32]
    """Bits, shape (N,)."""
    start: NDArray[np.int32]
    """First base of the hit on the forward strand, shape (N,)."""
    reverse: NDArray[np.bool_]
    """The hit reads on the reverse strand, shape (N,)."""


@cache
def jaspar_motifs() -> MappingProxyType[str, tuple[Motif, ...]]:
    """Every vertebrate motif by TF name, a TF's plain monomer first, then variants, then dimers."""
    ranked: dict[str, list[tuple[tuple[bool, bool, str], Motif]]] = {}
    for profile in jaspar_profiles():
        for tf in profile.tfs:
            motif = Motif(tf, profile.matrix_id, profile.probabilities)
            rank = (len(profile.tfs) > 1, profile.is_variant, profile.matrix_id)
            ranked.setdefault(tf, []).append((rank, motif))
    return MappingProxyType(
        {
            tf: tuple(motif for _, motif in sorted(found, key=lambda pair: pair[0]))
            for tf, found in sorted(ranked.items())
        }
    )


def sample_instances(
    motif: Motif, num: int, sharpness: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw sequences from a motif.

    Parameters
    ----------
    sharpness
        Exponent on the probabilities: 1 draws from the motif as it is, higher values nearer to
        its consensus.

    Returns
    -------
    Base codes, shape (num, L).
    """
    weights = motif.probabilities**sharpness
    cumulative = np.cumsum(weights / weights.sum(axis=0), axis=0)
    drawn = rng.random((num, motif.length_bp))
    return (drawn[:, None, :] >= cumulative[None, :3, :]).sum(axis=1).astype(np.uint8)


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
