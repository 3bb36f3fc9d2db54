import os
import subprocess
import sys
import tempfile
import time
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


def test_calibration_measures_training_slower_than_prediction():
    rates = calibrate(1)
    assert 0 < rates.train < rates.predict


@pytest.mark.slow
def test_the_processes_of_a_calibration_end_when_their_parent_is_killed():
    code = (
        "from orchestrator.backends.cost import calibrate\n"
        "if __name__ == '__main__':\n"
        "    while True:\n"
        "        calibrate(2)\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(code)
        script.flush()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        parent = subprocess.Popen([sys.executable, script.name], env=environment)
        try:
            until = time.monotonic() + 60
            started: list[psutil.Process] = []
            while len(started) < 3 and time.monotonic() < until:  # a tracker of resources, too
                time.sleep(0.1)
                started = psutil.Process(parent.pid).children(recursive=True)
        finally:
            parent.kill()
            parent.wait()
    assert len(started) >= 3
    _, alive = psutil.wait_procs(started, timeout=60)
    for process in alive:
        process.kill()
    assert not alive
