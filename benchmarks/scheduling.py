"""What running a plan costs around its trainings: bare loops, the local backend, and Ray.

    python -m benchmarks.scheduling --workspace DIR [--runs 60] [--sample 500] [--epochs 10]

A plan of individual models from scratch, 500 bound and 500 unbound regions each, of the TFs with
most bound regions, run one way after the other on all cores:

- *bare*: as many processes as cores, one thread each, share the list; each calls only
  `model.training.loop.train` and `model.prediction.predict`, on regions drawn before the clock
  starts; nothing is stored;
- *local*: `orchestrator.backends.local`, one run after the other in this process;
- *Ray*: `orchestrator.backends.ray.run_plan` with a worker per core.

Busy fraction = the bare loops' seconds of training (and prediction) / (wall seconds x cores). The
local backend uses one core, so it cannot exceed 1 / cores by much. Ray's start (`ray.init`, and
the workers' import of torch) is reported separately.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.machine import Row, describe, table
from data.dataset.sampling import Part, Sampling
from data.dataset.selection import Selection
from data.schema import Evidence
from experiments.study.specs import SpecBuilder
from experiments.study.trainings import Trainings
from model.network import build_network
from model.prediction import predict
from model.training.loop import Examples, train
from orchestrator.backends import local as local_backend
from orchestrator.backends.ray import run_plan as ray_backend
from orchestrator.plan import Plan, PlannedRun
from orchestrator.role import RunRole
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.spec import RunSpec
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class BareSeconds:
    """Seconds within the loops of one run."""

    training: float
    prediction: float


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()
    cores = os.cpu_count() or 1
    loaded = load_dataset(Workspace(options.workspace))
    plan = make_plan(loaded, options)
    print(machine)
    print(
        f"{len(plan)} runs of {options.sample} + {options.sample} regions, {options.epochs} "
        f"epochs, {cores} cores\n",
        flush=True,
    )

    bare, bare_wall = run_bare(loaded, plan, cores)
    local_wall = run_backend(options.workspace, plan, ray=False)[0]
    ray_wall, ray_start = run_backend(options.workspace, plan, ray=True)

    training = sum(seconds.training for seconds in bare)
    computing = training + sum(seconds.prediction for seconds in bare)
    rows: list[Row] = []
    for name, wall in (
        (f"bare loops, {cores} processes", bare_wall),
        ("--backend local, one core", local_wall),
        ("--backend ray, start and end of Ray included", ray_wall),
        ("--backend ray, from the first run on", ray_wall - ray_start),
    ):
        fractions = (f"{part / (wall * cores):.2f}" for part in (training, computing))
        rows.append((name, f"{wall:.0f}", *fractions, f"{wall / bare_wall:.2f}"))
    header = ("way", "wall s", "busy: training", "busy: with prediction", "wall / bare")
    print(table(header, rows))
    print(f"\nRay was up after {ray_start:.1f} s.")
    return rows


def make_plan(loaded: LoadedDataset, options: argparse.Namespace) -> Plan:
    """Individual models from scratch of the TFs with most bound regions, in turn."""
    summaries = sorted(loaded.dataset.summaries(), key=lambda s: -s.count(Evidence.BOUND))
    tfs = [summary.tf for summary in summaries[: min(10, len(summaries))]]
    trainings = Trainings().with_epochs(individual=options.epochs)
    builder = SpecBuilder(dataset=loaded.dataset, trainings=trainings, sampling=Sampling())
    runs = []
    for number in range(options.runs):
        tf = tfs[number % len(tfs)]
        regions = builder.individual_regions(tf, seed=number // len(tfs), num_bound=options.sample)
        role = RunRole(
            experiment="benchmark", arm="scratch", tf=tf, replicate=number // len(tfs) + 1
        )
        runs.append(PlannedRun(spec=builder.scratch(regions), role=role))
    return Plan(runs)


def run_bare(
    loaded: LoadedDataset, plan: Plan, num_processes: int
) -> tuple[list[BareSeconds], float]:
    """Train every run's network in processes of one thread; seconds of each, and wall seconds."""
    tasks = []
    for run in plan:
        selection = loaded.select(run.spec.regions)
        parts = {part: _examples(loaded, selection, part) for part in Part}
        tasks.append((run.spec, parts))
    context = multiprocessing.get_context("spawn")
    with context.Pool(num_processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        pool.map(_warm_up, range(num_processes), chunksize=1)
        began = time.perf_counter()
        bare = pool.map(_bare, tasks, chunksize=1)
        wall = time.perf_counter() - began
    return bare, wall


def run_backend(workspace: Path, plan: Plan, *, ray: bool) -> tuple[float, float]:
    """Run the plan in a new workspace on the same dataset; wall seconds, and until Ray was up."""
    up: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Workspace(Path(folder))
        place.dataset.symlink_to(workspace.absolute() / "dataset")
        began = time.perf_counter()
        if ray:
            ray_backend.run_plan(
                plan,
                place,
                on_done=lambda _: None,
                options=ray_backend.RayOptions(on_ready=lambda _, seconds: up.append(seconds)),
            )
        else:
            local_backend.run_plan(plan, place, on_done=lambda _: None)
        wall = time.perf_counter() - began
        num_done = len(list(place.runs.iterdir()))
    if num_done != len(plan):
        raise RuntimeError(f"{num_done} of {len(plan)} runs completed")
    return wall, sum(up)


def _examples(loaded: LoadedDataset, selection: Selection, part: Part) -> Examples:
    rows = selection.rows(part)
    return Examples(
        sequences=loaded.regions.sequences[selection.region_ids[rows]],
        labels=selection.labels[rows],
    )


def _bare(task: tuple[RunSpec, dict[Part, Examples]]) -> BareSeconds:
    spec, parts = task
    assert spec.training is not None
    began = time.perf_counter()
    network = build_network(spec.network, seed=spec.seed)
    train(network, parts[Part.TRAIN], parts[Part.VAL], spec.training, seed=spec.seed)
    trained = time.perf_counter()
    predict(network, parts[Part.TEST].sequences)
    return BareSeconds(training=trained - began, prediction=time.perf_counter() - trained)


def _warm_up(_: int) -> None:
    time.sleep(0.5)  # so that every process of the pool has one


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True, help="with a dataset")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--sample", type=int, default=500, help="bound regions")
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
