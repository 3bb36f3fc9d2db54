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
- its dataset by name and fingerprint; tag ``pretraining_run`` and a link in the description: the
  run that it started from
- artifacts: ``run.json``, ``metrics.json``, ``history.json``; the curves
  (`orchestrator.tracking.curves`); the PWMs of the filters, ``filters.meme`` and ``filters.json``,
  and their logos, ``logos.svg``.
  Their matches in JASPAR, and what `bindgrid motifs` made, come by `orchestrator.tracking.motifs`;
  networks are registered by `orchestrator.tracking.models`
- a run that failed has the status FAILED and the tag ``error``; it makes way for the same key's
  success
- saved views of each experiment, and a note on it: `orchestrator.tracking.views`

The tracking URI is `MLFLOW_TRACKING_URI`, and the workspace's own SQLite file without one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.tracking.database import create_database
from orchestrator.tracking.run_record import (
    NOTE_TAG,
    role,
    run_dataset,
    run_metrics,
    run_note,
    run_params,
    run_tags,
)
from orchestrator.tracking.views import experiment_tags, has_views, view_link
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Metric, Param, Run

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

MAX_METRICS_PER_BATCH = 1000
MAX_PARAMS_PER_BATCH = 100
MAX_TAG_CHARACTERS = 5000
MAX_EXPERIMENTS = 1000


class TrackingError(RunError):
    """MLflow cannot be reached, or refused what was logged."""


def tracking_uri(workspace: Workspace) -> str:
    """Return `MLFLOW_TRACKING_URI`, or the workspace's SQLite file as a URI."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace.mlflow_db.resolve()}"


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
        self._pretraining: dict[tuple[str, str], Run] = {}

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
            tags = {**run_tags(planned), "error": error[:MAX_TAG_CHARACTERS]}
            created = self._client.create_run(experiment_id, tags=tags, run_name=planned.name)
            self._log_batches(created.info.run_id, params=run_params(planned))
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
                if role(run_tags(planned)) not in known[planned.experiment]:
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
            for experiment in self._experiments():
                for run in list(self._all_runs(experiment.experiment_id)):
                    tags = run.data.tags
                    folder = Path(tags.get("run_folder", ""))
                    if tags.get("key") in keys or folder.parent == store.workspace.runs:
                        self._client.delete_run(run.info.run_id)
                        num_deleted += 1
        self._pretraining.clear()
        return num_deleted

    def views(self) -> dict[str, str]:
        """Links to the table of each experiment's runs in MLflow's UI, from `#` on, by name.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        with self._translated():
            return {
                experiment.name: view_link(experiment.experiment_id, "runs")
                for experiment in sorted(self._experiments(), key=lambda one: one.name)
                if has_views(experiment)
            }

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
        if found is None:
            location = None
            if self._is_own_database:
                location = self.workspace.mlflow_artifacts.resolve().as_uri()
            made = self._client.create_experiment(name, artifact_location=location)
            found = self._client.get_experiment(made)
        elif found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        for tag, text in self._experiment_tags(found).items():
            self._client.set_experiment_tag(found.experiment_id, tag, text)
        return str(found.experiment_id)

    def _experiment_tags(self, experiment: Experiment) -> dict[str, str]:
        """Tags that an experiment should have and does not."""
        return experiment_tags(experiment)

    def _make_way(self, experiment_id: str, planned: PlannedRun) -> bool:
        """Delete what is unfinished of a run; return False where it is finished already."""
        found = self._client.search_runs([experiment_id], f"tags.key = {_quoted(planned.key)}")
        finished = [run for run in found if run.info.status == "FINISHED"]
        own = role(run_tags(planned))
        if any(role(run.data.tags) == own for run in finished):
            return False
        for run in found:
            if run not in finished:
                self._client.delete_run(run.info.run_id)
        return True

    def _finished(self, experiment_id: str) -> set[tuple[str, ...]]:
        return {
            role(run.data.tags)
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
        from orchestrator.tracking.run_files import write_run_files

        end = int(1000 * run.finished_at)
        summary = run.metrics
        start = end - int(1000 * float(summary["seconds"]))
        pretraining = self._pretraining_run(planned, experiment_id)
        tags = {
            **run_tags(planned),
            "num_bound": str(summary["num_bound"]),
            "run_folder": str(run.path),
            NOTE_TAG: run_note(planned, pretraining),
        }
        if pretraining is not None:
            tags["pretraining_run"] = pretraining.info.run_id
        created = self._client.create_run(
            experiment_id, start_time=start, tags=tags, run_name=planned.name
        )
        run_id = created.info.run_id
        self._log_batches(run_id, run_metrics(run, start, end), run_params(planned))
        source = self.workspace.dataset.resolve().as_uri()
        self._client.log_inputs(run_id, [run_dataset(run, planned, source)])
        with tempfile.TemporaryDirectory(prefix="bindgrid-") as folder:
            write_run_files(run, planned.name, Path(folder))
            self._client.log_artifacts(run_id, folder)
        self._client.set_terminated(run_id, end_time=end)

    def _pretraining_run(self, planned: PlannedRun, experiment_id: str) -> Run | None:
        """MLflow's run of the multi-model that a run started from, of the same experiment if any.

        It is logged before what starts from it, since it ended before.
        """
        if planned.spec.start is None:
            return None
        wanted = experiment_id, planned.spec.start.key
        if wanted not in self._pretraining:
            text = f"tags.key = {_quoted(wanted[1])} and attributes.status = 'FINISHED'"
            found = self._client.search_runs([experiment_id], text, max_results=1)
            if not found:
                others = [other.experiment_id for other in self._experiments()]
                found = self._client.search_runs(others, text, max_results=1)
            if not found:
                return None
            self._pretraining[wanted] = found[0]
        return self._pretraining[wanted]

    def _experiments(self) -> Sequence[Experiment]:
        return self._client.search_experiments(max_results=MAX_EXPERIMENTS)

    def _log_batches(
        self, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = ()
    ) -> None:
        """Log in one request where MLflow takes it in one."""
        room = MAX_METRICS_PER_BATCH - MAX_PARAMS_PER_BATCH
        rest = list(metrics)
        for first in range(0, max(1, len(params)), MAX_PARAMS_PER_BATCH):
            some = params[first : first + MAX_PARAMS_PER_BATCH]
            self._client.log_batch(run_id, rest[:room], some)
            rest = rest[room:]
        for first in range(0, len(rest), MAX_METRICS_PER_BATCH):
            self._client.log_batch(run_id, rest[first : first + MAX_METRICS_PER_BATCH])

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


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
