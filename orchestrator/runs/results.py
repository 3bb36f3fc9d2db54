"""The tidy table of all finished runs, a row each, from which every figure is computed."""

from typing import Final

import pandas as pd

from data.output import Format, Output, output_file, text_output
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
)
"""`num_bound` and `num_unbound` count the labels trained and validated on."""


def results_table(store: RunStore) -> pd.DataFrame:
    """One row per finished run, sorted by experiment, TF, group, arm and replicate.

    A run that serves several experiments, or several groups of one, has a row for each.
    """
    rows = []
    for run, planned in store.with_roles():
        record = {**planned.tags(), **run.metrics}
        rows.append({name: record[name] for name in COLUMNS})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    order = ["experiment", "tf", "target", "group", "with_target", "arm", "replicate", "key"]
    return table.sort_values(order, ignore_index=True)


FORMATS: Final = (Format.CSV, Format.TSV, Format.PARQUET)
"""Formats of the table of all runs, the usual one first."""


def write_results(table: pd.DataFrame, output: Output) -> None:
    """Write the table in the format of the file's name; a regular file appears whole.

    Raises
    ------
    RunError
        If it cannot be written.
    """
    try:
        if output.format is Format.PARQUET:
            with output_file(output.path) as path:
                table.to_parquet(path, index=False)
            return
        separator = "," if output.format is Format.CSV else "\t"
        with text_output(output) as file:
            file.write(table.to_csv(index=False, sep=separator, lineterminator="\n"))
    except OSError as error:
        raise RunError(
            f"{output.path}: cannot be written ({error.strerror or error}); check the path, space "
            "and rights"
        ) from error
