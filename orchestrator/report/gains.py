"""From runs to means, gains and their intervals: the tables behind the figures.

A gain is the MCC of transfer less that of its twin from scratch, on the same test regions; a TF's
is the mean over replicates. Intervals are bootstrap intervals over replicates and test regions,
those of several TFs at once over TFs too (`orchestrator.report.statistics`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.report.calls import Calls, joint_counts
from orchestrator.report.statistics import Bootstrap, Floats, Interval, interval

CallsByKey = Mapping[str, Calls]


@dataclass(frozen=True, kw_only=True)
class Gains:
    """Gains of T TFs (or of other cells of pairs)."""

    table: pd.DataFrame
    """A row each; see :func:`gains`."""
    draws: Floats
    """Of their gains, shape (T, B)."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def values(self) -> Floats:
        """The gains, shape (T,)."""
        return self.table["gain"].to_numpy(dtype=np.float64)


def gains(pairs: pd.DataFrame, by: Sequence[str], calls: CallsByKey, boot: Bootstrap) -> Gains:
    """Average pairs over replicates.

    Parameters
    ----------
    pairs
        Table of `orchestrator.report.pairs`.
    by
        Columns that tell the rows of the result apart.
    calls
        Of all runs in `pairs`.
    boot
        Draws the intervals.

    Returns
    -------
    Gains
        Columns: those of `by`; num_bound and num_test_regions (means over replicates);
        num_replicates; scratch, transfer, multi (MCC, missing where there is none) and gain, each
        with its interval as `_low` and `_high`.
    """
    rows, draws = [], []
    for names, replicates in pairs.groupby(list(by), sort=True):
        replicates = replicates.sort_values("replicate")
        row: dict[str, Any] = dict(zip(by, names, strict=True))
        row["num_bound"] = replicates["num_bound"].mean()
        row["num_test_regions"] = replicates["num_test_regions"].mean()
        row["num_replicates"] = len(replicates)
        both = boot.mcc(_counts(replicates, ("scratch", "transfer"), calls))
        for column, arm in enumerate(("scratch", "transfer")):
            mean = replicates[f"mcc_{arm}"].mean()
            row |= _with_interval(arm, mean, interval(both[:, column]))
        row |= _multi(replicates, calls, boot)
        gain = both[:, 1] - both[:, 0]
        row |= _with_interval("gain", row["transfer"] - row["scratch"], interval(gain))
        rows.append(row)
        draws.append(gain)
    return Gains(table=pd.DataFrame(rows), draws=np.array(draws))


def mean_mcc(runs: pd.DataFrame, calls: CallsByKey, boot: Bootstrap) -> tuple[float, Interval]:
    """Mean MCC of a run per replicate, with its interval.

    Parameters
    ----------
    runs
        Columns key, replicate, mcc.
    """
    runs = runs.sort_values("replicate")
    draws = boot.mcc(np.stack([joint_counts([calls[key]]) for key in runs["key"]]))
    return float(runs["mcc"].mean()), interval(draws[:, 0])


def difference(
    first: pd.DataFrame, second: pd.DataFrame, calls: CallsByKey, boot: Bootstrap
) -> tuple[float, Interval] | None:
    """Mean difference in MCC over the replicates that both have, with its interval.

    Runs on the same test regions are resampled together, others each by themselves.

    Parameters
    ----------
    first, second
        Columns key, replicate, mcc; a run per replicate.

    Returns
    -------
    tuple or None
        None if they have no replicate in common.
    """
    both = first.merge(second, on="replicate", suffixes=("_first", "_second"))
    if both.empty:
        return None
    both = both.sort_values("replicate")
    mean = float((both["mcc_first"] - both["mcc_second"]).mean())
    runs = [
        (calls[a], calls[b]) for a, b in zip(both["key_first"], both["key_second"], strict=True)
    ]
    if all(a.regions == b.regions for a, b in runs):
        draws = boot.mcc(np.stack([joint_counts(pair) for pair in runs]))
        return mean, interval(draws[:, 0] - draws[:, 1])
    one, other = (boot.mcc(np.stack([joint_counts([pair[i]]) for pair in runs])) for i in (0, 1))
    return mean, interval(one[:, 0] - other[:, 0])


def _counts(replicates: pd.DataFrame, arms: Sequence[str], calls: CallsByKey) -> Floats:
    keys = replicates[[f"key_{arm}" for arm in arms]].itertuples(index=False)
    return np.stack([joint_counts([calls[key] for key in row]) for row in keys])


def _multi(replicates: pd.DataFrame, calls: CallsByKey, boot: Bootstrap) -> dict[str, float]:
    scored = replicates[replicates["key_multi"].notna()]
    if scored.empty:
        return _with_interval("multi", np.nan, Interval(low=np.nan, high=np.nan))
    draws = boot.mcc(_counts(scored, ("multi",), calls))
    return _with_interval("multi", scored["mcc_multi"].mean(), interval(draws[:, 0]))


def _with_interval(name: str, value: float, ends: Interval) -> dict[str, float]:
    return {name: float(value), f"{name}_low": ends.low, f"{name}_high": ends.high}
