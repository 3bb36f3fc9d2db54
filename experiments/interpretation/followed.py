"""What experiment `interpretation` says (Fig. 3B): how fine-tuning changed filters.

Per target and replicate the filters of a multi-model, the same ones after fine-tuning, and those
of a model from scratch on the same regions (`orchestrator.interpretation.following`).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pandas as pd

from data.motifs.matches import ALPHA
from experiments.interpretation import figures as filter_figures
from experiments.interpretation.figures import LogoPanel
from experiments.interpretation.learnt import read_or_note
from orchestrator.interpretation.following import FollowedFilters, target_matches
from orchestrator.interpretation.logos import Logo
from orchestrator.interpretation.motif_reader import MotifReader
from orchestrator.report.findings import Finding, NamedFigure, stem
from orchestrator.report.pairs import Pairs, each_row
from orchestrator.report.sections import SectionFindings
from orchestrator.report.words import counted, number
from orchestrator.runs.filter_files import filter_name

MAX_LOGOS: Final = 8
"""Number of filters whose logos are shown."""
MAX_SHOWN: Final = 40
"""Number of rows of the table on the page; its file has all of them."""
_ARMS: Final = ("multi", "transfer", "scratch")


def followed_findings(pairs: Pairs, reader: MotifReader) -> SectionFindings:
    """Follow filters (Fig. 3B), a finding per target, size and pre-training set."""
    findings: list[Finding] = []
    missing: list[str] = []
    cell = ["tf", "size", "group", "pretraining_set"]
    variants = list(pairs.table.groupby(cell, sort=True, dropna=False))
    tfs = [tf for (tf, *_), _ in variants]
    for (tf, _, group, set_name), rows in variants:
        heading = str(tf) if tfs.count(tf) == 1 else f"{tf}, {group}, {set_name}"
        followed: dict[int, FollowedFilters] = {}
        for row in each_row(rows.sort_values("replicate")):
            read = partial(reader.follow, row.key_transfer, row.key_scratch)
            found = read_or_note(read, f"{heading} r{row.replicate}", missing)
            if found is not None:
                followed[row.replicate] = found
        if followed:
            findings.append(_followed(str(tf), heading, followed, reader))
    return SectionFindings(findings=tuple(findings), missing=tuple(missing))


def _followed(
    tf: str, heading: str, followed: Mapping[int, FollowedFilters], reader: MotifReader
) -> Finding:
    name = stem("interpretation", heading)
    table = pd.concat(
        [found.table.assign(replicate=replicate) for replicate, found in followed.items()],
        ignore_index=True,
    )
    like = pd.DataFrame([found.num_target_like for found in followed.values()])
    matched = pd.DataFrame([found.num_matched for found in followed.values()])
    return Finding(
        stem=name,
        heading=heading,
        sentence=_sentence(tf, like, reader.database.name),
        details=(_moved(tf, table, len(followed)), _matched(matched), *_distances(table)),
        figures=tuple(_figures(name, tf, followed, reader)),
        table=table,
        shown=_shown(table),
        numbers=_numbers(like, matched, table),
    )


def _mean(counts: pd.Series) -> str:
    """Write a mean with its extremes, or the count itself where there is only one."""
    if len(counts) == 1:
        return str(counts.iloc[0])
    return f"{number(counts.mean(), 1)} ({counts.min()} to {counts.max()})"


def _sentence(tf: str, like: pd.DataFrame, database: str) -> str:
    average = f", on average over {len(like)} replicates" if len(like) > 1 else ""
    return (
        f"Filters that look like {tf}'s motif in {database} (q < {ALPHA:g}){average}: "
        f"{_mean(like['multi'])} in the multi-model, {_mean(like['transfer'])} after fine-tuning, "
        f"{_mean(like['scratch'])} in the model from scratch."
    )


def _moved(tf: str, table: pd.DataFrame, num_replicates: int) -> str:
    to = int((~table["target_like_before"] & table["target_like_after"]).sum())
    away = int((table["target_like_before"] & ~table["target_like_after"]).sum())
    stayed = int((table["target_like_before"] & table["target_like_after"]).sum())
    where = "" if num_replicates == 1 else f" (over {num_replicates} replicates)"
    return (
        f"In fine-tuning {counted(to, 'filter')} began to resemble {tf}'s motif, {stayed} still "
        f"did and {away} no longer did{where}."
    )


def _matched(matched: pd.DataFrame) -> str:
    return (
        f"Filters that match any motif: {_mean(matched['multi'])} in the multi-model, "
        f"{_mean(matched['transfer'])} after fine-tuning, {_mean(matched['scratch'])} from scratch."
    )


def _distances(table: pd.DataFrame) -> list[str]:
    moved = table["pwm_distance"].dropna()
    if moved.empty:
        return []
    return [
        f"Half of the filters' motifs changed by less than {number(moved.median(), 3)}, the one "
        f"that changed most by {number(moved.max(), 2)} (1 minus the correlation of the PWMs); the "
        f"median change of the weights is {number(table['weight_distance'].median(), 3)} (1 minus "
        "the cosine)."
    ]


def _figures(
    name: str, tf: str, followed: Mapping[int, FollowedFilters], reader: MotifReader
) -> list[NamedFigure]:
    replicate, first = next(iter(followed.items()))
    columns = list(_ARMS)
    counts = {
        f"like {tf}'s motif": pd.DataFrame([f.num_target_like for f in followed.values()])[columns],
        "like any motif": pd.DataFrame([f.num_matched for f in followed.values()])[columns],
    }
    figures = [
        NamedFigure(
            stem=name,
            figure=filter_figures.counts_by_arm(counts),
            caption=f"Filters that look like {tf}'s motif, or like any motif, at q < {ALPHA:g}. A "
            "point is a replicate, lines join a replicate's three networks; boxes are quartiles.",
        ),
        NamedFigure(
            stem=f"{name}-moved",
            figure=filter_figures.target_match_moved(first.table, tf, ALPHA),
            caption=f"How each filter of replicate {replicate} matches {tf}'s motif before and "
            "after fine-tuning; the filters above the horizontal and left of the vertical line "
            f"(q = {ALPHA:g}) began to resemble it. Distance is 1 minus the correlation of the "
            "filter's PWMs.",
        ),
    ]
    panels, came = _panels(first, tf, reader)
    if panels:
        which = f"that began to resemble {tf}'s motif" if came else f"nearest to {tf}'s motif"
        figures.append(
            NamedFigure(
                stem=f"{name}-logos",
                figure=filter_figures.logo_panels(panels, num_columns=2),
                caption=f"Filters of replicate {replicate} {which}: in the multi-model, after "
                f"fine-tuning, and below them {tf}'s motif that fits best"
                + ("." if came else "; none began to resemble it in fine-tuning."),
            )
        )
    return figures


def _panels(found: FollowedFilters, tf: str, reader: MotifReader) -> tuple[list[LogoPanel], bool]:
    """Give logos of the filters that began to resemble the target's motif, or else of the nearest.

    The second value says whether there are any of the first kind.
    """
    best = target_matches(found.stored["transfer"], [tf])
    table = found.table.set_index("filter").loc[best.index.sort_values()]
    came = table[~table["target_like_before"] & table["target_like_after"]]
    shown = (table if came.empty else came).sort_values("target_q_after", kind="stable")
    before, after = (found.stored[arm].motifs.frequencies for arm in ("multi", "transfer"))
    panels = []
    for index, row in zip(
        shown.index[:MAX_LOGOS].astype(int), shown.to_dict("records"), strict=False
    ):
        match: Any = best.loc[index]
        panels.append(
            LogoPanel(
                title=f"{filter_name(index)}: q {row['target_q_before']:.0e} to "
                f"{row['target_q_after']:.0e}, moved {number(row['pwm_distance'])}",
                logos=(
                    Logo(frequencies=before[index]),
                    Logo(frequencies=after[index]),
                    reader.aligned(match["matrix_id"], match["offset"], match["orientation"]),
                ),
            )
        )
    return panels, not came.empty


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Give the filters like the target's motif before or after, then those that changed most."""
    like = table["target_like_before"] | table["target_like_after"]
    rows = table.assign(like=like).sort_values(
        ["like", "pwm_distance"], ascending=False, kind="stable"
    )
    rows = rows.head(MAX_SHOWN)
    return pd.DataFrame(
        {
            "replicate": rows["replicate"].map(str),
            "filter": rows["filter"].map(str),
            "match before": _match(rows, "before"),
            "match after": _match(rows, "after"),
            "target's q before": rows["target_q_before"].map("{:.1e}".format),
            "after": rows["target_q_after"].map("{:.1e}".format),
            "change of the motif": rows["pwm_distance"].map(_distance),
            "change of the weights": rows["weight_distance"].map(_distance),
        }
    )


def _match(rows: pd.DataFrame, when: str) -> list[str]:
    return [
        "" if pd.isna(q) else f"{name} ({q:.0e})"
        for name, q in zip(rows[f"match_{when}"], rows[f"q_{when}"], strict=True)
    ]


def _distance(value: float) -> str:
    return "" if pd.isna(value) else number(value, 3)


def _numbers(like: pd.DataFrame, matched: pd.DataFrame, table: pd.DataFrame) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for arm in _ARMS:
        numbers[f"num_target_like_{arm}"] = float(like[arm].mean())
        numbers[f"num_matched_{arm}"] = float(matched[arm].mean())
    came = ~table["target_like_before"] & table["target_like_after"]
    ceased = table["target_like_before"] & ~table["target_like_after"]
    numbers["num_moved_to_target"] = int(came.sum()) / len(like)
    numbers["num_moved_away"] = int(ceased.sum()) / len(like)
    numbers["median_pwm_distance"] = float(table["pwm_distance"].median())
    numbers["median_weight_distance"] = float(table["weight_distance"].median())
    return numbers
