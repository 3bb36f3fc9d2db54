"""Which runs are compared: a transfer run and its twin from scratch, on the same test regions.

Input is the results table (`orchestrator.runs.results`) of one experiment with two more columns:

- ``test_regions``: hash of the test regions, the same where two runs were tested on the same
- ``finished_at``: when the run was complete, seconds since the epoch

Two runs are twins if they have the TF, the group, the replicate, the network and the test regions
in common. Where several runs compete for the same place (for example, a study was run again with
other epochs), the last one counts, and the number of the others is reported.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

ARM_COLUMNS: Final = ("key", "mcc")
"""What the table of pairs has of each arm, as `key_scratch`, `mcc_scratch` and so on."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The pairs of an experiment, and what has no pair."""

    table: pd.DataFrame
    """A row per transfer run and its twin: its columns, `key_` and `mcc_` of `scratch`,
    `transfer` and `multi`; those of `multi` are missing where the multi-model was not scored."""
    single: pd.DataFrame
    """Cells that have no pair: tf, size, group, replicate, and the arms that are there."""
    num_set_aside: int
    """Runs that another one of the same name replaced, with their twins."""


def each_row(table: pd.DataFrame) -> Iterator[Any]:
    """Go through the rows of a table, the columns as attributes."""
    return iter(table.itertuples(index=False))


def scored_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Runs on one TF's test regions whose MCC is defined, the last finished ones last."""
    scored = table[(table["tf"] != "") & table["mcc"].notna()]
    return scored.sort_values(["finished_at", "key"], ignore_index=True)


def latest(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Keep the last of the rows that agree in some columns."""
    return rows.drop_duplicates(by, keep="last", ignore_index=True)


def pair(table: pd.DataFrame) -> Pairs:
    """Pair the transfer runs of an experiment with those from scratch.

    Parameters
    ----------
    table
        See the module's docstring.
    """
    scored = scored_runs(table)
    by_arm = {arm: scored[scored["arm"] == arm] for arm in ("scratch", "transfer", "multi")}
    twin = ["tf", "group", "replicate", "test_regions", "network"]
    pairs = latest(by_arm["transfer"], ["tf", "group", "replicate", "pretraining_set"])
    pairs = pairs.rename(columns={name: f"{name}_transfer" for name in ARM_COLUMNS})
    pairs = pairs.merge(_arm(by_arm["scratch"], "scratch", twin), on=twin)
    twin = [*twin, "pretraining_set"]
    pairs = pairs.merge(_arm(by_arm["multi"], "multi", twin), on=twin, how="left")
    cell = ["tf", "group", "replicate"]
    in_pairs = pd.MultiIndex.from_frame(pairs[cell])
    arms = pd.concat([by_arm["scratch"], by_arm["transfer"]])
    alone = arms[~pd.MultiIndex.from_frame(arms[cell]).isin(in_pairs)]
    by_cell = alone.groupby(["tf", "size", "group", "replicate"], dropna=False)
    single = by_cell["arm"].agg(lambda names: " and ".join(sorted(set(names))))
    num_used = pairs["key_scratch"].nunique() + pairs["key_transfer"].nunique()
    return Pairs(
        table=pairs.sort_values(["tf", "size", "group", "replicate"], ignore_index=True),
        single=single.reset_index(name="arms"),
        num_set_aside=arms["key"].nunique() - alone["key"].nunique() - num_used,
    )


def _arm(rows: pd.DataFrame, arm: str, by: list[str]) -> pd.DataFrame:
    rows = latest(rows, by)[[*by, *ARM_COLUMNS]]
    return rows.rename(columns={name: f"{name}_{arm}" for name in ARM_COLUMNS})
