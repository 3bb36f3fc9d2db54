"""What an experiment lacks: runs that failed or are still to come, TFs without both arms."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

import pandas as pd

from orchestrator.report.pairs import Pairs, each_row
from orchestrator.report.words import counted, listed
from orchestrator.runs.store import UnfinishedRun

COLUMNS: Final = (
    "experiment",
    "tf",
    "target",
    "arm",
    "pretraining_set",
    "group",
    "with_target",
    "replicate",
    "key",
    "error",
)


def missing_table(unfinished: Sequence[UnfinishedRun]) -> pd.DataFrame:
    """Make the table of runs that are not complete from `RunStore.unfinished`.

    `error` is empty for a run that did not fail.
    """
    rows = [{**asdict(run.names), "key": run.key, "error": run.error} for run in unfinished]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["experiment", "tf", "arm", "replicate", "key"], ignore_index=True)


def missing_runs(missing: pd.DataFrame) -> list[str]:
    """Say which runs of an experiment failed and which are still to come."""
    lines = []
    failed, waiting = missing[missing["error"] != ""], missing[missing["error"] == ""]
    for error, rows in failed.groupby("error", sort=False):
        lines.append(f"{counted(len(rows), 'run')} failed ({error}): {_named(rows)}.")
    if len(waiting):
        lines.append(f"{counted(len(waiting), 'run')} planned but not complete: {_named(waiting)}.")
    return lines


def missing_pairs(pairs: Pairs) -> list[str]:
    """Say which TFs lack an arm or replicates, or have no individual models at all."""
    lines = []
    one_arm = ~pairs.single["arms"].str.contains(" and ", regex=False)
    for rows, why in (
        (pairs.single[one_arm], "only one arm is finished"),
        (pairs.single[~one_arm], "no two arms share test regions"),
    ):
        if len(rows):
            names = [f"{_cell(row)}: {row.arms}" for row in each_row(rows)]
            lines.append(
                f"Left out, {why}: {counted(len(names), 'set')} of TF, group and replicate "
                f"({listed(names, 10)})."
            )
    of_group = ["size", "group", "pretraining_set"]
    by_tf = pairs.table.groupby([*of_group, "tf"], sort=True, dropna=False)
    counts = by_tf["key_transfer"].size().reset_index(name="count")
    counts["most"] = counts.groupby(of_group, dropna=False)["count"].transform("max")
    fewer = [
        f"{row.tf} {row.group} ({row.count} of {row.most})"
        for row in each_row(counts[counts["count"] < counts["most"]])
    ]
    if fewer:
        lines.append(f"Fewer replicates than other TFs: {listed(fewer, 10)}.")
    if pairs.num_set_aside:
        lines.append(
            f"{counted(pairs.num_set_aside, 'older run')} not used: a later one has the same "
            "TF, group, pre-training set and replicate."
        )
    return lines


def without_models(pairs: Pairs, multi_models: Iterable[Sequence[str]]) -> list[str]:
    """Say which TFs of the multi-models that were trained have no pair of individual models."""
    known = sorted({tf for tfs in multi_models for tf in tfs} - set(pairs.table["tf"]))
    if not known:
        return []
    return [
        f"{counted(len(known), 'TF')} of the multi-model without a pair of individual models (too "
        f"few regions left, not asked for, or not run yet): {listed(known)}."
    ]


def single_replicates(table: pd.DataFrame) -> list[str]:
    """Warn where no TF has two replicates."""
    runs = table[(table["arm"] == "transfer") & (table["tf"] != "")]
    if runs.empty or runs["replicate"].nunique() > 1:
        return []
    return [
        "There is one replicate only: the intervals say how precisely these models are measured, "
        "but not how another pre-training or another draw of regions would have turned out."
    ]


def undefined_scores(table: pd.DataFrame) -> list[str]:
    """Say how many runs have no MCC, as where all test regions are of one class."""
    count = int((table["mcc"].isna() & (table["tf"] != "")).sum())
    return [f"Left out, since the MCC is not defined: {counted(count, 'run')}."] if count else []


def seen_before(table: pd.DataFrame) -> list[str]:
    """Warn of runs tested on regions that their multi-model had trained or validated on."""
    rows = table[(table["num_seen"] > 0) & (table["tf"] != "")]
    if rows.empty:
        return []
    return [
        f"Warning: {counted(len(rows), 'run')} tested on regions that the multi-model had seen in "
        f"training, up to {rows['num_seen'].max():,} of {rows['num_test_regions'].max():,}; such "
        "scores are too optimistic."
    ]


def _named(rows: pd.DataFrame) -> str:
    names = []
    for row in each_row(rows):
        words = [row.tf or "multi-model", row.tf and row.arm, row.group]
        if row.target and row.target != row.tf:
            words.append(f"for {row.target}")
        words += ["with the target"] if row.with_target else []
        names.append(" ".join([*filter(None, words), f"r{row.replicate}"]))
    return listed(names, 10)


def _cell(row: Any) -> str:
    return " ".join(filter(None, [row.tf, row.group, f"r{row.replicate}"]))
