"""All finished runs as the report reads them: their table, their calls, their specs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from orchestrator.report.calls import Calls, Predictions, read_calls, read_predictions
from orchestrator.role_names import group_name
from orchestrator.runs.results import results_table
from orchestrator.runs.store import RunStore
from orchestrator.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class FinishedRuns:
    """Finished runs of a workspace."""

    table: pd.DataFrame
    """The results table (a row per run and role), and for each row test_regions and finished_at
    (see `orchestrator.report.pairs`); pretraining_tfs, a tuple of the TFs pre-trained on;
    plain_group, the group without what unbound regions are matched by, in which a control is like
    its experiment; and num_seen, how many test regions the multi-model had trained or validated
    on."""
    calls: Mapping[str, Calls]
    """By key, of the runs on one TF."""
    specs: Mapping[str, RunSpec]
    """By key."""
    predictions: Callable[[str], Predictions]
    """Reads a run's predictions of its test regions, by key."""


def read_finished(store: RunStore) -> FinishedRuns:
    """Read the finished runs.

    Raises
    ------
    RunError
        If a run is damaged.
    """
    table = results_table(store)
    specs, finished_at, num_seen = {}, {}, {}
    for run in store.completed():
        specs[run.key] = run.planned.spec
        finished_at[run.key] = run.finished_at
        num_seen[run.key] = run.metrics.num_test_regions_seen_in_pretraining
    groups = {
        group_name(planned.role): group_name(replace(planned.role, unbound_match="gc"))
        for _, planned in store.with_roles()
    }
    calls = read_calls(store, table.loc[table["tf"] != "", "key"].unique())
    pretrained_on = [specs[key].pretrained_on for key in table["key"]]
    table = table.assign(
        test_regions=[calls[key].regions if key in calls else "" for key in table["key"]],
        finished_at=table["key"].map(finished_at),
        plain_group=table["group"].map(groups),
        num_seen=table["key"].map(num_seen),
        pretraining_tfs=pd.Series(pretrained_on, index=table.index, dtype=object),
    )
    return FinishedRuns(
        table=table,
        calls=calls,
        specs=specs,
        predictions=lambda key: read_predictions(store.open(key)),
    )
