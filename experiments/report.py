"""The report of a workspace: a section for each experiment of the registry, in its order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from experiments.registry import EXPERIMENTS, ON_CARDS, Experiment
from orchestrator.errors import RunError
from orchestrator.interpretation.motif_reader import MotifReader
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.findings import Finding
from orchestrator.report.finished import read_finished
from orchestrator.report.missing import (
    missing_runs,
    missing_table,
    seen_before,
    single_replicates,
    undefined_scores,
)
from orchestrator.report.run_settings import dataset_facts, settings_facts
from orchestrator.report.sections import Report, Section, SectionFindings, SectionInput
from orchestrator.report.words import listed
from orchestrator.runs.store import RunStore
from orchestrator.verdict.stored import stored_cards
from orchestrator.workspace import Workspace

CONTROL: Final = "openness matched"
"""Heading of the control in which unbound regions match bound ones by openness too."""
STEM: Final = "openness-matched"
"""What the files of its findings end with."""


def make_report(
    workspace: Workspace, *, seed: int = 0, motifs: MotifReader | None = None
) -> Report:
    """Work out what the finished runs of a workspace say.

    Parameters
    ----------
    seed
        Seed of the bootstrap.
    motifs
        Reads the filters of runs; None leaves out what is said of them.

    Raises
    ------
    RunError
        If no run is finished, or one is damaged.
    """
    store = RunStore(workspace)
    runs = read_finished(store)
    if runs.table.empty:
        raise RunError(f"{workspace.runs}: no finished runs; start with `bindgrid run`")
    missing = missing_table(store.unfinished())
    remarks = store.remarks()
    there = set(runs.table["experiment"]) | set(missing["experiment"])
    sections = []
    for experiment in EXPERIMENTS.values():
        name = experiment.name
        if name in there:
            given = SectionInput(
                rows=runs.table[runs.table["experiment"] == name],
                runs=runs,
                boot=Bootstrap(seed),
                motifs=motifs,
            )
            unfinished = missing[missing["experiment"] == name]
            sections.append(_section(experiment, given, unfinished, remarks.get(name, ())))
    others = sorted(set(runs.table["experiment"]) - EXPERIMENTS.keys() - ON_CARDS)
    return Report(
        sections=tuple(sections),
        num_runs=runs.table["key"].nunique(),
        dataset=dataset_facts(workspace.dataset, runs.specs.values()),
        missing=missing,
        notes=(f"The report has no section for {listed(others)}.",) if others else (),
        cards=tuple((card.name, card.sentence) for card in stored_cards(workspace)),
    )


def _section(
    experiment: Experiment, given: SectionInput, unfinished: pd.DataFrame, remarks: Sequence[str]
) -> Section:
    rows = given.rows
    found = SectionFindings() if rows.empty else _findings(experiment, given)
    return Section(
        experiment=experiment.name,
        title=experiment.heading,
        num_runs=rows["key"].nunique(),
        findings=found.findings,
        missing=(
            *missing_runs(unfinished),
            *undefined_scores(rows),
            *seen_before(rows),
            *single_replicates(rows),
            *found.missing,
        ),
        remarks=tuple(remarks),
        settings=settings_facts(rows, given.runs.specs),
        lack=experiment.lack,
    )


def _findings(experiment: Experiment, given: SectionInput) -> SectionFindings:
    """Give what an experiment found, and after it the same of its control, if that was run.

    In the control unbound regions match bound ones by openness too. Its multi-models are those of
    the experiment.
    """
    of_control = given.rows["unbound_match"] != "gc"
    if not of_control.any():
        return experiment.findings(given)
    plain = SectionFindings()
    if not of_control.all():
        plain = experiment.findings(_only(given, control=False))
    control = experiment.findings(replace(_only(given, control=True), motifs=None))
    beside = {finding.stem: finding for finding in plain.findings}
    return plain + SectionFindings(
        findings=tuple(_as_control(one, beside.get(one.stem)) for one in control.findings),
        missing=tuple(f"{CONTROL}: {line}" for line in control.missing),
    )


def _only(given: SectionInput, *, control: bool) -> SectionInput:
    """Leave out the runs of the control, or all others that are on one TF."""

    def kept(table: pd.DataFrame) -> pd.DataFrame:
        rows = table[((table["unbound_match"] != "gc") == control) | (table["tf"] == "")]
        return rows.assign(group=rows["plain_group"])

    runs = replace(given.runs, table=kept(given.runs.table))
    return replace(given, rows=kept(given.rows), runs=runs)


def _as_control(finding: Finding, beside: Finding | None) -> Finding:
    """Name a finding of the control, and set the experiment's own beside it."""
    said = () if beside is None else (f"Where GC alone is matched: {beside.sentence}",)
    return replace(
        finding,
        stem=f"{finding.stem}-{STEM}",
        heading=", ".join(filter(None, (finding.heading, CONTROL))),
        sentence=f"With unbound regions as open as bound ones: {finding.sentence}",
        details=(*said, *finding.details),
        figures=tuple(replace(one, stem=f"{one.stem}-{STEM}") for one in finding.figures),
    )
