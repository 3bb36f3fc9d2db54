import json
import tempfile
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from data.dataset.store import Dataset
from data.temporary import LOCK
from experiments.cli.console import complain
from experiments.cli.options.backend import BackendOptions, DeviceOptions
from experiments.cli.options.choices import Backend, Device
from model.checkpoint import load_state
from model.network_config import published
from orchestrator.backends.cost import Rates
from orchestrator.role_names import set_name
from orchestrator.runs.store import RunStore
from tests.helpers.tiny import TinySources, build_arguments


@pytest.fixture
def no_calibration(monkeypatch):
    """Take a machine of known speed: measuring starts processes."""
    rates = Rates(train=1000.0, predict=3000.0)
    monkeypatch.setattr("orchestrator.backends.cost.calibrate", lambda *_: rates)


TRANSFER = ["run", "transfer", "--backend", "local", "--pretrain-tfs", "ELF1,GABPA"]
SHORT = ["--pretrain-epochs", "1", "--epochs", "1", "--tfs", "SPI1"]


def test_the_server_may_be_named_by_an_option_which_takes_no_password(
    bindgrid, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "set, so that it is put back")
    code, _, err = bindgrid("--tracking-uri", "http://127.0.0.1:1", "ui", "-w", tmp_path)
    assert code == 2
    assert "open http://127.0.0.1:1" in err
    code, _, err = bindgrid("--tracking-uri", "http://me:s3cret@127.0.0.1:1", "ui", "-w", tmp_path)
    assert code == 2
    assert "set MLFLOW_TRACKING_URI instead" in err
    assert "s3cret" not in err


def test_build_show_export(bindgrid, tmp_path):
    sources, place = TinySources().write(tmp_path / "sources"), tmp_path / "w"
    code, out, _ = bindgrid("data", "build", *build_arguments(sources), "-w", place)
    assert code == 0
    assert "4 regions, 2 TFs" in out
    code, out, _ = bindgrid("data", "show", "-w", place)
    assert code == 0
    assert all(word in out for word in ("SPI1", "MAX", "chr1 3", "chr2 1", "dhs.bed", "GC"))
    assert "labels: bound by peaks and sites" in out
    code, out, _ = bindgrid("data", "show", "--tf", "SPI1", "-w", place)
    assert "SPI1" in out
    assert "MAX" not in out
    code, _, _ = bindgrid("data", "export", tmp_path / "e.parquet", "-w", place)
    table = pq.read_table(tmp_path / "e.parquet")
    assert table.column_names == ["chrom", "start", "end", "MAX", "SPI1"]
    assert str(table.schema.field("SPI1").type) == "uint8"
    assert table["SPI1"].to_pylist() == [4, 1, 1, 2]


def test_a_build_without_the_regions_of_a_blacklist_and_one_that_nothing_overlaps(
    bindgrid, tmp_path
):
    sources = TinySources().write(tmp_path / "sources")
    blacklist, other = tmp_path / "blacklist.bed", tmp_path / "other.bed"
    blacklist.write_text("chr1\t1000\t1010\n")
    other.write_text("chr1\t2000\t2010\n")
    sources = replace(sources, exclude=(blacklist, other))
    arguments = [*build_arguments(sources), "--left-out", tmp_path / "odd.tsv"]
    code, out, err = bindgrid("data", "build", *arguments, "-w", tmp_path / "w")
    assert code == 0
    assert "3 regions, 2 TFs" in out
    assert "DHSs: overlapping a region of --exclude: 1" in out
    assert f"{other}: nothing that was read overlaps it" in err
    assert f"{blacklist}: nothing" not in err
    assert "dhs.bed\t2\toverlapping a region of --exclude" in (tmp_path / "odd.tsv").read_text()


def test_a_build_by_a_table_of_aliases_says_what_was_taken_for_what(bindgrid, tmp_path):
    tiny = TinySources()
    tiny.dhs = [row.replace("chr", "NC_") for row in tiny.dhs]
    alias = tmp_path / "chromAlias.txt"
    alias.write_text("# ucsc\trefseq\nchr1\tNC_1\nchr2\tNC_2\n")
    sources = replace(tiny.write(tmp_path / "sources"), chrom_alias=alias)
    code, out, err = bindgrid("data", "build", *build_arguments(sources), "-w", tmp_path / "w")
    assert code == 0
    assert "4 regions, 2 TFs" in out
    told = [line for line in err.splitlines() if "is taken for" in line]
    assert told == [
        f"{sources.dhs}: chromosome 'NC_1' is taken for 'chr1' of the genome (names: 2); "
        "both must be of the same assembly"
    ]
    sources = replace(sources, chrom_alias=None)
    code, out, err = bindgrid("data", "build", *build_arguments(sources), "-w", tmp_path / "x")
    assert code == 2
    assert "--chrom-alias" in err.splitlines()[-1]


def test_a_bad_file_is_one_line_and_exit_code_2_and_leaves_nothing(bindgrid, tmp_path):
    tiny = TinySources()
    tiny.peaks[1] = "chr2\t650\t550\tE2.SPI1.HepG2\t9\t.\t600\t601\t0"
    sources, place = tiny.write(tmp_path / "sources"), tmp_path / "w"
    code, out, err = bindgrid("data", "build", *build_arguments(sources), "-w", place)
    assert code == 2
    assert out == ""
    complaint = err.splitlines()[-1]
    assert complaint.startswith("bindgrid: ")
    assert "peaks.bed: row 2: " in complaint
    assert not place.exists()


def test_rows_that_stop_a_command_are_written_where_left_out_says(bindgrid, tmp_path):
    tiny = TinySources()
    tiny.peaks += ["chr2\t9000\t9100\tE2.SPI1.HepG2\t9\t.\t9050\t9051\t0"] * 12
    sources, table = tiny.write(tmp_path / "sources"), tmp_path / "odd.tsv"
    words = ["data", "build", *build_arguments(sources), "-w", tmp_path / "w"]
    code, _, err = bindgrid(*words, "--left-out", table)
    assert code == 2
    assert "12 of 14 intervals reach beyond their chromosome" in err
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert rows[0] == ["file", "row", "reason"]
    assert [row[1] for row in rows[1:]] == [str(number) for number in range(3, 15)]
    code, _, err = bindgrid(*words, "--left-out", tmp_path / "no" / "odd.tsv")
    assert (code, "odd.tsv: cannot be written (there is no folder" in err) == (2, True)


def test_escape_codes_in_names_are_shown_and_not_obeyed(bindgrid, tmp_path):
    tiny = TinySources()
    tiny.experiments[1] = "E1\tSPI1\tK\x1b[31m562\u202e"
    sources = tiny.write(tmp_path / "so\x1burces")
    code, _, err = bindgrid("data", "build", *build_arguments(sources), "-w", tmp_path / "w")
    assert code == 2
    assert r"so\x1burces" in err
    assert r"K\x1b[31m562\u202e" in err.replace("\\\\", "\\")
    assert err.replace("\n", "").isprintable()


def test_the_workspace_comes_from_the_environment(bindgrid, workspace, monkeypatch):
    monkeypatch.setenv("BINDGRID_WORKSPACE", str(workspace.root))
    code, out, _ = bindgrid("data", "show")
    assert code == 0
    assert "400 regions" in out


@pytest.mark.slow
def test_run_results_and_rerun(bindgrid, workspace, tmp_path, monkeypatch):
    arguments = [*TRANSFER, *SHORT, "-w", workspace.root]
    code, out, err = bindgrid(*arguments)
    assert code == 0, err
    assert "SPI1" in out
    assert "3 runs, 0 complete already" in err
    # nothing is left to do: no backend is asked for, with all that it imports
    monkeypatch.setattr(BackendOptions, "run_plan", lambda _: pytest.fail("a backend"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "bg-ray-of-a-killed-driver"
    left.mkdir()
    (left / LOCK).touch()
    code, _, err = bindgrid(*arguments)
    assert code == 0
    assert "3 runs, 3 complete already" in err
    assert not left.exists()
    code, _, _ = bindgrid("results", tmp_path / "r.csv", "-w", workspace.root)
    assert code == 0
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 4
    code, out, _ = bindgrid("results", "-w", workspace.root)
    assert all(arm in out for arm in ("scratch", "transfer", "multi"))
    assert workspace.mlflow_db.is_file()


def test_a_dry_run_prints_the_plan_and_runs_nothing(bindgrid, workspace, no_calibration):
    code, out, _ = bindgrid(*TRANSFER, *SHORT, "--dry-run", "--json", "-w", workspace.root)
    assert code == 0
    plan = json.loads(out)
    assert plan["estimated_hours"] > 0
    runs = plan["runs"]
    assert runs[1].keys() >= {"experiment", "target", "group", "with_target", "replicate"}
    assert [(r["arm"], r["tf"]) for r in runs] == [
        ("multi", ""),
        ("scratch", "SPI1"),
        ("transfer", "SPI1"),
    ]
    assert runs[2]["needs"] == [runs[0]["key"]]
    assert not workspace.runs.exists()
    code, out, _ = bindgrid(*TRANSFER, *SHORT, "--dry-run", "-w", workspace.root)
    assert "3 runs, of which 1 multi-model; 0 are complete, the rest takes about " in out
    assert " second" in out
    assert "here, one after the other (1,000 sequences" in out


def test_a_dry_run_of_a_complete_plan_measures_nothing(bindgrid, workspace, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise AssertionError("nothing is left to be measured")

    monkeypatch.setattr("orchestrator.backends.cost.calibrate", refuse)
    monkeypatch.setattr(RunStore, "is_complete", lambda own, key: True)
    code, out, err = bindgrid(*TRANSFER, *SHORT, "--dry-run", "-w", workspace.root)
    assert code == 0, err
    assert "3 runs, of which 1 multi-model; 3 are complete" in out
    code, out, _ = bindgrid(*TRANSFER, *SHORT, "--dry-run", "--json", "-w", workspace.root)
    assert json.loads(out)["estimated_hours"] == 0


def test_openness_cannot_be_matched_where_nothing_is_known_of_it(bindgrid, workspace):
    code, _, err = bindgrid(*TRANSFER, *SHORT, "--match-openness", "-w", workspace.root)
    assert code == 2
    complaint = err.splitlines()[-1]
    assert "--match-openness" in complaint
    assert "does not say in which biosamples regions are open" in complaint
    assert not workspace.runs.exists()


@pytest.mark.slow
def test_another_network_with_frozen_layers_end_to_end(bindgrid, workspace, monkeypatch):
    small: dict[str, Any] = {"conv_filters": (8,), "lstm_units": (4, 4), "dense_units": (6,)}
    monkeypatch.setattr(
        "experiments.study.specs.published", lambda *a, **k: replace(published(*a, **k), **small)
    )
    arguments = [*TRANSFER, *SHORT, "--network", "danq", "-w", workspace.root]
    code, _, err = bindgrid(*arguments, "--freeze", "conv", "--replicates", "1")
    assert code == 0, err
    runs = {run.planned.arm: run for run in RunStore(workspace).completed()}
    assert {run.planned.spec.network.name for run in runs.values()} == {"danq"}
    trainings = {arm: run.planned.spec.training for arm, run in runs.items()}
    frozen = {arm: training.frozen for arm, training in trainings.items() if training}
    assert frozen == {"multi": (), "scratch": (), "transfer": ("conv1",)}
    assert set_name(runs["transfer"].planned.role) == "ELF1+GABPA, danq"
    before, after = (load_state(runs[arm].path) for arm in ("multi", "transfer"))
    assert torch.equal(after["conv1.conv.weight"], before["conv1.conv.weight"])
    key = "lstm1.lstm.weight_ih_l0"
    assert not torch.equal(after[key], before[key])
    code, out, err = bindgrid("motifs", "SPI1", "-w", workspace.root)
    assert code == 0, err
    assert "of 8 filters match" in out
    code, _, err = bindgrid("explain", "SPI1", "--regions", "top:2", "-w", workspace.root)
    assert (code, "choose in-silico mutagenesis (method mutagenesis)" in err) == (2, True)
    arguments = ["explain", "SPI1", "--regions", "top:2", "--method", "mutagenesis"]
    code, _, err = bindgrid(*arguments, "-w", workspace.root)
    assert code == 0, err


def test_a_dry_run_of_danq_is_measured_on_danq(bindgrid, workspace, monkeypatch):
    measured: list[str] = []

    def calibrate(num_workers: int, precision: str, network: str) -> Rates:
        measured.append(network)
        return Rates(train=1.0, predict=3.0)

    monkeypatch.setattr("orchestrator.backends.cost.calibrate", calibrate)
    bindgrid(*TRANSFER, *SHORT, "--network", "danq", "--dry-run", "-w", workspace.root)
    assert measured == ["danq"]


@pytest.mark.slow
def test_a_plan_stops_when_its_time_is_over_and_goes_on_later(bindgrid, workspace):
    arguments = [*TRANSFER, *SHORT, "-w", workspace.root]
    code, _, err = bindgrid(*arguments, "--stop-after", "1e-9")
    assert code == 0, err
    assert "stopped after 1e-09 hours with 3 of 3 runs to do" in err.splitlines()[-1]
    code, _, err = bindgrid(*arguments)
    assert code == 0
    assert "stopped" not in err


@pytest.mark.slow
def test_experiments_can_be_run_together(bindgrid, workspace, no_calibration):
    both = ["run", "transfer", "downsampling", *TRANSFER[2:], *SHORT, "--sizes", "all"]
    code, out, _ = bindgrid(*both, "--replicates", "1", "--dry-run", "--json", "-w", workspace.root)
    assert code == 0
    runs = json.loads(out)["runs"]
    assert [run["experiments"] for run in runs] == [["transfer", "downsampling"]] * 3
    code, out, _ = bindgrid(*both, "--replicates", "1", "-w", workspace.root)
    assert code == 0
    assert all(name in out for name in ("transfer", "downsampling"))


def test_by_default_every_tf_of_the_multi_model_is_a_target_if_it_has_the_regions(
    bindgrid, workspace, no_calibration
):
    code, out, err = bindgrid(*TRANSFER, "--dry-run", "--json", "-w", workspace.root)
    assert code == 0
    # the multi-model has seen nearly all the regions that are resolved for ELF1 and GABPA
    assert [r["arm"] for r in json.loads(out)["runs"]] == ["multi"]
    assert "left out ELF1: ELF1 has" in err


MASKED = ["run", "transfer", "--backend", "local", "--pretrain", "masked", "--min-bound", "20"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "tfs", "name"),
    [
        ([], ["SPI1", "ELF1"], "all TFs, masked, without GABPA"),
        (["--leave-out", "none", "--pretrain-tfs", "2"], ["SPI1", "ELF1"], "2 most resolved TFs"),
        (["--leave-out", "SPI1", "--hold-back", "0.5"], ["ELF1", "GABPA"], "without SPI1"),
        (
            [
                *("--pretrain", "complete", "--leave-out", "GABPA"),
                *("--pretrain-tfs", "all", "--hold-back", "0.5"),
            ],
            ["SPI1", "ELF1"],
            "all TFs, without GABPA",
        ),
    ],
)
def test_a_multi_model_is_masked_and_knows_no_target(
    bindgrid, workspace, no_calibration, arguments, tfs, name
):
    table = workspace.root / "modes.tsv"
    table.write_text("tf\tmode\nELF1\ta\nGABPA\tb\nSPI1\tc\n")
    arguments = [*MASKED, "--tfs", "GABPA", "--modes", table, *arguments]
    code, _, err = bindgrid(*arguments, *SHORT[:4], "-w", workspace.root)
    assert code == 0, err
    multi = next(run for run in RunStore(workspace).completed() if not run.planned.tf)
    assert list(multi.planned.spec.regions.tfs) == tfs
    assert name in set_name(multi.planned.role)


def test_a_mode_is_left_out_with_its_tf(bindgrid, workspace):
    # all three are of one mode
    code, _, err = bindgrid(*MASKED, "--tfs", "GABPA", "--leave-out-mode", "-w", workspace.root)
    assert code == 2
    assert "no TF is left to pre-train on" in err
    assert "without GABPA and the binding modes of GABPA" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--leave-out-mode"], ["--leave-out-mode: no TF is left out"]),
        (["--motif"], ["--motif needs a masked multi-model; pass --pretrain masked too"]),
        (["--leave-out", "YY1"], ["no TF named 'YY1'"]),
        (["--leave-out", "ELF1,GABPA"], ["no TF is left to pre-train on without ELF1, GABPA"]),
        (["--hold-back", "0.95"], ["held_back is 0.95", "below 0.9"]),
        (["--hold-back", "0.3", "--split", "chromosome"], ["holds chromosomes back"]),
        (["--min-bound", "-1"], ["min_bound is -1"]),
        (["--tfs", "SPI"], ["no TF named 'SPI'", "near: SPI1"]),
        (["--pretrain-tfs", "9"], ["has 3 TFs, 9 are to be pre-trained on"]),
        (["--pretrain-tfs", "ELF1,YY1"], ["no TF named 'YY1'"]),
        (["--sample", "5000", "--tfs", "SPI1"], ["SPI1 has", "5000 are needed"]),
        (["--sample", "3"], ["at least 10"]),
        (["--sizes", "all,some"], ["--sizes", "'some'"]),
        (["--set-regions", "2"], ["max_multi_regions is 2"]),
        (["--stop-after", "0"], ["--stop-after is 0"]),
        (["--json"], ["pass --dry-run"]),
        (["--string", "none.tsv"], ["none.tsv"]),
        (["--fine-tuning", "none.json"], ["none.json"]),
        (["--tfs", "SPI1", "--pretrain-workers", "2"], ["--pretrain-workers needs Ray"]),
        (["--device", "gpu"], ["finds no GPU on this machine", "--device cpu"]),
        (["--device", "gpu", "--backend", "ray"], ["finds no GPU on this machine"]),
        (["--device", "gpu", "--precision", "auto"], ["finds no GPU on this machine"]),
        (["--device", "gpu", "--runs-per-gpu", "2"], ["--runs-per-gpu needs Ray"]),
        (["--runs-per-gpu", "2"], ["--runs-per-gpu goes with --device gpu"]),
        (
            ["--device", "gpu", "--backend", "ray", "--runs-per-gpu", "0"],
            ["0 runs cannot share a GPU", "from 1 to 100"],
        ),
        (
            ["--device", "gpu", "--backend", "ray", "--pretrain-workers", "2"],
            ["finds no GPU on this machine"],
        ),
        (["--replicates", "0"], ["replicates is 0"]),
        (["--split", "chromosome", "--test-chroms", "chr9"], ["chr9", "chr1, chr2, chr3, chr4"]),
        (["--test-chroms", "chr1"], ["--split chromosome"]),
        (
            ["--split", "chromosome", "--test-chroms", "chr1", "--val-chroms", "chr1"],
            ["for validation and for testing"],
        ),
        (
            ["--split", "chromosome", "--test-chroms", "chr1,chr2,chr3"],
            ["chr1, chr2, chr3 leave no chromosome"],
        ),
        (["--epochs", "-1"], ["--epochs is -1; give 1 or more"]),
        (["--freeze", "conv,lstm"], ["network paper has no layer 'lstm'", "conv1, conv2, conv3"]),
        (["--network", "danq", "--freeze", "conv2"], ["network danq has no layer 'conv2'"]),
        (["--seed", "-1"], ["seed is -1"]),
        (["--lr", "0"], ["lr is 0.0", "above 0"]),
        (["--pretrain-batch-size", "1"], ["batch_size is 1"]),
        (["--patience", "0"], ["patience is 0"]),
        (["--pretrain-patience", "3", "--pretrain-keep", "last"], ["give one"]),
        (["--lr", "0.001", "--fine-tuning", "tuned.json"], ["--fine-tuning sets the rate"]),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(bindgrid, workspace, monkeypatch, arguments, words):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    command = [*TRANSFER, *arguments, "-w", workspace.root]
    code, _, err = bindgrid(*command)
    assert code == 2
    complaint = err.splitlines()[-1]
    assert all(word in complaint for word in words), complaint
    assert not workspace.runs.exists()


def test_the_device_reaches_the_backend(monkeypatch, capsys):
    def options(backend: Backend, device: Device) -> Any:
        own = BackendOptions(backend=backend, devices=DeviceOptions(device=device))
        run_plan = own.resolved().run_plan()
        assert isinstance(run_plan, partial)
        return run_plan.keywords["options"]

    monkeypatch.setattr("orchestrator.gpus.count_gpus", lambda: 0)
    named = (Device.CPU, Device.GPU, Device.AUTO)
    assert [options(Backend.LOCAL, device).device for device in named] == ["cpu", "cuda", "cpu"]
    assert [options(Backend.RAY, device).runs_per_gpu for device in named] == [None, 4, None]
    monkeypatch.setattr("orchestrator.gpus.count_gpus", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda *_: "H0")
    assert options(Backend.LOCAL, Device.AUTO).device == "cuda"
    assert options(Backend.RAY, Device.AUTO).runs_per_gpu == 4
    assert capsys.readouterr().err == "--device auto: GPU H0\n" * 2


def test_an_unknown_experiment_and_an_empty_workspace(bindgrid, workspace, tmp_path):
    code, _, err = bindgrid("run", "transfers", "-w", workspace.root)
    assert (code, "no experiment is named 'transfers'" in err) == (2, True)
    code, _, err = bindgrid("run", "transfer", "-w", tmp_path / "none")
    assert (code, "no dataset here" in err) == (2, True)
    code, _, err = bindgrid("results", "-w", workspace.root)
    assert (code, "no finished runs" in err) == (2, True)


@pytest.mark.slow
def test_simulate_builds_with_the_very_same_command(bindgrid, tmp_path):
    code, out, _ = bindgrid("data", "simulate", tmp_path / "sources", "--seed", "3")
    assert code == 0
    options = " ".join(out.split("bindgrid data build")[1].split()).split()
    code, _, err = bindgrid("data", "build", *options, "-w", tmp_path / "w")
    assert code == 0, err
    dataset = Dataset.open(tmp_path / "w" / "dataset")
    assert len(dataset.tfs) >= 12
    assert (np.bincount(dataset.evidence(dataset.tfs).ravel(), minlength=5) > 0).all()


@pytest.mark.parametrize(
    "command",
    [
        "data build",
        "data import",
        "data simulate",
        "data show",
        "data export",
        "run",
        "tune",
        "results",
        "report",
        "ui",
    ],
)
def test_every_command_has_help_with_an_example(bindgrid, command):
    code, out, _ = bindgrid(*command.split(), "--help")
    assert code == 0
    assert "Example:" in out
    assert "--workspace" in out


def test_an_error_is_one_line(capsys):
    complain("first\nsecond")
    assert capsys.readouterr().err == "bindgrid: first second\n"
