import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import RunError
from orchestrator.runs.lock import sole_driver
from orchestrator.workspace import Workspace

HOLD = (
    "import sys, time; from pathlib import Path\n"
    "from orchestrator.runs.lock import sole_driver; from orchestrator.workspace import Workspace\n"
    "with sole_driver(Workspace(Path(sys.argv[1]))):\n"
    "    print('held', flush=True); time.sleep(60)"
)


def test_a_second_driver_is_refused_and_told_of_the_first_until_that_dies(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(RunError, match=rf"in use by process {first.pid} on .*wait for it"),
            sole_driver(Workspace(tmp_path)),
        ):
            pass
        first.kill()
    with sole_driver(Workspace(tmp_path)):
        assert f'"pid": {os.getpid()}' in (tmp_path / ".lock").read_text()


def test_what_a_killed_driver_left_half_written_is_cleared(tmp_path):
    place = Workspace(tmp_path)
    for name in ("finished", ".half.123.456"):
        (place.runs / name).mkdir(parents=True)
    for folder in (place.making("mlflow"), place.progress, place.ray_results / "plan"):
        folder.mkdir(parents=True)
    with sole_driver(place):
        assert os.listdir(place.runs) == ["finished"]
        assert sorted(os.listdir(place.root)) == [".lock", "runs"]


def test_a_workspace_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"cannot write to .*file/w \(Not a directory\): free space"),
        sole_driver(Workspace(tmp_path / "file" / "w")),
    ):
        pass
