"""Runs in MLflow: one MLflow run per run key and role, a view of the run store.

The run store is the truth; what is logged here can be deleted and written again by
`RunWriter.sync`. What a run has when it ends is written by one batch; the losses of a run that
trains now come before (`orchestrator.tracking.live`), in the same MLflow run.

What MLflow shows:

- one MLflow experiment per bindgrid experiment ("transfer"); in it one run per run key and role (a
  run that serves two experiments stands in both), named like ``SPI1 transfer r1`` or
  ``multi-model 50 TFs r1``. They are not nested under a parent run: the UI shows nested runs
  folded, and transfer would not stand beside scratch at first sight
- tags ``tf arm pretraining_set group target with_target replicate experiment num_bound key``, by
  which arms are compared; ``run_folder`` has the folder of weights and predictions
- parameters: the run's spec, nested names joined by dots; a pre-training run by its key
- metrics: ``train_loss`` and ``val_loss`` with the epoch as step, and once ``mcc auroc
  average_precision aucpr_trapezoid precision recall best_epoch seconds``
- the dataset that it learnt from by name and fingerprint, and the regions that it was tested on;
  MLflow's own tags of user, program and commit; the run that it started from, as the tag
  ``pretraining_run`` and as a link in the description
- artifacts: ``run.json``, ``metrics.json``, ``history.json``; the curves
  (`orchestrator.tracking.curves`); the PWMs of the filters, ``filters.meme`` and ``filters.json``,
  and their logos, ``logos.svg``. `orchestrator.tracking.motifs` adds their matches in JASPAR and
  what `bindgrid motifs` made; `orchestrator.tracking.models` registers networks
- a fold of a cross-validation is a run of its own with the tag ``fold`` (``2 of 5``) and without
  artifacts; the run of the model has the metrics and curves of all folds together
- a run that trains now has the status RUNNING, and KILLED if it was interrupted; when the plan is
  resumed, it continues. A run that failed has the status FAILED and the tag ``error``; it is
  deleted once a run of the same key succeeds
- saved views of each experiment, and a note on it: `orchestrator.tracking.views`
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

from data.temporary import temporary_folder
from orchestrator.plan import PlannedRun
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.tracking.client import (
    MAX_TAG_CHARACTERS,
    NOTE_TAG,
    TrackingClient,
    among_drivers,
)
from orchestrator.tracking.run_record import (
    LOSSES,
    role,
    run_datasets,
    run_metrics,
    run_note,
    run_params,
    run_tags,
    source_tags,
)
from orchestrator.tracking.views import Figures, ViewWriter, no_figures

if TYPE_CHECKING:
    from mlflow.entities import Run


@dataclass(frozen=True)
class Begun:
    """An MLflow run that is not finished."""

    run_id: str
    num_epochs: int
    """Epochs that it has."""


@final
class RunWriter:
    """Writes runs to MLflow.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    figures : callable
        Gives the figures of the paper that the notes of experiments name; none by default.
    """

    def __init__(self, client: TrackingClient, figures: Figures = no_figures) -> None:
        self._client = client
        self._views = ViewWriter(client, figures)
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
        with self._client.translated():
            for _, planned in RunStore(self._client.workspace).with_roles([run]):
                self._log(run, planned, self._views.experiment_id(planned.experiment))

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
        with self._client.translated():
            begun = self._take_up(self._views.experiment_id(planned.experiment), planned)
            if begun is None:
                return
            self._client.log_batches(begun.run_id, tags={"error": error[:MAX_TAG_CHARACTERS]})
            self._client.mlflow.set_terminated(begun.run_id, status="FAILED")

    def begin(self, planned: PlannedRun) -> Begun | None:
        """Begin the MLflow run of a training that runs now, or continue one that was interrupted.

        Parameters
        ----------
        planned : PlannedRun
            The run.

        Returns
        -------
        Begun or None
            The MLflow run; None if the run is logged as finished already.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses the run.
        """
        with self._client.translated():
            return self._take_up(self._views.experiment_id(planned.experiment), planned)

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
        with self._client.translated():
            for run, planned in store.with_roles():
                experiment_id = self._views.experiment_id(planned.experiment)
                if planned.experiment not in known:
                    known[planned.experiment] = self._finished(experiment_id)
                if role(run_tags(planned)) not in known[planned.experiment]:
                    num_logged += self._log(run, planned, experiment_id)
        return num_logged

    def forget(self, store: RunStore) -> int:
        """Delete what MLflow has of a run store, including runs that the store no longer has.

        Runs that failed stay, and so do the runs of other workspaces and users.

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
        with self._client.translated():
            for experiment in self._client.experiments():
                for run in list(self._client.all_runs(experiment.experiment_id)):
                    tags = run.data.tags
                    folder = Path(tags.get("run_folder", ""))
                    is_ours = folder.parent == store.workspace.runs
                    if tags.get("key") in keys or (is_ours and run.info.status != "FAILED"):
                        self._client.mlflow.delete_run(run.info.run_id)
                        num_deleted += 1
        self._pretraining.clear()
        return num_deleted

    def _take_up(
        self, experiment_id: str, planned: PlannedRun, start_time: int | None = None
    ) -> Begun | None:
        """Give an MLflow run that is not finished: the one that was begun, or else a new one.

        What failed, or is not this run as it is described now, is deleted. What the driver of
        another workspace is about to log, and the same run in another role, are left alone.

        Parameters
        ----------
        start_time
            Start of a new run, milliseconds since the epoch; now by default.

        Returns
        -------
        Begun or None
            The MLflow run; None if the run is logged as finished already.
        """
        mlflow = self._client.mlflow
        tags, params = run_tags(planned), run_params(planned)
        found = self._client.runs_with_key(planned.key, experiment_id)
        if any(
            run.info.status == "FINISHED" and role(run.data.tags) == role(tags) for run in found
        ):
            return None
        taken = None
        for run in found:
            is_this = role(run.data.tags) == role(tags)
            is_another = not is_this and "arm" in run.data.tags
            if run.info.status == "FINISHED" or is_another or self._is_foreign(run):
                continue
            texts = run.data.params
            is_same = all(texts.get(param.key) == param.value for param in params)
            begun = run.info.status in ("RUNNING", "KILLED") and is_this
            if taken is None and begun and is_same:
                taken = run
            else:
                mlflow.delete_run(run.info.run_id)
        if taken is None:
            tags["run_folder"] = str(self._client.workspace.run(planned.key))
            created = mlflow.create_run(
                experiment_id,
                start_time=start_time,
                tags={**tags, **source_tags()},
                run_name=planned.name,
            )
            self._client.log_batches(created.info.run_id, params=params)
            return Begun(created.info.run_id, 0)
        run_id = taken.info.run_id
        if taken.info.status != "RUNNING":
            mlflow.update_run(run_id, status="RUNNING")
        history = mlflow.get_metric_history(run_id, LOSSES[-1])
        return Begun(run_id, max((point.step for point in history), default=0))

    def _finished(self, experiment_id: str) -> set[tuple[str, ...]]:
        return {
            role(run.data.tags)
            for run in self._client.all_runs(experiment_id)
            if run.info.status == "FINISHED"
        }

    def _is_foreign(self, run: Run) -> bool:
        """Whether an MLflow run is of another workspace, which logs to the same server."""
        folder = run.data.tags.get("run_folder", "")
        ours = not folder or Path(folder).parent == self._client.workspace.runs
        return not ours and not self._client.is_own_database

    def _log(self, run: StoredRun, planned: PlannedRun, experiment_id: str) -> bool:
        """Log a complete run in one of its roles; gives False if it is there already."""
        from orchestrator.tracking.run_files import write_run_files

        end = int(1000 * run.finished_at)
        summary = run.metrics
        start = end - int(1000 * summary.seconds)
        begun = self._take_up(experiment_id, planned, start)
        if begun is None:
            return False
        run_id = begun.run_id
        pretraining = self._pretraining_run(planned, experiment_id)
        tags = {
            "num_bound": str(summary.num_bound),
            "run_folder": str(run.path),
            NOTE_TAG: run_note(planned, pretraining),
        }
        if pretraining is not None:
            tags["pretraining_run"] = pretraining.info.run_id
        self._client.log_batches(run_id, run_metrics(run, start, end, begun.num_epochs), tags=tags)
        source = self._client.workspace.dataset.resolve().as_uri()
        datasets = run_datasets(run, planned, source)
        among_drivers(partial(self._client.mlflow.log_inputs, run_id, datasets))
        if not planned.spec.regions.is_fold:
            with temporary_folder("upload") as folder:
                write_run_files(run, planned.name, folder)
                self._client.mlflow.log_artifacts(run_id, str(folder))
        self._client.mlflow.set_terminated(run_id, end_time=end)
        self._keep_one(planned, experiment_id)
        return True

    def _keep_one(self, planned: PlannedRun, experiment_id: str) -> None:
        """Delete all but one of the MLflow runs by which several drivers logged the same run.

        A driver sees those of others that finished before its own, and each of them keeps the one
        with the least identifier. So one is left, whoever was first.
        """
        own = role(run_tags(planned))
        twins = [
            run.info.run_id
            for run in self._client.runs_with_key(planned.key, experiment_id)
            if run.info.status == "FINISHED" and role(run.data.tags) == own
        ]
        for run_id in sorted(twins)[1:]:
            self._client.mlflow.delete_run(run_id)

    def _pretraining_run(self, planned: PlannedRun, experiment_id: str) -> Run | None:
        """Find the MLflow run of the multi-model that a run started from.

        That of the same experiment comes first. It is logged before the runs that start from it,
        since it ended before them.
        """
        if planned.spec.start_run is None:
            return None
        key = planned.spec.start_run.key
        wanted = experiment_id, key
        if wanted not in self._pretraining:
            found = self._client.finished_run(key, [experiment_id])
            found = found or self._client.finished_run(key)
            if found is None:
                return None
            self._pretraining[wanted] = found
        return self._pretraining[wanted]
