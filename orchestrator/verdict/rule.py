"""The rule that turns numbers into one sentence: good enough to use, use with care, do not use.

The rule is documented for users in docs/labs.md; a change here is a change there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.report.words import listed, number, span
from orchestrator.verdict.arms import OPENNESS, RIVALS
from orchestrator.verdict.numbers import Numbers, Value
from orchestrator.verdict.sentences import GOOD_ENOUGH

GOOD_MCC: Final = 0.5
"""Lowest MCC of a model that is good enough."""
GOOD_LOW: Final = 0.4
"""Lowest lower end of its interval."""
POOR_MCC: Final = 0.3
"""MCC below which a model should not be used."""
MIN_TEST_BOUND: Final = 30
"""Bound test regions below which no score is reliable."""


class Level(StrEnum):
    """What to do with a model."""

    GOOD = GOOD_ENOUGH
    CARE = "use with care"
    DO_NOT = "do not use"


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The sentence and its reasons."""

    level: Level
    sentence: str
    reasons: tuple[str, ...]
    """Why it is not good enough; empty if it is."""


def conclude(numbers: Numbers) -> Conclusion:
    """Apply the rule."""
    against = _against_any_use(numbers)
    doubts = _doubts(numbers)
    level = Level.DO_NOT if against else Level.CARE if doubts else Level.GOOD
    reasons = (*against, *doubts)
    because = f", because {listed(reasons)}" if reasons else ""
    mcc = numbers.transfer["mcc"]
    score = f"MCC {number(mcc.value)} ({span(mcc.ends)})"
    if numbers.sites == "none":
        score += " by peaks alone"
    return Conclusion(
        level=level,
        sentence=f"{numbers.tf}: {level}, {score}{because}.",
        reasons=reasons,
    )


def _against_any_use(numbers: Numbers) -> list[str]:
    mcc = numbers.transfer["mcc"]
    found = []
    if not mcc.value >= POOR_MCC:
        found.append(f"its MCC is below {POOR_MCC}")
    elif not mcc.ends.low > 0:
        found.append("its MCC may be 0")
    rival, gain = _best_rival(numbers)
    if gain and gain["mcc"].ends.below_zero and not gain["average_precision"].ends.above_zero:
        ends = gain["mcc"].ends
        found.append(
            f"{rival} is better by {number(-gain['mcc'].value)} MCC "
            f"({number(-ends.high)} to {number(-ends.low)})"
        )
    return found


def _best_rival(numbers: Numbers) -> tuple[str, Mapping[str, Value]]:
    """Name the best rival as a sentence does, with the gains over it; nothing without any."""
    arm = numbers.best_rival
    return ("", {}) if arm is None else (RIVALS[arm], numbers.gains[arm])


def _doubt_by_openness(numbers: Numbers) -> list[str]:
    """Say it where regions are told apart by how open they are as well as by their sequences.

    With few test regions that can only be said where openness tells something for certain.
    """
    gain = numbers.gains.get(OPENNESS)
    if gain is None or gain["average_precision"].ends.above_zero or gain["mcc"].ends.above_zero:
        return []
    if not numbers.arms[OPENNESS]["mcc"].ends.above_zero:
        return []
    better = gain["mcc"].ends.below_zero
    how = "tells bound ones better" if better else "may tell bound ones as well"
    advice = " (predict with `--openness`)" if numbers.openness_helps else ""
    return [f"how open a region is {how}{advice}"]


def _doubts(numbers: Numbers) -> list[str]:
    mcc = numbers.transfer["mcc"]
    found = []
    if POOR_MCC <= mcc.value < GOOD_MCC:
        found.append(f"its MCC is below {GOOD_MCC}")
    elif mcc.value >= GOOD_MCC and mcc.ends.low < GOOD_LOW:
        found.append(f"its MCC may be below {GOOD_LOW}")
    if numbers.num_test_bound < MIN_TEST_BOUND:
        found.append(f"it was tested on only {numbers.num_test_bound} bound regions")
    rival, gain = _best_rival(numbers)
    if gain and not gain["mcc"].ends.above_zero:
        ranks_better = gain["average_precision"].ends.above_zero
        if ranks_better and gain["mcc"].ends.below_zero:
            found.append(f"{rival} calls regions better, though it ranks them worse")
        elif not ranks_better and not gain["mcc"].ends.below_zero:
            found.append(f"{rival} may be as good")
    found += _doubt_by_openness(numbers)
    if numbers.over_scratch.ends.below_zero:
        found.append("training from scratch was better (predict with `--arm scratch`)")
    if numbers.unbound == "genome":
        found.append(
            "its unbound regions are from all of the genome, so it has also learnt open chromatin"
        )
    if numbers.base is not None and numbers.base.known_as:
        found.append(f"{numbers.base.name} had learnt {numbers.base.known_as} before")
    # folds test all chromosomes, of which pre-training saw most, by the labels of other TFs: the
    # card says so (docs/labs.md), and it alone makes no model doubtful
    if numbers.num_seen and not numbers.num_folds:
        found.append(f"{numbers.num_seen:,} test regions were seen in pre-training")
    return found
