"""What trains now, in MLflow: the losses of each epoch, and how far the plan is.

Every few seconds the new epochs of all trainings that run (`orchestrator.runs.epoch_log`) are
logged, those of a run in one request. The MLflow run of a training is made at its first epoch, with
the status RUNNING; `orchestrator.tracking.runs` completes the same MLflow run when the training has
ended. A plan has one MLflow run in the experiment ``plans``: metrics ``complete``, ``failed`` and
``to_do``, with the number of runs that ended as step.

What a plan leaves unfinished gets the status KILLED: at once if it is interrupted, by the next
command if its process was killed. With `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING` the plan's MLflow
run has the use of processors, memory and GPUs of the driver's machine too. A plan that is resumed
continues in the same MLflow runs.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from data.words import counted
from model.training.epoch import Epoch
from orchestrator.plan import Plan, RunOutcome
from orchestrator.runs.epoch_log import epoch_logs
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import WORKSPACE_TAG, TrackingClient
from orchestrator.tracking.run_record import epoch_metrics
from orchestrator.tracking.runs import Begun, RunWriter
from orchestrator.tracking.views import PLANS, other_tags

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

_PLAN_TAG: Final = "plan"


@final
class LiveWriter:
    """Logs the epochs of a plan's trainings while they run, and the plan's progress.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    runs : RunWriter
        Which completes what is begun here.
    """

    def __init__(self, client: TrackingClient, runs: RunWriter) -> None:
        self._client = client
        self._runs = runs
        self._plan: Plan | None = None
        self._plan_run_id = ""
        self._monitor: SystemMetricsMonitor | None = None
        self._counts: Counter[str] = Counter()
        self._open: dict[str, list[Begun]] = {}
        """The MLflow runs of each training that runs, by run key."""

    def expect(self, plan: Plan) -> None:
        """Count what is complete of a plan that begins; nothing is sent to MLflow."""
        store = RunStore(self._client.workspace)
        self._plan = plan
        self._counts["complete"] = sum(store.is_complete(run.key) for run in plan)

    def begin(self, plan: Plan) -> None:
        """Begin the MLflow run of a plan, or continue that of the same plan if it was killed.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses it.
        """
        self.expect(plan)
        self._begin(plan)

    def _begin(self, plan: Plan) -> None:
        keys = " ".join(sorted(run.key for run in plan))
        digest = hashlib.sha256(keys.encode()).hexdigest()[:16]
        names = sorted({role.experiment for roles in plan.roles.values() for role in roles})
        tags = {
            _PLAN_TAG: digest,
            WORKSPACE_TAG: str(self._client.workspace.root),
            "experiments": " ".join(names),
        }
        with self._client.translated():
            mlflow = self._client.mlflow
            experiment_id = self._client.experiment_id(PLANS, other_tags)
            text = f"tags.{_PLAN_TAG} = '{digest}' and attributes.status = 'KILLED'"
            for found in mlflow.search_runs([experiment_id], text):
                if found.data.tags.get(WORKSPACE_TAG) == tags[WORKSPACE_TAG]:
                    self._plan_run_id = found.info.run_id
                    mlflow.update_run(self._plan_run_id, status="RUNNING")
                    break
            else:
                name = f"{tags['experiments']}: {counted(len(plan), 'run')}"
                made = mlflow.create_run(experiment_id, tags=tags, run_name=name)
                self._plan_run_id = made.info.run_id
            self._log_counts()
            self._monitor = system_monitor(self._plan_run_id, self._client.uri)

    def poll(self) -> None:
        """Log the epochs that ended since the last call.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses them.
        """
        if self._plan is None:
            return
        roles = self._plan.roles
        for log in epoch_logs(self._client.workspace):
            epochs = log.read()
            if not epochs or log.key not in roles:
                continue
            with self._client.translated():
                if log.key not in self._open:
                    begun = [self._runs.begin(planned) for planned in roles[log.key]]
                    self._open[log.key] = [one for one in begun if one is not None]
                self._open[log.key] = [self._log(one, epochs) for one in self._open[log.key]]

    def _log(self, begun: Begun, epochs: Sequence[Epoch]) -> Begun:
        """Log the epochs that an MLflow run lacks; a resumed training has some again."""
        missing = [epoch for epoch in epochs if epoch.epoch > begun.num_epochs]
        if not missing:
            return begun
        now = int(1000 * time.time())
        self._client.log_batches(begun.run_id, list(epoch_metrics(missing, now)))
        return Begun(begun.run_id, missing[-1].epoch)

    def count(self, outcome: RunOutcome) -> None:
        """Count a run that ended; nothing is sent to MLflow."""
        self._open.pop(outcome.planned.key, None)
        self._counts["complete" if outcome.status == "completed" else "failed"] += 1

    def log_counts(self) -> None:
        """Log how far the plan is; it is begun if MLflow could not be reached before.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        if self._plan is not None and not self._plan_run_id:
            self._begin(self._plan)
        elif self._plan_run_id:
            with self._client.translated():
                self._log_counts()

    def close(self) -> None:
        """End the plan's MLflow run, and mark those that it leaves unfinished as killed.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        if not self._plan_run_id:
            return
        if self._monitor is not None:
            self._monitor.finish()
        with self._client.translated():
            for begun in self._open.values():
                for one in begun:
                    self._client.mlflow.set_terminated(one.run_id, status="KILLED")
            self._open.clear()
            status = "KILLED" if self._num_to_do else "FINISHED"
            if self._counts["failed"] and not self._num_to_do:
                status = "FAILED"
            self._client.mlflow.set_terminated(self._plan_run_id, status=status)
            self._plan_run_id = ""

    def mark_killed(self) -> int:
        """Mark the MLflow runs that a killed command left running; only for the holder of the lock.

        Returns
        -------
        int
            Number of MLflow runs marked.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        num_marked = 0
        with self._client.translated():
            ids = [experiment.experiment_id for experiment in self._client.experiments()]
            text = "attributes.status = 'RUNNING'"
            for run in list(self._client.all_runs(*ids, where=text)):
                if self._is_ours(run):
                    self._client.mlflow.set_terminated(run.info.run_id, status="KILLED")
                    num_marked += 1
        return num_marked

    def _is_ours(self, run: Run) -> bool:
        workspace, tags = self._client.workspace, run.data.tags
        folder = Path(tags.get("run_folder", ""))
        return folder.parent == workspace.runs or tags.get(WORKSPACE_TAG) == str(workspace.root)

    @property
    def _num_to_do(self) -> int:
        num_runs = 0 if self._plan is None else len(self._plan)
        return num_runs - self._counts["complete"] - self._counts["failed"]

    def _log_counts(self) -> None:
        from mlflow.entities import Metric

        counts = {
            "complete": self._counts["complete"],
            "failed": self._counts["failed"],
            "to_do": self._num_to_do,
        }
        now, step = int(1000 * time.time()), counts["complete"] + counts["failed"]
        metrics = [Metric(name, float(count), now, step) for name, count in counts.items()]
        self._client.log_batches(self._plan_run_id, metrics)


def system_monitor(run_id: str, uri: str) -> SystemMetricsMonitor | None:
    """Begin to log the use of processors, memory and GPUs of this machine to an MLflow run.

    Only where MLflow's own variable `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING` asks for it.
    """
    from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING

    if not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        return None
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, tracking_uri=uri)
    monitor.start()
    return monitor
