"""The figure of `binding-modes`: gains of TFs whose mode is known, and the others."""

from collections.abc import Mapping
from typing import Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.report.figure_style import (
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    box,
    styled,
    swarm,
)
from orchestrator.role import ModeRelation
from orchestrator.role_names import MODE_WORDS

MULTI_MODEL: Final = "multi-model"
MODE_COLOURS: Final = {
    MULTI_MODEL: GREEN,
    MODE_WORDS[ModeRelation.SHARED]: PURPLE,
    MODE_WORDS[ModeRelation.OTHER]: ORANGE,
}


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


def _bracket(axes: Axes, left: int, right: int, text: str) -> None:
    low, high = axes.get_ylim()
    y = high + 0.02 * (high - low)
    tick = 0.02 * (high - low)
    axes.plot([left, left, right, right], [y, y + tick, y + tick, y], color="black", linewidth=0.7)
    axes.text((left + right) / 2, y + 1.5 * tick, text, ha="center", va="bottom")
    axes.set_ylim(low, high + 0.12 * (high - low))
