"""What MLflow shows of a workspace: files, links, motifs, registered models, saved views."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.dataset.store import Dataset
from data.packing import reverse_complement, unpack
from data.records import to_json
from docs.browser import browser, find_chromium
from docs.screenshots import compare, find_pair, free_port, show_runs
from model.checkpoint import load
from model.prediction import predict
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.role import RunVariant
from orchestrator.runs.find_run import find_run
from orchestrator.runs.planned_records import run_record
from orchestrator.runs.store import METRICS_FILE, PREDICTIONS_FILE, RUN_FILE, RunStore, StoredRun
from orchestrator.tracking.client import tracking_uri
from orchestrator.tracking.curves import run_curves
from orchestrator.tracking.models import chosen_runs
from orchestrator.tracking.pyfunc_folder import shipped_files
from orchestrator.tracking.sync import MlflowView
from orchestrator.tracking.ui import mlflow_server
from orchestrator.tracking.views import COLUMNS, experiment_tags, view_link
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import METRICS, in_role, planned_run


@pytest.fixture(scope="module")
def logged(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> MlflowView:
    """A view that has logged the runs of `trained`: SPI1 in both arms, and its multi-model.

    They are a copy, since other tests make motifs of those.
    """
    place = Workspace(tmp_path_factory.mktemp("logged") / "workspace")
    shutil.copytree(trained.runs, place.runs)
    shutil.copytree(trained.dataset, place.dataset)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        view = MlflowView(place)
        view.sync(RunStore(place))
    return view


def mlflow_runs(view: MlflowView) -> dict[str, Any]:
    experiment = view.client.mlflow.get_experiment_by_name("transfer")
    assert experiment is not None
    runs = view.client.mlflow.search_runs([experiment.experiment_id])
    return {run.info.run_name: run for run in runs}


@pytest.mark.slow
def test_a_run_has_its_curves_logos_dataset_and_a_link_to_its_pretraining(logged):
    runs = mlflow_runs(logged)
    transfer, multi = runs["SPI1 transfer r1"], runs["multi-model 2 TFs r1"]
    files = {file.path for file in logged.client.mlflow.list_artifacts(transfer.info.run_id)}
    assert files >= {"filters.meme", "filters.json", "logos.svg", "curves.json", "curves.svg"}
    inputs = {one.tags[0].value: one for one in transfer.inputs.dataset_inputs}
    assert set(inputs) == {"training", "test"}
    found = inputs["training"]
    stored = find_run(RunStore(logged.client.workspace), "SPI1")
    assert found.dataset.name == "SPI1"
    assert found.dataset.digest == stored.planned.spec.regions.dataset
    tested = inputs["test"].dataset
    assert json.loads(tested.profile) == {"num_test_regions": stored.metrics.num_test_regions}
    [twin] = [
        one.dataset.digest
        for one in runs["SPI1 scratch r1"].inputs.dataset_inputs
        if one.tags[0].value == "test"
    ]
    assert tested.digest == twin
    assert transfer.data.tags["pretraining_run"] == multi.info.run_id
    link = f"(#/experiments/{multi.info.experiment_id}/runs/{multi.info.run_id})"
    assert link in transfer.data.tags["mlflow.note.content"]
    assert "pretraining_run" not in runs["SPI1 scratch r1"].data.tags


def test_curves_are_those_of_the_predictions(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.mkdir()
    table = {"tf": ["A"] * 4, "label": [1, 0, 1, 0], "probability": [0.9, 0.8, 0.7, 0.1]}
    pd.DataFrame(table).to_parquet(path / PREDICTIONS_FILE)
    (path / "history.json").write_text("[]")
    curves = run_curves(StoredRun(path))["test"]["A"]
    roc = list(zip(*curves["roc"].values(), strict=True))
    assert roc == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    points = set(zip(*curves["precision_recall"].values(), strict=True))
    assert points >= {(0, 1), (0.5, 1), (0.5, 0.5), (1, 0.66667)}
    (path / PREDICTIONS_FILE).write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"predictions\.parquet: damaged"):
        run_curves(StoredRun(path))


@pytest.mark.slow
def test_registered_networks_predict_without_bindgrid(logged, tmp_path):
    store = RunStore(logged.client.workspace)
    model = logged.client.mlflow.get_registered_model("bindgrid-SPI1")
    assert set(model.aliases) == {"transfer", "scratch", "best"}
    assert model.aliases["transfer"] != model.aliases["scratch"]
    assert model.aliases["best"] in (model.aliases["transfer"], model.aliases["scratch"])

    packed = Dataset.open(logged.client.workspace.dataset).regions().sequences[:5]
    letters = np.array(list("ACGT"))[unpack(packed)]
    sequences = ["".join(row) for row in letters]
    pd.DataFrame({"sequence": sequences}).to_csv(tmp_path / "in.csv", index=False)
    script = (
        "import mlflow, pandas as pd, sys\n"
        f"mlflow.set_tracking_uri({logged.client.uri!r})\n"
        "m = mlflow.pyfunc.load_model('models:/bindgrid-SPI1@transfer')\n"
        "m.predict(pd.read_csv('in.csv')).to_csv('out.csv', index=False)\n"
        "for bad in ('ACGT', 'N' * 200):\n"
        "    try: m.predict(pd.DataFrame({'sequence': [bad]}))\n"
        "    except ValueError as error: print(error)\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('model', 'orchestrator')])\n"
    )
    (tmp_path / "model.py").write_text("raise SystemExit('a module of the user, not ours')")
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "row 0: the sequence is 4 bp; this network reads 200 bp"
    assert lines[1].startswith("row 0: 'N' at position 0 is none of A, C, G and T")
    assert lines[2] == "[]"
    network = load(find_run(store, "SPI1").path)
    strands = [predict(network, strand)[:, 0] for strand in (packed, reverse_complement(packed))]
    result = pd.read_csv(tmp_path / "out.csv")["probability"]
    np.testing.assert_allclose(result, np.mean(strands, axis=0), rtol=1e-5)


@pytest.mark.slow
def test_registering_again_makes_no_version_and_links_the_weights(logged):
    store = RunStore(logged.client.workspace)
    assert logged.models.register(store) == 0
    run = find_run(store, "SPI1")
    copies = list(logged.client.workspace.mlflow_artifacts.rglob("weights.safetensors"))
    assert len(copies) == 2
    assert any(copy.samefile(run.path / "weights.safetensors") for copy in copies)


def test_what_is_shipped_with_a_network_imports_no_more_of_its_package():
    names = {path.stem for path in shipped_files()}
    assert {"checkpoint", "encoding", "network", "__init__"} <= names
    assert "training" not in names


def store_network(
    workspace: Workspace, planned: PlannedRun, loss: float, mcc: float = 0.0
) -> StoredRun:
    with RunStore(workspace).writing(planned.key) as folder:
        (folder / RUN_FILE).write_text(to_json(run_record(planned)))
        (folder / METRICS_FILE).write_text(
            json.dumps(METRICS | {"best_val_loss": loss, "mcc": mcc})
        )
        (folder / "weights.safetensors").touch()
    return RunStore(workspace).open(planned.key)


def test_aliases_go_by_regions_and_validation_loss_and_never_by_test_regions(tmp_path):
    place = Workspace(tmp_path)
    few = store_network(place, planned_run("transfer", "A", 1, group="500 bound"), 0.1, mcc=0.9)
    worse = store_network(place, planned_run("transfer", "A", 1, group="all"), 0.5, mcc=0.8)
    better = store_network(place, planned_run("transfer", "A", 2, group="all"), 0.4, mcc=0.1)
    scratch = store_network(place, planned_run("scratch", "A", 1, group="all"), 0.45, mcc=0.7)
    diverged = store_network(place, planned_run("scratch", "A", 2, group="all"), float("nan"))
    chosen = chosen_runs([few, worse, better, scratch, diverged])
    keys = {alias: run.key for alias, run in chosen["A"].items()}
    assert keys == {"transfer": better.key, "scratch": scratch.key, "best": better.key}
    (better.path / "weights.safetensors").unlink()
    assert chosen_runs([few, worse, better, scratch])["A"]["best"].key == scratch.key


def test_controls_and_steps_of_a_learning_curve_are_no_models(tmp_path):
    place = Workspace(tmp_path)
    whole = store_network(place, planned_run("transfer", "A", 1, group="all"), 0.5)
    run = planned_run("transfer", "A", 1, group="1/2")
    sampling = replace(run.spec.regions.sampling, train_fraction=0.5)
    spec = replace(run.spec, regions=replace(run.spec.regions, sampling=sampling))
    step = store_network(place, replace(run, spec=spec), 0.1)
    control = store_network(
        place, in_role(planned_run("scratch", "A"), variant=RunVariant.TRANSFER_RATE), 0.1
    )
    chosen = chosen_runs([whole, step, control])
    assert {alias: run.key for alias, run in chosen["A"].items()} == {
        "transfer": whole.key,
        "best": whole.key,
    }


@pytest.mark.slow
def test_motifs_come_when_they_are_made_and_matches_once(logged, monkeypatch):
    from data.motifs import database as motif_database

    store = RunStore(logged.client.workspace)
    jaspar = motif_database.jaspar_database()
    few = replace(jaspar, motifs=jaspar.motifs[:60])
    asked: list[motif_database.Jaspar] = []

    def few_of(part: motif_database.Jaspar) -> motif_database.MotifDatabase:
        asked.append(part)
        return few

    monkeypatch.setattr(motif_database, "jaspar_database", few_of)
    run = find_run(store, "SPI1")
    folder = logged.client.workspace.motifs(run.key) / "conv1-mine"
    folder.mkdir(parents=True)
    (folder / "filters.csv").write_text("filter\n0\n")
    assert logged.motifs.log_motifs(store) == 1
    assert logged.motifs.log_motifs(store) == 0
    told: list[str] = []
    assert logged.motifs.log_matches(store, told.append) == 3
    assert logged.motifs.log_matches(store) == 0
    assert len(told) == 3
    assert asked == [motif_database.DEFAULT], "the part that the dataset was built with"
    transfer = mlflow_runs(logged)["SPI1 transfer r1"]
    assert transfer.data.tags["motifs"] == "conv1-mine"
    assert transfer.data.tags["filters_matched"].endswith(" of 100")
    client = logged.client.mlflow
    assert [file.path for file in client.list_artifacts(transfer.info.run_id, "motifs")] == [
        "motifs/conv1-mine"
    ]
    table = pd.read_csv(client.download_artifacts(transfer.info.run_id, "matches.csv"))
    assert len(table) == 100
    assert {"filter", "consensus", "match_name", "q_value", "orientation"} <= set(table)


@pytest.mark.slow
def test_views_are_made_once_and_a_note_of_the_user_stays(logged):
    experiment = logged.client.mlflow.get_experiment_by_name("transfer")
    envelope = json.loads(experiment.tags["mlflow.sharedViewState.bindgrid-runs"])
    assert json.loads(envelope["state"])["selectedColumns"] == list(COLUMNS)
    assert logged.views.links() == {"transfer": view_link(experiment.experiment_id, "runs")}
    logged.client.mlflow.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "mine")
    again = logged.client.mlflow.get_experiment(experiment.experiment_id)
    assert experiment_tags(again) == {}


@pytest.mark.slow
def test_a_rebuild_deletes_and_makes_models_too(logged):
    store = RunStore(logged.client.workspace)
    before = logged.client.mlflow.get_registered_model("bindgrid-SPI1")
    num_logged = len(mlflow_runs(logged))
    assert logged.forget(store) == num_logged
    assert logged.models._versions() == {}
    assert logged.sync(store) == num_logged
    after = logged.client.mlflow.get_registered_model("bindgrid-SPI1")
    assert set(after.aliases) == set(before.aliases)


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on the path: apt install chromium")
@pytest.mark.slow
def test_a_browser_reaches_transfer_beside_scratch_without_a_filter(logged, tmp_path):
    place = logged.client.workspace
    pair = find_pair(RunStore(place), "transfer", "SPI1")
    assert (pair.transfer, pair.scratch) == ("SPI1 transfer r1", "SPI1 scratch r1")
    with (
        mlflow_server(place, tracking_uri(place), "127.0.0.1", free_port()) as server,
        browser() as page,
    ):
        page.open(f"{server.url}/{logged.views.links()['transfer']}")
        show_runs(page, pair)
        shown = page.evaluate("[...document.querySelectorAll('.ag-row')].map(r => r.innerText)")
        names = [text for text in shown if pair.transfer in text or pair.scratch in text]
        assert len(names) == 2
        compare(page, pair)
        page.screenshot(tmp_path / "compare.png")
        text = page.evaluate("document.body.innerText")
    assert pair.transfer in text
    assert pair.scratch in text
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")
