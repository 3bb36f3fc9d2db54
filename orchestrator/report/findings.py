"""What each experiment says: a sentence, its figures, the table behind them and the numbers.

Where a sentence depends on the result, its words are chosen by the numbers. A `Finding` is the
result behind one figure of the paper; an experiment has one for each pre-training set that its runs
share (and, where sizes are compared, for each TF).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from orchestrator.report.statistics import (
    Floats,
    Interval,
)
from orchestrator.report.words import counted, number, span


@dataclass(frozen=True, kw_only=True)
class NamedFigure:
    """A figure, the stem of its files and what it shows."""

    stem: str
    figure: Figure
    caption: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of an experiment."""

    stem: str
    """Name of the table's file, without its ending."""
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

    @property
    def headline(self) -> str:
        """The result where no heading is above it: it says itself which finding it is."""
        is_told = self.heading in self.sentence
        return self.sentence if is_told else f"{self.heading}: {self.sentence}"


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


def out_of(gain: Floats, noun: str) -> str:
    """Say of how many gains are positive, such as `3 of 5 TFs`."""
    return f"{int((gain > 0).sum())} of {counted(len(gain), noun)}"
