"""How regions are split into training, validation and test: the settings of a draw."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from data.dataset.gc_matching import Strata
from data.dataset.region_table import RegionTable
from data.errors import DataError

RowRule = Literal["complete", "resolved"]
"""Regions of a multi-model: `complete`, those resolved for all its TFs (the paper's), or
`resolved`, those resolved for at least one of them: a masked multi-model."""

Split = Literal["random", "chromosome"]
"""How regions are held back for validation and test."""

UnboundMatch = Literal["gc", "gc-and-openness"]
"""What unbound regions have in common with bound ones: GC (the paper), or beside it how open they
are, see `data.dataset.openness_matching`."""


MIN_PER_CLASS: Final = 10
"""Fewest bound (and unbound) regions that can be split into three parts."""
MIN_FOLDS: Final = 3
"""Fewest folds of chromosomes: one to test on, one to validate on, one to train on."""


class Part(IntEnum):
    """What a selected region is used for."""

    TRAIN = 0
    VAL = 1
    TEST = 2


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How regions are drawn and split."""

    seed: int = 0
    """Decides every draw; replicates differ in it."""
    num_bound: int | None = None
    """Bound regions to sample, and as many unbound; None takes all (the paper: 1,000 and 500)."""
    split: Split = "random"
    """The paper splits at random; by chromosome, no test region is near a training region."""
    val_fraction: float = 0.1
    """Fraction of regions to validate on (random split only); the paper's is 0.1."""
    test_fraction: float = 0.1
    """Fraction of regions to test on (random split only); the paper's is 0.1."""
    val_chroms: tuple[str, ...] = ()
    """Chromosomes to validate on (chromosome split only)."""
    test_chroms: tuple[str, ...] = ()
    """Chromosomes to test on (chromosome split only)."""
    gc_bins: int = 10
    """Bins of equal width in which unbound regions match the GC of bound ones; paper: 10."""
    max_test_per_class: int = 5000
    """Most regions of a class that a downsampled run is tested on; the authors' scripts: 5,000."""
    max_multi_regions: int | None = field(default=None, metadata={"late": True})
    """Most regions of a multi-model, drawn at random; None takes all. The authors' scripts give
    each multi-model of five TFs 70,000, so that sets of TFs differ in the TFs alone."""
    held_back: float | None = field(default=None, metadata={"late": True})
    """Fraction of the dataset's regions, drawn from the seed alone, that multi-models test on and
    that individual models draw all of theirs from (random split only). None (paper): each
    multi-model splits the regions that it has, `test_fraction` of them to test on."""

    train_fraction: float | None = field(default=None, metadata={"late": True})
    """Fraction of the bound, and of the unbound, regions to train and validate on that are kept,
    for a step of a learning curve; None keeps all. The regions to test on stay the same, and a
    smaller fraction's regions are among those of a larger one."""
    train_bound: int | None = field(default=None, metadata={"late": True})
    """Exact number of bound, and at most of unbound, regions that are kept to train and validate
    on; None keeps all. The regions to test on stay the same, and fewer are among more. `num_bound`
    counts the regions to test on too."""
    folds: tuple[tuple[str, ...], ...] = field(default=(), metadata={"late": True})
    """Cross-validation over chromosomes (chromosome split only): the chromosomes of each fold. The
    model learns from all of them, and each is tested by a model of the same settings that learns
    from the others (:meth:`of_fold`). The first chromosome of a fold is validated on while the fold
    before it is tested. Empty: one model, tested on `test_chroms`."""
    fold: int | None = field(default=None, metadata={"late": True})
    """Which fold is tested, counted from 0; None is the model that learns from all of them."""
    unbound_match: UnboundMatch = field(default="gc", metadata={"late": True})
    """What the unbound regions of an individual model have in common with its bound ones."""

    def __post_init__(self) -> None:
        if self.unbound_match not in get_args(UnboundMatch):
            raise ValueError(
                f"unbound_match is {self.unbound_match!r}; give one of "
                + ", ".join(get_args(UnboundMatch))
            )
        if self.train_fraction is not None and not 0 < self.train_fraction < 1:
            raise ValueError(f"train_fraction is {self.train_fraction}; give one between 0 and 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give 0 or more")
        if self.num_bound is not None and self.num_bound < MIN_PER_CLASS:
            raise ValueError(f"num_bound is {self.num_bound}, at least {MIN_PER_CLASS} are needed")
        if not (self.val_fraction > 0 and 0 < self.test_fraction < 1 - self.val_fraction):
            raise ValueError("val_fraction and test_fraction must be positive and sum below 1")
        if self.gc_bins < 1 or self.max_test_per_class < 1:
            raise ValueError("gc_bins and max_test_per_class must be positive")
        if self.max_multi_regions is not None and self.max_multi_regions < MIN_PER_CLASS:
            raise ValueError(
                f"max_multi_regions is {self.max_multi_regions}, at least {MIN_PER_CLASS} are "
                "needed"
            )
        if self.held_back is not None:
            if not 0 < self.held_back < 1 - self.val_fraction:
                raise ValueError(
                    f"held_back is {self.held_back}; give a fraction above 0, below "
                    f"{1 - self.val_fraction:g}"
                )
            if self.split == "chromosome":
                raise ValueError("a chromosome split holds chromosomes back, and no fraction")
        if self.train_bound is not None:
            if self.train_bound < MIN_PER_CLASS:
                raise ValueError(
                    f"train_bound is {self.train_bound}, at least {MIN_PER_CLASS} are needed"
                )
            if self.train_fraction is not None:
                raise ValueError("train_bound and train_fraction exclude each other")
        self._check_folds()
        is_tested = bool(self.test_chroms) or self.is_judged_by_folds
        if self.split == "chromosome" and not (self.val_chroms and is_tested):
            raise ValueError("a chromosome split needs val_chroms and test_chroms")
        if set(self.val_chroms) & set(self.test_chroms):
            raise ValueError("a chromosome cannot be for validation and for testing")

    @property
    def is_judged_by_folds(self) -> bool:
        """Whether it belongs to the model of all folds, which the models of single folds test."""
        return bool(self.folds) and self.fold is None

    def in_folds(self, folds: Sequence[Sequence[str]]) -> "Sampling":
        """Give the sampling of a model of all these folds."""
        chroms = tuple(tuple(fold) for fold in folds)
        return replace(self, folds=chroms, fold=None, val_chroms=chroms[0][:1], test_chroms=())

    def of_fold(self, number: int) -> "Sampling":
        """Give the sampling by which a fold, counted from 0, is tested."""
        following = self.folds[(number + 1) % len(self.folds)]
        return replace(self, fold=number, val_chroms=following[:1], test_chroms=self.folds[number])

    def _check_folds(self) -> None:
        # lists when read from JSON
        object.__setattr__(self, "folds", tuple(tuple(fold) for fold in self.folds))
        if not self.folds:
            if self.fold is not None:
                raise ValueError("a fold is one of several; give folds")
            return
        if self.split != "chromosome":
            raise ValueError("folds are of chromosomes; split by chromosome")
        if len(self.folds) < MIN_FOLDS or not all(self.folds):
            raise ValueError(f"give {MIN_FOLDS} folds or more, each with a chromosome")
        if len({chrom for fold in self.folds for chrom in fold}) < sum(map(len, self.folds)):
            raise ValueError("a chromosome is in two folds")
        if self.fold is not None and not 0 <= self.fold < len(self.folds):
            raise ValueError(f"there is no fold {self.fold}; there are {len(self.folds)}, from 0")
        if self.test_chroms != (() if self.fold is None else self.folds[self.fold]):
            raise ValueError("the chromosomes to test on are those of the fold")


def default_chromosomes(
    counts: Mapping[str, int], named: Sequence[str] = (), avoid: Collection[str] = ()
) -> tuple[str, str]:
    """Choose chromosomes to validate and to test on: those nearest to a tenth of the regions.

    Parameters
    ----------
    counts
        Number of regions by chromosome.
    named
        Chromosomes that were named to validate or to test on, where the others are to be chosen;
        they are not chosen. By default none is named.
    avoid
        Chromosomes that are chosen only where there are no others. By default there are none.

    Raises
    ------
    DataError
        If there are fewer than three chromosomes, or none is left to train on.
    """
    if len(counts) < 3:
        raise DataError(
            f"a chromosome split needs three chromosomes, there are {len(counts)}; split at random"
        )
    tenth = sum(counts.values()) / 10
    nearest = sorted(counts, key=lambda chrom: (chrom in avoid, abs(counts[chrom] - tenth)))
    free = [chrom for chrom in nearest if chrom not in named]
    if len(free) < 2:
        raise DataError(
            f"{', '.join(named)} leave no chromosome to choose one from and to train on; name "
            "fewer of " + ", ".join(counts)
        )
    test, val = (chrom if chrom in free else free[0] for chrom in nearest[:2])
    return val, test


def chromosome_folds(
    num_bound: Mapping[str, int], num_regions: Mapping[str, int], num_folds: int
) -> tuple[tuple[str, ...], ...]:
    """Deal whole chromosomes into folds with about as many bound regions each.

    The chromosome with most bound regions goes first, each to the fold that has fewest. Of each
    fold the chromosome nearest to a tenth of the bound regions comes first: it is validated on.

    Parameters
    ----------
    num_bound
        Number of the TF's bound regions by chromosome; others have none.
    num_regions
        Number of regions by chromosome, of all chromosomes; where numbers of bound regions are
        equal, the chromosome with more regions goes first.
    num_folds
        Folds wanted; there are fewer where fewer chromosomes have bound regions.

    Raises
    ------
    DataError
        If bound regions lie on fewer than three chromosomes.
    """
    there = sorted(
        num_regions, key=lambda chrom: (-num_bound.get(chrom, 0), -num_regions[chrom], chrom)
    )
    num = min(num_folds, sum(num_bound.get(chrom, 0) > 0 for chrom in there))
    if num < MIN_FOLDS:
        raise DataError(
            f"bound regions lie on {num} chromosomes; cross-validation over chromosomes needs "
            f"{MIN_FOLDS} or more, hold one chromosome out or split at random"
        )
    folds: list[list[str]] = [[] for _ in range(num)]
    for chrom in there:
        fewest = min(folds, key=lambda fold: sum(num_bound.get(one, 0) for one in fold))
        fewest.append(chrom)
    tenth = sum(num_bound.values()) / 10
    return tuple(
        tuple(sorted(fold, key=lambda chrom: abs(num_bound.get(chrom, 0) - tenth)))
        for fold in folds
    )


def parts_of_dataset(
    regions: RegionTable, held_back: float, sampling: Sampling
) -> NDArray[np.uint8]:
    """Draw the part that each of the dataset's regions has in any multi-model of the seed.

    Those that were added after the build are no multi-model's, and change no part of the others.
    """
    num_built = len(regions) - regions.num_added
    order = np.random.default_rng([sampling.seed, 3]).permutation(num_built)
    num_test, num_val = round(held_back * num_built), round(sampling.val_fraction * num_built)
    part = np.full(len(regions), Part.TRAIN, dtype=np.uint8)
    part[order[:num_test]] = Part.TEST
    part[order[num_test : num_test + num_val]] = Part.VAL
    part[num_built:] = Part.TEST
    return part


def split_parts(
    rng: np.random.Generator, regions: RegionTable, ids: NDArray[np.int64], sampling: Sampling
) -> NDArray[np.uint8]:
    """Give the part of each region, shape (N,): at random, or by chromosome."""
    part = np.full(len(ids), Part.TRAIN, dtype=np.uint8)
    if sampling.split == "chromosome":
        part[regions.lies_on(sampling.val_chroms, ids)] = Part.VAL
        part[regions.lies_on(sampling.test_chroms, ids)] = Part.TEST
        return part
    order = rng.permutation(len(ids))
    num_val, num_test = (
        round(fraction * len(ids)) for fraction in (sampling.val_fraction, sampling.test_fraction)
    )
    part[order[:num_val]] = Part.VAL
    part[order[num_val : num_val + num_test]] = Part.TEST
    return part


def draw_held_back(
    rng: np.random.Generator,
    regions: RegionTable,
    strata: Strata,
    pools: tuple[NDArray[np.int64], NDArray[np.int64]],
    sampling: Sampling,
    num_wanted: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw further test regions, bound and matched unbound, from what was not sampled."""
    bound_pool, unbound_pool = pools
    if sampling.split == "chromosome":
        bound_pool, unbound_pool = (
            pool[regions.lies_on(sampling.test_chroms, pool)] for pool in pools
        )
    num_wanted = max(0, min(num_wanted, len(bound_pool)))
    bound = np.sort(rng.choice(bound_pool, num_wanted, replace=False))
    return bound, strata.matched(rng, bound, unbound_pool)
