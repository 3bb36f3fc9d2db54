"""What must be the same after kills: files of two workspaces, and what MLflow has of them."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from orchestrator.workspace import Workspace

Logged = Counter[str]
"""What MLflow has of a plan's runs: a line for each run, parameter, metric, file and model."""

_OWN_TAGS: Final = ("arm", "experiment", "group", "key", "num_bound", "replicate", "tf")
"""Tags that neither the clock, nor a path, nor the id of an MLflow run is part of."""


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
        if path.is_dir() or path == place.lock or name.startswith("mlflow.db"):
            continue
        if path.is_relative_to(place.mlflow_artifacts):  # named by the ids of MLflow's runs
            continue
        if path.match("motifs/*/matches-*.csv"):  # kept by `mlflow sync`, which not all plans had
            continue
        if not name.startswith(("runs/", "dataset/")):
            yield name, None  # reports and caches have dates
        elif path.suffix == ".json":
            yield name, _without_clock(json.loads(path.read_text()), str(place.root))
        elif name.startswith("dataset/evidence/"):
            yield name, _evidence(path)
        else:
            yield name, path.read_bytes()


def _evidence(path: Path) -> object:
    """Read a TF's evidence; its metadata say when the TF was added."""
    table = pq.read_table(path)
    metadata = {key: json.loads(value) for key, value in (table.schema.metadata or {}).items()}
    return table.to_pydict(), _without_clock(metadata, "")


def _without_clock(value: Any, root: str) -> Any:
    """Leave out of a record what the clock says, and where the workspace is."""
    if isinstance(value, dict):
        clock = ("seconds", "finished_at", "added_at", "created_at", "at")
        return {name: _without_clock(v, root) for name, v in value.items() if name not in clock}
    if isinstance(value, list):
        return [_without_clock(one, root) for one in value]
    return value.replace(root, "") if isinstance(value, str) else value


def logged_in(backend: Path, root: Path) -> Logged:
    """Read what a stopped server has of a workspace's runs, and of runs that seem to run.

    Parameters
    ----------
    backend
        Folder of its `mlflow.db` and of the artifacts, `a`.
    root
        The workspace, whose path is left out of what is compared.
    """
    with closing(sqlite3.connect(backend / "mlflow.db")) as store:
        runs = store.execute(
            "select r.run_uuid, e.name || '/' || r.name || ' ' || r.status, r.artifact_uri"
            " from runs r join experiments e using (experiment_id)"
            " where r.lifecycle_stage = 'active' and"
            " (r.status = 'RUNNING' or r.run_uuid in (select run_uuid from tags where key = 'key'))"
        ).fetchall()
        lines = [line for run in runs for line in _of_run(store, backend, *run)]
        models = store.execute(
            "select v.name || ' of ' || r.name from model_versions v"
            " join runs r on r.run_uuid = v.run_id"
        )
        lines += sorted({f"model {name}" for (name,) in models})
    return Logged(line.replace(str(root), "") for line in lines)


def _of_run(store: sqlite3.Connection, backend: Path, run: str, name: str, uri: str) -> list[str]:
    lines = [name]
    for kind, words in (
        ("param", "select key, value from params where run_uuid = ?"),
        ("tag", "select key, value from tags where run_uuid = ?"),
        ("metric", "select key, value from latest_metrics where run_uuid = ?"),
        ("steps", "select key, count(distinct step) from metrics where run_uuid = ? group by key"),
    ):
        for key, value in store.execute(words, (run,)):
            if "seconds" not in key and (kind != "tag" or key in _OWN_TAGS):
                lines.append(f"{name}: {kind} {key} {value}")
    folder = backend / "a" / uri.partition(":/")[2].lstrip("/")
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return lines + [f"{name}: file {file}" for file in files]
