"""What the first page of `bindgrid ui` costs with many runs, compared with MLflow's own search.

    python -m benchmarks.front_page [--runs 2000] [--pages 3]

Runs of both arms, four replicates of each TF, are logged to a new SQLite file, with as many tags,
parameters and metrics as real ones. Then the page is rendered some times, as at each visit, and the
same runs are read by `MlflowClient.search_runs`, as the page did before. Seconds of CPU, medians.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.machine import Row, describe, table
from orchestrator.runs.store import SUMMARY_METRICS
from orchestrator.tracking.client import TrackingClient
from orchestrator.tracking.front_page import front_page
from orchestrator.tracking.run_record import LOSSES
from orchestrator.tracking.views import ViewWriter
from orchestrator.workspace import Workspace

ARMS = ("scratch", "transfer")
NUM_REPLICATES = 4
NUM_PARAMS = 50
"""A run of `transfer` has 53."""


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--pages", type=int, default=3, help="visits of the page")
    options = parser.parse_args(arguments)
    print(describe())
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as folder:
        client = TrackingClient(Workspace(Path(folder)))
        experiment_id = log_runs(client, options.runs)
        page = _median(lambda: front_page(client.mlflow, None), options.pages)
        search = _median(lambda: list(client.all_runs(experiment_id)), options.pages)
    rows: list[Row] = [
        ("the page", f"{page:.2f}"),
        ("MLflow's search of its runs", f"{search:.2f}"),
    ]
    print(table((f"{options.runs} runs", "CPU seconds"), rows))
    return rows


def log_runs(client: TrackingClient, num_runs: int) -> str:
    """Log finished runs without files; gives the experiment's id."""
    from mlflow.entities import Metric, Param

    params = [Param(f"setting.{number}", "some value") for number in range(NUM_PARAMS)]
    experiment_id = ViewWriter(client).experiment_id("transfer")
    for number in range(num_runs):
        pair, arm = number // len(ARMS), ARMS[number % len(ARMS)]
        tags = {
            "arm": arm,
            "experiment": "transfer",
            "group": "500 bound",
            "key": f"{number:016x}",
            "num_bound": "450",
            "pretraining_set": "" if arm == "scratch" else "148 TFs",
            "replicate": str(pair % NUM_REPLICATES + 1),
            "run_folder": "none",
            "target": "",
            "tf": f"TF{pair // NUM_REPLICATES}",
            "with_target": "",
        }
        made = client.mlflow.create_run(experiment_id, tags=tags, run_name=f"{tags['tf']} {arm}")
        metrics = [Metric(name, 0.5, 1, 0) for name in SUMMARY_METRICS]
        metrics += [Metric(name, 0.5, 1, epoch) for name in LOSSES for epoch in (1, 2)]
        client.log_batches(made.info.run_id, metrics, params)
        client.mlflow.set_terminated(made.info.run_id)
    return experiment_id


def _median(do: Callable[[], object], times: int) -> float:
    spent = []
    for _ in range(times):
        began = time.process_time()
        do()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


if __name__ == "__main__":
    main()
