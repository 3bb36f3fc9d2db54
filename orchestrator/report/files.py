"""A report on disk: whole, or as it was before.

::

    report/
      index.html          everything, self-contained; opens without a network
      figures/            <figure>.svg and .png; <table>.csv, missing.csv
      tf/                 cards of single TFs, see `orchestrator.verdict`; a new report keeps them
"""

import shutil
from pathlib import Path

from data.atomic import whole_folder
from orchestrator.errors import RunError
from orchestrator.report.figure_style import save_figure
from orchestrator.report.page import FIGURES_FOLDER, MISSING_FILE, render_page
from orchestrator.report.sections import Report
from orchestrator.workspace import Workspace

PAGE_FILE = "index.html"


def write_report(report: Report, workspace: Workspace) -> Path:
    """Write a report; one that is there already is replaced only by a complete one.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    RunError
        If it cannot be written.
    """
    folder = workspace.report
    try:
        with whole_folder(folder, replace=True) as partial:
            _write_figures(report, partial / FIGURES_FOLDER)
            page = render_page(report, partial / FIGURES_FOLDER, name=str(workspace.root))
            (partial / PAGE_FILE).write_text(page, encoding="utf-8")
            if workspace.cards.is_dir():
                shutil.copytree(workspace.cards, partial / workspace.cards.name)
    except OSError as error:
        raise RunError(
            f"{folder}: cannot write ({error.strerror or error}); free space or rights"
        ) from error
    return folder / PAGE_FILE


def _write_figures(report: Report, folder: Path) -> None:
    """Write all figures (SVG and PNG) and tables (CSV) of a report to a new folder."""
    folder.mkdir(parents=True)
    for section in report.sections:
        for finding in section.findings:
            finding.table.to_csv(folder / f"{finding.stem}.csv", index=False)
            for named in finding.figures:
                save_figure(named.figure, folder / named.stem)
    report.missing.to_csv(folder / MISSING_FILE, index=False)
