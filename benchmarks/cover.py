"""How often 95 % intervals cover the true score: the report's bootstrap, and ways that were worse.

    python -m benchmarks.cover [--studies 1000] [--regions 200] [--replicates 2,3,5]

Studies are simulated over and over: logits of bound and unbound regions, half of each, are normal
around plus and minus the skill of a model, with noise that belongs to the region (the same for all
models) and noise of the model's own. Two arms, `transfer` and `scratch`, are tested on the same
regions. The skill of every replicate of an arm is drawn around that of the arm, with a standard
deviation of `--spreads`. With a *random* split each replicate has test regions of its own, with a
*chromosome* split replicates share them.

The true value is the mean score of such models on endless regions. Reported is in how many of 100
studies the interval covers it, for each score of `transfer` and for `transfer` less `scratch`:

- *ours*: `orchestrator.report.bootstrap`;
- *percentile*: replicates drawn with replacement, as the report did before;
- *regions*: the replicates as they are, their test regions drawn;
- *shrunk*: the variance that regions explain is taken from that between replicates, the rest drawn
  by Student's t on top of all of the regions' noise.

Only the first has a test of its own. `width` is the median width beside that of *regions*.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.stats import norm

from benchmarks.machine import Row, describe, table
from orchestrator.report.bootstrap import Bootstrap, ScoreDraws
from orchestrator.report.calls import Predictions
from orchestrator.report.statistics import Floats, interval
from orchestrator.report.weighted_scores import SCORES, weighted_scores

Split = Literal["random", "chromosome"]
SKILLS: Final = {"transfer": 0.8, "scratch": 0.5}
COMMON: Final = 0.7
"""Fraction of the variance of logits that belongs to the region."""
WEIGHTS: Final[Mapping[str, Mapping[str, float]]] = {
    "transfer": {"transfer": 1.0},
    "less scratch": {"transfer": 1.0, "scratch": -1.0},
}
_ENDLESS: Final = 50_000


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What studies are like."""

    split: Split
    num_replicates: int
    spread: float
    """Standard deviation of the skill between replicates."""
    num_regions: int


@dataclass(frozen=True, kw_only=True)
class Cover:
    """How the intervals of one way did in many studies."""

    held: float
    """Fraction of them that cover the true value."""
    width: float
    """Median."""


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    rows: list[Row] = []
    for split in ("random", "chromosome"):
        for num_replicates in options.replicates:
            for spread in options.spreads:
                setting = Setting(
                    split="random" if split == "random" else "chromosome",
                    num_replicates=num_replicates,
                    spread=spread,
                    num_regions=options.regions,
                )
                rows += _rows(setting, simulate(setting, options.studies, options.draws))
    header = ("split, replicates, spread", "score", *WAYS, "width ours", "percentile", "shrunk")
    print(
        f"{options.studies} studies, {options.regions} test regions a replicate, {options.draws} "
        f"draws; cover in %\n\n{table(header, rows)}"
    )
    return rows


def simulate(setting: Setting, num_studies: int, num_draws: int) -> dict[str, dict[str, Cover]]:
    """Simulate studies of a setting; cover by score and way."""
    true = true_scores(setting.spread)
    found: dict[str, dict[str, list[tuple[bool, float]]]] = {}
    for number in range(num_studies):
        rng = np.random.default_rng([number, setting.num_replicates])
        boot = Bootstrap(number, num_rank_draws=num_draws)
        drawn = boot.scores(study(rng, setting))
        for score in SCORES:
            for name, weights in WEIGHTS.items():
                value = sum(factor * true[arm][score] for arm, factor in weights.items())
                of_score = found.setdefault(f"{score} {name}", {way: [] for way in WAYS})
                for way, draw in WAYS.items():
                    ends = interval(draw(drawn[score], weights))
                    of_score[way].append((ends.low <= value <= ends.high, ends.high - ends.low))
    return {
        score: {
            way: Cover(
                held=float(np.mean([held for held, _ in each])),
                width=float(np.median([width for _, width in each])),
            )
            for way, each in ways.items()
        }
        for score, ways in found.items()
    }


def study(rng: np.random.Generator, setting: Setting) -> dict[str, list[Predictions]]:
    """Draw the predictions of one study, by arm and replicate."""
    size = setting.num_regions
    bound = np.arange(size) < size // 2
    arms: dict[str, list[Predictions]] = {arm: [] for arm in SKILLS}
    of_region = rng.normal(0, COMMON**0.5, size)
    for replicate in range(setting.num_replicates):
        if setting.split == "random":
            of_region = rng.normal(0, COMMON**0.5, size)
        first = replicate * size if setting.split == "random" else 0
        for arm, skill in SKILLS.items():
            own = rng.normal(skill, setting.spread)
            noise = of_region + rng.normal(0, (1 - COMMON) ** 0.5, size)
            arms[arm].append(
                Predictions(
                    region_ids=np.arange(first, first + size),
                    bound=bound,
                    probability=_probability(np.where(bound, own, -own) + noise),
                )
            )
    return arms


def true_scores(spread: float) -> dict[str, dict[str, float]]:
    """Mean score of each arm's models on endless regions."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    # both classes at even quantiles: as good as endlessly many regions
    quantiles = norm.ppf((np.arange(_ENDLESS // 2) + 0.5) / (_ENDLESS // 2))
    bound = np.arange(_ENDLESS) < _ENDLESS // 2
    found = {}
    for arm, skill in SKILLS.items():
        each = []
        for node in nodes:
            own = skill + spread * node
            logits = np.concatenate([quantiles + own, quantiles - own])
            endless = Predictions(
                region_ids=np.arange(_ENDLESS), bound=bound, probability=_probability(logits)
            )
            each.append(weighted_scores(endless, np.ones((1, _ENDLESS)))[0])
        means = weights @ np.array(each) / weights.sum()
        found[arm] = dict(zip(SCORES, means.tolist(), strict=True))
    return found


def _probability(logits: Floats) -> np.ndarray:
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def _ours(drawn: ScoreDraws, weights: Mapping[str, float]) -> Floats:
    return drawn.draws(weights)


def _values(drawn: ScoreDraws, weights: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Scores (R,) and their draws (B, R) of a weighted sum of arms."""
    chosen = np.array([weights.get(arm, 0.0) for arm in drawn.arms])
    return chosen @ drawn.values, np.einsum("m,bmr->br", chosen, drawn.regions)


def _percentile(drawn: ScoreDraws, weights: Mapping[str, float]) -> Floats:
    _, regions = _values(drawn, weights)
    num_draws, num = regions.shape
    picked = np.random.default_rng(0).integers(0, num, regions.shape)
    return regions[np.arange(num_draws)[:, None], picked].mean(axis=1)


def _regions(drawn: ScoreDraws, weights: Mapping[str, float]) -> Floats:
    return _values(drawn, weights)[1].mean(axis=1)


def _shrunk(drawn: ScoreDraws, weights: Mapping[str, float]) -> Floats:
    values, regions = _values(drawn, weights)
    num = len(values)
    if num == 1:
        return regions.mean(axis=1)
    between, covariance = values.var(ddof=1), np.cov(regions.T)
    explained = (np.trace(covariance) - covariance.sum() / num) / (num - 1)
    factor = max(0.0, 1 - explained / between) ** 0.5 if between else 0.0
    return regions.mean(axis=1) + factor * drawn.replicates @ (values - values.mean())


WAYS: Final[Mapping[str, Callable[[ScoreDraws, Mapping[str, float]], Floats]]] = {
    "ours": _ours,
    "percentile": _percentile,
    "regions": _regions,
    "shrunk": _shrunk,
}


def _rows(setting: Setting, found: Mapping[str, Mapping[str, Cover]]) -> list[list[str]]:
    return [
        [
            f"{setting.split}, {setting.num_replicates}, {setting.spread:g}",
            score,
            *(f"{100 * ways[way].held:.1f}" for way in WAYS),
            *(
                f"{ways[way].width / ways['regions'].width:.1f}"
                for way in ("ours", "percentile", "shrunk")
            ),
        ]
        for score, ways in found.items()
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="of a setting (default: 1000)")
    parser.add_argument("--regions", type=int, default=200, help="of a test set (default: 200)")
    parser.add_argument("--draws", type=int, default=400, help="of an interval (default: 400)")
    parser.add_argument(
        "--replicates",
        type=lambda text: [int(one) for one in text.split(",")],
        default=[2, 3, 5],
        help="numbers of replicates (default: 2,3,5)",
    )
    parser.add_argument(
        "--spreads",
        type=lambda text: [float(one) for one in text.split(",")],
        default=[0.0, 0.05, 0.15],
        help="of the skill between replicates (default: 0,0.05,0.15)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
