"""MLflow as a view of the run store.

The run store is the truth; what is logged here can be deleted and written again by
`Tracker.sync`. Only `MlflowClient` is used, each run is written once, at its end, by one batch:
the fluent API and a call per epoch are ten times slower and leave runs half written.

What MLflow shows:

- one MLflow experiment per experiment name of ours ("transfer"); in it one run per run key and
  role (a run that serves two experiments stands in both), named like ``SPI1 transfer r1`` or
  ``multi-model 50 TFs r1``. They are not nested under a parent run: the UI shows nested runs
  folded, and transfer would not stand beside scratch at first sight
- tags ``tf arm pretraining_set group target with_target replicate experiment num_bound key``, by
  which one arm is set beside another; ``run_folder`` says where weights and predictions lie
- parameters: the run's spec, nested names joined by dots; a pre-training run by its key
- metrics: ``train_loss`` and ``val_loss`` with the epoch as step, and once ``mcc auroc
  average_precision aucpr_trapezoid precision recall best_epoch seconds``
- artifacts: ``run.json``, ``metrics.json``, ``history.json``; the PWMs of the filters,
  ``filters.meme`` and ``filters.json``
- a run that failed has the status FAILED and the tag ``error``; it makes way for the same key's
  success

The tracking URI is `MLFLOW_TRACKING_URI`, and the workspace's own SQLite file without one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import RunError
from orchestrator.filter_files import FILTERS_FILE, MEME_FILE
from orchestrator.plan import PlannedRun
from orchestrator.store import (
    HISTORY_FILE,
    METRICS_FILE,
    RUN_FILE,
    SUMMARY_METRICS,
    RunStore,
    StoredRun,
)
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

# Read when mlflow is imported, which is put off (it takes seconds). What the user set stands.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    # MLflow would knock seven times, for minutes, at a server that is not there
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)

ARTIFACTS = (RUN_FILE, METRICS_FILE, HISTORY_FILE, MEME_FILE, FILTERS_FILE)
"""Files of a run folder that go into MLflow, those that a run has; weights and predictions stay
in the run store."""

MAX_METRICS_PER_BATCH = 1000
MAX_PARAMS_PER_BATCH = 100
MAX_PARAM_CHARACTERS = 6000
MAX_TAG_CHARACTERS = 5000
MAX_EXPERIMENTS = 1000


class TrackingError(RunError):
    """MLflow cannot be reached, or refused what was logged."""


def tracking_uri(workspace: Workspace) -> str:
    """Return `MLFLOW_TRACKING_URI`, or the workspace's SQLite file as a URI."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace.mlflow_db.resolve()}"


def create_database(workspace: Workspace) -> None:
    """Make the workspace's SQLite file, in the mode in which readers do not stop the writer.

    MLflow takes seconds to make its tables, and a file with some of them is of no use to it ever
    after: they are made beside the place of the file, which appears whole or not at all. An
    existing file is left as it is.
    """
    if workspace.mlflow_db.exists():
        return
    from mlflow import MlflowClient

    folder = workspace.making("mlflow")
    folder.mkdir(parents=True, exist_ok=True)
    made, whole = folder / "made.db", folder / "whole.db"
    try:
        MlflowClient(f"sqlite:///{made}").search_experiments(max_results=1)
        # a copy, since MLflow keeps the file that it made open
        with (
            contextlib.closing(sqlite3.connect(made)) as source,
            contextlib.closing(sqlite3.connect(whole)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
        if not workspace.mlflow_db.exists():
            os.replace(whole, workspace.mlflow_db)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Tracker:
    """Writes runs to MLflow.

    Nothing is opened before the first run is logged. Not for use from two threads at once.

    Parameters
    ----------
    workspace : Workspace
        Whose runs are logged, and where the SQLite file is unless `MLFLOW_TRACKING_URI` is set.
    """

    remedy = "nothing is lost, `bindgrid mlflow sync` logs what is missing"
    """What an error ends with."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.uri = tracking_uri(workspace)
        self._mlflow: MlflowClient | None = None
        self._experiment_ids: dict[str, str] = {}

    def log_run(self, run: StoredRun) -> None:
        """Log a complete run, once for each of its roles, unless it is there already.

        Parameters
        ----------
        run : StoredRun
            A run of the run store.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses the run.
        """
        with self._translated():
            for _, planned in RunStore(self.workspace).with_roles([run]):
                experiment_id = self._experiment_id(planned.experiment)
                if self._make_way(experiment_id, planned):
                    self._log(run, planned, experiment_id)

    def log_failure(self, planned: PlannedRun, error: str) -> None:
        """Log that a run failed, unless it succeeded before.

        Parameters
        ----------
        planned : PlannedRun
            The run.
        error : str
            What went wrong; the tag takes its first `MAX_TAG_CHARACTERS`.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses the run.
        """
        with self._translated():
            experiment_id = self._experiment_id(planned.experiment)
            if not self._make_way(experiment_id, planned):
                return
            tags = {**_tags(planned), "error": error[:MAX_TAG_CHARACTERS]}
            created = self._client.create_run(experiment_id, tags=tags, run_name=planned.name)
            self._log_params(created.info.run_id, planned)
            self._client.set_terminated(created.info.run_id, status="FAILED")

    def sync(self, store: RunStore) -> int:
        """Log every complete run of a run store that MLflow does not have.

        Parameters
        ----------
        store : RunStore
            The run store.

        Returns
        -------
        int
            Number of runs logged now.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses a run.
        """
        known: dict[str, set[tuple[str, ...]]] = {}
        num_logged = 0
        with self._translated():
            for run, planned in store.with_roles():
                experiment_id = self._experiment_id(planned.experiment)
                if planned.experiment not in known:
                    known[planned.experiment] = self._finished(experiment_id)
                if _role(_tags(planned)) not in known[planned.experiment]:
                    self._make_way(experiment_id, planned)
                    self._log(run, planned, experiment_id)
                    num_logged += 1
        return num_logged

    def forget(self, store: RunStore) -> int:
        """Delete what MLflow has of a run store's runs, those that are no longer there included.

        Runs that failed, other workspaces' runs and other users' stay.

        Parameters
        ----------
        store : RunStore
            The run store.

        Returns
        -------
        int
            Number of MLflow runs deleted.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        keys = {run.key for run in store.completed()}
        num_deleted = 0
        with self._translated():
            experiments = self._client.search_experiments(max_results=MAX_EXPERIMENTS)
            for experiment in experiments:
                for run in list(self._all_runs(experiment.experiment_id)):
                    tags = run.data.tags
                    folder = Path(tags.get("run_folder", ""))
                    if tags.get("key") in keys or folder.parent == store.workspace.runs:
                        self._client.delete_run(run.info.run_id)
                        num_deleted += 1
        return num_deleted

    @property
    def _client(self) -> MlflowClient:
        if self._mlflow is None:
            from mlflow import MlflowClient

            # alembic and MLflow tell of each table that they make
            for name in ("alembic", "mlflow"):
                logging.getLogger(name).setLevel(logging.ERROR)
            if self._is_own_database:
                create_database(self.workspace)
            self._mlflow = MlflowClient(self.uri)
        return self._mlflow

    @property
    def _is_own_database(self) -> bool:
        return not os.environ.get("MLFLOW_TRACKING_URI")

    def _experiment_id(self, name: str) -> str:
        if name not in self._experiment_ids:
            self._experiment_ids[name] = self._find_or_make_experiment(name)
        return self._experiment_ids[name]

    def _find_or_make_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        location = None
        if self._is_own_database:
            location = self.workspace.mlflow_artifacts.resolve().as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))

    def _make_way(self, experiment_id: str, planned: PlannedRun) -> bool:
        """Delete what is unfinished of a run; return False where it is finished already."""
        found = self._client.search_runs([experiment_id], f"tags.key = {_quoted(planned.key)}")
        finished = [run for run in found if run.info.status == "FINISHED"]
        role = _role(_tags(planned))
        if any(_role(run.data.tags) == role for run in finished):
            return False
        for run in found:
            if run not in finished:
                self._client.delete_run(run.info.run_id)
        return True

    def _finished(self, experiment_id: str) -> set[tuple[str, ...]]:
        return {
            _role(run.data.tags)
            for run in self._all_runs(experiment_id)
            if run.info.status == "FINISHED"
        }

    def _all_runs(self, experiment_id: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs([experiment_id], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _log(self, run: StoredRun, planned: PlannedRun, experiment_id: str) -> None:
        summary = run.metrics
        end = int(1000 * run.finished_at)
        start = end - int(1000 * float(summary["seconds"]))
        tags = _tags(planned)
        tags["num_bound"] = str(summary["num_bound"])
        tags["run_folder"] = str(run.path)
        created = self._client.create_run(
            experiment_id, start_time=start, tags=tags, run_name=planned.name
        )
        run_id = created.info.run_id
        metrics = [*_epoch_metrics(run.history, start, end), *_summary_metrics(summary, end)]
        for first in range(0, len(metrics), MAX_METRICS_PER_BATCH):
            self._client.log_batch(run_id, metrics[first : first + MAX_METRICS_PER_BATCH])
        self._log_params(run_id, planned)
        for name in ARTIFACTS:
            if (run.path / name).exists():
                self._client.log_artifact(run_id, str(run.path / name))
        self._client.set_terminated(run_id, end_time=end)

    def _log_params(self, run_id: str, planned: PlannedRun) -> None:
        from mlflow.entities import Param

        params = [Param(name, text) for name, text in _params(planned)]
        for first in range(0, len(params), MAX_PARAMS_PER_BATCH):
            self._client.log_batch(run_id, params=params[first : first + MAX_PARAMS_PER_BATCH])

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what MLflow, the database and the network raise into one line with a remedy."""
        try:
            yield
        except (RunError, KeyboardInterrupt):
            raise
        except Exception as error:
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            advice = (
                "free space or check rights; a damaged file may be removed"
                if self._is_own_database
                else "check that it is up and MLFLOW_TRACKING_URI is right"
            )
            raise TrackingError(
                f"MLflow at {self.uri} does not take the runs ({reason[:200]}): {advice}; "
                f"{self.remedy}"
            ) from error


def _tags(planned: PlannedRun) -> dict[str, str]:
    tags = {name: str(value) for name, value in planned.role.items()}
    tags["with_target"] = "true" if planned.with_target else ""
    return {"key": planned.key, **tags}


_ROLE_TAGS = ("key", *(field.name for field in fields(PlannedRun)[1:]))


def _role(tags: Mapping[str, str]) -> tuple[str, ...]:
    """What tells an MLflow run from the others of its experiment."""
    return tuple(tags.get(name, "") for name in _ROLE_TAGS)


def _epoch_metrics(
    history: Sequence[Mapping[str, float]], start: int, end: int
) -> Iterator[Metric]:
    """Yield each epoch's losses, at the time of its end; `start` and `end` in milliseconds."""
    from mlflow.entities import Metric

    now = float(start)
    for epoch in history:
        now = min(now + 1000 * epoch["seconds"], end)
        for name in ("train_loss", "val_loss"):
            yield Metric(name, epoch[name], int(now), int(epoch["epoch"]))


def _summary_metrics(summary: Mapping[str, float], end: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for name in SUMMARY_METRICS:
        yield Metric(name, float(summary[name]), end, 0)


def _params(planned: PlannedRun) -> list[tuple[str, str]]:
    """Return the spec as names and texts; another run in it is named by its key alone."""
    values = planned.spec.to_dict()
    if planned.spec.start is not None:
        values["start"] = planned.spec.start.key
    excluded = planned.spec.regions.excluded
    if excluded is not None:
        values["regions"]["excluded"] = f"of a multi-model of {len(excluded.tfs)} TFs"
    return _flat(values)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return a nested mapping as (dotted name, text) pairs, short enough for MLflow."""
    pairs = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            pairs.append((f"{prefix}{name}", text[:MAX_PARAM_CHARACTERS]))
    return pairs


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
