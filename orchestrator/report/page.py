"""The report as one HTML file: figures and style inside, nothing fetched from anywhere."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
from markupsafe import Markup

from orchestrator.report.bootstrap import NUM_DRAWS
from orchestrator.report.findings import NamedFigure
from orchestrator.report.rendering import render
from orchestrator.report.sections import Report

TEMPLATE: Final = "report.html"
FIGURES_FOLDER: Final = "figures"
MISSING_FILE: Final = "missing.csv"
CSS_PIXELS: Final = 115
"""Pixels of an inch of a figure at most, so that its 8-point text is 13 pixels high."""
MAX_OPEN_ROWS: Final = 12
"""Longer tables are folded."""


def render_page(report: Report, figures: Path, *, name: str) -> str:
    """Render the page.

    Parameters
    ----------
    figures
        Folder with the report's figures as SVG.
    name
        Name of the workspace.
    """

    def inline(named: NamedFigure) -> Markup:
        return inline_svg((figures / f"{named.stem}.svg").read_text(), named.stem, named.caption)

    return render(
        TEMPLATE,
        report=report,
        inline=inline,
        rows=_rows,
        width=lambda named: round(float(named.figure.get_figwidth()) * CSS_PIXELS),
        folder=FIGURES_FOLDER,
        missing_file=MISSING_FILE,
        max_open_rows=MAX_OPEN_ROWS,
        num_draws=NUM_DRAWS,
        workspace=name,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    )


def inline_svg(text: str, name: str, title: str) -> Markup:
    """Make an SVG file of matplotlib's fit to stand in a page beside others.

    Its ids get a prefix, since figures share a page, and its size is left to the page's style.
    """
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    opening = svg[: svg.index(">") + 1]
    resized = re.sub(r'\s(?:width|height)="[^"]*"', "", opening)
    label = Markup.escape(title)
    resized = resized.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return Markup(resized + svg[len(opening) :])


def _rows(table: pd.DataFrame) -> list[list[Any]]:
    return [list(row) for row in table.itertuples(index=False)]
