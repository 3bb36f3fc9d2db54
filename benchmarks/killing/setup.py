"""What plans are killed: a simulated dataset without a TF, that TF's peaks, and the commands."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.cluster_faults import bare_environment
from benchmarks.own_tf_labels import split_by_biosample
from benchmarks.own_tfs import leave_out
from data.dataset.store import Dataset
from data.simulation.simulate import SimulationConfig, simulate
from data.sources.build import build_dataset
from data.sources.recognition import find_sources
from data.sources.tables import SourceFiles
from orchestrator.runs.motif_baseline import motif_of
from orchestrator.workspace import Workspace

TITLES: Final = {
    "driver": "",
    "Tune's worker": "ray::RunTrainable",
    "Train's worker": "ray::RayTrainWorker",
    "raylet": "raylet/raylet ",
    "GCS": "gcs_server ",
    "process": "multiprocessing.spawn ",
    "MLflow": "",
}
"""Processes that are killed, and what their command line has."""
PLANS: Final = {
    "run": ("driver", "Tune's worker", "Train's worker", "raylet", "GCS", "MLflow"),
    "tf add": ("driver", "Tune's worker", "raylet", "GCS", "MLflow"),
    "tf add by processes": ("driver", "process", "MLflow"),
}
"""The plans, and the processes that each one has."""
TF: Final = "MNT"
PRETRAINED: Final = "JUND,GABPA"
COMMAND: Final = (sys.executable, "-m", "benchmarks.killing.command")
"""The command line, with small networks."""


@contextmanager
def working_folder(chosen: Path | None) -> Iterator[Path]:
    """Give the chosen folder, or for a block a new one with a short path, for Ray's sockets."""
    if chosen is not None:
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="bg-", dir="/tmp") as made:
        yield Path(made)


class Setup:
    """Sources and dataset, the commands of the plans, and the environment that they run in.

    Parameters
    ----------
    folder
        What it has already of sources and undisturbed plans is used.
    options
        As typed.
    """

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.options = options
        self.environment = {
            **bare_environment(folder),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "start").exists():
            self._make_start()

    def _make_start(self) -> None:
        """Simulate sources, and build the dataset of all TFs but one, whose peaks are left."""
        sources, fewer = self.folder / "sources", self.folder / "fewer"
        for path in (sources, fewer, self.folder / "peaks"):
            shutil.rmtree(path, ignore_errors=True)
        simulate(sources, SimulationConfig(num_regions=self.options.regions))
        shutil.copytree(sources, fewer)
        leave_out(sources, (TF,), fewer)
        (self.folder / "peaks").mkdir()
        split_by_biosample(sources / "remap_peaks.bed.gz", 1, (TF,), self.folder / "peaks")
        made = self.folder / "making"
        shutil.rmtree(made, ignore_errors=True)
        build_dataset(SourceFiles(**find_sources(fewer), exclude=()), Workspace(made).dataset)
        made.rename(self.folder / "start")

    def undisturbed(self, plan: str) -> Workspace:
        """Give the workspace in which a plan runs, or has run, with nothing that disturbs it."""
        return Workspace(self.folder / f"u{list(PLANS).index(plan)}")

    def words(self, plan: str, place: Workspace) -> list[str]:
        """Write the command of a plan."""
        num_epochs = self.options.epochs
        epochs = ["--pretrain-epochs", str(2 * num_epochs), "--epochs", str(num_epochs)]
        if plan == "run":
            words = ["run", "transfer", "--tfs", "SPI1", "--pretrain", "masked", "--sample", "40"]
            words += ["--pretrain-tfs", PRETRAINED, "--min-bound", "10"]
            words += ["--pretrain-workers", "2", "--workers", "2"]
        else:
            motif = motif_of(TF, Dataset.open(Workspace(self.folder / "start").dataset).jaspar)
            words = ["tf", "add", TF, "--yes", "--replace", "--motif", motif.matrix_id]
            words += ["--sample", "40", "--replicates", "1", "--folds", "0"]
            words += ["--pretrain-set", PRETRAINED, "--precision", "float32", "--patience", "3"]
            by_processes = plan == "tf add by processes"
            words += ["--backend", "processes" if by_processes else "ray", "--workers"]
            words += ["2" if by_processes else "1"]
            for file in sorted((self.folder / "peaks").iterdir()):
                words += ["--peaks", str(file), "--biosample", file.name[len(TF) + 1 : -4]]
        return [*words, *epochs, "-w", str(place.root)]

    def start(self, words: Sequence[str], log: Path, **own: str) -> "subprocess.Popen[bytes]":
        """Start a process that leads a group."""
        with log.open("ab") as file:
            return subprocess.Popen(
                words,
                env={**self.environment, **own},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
