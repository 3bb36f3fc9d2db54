"""The tables of a card as texts, for the terminal, the page and MLflow."""

from typing import Final

import numpy as np

from orchestrator.report.words import number
from orchestrator.verdict.examples import ShownRegion, ShownRegions
from orchestrator.verdict.numbers import Numbers
from orchestrator.verdict.operating import Operating, Point

THRESHOLD_TITLES: Final = (
    "probability from",
    "recall",
    "precision",
    "F1",
    "precision at the rate",
    "F1 at the rate",
)
MISSED_TITLES: Final = ("missed region", "strongest peak", "probability")
_WINDOW_BP: Final = 30
"""Bases of a region that the terminal shows."""
_STRONG: Final = 0.25
"""Share of a region's largest contribution above which a base is written in upper case."""


def threshold_rows(operating: Operating) -> list[tuple[str, ...]]:
    """Cells of the table of thresholds, in the order of `THRESHOLD_TITLES`."""
    return [
        (
            number(one.threshold),
            number(one.recall),
            number(one.precision),
            number(one.f1),
            _at_rate(one, one.precision_at_rate),
            _at_rate(one, one.f1_at_rate),
        )
        for one in operating.points
    ]


def threshold_caption(operating: Operating, numbers: Numbers) -> str:
    """Say what the columns of the table of thresholds are."""
    least = (
        " With ≥, no unbound test region is called bound, and the precision is only known to be at "
        "least this high (95 % confidence)."
        if any(one.is_bound for one in operating.points)
        else ""
    )
    return (
        f"Calling regions bound from a {numbers.probability} upwards: of the test regions of all "
        f"replicates, of which {_share(operating.balance)} are bound, and at a rate of "
        f"{_share(operating.rate)} ({operating.rate_of}). Unbound test regions have the GC "
        f"content of bound ones, so they are harder to classify than most.{least}"
    )


def missed_rows(examples: ShownRegions) -> list[tuple[str, ...]]:
    """Cells of the table of missed peaks, in the order of `MISSED_TITLES`."""
    return [
        (
            one.region,
            "not known" if one.strength is None else f"{one.strength:g}",
            number(one.probability),
        )
        for one in examples.missed
    ]


def missed_caption(examples: ShownRegions) -> str:
    """Say how many peaks are missed, and which of them are shown."""
    if not examples.num_missed:
        return "No bound test region has a probability below 0.5."
    first = (
        f"those of the strongest peaks, by {examples.strength_of}"
        if examples.strength_of
        else "those of the lowest probability, since no score of the peaks is known"
    )
    return (
        f"{examples.num_missed:,} bound test regions have a probability below 0.5; first {first}."
    )


def strongest_bases(region: ShownRegion) -> str:
    """Write the part of a region that contributes most, its strong bases in upper case."""
    values = np.array(region.contributions)
    size = min(_WINDOW_BP, len(values))
    sums = np.convolve(values, np.ones(size), mode="valid")
    first = int(sums.argmax())
    strong = values >= _STRONG * max(values.max(), 1e-9)
    letters = (
        base if is_strong else base.lower()
        for base, is_strong in zip(region.bases, strong, strict=True)
    )
    return "".join(letters)[first : first + size]


def _at_rate(point: Point, value: float) -> str:
    return f"≥ {number(value)}" if point.is_bound else number(value)


def _share(rate: float) -> str:
    return f"{100 * rate:.2g} %"
