"""The figures of a verdict: scores by arm, the learning curve, the calibration."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from orchestrator.report.figure_style import BLUE, GREY, MCC_LABEL, ORANGE, styled
from orchestrator.verdict.numbers import Numbers, Value

_SIZE_INCHES = (3.4, 2.7)


@styled
def arms_figure(numbers: Numbers) -> Figure:
    """Draw the MCC of each arm with its interval."""
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    names = list(numbers.arms)[::-1]
    values = [numbers.arms[name]["mcc"] for name in names]
    axes.errorbar(
        [one.value for one in values],
        range(len(names)),
        xerr=np.abs(np.transpose([_reach(one) for one in values])),
        fmt="o",
        color=BLUE,
        elinewidth=1.2,
    )
    axes.axvline(0.5, color=GREY, linewidth=0.6, linestyle=":")
    axes.set_yticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel(MCC_LABEL)
    return figure


@styled
def curve_figure(numbers: Numbers) -> Figure:
    """Draw MCC and average precision against the number of bound training regions."""
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    sizes = [step.num_bound for step in numbers.steps]
    for name, words, colour, marker in (
        ("mcc", "MCC", BLUE, "o"),
        ("average_precision", "average precision", ORANGE, "s"),
    ):
        values = [step.scores[name] for step in numbers.steps]
        axes.errorbar(
            sizes,
            [one.value for one in values],
            yerr=np.abs(np.transpose([_reach(one) for one in values])),
            color=colour,
            marker=marker,
            elinewidth=0.8,
            label=words,
        )
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("bound regions trained on")
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def calibration_figure(numbers: Numbers) -> Figure:
    """Draw the fraction bound against the calibrated probability."""
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    bins = numbers.calibration.bins
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
    axes.plot(
        [one.predicted for one in bins], [one.observed for one in bins], color=BLUE, marker="o"
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("calibrated probability")
    axes.set_ylabel("fraction bound")
    return figure


def _reach(one: Value) -> tuple[float, float]:
    """Give how far an interval extends below and above its value."""
    return max(one.value - one.ends.low, 0.0), max(one.ends.high - one.value, 0.0)
