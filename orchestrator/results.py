"""The tidy table of all finished runs, a row each, from which every figure is computed."""

from pathlib import Path
from typing import Final

import pandas as pd

from orchestrator.errors import RunError
from orchestrator.store import SUMMARY_METRICS, RunStore

COLUMNS: Final = (
    "key",
    "experiment",
    "tf",
    "arm",
    "pretraining_set",
    "group",
    "replicate",
    "num_bound",
    "num_unbound",
    "num_test_regions",
    *SUMMARY_METRICS,
)
"""`num_bound` and `num_unbound` count the labels trained and validated on."""


def results_table(store: RunStore) -> pd.DataFrame:
    """One row per finished run, sorted by experiment, TF, arm and replicate."""
    rows = []
    for run in store.completed():
        record = {**run.planned.tags(), **run.metrics}
        rows.append({name: record[name] for name in COLUMNS})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    order = ["experiment", "tf", "arm", "replicate", "key"]
    return table.sort_values(order, ignore_index=True)


def write_results(table: pd.DataFrame, path: Path) -> None:
    """Write the table as Parquet or CSV, by the file's ending.

    Raises
    ------
    RunError
        If it is neither.
    """
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    elif path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        raise RunError(f"{path}: results are written as .parquet or .csv; name one of these")
