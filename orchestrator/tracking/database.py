"""MLflow's SQLite file of a workspace."""

import contextlib
import os
import shutil
import sqlite3

from orchestrator.workspace import Workspace


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
