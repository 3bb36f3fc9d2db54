import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from model.training.loop import TrainingConfig
from orchestrator.backends.cost import Rates, RunSize, calibrate, plan_seconds, run_seconds
from orchestrator.plan import Plan
from tests.orchestrator.test_plan import MULTI, individual, planned

ROOT = Path(__file__).parents[3]
RATES = Rates(train=10.0, predict=100.0)
SIZE = RunSize(num_train=50, num_val=100, num_test=200)


def test_a_run_costs_its_epochs_on_both_strands_and_its_test():
    run = planned(replace(individual(), training=TrainingConfig(lr=0.1, max_epochs=3)))
    assert run_seconds(run, SIZE, RATES) == pytest.approx(3 * 2 * (5 + 1) + 2)
    one_strand = TrainingConfig(lr=0.1, max_epochs=3, both_strands=False)
    run = planned(replace(run.spec, training=one_strand))
    assert run_seconds(run, SIZE, RATES) == pytest.approx(3 * (5 + 1) + 2)
    random_strand = TrainingConfig(lr=0.1, max_epochs=3, random_strand=True)
    run = planned(replace(run.spec, training=random_strand))
    assert run_seconds(run, SIZE, RATES) == pytest.approx(3 * (5 + 1) + 2)


def test_a_plan_takes_as_long_as_its_workers_need_with_what_must_wait():
    multi, tuned = planned(MULTI), planned(individual(start=MULTI))
    others = [planned(individual(seed)) for seed in (1, 2)]
    plan = Plan([multi, tuned, *others])
    seconds = {multi.key: 10.0, tuned.key: 3.0, others[0].key: 4.0, others[1].key: 7.0}
    assert plan_seconds(plan, seconds, 1) == 24
    assert plan_seconds(plan, seconds, 2) == 13  # 10 + 3 beside 4 + 7
    del seconds[multi.key]  # complete
    assert plan_seconds(plan, seconds, 3) == 7


@pytest.mark.slow
def test_calibration_measures_training_slower_than_prediction():
    rates = calibrate(1)
    assert 0 < rates.train < rates.predict


SCRIPT = """
import signal
from orchestrator.backends.cost import calibrate
from orchestrator.errors import RunError

if __name__ == "__main__":
    # a shell has its background jobs ignore it, and what they start would ignore it too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while True:
            calibrate(2)
    except RunError as error:
        print(error)
    except KeyboardInterrupt:
        print("interrupted")
"""


@contextmanager
def calibrating() -> Iterator[tuple["subprocess.Popen[str]", list[psutil.Process]]]:
    """Calibrate again and again in a process of its own; gives it and the processes it started."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(SCRIPT)
        script.flush()
        parent = subprocess.Popen(
            [sys.executable, script.name],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        until = time.monotonic() + 60
        started: list[psutil.Process] = []
        try:
            while len(started) < 3 and time.monotonic() < until:  # one is a tracker of resources
                time.sleep(0.1)
                started = psutil.Process(parent.pid).children(recursive=True)
            assert len(started) >= 3
            yield parent, started
        finally:
            parent.kill()
            parent.communicate()


def none_lives(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=60)
    for process in alive:
        process.kill()
    return not alive


@pytest.mark.slow
def test_the_processes_of_a_calibration_end_when_their_parent_is_killed():
    with calibrating() as (parent, started):
        parent.kill()
    assert none_lives(started)


@pytest.mark.slow
def test_a_lost_process_of_a_calibration_is_told_in_one_line():
    with calibrating() as (parent, started):
        [lost, *_] = [one for one in started if "spawn_main" in " ".join(one.cmdline())]
        lost.kill()
        out, err = parent.communicate(timeout=60)
    assert "a process that measured this machine has ended" in out
    assert "Traceback" not in err
    assert none_lives(started)


@pytest.mark.slow
def test_an_interrupt_of_all_processes_of_a_calibration_is_answered_by_the_first_one_alone():
    with calibrating() as (parent, started):
        os.killpg(parent.pid, signal.SIGINT)
        out, err = parent.communicate(timeout=60)
    assert out == "interrupted\n"
    assert "Traceback" not in err
    assert none_lives(started)
