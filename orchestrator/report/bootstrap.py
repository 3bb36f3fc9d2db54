"""Intervals of MCC, AUROC and average precision: one bootstrap of test regions and replicates.

An interval covers the score that the same training would reach on average, with other draws of
its randomness (the replicates) and other test regions like these. With a single replicate nothing
is known of the former, and the interval says how precisely this one model is measured.

*Regions* are drawn with replacement within strata: regions of the same label that the same runs
were tested on, in a cross-validation in the same fold, that is, by the same models. A region that
several runs have in common gets one draw for all of them, so that arms are compared pair by pair
and replicates that share their test regions (a chromosome split) are not taken for independent
evidence. A region that one replicate alone has is drawn for it. The numbers of bound and unbound
regions of a run stay as they are, as selection fixes them.

*Replicates* differ by their training and by the test regions that they do not share. Drawing a few
replicates with replacement shows too little of that: with two, half of the variance. Their
deviations from the mean are therefore drawn with weights that make the mean's error follow
Student's t, which is exact for normal scores. Of the variance that drawing regions gives, only the
part that replicates have in common is added, since their deviations hold the rest already; a tenth
is the least that is added, because two replicates may agree by chance. `benchmarks/cover.py`
measures how often intervals cover the true value.

Replicates get the same weights in every call with as many replicates: a replicate is one
multi-model that many TFs have in common.

Legend: n test regions of a run, U regions of all runs, M arms, R replicates, T TFs, B draws, C
draws computed at a time, P patterns of calls.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.report.calls import Calls, Predictions
from orchestrator.report.statistics import Floats, Interval, interval, mcc
from orchestrator.report.weighted_scores import SCORES, weighted_scores

NUM_DRAWS: Final = 2000
NUM_RANK_DRAWS: Final = 1000
"""Draws of AUROC and average precision, which need the regions of every draw in order."""
MIN_COMMON: Final = 0.1
"""Least fraction of the regions' variance that is added to that of replicates."""
_CELLS_AT_ONCE: Final = 500_000
"""Product of draws and regions in memory at a time, which take tens of megabytes."""
_DIGITS: Final = 40
"""Binary digits that are put into one code at a time."""


Tested = Calls | Predictions
Run = TypeVar("Run", bound=Tested)


@dataclass(frozen=True, kw_only=True)
class ScoreDraws:
    """Draws of one score of some arms, for any weighted sum of the arms."""

    arms: tuple[str, ...]
    values: Floats
    """The scores as they are, shape (M, R)."""
    regions: Floats
    """The scores on drawn regions, shape (B, M, R)."""
    replicates: Floats
    """Weights of the replicates' deviations, shape (B, R), each row with sum 0."""
    least: float
    """The smallest value that the score can have; the largest is 1."""

    def draws(self, weights: Mapping[str, float]) -> Floats:
        """Draw the mean over replicates of a weighted sum of arms.

        Parameters
        ----------
        weights
            By arm; arms without a weight are left out.

        Returns
        -------
        array
            Shape (B,).
        """
        chosen = np.array([weights.get(arm, 0.0) for arm in self.arms])
        values = chosen @ self.values
        regions = np.einsum("m,bmr->br", chosen, self.regions)
        mean = values.mean()
        noise = regions.mean(axis=1) - mean
        if len(values) == 1:
            return mean + noise
        return mean + noise * _common_fraction(regions) ** 0.5 + self.replicates @ (values - mean)

    def mean(self, arm: str) -> float:
        """Mean of an arm's score over its replicates, as they are."""
        return float(self.values[self.arms.index(arm)].mean())

    def of(self, arm: str) -> Interval:
        """Interval of an arm, within the values that its score can have."""
        ends = interval(self.draws({arm: 1.0}))
        low, high = np.clip([ends.low, ends.high], self.least, 1.0)
        return Interval(low=float(low), high=float(high))

    def difference(self, first: str, second: str) -> Interval:
        """Interval of one arm less another one, within the values that differences can have."""
        ends = interval(self.draws({first: 1.0, second: -1.0}))
        most = 1.0 - self.least
        low, high = np.clip([ends.low, ends.high], -most, most)
        return Interval(low=float(low), high=float(high))


class Bootstrap:
    """Draws test regions, replicates and TFs.

    Parameters
    ----------
    seed
        Seed of all draws: the same calls in the same order give the same draws.
    num_draws
        B for the MCC and for statistics over many TFs.
    num_rank_draws
        B for :meth:`scores`, which is slower.
    """

    def __init__(
        self, seed: int = 0, num_draws: int = NUM_DRAWS, num_rank_draws: int = NUM_RANK_DRAWS
    ) -> None:
        self.num_draws = num_draws
        self.num_rank_draws = num_rank_draws
        self._seed = seed
        self._rng = np.random.default_rng([seed, 1])

    def mcc(self, arms: Mapping[str, Sequence[Tested]]) -> ScoreDraws:
        """Draw the MCC of some arms.

        Regions on which all runs agree are counted, and their numbers drawn: exact, and as fast
        for 30,000 regions as for 30.

        Parameters
        ----------
        arms
            The runs of each arm by replicate; every arm has the same replicates, in one order.

        Raises
        ------
        ValueError
            If arms differ in how many replicates they have, or there is no test region.
        """
        runs = _checked(arms)
        pool = _pool(runs)
        hits = _drawn_hits(self._rng, runs, pool, self.num_draws)
        num_bound = np.array([run.bound.sum() for run in runs])
        num_unbound = np.array([len(run.bound) for run in runs]) - num_bound
        shape = (len(arms), -1)
        return ScoreDraws(
            arms=tuple(arms),
            values=np.array([_mcc_of(run) for run in runs]).reshape(shape),
            regions=mcc(*hits, num_bound, num_unbound).reshape(self.num_draws, *shape),
            replicates=self._replicates(len(runs) // len(arms), self.num_draws),
            least=-1.0,
        )

    def scores(self, arms: Mapping[str, Sequence[Predictions]]) -> dict[str, ScoreDraws]:
        """Draw all of `SCORES` of some arms, on the same regions.

        Parameters
        ----------
        arms
            As for :meth:`mcc`.

        Returns
        -------
        dict
            By name of the score.

        Raises
        ------
        ValueError
            If arms differ in how many replicates they have, or there is no test region.
        """
        runs = _checked(arms)
        pool = _pool(runs)
        at_once = max(1, _CELLS_AT_ONCE // pool.num_regions)
        parts = []
        for low in range(0, self.num_rank_draws, at_once):
            weights = _drawn_weights(self._rng, pool, min(at_once, self.num_rank_draws - low))
            parts.append(
                np.stack(
                    [
                        weighted_scores(run, weights[place].T)
                        for run, place in zip(runs, pool.places, strict=True)
                    ]
                )
            )
        drawn = np.concatenate(parts, axis=1)
        values = np.stack([weighted_scores(run, np.ones((1, len(run.bound)))) for run in runs])
        replicates = self._replicates(len(runs) // len(arms), self.num_rank_draws)
        shape = (len(arms), -1)
        return {
            name: ScoreDraws(
                arms=tuple(arms),
                values=values[:, 0, column].reshape(shape),
                regions=drawn[..., column].T.reshape(self.num_rank_draws, *shape),
                replicates=replicates,
                least=-1.0 if name == "mcc" else 0.0,
            )
            for column, name in enumerate(SCORES)
        }

    def mean_over_tfs(self, values: Floats) -> Floats:
        """Draw the mean of a value per TF; its error follows Student's t.

        The differences between TFs already contain the noise of their test regions and trainings.

        Parameters
        ----------
        values
            Shape (T,).

        Returns
        -------
        array
            Shape (B,); the mean itself in each where there is one TF only.
        """
        mean = values.mean()
        if len(values) == 1:
            return np.full(self.num_draws, mean)
        return mean + _t_weights(self._rng, len(values), self.num_draws) @ (values - mean)

    def median_over_tfs(self, draws: Floats) -> Floats:
        """Draw the median over TFs, which are drawn with replacement.

        With the TFs held fixed, the interval of a median covers too little: the noise that draws
        add to each TF moves their median.

        Parameters
        ----------
        draws
            Draws of each TF, shape (T, B).

        Returns
        -------
        array
            Shape (B,).
        """
        picked = self._rng.integers(0, len(draws), draws.shape)
        return np.median(np.take_along_axis(draws, picked, axis=0), axis=0)

    def _replicates(self, num_replicates: int, num_draws: int) -> Floats:
        return _t_weights(np.random.default_rng([self._seed, 0]), num_replicates, num_draws)


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """The regions of some runs, each once."""

    places: Sequence[NDArray[np.int64]]
    """For each run, where its n regions are among the U."""
    strata: NDArray[np.int64]
    """Stratum of each region, shape (U,)."""
    bound: NDArray[np.bool_]
    """Labels, shape (U,)."""

    @property
    def num_regions(self) -> int:
        """U."""
        return len(self.strata)


def _checked(arms: Mapping[str, Sequence[Run]]) -> list[Run]:
    """All runs, arm by arm."""
    numbers = {arm: len(runs) for arm, runs in arms.items()}
    if len(set(numbers.values())) != 1:
        told = ", ".join(f"{arm!r} {number}" for arm, number in numbers.items())
        raise ValueError(f"arms must have the same replicates; they have {told or 'none'}")
    runs = [run for own in arms.values() for run in own]
    if not runs or not all(len(run.bound) for run in runs):
        raise ValueError("a replicate has no test region")
    return runs


def _pool(runs: Sequence[Tested]) -> _Pool:
    keys = [2 * run.region_ids.astype(np.int64) + run.bound for run in runs]
    union, where = np.unique(np.concatenate(keys), return_inverse=True)
    places = np.split(where, np.cumsum([len(key) for key in keys])[:-1])
    bound = union % 2 == 1
    members = (_marked(len(union), place) for place in places)
    fold = np.zeros(len(union), dtype=np.int64)
    for run, place in zip(runs, places, strict=True):
        if isinstance(run, Predictions) and run.fold is not None:
            fold[place] = run.fold
    strata = _coded(members, 2 * fold + bound)
    return _Pool(places=places, strata=strata, bound=bound)


def _marked(size: int, place: NDArray[np.int64]) -> NDArray[np.bool_]:
    marks = np.zeros(size, dtype=np.bool_)
    marks[place] = True
    return marks


def _coded(columns: Iterable[NDArray[np.bool_]], code: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the rows of a code and some binary columns from 0, equal rows by the same number."""
    for digit, column in enumerate(columns, start=1):
        code = 2 * code + column
        if digit % _DIGITS == 0:
            code = np.unique(code, return_inverse=True)[1]
    return np.unique(code, return_inverse=True)[1]


def _drawn_hits(
    rng: np.random.Generator, runs: Sequence[Tested], pool: _Pool, num_draws: int
) -> tuple[Floats, Floats]:
    """Draw how many bound and how many unbound regions each run calls bound, both (B, M * R)."""
    called = [
        _marked(pool.num_regions, place[run.called])
        for run, place in zip(runs, pool.places, strict=True)
    ]
    pattern = _coded(called, pool.strata)
    _, first, counts = np.unique(pattern, return_index=True, return_counts=True)
    drawn = np.empty((num_draws, len(counts)))
    strata = pool.strata[first]
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        total = int(counts[own].sum())
        drawn[:, own] = rng.multinomial(total, counts[own] / total, num_draws)
    calls = np.stack([marks[first] for marks in called], axis=1).astype(np.float64)
    bound = pool.bound[first]
    return drawn[:, bound] @ calls[bound], drawn[:, ~bound] @ calls[~bound]


def _drawn_weights(rng: np.random.Generator, pool: _Pool, num: int) -> Floats:
    """Draw how often each region counts, shape (U, C)."""
    weights = np.empty((pool.num_regions, num))
    order = np.argsort(pool.strata, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(pool.strata[order])) + 1):
        size = len(own)
        index = num * rng.integers(0, size, (num, size)) + np.arange(num)[:, None]
        weights[own] = np.bincount(index.ravel(), minlength=size * num).reshape(size, num)
    return weights


def _t_weights(rng: np.random.Generator, size: int, num: int) -> Floats:
    """Weights of deviations from a mean, shape (num, size), by which its error follows Student's t.

    Weighted sums of the deviations of `size` values have, over the draws, the distribution of
    t times the standard error, with `size` - 1 degrees of freedom; several samples by the same
    weights keep their correlation.
    """
    if size == 1:
        return np.zeros((num, 1))
    normal = rng.standard_normal((num, size))
    normal -= normal.mean(axis=1, keepdims=True)
    scale = np.sqrt(rng.chisquare(size - 1, (num, 1)) * size)
    return normal / scale


def _common_fraction(regions: Floats) -> float:
    """Fraction of the variance of a mean over replicates that they have in common.

    Parameters
    ----------
    regions
        Draws of each replicate, shape (B, R).
    """
    covariance = np.cov(regions.T)
    num = len(covariance)
    total = covariance.mean()
    if total <= 0:
        return 1.0
    between = (covariance.sum() - np.trace(covariance)) / (num * (num - 1))
    return float(np.clip(between / total, MIN_COMMON, 1.0))


def _mcc_of(run: Tested) -> float:
    num_bound = int(run.bound.sum())
    hits = int((run.called & run.bound).sum())
    false = int(run.called.sum()) - hits
    return float(mcc(hits, false, num_bound, len(run.bound) - num_bound))
