"""A plan of the paper's size on many workers that sleep: what load driver and MLflow can bear.

    python -m benchmarks.scale --workspace DIR [--runs 1500] [--workers 64] [--seconds 20]

`bindgrid run`'s own driver gives a plan to the Ray backend, on a Ray with as many logical workers.
A tenth of the runs are pre-trainings, first in the plan, and each of the others starts from one of
them. A worker sleeps in place of training (`benchmarks.sleeping`), from half of `--seconds` to one
and a half times as long, and then has the folder of a finished run, a copy of one that was really
trained, so that the driver stores, shows and logs what it would of any run. One run of the paper's
sizes takes a minute or more on a CPU: with the default, the driver has three times the work that
it would have.

Busy fraction = seconds slept / (wall seconds from the first run on x workers).
"""

import argparse
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.machine import Row, describe, table
from benchmarks.scheduling import make_plan
from benchmarks.sleeping import SleepingTrainable
from data.records import to_json
from experiments.cli.drive import drive
from orchestrator.backends import local as local_backend
from orchestrator.backends.ray import run_plan as ray_backend
from orchestrator.backends.ray.searcher import PlanSearcher
from orchestrator.plan import Plan, PlannedRun
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.planned_records import run_record
from orchestrator.runs.store import RUN_FILE, RunStore
from orchestrator.workspace import Workspace


class KeysAlone(PlanSearcher):
    """Gives workers the keys of runs, since they need nothing else to sleep."""

    def suggest(self, trial_id: str) -> Any:
        """Return what the backend's own searcher does, with a key in place of a run."""
        config = super().suggest(trial_id)
        if isinstance(config, dict) and config["planned"] is not None:
            return {**config, "planned": config["planned"].key}
        return config


class Watched:
    """What a plan's driver did meanwhile, measured in this process."""

    def __init__(self, plan: Plan, place: Workspace, workers: int) -> None:
        self._plan = plan
        self._place = place
        self._workers = workers
        self.up = self.ended = 0.0
        self.cpu = self.logged = 0.0

    def run(self) -> None:
        """Run the plan as `bindgrid run` does."""
        options = ray_backend.RayOptions(num_workers=self._workers, on_ready=self._ready)
        run_plan = partial(ray_backend.run_plan, options=options)

        def timed(*arguments: Any, **more: Any) -> None:
            run_plan(*arguments, **more)
            self.ended = time.perf_counter()
            self.logged = num_logged(self._place)
            self.cpu = time.process_time() - self.cpu

        drive(self._plan, (), self._place, lambda: timed)

    def _ready(self, num_up: int, seconds: float) -> None:
        if num_up < self._workers:
            print(f"{num_up} of {self._workers} workers are up", flush=True)
        self.up, self.cpu = time.perf_counter(), time.process_time()


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    print(f"{options.runs} runs on {options.workers} logical workers\n", flush=True)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_backend, "PlanSearcher", KeysAlone)
        patch.setattr(ray_backend, "RunTrainable", SleepingTrainable)
        patch.setattr(ray_backend, "_trial_name", _trial_name)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("RAY_ADDRESS", raising=False)
        place = Workspace(Path(folder))
        place.dataset.symlink_to(options.workspace.absolute() / "dataset")
        plan = make_long_plan(place, options)
        slept = make_ready(place, plan, options)
        watched = Watched(plan, place, options.workers)
        began = time.perf_counter()
        watched.run()
        flushed = time.perf_counter()
        after = num_logged(place)
        num_done = len(RunStore(place).completed())
    if num_done != len(plan):
        raise RuntimeError(f"{num_done} of {len(plan)} runs completed")
    wall = watched.ended - watched.up
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows: list[Row] = [
        ("workers up after, s", f"{watched.up - began:.0f}"),
        ("first run to last, s", f"{wall:.1f}"),
        ("runs a second", f"{len(plan) / wall:.2f}"),
        ("busy fraction", f"{slept / (wall * options.workers):.3f}"),
        ("driver's CPU, cores", f"{watched.cpu / wall:.2f}"),
        ("driver's CPU a run, s", f"{watched.cpu / len(plan):.3f}"),
        ("driver's peak memory, MiB", f"{megabytes:.0f}"),
        ("logged to MLflow when the last run ended", f"{watched.logged:.0f}"),
        ("logged to MLflow when the command ended", f"{after}"),
        ("which took, s", f"{flushed - watched.ended:.1f}"),
    ]
    print("\n" + table(("what", "value"), rows))
    return rows


def make_long_plan(place: Workspace, options: argparse.Namespace) -> Plan:
    """Runs of ten TFs or fewer, the first tenth of which the others start from, in turn."""
    of_plan = argparse.Namespace(runs=options.runs, sample=20, epochs=1)
    runs = list(make_plan(load_dataset(place), of_plan))
    num_first = max(10, len(runs) // 10)  # some of each TF
    made: list[PlannedRun] = runs[:num_first]
    for number, run in enumerate(runs[num_first:]):
        spec = replace(run.spec, start=made[number % num_first].spec)
        made.append(PlannedRun(spec=spec, role=replace(run.role, arm="transfer")))
    return Plan(made)


def make_ready(place: Workspace, plan: Plan, options: argparse.Namespace) -> float:
    """Make the folder of each finished run, from one that is trained; all seconds to be slept."""
    rng = np.random.default_rng(0)
    slept = 0.0
    with tempfile.TemporaryDirectory() as folder:
        trained = Workspace(Path(folder))
        trained.dataset.symlink_to(place.dataset.resolve())
        starts = [run for run in plan if run.spec.start is None]
        by_tf = {run.tf: run for run in reversed(starts)}
        local_backend.run_plan(Plan(by_tf.values()), trained, on_done=lambda _: None)
        first = {tf: trained.run(run.key) for tf, run in by_tf.items()}
        for run in plan:
            ready = place.root / "ready" / run.key
            shutil.copytree(first[run.tf], ready)
            (ready / RUN_FILE).write_text(to_json(run_record(run)))
            seconds = options.seconds * rng.uniform(0.5, 1.5)
            (ready / "seconds").write_text(str(seconds))
            slept += seconds
    place.runs.mkdir(exist_ok=True)
    return slept


def num_logged(place: Workspace) -> int:
    """Finished runs that MLflow has."""
    from mlflow import MlflowClient

    done: list[int] = []

    def count() -> None:  # in a thread of its own: MLflow keeps a connection for each
        client = MlflowClient(f"sqlite:///{place.mlflow_db}")
        experiment = client.get_experiment_by_name("benchmark")
        if experiment is None:
            return
        token: str | None = None
        while True:
            page = client.search_runs(
                [experiment.experiment_id], "attributes.status = 'FINISHED'", page_token=token
            )
            done.append(len(page))
            token = page.token
            if not token:
                return

    thread = threading.Thread(target=count)
    thread.start()
    thread.join()
    return sum(done)


def _trial_name(trial: Any) -> str:
    return f"{trial.config['planned'] or 'idle'}-{trial.trial_id}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True, help="with a dataset")
    parser.add_argument("--runs", type=int, default=1500)
    parser.add_argument("--workers", type=int, default=64, help="logical ones")
    parser.add_argument("--seconds", type=float, default=20.0, help="mean of a run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
