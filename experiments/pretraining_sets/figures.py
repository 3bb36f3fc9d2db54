"""The figure of `pretraining-sets`: the fine-tuned models of a target, by pre-training set."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from orchestrator.report.figure_style import (
    BLUE,
    MCC_LABEL,
    SKY_BLUE,
    VERMILLION,
    error,
    legend,
    offsets,
    styled,
)
from orchestrator.report.pairs import each_row


@styled
def sets_by_target(
    means: pd.DataFrame, runs: pd.DataFrame, scratch: pd.DataFrame, kinds: Sequence[str]
) -> Figure:
    """Draw Fig. 2B: the MCC on each target after pre-training on each set, and from scratch.

    Parameters
    ----------
    means
        A row per target, group and with_target: mcc, mcc_low, mcc_high.
    runs
        A row per run: target, group, with_target, mcc.
    scratch
        A row per target: mcc, mcc_low, mcc_high.
    kinds
        The groups, in the order in which they are shown.
    """
    targets = sorted(means["target"].unique())
    num_columns = min(len(targets), 3)
    num_rows = -(-len(targets) // num_columns)
    width = max(1.0 + 2.55 * num_columns, 4.6)  # room for the legend
    figure = Figure(figsize=(width, 0.6 + 2.6 * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes, target in zip(panels, targets, strict=False):
        of = {
            name: rows[rows["target"] == target]
            for name, rows in (("means", means), ("runs", runs), ("scratch", scratch))
        }
        _scratch_line(axes, of["scratch"])
        for with_target, shift in ((False, -0.17), (True, 0.17)):
            _set_points(axes, of["means"], of["runs"], kinds, with_target, shift)
        axes.set_title(target, fontweight="bold")
        axes.set_xticks(range(len(kinds)), kinds, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.6, len(kinds) - 0.4)
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for axes in panels[len(targets) :]:
        axes.remove()
    figure.supylabel(MCC_LABEL, fontsize=8)
    handles = [
        Line2D([], [], linestyle="none", label=f"{word} the target", **_SET_STYLES[with_target])
        for with_target, word in ((False, "without"), (True, "with"))
    ]
    legend(figure, panels[0], [*handles, Line2D([], [], color=VERMILLION, label="from scratch")])
    return figure


_SET_STYLES: Final[dict[bool, dict[str, Any]]] = {
    False: {"marker": "o", "color": BLUE, "markerfacecolor": "white"},
    True: {"marker": "o", "color": BLUE},
}


def _scratch_line(axes: Axes, scratch: pd.DataFrame) -> None:
    for row in each_row(scratch):
        axes.axhspan(row.mcc_low, row.mcc_high, color=VERMILLION, alpha=0.15, linewidth=0)
        axes.axhline(row.mcc, color=VERMILLION, linewidth=1.2)


def _set_points(
    axes: Axes,
    means: pd.DataFrame,
    runs: pd.DataFrame,
    kinds: Sequence[str],
    with_target: bool,
    shift: float,
) -> None:
    for place, kind in enumerate(kinds):
        chosen = [
            rows[(rows["group"] == kind) & (rows["with_target"] == with_target)]
            for rows in (means, runs)
        ]
        mean, single = chosen
        if mean.empty:
            continue
        x = place + shift
        if len(single) > 1:
            axes.plot(
                x + offsets(len(single), 0.08),
                single["mcc"],
                linestyle="none",
                marker=".",
                markersize=3,
                color=SKY_BLUE,
            )
        axes.errorbar(
            x, mean["mcc"], yerr=error(mean, "mcc"), elinewidth=1, **_SET_STYLES[with_target]
        )
