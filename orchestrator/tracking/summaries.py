"""Summary runs in MLflow: per experiment one run with the report's figures, tables and numbers.

A summary run is named ``summary``, has the tag ``summary`` (``true``) and no ``key``. Its metrics
are the statistics of the findings, its tag ``mlflow.note.content`` has their sentences, its
artifacts are the SVG, PNG and CSV files. The run of a new report replaces that of the last one.
"""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from orchestrator.report.sections import Report, Section
from orchestrator.tracking.client import MAX_TAG_CHARACTERS, TrackingClient
from orchestrator.tracking.views import Figures, ViewWriter, no_figures

if TYPE_CHECKING:
    from mlflow.entities import Metric

RUN_NAME = "summary"
TAG = "summary"
_DESCRIPTION = "mlflow.note.content"
_REMEDY: Final = "nothing is lost, the next `bindgrid report` logs it"


@final
class SummaryWriter:
    """Writes summary runs to MLflow.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    figures : callable
        Gives the figures of the paper that the notes of experiments name; none by default.
    """

    def __init__(self, client: TrackingClient, figures: Figures = no_figures) -> None:
        self._client = client
        self._views = ViewWriter(client, figures)

    def log_report(self, report: Report, figures: Path) -> None:
        """Log each section of a report, in place of what an earlier report logged.

        Parameters
        ----------
        report : Report
            The report.
        figures : Path
            Folder with its figures and tables.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses a run.
        """
        with self._client.translated(_REMEDY):
            for section in report.sections:
                self._log_section(section, figures)

    def _log_section(self, section: Section, figures: Path) -> None:
        experiment_id = self._views.experiment_id(section.experiment)
        earlier = self._client.mlflow.search_runs([experiment_id], f"tags.{TAG} = 'true'")
        tags = {
            TAG: "true",
            "experiment": section.experiment,
            _DESCRIPTION: _description(section)[:MAX_TAG_CHARACTERS],
        }
        created = self._client.mlflow.create_run(experiment_id, tags=tags, run_name=RUN_NAME)
        run_id = created.info.run_id
        self._client.log_batches(run_id, summary_metrics(section))
        for path in section_files(section, figures):
            self._client.mlflow.log_artifact(run_id, str(path))
        self._client.mlflow.set_terminated(run_id)
        for run in earlier:
            self._client.mlflow.delete_run(run.info.run_id)


def summary_metrics(section: Section) -> list[Metric]:
    """Return the statistics that are defined, by names that MLflow takes.

    Where an experiment has several findings of the same statistics, a name starts with the
    finding's heading.
    """
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    named = [
        (
            f"{finding.heading}/{name}" if finding.heading and len(section.findings) > 1 else name,
            value,
        )
        for finding in section.findings
        for name, value in finding.numbers.items()
    ]
    return [
        Metric(re.sub(r"[^\w./ -]", "_", name), float(value), now, 0)
        for name, value in named
        if math.isfinite(value)
    ]


def section_files(section: Section, figures: Path) -> list[Path]:
    """Return the files of a section's figures and tables."""
    names = [f"{finding.stem}.csv" for finding in section.findings]
    for finding in section.findings:
        for named in finding.figures:
            names += [f"{named.stem}.svg", f"{named.stem}.png"]
    return [figures / name for name in names]


def _description(section: Section) -> str:
    sentences = [section.headline]
    for finding in section.findings:
        sentences += finding.details
    return "\n\n".join([*sentences, *section.missing])
