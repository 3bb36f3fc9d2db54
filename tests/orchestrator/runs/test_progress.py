"""Notes of what is being trained right now."""

import json
from pathlib import Path

from model.training.epoch import Epoch
from orchestrator.runs.progress import EpochNotes
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import planned_run


def test_a_note_is_read_until_the_run_ends_and_one_that_cannot_be_read_is_passed_over(
    tmp_path: Path,
) -> None:
    place, run = Workspace(tmp_path), planned_run("transfer", "A")
    notes = EpochNotes(place)
    notes.leave(run, Epoch(epoch=3, train_loss=0.5, val_loss=0.25, seconds=1.0))
    [path] = place.progress.iterdir()
    assert list(json.loads(path.read_text())) == ["name", "epoch", "max_epochs", "val_loss"]
    (place.progress / "damaged.json").write_text("{")
    (place.progress / "newer.json").write_text(json.dumps({"name": "x", "step": 1}))
    [note] = notes.read()
    assert str(note).startswith("A transfer r1: epoch 3/")
    assert str(note).endswith("val. loss 0.2500")
    notes.clear(run)
    assert notes.read() == []
