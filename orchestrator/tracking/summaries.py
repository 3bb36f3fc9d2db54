"""Summary runs in MLflow: per experiment one run with the report's figures, tables and numbers.

A summary run is named ``summary``, has the tag ``summary`` (``true``) and no ``key``. Its metrics
are the statistics of `orchestrator.findings`, its tag ``mlflow.note.content`` the sentences, its
artifacts the SVG, PNG and CSV files. A new report's run takes the place of the last one's.
"""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.report.sections import Report, Section
from orchestrator.tracking.client import MAX_METRICS_PER_BATCH, MAX_TAG_CHARACTERS, Tracker

if TYPE_CHECKING:
    from mlflow.entities import Metric

RUN_NAME = "summary"
TAG = "summary"
_DESCRIPTION = "mlflow.note.content"


class SummaryTracker(Tracker):
    """Writes summary runs to MLflow."""

    remedy = "nothing is lost, the next `bindgrid report` logs it"

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
        with self._translated():
            for section in report.sections:
                self._log_section(section, figures)

    def _log_section(self, section: Section, figures: Path) -> None:
        experiment_id = self._experiment_id(section.experiment)
        earlier = self._client.search_runs([experiment_id], f"tags.{TAG} = 'true'")
        tags = {
            TAG: "true",
            "experiment": section.experiment,
            _DESCRIPTION: _description(section)[:MAX_TAG_CHARACTERS],
        }
        created = self._client.create_run(experiment_id, tags=tags, run_name=RUN_NAME)
        run_id = created.info.run_id
        metrics = summary_metrics(section)
        for first in range(0, len(metrics), MAX_METRICS_PER_BATCH):
            self._client.log_batch(run_id, metrics[first : first + MAX_METRICS_PER_BATCH])
        for path in section_files(section, figures):
            self._client.log_artifact(run_id, str(path))
        self._client.set_terminated(run_id)
        for run in earlier:
            self._client.delete_run(run.info.run_id)


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
