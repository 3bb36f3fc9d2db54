"""The figure of `toy`."""

import pandas as pd
from matplotlib.figure import Figure

from orchestrator.report.figure_style import styled


@styled
def bars(table: pd.DataFrame) -> Figure:
    """Draw a bar per label."""
    figure = Figure(figsize=(3, 2), layout="constrained")
    figure.subplots().bar(table["group"], table["mcc"])
    return figure
