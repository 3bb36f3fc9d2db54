"""The simulated genome and what binds in it. See :mod:`data.simulation.simulate` for the model.

Legend: N regions, T TFs, S biosamples with ChIP-seq. Positions are 0-based; those called global
count on through the chromosomes, one after the other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs.motif import Motif, sample_instances
from data.motifs.scan import BestHits, best_hits
from data.schema import REGION_WIDTH_BP
from data.simulation.config import SimulatedTF, SimulationConfig

_MARGIN_BP = 1000
"""Sequence before the first and after the last region of a chromosome."""
_GAP_GC = 0.41
"""GC of human sequence at large."""
_GC_SD = 0.07
_OVERLAP_FRACTION = 0.01
"""Regions that begin before the one before ends."""
_POSITION_SD_BP = 25
"""Spread of planted instances around the middle of their region."""
_ATTEMPTS = 5
"""Tries to find a free place for an instance, each further from the middle."""
_LOWER_BLOCK_BP = 300
"""The genome is soft-masked, or not, in blocks of this size."""
_SHOWN_FRACTION = 0.8
"""Chance that a bound region shows in each further biosample in which it is open."""


@dataclass(frozen=True, eq=False)
class World:
    """A genome with its regions."""

    genome: NDArray[np.uint8]
    """Base codes A 0 C 1 G 2 T 3 of all chromosomes, one after the other."""
    chrom_starts: NDArray[np.int64]
    """Global start of each chromosome and the end of the last, shape (chromosomes + 1,)."""
    starts: NDArray[np.int64]
    """Global start of each region, ascending, shape (N,)."""
    is_promoter: NDArray[np.bool_]
    """Shape (N,)."""
    is_lower: NDArray[np.bool_]
    """Soft-masked bases, shape as `genome`."""
    unknown: NDArray[np.int64]
    """Global positions of N."""

    @property
    def positions(self) -> NDArray[np.int64]:
        """Global position of every base of every region, shape (N, 200)."""
        return self.starts[:, None] + np.arange(REGION_WIDTH_BP)

    def locate(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Chromosome index, and position on that chromosome, of global positions."""
        chroms = np.searchsorted(self.chrom_starts, positions, side="right") - 1
        return chroms, positions - self.chrom_starts[chroms]


@dataclass(frozen=True, eq=False)
class Binding:
    """Where a TF binds, and how much of that peaks and sites show."""

    tf: SimulatedTF
    motif: Motif
    hits: BestHits
    """Best hit of the motif in each region."""
    has_peak: NDArray[np.bool_]
    """A peak summit lies in the region, by biosample, shape (N, S)."""
    has_site: NDArray[np.bool_]
    """A site lies in the region, by biosample, shape (N, S)."""


def lay_out(config: SimulationConfig, rng: np.random.Generator) -> World:
    """Place the regions and draw the sequence, without motifs."""
    num = config.num_regions
    spacing = REGION_WIDTH_BP + rng.geometric(1 / config.gap_bp, num)
    overlaps = rng.random(num) < _OVERLAP_FRACTION
    spacing[overlaps] = rng.integers(120, REGION_WIDTH_BP, overlaps.sum())
    starts = np.empty(num, dtype=np.int64)
    chrom_starts = [0]
    for part in np.array_split(np.arange(num), len(config.chromosomes)):
        offsets = np.cumsum(spacing[part]) - spacing[part[0]]
        starts[part] = chrom_starts[-1] + _MARGIN_BP + offsets
        chrom_starts.append(int(starts[part[-1]]) + REGION_WIDTH_BP + _MARGIN_BP)
    total = chrom_starts[-1]

    is_promoter = rng.random(num) < config.promoter_fraction
    gc_mean = np.where(is_promoter, config.promoter_gc, config.distal_gc)
    region_gc = np.clip(rng.normal(gc_mean, _GC_SD), 0.1, 0.9)
    gc = np.full(total, _GAP_GC, dtype=np.float32)
    gc[starts[:, None] + np.arange(REGION_WIDTH_BP)] = region_gc[:, None]
    is_gc = rng.random(total, dtype=np.float32) < gc
    second = rng.integers(0, 2, total, dtype=np.uint8)
    genome = np.where(is_gc, 1 + second, 3 * second).astype(np.uint8)

    blocks = rng.random(-(-total // _LOWER_BLOCK_BP)) < 0.3
    with_n = rng.choice(num, config.num_n_regions, replace=False)
    return World(
        genome=genome,
        chrom_starts=np.array(chrom_starts, dtype=np.int64),
        starts=starts,
        is_promoter=is_promoter,
        is_lower=np.repeat(blocks, _LOWER_BLOCK_BP)[:total],
        unknown=starts[with_n] + rng.integers(0, REGION_WIDTH_BP, config.num_n_regions),
    )


def plant(
    world: World,
    motifs: list[Motif],
    is_open: NDArray[np.bool_],
    config: SimulationConfig,
    rng: np.random.Generator,
) -> None:
    """Write motif instances into the regions of `world.genome`, in place.

    An instance that finds no free place in its region is left out.
    """
    num = config.num_regions
    is_taken = np.zeros(len(world.genome), dtype=np.bool_)
    regions_of: dict[str, NDArray[np.int64]] = {}
    for motif, tf in zip(motifs, config.tfs, strict=True):
        # enough regions that a TF can bind for the number that it is to bind
        bindable = is_open[:, tf.biosamples].any(axis=1).mean() * (1 - config.decoy_fraction)
        wanted = tf.bound_fraction * (1 + config.one_source_fraction)
        count = min(num, max(1, round(num * wanted / max(bindable, wanted))))
        weights = np.where(
            world.is_promoter,
            tf.promoter_fraction / max(1, world.is_promoter.sum()),
            (1 - tf.promoter_fraction) / max(1, (~world.is_promoter).sum()),
        )
        # Gumbel keys: the highest are a weighted draw without replacement, in one pass
        with np.errstate(divide="ignore"):
            keys = np.log(weights) + rng.gumbel(size=num)
        if tf.cofactor:
            shared = rng.permutation(regions_of[tf.cofactor])
            keys[shared[: round(config.cofactor_fraction * count)]] = np.inf
        regions = np.argsort(-keys, kind="stable")[:count]
        regions_of[tf.name] = regions
        at = _free_places(world, regions, motif.length_bp, is_taken, rng)
        codes = sample_instances(motif, count, config.sharpness, rng)
        is_reverse = rng.random(count) < 0.5
        codes[is_reverse] = 3 - codes[is_reverse, ::-1]
        found = at >= 0
        bases = at[found, None] + np.arange(motif.length_bp)
        world.genome[bases] = codes[found]
        is_taken[bases] = True


def _free_places(
    world: World,
    regions: NDArray[np.int64],
    length_bp: int,
    is_taken: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Global start of a free place near the middle of each region, -1 where none was found."""
    room = REGION_WIDTH_BP - length_bp
    places = np.full(len(regions), -1, dtype=np.int64)
    for attempt in range(_ATTEMPTS):
        spread = _POSITION_SD_BP * (1 + attempt / 2)
        offsets = np.clip(rng.normal(room / 2, spread, len(regions)).round(), 0, room)
        tried = world.starts[regions] + offsets.astype(np.int64)
        is_free = ~is_taken[tried[:, None] + np.arange(length_bp)].any(axis=1)
        places = np.where((places < 0) & is_free, tried, places)
    return places


def open_biosamples(config: SimulationConfig, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw in which biosamples each region is open, shape (N, S + 1); the last has no ChIP-seq."""
    num, samples = config.num_regions, config.num_biosamples
    is_shared = rng.random(num) < config.shared_fraction
    how_many = np.where(is_shared, rng.integers(2, samples + 1, num), 1)
    how_many[rng.random(num) < 0.01] = 0
    # biosamples differ in how much of the genome is open in them
    keys = np.log(np.linspace(1.5, 1, samples)) + rng.gumbel(size=(num, samples))
    ranks = np.argsort(np.argsort(-keys, axis=1), axis=1)
    is_open = ranks < how_many[:, None]
    unprofiled = (how_many == 0) | (rng.random(num) < 0.2)
    return np.column_stack([is_open, unprofiled])


def bind(
    world: World,
    motif: Motif,
    tf: SimulatedTF,
    is_open: NDArray[np.bool_],
    config: SimulationConfig,
    rng: np.random.Generator,
) -> Binding:
    """Decide where a TF binds, and how much of that is observed.

    Raises
    ------
    DataError
        If fewer regions are open where the TF was profiled than it is to bind.
    """
    num = config.num_regions
    hits = best_hits(world.genome[world.positions], motif)
    matched = np.zeros((num, config.num_biosamples), dtype=np.bool_)
    matched[:, tf.biosamples] = is_open[:, tf.biosamples]
    utility = hits.score + config.noise_bits * rng.normal(size=num)
    can_bind = matched.any(axis=1) & (rng.random(num) >= config.decoy_fraction)
    utility[~can_bind] = -np.inf

    num_bound = max(1, round(tf.bound_fraction * num))
    num_single = round(config.one_source_fraction * num_bound)
    if num_bound + 2 * num_single > can_bind.sum():
        raise DataError(
            f"{tf.name}: {num_bound} bound regions asked for, but only {can_bind.sum()} are open "
            "where it was profiled: lower its bound_fraction or profile it in more biosamples"
        )
    order = np.argsort(-utility, kind="stable")
    bound = order[:num_bound]
    # what one source alone shows is the next best
    near = rng.permutation(order[num_bound : num_bound + 2 * num_single])

    shown = matched & (rng.random(matched.shape) < _SHOWN_FRACTION)
    surest = np.where(matched, rng.random(matched.shape), -1).argmax(axis=1)
    shown[np.arange(num), surest] = matched.any(axis=1)
    has_peak, has_site = np.zeros_like(matched), np.zeros_like(matched)
    for seen, single in ((has_peak, near[:num_single]), (has_site, near[num_single:])):
        for regions in (bound, single):
            seen[regions] = shown[regions]
    return Binding(tf, motif, hits, has_peak, has_site)
