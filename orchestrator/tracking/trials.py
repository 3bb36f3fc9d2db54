"""The trials of a tuning in MLflow: experiment `tuning`, one MLflow run per trial.

Like everything in MLflow they are a view of the workspace and can be logged again.
"""

from __future__ import annotations

from statistics import fmean
from typing import Final, final

from orchestrator.tracking.client import TrackingClient
from orchestrator.tracking.views import TUNING, other_tags
from orchestrator.tuning.folds import Tuning
from orchestrator.tuning.trials import TunedTrial, TuningResult

EXPERIMENT: Final = TUNING


@final
class TrialWriter:
    """Writes trials to MLflow.

    Each has the name ``SPI1 trial 7``; tags ``key experiment tf tuning multi_model``; the settings
    that were searched as parameters; and as metrics ``val_loss`` (mean over folds),
    ``val_loss_sd``, ``seconds``, ``fold_loss`` with the fold as step (those of the first TF, then
    of the next), and for several TFs the mean of each, such as ``val_loss_GATA3``.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    """

    def __init__(self, client: TrackingClient) -> None:
        self._client = client

    def log_trials(self, result: TuningResult) -> int:
        """Log the trials that MLflow does not have.

        Returns
        -------
        int
            Number of trials logged now.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses a trial.
        """
        with self._client.translated():
            experiment_id = self._client.experiment_id(EXPERIMENT, other_tags)
            known = self._logged(result.tuning, experiment_id)
            missing = [trial for trial in result.trials if _key(result.tuning, trial) not in known]
            for trial in missing:
                self._log_trial(result.tuning, trial, experiment_id)
        return len(missing)

    def _logged(self, tuning: Tuning, experiment_id: str) -> set[str]:
        """Find the keys of the trials that MLflow has; unfinished MLflow runs are deleted."""
        found = [
            run
            for run in self._client.all_runs(experiment_id)
            if run.data.tags.get("tuning") == tuning.key
        ]
        for run in found:
            if run.info.status != "FINISHED":
                self._client.mlflow.delete_run(run.info.run_id)
        return {run.data.tags["key"] for run in found if run.info.status == "FINISHED"}

    def _log_trial(self, tuning: Tuning, trial: TunedTrial, experiment_id: str) -> None:
        from mlflow.entities import Metric, Param

        end = int(1000 * trial.ended)
        tags = {
            "key": _key(tuning, trial),
            "experiment": EXPERIMENT,
            "tf": "+".join(tuning.tfs),
            "tuning": tuning.key,
            "multi_model": tuning.multi.key,
        }
        created = self._client.mlflow.create_run(
            experiment_id,
            start_time=end - int(1000 * trial.seconds),
            tags=tags,
            run_name=f"{tuning.name} trial {trial.number}",
        )
        run_id = created.info.run_id
        totals = {"val_loss": trial.loss, "val_loss_sd": trial.loss_sd, "seconds": trial.seconds}
        metrics = [Metric(name, value, end, 0) for name, value in totals.items()]
        folds = enumerate(trial.losses, start=1)
        metrics += [Metric("fold_loss", loss, end, fold) for fold, loss in folds]
        if len(tuning.tfs) > 1:
            by_tf = tuning.by_tf(trial.losses)
            metrics += [Metric(f"val_loss_{tf}", fmean(by_tf[tf]), end, 0) for tf in by_tf]
        settings = tuning.space.parameters(trial.training)
        params = [Param(name, str(value)) for name, value in settings.items()]
        self._client.mlflow.log_batch(run_id, metrics, params)
        self._client.mlflow.set_terminated(run_id, end_time=end)


def _key(tuning: Tuning, trial: TunedTrial) -> str:
    return f"{tuning.key}-{trial.number}"
