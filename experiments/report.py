"""The report of a workspace: its sections, in the order of the paper's figures."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from experiments.binding_modes.findings import mode_findings
from experiments.downsampling.findings import downsampling_findings
from experiments.interpretation.followed import followed_findings
from experiments.interpretation.learnt import FilterFindings, MotifReader, learnt_findings
from experiments.own_tf.plan import NAME as OWN_TF
from experiments.peaks_needed.findings import peaks_findings
from experiments.pretraining_sets.findings import KINDS, set_findings
from experiments.transfer.findings import transfer_findings
from orchestrator.errors import RunError
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.findings import Finding
from orchestrator.report.finished import FinishedRuns, read_finished
from orchestrator.report.missing import (
    missing_pairs,
    missing_runs,
    missing_sets,
    missing_table,
    other_networks,
    seen_before,
    single_replicates,
    undefined_scores,
    without_models,
)
from orchestrator.report.pairs import Pairs, pair
from orchestrator.report.run_settings import dataset_facts, settings_facts
from orchestrator.report.sections import Report, Section
from orchestrator.report.words import listed
from orchestrator.runs.store import RunStore
from orchestrator.verdict.stored import stored_cards
from orchestrator.workspace import Workspace

TITLES: Final = {
    "transfer": "Transfer beside scratch, TF by TF (Fig. 1A)",
    "downsampling": "How few regions are enough (Fig. 1B)",
    "binding-modes": "A shared binding mode (Fig. 2A)",
    "pretraining-sets": "Which TFs to pre-train on (Fig. 2B)",
    "peaks-needed": "How many peaks a good model takes (beyond the paper)",
    "interpretation": "Filters followed through fine-tuning (Fig. 3B)",
}
"""Of the experiments that have a section, in their order; the figures are the paper's."""


_LACKS: Final = {"interpretation": "no filters were read"}


def make_report(
    workspace: Workspace, *, seed: int = 0, motifs: MotifReader | None = None
) -> Report:
    """Work out what the finished runs of a workspace say.

    Parameters
    ----------
    seed
        Of the bootstrap.
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
    others = sorted(set(runs.table["experiment"]) - set(TITLES) - {OWN_TF})
    return Report(
        sections=tuple(
            _section(
                name,
                runs,
                missing[missing["experiment"] == name],
                remarks.get(name, []),
                Bootstrap(seed),
                motifs,
            )
            for name in TITLES
            if name in there
        ),
        num_runs=runs.table["key"].nunique(),
        dataset=dataset_facts(workspace.dataset, runs.specs.values()),
        missing=missing,
        notes=(f"The report has no section for {listed(others)}.",) if others else (),
        cards=tuple((card.name, card.sentence) for card in stored_cards(workspace)),
    )


def _section(
    name: str,
    runs: FinishedRuns,
    unfinished: pd.DataFrame,
    remarks: Sequence[str],
    boot: Bootstrap,
    motifs: MotifReader | None,
) -> Section:
    rows = runs.table[runs.table["experiment"] == name]
    lines = [
        *missing_runs(unfinished),
        *undefined_scores(rows),
        *seen_before(rows),
        *single_replicates(rows),
    ]
    findings: Sequence[Finding]
    if name == "pretraining-sets":
        of_last = rows[rows["network"] == rows.sort_values("finished_at")["network"].iloc[-1]]
        findings = set_findings(of_last, runs.calls, boot)
        lines += missing_sets(of_last, KINDS)
        lines += other_networks(rows, of_last)
    elif name == "peaks-needed":
        findings = peaks_findings(rows, runs, boot)
    else:
        pairs = pair(rows)
        findings = _pair_findings(name, pairs, runs, boot)
        lines += missing_pairs(pairs)
        if name == "transfer":
            trained = rows.loc[(rows["arm"] == "multi") & (rows["tf"] == ""), "key"]
            lines += without_models(pairs, (runs.specs[key].regions.tfs for key in trained))
        if motifs is not None:
            of_filters = _filter_findings(name, rows, pairs, runs, motifs)
            findings = [*findings, *of_filters.findings]
            lines += of_filters.missing
    return Section(
        experiment=name,
        title=TITLES[name],
        num_runs=rows["key"].nunique(),
        findings=tuple(findings),
        missing=tuple(lines),
        remarks=tuple(remarks),
        settings=settings_facts(rows, runs.specs),
        lack=_LACKS.get(name, Section.lack),
    )


def _filter_findings(
    name: str, rows: pd.DataFrame, pairs: Pairs, runs: FinishedRuns, motifs: MotifReader
) -> FilterFindings:
    """Filters of the multi-models of `transfer`; those of `interpretation`, and followed ones."""
    trained = rows[(rows["arm"] == "multi") & (rows["tf"] == "")]
    if name == "transfer":
        return learnt_findings(trained, motifs)
    if name != "interpretation":
        return FilterFindings()
    of_transfer = runs.table.loc[runs.table["experiment"] == "transfer", "key"]
    learnt = learnt_findings(trained[~trained["key"].isin(of_transfer)], motifs)
    followed = followed_findings(pairs, motifs)
    return FilterFindings(
        findings=(*followed.findings, *learnt.findings),
        missing=(*followed.missing, *learnt.missing),
    )


def _pair_findings(
    name: str, pairs: Pairs, runs: FinishedRuns, boot: Bootstrap
) -> Sequence[Finding]:
    if pairs.table.empty or name == "interpretation":
        return []
    if name == "transfer":
        return transfer_findings(pairs, runs.calls, boot)
    if name == "downsampling":
        return downsampling_findings(pairs, runs.calls, boot)
    of_transfer = runs.table[runs.table["experiment"] == "transfer"]
    transfer = None if of_transfer.empty else pair(of_transfer)
    return mode_findings(pairs, transfer, runs.calls, boot)
