"""Two commands never change a dataset at the same time, and nothing stays of the lock."""

import errno
import fcntl
import subprocess
import sys
from io import FileIO
from pathlib import Path

import pytest

from data.dataset.lock import lock_path, sole_writer
from data.errors import DataError

HOLD = (
    "import sys; from pathlib import Path\n"
    "from data.dataset.lock import sole_writer\n"
    "with sole_writer(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


def test_a_second_writer_is_refused_and_told_of_the_first_until_that_dies(tmp_path):
    dataset = tmp_path / "w" / "dataset"
    command = [sys.executable, "-c", HOLD, str(dataset)]
    root, pipe = Path(__file__).parents[3], subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        told = rf"dataset: is being changed by process {first.pid} on .*wait for it"
        with pytest.raises(DataError, match=told), sole_writer(dataset):
            pass
        first.kill()
    assert lock_path(dataset).is_file()
    with sole_writer(dataset):
        pass
    assert list((tmp_path / "w").iterdir()) == []


def test_of_a_workspace_that_was_not_there_nothing_stays_unless_it_is_written_to(tmp_path):
    dataset = tmp_path / "a" / "w" / "dataset"
    with pytest.raises(ZeroDivisionError), sole_writer(dataset):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with sole_writer(dataset):
        dataset.mkdir()
    assert list(dataset.parent.iterdir()) == [dataset]


def test_one_that_waits_for_the_file_of_one_who_removes_it_locks_the_next_file(
    tmp_path, monkeypatch
):
    dataset, flock = tmp_path / "dataset", fcntl.flock
    tries: list[FileIO] = []

    def slow(file: FileIO, operation: int) -> None:
        if not tries:  # the holder removes its file after it was opened here
            lock_path(dataset).unlink()
        tries.append(file)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    with sole_writer(dataset):
        assert len(tries) == 2
        with pytest.raises(DataError, match="is being changed"), sole_writer(dataset):
            pass


def test_where_files_cannot_be_locked_the_block_runs(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with sole_writer(tmp_path / "dataset"):
        assert list(tmp_path.iterdir()) == []
