"""A private Ray that does not start."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from orchestrator.backends.ray import session as module
from orchestrator.backends.ray.session import session
from orchestrator.errors import RunError

pytestmark = pytest.mark.slow  # every session that ends collects the garbage of all libraries

ROOT = Path(__file__).parents[4]
Started = list[subprocess.Popen[bytes]]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception, int], Started]:
    """Have Ray start a process and fail, so many times; gives the processes."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def install(error: Exception, times: int) -> Started:
        started: Started = []

        def init(**options: Any) -> None:
            if len(started) < times:
                sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
                started.append(subprocess.Popen(sleeping))
                raise error

        monkeypatch.setattr(module, "_init", init)
        monkeypatch.setattr(module, "count_cpus", lambda: 2)
        return started

    return install


# what Ray 2.60 raises if its own limit of 30 seconds has passed
SLOW = Exception("The current node timed out during startup. This could happen because ...")


def test_a_busy_machine_has_more_than_one_try_and_nothing_of_the_first_is_left(failing):
    started = failing(SLOW, 2)
    with session(num_cpus=1, address=None) as cpus:
        assert cpus == 2
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_a_machine_that_stays_too_busy_is_told_in_one_line(failing):
    started = failing(SLOW, 5)
    with (
        pytest.raises(RunError, match=r"cannot start Ray on this machine \(it is too busy.*local"),
        session(num_cpus=1, address=None),
    ):
        pass
    assert len(started) == 3
    assert all(process.poll() is not None for process in started)


def test_no_thread_can_free_an_object_of_rays_while_ray_shuts_down(failing, monkeypatch):
    """Ray would end the process, with all runs complete and exit code 1."""
    failing(SLOW, 0)
    happened: list[str] = []

    class InCycle:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            happened.append("freed")

    def shutdown() -> None:
        happened.append("shutdown, collector on" if gc.isenabled() else "shutdown")

    monkeypatch.setattr(ray, "shutdown", shutdown)
    with session(num_cpus=1, address=None):
        InCycle()
    assert happened[:2] == ["freed", "shutdown"]
    assert "shutdown, collector on" not in happened
    assert gc.isenabled()


def test_another_fault_is_not_tried_again(failing):
    started = failing(ValueError("no such resource"), 1)
    with (
        pytest.raises(RunError, match=r"cannot start Ray .*no such resource"),
        session(num_cpus=1, address=None),
    ):
        pass
    assert len(started) == 1
    started[0].kill()
    started[0].wait()


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_that_of_a_living_one_stays(
    failing, monkeypatch
):
    failing(SLOW, 0)
    short = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))  # Ray's sockets need a short path
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    code = (
        "import sys, time\n"
        "import tempfile\n"
        "from pathlib import Path\n"
        "from data.temporary import locked_folder\n"
        "with locked_folder('bg-ray-', Path(tempfile.gettempdir())) as folder:\n"
        "    (folder / 'log').write_text('of Ray')\n"
        "    print(folder, flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = {**os.environ, "TMPDIR": str(short), "PYTHONPATH": str(ROOT)}
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        folders = [Path(owner.stdout.readline().strip()) for owner in owners if owner.stdout]
        others = short / "bg-ray-others"  # without a lock: nobody knows whose it is
        others.mkdir()
        owners[0].kill()
        owners[0].wait()
        with session(num_cpus=1, address=None):
            assert not folders[0].exists()
        assert sorted(short.iterdir()) == sorted([folders[1], others])
        assert (folders[1] / "log").read_text() == "of Ray"
    finally:
        for owner in owners:
            owner.kill()
            owner.communicate()
        shutil.rmtree(short)


def test_sockets_lie_where_their_paths_are_short_enough(monkeypatch):
    """Linux takes at most 107 characters."""
    given: list[str] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(module, "_init", lambda **options: given.append(options["_temp_dir"]))
    monkeypatch.setattr(module, "count_cpus", lambda: 2)
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as short:
        for length in (20, 27, 28, 40):
            root = Path(short) / ("x" * (length - len(short) - 1))
            root.mkdir()
            monkeypatch.setattr(tempfile, "tempdir", str(root))
            with session(num_cpus=1, address=None):
                pass
    name = "session_2026-11-26_21-12-30_001637_4194304/sockets/plasma_store"
    assert max(len(f"{folder}/{name}") for folder in given) <= 107
    assert given[0].startswith(short)
    assert not given[-1].startswith(short)


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("part", ["gcs_server", "raylet"])
def test_a_ray_that_loses_a_part_is_told_in_one_line_at_once_and_leaves_nothing(part):
    code = (
        "import sys, time\n"
        "from orchestrator.backends.ray.session import session\n"
        "with session(num_cpus=1, address=None):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    foreign = ("RAY_", "TUNE_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as short:
        driver = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**kept, "TMPDIR": short, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert driver.stdout is not None
        assert driver.stdout.readline() == "up\n"
        started = psutil.Process(driver.pid).children(recursive=True)
        [lost] = [one for one in started if one.name() == part]
        lost.kill()
        _, told = driver.communicate(timeout=30)
        assert driver.returncode == 1
        lines = [line for line in told.splitlines() if line.startswith("bindgrid: ")]
        assert len(lines) == 1
        assert "the same command resumes the plan" in lines[0]
        _, alive = psutil.wait_procs(started, timeout=30)
        assert not alive
        assert not list(Path(short).iterdir())
