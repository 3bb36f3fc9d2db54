"""What experiment `pretraining-sets` says (Fig. 2B): which sets of TFs to pre-train on beat random.

Per target TF and replicate there is a run from scratch and one by transfer from each set, with
and without the target in it. A set beats another if the whole 95 % interval of the mean
difference in MCC lies above zero; the intervals are not corrected for multiple comparisons.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from data.relations.groups import GroupKind
from experiments.pretraining_sets import figures
from experiments.pretraining_sets.plan import NAME
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.findings import Finding, NamedFigure, stem, with_brackets, with_ends
from orchestrator.report.gains import CallsByKey, difference, mean_mcc
from orchestrator.report.pairs import each_row, latest, scored_runs
from orchestrator.report.sections import SectionFindings, SectionInput
from orchestrator.report.statistics import Interval
from orchestrator.report.words import counted, listed, number, span

KINDS: Final = tuple(kind.value for kind in GroupKind)
Sets = tuple[tuple[str, ...], ...]
"""The TFs of the sets of some replicates, each set once: random sets differ between replicates."""

_READING: Final = "In brackets below: the difference in MCC from the random set, with its 95 % CI."
_LINE_COLUMNS: Final = ("target", "num_replicates", "num_bound", "mcc", "mcc_low", "mcc_high")
_NONE: Final = (np.nan, Interval(low=np.nan, high=np.nan))


def findings(given: SectionInput) -> SectionFindings:
    """Compare the sets of each target, of the network that was trained last."""
    rows = given.rows
    last = rows.sort_values("finished_at")["network"].iloc[-1]
    of_last = rows[rows["network"] == last]
    return SectionFindings(
        findings=tuple(set_findings(of_last, given.runs.calls, given.boot)),
        missing=(*missing_sets(of_last, KINDS), *other_networks(rows, of_last)),
    )


def set_findings(table: pd.DataFrame, calls: CallsByKey, boot: Bootstrap) -> list[Finding]:
    """Compare the sets of each target.

    Parameters
    ----------
    table
        The results table of the experiment, see `orchestrator.report.finished.FinishedRuns`.
    """
    scored = scored_runs(table)
    cell = ["tf", "set_kind", "with_target", "replicate"]
    runs = latest(scored[scored["arm"] == "transfer"], cell)
    scratch = latest(scored[scored["arm"] == "scratch"], ["tf", "replicate"])
    if runs.empty:
        return []
    runs = runs.assign(group=runs["set_kind"])
    there = set(runs["set_kind"])
    kinds = [*(kind for kind in KINDS if kind in there), *sorted(there - set(KINDS))]
    rows, lines = [], []
    for target, of_target in runs.groupby("tf", sort=True):
        own_scratch = scratch[scratch["tf"] == target]
        if not own_scratch.empty:
            mean, ends = mean_mcc(own_scratch, calls, boot)
            counts = {
                "num_replicates": len(own_scratch),
                "num_bound": own_scratch["num_bound"].mean(),
            }
            lines.append({"target": target, **counts, **with_ends("mcc", mean, ends)})
        rows += _rows(of_target, own_scratch, kinds, calls, boot)
    means = pd.DataFrame(rows)
    line_table = pd.DataFrame(lines, columns=list(_LINE_COLUMNS))
    sentences = [_sentence(str(target), own, line_table) for target, own in means.groupby("target")]
    return [
        Finding(
            stem=stem(NAME, ""),
            heading="",
            sentence=_overall(means),
            details=(_READING, *sentences, *_smaller_sets(means)),
            figures=(
                NamedFigure(
                    stem=stem(NAME, ""),
                    figure=figures.sets_by_target(
                        means, runs.assign(target=runs["tf"]), line_table, kinds
                    ),
                    caption="MCC on each target after transfer from multi-models of the sets. "
                    "Small points are replicates, large ones their means; bars, and the band "
                    "around the line from scratch, are 95 % intervals.",
                ),
            ),
            table=pd.concat(
                [
                    means.assign(pretraining_tfs=means["pretraining_tfs"].map(_named)),
                    line_table.assign(group="scratch"),
                ],
                ignore_index=True,
            ),
            shown=_shown(means, line_table),
            numbers=_numbers(means, line_table),
        )
    ]


def _rows(
    runs: pd.DataFrame,
    scratch: pd.DataFrame,
    kinds: Sequence[str],
    calls: CallsByKey,
    boot: Bootstrap,
) -> list[dict[str, Any]]:
    rows = []
    for with_target in (False, True):
        alike = runs[runs["with_target"] == with_target]
        random = alike[alike["group"] == GroupKind.RANDOM]
        for kind in kinds:
            members = alike[alike["group"] == kind]
            if members.empty:
                continue
            compared = None if kind == GroupKind.RANDOM else random
            rows.append(
                {
                    "target": members["tf"].iloc[0],
                    "group": kind,
                    "with_target": with_target,
                    "pretraining_tfs": tuple(dict.fromkeys(members["pretraining_tfs"])),
                    "num_replicates": len(members),
                    "num_bound": members["num_bound"].mean(),
                    **with_ends("mcc", *mean_mcc(members, calls, boot)),
                    **_difference("over_scratch", members, scratch, calls, boot),
                    **_difference("over_random", members, compared, calls, boot),
                }
            )
    return rows


def _difference(
    name: str,
    first: pd.DataFrame,
    second: pd.DataFrame | None,
    calls: CallsByKey,
    boot: Bootstrap,
) -> dict[str, float]:
    columns = ["key", "replicate", "mcc"]
    found = None
    if second is not None:
        found = difference(first[columns], second[columns], calls, boot)
    return with_ends(name, *(found or _NONE))


def _overall(means: pd.DataFrame) -> str:
    """For how many targets each kind of set beats random."""
    compared = means[means["over_random"].notna()]
    if compared.empty:
        best = means.sort_values("mcc").iloc[-1]
        return (
            "No set can be compared with a random one yet; the best so far is "
            f"{best['group']} for {best['target']}, {number(best['mcc'])} MCC."
        )
    parts = []
    for with_target, rows in compared.groupby("with_target", sort=True):
        counts = [
            f"{kind} for {int((of_kind['over_random_low'] > 0).sum())} of {len(of_kind)}"
            for kind, of_kind in rows.groupby("group", sort=False)
        ]
        where = f"{'with' if with_target else 'without'} the target in the set"
        parts.append(f"{where}, {listed(counts)}")
    return f"Sets that beat a random set, by number of targets: {'; '.join(parts)}."


def _sentence(target: str, means: pd.DataFrame, lines: pd.DataFrame) -> str:
    parts = []
    for with_target in (False, True):
        rows = means[means["with_target"] == with_target]
        if not rows.empty:
            where = "with the target in the set" if with_target else "without the target"
            parts.append(f"{where}, {_verdicts(rows)}")
    line = lines[lines["target"] == target]
    scratch = f"; from scratch {number(line['mcc'].iloc[0])} MCC" if len(line) else ""
    return f"{target}: {'; '.join(parts)}{scratch}."


def _verdicts(rows: pd.DataFrame) -> str:
    """Which sets beat random, by how much; which do not."""
    random = rows[rows["group"] == GroupKind.RANDOM]
    compared = rows[rows["over_random"].notna()]
    if random.empty or compared.empty:
        best = rows.sort_values("mcc").iloc[-1]
        return (
            "there is no random set to compare with yet (best so far: "
            f"{best['group']}, {number(best['mcc'])} MCC)"
        )
    verdicts: dict[str, list[str]] = {"beat": [], "lost to": [], "did not differ from": []}
    for row in each_row(compared):
        ends = Interval(low=row.over_random_low, high=row.over_random_high)
        verb = (
            "beat" if ends.above_zero else "lost to" if ends.below_zero else "did not differ from"
        )
        verdicts[verb].append(f"{row.group} ({_by(row.over_random, ends)})")
    said = [f"{listed(sets)} {verb} random" for verb, sets in verdicts.items() if sets]
    return f"{', '.join(said)} ({number(random['mcc'].iloc[0])} MCC)"


def _by(value: float, ends: Interval) -> str:
    sign = "" if number(value).startswith("-") else "+"
    return f"{sign}{number(value)}, {span(ends)}"


def _smaller_sets(means: pd.DataFrame) -> list[str]:
    """Name the sets that have fewer TFs than the largest one has."""
    sizes = means["pretraining_tfs"].map(_smallest)
    smaller = means.assign(num_tfs=sizes)[sizes < sizes.max()]
    if smaller.empty:
        return []
    names = [
        f"{row.target} {row.group} {'with' if row.with_target else 'without'} the target "
        f"({row.num_tfs})"
        for row in each_row(smaller)
    ]
    return [f"Sets of fewer than {sizes.max()} TFs, for too few candidates: {listed(names)}."]


def _smallest(sets: Sets) -> int:
    """Fewest TFs of some sets."""
    return min(len(tfs) for tfs in sets)


def _named(sets: Sets) -> str:
    """Write sets as `A, B, C; A, B, D`."""
    return "; ".join(", ".join(tfs) for tfs in sets)


def _shown(means: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    shown = pd.DataFrame(
        {
            "target": means["target"],
            "set": means["group"],
            "target in it": means["with_target"].map({True: "yes", False: "no"}),
            "TFs": means["pretraining_tfs"].map(_named),
            "replicates": means["num_replicates"].astype(str),
            "MCC": with_brackets(means, "mcc"),
            "minus scratch": with_brackets(means, "over_scratch"),
            "minus random": with_brackets(means, "over_random"),
        }
    )
    scratch = pd.DataFrame(
        {
            "target": lines["target"],
            "set": "from scratch",
            "replicates": lines["num_replicates"].astype(str),
            "MCC": with_brackets(lines, "mcc"),
        }
    )
    return pd.concat([shown, scratch]).sort_values("target", kind="stable").fillna("")


def _numbers(means: pd.DataFrame, lines: pd.DataFrame) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for row in means.to_dict("records"):
        inside = "with target" if row["with_target"] else "without target"
        for name in ("mcc", "over_scratch", "over_random"):
            for column in (name, f"{name}_low", f"{name}_high"):
                numbers[f"{row['target']}/{row['group']} {inside}/{column}"] = row[column]
    for row in lines.to_dict("records"):
        numbers[f"{row['target']}/scratch/mcc"] = row["mcc"]
    return numbers


def missing_sets(table: pd.DataFrame, kinds: Sequence[str]) -> list[str]:
    """Say which sets have no run for a target, and which have few replicates."""
    runs = table[(table["arm"] == "transfer") & (table["tf"] != "")]
    if runs.empty:
        return []
    counts = runs.groupby(["tf", "set_kind", "with_target"])["replicate"].nunique()
    absent, fewer = [], []
    for target in sorted(runs["tf"].unique()):
        for kind in kinds:
            for with_target in (False, True):
                name = f"{target} {kind} {'with' if with_target else 'without'} the target"
                count = counts.get((target, kind, with_target), 0)
                if not count:
                    absent.append(name)
                elif count < counts.max():
                    fewer.append(f"{name} ({count} of {counts.max()})")
    lines = []
    if absent:
        lines.append(f"No run yet, or no such set: {listed(absent, 10)}.")
    if fewer:
        lines.append(f"Fewer replicates than others: {listed(fewer, 10)}.")
    return lines


def other_networks(table: pd.DataFrame, of_last: pd.DataFrame) -> list[str]:
    """Say which runs are left out since another network was trained after theirs."""
    others = table[~table["key"].isin(of_last["key"])]
    return [
        f"{counted(rows['key'].nunique(), 'run')} of network {name} not used: the last ones are "
        f"of {of_last['network'].iloc[0]}."
        for name, rows in others.groupby("network")
    ]
