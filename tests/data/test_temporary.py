import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from data.temporary import LOCK, temporary_folder

ROOT = Path(__file__).parents[2]
HOLD = """
import time
from data.temporary import temporary_folder
with temporary_folder("upload") as folder:
    (folder / "of a run").write_text("metrics")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Give the folder that temporary ones are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_is_empty_and_is_gone_after_its_block_however_it_ends(temporary):
    with temporary_folder("upload") as folder:
        assert folder.is_relative_to(temporary)
        assert list(folder.iterdir()) == []
        (folder / "file").touch()
    assert list(temporary.iterdir()) == []
    with pytest.raises(ValueError, match="in the block"), temporary_folder("upload"):
        raise ValueError("in the block")
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_that_of_a_living_one_stays(temporary):
    owners = [
        subprocess.Popen([sys.executable, "-c", HOLD], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        killed, living = (Path(owner.stdout.readline().strip()) for owner in owners if owner.stdout)
        others = temporary / "bg-of-another-program"
        others.mkdir()
        (others / LOCK).touch()
        owners[0].kill()
        owners[0].wait()
        with temporary_folder("variants") as folder:
            assert not killed.parent.exists()
            assert (living / "of a run").read_text() == "metrics"
        assert sorted(temporary.iterdir()) == sorted([living.parent, others])
        assert not folder.exists()
    finally:
        for owner in owners:
            owner.kill()
            owner.communicate()
