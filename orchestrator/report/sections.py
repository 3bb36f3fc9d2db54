"""What the report says: a section per experiment, made from the finished runs of a workspace.

All numbers come from the run store, and making a report changes no run.
"""

from dataclasses import dataclass, field

import pandas as pd

from orchestrator.interpretation.motif_reader import MotifReader
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.findings import Finding
from orchestrator.report.finished import FinishedRuns
from orchestrator.report.run_settings import Facts
from orchestrator.report.words import counted


@dataclass(frozen=True, kw_only=True)
class SectionInput:
    """What an experiment's findings are made from."""

    rows: pd.DataFrame
    """Rows of `runs.table` of the experiment."""
    runs: FinishedRuns
    """Finished runs of the whole workspace."""
    boot: Bootstrap
    """Draws the intervals."""
    motifs: MotifReader | None = None
    """Reads the filters of runs; None leaves out what is said of them."""

    def of(self, experiment: str) -> pd.DataFrame:
        """Rows of another experiment, or of this one."""
        return self.runs.table[self.runs.table["experiment"] == experiment]


@dataclass(frozen=True, kw_only=True)
class SectionFindings:
    """What an experiment found, and what it lacks for more."""

    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    """A sentence for each thing that is missing."""

    def __add__(self, other: "SectionFindings") -> "SectionFindings":
        """Both, in this order."""
        return SectionFindings(
            findings=(*self.findings, *other.findings), missing=(*self.missing, *other.missing)
        )


@dataclass(frozen=True, kw_only=True)
class Section:
    """What the report says of an experiment."""

    experiment: str
    title: str
    num_runs: int
    findings: tuple[Finding, ...]
    missing: tuple[str, ...]
    remarks: tuple[str, ...]
    """What planning left out or made smaller, and why."""
    settings: Facts
    lack: str
    """Why there is no finding, where there is none."""

    @property
    def headline(self) -> str:
        """The results in a sentence each, or why there is none."""
        if not self.findings:
            return f"Nothing to compare yet: {counted(self.num_runs, 'run')} complete, {self.lack}."
        return " ".join(finding.headline for finding in self.findings)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the report says."""

    sections: tuple[Section, ...]
    num_runs: int
    dataset: Facts
    missing: pd.DataFrame
    """Runs that were asked for and are not complete, see `orchestrator.missing`."""
    notes: tuple[str, ...] = field(default=())
    """What concerns no section."""
    cards: tuple[tuple[str, str], ...] = ()
    """Name and conclusion of each TF that has a verdict, see `orchestrator.verdict`."""
