"""A private Ray that does not start."""

import gc
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import ray

from orchestrator.backends.ray import session as module
from orchestrator.backends.ray.session import session
from orchestrator.errors import RunError

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
