"""A workspace that was copied or moved: MLflow's paths lead to where it is now."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from mlflow import MlflowClient

from orchestrator.tracking.client import TrackingClient
from orchestrator.workspace import Workspace


def logged(workspace: Workspace, key: str) -> str:
    """Log a run with an artifact; gives the MLflow run's id."""
    client = TrackingClient(workspace)
    experiment = client.experiment_id("transfer", lambda _: {})
    run = client.mlflow.create_run(experiment, tags={"key": key}).info.run_id
    client.mlflow.log_text(run, "text", "note.txt")
    client.mlflow.set_terminated(run)
    return str(run)


def place_of(workspace: Workspace, run: str) -> Path:
    found = TrackingClient(workspace).mlflow.get_run(run).info.artifact_uri
    return Path(unquote(urlparse(found).path))


def files(workspace: Workspace) -> set[Path]:
    return {path for path in workspace.mlflow_artifacts.rglob("*") if path.is_file()}


def test_a_copy_writes_into_itself_and_leaves_the_original_as_it_is(tmp_path):
    one, two = Workspace(tmp_path / "one of mine"), Workspace(tmp_path / "two")
    one.root.mkdir()
    run = logged(one, "a")
    before = files(one)
    shutil.copytree(one.root, two.root)
    other = logged(two, "b")
    assert files(one) == before
    assert place_of(two, run).is_relative_to(two.root)
    assert (place_of(two, run) / "note.txt").read_text() == "text"
    assert (place_of(two, other) / "note.txt").is_file()
    assert place_of(one, run).is_relative_to(one.root)


def test_a_moved_workspace_does_not_make_the_old_place_anew(tmp_path):
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "elsewhere" / "two")
    one.root.mkdir()
    run = logged(one, "a")
    client = TrackingClient(one).mlflow
    model = client.create_registered_model("A").name
    place = f"{client.get_run(run).info.artifact_uri}/model"
    client.create_model_version(model, place, run_id=run)
    two.root.parent.mkdir()
    shutil.move(one.root, two.root)
    logged(two, "b")
    assert not one.root.exists()
    version = TrackingClient(two).mlflow.get_model_version("A", "1")
    assert version.source == f"{two.mlflow_artifacts.as_uri()}/{run}/artifacts/model"


def test_places_of_other_stores_stay(tmp_path):
    workspace = Workspace(tmp_path / "one")
    workspace.root.mkdir()
    client = TrackingClient(workspace).mlflow
    for name, place in {"cloud": "s3://bucket/mlartifacts", "mine": "file:///data/runs"}.items():
        client.create_experiment(name, artifact_location=place)
    again = TrackingClient(workspace).mlflow
    places = {one.name: one.artifact_location for one in again.search_experiments()}
    assert places["cloud"] == "s3://bucket/mlartifacts"
    assert places["mine"] == "file:///data/runs"


def test_what_is_logged_to_mlflows_default_experiment_stays_in_the_workspace(tmp_path):
    one, two = Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    one.root.mkdir()
    for num, workspace in enumerate((one, two), start=1):
        client = TrackingClient(workspace).mlflow
        client.log_text(client.create_run("0").info.run_id, "text", "note.txt")
        assert len(list((workspace.mlflow_artifacts / "0").rglob("note.txt"))) == num
        if workspace is one:
            shutil.move(one.root, two.root)
    assert not one.root.exists()


@pytest.mark.slow
def test_what_was_logged_to_it_before_is_found_where_it_is(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path / "one")
    workspace.root.mkdir()
    monkeypatch.chdir(tmp_path)
    by_hand = MlflowClient(f"sqlite:///{workspace.mlflow_db}")
    run = by_hand.create_run("0").info.run_id
    by_hand.log_text(run, "text", "note.txt")
    before = by_hand.get_run(run).info.artifact_uri
    client = TrackingClient(workspace).mlflow
    assert client.get_run(run).info.artifact_uri == before
    place = client.get_experiment("0").artifact_location
    assert place == f"{workspace.mlflow_artifacts.as_uri()}/0"
