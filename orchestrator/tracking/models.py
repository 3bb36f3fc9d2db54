"""Networks in MLflow's model registry: `bindgrid-<TF>`, with the aliases transfer, scratch, best.

An alias points to a version of the model, and a version is a finished run. Only runs that an alias
has pointed to have a version: hundreds of networks of 9 MB are not needed here, and every run's
weights are in the run store.

Which run an alias points to is decided without looking at test regions. Of the TF's runs of an arm,
in any experiment, those trained on most bound regions (as requested: all before 1,000 before 500)
come first; among these the lowest validation loss decides, then the key. `best` is the first by the
same rule in both arms: if both were trained on the same regions, the arm with the lower validation
loss. Controls and steps of a learning curve are not registered. (The validation loss of a model of
few regions that learnt from its validation regions too is optimistic.)

What is registered needs nothing of bindgrid to predict (`orchestrator.tracking.served_model`)::

    mlflow.pyfunc.load_model("models:/bindgrid-SPI1@best").predict(table)

with a table that has a column `sequence`. It is a logged model of MLflow 3, named like
``SPI1-transfer``, with the tags ``tf arm key num_bound val_loss run_folder``, the run's parameters,
and its metrics on the test regions; its files are the model's artifacts. The weights
are a link to those of the run store where both lie on one file system.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, final
from urllib.parse import unquote, urlparse

from data.atomic import whole_folder
from data.temporary import temporary_folder
from orchestrator.runs.find_run import is_model, trained_arm
from orchestrator.runs.store import SUMMARY_METRICS, RunStore, StoredRun
from orchestrator.tracking.client import (
    NOTE_TAG,
    TrackingClient,
    among_drivers,
    quoted,
    there_already,
)
from orchestrator.tracking.pyfunc_folder import FOLDER, WEIGHTS, write_model

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion

Alias = Literal["transfer", "scratch", "best"]

PREFIX: Final = "bindgrid-"
_MAX_VERSIONS: Final = 1000


@final
class ModelWriter:
    """Registers networks of finished runs.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    """

    def __init__(self, client: TrackingClient) -> None:
        self._client = client

    def register(self, store: RunStore) -> int:
        """Point the aliases of each TF's model to the runs that the rule chooses now.

        A run that MLflow does not have yet is left for the next call.

        Returns
        -------
        int
            Number of versions made now.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses a model.
        RunError
            If a run is damaged.
        """
        wanted = chosen_runs(store.completed())
        if not wanted:
            return 0
        num_made = 0
        with self._client.translated():
            known = self._versions()
            for tf, aliases in sorted(wanted.items()):
                name = f"{PREFIX}{tf}"
                if name not in known:
                    self._make_model(name, tf)
                versions = known.get(name, {})
                if any(run.key not in versions for run in aliases.values()):
                    # the driver of another workspace may have made some meanwhile
                    versions = self._of_model(name)
                for alias, run in aliases.items():
                    if run.key not in versions:
                        made = self._make_version(name, run)
                        if made is None:
                            continue
                        versions[run.key] = made
                        num_made += 1
                    of_run = versions[run.key]
                    if alias not in of_run.aliases:
                        point = self._client.mlflow.set_registered_model_alias
                        among_drivers(partial(point, name, alias, of_run.version))
        return num_made

    def forget(self, store: RunStore) -> int:
        """Delete the versions that come from a run store, and models that have no other versions.

        Returns
        -------
        int
            Number of versions deleted.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        num_deleted = 0
        with self._client.translated():
            for name, versions in self._versions().items():
                ours = {
                    key: found
                    for key, found in versions.items()
                    if Path(found.tags.get("run_folder", "")).parent == store.workspace.runs
                }
                num_deleted += len(ours)
                if len(ours) == len(versions):
                    self._client.mlflow.delete_registered_model(name)
                    continue
                for found in ours.values():
                    self._client.mlflow.delete_model_version(name, found.version)
        return num_deleted

    def _versions(self) -> dict[str, dict[str, ModelVersion]]:
        """Find the versions of all models, by name and run key."""
        models: dict[str, dict[str, ModelVersion]] = {}
        token = None
        while True:
            page = self._client.mlflow.search_registered_models(
                f"name LIKE '{PREFIX}%'", max_results=_MAX_VERSIONS, page_token=token
            )
            models |= {model.name: {} for model in page}
            token = page.token
            if not token:
                break
        while models:
            found = self._client.mlflow.search_model_versions(
                f"name LIKE '{PREFIX}%'", max_results=_MAX_VERSIONS, page_token=token
            )
            for one in found:
                models[one.name][one.tags.get("key", f"version {one.version}")] = one
            token = found.token
            if not token:
                break
        return models

    def _of_model(self, name: str) -> dict[str, ModelVersion]:
        """Find the versions of one model, by run key."""
        found = self._client.mlflow.search_model_versions(
            f"name = {quoted(name)}", max_results=_MAX_VERSIONS
        )
        return {one.tags.get("key", f"version {one.version}"): one for one in found}

    def _make_model(self, name: str, tf: str) -> None:
        text = (
            f"Whether {tf} binds a region. Give a table with a column `sequence` of A, C, G and T, "
            "200 bp long; it returns `probability`, the mean of both strands. The aliases "
            "`transfer` and `scratch` are the networks of each arm that were trained on most bound "
            "regions, of these the one with the lowest validation loss; `best` is the better of "
            "both by the same rule. Test regions play no part in the choice.\n\n"
            f'`mlflow.pyfunc.load_model("models:/{name}@best")`'
        )
        with there_already():
            self._client.mlflow.create_registered_model(name, description=text)

    def _make_version(self, name: str, run: StoredRun) -> ModelVersion | None:
        logged = self._client.finished_run(run.key)
        if logged is None:
            return None
        metrics = run.metrics
        tags = {
            "key": run.key,
            "arm": str(trained_arm(run)),
            "num_bound": str(metrics.num_bound),
            "val_loss": f"{metrics.best_val_loss:.6g}",
            "run_folder": str(run.path),
        }
        text = (
            f"{logged.info.run_name}, trained and validated on {metrics.num_bound} bound regions; "
            f"validation loss {metrics.best_val_loss:.4f}. On {metrics.num_test_regions} test "
            f"regions: MCC {metrics.mcc:.3f}, AUROC {metrics.auroc:.3f}, average precision "
            f"{metrics.average_precision:.3f}."
        )
        tf = run.planned.spec.regions.tfs[0]
        model = self._log_model(run, logged, {**tags, "tf": tf, NOTE_TAG: text})
        if model is None:
            source = self._put_beside(run, logged.info.run_id)
        elif self._client.is_own_database:
            source = model.artifact_location
        else:
            # MLflow looks for `models:/` in the store that MLFLOW_TRACKING_URI names alone
            source = f"models:/{model.model_id}"
        return among_drivers(
            partial(
                self._client.mlflow.create_model_version,
                name,
                source,
                run_id=logged.info.run_id,
                tags=tags,
                description=text,
                model_id=None if model is None else model.model_id,
            )
        )

    def _log_model(self, run: StoredRun, logged: Run, tags: dict[str, str]) -> LoggedModel | None:
        """Log a run's network as a model of MLflow, with its metrics.

        The metrics name the test regions, as the run's inputs do. Gives None for a server older
        than MLflow 3, which has no logged models.
        """
        from mlflow.entities import LoggedModelOutput, Metric
        from mlflow.exceptions import MlflowException

        mlflow = self._client.mlflow
        try:
            model = mlflow.create_logged_model(
                logged.info.experiment_id,
                name=f"{tags['tf']}-{tags['arm']}",
                source_run_id=logged.info.run_id,
                tags=tags,
                params=dict(logged.data.params),
                model_type="bindgrid",
            )
        except MlflowException as error:
            if error.error_code != "ENDPOINT_NOT_FOUND":
                raise
            return None
        self._put(run, model, logged.info.run_id)
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_outputs(logged.info.run_id, [LoggedModelOutput(model.model_id, 0)])
        tested = [
            one.dataset
            for one in (logged.inputs.dataset_inputs if logged.inputs else ())
            if any(tag.value == "test" for tag in one.tags)
        ]
        dataset = tested[0] if tested else None
        values = {name: float(getattr(run.metrics, name)) for name in SUMMARY_METRICS}
        metrics = [
            Metric(
                name,
                value,
                logged.info.end_time,
                0,
                model_id=model.model_id,
                dataset_name=dataset.name if dataset else None,
                dataset_digest=dataset.digest if dataset else None,
                run_id=logged.info.run_id,
            )
            for name, value in values.items()
            if math.isfinite(value)
        ]
        self._client.log_batches(logged.info.run_id, metrics)
        return model

    def _put_beside(self, run: StoredRun, run_id: str) -> str:
        """Put a run's network among the artifacts of the MLflow run; gives its place."""
        with temporary_folder("upload") as folder:
            write_model(run, folder, run_id)
            self._client.mlflow.log_artifacts(run_id, str(folder), FOLDER)
        return f"{self._client.mlflow.get_run(run_id).info.artifact_uri}/{FOLDER}"

    def _put(self, run: StoredRun, model: LoggedModel, run_id: str) -> None:
        """Put a run's network among the artifacts of a model."""
        if not self._client.is_own_database:
            with temporary_folder("upload") as folder:
                write_model(run, folder, run_id, model.model_id)
                self._client.mlflow.log_model_artifacts(model.model_id, str(folder))
            return
        place = Path(unquote(urlparse(model.artifact_location).path))
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(place) as partial:
            write_model(run, partial, run_id, model.model_id)
            shutil.rmtree(place, ignore_errors=True)


def chosen_runs(runs: Sequence[StoredRun]) -> dict[str, dict[Alias, StoredRun]]:
    """Choose the run for each alias of each TF's model, by the rule in the module's docstring."""
    ranked: dict[str, dict[Alias, list[tuple[Any, StoredRun]]]] = {}
    for run in runs:
        arm = trained_arm(run)
        if arm not in ("transfer", "scratch") or not (run.path / WEIGHTS).exists():
            continue
        if not is_model(run):
            continue
        loss = run.metrics.best_val_loss
        if not math.isfinite(loss):
            continue
        regions = run.planned.spec.regions
        asked = regions.sampling.num_bound
        rank = (-math.inf if asked is None else -asked, loss, run.key)
        of_tf = ranked.setdefault(regions.tfs[0], {})
        for alias in (arm, "best"):
            of_tf.setdefault(alias, []).append((rank, run))
    return {
        tf: {alias: min(those)[1] for alias, those in by_alias.items()}
        for tf, by_alias in ranked.items()
    }
