"""The numbers of a verdict, from finished runs: arms, gains, learning curve, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.added import Background
from data.dataset.sampling import Part
from data.dataset.selection import Selection
from data.dataset.store import Dataset
from data.records import IF_SET
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.prediction.base_fit import BaseFit, fit_of_start
from orchestrator.report.bootstrap import Bootstrap, ScoreDraws
from orchestrator.report.calls import Predictions
from orchestrator.report.statistics import Floats, Interval, interval
from orchestrator.report.weighted_scores import SCORES
from orchestrator.report.words import counted
from orchestrator.role_names import set_name
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.spec import BaseStart
from orchestrator.verdict.arms import ARMS, OPENNESS, RIVALS, SCRATCH, TRANSFER, WITH_OPENNESS
from orchestrator.verdict.judged import Judged

NUM_BINS: Final = 10
"""Number of bins of the calibration plot, with about equally many regions each."""
NUM_LAST: Final = 3
"""Number of the last steps of the learning curve that the outlook is computed from."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A number with its 95 % interval."""

    value: float
    ends: Interval


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the learning curve."""

    name: str
    num_bound: int
    """Bound regions trained and validated on, mean over replicates."""
    scores: Mapping[str, Value]
    """By name, of `SCORES`."""


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Test regions of similar probability."""

    predicted: float
    """Mean calibrated probability."""
    observed: float
    """Fraction of them that is bound."""
    num: int


@dataclass(frozen=True, kw_only=True)
class CalibrationCheck:
    """How well calibrated probabilities fit the test regions of all replicates."""

    bins: tuple[CalibrationBin, ...]
    brier: float
    """Mean squared distance of probability and label; a constant 0.5 reaches 0.25."""
    error: float
    """Mean distance of predicted and observed fractions over bins, weighted by regions."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """All numbers behind a verdict."""

    tf: str
    arms: Mapping[str, Mapping[str, Value]]
    """Scores by arm (`arms.ARMS`) and by name (`SCORES`)."""
    gains: Mapping[str, Mapping[str, Value]]
    """Scores of transfer minus those of each other arm."""
    steps: tuple[Step, ...]
    """Steps of the learning curve, the smallest first, all regions last. All have the same
    replicates, so that the last is not the mean of transfer where the curve has fewer."""
    outlook: Value | None
    """MCC that twice as many regions would add if the curve continues as in its last steps; None
    with fewer than three steps."""
    calibration: CalibrationCheck
    num_replicates: int
    num_replicates_of: Mapping[str, int] = field(default_factory=dict, metadata=IF_SET)
    """Replicates of arms that have fewer, the first ones. Such an arm is compared with the same
    replicates of transfer."""
    num_bound: int
    """Bound regions used to train, validate and test, in the first replicate. With folds, the model
    learns from all of them, and all are tested."""
    num_train_bound: int
    num_val_bound: int
    num_test_bound: int
    num_test: int
    num_folds: int = field(default=0, metadata=IF_SET)
    """Folds of whole chromosomes that tested every region once; 0 where the test regions are held
    out from the model."""
    num_seen: int
    """Test regions that the multi-model was trained or validated on, the most of any replicate."""
    learns_from_val: bool = field(default=False, metadata=IF_SET)
    """Whether the model learnt from its validation regions too, as small ones do."""
    sites: str
    """Where the sites of its bound regions come from: given, predicted, none; or dataset."""
    peaks: str = field(default="", metadata=IF_SET)
    """Which of its peaks count, in words; empty where all do."""
    split: str
    """How regions are held out, in words."""
    start_key: str
    """Key of the multi-model's run."""
    start_tfs: tuple[str, ...]
    start_name: str
    keys: tuple[str, ...]
    """Keys of the transfer runs on all regions, by replicate."""
    base: BaseFit | None = field(default=None, metadata=IF_SET)
    """How the base fits that the model started from; None for a multi-model of this workspace."""
    unbound: Background | None = field(default=None, metadata=IF_SET)
    """Where the unbound regions of a lab's own dataset come from; None where it was built."""

    @property
    def transfer(self) -> Mapping[str, Value]:
        """Scores of transfer on all regions."""
        return self.arms[TRANSFER]

    @property
    def is_calibrated(self) -> bool:
        """Whether regions that the model did not learn from calibrate its probabilities."""
        return bool(self.num_folds) or not self.learns_from_val

    @property
    def probability(self) -> str:
        """What its probabilities are called."""
        return "calibrated probability" if self.is_calibrated else "probability"

    @property
    def step_titles(self) -> list[str]:
        """Names of the learning curve's steps, as `title_of` names arms."""
        fewer = self._fewer(self.steps[0].name) if self.steps else ""
        names = ("all" if step.name == TRANSFER else step.name for step in self.steps)
        return [name + fewer for name in names]

    def title_of(self, arm: str) -> str:
        """Name an arm, with the number of its replicates where it has fewer than transfer."""
        return arm + self._fewer(arm)

    def _fewer(self, arm: str) -> str:
        num = self.num_replicates_of.get(arm)
        return "" if num is None else f", {counted(num, 'replicate')}"

    @property
    def over_scratch(self) -> Value:
        """Gain in MCC over training from scratch."""
        return self.gains[SCRATCH]["mcc"]

    @property
    def openness_helps(self) -> bool:
        """Whether the MCC surely rises where openness counts beside the sequence."""
        gain = self.gains.get(WITH_OPENNESS)
        return gain is not None and gain["mcc"].ends.below_zero

    @property
    def best_rival(self) -> str | None:
        """The arm without a network that has the highest MCC; None where there is none.

        Openness, which reads next to nothing of the sequence, is no rival of what reads it alone.
        """
        rivals = [arm for arm in RIVALS if arm in self.gains and arm != OPENNESS]
        return min(rivals, key=lambda arm: self.gains[arm]["mcc"].value, default=None)


def collect_numbers(judged: Judged) -> Numbers:
    """Compute the numbers of a TF from its finished runs.

    Raises
    ------
    RunError
        If the TF's model has no multi-model to start from.
    """
    tf, loaded, planned, runs = judged.tf, judged.loaded, judged.planned, judged.runs
    predicted = judged.predicted
    metrics = {arm: [run.metrics for run in own] for arm, own in runs.items()}
    means = {arm: _means(own, SCORES) for arm, own in metrics.items()}
    drawn = _drawn(predicted)
    if WITH_OPENNESS in predicted:  # of which there is no run
        of_scores = drawn[WITH_OPENNESS]
        means[WITH_OPENNESS] = np.array([of_scores[name].mean(WITH_OPENNESS) for name in SCORES])
    # transfer's means over the replicates that an arm has
    same = {arm: _means(metrics[TRANSFER][: len(own)], SCORES) for arm, own in predicted.items()}
    models = judged.models
    first = models[0].planned
    start = first.spec.start
    if start is None:
        raise RunError(f"{first.name}: has no multi-model to start from")
    dataset = loaded.dataset
    own = dataset.manifest.own_regions
    counts = _num_bound(loaded.select(first.spec.regions))
    tested = predicted[TRANSFER][0].bound
    sizes = {arm: round(float(_means(own, ["num_bound"])[0])) for arm, own in metrics.items()}
    fractions = {arm: own[0].role.step or 1.0 for arm, own in planned.items()}
    steps = _steps(sizes, means, same, drawn, fractions)
    return Numbers(
        tf=tf,
        arms={arm: _values(means, drawn[arm], arm) for arm in ARMS if arm in predicted},
        gains={
            arm: _gains(same[arm] - means[arm], drawn[arm], arm)
            for arm in ARMS
            if arm in predicted and arm != TRANSFER
        },
        steps=steps,
        outlook=_outlook(steps, drawn[steps[0].name]["mcc"]),
        calibration=check_calibration(
            np.concatenate([one.probability for one in judged.calibrated]),
            np.concatenate([one.bound for one in judged.calibrated]),
        ),
        num_replicates=len(models),
        num_replicates_of={arm: len(own) for arm, own in runs.items() if len(own) < len(models)},
        num_bound=sum(counts.values()),
        num_train_bound=counts[Part.TRAIN],
        num_val_bound=counts[Part.VAL],
        num_test_bound=int(tested.sum()),
        num_test=len(tested),
        num_folds=len(first.spec.folds),
        learns_from_val=first.spec.training is not None and first.spec.training.learns_from_val,
        num_seen=max(one.num_test_regions_seen_in_pretraining for one in metrics[TRANSFER]),
        sites=_sites(dataset, tf),
        peaks=_peaks(dataset, tf),
        split=_split(first),
        start_key=start.key,
        start_tfs=first.spec.pretrained_on,
        start_name=set_name(planned[TRANSFER][0].role),
        keys=tuple(run.key for run in models),
        base=fit_of_start(start, dataset, tf) if isinstance(start, BaseStart) else None,
        unbound=None if own is None else own.unbound,
    )


def _num_bound(selection: Selection) -> dict[Part, int]:
    """Count the bound regions of each part."""
    return {part: int((selection.labels[selection.rows(part), 0] == 1).sum()) for part in Part}


def _means(metrics: Sequence[RunMetrics], names: Sequence[str]) -> Floats:
    """Means over replicates of some of their metrics, in the order of the names."""
    return np.array([[getattr(one, name) for name in names] for one in metrics], float).mean(0)


def _values(
    means: Mapping[str, Floats], drawn: Mapping[str, ScoreDraws], arm: str
) -> dict[str, Value]:
    """Scores of an arm."""
    return {
        name: Value(value=float(value), ends=drawn[name].of(arm))
        for name, value in zip(SCORES, means[arm], strict=True)
    }


def _gains(gained: Floats, drawn: Mapping[str, ScoreDraws], arm: str) -> dict[str, Value]:
    """Scores of transfer less those of an arm, with their intervals."""
    return {
        name: Value(value=float(value), ends=drawn[name].difference(TRANSFER, arm))
        for name, value in zip(SCORES, gained, strict=True)
    }


def _drawn(predicted: Mapping[str, Sequence[Predictions]]) -> dict[str, dict[str, ScoreDraws]]:
    """Draw the scores of each arm and of transfer, over the replicates that the arm has.

    Arms with as many replicates are drawn together. Those with fewer have the first ones.
    """
    found: dict[str, dict[str, ScoreDraws]] = {}
    for num in sorted({len(own) for own in predicted.values()}):
        arms = {arm: own for arm, own in predicted.items() if len(own) == num}
        drawn = Bootstrap().scores({**arms, TRANSFER: predicted[TRANSFER][:num]})
        found |= dict.fromkeys(arms, drawn)
    return found


def _steps(
    sizes: Mapping[str, int],
    means: Mapping[str, Floats],
    same: Mapping[str, Floats],
    drawn: Mapping[str, Mapping[str, ScoreDraws]],
    fractions: Mapping[str, float],
) -> tuple[Step, ...]:
    names = sorted((arm for arm in means if arm not in ARMS), key=fractions.__getitem__)
    first = [*names, TRANSFER][0]
    of_step = {**means, TRANSFER: same[first]}
    return tuple(
        Step(name=name, num_bound=sizes[name], scores=_values(of_step, drawn[first], name))
        for name in [*names, TRANSFER]
    )


def _outlook(steps: Sequence[Step], drawn: ScoreDraws) -> Value | None:
    """Slope of MCC over the logarithm of the regions to base 2, by least squares.

    It uses the replicates that all steps have.
    """
    last = steps[-NUM_LAST:]
    if len(last) < NUM_LAST:
        return None
    x = np.log2([step.num_bound for step in last])
    x -= x.mean()
    weights = x / (x**2).sum()
    values = drawn.values.mean(axis=1)[[drawn.arms.index(step.name) for step in last]]
    by_step = dict(zip((step.name for step in last), weights, strict=True))
    return Value(value=float(values @ weights), ends=interval(drawn.draws(by_step)))


def check_calibration(
    probabilities: NDArray[np.float32], bound: NDArray[np.bool_]
) -> CalibrationCheck:
    """Compare calibrated probabilities with labels, both of shape (n,)."""
    order = np.argsort(probabilities, kind="stable")
    bins = []
    for rows in np.array_split(order, min(NUM_BINS, len(order))):
        bins.append(
            CalibrationBin(
                predicted=float(probabilities[rows].mean()),
                observed=float(bound[rows].mean()),
                num=len(rows),
            )
        )
    error = sum(abs(one.predicted - one.observed) * one.num for one in bins) / len(order)
    brier = float(np.mean((probabilities - bound) ** 2))
    return CalibrationCheck(bins=tuple(bins), brier=brier, error=error)


def _peaks(dataset: Dataset, tf: str) -> str:
    made_from = dataset.summary(tf).made_from
    return "" if made_from is None else made_from.peaks_that_count


def _sites(dataset: Dataset, tf: str) -> str:
    made_from = dataset.summary(tf).made_from
    return "dataset" if made_from is None else made_from.sites


def _split(planned: PlannedRun) -> str:
    sampling = planned.spec.regions.sampling
    if sampling.folds:
        return f"each once, in {len(sampling.folds)} folds of whole chromosomes"
    if sampling.split == "chromosome":
        training = planned.spec.training
        learns = training is not None and training.learns_from_val
        return f"tested on {', '.join(sampling.test_chroms)}" + (
            "" if learns else f", validated on {', '.join(sampling.val_chroms)}"
        )
    return "at random"
