"""A de novo motif: a pattern shared by bound regions that other features do not explain.

Gapped k-mers (two halves of 3 or of 4 bases, on either strand, with a gap) are ranked by a score
test: how much the bound regions that hold one exceed what logits expect. The best ones that
do not stand for the same places are the seeds of filters, each of which is trained beside the
logits for a few steps; the one that fits best is the motif. Nothing is drawn at random.

Ghandi et al. 2014 (doi 10.1371/journal.pcbi.1003711) brought gapped k-mers to regulatory sequence.

Legend: n sequences, L base pairs, P places, W width of the motif.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.encoding import base_codes, encode_one_hot, reverse_kmers, to_tensor

WIDTH: Final = 20
"""Base pairs of a de novo motif."""
GAPS: Final = {3: range(13), 4: range(9)}
"""Gaps in base pairs, by the length of a half."""
NUM_SEEDS: Final = 6
"""Gapped k-mers that filters are trained from."""
MIN_REGIONS: Final = 5
"""Regions that hold a gapped k-mer at least."""
FEWEST_STEPS: Final = 16
"""Steps of a filter's training, and one more for every `REGIONS_A_STEP` regions: with more, the
filter overfits to few regions (benchmarks/RESULTS.md)."""
MOST_STEPS: Final = 40
REGIONS_A_STEP: Final = 30
RATE: Final = 0.03
"""Learning rate of Adam."""
MAX_REGIONS: Final = 600
"""Regions that filters are trained on at most, of either class half: more only cost time."""
_SEED_NATS: Final = 1.2
"""Weight of a seed's bases; of other bases in their places, the negative."""
_MOST_ALIKE: Final = 0.5
"""Two seeds share at most this fraction of the regions of the rarer one."""
_BEST_OF_GAP: Final = 30
"""Gapped k-mers of each gap among which seeds are chosen."""


class _Seed(NamedTuple):
    """A gapped k-mer."""

    z: float
    """Z-score of its score test."""
    half: int
    gap: int
    code: int
    """Bases of both halves to the base 4."""


def search_motif(
    sequences: NDArray[np.uint8], bound: NDArray[np.bool_], logits: NDArray[np.float64]
) -> NDArray[np.float32] | None:
    """Find the motif that explains best what logits leave unexplained.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    bound
        Labels, shape (n,).
    logits
        Logits of the regions without the motif, each held out from the fit, shape (n,).

    Returns
    -------
    ndarray of float32, or None
        Bits over a uniform background, shape (4, W); None if no gapped k-mer is frequent enough.
    """
    expected = 1 / (1 + np.exp(-logits))
    test = _ScoreTest(bound - expected, expected * (1 - expected))
    seeds = _seeds(base_codes(sequences), test)
    if not seeds:
        return None
    rows = np.concatenate(
        [np.flatnonzero(bound == label)[: MAX_REGIONS // 2] for label in (True, False)]
    )
    filters = np.stack([_filter(seed) for seed in seeds])
    trained = _trained(filters, sequences[rows], bound[rows], logits[rows])
    bits: NDArray[np.float32] = torch.log2(4 * trained.softmax(0)).numpy()
    return bits


class _ScoreTest(NamedTuple):
    """Values of each region that a score test of a group of regions uses, each of shape (n,)."""

    residual: NDArray[np.float64]
    variance: NDArray[np.float64]

    def z_of(
        self, rows: NDArray[np.intp], groups: NDArray[np.int32], num: int
    ) -> NDArray[np.float64]:
        """Z-score of each group; `rows` and `groups` are pairs of a region and its group."""
        size = np.bincount(groups, minlength=num)
        excess = np.bincount(groups, self.residual[rows], num)
        spread = np.sqrt(np.bincount(groups, self.variance[rows], num))
        frequent = (size >= MIN_REGIONS) & (spread > 0)
        return np.divide(excess, spread, out=np.full(num, -np.inf), where=frequent)


def _seeds(codes: NDArray[np.int32], test: _ScoreTest) -> list[_Seed]:
    """Gapped k-mers with the best scores, no two of which stand for the same places."""
    ranked = sorted(_candidates(codes, test), reverse=True)
    chosen: list[_Seed] = []
    regions: list[NDArray[np.bool_]] = []
    for seed in ranked:
        holds = (_gapped(codes, seed.half, seed.gap) == seed.code).any(axis=1)
        alike = [(holds & other).sum() / min(holds.sum(), other.sum()) for other in regions]
        if max(alike, default=0) > _MOST_ALIKE:
            continue
        chosen.append(seed)
        regions.append(holds)
        if len(chosen) == NUM_SEEDS:
            break
    return chosen


def _candidates(codes: NDArray[np.int32], test: _ScoreTest) -> Iterator[_Seed]:
    """Give the best gapped k-mers of each gap."""
    for half, gaps in GAPS.items():
        for gap in gaps:
            found = np.sort(_gapped(codes, half, gap), axis=1)
            # each once a region
            is_first = np.ones(found.shape, dtype=np.bool_)
            is_first[:, 1:] = found[:, 1:] != found[:, :-1]
            rows = np.repeat(np.arange(len(found)), is_first.sum(axis=1))
            z = test.z_of(rows, found[is_first], 4 ** (2 * half))
            for code in np.argpartition(-z, _BEST_OF_GAP)[:_BEST_OF_GAP]:
                if z[code] > 0:
                    yield _Seed(float(z[code]), half, gap, int(code))


def _gapped(codes: NDArray[np.int32], half: int, gap: int) -> NDArray[np.int32]:
    """Codes of the gapped k-mers at all places, the lower one of both strands, shape (n, P)."""
    num_places = codes.shape[1] - half + 1
    kmers = np.zeros((len(codes), num_places), dtype=np.int32)
    for i in range(half):
        kmers = 4 * kmers + codes[:, i : i + num_places]
    left, right = kmers[:, : num_places - half - gap], kmers[:, half + gap :]
    size = 4**half
    reverse = reverse_kmers(half)
    return np.minimum(left * size + right, reverse[right] * size + reverse[left])


def _filter(seed: _Seed) -> NDArray[np.float32]:
    """Filter of a gapped k-mer in its middle, in nats, shape (4, W)."""
    weights = np.zeros((4, WIDTH), dtype=np.float32)
    first = (WIDTH - 2 * seed.half - seed.gap) // 2
    left, right = divmod(seed.code, 4**seed.half)
    for kmer, start in ((left, first), (right, first + seed.half + seed.gap)):
        for i in range(seed.half):
            base = kmer // 4 ** (seed.half - 1 - i) % 4
            weights[:, start + i] = -_SEED_NATS
            weights[base, start + i] = _SEED_NATS
    return weights


def _trained(
    filters: NDArray[np.float32],
    sequences: NDArray[np.uint8],
    bound: NDArray[np.bool_],
    logits: NDArray[np.float64],
) -> Tensor:
    """Train filters, each beside the same logits, and give the one of lowest loss, (4, W)."""
    one_hot = encode_one_hot(to_tensor(sequences)).contiguous()
    num_steps = min(MOST_STEPS, FEWEST_STEPS + len(bound) // REGIONS_A_STEP)
    known = torch.from_numpy(logits).float()[:, None]
    labels = torch.from_numpy(bound).float()[:, None].expand(-1, len(filters))
    weights = torch.from_numpy(filters).requires_grad_()
    slope = torch.full((len(filters),), 0.5, requires_grad=True)
    offset = torch.zeros(len(filters), requires_grad=True)
    optimizer = torch.optim.Adam([weights, slope, offset], lr=RATE)
    usual = _pooled(one_hot, weights).mean(0).detach()
    with torch.enable_grad():
        for step in range(num_steps + 1):
            added = slope * (_pooled(one_hot, weights) - usual) + offset
            losses = nn.functional.binary_cross_entropy_with_logits(
                known + added, labels, reduction="none"
            ).mean(0)
            if step < num_steps:
                optimizer.zero_grad()
                losses.sum().backward()
                optimizer.step()
    return weights.detach()[int(losses.argmin())]


def _pooled(one_hot: Tensor, weights: Tensor) -> Tensor:
    """All places of each filter together, on both strands: log of the sum of e to the score."""
    places = nn.functional.conv1d(one_hot, torch.cat([weights, weights.flip(1, 2)]))
    return places.logsumexp(2).unflatten(1, (2, -1)).logsumexp(1)
