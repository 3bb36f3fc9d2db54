"""What is being trained right now: workers write a note after each epoch, which the driver reads.

There is a file per run in the workspace, since every backend and node shares that. The notes are
only shown to the user: nothing depends on them, and a note that cannot be written is skipped.
"""

import json
import time
from contextlib import suppress
from dataclasses import dataclass

from data.atomic import whole_file
from data.records import RecordError, from_json, to_values
from model.training.epoch import Epoch
from orchestrator.plan import PlannedRun
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RunningNote:
    """How far a run is."""

    name: str
    epoch: int
    max_epochs: int
    """Epochs at most; 0 if the length of the training is counted in steps."""
    val_loss: float

    def __str__(self) -> str:
        of_all = f"/{self.max_epochs}" if self.max_epochs else ""
        return f"{self.name}: epoch {self.epoch}{of_all}, val. loss {self.val_loss:.4f}"


class EpochNotes:
    """The notes of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.progress
        self._since = time.time()

    def leave(self, planned: PlannedRun, epoch: Epoch) -> None:
        """Write the note of a run's epoch."""
        training = planned.spec.training
        counts_epochs = training is not None and not training.min_steps
        note = RunningNote(
            name=planned.name,
            epoch=epoch.epoch,
            max_epochs=training.max_epochs if training is not None and counts_epochs else 0,
            val_loss=epoch.val_loss,
        )
        path = self._folder / f"{planned.key}.json"
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as partial:
                partial.write_text(json.dumps(to_values(note)))

    def clear(self, planned: PlannedRun) -> None:
        """Remove the note of a run."""
        with suppress(OSError):
            (self._folder / f"{planned.key}.json").unlink(missing_ok=True)

    def read(self) -> list[RunningNote]:
        """Read the notes written since this object was made, the run with most epochs first.

        A note that cannot be read is skipped.
        """
        notes = []
        for path in self._folder.glob("*.json"):
            try:
                if path.stat().st_mtime >= self._since:
                    notes.append(from_json(path.read_bytes(), RunningNote))
            except (OSError, RecordError):
                continue  # the run has just ended, or another bindgrid trains it
        return sorted(notes, key=lambda note: (-note.epoch, note.name))
