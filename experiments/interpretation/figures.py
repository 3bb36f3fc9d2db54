"""Figures of filters: their logos beside those of JASPAR, their importance, their changes.

Each function takes a table and returns a figure. Logos are drawn by
`orchestrator.interpretation.logos` with letters as shapes, so that a page needs no fonts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

from orchestrator.interpretation.logos import MAX_BITS, Logo, draw_logo
from orchestrator.report.figure_style import (
    ARM_STYLES,
    GREY,
    WIDTH_INCHES,
    box,
    name_points,
    offsets,
    styled,
)

MAX_ROWS: Final = 60
"""Largest number of filters in a map of importance."""
_COLUMNS: Final = 3
_GAP: Final = 0.5
"""Space between a logo and the one below it, in bits."""
_SEQUENTIAL: Final = "cividis"
_DIVERGING: Final = "PuOr_r"
"""People with any kind of colour vision can read both colour maps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LogoPanel:
    """Logos that belong together, aligned, the first on top."""

    title: str
    logos: Sequence[Logo] = field(default=())


@styled
def logo_panels(panels: Sequence[LogoPanel], num_columns: int = _COLUMNS) -> Figure:
    """Draw logos in rows and columns, with all positions equally wide.

    Parameters
    ----------
    panels
        At least one.
    """
    num_rows = -(-len(panels) // num_columns)
    most = max(len(panel.logos) for panel in panels)
    figure = Figure(
        figsize=(WIDTH_INCHES, 0.1 + num_rows * (0.36 + 0.42 * most)), layout="constrained"
    )
    every = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    starts = [logo.start for panel in panels for logo in panel.logos]
    ends = [logo.start + logo.frequencies.shape[1] for panel in panels for logo in panel.logos]
    for axes, panel in zip(every, panels, strict=False):
        for place, logo in enumerate(panel.logos):
            _logo(axes, logo, (most - 1 - place) * (MAX_BITS + _GAP))
        axes.set(xlim=(min(starts), max(ends)), ylim=(-0.1, most * (MAX_BITS + _GAP) - _GAP))
        axes.set_title(panel.title, fontsize=7.5)
    for axes in every:
        axes.set(xticks=[], yticks=[])
        axes.set_axis_off()
    return figure


def _logo(axes: Axes, logo: Logo, y: float) -> None:
    ends = [logo.start, logo.start + logo.frequencies.shape[1]]
    axes.plot(ends, [y, y], color="0.7", linewidth=0.5)
    draw_logo(axes, logo.frequencies, at=(logo.start, y))


@styled
def importance_map(changes: pd.DataFrame) -> Figure:
    """Draw a heat map of filters by TFs, both in the order of a clustering.

    Parameters
    ----------
    changes
        Changes of the logit, with a named row for each filter and a column for each TF. Only the
        `MAX_ROWS` filters with the largest changes are shown.
    """
    largest = changes.abs().max(axis=1).sort_values(ascending=False, kind="stable")
    shown = changes.loc[largest.index[:MAX_ROWS]]
    values = shown.to_numpy(dtype=float)
    rows, columns = _order(values), _order(values.T)
    values = values[np.ix_(rows, columns)]
    num_rows, num_columns = values.shape
    figure = Figure(
        figsize=(max(4.2, 1.7 + 0.105 * num_columns), 1.5 + 0.125 * max(num_rows, 6)),
        layout="constrained",
    )
    axes = figure.subplots()
    image = axes.imshow(
        values,
        cmap=_DIVERGING,
        norm=CenteredNorm(halfrange=float(np.abs(values).max()) or 1.0),
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_xticks(range(num_columns), shown.columns[columns], rotation=90, fontsize=5.5)
    axes.set_yticks(range(num_rows), shown.index[rows], fontsize=5.5)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, location="top", fraction=0.03, aspect=40)
    bar.set_label("logit with the filter minus logit without it")
    bar.outline.set_visible(False)
    return figure


def _order(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Give an order of the rows in which similar ones are neighbours, shape (n,)."""
    if len(values) < 3:
        return np.arange(len(values))
    tree = linkage(values, method="average", optimal_ordering=True)
    return leaves_list(tree).astype(np.intp)


@styled
def information_and_importance(table: pd.DataFrame, alpha: float) -> Figure:
    """Draw information content against importance, coloured by -log10 q, as in the paper.

    Parameters
    ----------
    table
        Rows of `StoredMotifs.table` for filters that were compared and have an importance above 0.
    alpha
        The q-value below which a filter is named after its match.
    """
    figure = Figure(figsize=(WIDTH_INCHES * 0.85, 3.6), layout="constrained")
    axes = figure.subplots()
    points = axes.scatter(
        table["information_bits"],
        table["importance"],
        c=_strength(table["q_value"]),
        cmap=_SEQUENTIAL,
        s=16,
        linewidths=0,
    )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("information content (bits)")
    axes.set_ylabel("importance (largest mean squared\nchange of a TF's probability)")
    bar = figure.colorbar(points, ax=axes, aspect=30)
    bar.set_label("-log10 q of the best match")
    places = table[["information_bits", "importance"]].to_numpy(dtype=float)
    order = np.argsort(-places[:, 1], kind="stable")
    named = order[(table["q_value"] < alpha).to_numpy()[order]]
    name_points(figure, axes, places, table["match_name"].fillna(""), named)
    return figure


def _strength(q_values: pd.Series) -> NDArray[np.float64]:
    """Give -log10 of q-values, with 0 taken as 1e-300."""
    return -np.log10(np.maximum(q_values.to_numpy(dtype=float), 1e-300)) + 0.0


@styled
def counts_by_arm(counts: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw numbers of filters in multi-model, transfer and scratch, a point per replicate.

    Parameters
    ----------
    counts
        Tables by what is counted, with a row per replicate and columns multi, transfer and scratch.
    """
    figure = Figure(figsize=(max(3.4, 2.9 * len(counts)), 3.0), layout="constrained")
    every = figure.subplots(1, len(counts), squeeze=False).ravel()
    for axes, (title, rows) in zip(every, counts.items(), strict=True):
        shift = offsets(len(rows), 0.12)
        for offset, values in zip(shift, rows.to_numpy(dtype=float), strict=True):
            axes.plot(np.arange(3) + offset, values, color="#bdbdbd", linewidth=0.6, zorder=1.5)
        for x, arm in enumerate(_ARMS):
            values, style = rows[arm].to_numpy(dtype=float), ARM_STYLES[arm]
            box(axes, values, x, 0.5, style["color"])
            axes.plot(x + shift, values, linestyle="none", **style)
        axes.set_title(title)
        axes.set_xticks(range(3), _ARMS.values())
        axes.set_xlim(-0.6, 2.6)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(axis="x", visible=False)
    every[0].set_ylabel("filters")
    return figure


_ARMS: Final = {"multi": "multi-model", "transfer": "transfer", "scratch": "from scratch"}


@styled
def target_match_moved(table: pd.DataFrame, target: str, alpha: float) -> Figure:
    """Draw how well each filter matches the target's motif before and after fine-tuning.

    Parameters
    ----------
    table
        The table of `orchestrator.interpretation.following` for one replicate.
    alpha
        The q-value below which a filter resembles the target's motif.
    """
    figure = Figure(figsize=(WIDTH_INCHES * 0.75, 3.8), layout="constrained")
    axes = figure.subplots()
    places = np.stack(
        [_strength(table["target_q_before"]), _strength(table["target_q_after"])], axis=1
    )
    line: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "linestyle": "--"}
    axes.axvline(-np.log10(alpha), **line)
    axes.axhline(-np.log10(alpha), **line)
    distances = table["pwm_distance"].to_numpy(dtype=float)
    known = np.isfinite(distances)
    order = np.argsort(
        distances[known], kind="stable"
    )  # the filters that moved most are drawn on top
    points = axes.scatter(
        places[known][order, 0],
        places[known][order, 1],
        c=distances[known][order],
        cmap=_SEQUENTIAL,
        vmin=0,
        s=18,
        linewidths=0,
    )
    axes.set_xlabel(f"-log10 q to {target} in the multi-model")
    axes.set_ylabel(f"-log10 q to {target} after fine-tuning")
    bar = figure.colorbar(points, ax=axes, aspect=30)
    bar.set_label("distance that the motif moved")
    return figure
