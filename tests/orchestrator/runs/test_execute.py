import gzip
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from memelite.io import read_meme
from safetensors.numpy import load_file

from data.dataset.evidence_file import evidence_path, write_evidence
from data.dataset.sampling import Part, Sampling
from data.output import output_named
from experiments.study.pretraining import Pretraining
from experiments.study.study import Study
from experiments.study.trainings import MASKED_TRAINING, Trainings
from experiments.transfer.plan import transfer
from model.metrics import evaluate
from orchestrator.backends.local import run_plan
from orchestrator.errors import RunError
from orchestrator.plan import Plan
from orchestrator.runs import execute as execute_module
from orchestrator.runs.context import RunContext
from orchestrator.runs.execute import execute
from orchestrator.runs.filter_files import MEME_FILE, stored_filters
from orchestrator.runs.loaded_dataset import load_dataset, tfs_needed
from orchestrator.runs.progress import EpochNotes
from orchestrator.runs.results import COLUMNS, FORMATS, results_table, write_results
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace

ROOT = Path(__file__).parents[3]


def tiny_plan(
    workspace: Workspace,
    pretrain_tfs: tuple[str, ...] = ("ELF1", "GABPA"),
    epochs: tuple[int, int] = (2, 1),
) -> Plan:
    """One multi-model, and SPI1 in both arms; epochs of the multi- and the individual models."""
    study = Study(
        tfs=("SPI1",),
        pretrain_tfs=pretrain_tfs,
        trainings=Trainings().with_epochs(multi=epochs[0], individual=epochs[1]),
    )
    return Plan(transfer(load_dataset(workspace), study).runs)


def run(plan: Plan, workspace: Workspace) -> list[tuple[str, str]]:
    ended: list[tuple[str, str]] = []
    run_plan(plan, workspace, on_done=lambda o: ended.append((o.planned.name, o.status)))
    return ended


def contents(workspace: Workspace) -> dict[str, bytes]:
    """Bytes of all that a rerun must give again; times differ, a killed run's rest is no run."""
    return {
        str(path.relative_to(workspace.runs)): path.read_bytes()
        for path in workspace.runs.glob("[!.]*/*")
        if path.name in ("weights.safetensors", "predictions.parquet", "run.json")
    }


def test_a_plan_runs_once_and_a_rerun_does_nothing(workspace):
    plan = tiny_plan(workspace)
    names = ["multi-model 2 TFs r1", "SPI1 scratch r1", "SPI1 transfer r1"]
    assert run(plan, workspace) == [(name, "completed") for name in names]
    before = {p: p.stat().st_mtime_ns for p in workspace.runs.rglob("*")}
    assert run(plan, workspace) == []
    assert {p: p.stat().st_mtime_ns for p in workspace.runs.rglob("*")} == before


def test_the_same_plan_gives_the_same_bits(workspace, tmp_path):
    run(tiny_plan(workspace), workspace)
    other = Workspace(tmp_path / "other")
    other.root.mkdir()
    workspace.dataset.rename(other.dataset)
    run(tiny_plan(other), other)
    assert contents(other) == contents(workspace)
    assert len(contents(other)) == 9


def test_a_removed_run_is_the_only_one_run_again(workspace):
    plan = tiny_plan(workspace)
    run(plan, workspace)
    before = contents(workspace)
    scratch = next(r for r in plan if r.arm == "scratch")
    for path in workspace.run(scratch.key).iterdir():
        path.unlink()
    workspace.run(scratch.key).rmdir()
    assert run(plan, workspace) == [("SPI1 scratch r1", "completed")]
    assert contents(workspace) == before


def test_both_arms_have_the_same_regions_and_the_multi_model_saw_none_of_them(workspace):
    plan = tiny_plan(workspace)
    multi, scratch, transferred = plan
    loaded = load_dataset(workspace)
    assert scratch.spec.regions == transferred.spec.regions
    seen = set(loaded.select(multi.spec.regions).seen_in_training())
    assert seen
    assert not seen & set(loaded.select(scratch.spec.regions).region_ids)
    run(plan, workspace)
    metrics = RunStore(workspace).open(transferred.key).metrics
    assert metrics.num_test_regions_seen_in_pretraining == 0


def test_what_is_stored_agrees_with_itself(workspace):
    plan = tiny_plan(workspace)
    run(plan, workspace)
    stored = RunStore(workspace).open(plan.runs[1].key)
    assert stored.planned == plan.runs[1]
    predictions = pq.read_table(stored.path / "predictions.parquet")
    selection = load_dataset(workspace).select(plan.runs[1].spec.regions)
    test = selection.rows(Part.TEST)
    assert predictions["region_id"].to_pylist() == selection.region_ids[test].tolist()
    again = evaluate(
        predictions["label"].to_numpy().astype(np.float32), predictions["probability"].to_numpy()
    )
    assert stored.metrics.mcc == again.mcc
    assert stored.metrics.auroc == again.auroc
    assert [epoch.epoch for epoch in stored.history] == [1]
    assert stored.metrics.num_bound == (selection.labels[selection.part != Part.TEST] == 1).sum()


@pytest.mark.slow
@pytest.mark.usefixtures("papers_networks")
def test_a_transfer_starts_from_the_multi_models_hidden_layers(workspace):
    plan = tiny_plan(workspace, epochs=(1, 0))
    run(plan, workspace)
    multi, scratch, transferred = (
        load_file(workspace.run(r.key) / "weights.safetensors") for r in plan
    )
    hidden = [name for name in transferred if not name.startswith("output")]
    assert len(hidden) > 10
    assert all(np.array_equal(transferred[name], multi[name]) for name in hidden)
    conv = next(name for name in hidden if name.endswith("conv.weight"))
    assert not np.array_equal(scratch[conv], multi[conv])
    assert transferred["output.weight"].shape == (1, 1000)


def test_a_multi_model_is_scored_on_the_test_regions_of_a_tf_that_it_knows(workspace):
    plan = tiny_plan(workspace, pretrain_tfs=("ELF1", "SPI1"))
    run(plan, workspace)
    scored = next(r for r in plan if r.arm == "multi" and r.tf == "SPI1")
    scratch = next(r for r in plan if r.arm == "scratch")
    store = RunStore(workspace)
    assert store.open(scored.key).history == ()
    assert not (store.open(scored.key).path / "weights.safetensors").exists()
    scored_table, scratch_table = (
        pq.read_table(store.open(r.key).path / "predictions.parquet") for r in (scored, scratch)
    )
    assert scored_table["region_id"].equals(scratch_table["region_id"])
    assert scored_table["label"].equals(scratch_table["label"])


@pytest.mark.parametrize("split", ["random", "chromosome"])
def test_a_masked_multi_model_learns_from_regions_that_others_of_its_tfs_lack(workspace, split):
    sampling = Sampling(held_back=0.4)
    if split == "chromosome":
        sampling = Sampling(split="chromosome", val_chroms=("chr2",), test_chroms=("chr3",))
    trainings = Trainings(multi=MASKED_TRAINING).with_epochs(multi=2, individual=1)
    study = Study(
        tfs=("GABPA",),
        pretrain_tfs=None,
        pretraining=Pretraining(rows="resolved", leave_out=("GABPA",)),
        sampling=sampling,
        trainings=trainings,
    )
    if split == "chromosome":  # GABPA is resolved on the first two
        study = study.about(("SPI1",))
    plan = Plan(transfer(load_dataset(workspace), study).runs)
    assert [status for _, status in run(plan, workspace)] == ["completed"] * len(plan)
    multi, *individual = plan
    assert multi.spec.regions.tfs == ("SPI1", "ELF1")
    stored = RunStore(workspace).open(multi.key)
    assert stored.planned == multi
    selection = load_dataset(workspace).select(multi.spec.regions)
    assert len(selection.region_ids) == 400
    table = pq.read_table(stored.path / "predictions.parquet").to_pandas()
    test = selection.rows(Part.TEST)
    resolved = selection.labels[test] >= 0
    assert len(table) == resolved.sum() < resolved.size
    for column, tf in enumerate(("SPI1", "ELF1")):
        mine = table[table["tf"] == tf]
        ids = selection.region_ids[test][resolved[:, column]]
        assert mine["region_id"].tolist() == ids.tolist()
        assert (
            mine["label"].tolist() == selection.labels[test][resolved[:, column], column].tolist()
        )
        if len(mine):
            again = evaluate(mine["label"].to_numpy(np.int8), mine["probability"].to_numpy())
            assert stored.metrics.per_tf[tf].mcc == pytest.approx(again.mcc, nan_ok=True)
    for one in individual:
        counts = RunStore(workspace).open(one.key).metrics
        assert counts.num_test_regions_seen_in_pretraining == 0


def test_a_failed_run_is_written_down_and_blocks_only_what_needs_it(workspace, monkeypatch):
    plan = tiny_plan(workspace)
    real = execute_module.train

    def failing(network, *args, **kwargs):
        if network.config.num_tfs == 2:
            raise MemoryError("no memory\nat all")
        return real(network, *args, **kwargs)

    monkeypatch.setattr(execute_module, "train", failing)
    assert sorted(run(plan, workspace)) == [
        ("SPI1 scratch r1", "completed"),
        ("SPI1 transfer r1", "blocked"),
        ("multi-model 2 TFs r1", "failed"),
    ]
    record = json.loads(workspace.failure(plan.runs[0].key).read_text())
    assert record["error"] == "MemoryError: no memory"
    assert record["traceback"][0].startswith("Traceback")
    monkeypatch.undo()
    assert sorted(run(plan, workspace)) == [
        ("SPI1 transfer r1", "completed"),
        ("multi-model 2 TFs r1", "completed"),
    ]
    assert not workspace.failure(plan.runs[0].key).exists()


@pytest.mark.slow
@pytest.mark.usefixtures("papers_networks")  # the process that is killed has them
def test_a_kill_loses_at_most_the_run_being_trained(workspace):
    undisturbed = Workspace(workspace.root.with_name("undisturbed"))
    undisturbed.root.mkdir()
    (undisturbed.root / "dataset").symlink_to(workspace.dataset)
    plan = tiny_plan(workspace)
    run(tiny_plan(undisturbed), undisturbed)

    script = (
        "import sys, time; from pathlib import Path\n"
        "from orchestrator.workspace import Workspace\n"
        "from tests.orchestrator.runs.test_execute import tiny_plan, run\n"
        "from dataclasses import replace\n"
        "from orchestrator.runs import execute\n"
        "real = execute.train\n"
        "def slow(*a, context, **k):\n"
        "    context = replace(context, on_epoch=lambda e: time.sleep(1))\n"
        "    return real(*a, context=context, **k)\n"
        "execute.train = slow\n"
        "w = Workspace(Path(sys.argv[1])); run(tiny_plan(w), w)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(workspace.root)], cwd=ROOT)
    first = workspace.run(plan.runs[0].key)
    while not first.is_dir() and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    complete = [r.key for r in RunStore(workspace).completed()]
    assert plan.runs[0].key in complete
    assert len(complete) < 3
    assert len(run(plan, workspace)) == 3 - len(complete)
    assert contents(workspace) == contents(undisturbed)


def test_a_dataset_that_changed_under_a_plan_is_noticed(workspace):
    plan = tiny_plan(workspace)
    loaded = load_dataset(workspace)
    codes = loaded.dataset.evidence(["SPI1"])[:, 0]
    write_evidence(evidence_path(workspace.dataset, "SPI1"), codes[::-1].copy())
    os.utime(workspace.dataset / "manifest.json")
    with pytest.raises(RunError, match="has changed since this run was planned"):
        execute(plan.runs[1], RunContext(workspace=workspace))


def test_shared_tables_are_used_as_they_lie_and_give_the_same_regions(workspace):
    plan = tiny_plan(workspace)
    tables = load_dataset(workspace).share(tfs_needed(plan.runs[2].spec))
    assert {tf for tf, _ in tables.evidence} == {"ELF1", "GABPA", "SPI1"}
    assert tables.num_bytes == 400 * (50 + 1 + 2 + 3 * 4) + 3 * 400
    loaded = load_dataset(workspace, tables)
    assert loaded is load_dataset(workspace, tables) is not load_dataset(workspace)
    assert loaded.regions is tables.regions
    assert all(loaded.column(tf) is codes for (tf, _), codes in tables.evidence.items())
    for run in plan:
        one, two = (x.select(run.spec.regions) for x in (loaded, load_dataset(workspace)))
        assert np.array_equal(one.region_ids, two.region_ids)
        assert np.array_equal(one.labels, two.labels)
        assert np.array_equal(one.part, two.part)


def test_shared_tables_that_are_no_longer_the_datasets_are_not_used(workspace):
    plan = tiny_plan(workspace)
    tables = load_dataset(workspace).share(["SPI1", "GABPA", "no such TF"])
    assert {tf for tf, _ in tables.evidence} == {"SPI1", "GABPA"}
    codes = load_dataset(workspace).column("SPI1")
    write_evidence(evidence_path(workspace.dataset, "SPI1"), codes[::-1].copy())
    loaded = load_dataset(workspace, tables)
    assert np.array_equal(loaded.column("SPI1"), codes[::-1])
    assert np.array_equal(loaded.column("ELF1"), load_dataset(workspace).column("ELF1"))
    with pytest.raises(RunError, match="has changed since this run was planned"):
        execute(plan.runs[1], RunContext(workspace=workspace, tables=tables))
    other = replace(tables, regions_fingerprint="another")
    assert load_dataset(workspace, other).regions is not tables.regions


def test_results_have_a_row_per_run(workspace, tmp_path):
    plan = tiny_plan(workspace)
    run(plan, workspace)
    table = results_table(RunStore(workspace))
    assert tuple(table.columns) == COLUMNS
    assert set(table["key"]) == {r.key for r in plan}
    assert table["arm"].tolist() == ["multi", "scratch", "transfer"]
    write_results(table, output_named(tmp_path / "t.parquet", FORMATS))
    assert pq.read_table(tmp_path / "t.parquet").num_rows == 3
    write_results(table, output_named(tmp_path / "t.csv", FORMATS))
    assert (tmp_path / "t.csv").read_text().startswith("key,experiment,tf,target,arm")
    write_results(table, output_named(tmp_path / "t.tsv.gz", FORMATS))
    with gzip.open(tmp_path / "t.tsv.gz", "rt") as file:
        assert file.read() == (tmp_path / "t.csv").read_text().replace(",", "\t")


def test_a_trained_run_has_the_pwms_of_its_filters(workspace):
    plan = tiny_plan(workspace)
    run(plan, workspace)
    multi = RunStore(workspace).open(plan.runs[0].key).path
    filters = stored_filters(multi)
    predictions = pq.read_table(multi / "predictions.parquet").to_pandas()
    right = (predictions.probability >= 0.5) == (predictions.label == 1)
    assert filters.num_scanned == right.groupby(predictions.region_id).all().sum() > 0
    assert (filters.counts.sum(axis=1) == filters.num_subsequences[:, None]).all()
    motifs = read_meme(str(multi / MEME_FILE))
    assert len(motifs) == (filters.num_subsequences > 0).sum() > 0
    first = int(np.flatnonzero(filters.num_subsequences)[0])
    [name] = [name for name in motifs if name.split()[0] == f"filter{first}"]
    np.testing.assert_allclose(motifs[name], filters.frequencies[first], atol=1e-5)


def test_each_epoch_is_noted_while_a_run_trains_and_the_note_goes_with_it(workspace):
    plan = tiny_plan(workspace)
    notes, read = EpochNotes(workspace), []
    context = RunContext(workspace=workspace, on_epoch=lambda epoch: read.append(notes.read()))
    execute(plan.runs[0], context)
    assert [[(n.name, n.epoch, n.max_epochs) for n in moment] for moment in read] == [
        [("multi-model 2 TFs r1", 1, 2)],
        [("multi-model 2 TFs r1", 2, 2)],
    ]
    assert notes.read() == []
