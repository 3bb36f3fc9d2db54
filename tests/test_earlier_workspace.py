"""A workspace of an earlier bindgrid opens as before; see `tests/fixtures/README.md`."""

import csv
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.dataset.store import Dataset
from data.own_tf.record import added_motif
from experiments.study import specs, study
from model.network_config import published
from orchestrator.backends.precision import settle
from orchestrator.errors import RunError
from orchestrator.interpretation.run_motifs import StoredMotifs
from orchestrator.prediction.predictors import find_predictor, open_model
from orchestrator.runs.filter_files import stored_filters
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore
from orchestrator.verdict.stored import stored_cards
from orchestrator.workspace import Workspace

ARCHIVE = Path(__file__).parent / "fixtures" / "workspace_36e0cc0.tar.xz"
NUM_RUNS = 12


@pytest.fixture
def earlier(tmp_path: Path) -> Workspace:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return Workspace(tmp_path / "w")


def test_the_table_of_results_is_what_that_code_wrote(bindgrid: Any, earlier: Workspace) -> None:
    made, now = earlier.root.parent / "made" / "results.csv", earlier.root / "now.csv"
    code, _, err = bindgrid("results", now, "-w", earlier.root)
    assert code == 0, err
    before, after = (list(csv.DictReader(path.read_text().splitlines())) for path in (made, now))
    assert len(after) == len(before) == NUM_RUNS
    columns = before[0].keys()
    assert columns <= after[0].keys()
    by_key = {(row["key"], row["experiment"], row["group"]): row for row in after}
    for row in before:
        same = by_key[row["key"], row["experiment"], row["group"]]
        assert {name: same[name] for name in columns} == row


def test_predictions_are_those_of_that_code(bindgrid: Any, earlier: Workspace) -> None:
    place = earlier.root.parent
    for name, of in (("SPI1", "SPI1"), ("MINE", "MINE"), ("mine-imported", "MINE")):
        out = place / "now.tsv"
        arguments = (name, "--fasta", place / "sources" / "regions.fa", "--out", out)
        code, _, err = bindgrid("predict", *arguments, "-w", earlier.root)
        assert code == 0, err
        before, now = ((place / path).read_text() for path in (f"made/{of}.tsv", "now.tsv"))
        for line, other in zip(before.splitlines()[1:], now.splitlines()[1:], strict=True):
            expected, found = line.split("\t"), other.split("\t")
            assert found[0] == expected[0]
            assert float(found[1]) == pytest.approx(float(expected[1]), rel=1e-3)


def test_tfs_are_listed_as_that_code_listed_them(bindgrid: Any, earlier: Workspace) -> None:
    code, out, err = bindgrid("tf", "list", "-w", earlier.root)
    assert code == 0, err

    def rows(text: str) -> list[list[str]]:
        lines = [line for line in text.splitlines() if line.startswith("│")]
        return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]

    assert len(rows(out)) >= 4
    assert "".join(map("".join, rows(out))) == "".join(
        map("".join, rows((earlier.root.parent / "made" / "tf-list.txt").read_text()))
    )


def test_records_of_the_dataset_and_of_an_added_tf_are_read(earlier: Workspace) -> None:
    dataset = Dataset.open(earlier.dataset)
    assert [source.file for source in dataset.manifest.sources] == ["/workspace/sources/genome.fa"]
    assert dataset.manifest.dropped == {"peaks: duplicates": 2}
    added = dataset.summary("MINE").added
    assert added is not None
    assert (added.biosamples, added.sites, added.matrix_id) == (("K562",), "predicted", "MA0080.5")
    motif = added_motif(dataset, "MINE")
    assert motif is not None and added.motif is not None
    assert motif.digest == added.motif.hash


@pytest.mark.slow
def test_every_run_is_read_and_none_is_run_again(
    bindgrid: Any, earlier: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = RunStore(earlier).completed()
    assert {run.planned.arm for run in runs} == {"multi", "scratch", "transfer", "motif"}
    assert {run.planned.spec.training is None for run in runs} == {True, False}
    for run in runs:
        assert run.metrics.per_tf.keys() == set(run.planned.spec.regions.tfs)
        assert [epoch.epoch for epoch in run.history] == list(range(1, len(run.history) + 1))
        if (run.path / "filters.json").exists():
            assert stored_filters(run.path).counts.shape == (8, 4, 19)
    small: dict[str, Any] = {"conv_filters": (8, 8, 8), "dense_units": (16, 16)}
    for module in (specs, study):
        monkeypatch.setattr(
            module, "published", lambda *a, **k: replace(published(*a, **k), **small)
        )
    words = "run transfer --backend local --pretrain-tfs ELF1,SPI1 --tfs SPI1 --pretrain-epochs 2"
    code, _, err = bindgrid(*words.split(), "--epochs", 1, "--replicates", 1, "-w", earlier.root)
    assert code == 0, err
    assert "4 runs, 4 complete already" in err
    assert len(RunStore(earlier).completed()) == NUM_RUNS


def test_failures_remarks_verdicts_motifs_and_models_are_read(earlier: Workspace) -> None:
    store = RunStore(earlier)
    [failed] = [run for run in store.unfinished() if run.error]
    assert failed.error == "ValueError: made to fail"
    assert "transfer" in store.remarks()
    [card] = stored_cards(earlier)
    assert (card.tf, card.content.numbers.num_replicates) == ("MINE", 1)
    [folder] = earlier.motifs(find_run(store, "SPI1").key).iterdir()
    motifs = StoredMotifs(folder)
    assert motifs.info.database == "JASPAR2020 CORE vertebrates"
    assert len(motifs.table) == len(motifs.motifs.counts) == 8
    imported, exported = (
        find_predictor(earlier, "mine-imported"),
        open_model(earlier.root.parent / "exported"),
    )
    assert imported.about == exported.about
    assert imported.replicates[0].metrics == exported.replicates[0].metrics
    ours = find_predictor(earlier, "MINE")
    assert ours.replicates[0].calibration == exported.replicates[0].calibration
    assert ours.replicates[0].metrics == exported.replicates[0].metrics
    assert ours.about == exported.about


@pytest.mark.slow
def test_mlflow_shows_all_of_it(bindgrid: Any, earlier: Workspace) -> None:
    code, out, err = bindgrid("mlflow", "sync", "-w", earlier.root)
    assert code == 0, err
    assert str(NUM_RUNS) in out + err


FAULTS = [
    ("dataset/manifest.json", "regions_fingerprint", ["data", "show"]),
    ("runs/{key}/metrics.json", "mcc", ["results"]),
    ("motifs/{key}/conv1-jaspar2020/filters.json", "database", ["motifs", "SPI1"]),
    ("models/mine-imported/model.json", "about", ["export", "mine-imported", "{folder}/new"]),
    ("calibration/{mine}-MINE.json", "slope", ["export", "MINE", "{folder}/new"]),
]


@pytest.mark.parametrize(("name", "field", "command"), FAULTS)
@pytest.mark.parametrize("fault", ["wrong type", "unknown field", "damaged"])
def test_a_record_that_cannot_be_read_is_one_line_with_file_field_and_remedy(
    bindgrid: Any, earlier: Workspace, name: str, field: str, command: list[str], fault: str
) -> None:
    store = RunStore(earlier)
    keys = {"key": find_run(store, "SPI1").key, "mine": find_run(store, "MINE").key}
    path = earlier.root / name.format(**keys)
    content = json.loads(path.read_text())
    told = "no JSON"
    if fault == "wrong type":
        content[field] = ["x"]
        told = "should be"
    elif fault == "unknown field":
        content["strange"] = 1
        told = "unknown field strange"
    path.write_text("{" if fault == "damaged" else json.dumps(content))
    words = [word.format(folder=earlier.root) for word in command]
    code, _, err = bindgrid(*words, "-w", earlier.root)
    complaint = " ".join(err[err.index("bindgrid: ") :].split())
    assert code == 2
    assert told in complaint
    assert name.rpartition("/")[2] in complaint.replace(" ", "") or path.name in complaint
    assert any(remedy in complaint for remedy in ("again", "remove", "update"))


@pytest.mark.parametrize("fault", ["{", '{"strange": 1}', '[{"epoch": "1"}]'])
def test_a_history_a_verdict_or_a_precision_that_cannot_be_read_names_the_file(
    earlier: Workspace, fault: str
) -> None:
    run = find_run(RunStore(earlier), "SPI1")
    (run.path / "history.json").write_text(fault)
    (earlier.cards / "MINE.json").write_text(fault)
    earlier.precision.write_text(fault)
    with pytest.raises(RunError, match=r"precision\.json: cannot be read.*remove it"):
        settle(earlier)
    with pytest.raises(RunError, match=r"history\.json: damaged.*run again"):
        _ = run.history
    with pytest.raises(RunError, match=r"MINE\.json: damaged.*remove it"):
        list(stored_cards(earlier))


def test_records_of_a_newer_bindgrid_ask_for_an_update(earlier: Workspace) -> None:
    path = earlier.model("mine-imported") / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 9, "more": {}}))
    with pytest.raises(RunError, match="version 9, this bindgrid reads up to 1; update"):
        open_model(path.parent)
