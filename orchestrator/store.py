"""Finished runs on disk, each a folder that is complete or absent; MLflow is a view of them.

=====================  ========================================================================
file                   content
=====================  ========================================================================
run.json               the planned run: its tags and its spec
metrics.json           numbers of regions, the metrics on the test regions (means over TFs for a
                       multi-model), best epoch, seconds; `per_tf` the metrics by TF
history.json           a record an epoch: epoch, train_loss, val_loss, seconds
predictions.parquet    the test regions: region_id, tf, label, probability
weights.safetensors    the network's weights, and network.json its sizes; absent for a scoring
=====================  ========================================================================
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.workspace import Workspace

RUN_FILE = "run.json"
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.json"
PREDICTIONS_FILE = "predictions.parquet"

SUMMARY_METRICS: Final = (
    "mcc",
    "auroc",
    "average_precision",
    "aucpr_trapezoid",
    "precision",
    "recall",
    "best_epoch",
    "seconds",
)
"""What metrics.json says of a run as a whole, in the order in which tables show it."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run."""

    path: Path

    @property
    def key(self) -> str:
        """Its key."""
        return self.path.name

    @property
    def planned(self) -> PlannedRun:
        """The run as it was planned."""
        return PlannedRun.from_dict(self._json(RUN_FILE))

    @property
    def metrics(self) -> dict[str, Any]:
        """Content of metrics.json."""
        return self._json(METRICS_FILE)

    @property
    def history(self) -> list[dict[str, float]]:
        """Content of history.json."""
        return self._json(HISTORY_FILE)

    @property
    def finished_at(self) -> float:
        """When the run was complete, seconds since the epoch."""
        return (self.path / METRICS_FILE).stat().st_mtime

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text())
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.path / name}: damaged ({error}); remove {self.path} and run again"
            ) from None


class RunStore:
    """The finished and failed runs of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def is_complete(self, key: str) -> bool:
        """Whether the run with a key is finished."""
        return self.workspace.run(key).is_dir()

    def open(self, key: str) -> StoredRun:
        """Open a finished run.

        Raises
        ------
        RunError
            If there is none with this key.
        """
        if not self.is_complete(key):
            raise RunError(f"{self.workspace.runs}: no finished run {key}")
        return StoredRun(self.workspace.run(key))

    def completed(self) -> list[StoredRun]:
        """All finished runs, in the order in which they finished."""
        if not self.workspace.runs.is_dir():
            return []
        runs = [
            StoredRun(path)
            for path in self.workspace.runs.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        ]
        return sorted(runs, key=lambda run: (run.finished_at, run.key))

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """Give a folder to write a run to; it becomes the run's when the block ends well."""
        partial = self.workspace.runs / f".{key}.{os.getpid()}.{time.monotonic_ns()}"
        partial.mkdir(parents=True)
        try:
            yield partial
            try:
                partial.rename(self.workspace.run(key))
            except OSError:
                # another worker finished the same key first; its result is as good
                if not self.is_complete(key):
                    raise
            self.workspace.failure(key).unlink(missing_ok=True)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def record_failure(self, planned: PlannedRun, error: str, traceback: str) -> None:
        """Write down why a run failed."""
        path = self.workspace.failure(planned.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {**planned.tags(), "name": planned.name, "error": error, "traceback": traceback}
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(record, indent=1) + "\n")
        os.replace(partial, path)
