"""Motifs in MLflow: each run's filters matched to JASPAR, and what `bindgrid motifs` made of it.

Comparing a run's filters with JASPAR takes half a second of a core, which would slow down
trainings. So it is done when nothing trains: by `bindgrid mlflow sync`, and beside `bindgrid ui` at
the lowest priority. A run's ``matches.csv`` has the best match of each filter (of ``filters.json``:
the first layer, on the test regions predicted correctly) and is kept in the workspace,
``motifs/<key>/matches-<database>.csv``. The folders that `bindgrid motifs` and `bindgrid report`
make from all of a run's regions go under ``motifs/``.

Two tags of an MLflow run show what it has: ``filters_matched``, such as ``13 of 100``, and
``motifs``, the folders.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from data.atomic import whole_file
from data.steps import OnStep, silent
from orchestrator.errors import RunError
from orchestrator.runs.filter_files import FILTERS_FILE, stored_filters
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.tracking.client import TrackingClient

if TYPE_CHECKING:
    from mlflow.entities import Run

    from data.motifs.database import MotifDatabase

MATCHED_TAG: Final = "filters_matched"
MOTIFS_TAG: Final = "motifs"
MATCHES_FILE: Final = "matches.csv"


@final
class MotifWriter:
    """Adds motifs to runs that MLflow has.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    """

    def __init__(self, client: TrackingClient) -> None:
        self._client = client

    def log_motifs(self, store: RunStore) -> int:
        """Log the folders of motifs that are there and that MLflow lacks.

        Returns
        -------
        int
            Number of folders logged now.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses them.
        """
        num_logged = 0
        with self._client.translated():
            for run, logged in self._logged_runs(store):
                known = _logged(logged)
                folders = [path for path in _folders(run, store) if path.name not in known]
                for folder in folders:
                    self._client.mlflow.log_artifacts(
                        logged.info.run_id, str(folder), f"{MOTIFS_TAG}/{folder.name}"
                    )
                if folders:
                    names = " ".join([*known, *(folder.name for folder in folders)])
                    self._client.mlflow.set_tag(logged.info.run_id, MOTIFS_TAG, names)
                num_logged += len(folders)
        return num_logged

    def log_matches(self, store: RunStore, on_step: OnStep = silent) -> int:
        """Compare the filters of each run that MLflow has with JASPAR, unless they are already.

        Parameters
        ----------
        store
            The run store.
        on_step
            Called with each run that is compared; by default nothing is reported.

        Returns
        -------
        int
            Number of MLflow runs whose matches were logged now.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses them.
        RunError
            If a run's filters are damaged.
        """
        from data.motifs.database import jaspar_database
        from orchestrator.interpretation.workspace_jaspar import workspace_jaspar

        num_logged = 0
        with self._client.translated():
            missing = [
                (run, logged)
                for run, logged in self._logged_runs(store)
                if MATCHED_TAG not in logged.data.tags and (run.path / FILTERS_FILE).exists()
            ]
            if not missing:
                return 0
            database = jaspar_database(workspace_jaspar(store.workspace))
            for run, logged in missing:
                on_step(f"comparing the filters of {logged.info.run_name} with {database.name}")
                path = stored_matches(run, store, database)
                num_matched, num_filters = count_matches(path)
                run_id = logged.info.run_id
                self._client.mlflow.log_text(run_id, path.read_text(), MATCHES_FILE)
                self._client.mlflow.set_tag(run_id, MATCHED_TAG, f"{num_matched} of {num_filters}")
                num_logged += 1
        return num_logged

    def _logged_runs(self, store: RunStore) -> Iterator[tuple[StoredRun, Run]]:
        """Yield each finished MLflow run of the run store's."""
        runs = {run.key: run for run in store.completed()}
        for experiment in self._client.experiments():
            for logged in list(self._client.all_runs(experiment.experiment_id)):
                key = logged.data.tags.get("key")
                if key in runs and logged.info.status == "FINISHED":
                    yield runs[key], logged


def stored_matches(run: StoredRun, store: RunStore, database: MotifDatabase) -> Path:
    """Give the table of a run's best matches, made unless it is there.

    Raises
    ------
    RunError
        If the run's filters are damaged.
    """
    from data.motifs.matches import match_filters
    from orchestrator.interpretation.filter_tables import best_matches
    from orchestrator.interpretation.run_motifs import RULE

    path = store.workspace.motifs(run.key) / f"matches-{database.slug}.csv"
    if not path.exists():
        motifs = stored_filters(run.path)
        table = best_matches(motifs, match_filters(motifs.counts, database, RULE))
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            table.to_csv(partial, index=False)
    return path


def count_matches(path: Path) -> tuple[int, int]:
    """Filters that match, and all filters, of a table of best matches.

    Raises
    ------
    RunError
        If it is damaged.
    """
    import pandas as pd

    from data.motifs.matches import ALPHA

    try:
        q_values = pd.read_csv(path)["q_value"]
    except (KeyError, ValueError) as error:
        raise RunError(f"{path}: damaged ({error}); remove it and run again") from None
    return int((q_values < ALPHA).sum()), len(q_values)


def _folders(run: StoredRun, store: RunStore) -> list[Path]:
    """Complete folders of motifs of a run."""
    folder = store.workspace.motifs(run.key)
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _logged(run: Run) -> list[str]:
    return run.data.tags.get(MOTIFS_TAG, "").split()
