"""Which regions a run trains, validates and tests on: pure functions of arrays and a seed.

Rules of Novakovsky et al. 2021 (Methods, "Model training"):

- a multi-model takes the regions resolved for all its TFs in the less sparse view, split
  80/10/10;
- an individual model takes the regions resolved in the sparse view, less those that its
  multi-model trained or validated on; unbound regions are sampled to the GC distribution of the
  bound ones in ten bins; split 80/10/10;
- a masked multi-model (beyond the paper) takes the regions resolved for at least one of its TFs,
  and has null labels where the others are not;
- a model judged by cross-validation (beyond the paper) has the same regions as its folds, each of
  which tests some of them once, and none to test on itself;
- a downsampled individual model takes `num_bound` bound regions and as many unbound ones, split
  in the same way, and is tested on further regions held back, at most 5,000 of a class.

Departures: individual splits are stratified by label, since ten validation regions of one class
are useless; regions with N are left out here and not before. A multi-model of nearly all regions
would leave too few for an individual model, and multi-models of other TFs would leave other ones:
with `held_back`, one draw over the dataset decides for all models of a seed which regions no
multi-model learns from. Legend: N regions of the dataset, n selected ones, T TFs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from data import schema
from data.dataset.gc_matching import Strata
from data.dataset.region_table import RegionTable
from data.dataset.sampling import (
    MIN_PER_CLASS,
    Part,
    RowRule,
    Sampling,
    draw_held_back,
    parts_of_dataset,
    split_parts,
)
from data.errors import DataError
from data.schema import NULL_LABEL, LabelArray, view_labels

_OneClass = tuple[NDArray[np.int64], NDArray[np.uint8]]
"""Ids of regions of one class, and the part of each."""
_BothClasses = tuple[_OneClass, _OneClass]
"""The bound and the unbound regions."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Regions of one run, sorted by id."""

    region_ids: NDArray[np.int64]
    """Rows of the region table, shape (n,)."""
    labels: LabelArray
    """1 bound, 0 unbound, `NULL_LABEL` unresolved, shape (n, T)."""
    part: NDArray[np.uint8]
    """A :class:`Part` for each, shape (n,)."""

    def rows(self, part: Part) -> NDArray[np.int64]:
        """Indices, into the arrays here, of the regions of a part."""
        return np.flatnonzero(self.part == part)

    def only(self, part: Part) -> "Selection":
        """Give the regions of a part alone."""
        rows = self.rows(part)
        return Selection(
            region_ids=self.region_ids[rows], labels=self.labels[rows], part=self.part[rows]
        )

    def seen_in_training(self) -> NDArray[np.int64]:
        """Ids of the regions trained or validated on."""
        return self.region_ids[self.part != Part.TEST]


def select_multi(
    regions: RegionTable,
    evidence: Sequence[NDArray[np.uint8]],
    sampling: Sampling,
    *,
    excluded: NDArray[np.int64] | None = None,
    rows: RowRule = "complete",
) -> Selection:
    """Select the regions resolved for all TFs in the less sparse view; masked: for at least one.

    Parameters
    ----------
    evidence
        Evidence codes of each TF, T arrays of shape (N,). They are never put together: only the
        rows selected are copied.
    excluded
        Ids of regions that may not be used: those of the individual model that it is made for.
    rows
        Which regions: `complete`, those resolved for all TFs, or `resolved`, those resolved for at
        least one of them, which a masked multi-model learns from.

    Raises
    ------
    DataError
        If there are too few such regions, or a part is left empty.
    """
    resolved = (codes != schema.Evidence.UNMATCHED for codes in evidence)
    allowed = reduce(np.logical_and if rows == "complete" else np.logical_or, resolved)
    allowed = allowed & (regions.num_unknown == 0)
    if excluded is not None:
        allowed[excluded] = False
    ids = np.flatnonzero(allowed)
    if len(ids) < MIN_PER_CLASS:
        raise DataError(
            f"only {len(ids)} regions are resolved for {'all' if rows == 'complete' else 'any'} "
            f"{len(evidence)} TFs; "
            "pre-train on fewer TFs, or TFs profiled in the same biosamples"
        )
    rng = np.random.default_rng([sampling.seed, 0])
    if sampling.max_multi_regions is not None and len(ids) > sampling.max_multi_regions:
        ids = np.sort(rng.choice(ids, sampling.max_multi_regions, replace=False))
    if sampling.held_back is None:
        part = split_parts(rng, regions, ids, sampling)
    else:
        part = parts_of_dataset(regions, sampling.held_back, sampling)[ids]
    labels = np.empty((len(ids), len(evidence)), dtype=np.int8)
    for column, codes in enumerate(evidence):
        labels[:, column] = view_labels(codes[ids], "less-sparse")
    return _checked(Selection(region_ids=ids, labels=labels, part=part))


def individual_pools(
    regions: RegionTable,
    evidence: NDArray[np.uint8],
    sampling: Sampling,
    *,
    excluded: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids of the bound and of the unbound regions that an individual model may draw from.

    Parameters
    ----------
    evidence, sampling, excluded
        As for :func:`select_individual`.
    """
    labels = view_labels(evidence, "sparse")
    allowed = (labels != NULL_LABEL) & (regions.num_unknown == 0)
    if excluded is not None:
        allowed[excluded] = False
    if sampling.held_back is not None:
        allowed &= parts_of_dataset(regions, sampling.held_back, sampling) == Part.TEST
    return np.flatnonzero(allowed & (labels == 1)), np.flatnonzero(allowed & (labels == 0))


def select_individual(
    regions: RegionTable,
    evidence: NDArray[np.uint8],
    sampling: Sampling,
    *,
    excluded: NDArray[np.int64] | None = None,
    openness: NDArray[np.int64] | None = None,
    name: str = "the TF",
) -> Selection:
    """Select bound regions and matched unbound ones for one TF, in the sparse view.

    Parameters
    ----------
    evidence
        Evidence codes of the TF, shape (N,).
    excluded
        Ids of regions that may not be used: those that the multi-model has seen.
    openness
        Stratum of openness of each region, shape (N,), by which unbound regions match bound ones
        beside GC; None, the default, matches by GC alone, as the paper does.
    name
        The TF's name, for messages.

    Raises
    ------
    DataError
        If there are fewer bound or unbound regions than asked for, or a part is left empty.
    """
    if (sampling.unbound_match == "gc-and-openness") != (openness is not None):
        raise ValueError("strata of openness go with the sampling that matches by them")
    bound_pool, unbound_pool = individual_pools(regions, evidence, sampling, excluded=excluded)
    num_bound = len(bound_pool) if sampling.num_bound is None else sampling.num_bound
    num_needed = max(num_bound, MIN_PER_CLASS)
    if len(bound_pool) < num_needed:
        raise DataError(
            f"{name} has {len(bound_pool)} bound regions{_where(sampling, excluded)}, "
            f"{num_needed} are needed; sample fewer or choose another TF"
        )
    rng = np.random.default_rng([sampling.seed, 1])
    bound = np.sort(rng.choice(bound_pool, num_bound, replace=False))
    strata = Strata(gc=regions.gc, gc_bins=sampling.gc_bins, openness=openness)
    unbound = strata.matched(rng, bound, unbound_pool)
    if len(unbound) < MIN_PER_CLASS:
        what = "GC" if openness is None else "GC and openness"
        raise DataError(
            f"{name} has {len(unbound)} unbound regions of matching {what}, {MIN_PER_CLASS} are "
            "needed; choose another TF"
        )
    drawn = (
        (bound, split_parts(rng, regions, bound, sampling)),
        (unbound, split_parts(rng, regions, unbound, sampling)),
    )
    if sampling.num_bound is not None:
        drawn = _tested_on_more(rng, regions, strata, (bound_pool, unbound_pool), drawn, sampling)
    if sampling.train_fraction is not None or sampling.train_bound is not None:
        drawn = _trained_on_fewer(drawn, sampling, name)

    ids = np.concatenate([drawn[0][0], drawn[1][0]])
    order = np.argsort(ids)
    return _checked(
        Selection(
            region_ids=ids[order],
            labels=view_labels(evidence, "sparse")[ids[order], None],
            part=np.concatenate([drawn[0][1], drawn[1][1]])[order],
        ),
        name,
        needs_test=not sampling.is_judged_by_folds,
    )


def _tested_on_more(
    rng: np.random.Generator,
    regions: RegionTable,
    strata: Strata,
    pools: tuple[NDArray[np.int64], NDArray[np.int64]],
    drawn: _BothClasses,
    sampling: Sampling,
) -> _BothClasses:
    """Add test regions, from what was not sampled, to those of a downsampled model."""
    (bound, part_bound), (unbound, part_unbound) = drawn
    more_bound, more_unbound = draw_held_back(
        rng,
        regions,
        strata,
        (_without(pools[0], bound), _without(pools[1], unbound)),
        sampling,
        num_wanted=sampling.max_test_per_class - int((part_bound == Part.TEST).sum()),
    )
    return _extend(bound, part_bound, more_bound), _extend(unbound, part_unbound, more_unbound)


def _without(pool: NDArray[np.int64], drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give what of a sorted pool was not drawn from it; ids are distinct, so nothing is sorted."""
    is_left = np.ones(len(pool), dtype=np.bool_)
    is_left[np.searchsorted(pool, drawn)] = False
    return pool[is_left]


def _trained_on_fewer(drawn: _BothClasses, sampling: Sampling, name: str) -> _BothClasses:
    """Keep a part of the regions to train and to validate on, and all regions to test on."""
    (bound, part_bound), (unbound, part_unbound) = drawn
    kept = _kept(part_bound, sampling, name)
    fewer = np.random.default_rng([sampling.seed, 4])
    kept_bound = _thinned(fewer, bound, part_bound, kept)
    kept = _kept(part_unbound, sampling) if sampling.train_bound is None else kept
    return kept_bound, _thinned(fewer, unbound, part_unbound, kept)


def _where(sampling: Sampling, excluded: NDArray[np.int64] | None) -> str:
    if sampling.held_back is not None:
        return f" in the {sampling.held_back:g} of the regions that are held back"
    return " outside its multi-model" if excluded is not None else ""


def _extend(ids: NDArray[np.int64], part: NDArray[np.uint8], more: NDArray[np.int64]) -> _OneClass:
    test = np.full(len(more), Part.TEST, dtype=np.uint8)
    return np.concatenate([ids, more]), np.concatenate([part, test])


def _kept(part: NDArray[np.uint8], sampling: Sampling, name: str = "") -> tuple[int, int]:
    """How many regions of one class are kept to train and to validate on, one at least of each.

    Raises
    ------
    DataError
        If there are fewer than an exact number asked for.
    """
    num_train, num_val = (int((part == one).sum()) for one in (Part.TRAIN, Part.VAL))
    exact, fraction = sampling.train_bound, sampling.train_fraction
    if exact is None:
        share = fraction or 1
        return max(1, round(share * num_train)), max(1, round(share * num_val))
    if num_train + num_val < exact:
        raise DataError(
            f"{name} has {num_train + num_val} bound regions to train and validate on, {exact} are "
            "needed; ask for fewer or choose another TF"
        )
    for_val = min(num_val, max(1, round(exact * num_val / (num_train + num_val))))
    return exact - for_val, for_val


def _thinned(
    rng: np.random.Generator,
    ids: NDArray[np.int64],
    part: NDArray[np.uint8],
    kept: tuple[int, int],
) -> _OneClass:
    """Keep some of the regions of one class to train and to validate on, and all to test on."""
    rows = [np.flatnonzero(part == Part.TEST)]
    for wanted, number in zip((Part.TRAIN, Part.VAL), kept, strict=True):
        # the whole order is drawn, so that fractions nest
        rows.append(rng.permutation(np.flatnonzero(part == wanted))[:number])
    found = np.sort(np.concatenate(rows))
    return ids[found], part[found]


def _checked(
    selection: Selection, name: str = "the multi-model", *, needs_test: bool = True
) -> Selection:
    for part in Part:
        if not len(selection.rows(part)) and (needs_test or part is not Part.TEST):
            raise DataError(
                f"{name}: no region is left to {part.name.lower()} on; "
                "name other chromosomes or use more regions"
            )
    return selection
