"""The losses of the trainings that are running, a line per epoch, so that they can be shown.

Besides the notes of `orchestrator.runs.progress` there is a file per run, ``<key>.epochs``, which
the worker appends to and removes when the run ends. Nothing depends on it: what cannot be written
or read is skipped, and ``history.json`` of the finished run has all epochs.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.records import RecordError, from_json, to_values
from model.training.epoch import Epoch
from orchestrator.workspace import Workspace

_ENDING = ".epochs"


@dataclass(frozen=True)
class EpochLog:
    """The losses of one training that runs."""

    path: Path

    @property
    def key(self) -> str:
        """Key of the run."""
        return self.path.name.removesuffix(_ENDING)

    def append(self, epoch: Epoch) -> None:
        """Add an epoch that ended."""
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(to_values(epoch)) + "\n")

    def remove(self) -> None:
        """Remove the file, at the end of the run."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def read(self) -> list[Epoch]:
        """Read the epochs, each once and in order; a line that is not whole yet is left out."""
        epochs = {}
        with suppress(OSError):
            for line in self.path.read_text().splitlines():
                with suppress(RecordError):
                    epoch = from_json(line.encode(), Epoch)
                    epochs[epoch.epoch] = epoch
        return [epochs[number] for number in sorted(epochs)]


def epoch_log(workspace: Workspace, key: str) -> EpochLog:
    """Give the log of the run with a key."""
    return EpochLog(workspace.progress / f"{key}{_ENDING}")


def epoch_logs(workspace: Workspace) -> Iterator[EpochLog]:
    """Yield the logs of all trainings that run now, or ran when their driver was killed."""
    for path in sorted(workspace.progress.glob(f"*{_ENDING}")):
        yield EpochLog(path)
