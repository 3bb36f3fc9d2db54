"""Runs of MLflow as the first page needs them: a few of their tags, metrics and parameters.

`MlflowClient.search_runs` gives all that a run has, and takes seconds for 2,000 runs. From a
database, four queries give what is needed in a fraction of that, so the page is always made of what
is there now, and nothing is cached. The tables are those of MLflow 3.17 (`mlflow.store.tracking`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from orchestrator.tracking.client import NOTE_TAG, WORKSPACE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from sqlalchemy.orm import Session

TAGS: Final = (
    *("tf", "arm", "group", "with_target", "pretraining_set"),
    *("summary", "made", "experiments", WORKSPACE_TAG, NOTE_TAG),
)
METRICS: Final = ("mcc", "average_precision", "complete", "failed", "to_do")
PARAMS: Final = ("network.name",)
_PAGE: Final = 1000


def read_runs(mlflow: MlflowClient, experiment_id: str) -> list[Run]:
    """Read the runs of an experiment, the newest first, with the tags and numbers named above.

    Parameters
    ----------
    mlflow
        Client of a store. One that is not a database gives whole runs, and takes longer.
    experiment_id
        MLflow's.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = mlflow._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        with store.ManagedSessionMaker() as session:
            return _from_database(session, experiment_id)
    runs: list[Run] = []
    token = None
    while True:
        page = mlflow.search_runs([experiment_id], max_results=_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _from_database(session: Session, experiment_id: str) -> list[Run]:
    from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
    from sqlalchemy import select

    ours = SqlRun.experiment_id == int(experiment_id), SqlRun.lifecycle_stage == "active"

    def by_run(table: Any, names: tuple[str, ...], *columns: Any) -> dict[str, list[Any]]:
        chosen = select(table.run_uuid, table.key, *columns).join(
            SqlRun, SqlRun.run_uuid == table.run_uuid
        )
        found = defaultdict(list)
        for run_id, *values in session.execute(chosen.where(*ours, table.key.in_(names))):
            found[run_id].append(values)
        return found

    tags = by_run(SqlTag, TAGS, SqlTag.value)
    params = by_run(SqlParam, PARAMS, SqlParam.value)
    latest = SqlLatestMetric
    metrics = by_run(latest, METRICS, latest.value, latest.timestamp, latest.step, latest.is_nan)
    columns = SqlRun.run_uuid, SqlRun.name, SqlRun.status, SqlRun.start_time, SqlRun.end_time
    rows: Any = session.execute(select(*columns).where(*ours).order_by(SqlRun.start_time.desc()))
    return [
        Run(
            RunInfo(run_id, experiment_id, "", status, start, end, "active", run_name=name),
            RunData(
                metrics=[
                    Metric(key, math.nan if is_nan else value, timestamp, step)
                    for key, value, timestamp, step, is_nan in metrics[run_id]
                ],
                params=[Param(*pair) for pair in params[run_id]],
                tags=[RunTag(*pair) for pair in tags[run_id]],
            ),
        )
        for run_id, name, status, start, end in rows
    ]
