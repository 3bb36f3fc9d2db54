"""What the report says of filters: the motifs that multi-models learnt (Fig. 3A).

Reading the filters of a multi-model takes a minute, once; they are kept in the workspace.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs.matches import ALPHA
from experiments.interpretation import figures as filter_figures
from experiments.interpretation.figures import LogoPanel
from model.errors import ModelError
from orchestrator.errors import RunError
from orchestrator.interpretation.logos import Logo
from orchestrator.interpretation.motif_reader import MotifReader
from orchestrator.interpretation.run_motifs import StoredMotifs
from orchestrator.report.findings import Finding, NamedFigure, stem
from orchestrator.report.pairs import each_row, latest
from orchestrator.report.sections import SectionFindings
from orchestrator.report.words import counted, listed, number
from orchestrator.runs.filter_files import filter_name

HEADING: Final = "What the filters learnt"
MAX_MATCHES: Final = 12
"""Matches shown with logos, each motif once."""

Result = TypeVar("Result")


def read_or_note(read: Callable[[], Result], what: str, missing: list[str]) -> Result | None:
    """Give what is read; if it cannot be read, give None and add the reason to what is missing."""
    try:
        return read()
    except (DataError, ModelError, RunError) as error:
        missing.append(f"Filters of {what} could not be read: {error}.")
        return None


def trained_multi_models(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the results table that are trainings of multi-models."""
    return rows[(rows["arm"] == "multi") & (rows["tf"] == "")]


def learnt_findings(multi_models: pd.DataFrame, reader: MotifReader) -> SectionFindings:
    """Fig. 3A: which motifs the filters of multi-models match, a finding per set of TFs.

    Parameters
    ----------
    multi_models
        Rows of the results table; of several with the same set and replicate, the last one is read.
    """
    findings: list[Finding] = []
    missing: list[str] = []
    rows = latest(
        multi_models.sort_values(["finished_at", "key"]), ["pretraining_set", "replicate"]
    )
    variants = list(rows.sort_values("replicate").groupby("pretraining_set", sort=True))
    for set_name, members in variants:
        read: dict[int, StoredMotifs] = {}
        for row in each_row(members):
            name = f"the multi-model of {row.pretraining_set} r{row.replicate}"
            stored = read_or_note(partial(reader.read, row.key), name, missing)
            if stored is not None:
                read[row.replicate] = stored
        if read:
            experiment = str(members["experiment"].iloc[0])
            which = str(set_name) if len(variants) > 1 else ""
            findings.append(_learnt(read, which, experiment, reader))
    return SectionFindings(findings=tuple(findings), missing=tuple(missing))


def _learnt(
    read: dict[int, StoredMotifs], which: str, experiment: str, reader: MotifReader
) -> Finding:
    first = next(iter(read.values()))
    name = stem(f"{experiment}-filters", which)
    matched = np.array([stored.num_matched() for stored in read.values()])
    shuffled = np.array([stored.info.num_matched_shuffled for stored in read.values()])
    num_filters = len(first.table)
    table = pd.concat(
        [stored.table.assign(replicate=replicate) for replicate, stored in read.items()],
        ignore_index=True,
    )
    return Finding(
        stem=name,
        heading=f"{HEADING}, {which}" if which else HEADING,
        sentence=_sentence(matched, shuffled, num_filters, reader.database.name),
        details=(
            *(_states(replicate, stored) for replicate, stored in read.items()),
            *_most_matched(first),
            *_importance_of_matched(first),
        ),
        figures=tuple(_figures(name, first, reader, next(iter(read)))),
        table=table,
        shown=_shown(first),
        numbers={
            "num_filters": num_filters,
            "num_matched": float(matched.mean()),
            "num_matched_low": int(matched.min()),
            "num_matched_high": int(matched.max()),
            "num_matched_shuffled": float(shuffled.mean()),
        },
    )


def _sentence(
    matched: NDArray[np.int64], shuffled: NDArray[np.int64], num_filters: int, database: str
) -> str:
    # an average has a decimal, a count has none
    decimals = 0 if len(matched) == 1 else 1
    share = "more" if matched.mean() > num_filters / 2 else "no more"
    subject = f"{number(matched.mean(), decimals)} of {num_filters} filters of "
    if len(matched) == 1:
        subject += "the multi-model match"
        ends = ""
    else:
        subject = f"On average {subject}a multi-model match"
        ends = f" ({matched.min()} to {matched.max()} in {len(matched)} replicates)"
    return (
        f"{subject} a motif of {database} at q < {ALPHA:g}{ends}, {share} than half; with the "
        f"positions of each filter shuffled {number(shuffled.mean(), decimals)} do."
    )


def _states(replicate: int, stored: StoredMotifs) -> str:
    counts = stored.table["state"].value_counts()
    others = [
        f"{count} {state}" for state, count in counts.drop("compared", errors="ignore").items()
    ]
    left_out = f", {listed(others)}" if others else ""
    return (
        f"Replicate {replicate}: {stored.num_matched()} match, {counts.get('compared', 0)} have a "
        f"motif that can be compared{left_out}; read in {stored.info.num_correct:,} of "
        f"{stored.info.num_regions:,} regions, those predicted correctly for all TFs."
    )


def _most_matched(stored: StoredMotifs) -> list[str]:
    names = stored.table.loc[stored.table["q_value"] < ALPHA, "match_name"].value_counts()
    if names.empty:
        return []
    told = [f"{name} ({count})" for name, count in names.head(8).items()]
    return [
        f"The best matches are to {counted(len(names), 'motif')}; most often, with numbers of "
        f"filters: {listed(told)}."
    ]


def _importance_of_matched(stored: StoredMotifs) -> list[str]:
    compared = stored.table[stored.table["state"] == "compared"]
    is_match = compared["q_value"] < ALPHA
    matched, others = (compared.loc[rows, "importance"].median() for rows in (is_match, ~is_match))
    if not (matched > 0 and others > 0):
        return []
    more = matched >= others
    ratio = matched / others if more else others / matched
    return [
        f"Filters that match are {'more' if more else 'less'} important than compared filters that "
        f"do not, by a factor of {number(ratio, 1)} (medians)."
    ]


def _figures(
    name: str, stored: StoredMotifs, reader: MotifReader, replicate: int
) -> list[NamedFigure]:
    of_which = f"multi-model of replicate {replicate}"
    table = stored.table
    figures = []
    panels = _match_panels(stored, reader)
    if panels:
        figures.append(
            NamedFigure(
                stem=f"{name}-logos",
                figure=filter_figures.logo_panels(panels),
                caption=f"Filters of the {of_which} above the motif that they match best, each "
                "motif once, with the smallest q-value first.",
            )
        )
    shown = table[(table["state"] == "compared") & (table["importance"] > 0)]
    if not shown.empty:
        figures.append(
            NamedFigure(
                stem=f"{name}-importance",
                figure=filter_figures.information_and_importance(shown, ALPHA),
                caption=f"Information content and importance of the filters of the {of_which} "
                "that have a motif; named where q is below "
                f"{ALPHA:g}. Importance is how the probability changes when a filter is silenced.",
            )
        )
    changes = stored.importance.pivot(index="filter", columns="tf", values="logit_change")
    changes.index = pd.Index([_label(row) for row in table.to_dict("records")])
    few = f"The {filter_figures.MAX_ROWS} filters with the largest changes. "
    figures.append(
        NamedFigure(
            stem=f"{name}-by-tf",
            figure=filter_figures.importance_map(changes),
            caption=f"How much each filter of the {of_which} adds to each TF's logit: positive "
            "where the filter speaks for binding. "
            + (few if len(changes) > filter_figures.MAX_ROWS else "")
            + "Filters and TFs are ordered by clustering.",
        )
    )
    return figures


def _label(row: dict[Any, Any]) -> str:
    matched = row["q_value"] < ALPHA
    return f"{row['filter']} {row['match_name']}" if matched else f"{row['filter']}"


def _match_panels(stored: StoredMotifs, reader: MotifReader) -> list[LogoPanel]:
    """Give the best filter of each matched motif, above the aligned motif."""
    found = stored.table[stored.table["q_value"] < ALPHA].sort_values(["q_value", "filter"])
    found = found.drop_duplicates("match_name").head(MAX_MATCHES)
    return [
        LogoPanel(
            title=f"{filter_name(row.filter)} on {row.match_name}, q {row.q_value:.0e}",
            logos=(
                Logo(frequencies=stored.motifs.frequencies[row.filter]),
                reader.aligned(row.match_id, row.offset, row.orientation),
            ),
        )
        for row in each_row(found)
    ]


def _shown(stored: StoredMotifs) -> pd.DataFrame:
    """Give the table of filters that match, the best first."""
    found = stored.table[stored.table["q_value"] < ALPHA].sort_values(["q_value", "filter"])
    return pd.DataFrame(
        {
            "filter": found["filter"].map(str),
            "consensus": found["consensus"],
            "bits": found["information_bits"].map("{:.1f}".format),
            "subsequences": found["num_sites"].map("{:,}".format),
            "best match": found["match_name"] + " " + found["match_id"],
            "q": found["q_value"].map("{:.1e}".format),
            "importance": found["importance"].map("{:.1e}".format),
            "most important for": found["most_important_for"],
        }
    )
