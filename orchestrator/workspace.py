"""Where everything of a workspace lies: the one place that has paths.

::

    workspace/
      dataset/        the Parquet tables, see `data.dataset.store`
      runs/<key>/     one finished run each, see `orchestrator.runs.store`
      roles.json      what studies call the runs, where that is more than run.json says
      remarks.json    what planning left out or made smaller, and why
      precision.json  which precision `--precision auto` stands for: `backends.precision`
      motifs/<key>/   what filters of a run learnt, see `orchestrator.interpretation.run_motifs`
      models/<name>/  models that were imported, see `orchestrator.prediction.predictors`
      calibration/    how the probabilities of a run's network are calibrated
      nulls/          how large effects of variants are by chance: `prediction.variant_null`
      explain/<key>/  what bases contribute to a run's predictions: `interpretation.explain`
      failed/         why runs failed, one file per key
      tuning/         trials of fine-tuning settings and what was chosen, see `orchestrator.tuning`
      mlflow.db       MLflow's view of the runs, and its artifacts in mlartifacts/
      training/       states of long trainings, from which they resume; see `model.training.state`
      progress/       how far the runs are that train right now
      ray/            what Ray Tune writes while it runs
      report/         the page, figures and tables of `bindgrid report`; verdicts in its tf/
"""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


def file_name(name: str) -> str:
    """Name of a file or folder for a TF or a model, whatever it is called.

    What would lead elsewhere (a slash, `..`) is spelled with percent signs, as in a URL.
    """
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")


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

    @property
    def roles(self) -> Path:
        """File of what studies call the runs."""
        return self.root / "roles.json"

    @property
    def remarks(self) -> Path:
        """File of what planning left out, and why."""
        return self.root / "remarks.json"

    @property
    def precision(self) -> Path:
        """File of the precision that was chosen for this workspace."""
        return self.root / "precision.json"

    def motifs(self, key: str) -> Path:
        """Folder of the motifs of a run's filters."""
        return self.root / "motifs" / key

    @property
    def models(self) -> Path:
        """Folder of the models that were imported."""
        return self.root / "models"

    def model(self, name: str) -> Path:
        """Folder of an imported model."""
        return self.models / file_name(name)

    def calibration(self, key: str, tf: str) -> Path:
        """File of the calibration of a run's network for a TF."""
        return self.root / "calibration" / f"{key}-{file_name(tf)}.json"

    @property
    def nulls(self) -> Path:
        """Folder of what effects of variants are compared with, a file for a model and genome."""
        return self.root / "nulls"

    def explained(self, key: str) -> Path:
        """Folder of what bases contribute to a run's predictions."""
        return self.root / "explain" / key

    def failure(self, key: str) -> Path:
        """File that says why the run with a key failed."""
        return self.root / "failed" / f"{key}.json"

    def tuning_log(self, key: str) -> Path:
        """File with the trials of the tuning with a key."""
        return self.root / "tuning" / f"{key}.log"

    def tuned(self, name: str, key: str) -> Path:
        """File with the settings that the tuning with a key chose, named by its TF or TFs."""
        return self.root / "tuning" / f"{file_name(name.replace(' ', '-'))}-{key}.json"

    @property
    def lock(self) -> Path:
        """File that the process holds which runs a plan here."""
        return self.root / ".lock"

    @property
    def progress(self) -> Path:
        """Folder of the notes on running trainings."""
        return self.root / "progress"

    def training_state(self, key: str) -> Path:
        """File of the state of the training with a key, while it lasts."""
        return self.root / "training" / f"{key}.safetensors"

    def making(self, what: str) -> Path:
        """Give a hidden folder of this process to make something in."""
        return self.root / f".making-{what}-{os.getpid()}"

    def leftovers(self) -> list[Path]:
        """Folders and files that a killed driver leaves behind, which can be removed."""
        hidden = [*self.runs.glob(".*"), *(self.root / "training").glob(".*")]
        made = [*hidden, *self.root.glob(".making-*")]
        return [*made, self.progress, self.ray_results]

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
        """The log of MLflow's server from its last run."""
        return self.root / "mlflow-server.log"

    @property
    def ray_results(self) -> Path:
        """Folder that Ray Tune writes to."""
        return self.root / "ray"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    @property
    def cards(self) -> Path:
        """Folder of the verdicts on single TFs, kept when a report is written again."""
        return self.report / "tf"
