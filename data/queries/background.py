"""Windows of a genome at random places, and random sequences of the same composition.

Both have no base other than A, C, G and T. Predictions are compared with theirs where nothing
is known about a place.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.packing import UNKNOWN
from data.sources.genome import Genome

_MAX_CHROMS: Final = 3
"""Most chromosomes that are read: each takes a second in a human genome."""
_SPAN_BP: Final = 100_000
"""Bases among which windows are looked for at a time."""
_OF_SPAN: Final = 10
"""Windows taken of each span at most, so that they come from many places."""
_MAX_TRIES: Final = 500
"""Spans that are tried on each chromosome at most."""


def background_windows(
    genome: Genome, length_bp: int, num: int, *, seed: int = 0
) -> NDArray[np.uint8]:
    """Draw windows at random places of a genome.

    Parameters
    ----------
    length_bp
        Width of each.
    num
        How many are wanted.
    seed
        Seed of the draw; 0 by default.

    Returns
    -------
    ndarray of uint8
        Base codes, shape (n, length_bp). There are fewer than wanted where a genome has hardly any
        window without an unknown base.
    """
    rng = np.random.default_rng(seed)
    lengths = {name: bp for name, bp in genome.lengths_bp.items() if bp >= length_bp}
    if not lengths:
        return np.empty((0, length_bp), dtype=np.uint8)
    share = np.array(list(lengths.values())) / sum(lengths.values())
    num_chroms = min(_MAX_CHROMS, len(lengths))
    chosen = set(rng.choice(list(lengths), num_chroms, replace=False, p=share).tolist())
    wanted = -(-num // num_chroms)
    found = []
    for chromosome in genome.read_chromosomes(chosen):
        found += _of_chromosome(chromosome.codes, length_bp, wanted, rng)
    return np.array(found[:num], dtype=np.uint8).reshape(-1, length_bp)


def _of_chromosome(
    codes: NDArray[np.uint8], length_bp: int, num: int, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """Draw windows of a chromosome."""
    found: list[NDArray[np.uint8]] = []
    for _ in range(_MAX_TRIES):
        if len(found) >= num:
            break
        first = int(rng.integers(max(1, len(codes) - _SPAN_BP + 1)))
        span = codes[first : first + _SPAN_BP]
        num_unknown = np.concatenate([[0], np.cumsum(span == UNKNOWN)])
        free = np.flatnonzero(num_unknown[length_bp:] == num_unknown[:-length_bp])
        if len(free):
            starts = rng.choice(free, min(_OF_SPAN, num - len(found)))
            found += [span[start : start + length_bp] for start in starts]
    return found


def of_same_composition(windows: NDArray[np.uint8], *, seed: int = 0) -> NDArray[np.uint8]:
    """Draw a sequence for each window that has its dinucleotides' frequencies, and nothing else.

    Parameters
    ----------
    windows
        Base codes 0 to 3, shape (n, L).
    seed
        Seed of the draw; 0 by default.

    Returns
    -------
    ndarray of uint8
        Base codes, shape (n, L): Markov chains of the windows' own transitions.
    """
    rng = np.random.default_rng(seed)
    num, length_bp = windows.shape
    pairs = 4 * windows[:, :-1].astype(np.int64) + windows[:, 1:]
    pairs += 16 * np.arange(num)[:, None]
    counts = np.bincount(pairs.ravel(), minlength=16 * num).reshape(num, 4, 4).astype(np.float64)
    # a base that is never followed by another is followed by all with equal chance
    counts[counts.sum(axis=2) == 0] = 1
    below: NDArray[np.float64] = counts.cumsum(axis=2)
    below /= below[:, :, 3:]
    found = np.empty_like(windows)
    rows = np.arange(num)
    found[:, 0] = windows[rows, rng.integers(length_bp, size=num)]
    for place in range(1, length_bp):
        steps = below.reshape(-1, 4)[4 * rows + found[:, place - 1]]
        found[:, place] = (rng.random((num, 1)) >= steps[:, :3]).sum(axis=1)
    return found
