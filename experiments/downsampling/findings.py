"""What the runs of `downsampling` say: how transfer helps with ever fewer regions (Fig. 1B)."""

import numpy as np
import pandas as pd

from experiments.downsampling import figures
from experiments.downsampling.plan import NAME
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.findings import Finding, NamedFigure, gain_columns, stem, with_ends
from orchestrator.report.gains import CallsByKey, Gains, gains
from orchestrator.report.missing import missing_pairs
from orchestrator.report.pairs import Pairs, each_row, pair
from orchestrator.report.sections import SectionFindings, SectionInput
from orchestrator.report.statistics import Interval
from orchestrator.report.words import confidence, number


def findings(given: SectionInput) -> SectionFindings:
    """Compare the arms at each number of regions."""
    pairs = pair(given.rows)
    compared = downsampling_findings(pairs, given.runs.calls, given.boot)
    return SectionFindings(findings=tuple(compared), missing=tuple(missing_pairs(pairs)))


def downsampling_findings(pairs: Pairs, calls: CallsByKey, boot: Bootstrap) -> list[Finding]:
    """Fig. 1B: both arms by number of regions, a finding per TF."""
    several_sets = pairs.table["pretraining_set"].nunique() > 1
    found = []
    for (tf, set_name), rows in pairs.table.groupby(["tf", "pretraining_set"], sort=True):
        heading = f"{tf}, {set_name}" if several_sets else str(tf)
        sizes = gains(rows, ["size", "group"], calls, boot)
        found.append(_downsampling(str(tf), sizes, rows, heading))
    return found


def _downsampling(tf: str, sizes: Gains, rows: pd.DataFrame, heading: str) -> Finding:
    table = sizes.table.sort_values(["size", "group"], ignore_index=True)
    labels = {
        row.group: f"{row.group}\n({row.num_bound:,.0f} bound)"
        if np.isinf(row.size)
        else str(row.group)
        for row in each_row(table)
    }
    parts, numbers = [], {}
    for row in each_row(table):
        ends = Interval(low=row.gain_low, high=row.gain_high)
        size = row.group if np.isinf(row.size) else f"{row.group} regions"
        parts.append(
            f"from {size} transfer reached {number(row.transfer)} MCC against "
            f"{number(row.scratch)} from scratch (gain {number(row.gain)}, {confidence(ends)})"
        )
        numbers[f"{tf}/{row.group}/scratch_mcc"] = row.scratch
        numbers[f"{tf}/{row.group}/transfer_mcc"] = row.transfer
        numbers |= with_ends(f"{tf}/{row.group}/gain", row.gain, ends)
    name = stem(NAME, heading)
    return Finding(
        stem=name,
        heading=heading,
        sentence=f"{tf}: {'; '.join(parts)}.",
        details=tuple(_fewest_and_most(tf, table)),
        figures=(
            NamedFigure(
                stem=name,
                figure=figures.sizes_of_tf(rows, labels),
                caption=f"MCC of {tf} by number of regions. A point is a replicate, lines join "
                "the two arms on the same regions; boxes are quartiles, whiskers extremes.",
            ),
        ),
        table=table.assign(tf=tf),
        shown=gain_columns(table, {"group": "regions"}),
        numbers=numbers,
    )


def _fewest_and_most(tf: str, table: pd.DataFrame) -> list[str]:
    if len(table) < 2:
        return []
    fewest, most = table.iloc[0], table.iloc[-1]
    best = max(most["scratch"], most["transfer"])
    if best <= 0:
        return []
    return [
        f"With the fewest regions ({fewest['group']}) transfer reached "
        f"{max(fewest['transfer'] / best, 0):.0%} of the best arm's MCC with the most "
        f"({most['group']}), and scratch {max(fewest['scratch'] / best, 0):.0%}."
    ]
