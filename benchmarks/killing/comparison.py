"""What must be the same after kills: files of two workspaces, and what MLflow has of them."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.workspace import Workspace

Logged = Counter[tuple[str, str, str]]
"""Experiment, name and status of MLflow runs."""


def differing(one: Workspace, other: Workspace) -> list[str]:
    """Say which files of two workspaces differ, apart from what the clock says."""
    here, there = dict(_files(one)), dict(_files(other))
    told = [f"{name} is there" for name in sorted(here.keys() - there.keys())]
    told += [f"{name} is missing" for name in sorted(there.keys() - here.keys())]
    both = sorted(here.keys() & there.keys())
    return told + [f"{name} differs" for name in both if here[name] != there[name]]


def _files(place: Workspace) -> Iterator[tuple[str, object]]:
    """Files of a workspace by name; the content of those that must be the same to the bit."""
    for path in place.root.rglob("*"):
        name = str(path.relative_to(place.root))
        if path.is_dir() or path == place.lock or path.is_relative_to(place.root / "mlflow"):
            continue
        if not name.startswith(("runs/", "dataset/")):
            yield name, None  # reports and caches have dates
        elif path.suffix == ".json":
            yield name, _without_clock(json.loads(path.read_text()), str(place.root))
        else:
            yield name, path.read_bytes()


def _without_clock(value: Any, root: str) -> Any:
    """Leave out of a record what the clock says, and where the workspace is."""
    if isinstance(value, dict):
        clock = ("seconds", "finished_at", "added_at", "created_at")
        return {name: _without_clock(v, root) for name, v in value.items() if name not in clock}
    if isinstance(value, list):
        return [_without_clock(one, root) for one in value]
    return value.replace(root, "") if isinstance(value, str) else value


def logged_runs(uri: str) -> None:
    """Print experiment, name and status of each MLflow run of a plan's runs, as JSON."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found: list[list[str]] = []
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id], max_results=10_000):
            # a plan that was killed has an MLflow run for each command that was not resumed
            if "key" in run.data.tags or run.info.status == "RUNNING":
                found.append([experiment.name, run.info.run_name, run.info.status])
    print(json.dumps(found))


def counted(triples: Sequence[Sequence[str]]) -> Logged:
    return Counter((one, two, three) for one, two, three in triples)


if __name__ == "__main__":
    logged_runs(sys.argv[1])
