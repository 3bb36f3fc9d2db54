"""From runs to means, gains and their intervals: the tables behind the figures.

A gain is the MCC of transfer minus that of its twin from scratch, on the same test regions; a TF's
is the mean over replicates. `orchestrator.report.bootstrap` says what the intervals cover.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.calls import Calls
from orchestrator.report.statistics import Floats, Interval, interval

CallsByKey = Mapping[str, Calls]


@dataclass(frozen=True, kw_only=True)
class Gains:
    """Gains of T TFs (or of other cells of pairs)."""

    table: pd.DataFrame
    """A row each; see :func:`gains`."""
    draws: Floats
    """Draws of the gains, shape (T, B)."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def values(self) -> Floats:
        """The gains, shape (T,)."""
        return self.table["gain"].to_numpy(dtype=np.float64)

    def mean_draws(self, boot: Bootstrap) -> Floats:
        """Draw the mean gain over TFs, shape (B,); of one TF, its own gain."""
        return self.draws[0] if len(self) == 1 else boot.mean_over_tfs(self.values)

    def median(self, boot: Bootstrap) -> tuple[float, Interval]:
        """Median gain over TFs, with its interval."""
        draws = self.draws[0] if len(self) == 1 else boot.median_over_tfs(self.draws)
        return float(np.median(self.values)), interval(draws)


def gains(pairs: pd.DataFrame, by: Sequence[str], calls: CallsByKey, boot: Bootstrap) -> Gains:
    """Average pairs over replicates.

    Parameters
    ----------
    pairs
        Table of `orchestrator.report.pairs`.
    by
        Columns that tell the rows of the result apart.
    calls
        The calls of all runs in `pairs`.
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
        arms = ("scratch", "transfer")
        drawn = boot.mcc({arm: _calls(replicates, arm, calls) for arm in arms})
        for arm in arms:
            row |= _with_interval(arm, replicates[f"mcc_{arm}"].mean(), drawn.of(arm))
        row |= _multi(replicates, calls, boot)
        gain = drawn.draws({"transfer": 1.0, "scratch": -1.0})
        ends = drawn.difference("transfer", "scratch")
        row |= _with_interval("gain", row["transfer"] - row["scratch"], ends)
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
    drawn = boot.mcc({"": [calls[key] for key in runs["key"]]})
    return float(runs["mcc"].mean()), drawn.of("")


def difference(
    first: pd.DataFrame, second: pd.DataFrame, calls: CallsByKey, boot: Bootstrap
) -> tuple[float, Interval] | None:
    """Mean difference in MCC over the replicates that both have, with its interval.

    Test regions that runs have in common are drawn together, others each by themselves.

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
    drawn = boot.mcc({arm: _calls(both, arm, calls) for arm in ("first", "second")})
    return mean, drawn.difference("first", "second")


def _calls(replicates: pd.DataFrame, arm: str, calls: CallsByKey) -> list[Calls]:
    return [calls[key] for key in replicates[f"key_{arm}"]]


def _multi(replicates: pd.DataFrame, calls: CallsByKey, boot: Bootstrap) -> dict[str, float]:
    scored = replicates[replicates["key_multi"].notna()]
    if scored.empty:
        return _with_interval("multi", np.nan, Interval(low=np.nan, high=np.nan))
    drawn = boot.mcc({"multi": _calls(scored, "multi", calls)})
    return _with_interval("multi", scored["mcc_multi"].mean(), drawn.of("multi"))


def _with_interval(name: str, value: float, ends: Interval) -> dict[str, float]:
    return {name: float(value), f"{name}_low": ends.low, f"{name}_high": ends.high}
