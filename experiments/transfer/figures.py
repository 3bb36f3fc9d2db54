"""Figures of `transfer`: both arms of each TF, and the gain by the number of bound regions."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from orchestrator.report.figure_style import (
    ARM_STYLES,
    BLUE,
    GREY,
    MCC_LABEL,
    SKY_BLUE,
    WIDTH_INCHES,
    error,
    legend,
    name_points,
    shade_every_other,
    size_axis,
    styled,
)

_ROW_INCHES: Final = 0.19
_BEYOND: Final = 0.3
"""How far beyond the points intervals are shown, in MCC; longer ones are cut."""


@styled
def arms_by_tf(table: pd.DataFrame) -> Figure:
    """Draw Fig. 1A: the MCC of the three arms per TF, with the number of bound regions beside it.

    Parameters
    ----------
    table
        The table of `orchestrator.report.gains`, a row per TF.
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
    values.set_xlabel(MCC_LABEL)
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
    """Draw Fig. 1A: the gain by transfer against the number of bound regions, a point per TF.

    Parameters
    ----------
    table
        The table of `orchestrator.report.gains`, a row per TF.
    title
        The statistic, which stands above the figure.
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
    # intervals of two replicates may reach far beyond all points
    low, high = table["gain"].min(), table["gain"].max()
    ends = min(table["gain_low"].min(), low), max(table["gain_high"].max(), high)
    axes.set_ylim(max(ends[0], low - _BEYOND) - 0.05, min(ends[1], high + _BEYOND) + 0.05)
    size_axis(axes, "x", table["num_bound"].to_numpy(dtype=float))
    axes.set_xlabel("bound regions trained on")
    axes.set_ylabel("gain by transfer (MCC)")
    axes.set_title(title)
    places = table[["num_bound", "gain"]].to_numpy(dtype=float)
    extreme = np.argsort(-np.abs(places[:, 1] - np.median(places[:, 1])), kind="stable")
    name_points(figure, axes, places, table["tf"], extreme)
    return figure
