"""What each experiment says: a sentence, its figures, the table behind them and the numbers.

Every word of a sentence that could be otherwise is chosen by the numbers. `Finding` is what one
figure of the paper comes to; an experiment has one for each pre-training set that its runs share
(and, where sizes are compared, for each TF).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from orchestrator.report import figures
from orchestrator.report.gains import CallsByKey, Gains, gains
from orchestrator.report.pairs import Pairs, each_row
from orchestrator.report.statistics import (
    Bootstrap,
    Floats,
    Interval,
    Spearman,
    interval,
    spearman,
    welch,
)
from orchestrator.report.words import confidence, counted, listed, number, p_value, span

SHARED_MODE = "shared mode"
OTHER_MODE = "other mode"
MULTI_MODEL = "multi-model"
ALL_REGIONS = "all regions"


@dataclass(frozen=True, kw_only=True)
class NamedFigure:
    """A figure, the stem of its files and what it shows."""

    stem: str
    figure: Figure
    caption: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What runs of an experiment came to."""

    stem: str
    """Of the table's file."""
    heading: str
    """What tells it from the other findings of its experiment; may be empty."""
    sentence: str
    """The result in one sentence."""
    details: tuple[str, ...]
    """Further sentences."""
    figures: tuple[NamedFigure, ...]
    table: pd.DataFrame
    """What the figures show, in full."""
    shown: pd.DataFrame
    """The table for people: text, intervals in brackets."""
    numbers: Mapping[str, float]
    """The statistics by name."""


def transfer_findings(pairs: Pairs, calls: CallsByKey, boot: Bootstrap) -> list[Finding]:
    """Fig. 1A: the arms per TF, and gain against the number of bound regions."""
    variants = list(pairs.table.groupby(["pretraining_set", "group"], sort=True))
    found = []
    for (set_name, group), rows in variants:
        of_tfs = gains(rows, ["tf"], calls, boot)
        heading = f"{set_name}, {group}" if len(variants) > 1 else ""
        found.append(_transfer(of_tfs, heading, boot))
    return found


def _transfer(of_tfs: Gains, heading: str, boot: Bootstrap) -> Finding:
    name = stem("transfer", heading)
    values = of_tfs.values
    median, ends = float(np.median(values)), interval(boot.of_many(of_tfs.draws, np.median))
    related = spearman(of_tfs.table["num_bound"], values)
    numbers = {
        "num_tfs": len(values),
        "num_tfs_transfer_better": int((values > 0).sum()),
        **with_ends("median_gain", median, ends),
    }
    shown = [
        NamedFigure(
            stem=name,
            figure=figures.arms_by_tf(of_tfs.table),
            caption="Each arm's MCC per TF, the TF with fewest bound regions first. "
            "Bars are 95 % intervals.",
        )
    ]
    if related is not None:
        numbers |= {"spearman_rho": related.rho, "spearman_p": related.p}
        title = f"Spearman's rho {number(related.rho)}, {p_value(related.p)}"
        shown.append(
            NamedFigure(
                stem=f"{name}-gain",
                figure=figures.gain_by_size(of_tfs.table, title),
                caption="Gain by transfer against the number of bound regions trained on.",
            )
        )
    return Finding(
        stem=name,
        heading=heading,
        sentence=f"Transfer beat scratch for {_out_of(values, 'TF')}; median gain "
        f"{number(median)} MCC, {confidence(ends)}.",
        details=(_certain(of_tfs), _size_sentence(related, of_tfs), *_multi_sentence(of_tfs)),
        figures=tuple(shown),
        table=of_tfs.table,
        shown=gain_columns(of_tfs.table, {"tf": "TF"}),
        numbers=numbers,
    )


def _certain(of_tfs: Gains) -> str:
    table = of_tfs.table
    above, below = table[table["gain_low"] > 0], table[table["gain_high"] < 0]
    worse = f" ({listed(list(below['tf']))})" if len(below) else ""
    return (
        f"The interval of the gain lies above zero for {counted(len(above), 'TF')} and below "
        f"zero for {len(below) or 'none'}{worse}."
    )


def _size_sentence(related: Spearman | None, of_tfs: Gains) -> str:
    if related is None:
        if len(of_tfs) < 3:
            return "With fewer than three TFs the gain cannot be set against training size."
        return (
            "All TFs were trained on the same number of bound regions "
            f"({of_tfs.table['num_bound'].iloc[0]:,.0f}), so these runs cannot say whether the "
            "gain goes with it."
        )
    said = f"Spearman's rho {number(related.rho)}, {p_value(related.p)}, {len(of_tfs)} TFs"
    if related.p >= 0.05:
        return f"No relation of the gain to the number of bound regions can be told ({said})."
    fewer = "fewer" if related.rho < 0 else "more"
    return f"The {fewer} bound regions a TF had, the more it gained ({said})."


def _multi_sentence(of_tfs: Gains) -> list[str]:
    scored = of_tfs.table[of_tfs.table["multi"].notna()]
    if scored.empty:
        return []
    over_multi = (scored["transfer"] - scored["multi"]).to_numpy(dtype=float)
    over_scratch = (scored["multi"] - scored["scratch"]).to_numpy(dtype=float)
    return [
        f"Transfer beat the multi-model itself for {_out_of(over_multi, 'TF')} that the "
        f"multi-model knows; the multi-model beat scratch for {(over_scratch > 0).sum()} of them."
    ]


def downsampling_findings(pairs: Pairs, calls: CallsByKey, boot: Bootstrap) -> list[Finding]:
    """Fig. 1B: both arms by number of regions, a finding per TF."""
    several_sets = pairs.table["pretraining_set"].nunique() > 1
    found = []
    for (tf, set_name), rows in pairs.table.groupby(["tf", "pretraining_set"], sort=True):
        heading = f"{tf}, {set_name}" if several_sets else str(tf)
        sizes = gains(rows, ["group"], calls, boot)
        found.append(_downsampling(str(tf), sizes, rows, heading))
    return found


def _downsampling(tf: str, sizes: Gains, rows: pd.DataFrame, heading: str) -> Finding:
    table = sizes.table.sort_values(["num_bound", "group"], ignore_index=True)
    labels = {
        row.group: f"{row.group}\n({row.num_bound:,.0f} bound)"
        if row.group == ALL_REGIONS
        else str(row.group)
        for row in each_row(table)
    }
    parts, numbers = [], {}
    for row in each_row(table):
        ends = Interval(low=row.gain_low, high=row.gain_high)
        size = row.group if row.group.endswith("regions") else f"{row.group} regions"
        parts.append(
            f"from {size} transfer reached {number(row.transfer)} MCC against "
            f"{number(row.scratch)} from scratch (gain {number(row.gain)}, {confidence(ends)})"
        )
        numbers[f"{tf}/{row.group}/scratch_mcc"] = row.scratch
        numbers[f"{tf}/{row.group}/transfer_mcc"] = row.transfer
        numbers |= with_ends(f"{tf}/{row.group}/gain", row.gain, ends)
    name = stem("downsampling", heading)
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
        f"Transfer from the fewest regions ({fewest['group']}) reached "
        f"{max(fewest['transfer'] / best, 0):.0%} of the best arm's MCC from the most "
        f"({most['group']}), scratch {max(fewest['scratch'] / best, 0):.0%}."
    ]


def mode_findings(
    pairs: Pairs, transfer: Pairs | None, calls: CallsByKey, boot: Bootstrap
) -> list[Finding]:
    """Fig. 2A: gain of TFs whose binding mode the multi-model knows, and of the others.

    Parameters
    ----------
    transfer
        Pairs of experiment `transfer`, whose TFs are those of the multi-model; None if there is
        none.
    """
    variants = list(pairs.table.groupby("pretraining_set", sort=True))
    found = []
    for set_name, rows in variants:
        groups = {
            str(group): gains(members, ["tf"], calls, boot)
            for group, members in rows.groupby("group", sort=False)
        }
        known = None if transfer is None else _multi_model_pairs(transfer.table, rows)
        if known is not None:
            groups[MULTI_MODEL] = gains(known, ["tf"], calls, boot)
        usual = (MULTI_MODEL, SHARED_MODE, OTHER_MODE)
        order = [*(name for name in usual if name in groups), *sorted(groups.keys() - set(usual))]
        heading = str(set_name) if len(variants) > 1 else ""
        found.append(_modes({name: groups[name] for name in order}, known, heading, boot))
    return found


def _multi_model_pairs(transfer: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame | None:
    """Pairs of the multi-model's own TFs, of the group whose training size is the nearest."""
    names = transfer["pretraining_tfs"].str.split()
    own = [tf in tfs for tf, tfs in zip(transfer["tf"], names, strict=True)]
    known = transfer[own]
    known = known[known["pretraining_set"].isin(rows["pretraining_set"])]
    if known.empty:
        return None
    size = rows["num_bound"].median()
    distances = (known.groupby("group")["num_bound"].median() - size).abs()
    return known[known["group"] == distances.idxmin()]


def _modes(
    groups: Mapping[str, Gains], known: pd.DataFrame | None, heading: str, boot: Bootstrap
) -> Finding:
    numbers: dict[str, float] = {}
    draws = {name: boot.of_many(of_tfs.draws) for name, of_tfs in groups.items()}
    details = []
    for name, of_tfs in groups.items():
        label = name.replace(" ", "_")
        mean, ends = float(of_tfs.values.mean()), interval(draws[name])
        numbers[f"num_tfs_{label}"] = len(of_tfs)
        numbers |= with_ends(f"mean_gain_{label}", mean, ends)
        details.append(
            f"Transfer beat scratch for {_out_of(of_tfs.values, 'TF')} of group {name}; mean gain "
            f"{number(mean)} MCC, {confidence(ends)}."
        )
    sentence, bracket = "Of the two groups that are compared, one has no pair yet.", None
    if SHARED_MODE in groups and OTHER_MODE in groups:
        ends = interval(draws[SHARED_MODE] - draws[OTHER_MODE])
        sentence, bracket, tested = _shared_and_other(
            groups[SHARED_MODE].values, groups[OTHER_MODE].values, ends
        )
        numbers |= tested
    if known is not None:
        details.append(
            f"The multi-model's own TFs are those of experiment transfer, {known['group'].iloc[0]}."
        )
    name = stem("binding-modes", heading)
    table = pd.concat(
        [of_tfs.table.assign(group=group) for group, of_tfs in groups.items()], ignore_index=True
    )
    return Finding(
        stem=name,
        heading=heading,
        sentence=sentence,
        details=tuple(details),
        figures=(
            NamedFigure(
                stem=name,
                figure=figures.gain_by_group(
                    {group: of_tfs.table for group, of_tfs in groups.items()}, bracket
                ),
                caption="Gain by transfer of TFs that the multi-model was trained on, of TFs that "
                "share a binding mode with one of them, and of the others. A point is a TF; boxes "
                "are quartiles, whiskers extremes.",
            ),
        ),
        table=table,
        shown=gain_columns(table, {"group": "group", "tf": "TF"}),
        numbers=numbers,
    )


def _shared_and_other(
    shared: Floats, other: Floats, ends: Interval
) -> tuple[str, tuple[str, str, str] | None, dict[str, float]]:
    """Sentence, bracket of the figure and numbers."""
    difference = float(shared.mean() - other.mean())
    numbers = with_ends("shared_less_other", difference, ends)
    compared = "more" if difference >= 0 else "less"
    sentence = (
        "TFs that share a binding mode with the multi-model gained "
        f"{number(abs(difference))} MCC {compared} than the others (mean gain "
        f"{number(shared.mean())} of {counted(len(shared), 'TF')} against "
        f"{number(other.mean())} of {counted(len(other), 'TF')}; 95 % CI of the "
        f"difference {span(ends)}"
    )
    test = welch(shared, other)
    if test is None:
        return f"{sentence}; too few TFs for Welch's t-test).", None, numbers
    numbers |= {"welch_t": test.t, "welch_df": test.degrees_of_freedom, "welch_p": test.p}
    sentence += (
        f"; Welch's t = {number(test.t)}, {number(test.degrees_of_freedom, 1)} degrees of "
        f"freedom, {p_value(test.p)})."
    )
    return sentence, (SHARED_MODE, OTHER_MODE, f"Welch's t-test, {p_value(test.p)}"), numbers


def gain_columns(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Write a table of gains for people.

    Parameters
    ----------
    names
        Titles of the columns that tell rows apart.
    """
    shown = pd.DataFrame({title: table[name] for name, title in names.items()})
    shown["bound regions"] = table["num_bound"].map("{:,.0f}".format)
    shown["test regions"] = table["num_test_regions"].map("{:,.0f}".format)
    shown["replicates"] = table["num_replicates"].astype(str)
    for arm in ("scratch", "transfer", "multi", "gain"):
        if table[arm].notna().any():
            shown[{"multi": "multi-model"}.get(arm, arm)] = with_brackets(table, arm)
    return shown


def with_brackets(table: pd.DataFrame, name: str) -> list[str]:
    """Write a column as `0.12 (0.10 to 0.15)`."""
    columns = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
    return [
        "" if np.isnan(value) else f"{number(value)} ({span(Interval(low, high))})"
        for value, low, high in columns
    ]


def with_ends(name: str, value: float, ends: Interval) -> dict[str, float]:
    """Give a statistic and the ends of its interval, by name."""
    return {name: value, f"{name}_low": ends.low, f"{name}_high": ends.high}


def stem(experiment: str, heading: str) -> str:
    """Name of files, of letters, digits and hyphens."""
    words: Sequence[str] = re.findall(r"[A-Za-z0-9]+", heading)
    return "-".join([experiment, *words])


def _out_of(gain: Floats, noun: str) -> str:
    return f"{int((gain > 0).sum())} of {counted(len(gain), noun)}"
