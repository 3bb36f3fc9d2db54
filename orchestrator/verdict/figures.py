"""The figures of a verdict: scores by arm, curves, calibration, motifs, contributions."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from orchestrator.interpretation.logos import MAX_BITS, draw_contributions, draw_logo
from orchestrator.report.figure_style import (
    BLUE,
    GREEN,
    GREY,
    MCC_LABEL,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    WIDTH_INCHES,
    styled,
)
from orchestrator.role_names import RIVAL_WORDS
from orchestrator.verdict.arms import (
    MOTIF,
    SCRATCH,
    SCRATCH_AS_TRANSFER,
    TRANSFER,
    TRANSFER_ALONE,
    WITH_OPENNESS,
)
from orchestrator.verdict.examples import ShownRegion
from orchestrator.verdict.motifs_shown import ShownMotif
from orchestrator.verdict.numbers import Numbers, Value
from orchestrator.verdict.operating import Operating

_SIZE_INCHES = (3.4, 2.7)
_CURVE_STYLES: Final = {
    TRANSFER: (BLUE, "-"),
    TRANSFER_ALONE: (SKY_BLUE, "-"),
    WITH_OPENNESS: (BLUE, "--"),
    SCRATCH: (VERMILLION, "-"),
    SCRATCH_AS_TRANSFER: (VERMILLION, "--"),
    MOTIF: (GREEN, "-"),
    RIVAL_WORDS["all-motifs"]: (ORANGE, "-"),
    RIVAL_WORDS["k-mers"]: (ORANGE, "--"),
    RIVAL_WORDS["gkm-svm"]: (PURPLE, "-"),
    RIVAL_WORDS["ls-gkm"]: (PURPLE, "--"),
    RIVAL_WORDS["openness"]: (GREEN, "--"),
}
"""Colour and line of the curve of every arm."""
_RIGHT: Final = 0.8
"""Points further to the right have their label on their left."""
_LOGO_ROW: Final = MAX_BITS + 0.9
"""Height of a logo with its title, in bits."""


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
    titles = [numbers.title_of(name).replace(", ", ",\n") for name in names]
    axes.set_yticks(range(len(names)), titles)
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
    axes.set_xlabel(numbers.probability)
    axes.set_ylabel("fraction bound")
    return figure


@styled
def motifs_figure(motifs: Sequence[ShownMotif]) -> Figure:
    """Draw motifs below each other, aligned, each with its title."""
    starts = [motif.start for motif in motifs]
    ends = [motif.start + len(motif.probabilities) for motif in motifs]
    left, right = min(starts), max(ends)
    figure = Figure(figsize=(_SIZE_INCHES[0], 0.2 + 0.72 * len(motifs)), layout="constrained")
    axes = figure.subplots()
    for place, motif in enumerate(motifs):
        y = (len(motifs) - 1 - place) * _LOGO_ROW
        ends_here = [motif.start, motif.start + len(motif.probabilities)]
        axes.plot(ends_here, [y, y], color="0.7", linewidth=0.5)
        draw_logo(axes, motif.frequencies, at=(motif.start, y))
        axes.text(left, y + MAX_BITS + 0.1, motif.title, fontsize=7, va="bottom")
    axes.set(xlim=(left, right), ylim=(-0.1, len(motifs) * _LOGO_ROW))
    axes.set_axis_off()
    return figure


@styled
def roc_figure(operating: Operating) -> Figure:
    """Draw ROC curves with the operating points of the model."""
    figure, axes = _unit_square("false-positive rate", "recall")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.6, linestyle=":")
    for curve in operating.curves:
        axes.plot(curve.false_positive_rate, curve.recall, **_curve_style(curve.arm))
    _points(
        axes, [(one.false_positive_rate, one.recall, one.threshold) for one in operating.points]
    )
    _name_curves(figure)
    return figure


@styled
def recall_figure(operating: Operating) -> Figure:
    """Draw precision-recall curves with the operating points of the model."""
    figure, axes = _unit_square("recall", "precision")
    axes.axhline(operating.balance, color=GREY, linewidth=0.6, linestyle=":")
    for curve in operating.curves:
        axes.plot(curve.recall, curve.precision, **_curve_style(curve.arm))
    _points(axes, [(one.recall, one.precision, one.threshold) for one in operating.points])
    _name_curves(figure)
    return figure


@styled
def contributions_figure(regions: Sequence[ShownRegion]) -> Figure:
    """Draw what each base contributes to the prediction of each region, below each other."""
    figure = Figure(figsize=(WIDTH_INCHES, 1.05 * len(regions)), layout="constrained")
    for axes, region in zip(
        figure.subplots(len(regions), 1, squeeze=False).ravel(), regions, strict=True
    ):
        draw_contributions(axes, region.bases, np.array(region.contributions, dtype=np.float32))
        axes.set_title(f"{region.region}, probability {region.probability:.2f}", fontsize=7)
        axes.set(xticks=[], ylabel="logit")
        axes.grid(visible=False)
    return figure


def _unit_square(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y)
    return figure, axes


def _curve_style(arm: str) -> dict[str, Any]:
    colour, line = _CURVE_STYLES[arm]
    return {"color": colour, "linestyle": line, "label": arm}


def _name_curves(figure: Figure) -> None:
    """Put a legend above the figure, in two columns: the names of some arms are long."""
    figure.legend(
        loc="outside upper left",
        ncols=2,
        fontsize=6.5,
        handlelength=1.4,
        handletextpad=0.4,
        columnspacing=1.0,
    )


def _points(axes: Axes, points: Sequence[tuple[float, float, float]]) -> None:
    """Draw operating points, each x, y and threshold; those of one place have one label."""
    by_place: dict[tuple[float, float], list[float]] = {}
    for x, y, threshold in points:
        by_place.setdefault((x, y), []).append(threshold)
    for (x, y), thresholds in by_place.items():
        axes.plot([x], [y], "o", color=BLUE, markersize=3.5)
        is_right = x > _RIGHT
        axes.annotate(
            " to ".join(f"{one:g}" for one in sorted({thresholds[0], thresholds[-1]})),
            (x, y),
            xytext=(-4 if is_right else 4, -8),
            textcoords="offset points",
            ha="right" if is_right else "left",
            fontsize=6.5,
        )


def _reach(one: Value) -> tuple[float, float]:
    """Give how far an interval extends below and above its value."""
    return max(one.value - one.ends.low, 0.0), max(one.ends.high - one.value, 0.0)
