"""The figure of experiment `peaks-needed`: MCC against the number of bound regions, arm by arm."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from orchestrator.report.figure_style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    WIDTH_INCHES,
    error,
    styled,
)
from orchestrator.role_names import RIVAL_WORDS

_SOLID: Final[Sequence[dict[str, Any]]] = (
    {"color": VERMILLION, "marker": "s"},
    {"color": SKY_BLUE, "marker": "v"},
    {"color": BLUE, "marker": "o"},
    {"color": PURPLE, "marker": "D"},
    {"color": ORANGE, "marker": "P"},
    {"color": GREEN, "marker": "^"},
)
_STYLES: Final[Sequence[dict[str, Any]]] = (
    *_SOLID,
    *({**style, "linestyle": ":", "markerfacecolor": "white"} for style in _SOLID),
)
"""Of arms with a network. There are up to eight of them, and one for each multi-model that lacks
binding modes."""
MOTIF_ALONE: Final = "motif alone"
_MOTIF_STYLE: Final[dict[str, Any]] = {"color": GREY, "marker": "x"}
_RIVAL_STYLES: Final[Sequence[dict[str, Any]]] = tuple(
    {"color": GREY, "marker": marker, "linestyle": "--", "markerfacecolor": "white"}
    for marker in "oD^vs"
)
"""Of arms without a network: grey and dashed, so that they stay behind the others."""
_WORDS: Final = {"mcc": "MCC", "average_precision": "average precision"}
MEAN: Final = "mean"
"""Title of the panel that shows the mean over TFs."""
_COLUMNS: Final = 3


@styled
def peaks_by_tf(
    table: pd.DataFrame, means: pd.DataFrame, arms: Sequence[str], *, score: str = "mcc"
) -> Figure:
    """Draw a panel per TF, and one of their mean, with a line per arm.

    Parameters
    ----------
    table
        A row per TF, arm and size: tf, arm, size (bound regions), and the score with its interval
        as `_low` and `_high`.
    means
        The same for the mean over TFs, without the column tf.
    arms
        The arms, in the order of the legend.
    score
        `mcc` or `average_precision`.
    """
    targets = sorted(table["tf"].unique())
    panels = [(tf, table[table["tf"] == tf]) for tf in targets]
    if len(targets) > 1:
        panels.insert(0, (MEAN, means))
    num_columns = min(len(panels), _COLUMNS)
    num_rows = -(-len(panels) // num_columns)
    figure = Figure(
        figsize=(
            max(WIDTH_INCHES * num_columns / _COLUMNS, 4.6),
            0.9 + 0.17 * len(arms) + 2.0 * num_rows,
        ),
        layout="constrained",
    )
    drawn = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True).ravel()
    sizes = sorted(table["size"].unique())
    for axes, (name, rows) in zip(drawn, panels, strict=False):
        _lines(axes, rows, arms, score)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(name, fontweight="bold")
    for axes in drawn[len(panels) :]:
        axes.remove()
    figure.supxlabel("bound regions (and as many unbound)", size=8)
    figure.supylabel(f"{_WORDS[score]} on held-out regions", fontsize=8)
    # the names of pre-training sets are long, so each has a line of its own
    handles, labels = drawn[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=1)
    return figure


def _lines(axes: Axes, rows: pd.DataFrame, arms: Sequence[str], score: str) -> None:
    axes.axhline(0.5, color=GREY, linewidth=0.6, linestyle=":")
    for arm, style in zip(arms, _styles(arms), strict=True):
        line = rows[rows["arm"] == arm].sort_values("size")
        axes.errorbar(
            line["size"],
            line[score],
            yerr=error(line, score),
            label=arm,
            markersize=3.2,
            linewidth=1.0,
            elinewidth=0.7,
            **style,
        )


def _styles(arms: Sequence[str]) -> list[dict[str, Any]]:
    """How each arm is drawn: those without a network in grey, the others as if they were alone."""
    rivals, others = iter(_RIVAL_STYLES), cycle(_STYLES)
    return [
        _MOTIF_STYLE
        if arm == MOTIF_ALONE
        else next(rivals if arm in RIVAL_WORDS.values() else others)
        for arm in arms
    ]
