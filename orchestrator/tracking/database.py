"""MLflow's SQLite file of a workspace.

MLflow stores absolute paths of artifacts. When a workspace was copied or moved, the paths in its
file still lead to the old place; they are changed to the new one before the file is used.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchestrator.workspace import Workspace

_LOCATIONS: Final = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""Columns of MLflow's tables that hold a place of artifacts."""


def open_database(workspace: Workspace) -> None:
    """Make the workspace's SQLite file if there is none, and have its paths lead to this workspace.

    A server that serves another copy of the workspace is not disturbed: each copy has its own file.
    """
    create_database(workspace)
    own = workspace.mlflow_artifacts.resolve().as_uri()
    with contextlib.closing(sqlite3.connect(workspace.mlflow_db)) as database:
        former = _other_places(database, own)
        stray = _stray_default(database, {own, *former})
        if not former and not stray:
            return
        with database:
            for place in former:
                for table, column in _columns(database):
                    database.execute(
                        f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                        f'WHERE "{column}" = ? OR substr("{column}", 1, ?) = ?',
                        (own, len(place) + 1, place, len(place) + 1, f"{place}/"),
                    )
            if stray:
                database.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0",
                    (f"{own}/0",),
                )


def _other_places(database: sqlite3.Connection, own: str) -> set[str]:
    """Folders of artifacts that experiments name and that are not this workspace's own."""
    folder = own.rpartition("/")[2]
    found = database.execute("SELECT artifact_location FROM experiments")
    places = {place.removesuffix("/0") for (place,) in found if place.startswith("file://")}
    return {place for place in places if place != own and place.endswith(f"/{folder}")}


def _stray_default(database: sqlite3.Connection, workspaces: set[str]) -> bool:
    """Whether files logged to MLflow's own experiment would land outside of any workspace.

    MLflow makes that experiment with a place below the folder that a command was run in. Runs that
    are in it already keep their files where they are.
    """
    found = database.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0")
    return any(place.removesuffix("/0") not in workspaces for (place,) in found)


def _columns(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Tables and columns of `_LOCATIONS` that this version of MLflow has."""
    for table, columns in _LOCATIONS.items():
        there = {row[1] for row in database.execute(f'PRAGMA table_info("{table}")')}
        for column in columns:
            if column in there:
                yield table, column


def create_database(workspace: Workspace) -> None:
    """Make the workspace's SQLite file, in the mode in which readers do not block the writer.

    MLflow takes seconds to make its tables, and could never use a file that has only some of them.
    So they are made in another file, which is moved in when it is complete. An existing file is
    left as it is.
    """
    if workspace.mlflow_db.exists():
        return
    from mlflow import MlflowClient

    folder = workspace.making("mlflow")
    folder.mkdir(parents=True, exist_ok=True)
    made, whole = folder / "made.db", folder / "whole.db"
    try:
        with _not_synced(made):
            MlflowClient(f"sqlite:///{made}").search_experiments(max_results=1)
        # a copy, since MLflow keeps the file that it made open
        with (
            contextlib.closing(sqlite3.connect(made)) as source,
            contextlib.closing(sqlite3.connect(whole)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
        if not workspace.mlflow_db.exists():
            os.replace(whole, workspace.mlflow_db)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _not_synced(made: Path) -> Iterator[None]:
    """Have SQLAlchemy write a file without waiting for the disk, for the duration of a block.

    MLflow's tables take a thousand transactions, each of which waits for the disk several times;
    what is lost with the machine is made again. Other files are written as ever.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: object, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        _, _, file = connection.execute("PRAGMA database_list").fetchone()  # the main one is first
        if Path(file).resolve() == made.resolve():
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA journal_mode=MEMORY")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)
