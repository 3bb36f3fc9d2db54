"""The tidy table of all finished runs, a row each, from which every figure is computed."""

import math
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from data.output import Format, Output, output_file, text_output
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.runs.store import SUMMARY_METRICS, RunStore
from orchestrator.spec import BaseStart, RegionSpec, RunSpec

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
    "set_kind",
    "size",
    "at_most",
    "step",
    "held_back",
    "variant",
    "mode",
    "tested_on",
    "network",
    "masked",
    "with_motif",
    "unbound_match",
    "settings",
)
"""`num_bound` and `num_unbound` count the labels trained and validated on. `pretraining_set` and
`group` are names for people; the columns after `seconds` are the facts that they are made of:

- set_kind, variant, mode, tested_on: as `orchestrator.role.RunRole` has them, empty for none
- size: bound regions asked for, `inf` for all, missing where the experiment does not tell its runs
  apart by them; at_most: whether a TF with fewer took part with all that it has
- step: fraction of the regions trained on in a learning curve, missing for all of them
- held_back: how regions are held back, `random` or `chromosome`
- network: which network, empty for a motif alone and for rivals; with_motif: whether it has the
  motif's term
- unbound_match: what unbound regions have in common with bound ones, `gc` or `gc-and-openness`
- settings: the same in replicates; it differs where the training, the sample or the labels do
- masked: whether the run is, or starts from, a multi-model of every resolved cell
"""
ROW_ORDER: Final = (
    "experiment",
    "tf",
    "target",
    "size",
    "step",
    "group",
    "with_target",
    "arm",
    "network",
    "pretraining_set",
    "replicate",
    "key",
)
"""Columns that the table is sorted by: sizes as numbers, all regions last."""


def results_table(store: RunStore) -> pd.DataFrame:
    """One row per finished run, sorted by experiment, TF, size, group, arm and replicate.

    A run that serves several experiments, or several groups of one, has a row for each. The folds
    of a cross-validation have none: what they tested stands in the row of their model.
    """
    rows = []
    for run, planned in store.with_roles():
        if planned.spec.regions.is_fold:
            continue
        record = {**planned.tags(), **vars(run.metrics), **_facts(planned)}
        rows.append({name: record[name] for name in COLUMNS})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(list(ROW_ORDER), ignore_index=True)


def _facts(planned: PlannedRun) -> dict[str, Any]:
    """Give the typed columns of a run's row."""
    role, spec = planned.role, planned.spec
    size = math.nan
    if role.size is not None:
        size = math.inf if role.size.num_bound is None else float(role.size.num_bound)
    multi = spec.start_run or spec
    return {
        "set_kind": role.set_kind.value,
        "size": size,
        "at_most": role.size is not None and role.size.at_most,
        "step": math.nan if role.step is None else role.step,
        "held_back": spec.regions.sampling.split,
        "variant": role.variant.value,
        "mode": "" if role.mode is None else role.mode.value,
        "tested_on": role.tested_on or "",
        "network": "" if role.arm == "motif" or spec.rival else spec.network.name,
        "masked": multi.regions.is_masked or isinstance(spec.start, BaseStart),
        "unbound_match": role.unbound_match,
        "with_motif": bool(spec.motif) and spec.training is not None,
        "settings": _settings(spec).key,
    }


def _settings(spec: RunSpec) -> RunSpec:
    """Give what the replicates of a run have in common: all but the seeds."""
    start = spec.start
    return replace(
        spec,
        seed=0,
        regions=_without_seed(spec.regions),
        start=_settings(start) if isinstance(start, RunSpec) else start,
    )


def _without_seed(regions: RegionSpec) -> RegionSpec:
    excluded = regions.excluded
    return replace(
        regions,
        sampling=replace(regions.sampling, seed=0),
        excluded=None if excluded is None else _without_seed(excluded),
    )


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
