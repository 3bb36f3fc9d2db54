"""The figure of `downsampling`: both arms by the number of bound regions."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from orchestrator.report.figure_style import (
    ARM_STYLES,
    GREY,
    MCC_LABEL,
    box,
    legend,
    offsets,
    styled,
)
from orchestrator.report.pairs import each_row


@styled
def sizes_of_tf(pairs: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Draw Fig. 1B: MCC by number of regions and arm, a point per replicate, pairs joined.

    Parameters
    ----------
    pairs
        The table of `orchestrator.report.pairs` for one TF.
    labels
        The label below each group, in the order in which groups are shown.
    """
    figure = Figure(figsize=(max(3.4, 1.3 + 1.4 * len(labels)), 3.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=GREY, linewidth=0.6)
    for place, group in enumerate(labels):
        rows = pairs[pairs["group"] == group]
        shift = offsets(len(rows), 0.09)
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
    axes.set_ylabel(MCC_LABEL)
    axes.grid(axis="x", visible=False)
    legend(figure, axes)
    return figure
