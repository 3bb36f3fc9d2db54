"""What logging a run to MLflow costs the driver, beside the training of that run.

    python -m benchmarks.tracking --workspace DIR [--runs 12] [--sample 500] [--epochs 10]

Runs from scratch of the TFs with most bound regions are trained one after the other in this
process on one thread, into a new workspace. Then all are logged by `MlflowView`, as the driver's
thread does while workers train: first the epochs, as while the run trains, then what is left at
its end. The CPU seconds of both are compared with the seconds of training:
the epochs' alone, and all that a worker spends on a run, with prediction and files. The first run
is reported separately: it imports MLflow and matplotlib. So are registering networks and comparing
filters with JASPAR, since neither happens beside the training of a run.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.machine import Row, describe, table
from benchmarks.scheduling import make_plan
from orchestrator.runs.context import RunContext
from orchestrator.runs.epoch_log import epoch_log
from orchestrator.runs.execute import execute
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.tracking.background import POLL_SECONDS
from orchestrator.tracking.sync import MlflowView
from orchestrator.workspace import Workspace


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    plan = make_plan(load_dataset(Workspace(options.workspace)), options)
    print(f"{len(plan)} runs of {options.sample} + {options.sample} regions\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Workspace(Path(folder))
        place.dataset.symlink_to(options.workspace.absolute() / "dataset")
        store, mlflow = RunStore(place), MlflowView(place)
        context = RunContext(workspace=place)
        whole = [_cpu_seconds(lambda run=run: execute(run, context)) for run in plan]  # type: ignore[misc]
        runs = store.completed()
        training = [run.metrics.seconds for run in runs]
        mlflow.live.begin(plan)
        live, logging = [], []
        for run in runs:
            live.append(_live_seconds(run, place, mlflow))
            logging.append(_cpu_seconds(lambda run=run: mlflow.runs.log_run(run)))  # type: ignore[misc]
        mlflow.live.close()
        registering = _cpu_seconds(lambda: mlflow.models.register(store))
        num_models = sum(len(versions) for versions in mlflow.models._versions().values())
        matching = _cpu_seconds(lambda: mlflow.motifs.log_matches(store))
    per_run = statistics.median(logging[1:] or logging)
    per_live = statistics.median(live[1:] or live)
    rows: list[Row] = [
        ("training, its epochs (wall)", f"{statistics.median(training):.2f}"),
        ("all that a worker does (CPU)", f"{statistics.median(whole):.2f}"),
        ("logging its epochs while it trains (CPU)", f"{per_live:.3f}"),
        ("logging the rest when it has ended (CPU)", f"{per_run:.3f}"),
        ("logging the first one, both (CPU)", f"{live[0] + logging[0]:.2f}"),
        ("registering a network (CPU)", f"{registering / max(1, num_models):.3f}"),
        ("matches with JASPAR (CPU, a compilation apart)", f"{matching / len(runs):.2f}"),
    ]
    print(table(("a run", "seconds"), rows))
    both = per_live + per_run
    print(
        f"\nLogging is {100 * both / statistics.median(whole):.1f} % of what a worker does for "
        f"a run, {100 * both / statistics.median(training):.1f} % of its epochs; what is logged "
        f"every {POLL_SECONDS:g} s while it trains is {100 * per_live / both:.0f} % of it."
    )
    return rows


def _live_seconds(run: StoredRun, place: Workspace, mlflow: MlflowView) -> float:
    """CPU seconds of logging a run's epochs in as many requests as its training would see."""
    log = epoch_log(place, run.key)
    spent, next_poll, now = 0.0, POLL_SECONDS, 0.0
    for epoch in run.history:
        log.append(epoch)
        now += epoch.seconds
        if now >= next_poll or epoch is run.history[-1]:
            spent += _cpu_seconds(mlflow.live.poll)
            next_poll = now + POLL_SECONDS
    log.remove()
    return spent


def _cpu_seconds(do: Callable[[], object]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, required=True, help="with a dataset")
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--sample", type=int, default=500, help="bound regions")
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
