"""The report's figures, drawn from its tables: a table in, a `matplotlib.figure.Figure` out.

Nothing here knows where the numbers come from, and nothing touches pyplot's global state. Arms
differ in colour and marker. Error bars are 95 % bootstrap intervals.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from orchestrator.report.figure_style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY_BLUE,
    VERMILLION,
    box,
    error,
    legend,
    name_points,
    shade_every_other,
    size_axis,
    spread,
    styled,
    swarm,
)
from orchestrator.report.pairs import each_row

ARM_STYLES: Final[dict[str, dict[str, Any]]] = {
    "scratch": {"color": VERMILLION, "marker": "s", "label": "from scratch"},
    "transfer": {"color": BLUE, "marker": "o", "label": "transfer"},
    "multi": {"color": GREEN, "marker": "^", "label": "multi-model itself"},
}
MODE_COLOURS: Final = {"multi-model": GREEN, "shared mode": PURPLE, "other mode": ORANGE}

WIDTH_INCHES: Final = 7.2
_ROW_INCHES: Final = 0.19
_MCC = "MCC on held-back regions"


@styled
def arms_by_tf(table: pd.DataFrame) -> Figure:
    """Fig. 1A: MCC of the three arms per TF, fewest bound regions first; sizes beside them.

    Parameters
    ----------
    table
        Of `orchestrator.gains`, a row per TF.
    """
    rows = table.sort_values(["num_bound", "tf"], ignore_index=True)
    figure = Figure(
        figsize=(WIDTH_INCHES, 1.3 + _ROW_INCHES * max(len(rows), 3)), layout="constrained"
    )
    values, sizes = figure.subplots(1, 2, sharey=True, width_ratios=[3.4, 1])
    at = np.arange(len(rows), dtype=np.float64)
    for axes in (values, sizes):
        shade_every_other(axes, len(rows))
    values.axvline(0, color=GREY, linewidth=0.6)
    for arm, shift in (("scratch", -0.24), ("multi", 0.0), ("transfer", 0.24)):
        shown = rows[arm].notna().to_numpy()
        if shown.any():
            _dots(values, rows[shown], arm, at[shown] + shift)
    values.set_yticks(at, rows["tf"])
    values.set_ylim(len(rows) - 0.4, -0.6)
    values.set_xlabel(_MCC)
    sizes.barh(at, rows["num_bound"], height=0.55, color=GREY)
    sizes.set_xlabel("bound regions\ntrained on")
    sizes.tick_params(axis="y", length=0)
    size_axis(sizes, "x", rows["num_bound"].to_numpy(dtype=float), from_zero=True)
    for axes in (values, sizes):
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="x", labeltop=len(rows) > 30)
    legend(figure, values)
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, arm: str, y: NDArray[np.float64]) -> None:
    axes.errorbar(
        rows[arm],
        y,
        xerr=error(rows, arm),
        linestyle="none",
        markersize=3.4,
        elinewidth=0.9,
        **ARM_STYLES[arm],
    )


@styled
def gain_by_size(table: pd.DataFrame, title: str) -> Figure:
    """Fig. 1A: gain by transfer against the number of bound regions, a point per TF.

    Parameters
    ----------
    table
        Of `orchestrator.gains`, a row per TF.
    title
        The statistic, above the figure.
    """
    figure = Figure(figsize=(WIDTH_INCHES * 0.75, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.errorbar(
        table["num_bound"],
        table["gain"],
        yerr=error(table, "gain"),
        linestyle="none",
        marker="o",
        color=BLUE,
        ecolor=SKY_BLUE,
        elinewidth=0.8,
    )
    size_axis(axes, "x", table["num_bound"].to_numpy(dtype=float))
    axes.set_xlabel("bound regions trained on")
    axes.set_ylabel("gain by transfer (MCC)")
    axes.set_title(title)
    places = table[["num_bound", "gain"]].to_numpy(dtype=float)
    extreme = np.argsort(-np.abs(places[:, 1] - np.median(places[:, 1])), kind="stable")
    name_points(figure, axes, places, table["tf"], extreme)
    return figure


@styled
def sizes_of_tf(pairs: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Fig. 1B: MCC by number of regions and arm, a point per replicate, twins joined.

    Parameters
    ----------
    pairs
        Table of `orchestrator.report.pairs` of one TF.
    labels
        What stands below each group, groups in the order shown.
    """
    figure = Figure(figsize=(max(3.4, 1.3 + 1.4 * len(labels)), 3.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=GREY, linewidth=0.6)
    for place, group in enumerate(labels):
        rows = pairs[pairs["group"] == group]
        shift = spread(len(rows), 0.09)
        ends = {"scratch": place - 0.2, "transfer": place + 0.2}
        for offset, row in zip(shift, each_row(rows), strict=True):
            axes.plot(
                [x + offset for x in ends.values()],
                [row.mcc_scratch, row.mcc_transfer],
                color="#bdbdbd",
                linewidth=0.6,
                zorder=1.5,
            )
        for arm, x in ends.items():
            values = rows[f"mcc_{arm}"].to_numpy(dtype=float)
            style = ARM_STYLES[arm]
            box(axes, values, x, 0.3, style["color"])
            axes.plot(
                x + shift,
                values,
                linestyle="none",
                **(style if place == 0 else {**style, "label": None}),
            )
    axes.set_xticks(range(len(labels)), list(labels.values()))
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylabel(_MCC)
    axes.grid(axis="x", visible=False)
    legend(figure, axes)
    return figure


@styled
def gain_by_group(
    groups: Mapping[str, pd.DataFrame], bracket: tuple[str, str, str] | None
) -> Figure:
    """Fig. 2A: gain by transfer per group of TFs, boxes with a point per TF.

    Parameters
    ----------
    groups
        By name, as of `MODE_COLOURS`; columns tf and gain.
    bracket
        Two groups and what a test of them says, written between them.
    """
    figure = Figure(figsize=(max(3.6, 1.2 + 1.6 * len(groups)), 3.6), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=GREY, linewidth=0.8)
    for place, (name, rows) in enumerate(groups.items()):
        values = rows["gain"].to_numpy(dtype=float)
        box(axes, values, place, 0.62, MODE_COLOURS.get(name, GREY))
        axes.plot(
            place + swarm(values, 0.26),
            values,
            linestyle="none",
            marker="o",
            color=MODE_COLOURS.get(name, GREY),
            alpha=0.85,
            markersize=3.4,
        )
    axes.set_xticks(
        range(len(groups)),
        [f"{name}\n{len(rows)} TF{'s' * (len(rows) != 1)}" for name, rows in groups.items()],
    )
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.set_ylabel("gain by transfer (MCC)")
    axes.grid(axis="x", visible=False)
    if bracket is not None:
        names = list(groups)
        _bracket(axes, names.index(bracket[0]), names.index(bracket[1]), bracket[2])
    return figure


@styled
def sets_by_target(
    means: pd.DataFrame, runs: pd.DataFrame, scratch: pd.DataFrame, kinds: Sequence[str]
) -> Figure:
    """Fig. 2B: MCC on each target after pre-training on each set, beside the scratch line.

    Parameters
    ----------
    means
        A row per target, group and with_target: mcc, mcc_low, mcc_high.
    runs
        A row per run, same columns and mcc.
    scratch
        A row per target: mcc, mcc_low, mcc_high.
    kinds
        Groups in the order shown.
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
    figure.supylabel(_MCC, fontsize=8)
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
                x + spread(len(single), 0.08),
                single["mcc"],
                linestyle="none",
                marker=".",
                markersize=3,
                color=SKY_BLUE,
            )
        axes.errorbar(
            x, mean["mcc"], yerr=error(mean, "mcc"), elinewidth=1, **_SET_STYLES[with_target]
        )


def _bracket(axes: Axes, left: int, right: int, text: str) -> None:
    low, high = axes.get_ylim()
    y = high + 0.02 * (high - low)
    tick = 0.02 * (high - low)
    axes.plot([left, left, right, right], [y, y + tick, y + tick, y], color="black", linewidth=0.7)
    axes.text((left + right) / 2, y + 1.5 * tick, text, ha="center", va="bottom")
    axes.set_ylim(low, high + 0.12 * (high - low))
