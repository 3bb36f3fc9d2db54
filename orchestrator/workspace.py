"""Where everything of a workspace lies: the one place that knows paths.

::

    workspace/
      dataset/        the Parquet tables, see `data.store`
      runs/<key>/     one finished run each, see `orchestrator.store`
      failed/         why runs failed, one file a key
      mlflow.db       MLflow's view of the runs, and its artifacts in mlartifacts/
      progress/       how far the runs are that train right now
      ray/            what Ray Tune writes while it runs
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """A folder with a dataset, its runs and their MLflow store."""

    root: Path

    def __post_init__(self) -> None:
        # workers and MLflow run in other working directories
        object.__setattr__(self, "root", Path(self.root).absolute())

    @property
    def dataset(self) -> Path:
        """Folder of the dataset."""
        return self.root / "dataset"

    @property
    def runs(self) -> Path:
        """Folder of the finished runs."""
        return self.root / "runs"

    def run(self, key: str) -> Path:
        """Folder of the run with a key."""
        return self.runs / key

    def failure(self, key: str) -> Path:
        """File that says why the run with a key failed."""
        return self.root / "failed" / f"{key}.json"

    @property
    def lock(self) -> Path:
        """File that the process holds which runs a plan here."""
        return self.root / ".lock"

    @property
    def progress(self) -> Path:
        """Folder of the notes on running trainings."""
        return self.root / "progress"

    @property
    def mlflow_db(self) -> Path:
        """SQLite file of the MLflow store."""
        return self.root / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of MLflow's artifacts."""
        return self.root / "mlartifacts"

    @property
    def mlflow_log(self) -> Path:
        """What MLflow's server said when it last ran."""
        return self.root / "mlflow-server.log"

    @property
    def ray_results(self) -> Path:
        """Folder that Ray Tune writes to."""
        return self.root / "ray"
