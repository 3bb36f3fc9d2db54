"""The tidy table of all finished runs, a row each, from which every figure is computed."""

from pathlib import Path
from typing import Final

import pandas as pd

from data.atomic import whole_file
from orchestrator.errors import RunError
from orchestrator.runs.store import SUMMARY_METRICS, RunStore

COLUMNS: Final = (
    "key",
    "experiment",
    "tf",
    "target",
    "arm",
    "pretraining_set",
    "group",
    "with_target",
    "replicate",
    "num_bound",
    "num_unbound",
    "num_test_regions",
    *SUMMARY_METRICS,
    "network",
)
"""`num_bound` and `num_unbound` count the labels trained and validated on; `network` is the name of
the network, empty where the TF's motif alone was scored."""


def results_table(store: RunStore) -> pd.DataFrame:
    """One row per finished run, sorted by experiment, TF, group, arm and replicate.

    A run that serves several experiments, or several groups of one, has a row for each.
    """
    rows = []
    for run, planned in store.with_roles():
        network = "" if planned.arm == "motif" else planned.spec.network.name
        record = {**planned.tags(), **run.metrics, "network": network}
        rows.append({name: record[name] for name in COLUMNS})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    order = ["experiment", "tf", "target", "group", "with_target", "arm", "replicate", "key"]
    return table.sort_values(order, ignore_index=True)


def write_results(table: pd.DataFrame, path: Path) -> None:
    """Write the table as Parquet or CSV, by the file's ending, whole or not at all.

    Raises
    ------
    RunError
        If it is neither, or cannot be written.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise RunError(f"{path}: results are written as .parquet or .csv; name one of these")
    try:
        with whole_file(path) as partial:
            if path.suffix == ".parquet":
                table.to_parquet(partial, index=False)
            else:
                table.to_csv(partial, index=False)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}); check the path, space and "
            "rights"
        ) from error
