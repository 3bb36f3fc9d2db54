"""The report of a workspace: a section for each experiment of the registry, in its order."""

from collections.abc import Sequence

import pandas as pd

from experiments.registry import EXPERIMENTS, ON_CARDS, Experiment
from orchestrator.errors import RunError
from orchestrator.interpretation.motif_reader import MotifReader
from orchestrator.report.bootstrap import Bootstrap
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
    found = SectionFindings() if rows.empty else experiment.findings(given)
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
