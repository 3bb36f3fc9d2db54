"""How the report's figures look: colours, fonts, files, and the parts that several figures share.

The colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import Any, Final, ParamSpec

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

Parameters = ParamSpec("Parameters")

PNG_DPI: Final = 200
ORANGE: Final = "#E69F00"
SKY_BLUE: Final = "#56B4E9"
GREEN: Final = "#009E73"
BLUE: Final = "#0072B2"
VERMILLION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#6b6b6b"
PALE: Final = "#f2f2f2"
_NUM_NAMED: Final = 12
"""Largest number of points that are named in a scatter plot."""

STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.markersize": 4,
    "text.parse_math": False,  # a name with two dollar signs is no formula
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: it can be found and read aloud
    "svg.hashsalt": "bindgrid",  # the same file from the same numbers
}


def report_style() -> AbstractContextManager[None]:
    """Set matplotlib's style for a block, whatever the user's matplotlibrc says."""
    return style.context(STYLE, after_reset=True)


def styled(draw: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Draw in the report's style."""

    @wraps(draw)
    def styled(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with report_style():
            return draw(*args, **kwargs)

    return styled


def save_figure(figure: Figure, stem: Path) -> None:
    """Write a figure as `stem`.svg and `stem`.png."""
    with report_style():
        figure.savefig(stem.with_name(f"{stem.name}.svg"), metadata={"Date": None})
        figure.savefig(stem.with_name(f"{stem.name}.png"), dpi=PNG_DPI, metadata={"Software": None})


def svg_text(figure: Figure) -> str:
    """Give a figure as the text of an SVG file."""
    text = StringIO()
    with report_style():
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def error(rows: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Give the lengths of the error bars, shape (2, rows), none below 0."""
    value = rows[name].to_numpy(dtype=float)
    ends = [value - rows[f"{name}_low"], rows[f"{name}_high"] - value]
    return np.clip(np.array(ends, dtype=float), 0, None)


def box(axes: Axes, values: NDArray[np.float64], x: float, width: float, colour: str) -> None:
    """Draw a pale box of quartiles with its median, whiskers to the extremes."""
    axes.boxplot(
        values,
        positions=[x],
        widths=width,
        whis=(0, 100),
        patch_artist=True,
        manage_ticks=False,
        showcaps=False,
        showfliers=False,
        boxprops={"facecolor": colour, "alpha": 0.18, "linewidth": 0},
        medianprops={"color": colour, "linewidth": 1.6},
        whiskerprops={"color": colour, "linewidth": 0.8},
    )


def offsets(count: int, half_width: float) -> NDArray[np.float64]:
    """Places beside each other for some points, shape (count,)."""
    return np.linspace(-half_width, half_width, count) if count > 1 else np.zeros(count)


def swarm(values: NDArray[np.float64], half_width: float) -> NDArray[np.float64]:
    """Give offsets that keep points of similar value apart, always the same, shape (n,)."""
    moved = np.zeros(len(values))
    height = max(float(np.ptp(values)), 1e-9) / 25 if len(values) else 1.0
    bins = np.round(values / height)
    largest = max((int((bins == level).sum()) for level in np.unique(bins)), default=1)
    step = min(2 * half_width / max(largest - 1, 1), 0.07)
    for level in np.unique(bins):
        rows = np.flatnonzero(bins == level)
        moved[rows] = (np.arange(len(rows)) - (len(rows) - 1) / 2) * step
    return moved


def shade_every_other(axes: Axes, num_rows: int) -> None:
    """Shade every other row of height 1, so that the eye stays in its row."""
    for row in range(0, num_rows, 2):
        axes.axhspan(row - 0.5, row + 0.5, color=PALE, linewidth=0, zorder=0)


def size_axis(
    axes: Axes, which: str, sizes: NDArray[np.float64], *, from_zero: bool = False
) -> None:
    """Make an axis logarithmic if sizes differ more than fivefold; write thousands as `10k`."""
    axis = getattr(axes, f"{which}axis")
    if sizes.min() > 0 and sizes.max() > 5 * sizes.min():
        getattr(axes, f"set_{which}scale")("log")
        # less than a decade may hold no power of ten
        few = not from_zero and sizes.max() < 20 * sizes.min()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=5))
        axis.set_minor_formatter(NullFormatter())
        if from_zero:
            getattr(axes, f"set_{which}lim")(10 ** np.floor(np.log10(sizes.min())) * 0.8, None)
    else:
        axis.set_major_locator(MaxNLocator(4, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def legend(figure: Figure, axes: Axes, handles: Sequence[Line2D] | None = None) -> None:
    """Put a legend above the figure: of the given handles, or else of all that the axes show."""
    given = list(handles) if handles is not None else axes.get_legend_handles_labels()[0]
    figure.legend(
        handles=given,
        loc="outside upper left",
        ncols=len(given),
        columnspacing=1.5,
        handletextpad=0.5,
    )


def name_points(
    figure: Figure,
    axes: Axes,
    places: NDArray[np.float64],
    names: Sequence[str] | pd.Series,
    order: NDArray[np.intp],
) -> None:
    """Write names beside the points of a scatter, wherever there is room.

    Parameters
    ----------
    places
        Points in data coordinates, shape (n, 2).
    names
        The names of the points.
    order
        Indices of the points to name, the most important first.
    """
    figure.draw_without_rendering()  # only then do the axes have their place and scale
    points, frame = axes.transData.transform(places), axes.get_window_extent()
    taken: list[Bbox] = []
    for row, name in ((row, str(np.asarray(names)[row])) for row in order):
        for x, side in ((4, "left"), (-4, "right")):
            text = axes.annotate(
                name,
                tuple(places[row]),
                xytext=(x, 3),
                textcoords="offset points",
                ha=side,
                fontsize=7,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.3},
            )
            here = text.get_window_extent()
            inside = here.x0 > frame.x0 and here.x1 < frame.x1 and here.y1 < frame.y1
            free = not any(here.overlaps(other) for other in taken)
            if inside and free and not here.count_contains(points):
                taken.append(here)
                break
            text.remove()
        if len(taken) == _NUM_NAMED:
            break


ARM_STYLES: Final[dict[str, dict[str, Any]]] = {
    "scratch": {"color": VERMILLION, "marker": "s", "label": "from scratch"},
    "transfer": {"color": BLUE, "marker": "o", "label": "transfer"},
    "multi": {"color": GREEN, "marker": "^", "label": "multi-model itself"},
}


WIDTH_INCHES: Final = 7.2


MCC_LABEL: Final = "MCC on held-out regions"
