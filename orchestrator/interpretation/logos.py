"""Sequence logos: a single one as SVG, or all filters of a layer on one sheet.

Letters are drawn as shapes, all of one base as one path: a sheet of 100 logos takes a second, where
a patch for every letter takes twenty. A sheet that is logged with hundreds of runs is written as
SVG without matplotlib, each letter a reference to its outline, which takes a hundredth of that time
(benchmarks/RESULTS.md).

Legend: F filters, W positions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from data.motifs.pwm import BASES, information_bits

COLOURS: Final = {"A": "#008000", "C": "#0000cc", "G": "#f2a900", "T": "#cc0000"}
MAX_BITS: Final = 2.0
_COLUMNS: Final = 5
"""Logos in a row of a sheet."""
_MIN_HEIGHT_BITS: Final = 0.01
"""Letters below this height are not drawn, since they would be invisible."""
_MIN_SVG_HEIGHT_BITS: Final = 0.04
"""A pixel of a sheet in SVG."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Logo:
    """A motif to draw."""

    frequencies: NDArray[np.float64]
    """Shape (4, W)."""
    start: int = 0
    """Where its first position is drawn, in positions of the first motif of its panel."""

    def turned(self) -> "Logo":
        """Give its reverse complement."""
        return Logo(frequencies=self.frequencies[::-1, ::-1], start=self.start)


def draw_logo(
    axes: Axes, frequencies: NDArray[np.float64], *, at: tuple[float, float] = (0.0, 0.0)
) -> None:
    """Draw a logo: a letter's height is its share of the position's information.

    Parameters
    ----------
    frequencies
        Shape (4, W).
    at
        Lower left corner; the logo is W wide and at most 2 bits high.
    """
    stacks = _stacked(frequencies)
    is_seen = stacks.heights > _MIN_HEIGHT_BITS
    for row, base in enumerate(BASES):
        vertices, codes = [], []
        letter = _letter(base)
        for position, rank in np.argwhere((is_seen & (stacks.rows == row)).T).tolist():
            height = stacks.heights[rank, position]
            corner = (at[0] + position + 0.03, at[1] + stacks.bottoms[rank, position])
            vertices.append(letter.vertices * (0.94, height) + corner)
            codes.append(letter.codes)
        if vertices:
            outline = Outline(np.concatenate(vertices), np.concatenate(codes))
            _add(axes, outline, base)


def _add(axes: Axes, outline: Outline, base: str) -> None:
    """Add letters of a base to axes whose limits the caller sets.

    `add_patch` would look for the extent of every curve: four fifths of the time of a sheet.
    """
    axes.add_artist(PathPatch(outline, facecolor=COLOURS[base], linewidth=0))


def save_logo(path: Path, frequencies: NDArray[np.float64], title: str = "") -> None:
    """Write one logo as SVG."""
    width = frequencies.shape[1]
    figure = Figure(figsize=(0.22 * width + 0.6, 1.4 if title else 1.2), layout="constrained")
    axes = figure.subplots()
    draw_logo(axes, frequencies)
    axes.set(xlim=(0, width), ylim=(0, MAX_BITS), xticks=[], yticks=[0, 1, 2], ylabel="bits")
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, fontsize=9)
    _save(figure, path)


def save_contributions(
    path: Path, bases: str, contributions: NDArray[np.float32], title: str = ""
) -> None:
    """Write the contributions of a region's bases as SVG: letters above and below 0."""
    figure = Figure(figsize=(0.09 * len(bases) + 0.8, 1.6), layout="constrained")
    axes = figure.subplots()
    draw_contributions(axes, bases, contributions)
    axes.set(ylabel="logit")
    axes.spines[["top", "right"]].set_visible(False)
    if title:
        axes.set_title(title, fontsize=9)
    _save(figure, path)


def draw_contributions(axes: Axes, bases: str, contributions: NDArray[np.float32]) -> None:
    """Draw the contributions of a region's bases, shape (L,): letters above and below 0."""
    for base in BASES:
        letter = _letter(base)
        places = [i for i, other in enumerate(bases) if other == base and contributions[i]]
        if places:
            # a letter with a height below 0 is drawn upside down
            vertices = [
                letter.vertices * (0.94, contributions[i]) + (i + 0.03, 0.0) for i in places
            ]
            outline = Outline(np.concatenate(vertices), np.tile(letter.codes, len(places)))
            _add(axes, outline, base)
    axes.axhline(0, color="0.7", linewidth=0.5)
    low, high = min(0.0, contributions.min()), max(0.0, contributions.max())
    margin = 0.05 * (high - low) or 1.0
    axes.set(xlim=(0, len(bases)), ylim=(low - margin, high + margin))


@dataclass(frozen=True, kw_only=True)
class LogoSheet:
    """All logos of a layer, for one picture with rows of `_COLUMNS`."""

    frequencies: NDArray[np.float64]
    """Shape (F, 4, W)."""
    titles: Sequence[str]
    """The line above each logo."""
    heading: str = ""

    @property
    def width(self) -> int:
        """Number of positions of a logo."""
        return self.frequencies.shape[2]

    @property
    def num_rows(self) -> int:
        """Number of rows of logos, at least one."""
        return max(1, math.ceil(len(self.frequencies) / _COLUMNS))

    def placed(self) -> Iterator[tuple[int, int, NDArray[np.float64], str]]:
        """Give row, column, frequencies and title of each logo."""
        for index, (pwm, title) in enumerate(zip(self.frequencies, self.titles, strict=True)):
            yield *divmod(index, _COLUMNS), pwm, title


def save_sheet(path: Path, sheet: LogoSheet) -> None:
    """Write a sheet as PNG or SVG, by the file's ending."""
    width, num_rows = sheet.width, sheet.num_rows
    across, down = width + 2.0, MAX_BITS + 1.0
    figure = Figure(figsize=(3.2 * _COLUMNS, 0.72 * num_rows + 0.5))
    # one pair of axes, since a hundred of them would take as long as all letters
    axes = figure.add_axes((0.01, 0.01, 0.98, 1 - 0.5 / (0.72 * num_rows + 0.5)))
    axes.set(xlim=(0, across * _COLUMNS), ylim=(-down * num_rows, 0))
    axes.set_axis_off()
    for row, column, pwm, title in sheet.placed():
        corner = (column * across + 1, -(row + 1) * down)
        draw_logo(axes, pwm, at=corner)
        axes.plot([corner[0], corner[0] + width], [corner[1]] * 2, color="0.7", linewidth=0.5)
        axes.text(corner[0], corner[1] + MAX_BITS + 0.1, title, fontsize=7, va="bottom")
    if sheet.heading:
        figure.suptitle(sheet.heading, fontsize=10, y=0.995, va="top")
    _save(figure, path)


def write_sheet_svg(path: Path, sheet: LogoSheet) -> None:
    """Write a sheet as SVG that defines each letter once: small, and quick to make."""
    width = sheet.width
    letter, bit, gap, top = 9.0, 24.0, 20.0, 24.0
    across, down = letter * width + gap, MAX_BITS * bit + gap
    size = (across * _COLUMNS + gap, down * sheet.num_rows + top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:g}" height="{size[1]:g}"'
        ' font-family="DejaVu Sans, sans-serif" font-size="9">',
        '<rect width="100%" height="100%" fill="white"/><defs>',
        *(f'<path id="{base}" fill="{COLOURS[base]}" d="{_svg_outline(base)}"/>' for base in BASES),
        f'</defs><text x="{gap:g}" y="14" font-size="12">{escape(sheet.heading)}</text>',
    ]
    for row, column, pwm, title in sheet.placed():
        x, y = gap + column * across, top + (row + 1) * down
        parts.append(
            f'<text x="{x:g}" y="{y - MAX_BITS * bit - 3:g}">{escape(title)}</text>'
            f'<path d="M{x:g} {y:g}h{letter * width:g}" stroke="#b3b3b3"/>'
        )
        rows, heights, bottoms = _stacked(pwm)
        for rank, position in np.argwhere(heights > _MIN_SVG_HEIGHT_BITS).tolist():
            parts.append(
                f'<use href="#{BASES[rows[rank, position]]}" transform="matrix({letter * 0.94:.4g}'
                f" 0 0 {-bit * heights[rank, position]:.3g} {x + letter * position:.4g}"
                f' {y - bit * bottoms[rank, position]:.5g})"/>'
            )
    path.write_text("\n".join([*parts, "</svg>\n"]))


class _Stacks(NamedTuple):
    """The letters of a logo, the lowest of each position first; arrays of shape (4, W)."""

    rows: NDArray[np.int64]
    """Indices into `BASES`."""
    heights: NDArray[np.float64]
    """Height of each letter in bits."""
    bottoms: NDArray[np.float64]
    """Lower end of each letter, in bits above the baseline."""


def _stacked(frequencies: NDArray[np.float64]) -> _Stacks:
    heights = frequencies * information_bits(frequencies)
    rows = np.argsort(heights, axis=0)  # the highest letter on top
    heights = np.take_along_axis(heights, rows, axis=0)
    return _Stacks(rows=rows, heights=heights, bottoms=heights.cumsum(axis=0) - heights)


@cache
def _svg_outline(base: str) -> str:
    """Give the SVG path data of a letter that fills the unit square."""
    data = []
    for points, code in _letter(base).iter_segments():
        command = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}[int(code)]
        numbers = [] if command == "Z" else [f"{number:.3g}" for number in points]
        data.append(command + " ".join(numbers))
    return "".join(data)


@cache
def _letter(base: str) -> Any:
    """Give the outline of a letter that fills the unit square."""
    path = TextPath((0, 0), base, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = path.get_extents()
    vertices = (path.vertices - (box.x0, box.y0)) / (box.width, box.height)
    return Outline(vertices, path.codes)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    # no date and a fixed salt of the identifiers: the same logo is the same bytes
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with matplotlib.rc_context({"svg.hashsalt": "bindgrid"}):
        figure.savefig(path, dpi=100, metadata=metadata)
