"""Every benchmark runs at a tiny size and gives the rows that it tells; none is timed here."""

import importlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

import benchmarks
from benchmarks import kills, steps
from benchmarks.fuzzing.good import make_kinds
from benchmarks.fuzzing.mutations import mutation
from benchmarks.gpu import multi_process_service
from benchmarks.killing.attempt import Kill
from benchmarks.killing.comparison import differing
from benchmarks.killing.setup import PLANS
from benchmarks.kills import SIGNALS, Round
from data.dataset.store import Dataset
from data.schema import Evidence
from data.simulation.simulate import SimulationConfig, simulate
from data.sources.build import build_dataset
from data.sources.recognition import find_sources
from data.sources.tables import SourceFiles
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from experiments.transfer.plan import transfer
from model.encoding import encode_one_hot
from model.network import BindingNetwork, build_network
from model.network_config import NetworkConfig
from orchestrator.backends.local import run_plan
from orchestrator.interpretation import run_motifs
from orchestrator.plan import Plan
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.workspace import Workspace

pytestmark = pytest.mark.slow

RAY = pytest.mark.xdist_group("ray")
KILLING = pytest.mark.xdist_group("killing")  # beside the rest of this file


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated source files and, beside them, the dataset built from them."""
    folder = tmp_path_factory.mktemp("simulated")
    files = simulate(folder / "sources", SimulationConfig(num_regions=1200))
    build_dataset(files, folder / "dataset")
    return folder / "sources"


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Give torch its number of threads back: benchmarks change it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def names(module: str, *arguments: object) -> list[str]:
    """First cells of a benchmark's rows."""
    rows = rows_of(module, *arguments)
    assert len({len(row) for row in rows}) == 1
    return [row[0] for row in rows]


def rows_of(module: str, *arguments: object) -> list[Sequence[str]]:
    main = importlib.import_module(f"benchmarks.{module}").main
    rows: list[Sequence[str]] = main([str(word) for word in arguments])
    assert all(isinstance(cell, str) for row in rows for cell in row)
    return rows


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def number_or_none(cell: str) -> float | None:
    return None if cell == "no GPU" else number(cell)


def test_every_benchmark_is_tested_here() -> None:
    found = {path.stem for path in Path(benchmarks.__file__).parent.glob("*.py")}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert found - {"__init__", "machine", "sleeping"} <= tested


@RAY
@pytest.mark.timeout(600)  # a cluster of two nodes starts
@pytest.mark.parametrize("faults", ["node", "code"])
def test_cluster_faults(workspace: Workspace, faults: str) -> None:
    # small networks train for long enough that a node is lost meanwhile
    plan = "--tfs SPI1 --pretrain-tfs ELF1,GABPA --pretrain-epochs 2 --epochs 200"
    rows = rows_of(
        *("cluster_faults", "--workspace", workspace.root, "--faults", faults),
        *("--workers", 2, "--pause", 2, "--small", "--plan", plan),
    )
    [[_, complete, codes, _, told, same]] = rows
    if faults == "code":
        assert (codes, same) == ("2", "nothing was run")
        assert "has another version of bindgrid or torch" in told
    else:
        assert (set(codes.split(", ")), same) == ({"0"}, "yes")
        assert number(complete) > 0


def test_build(sources: Path) -> None:
    [row] = rows_of(
        "build", sources, "--genome", sources / "genome.fa", "--scales", 1, "--rounds", 1
    )
    assert row[0] == "1x"
    assert number(row[1]) > 1000
    assert number(row[3]) > 50


def test_cover() -> None:
    rows = rows_of(
        *("cover", "--studies", 20, "--regions", 60, "--draws", 200),
        *("--replicates", 3, "--spreads", "0.05"),
    )
    assert {row[0] for row in rows} == {"random, 3, 0.05", "chromosome, 3, 0.05"}
    assert len(rows) == 2 * 6
    # of 12 times 20 intervals most hold the true value, and those of the regions alone fewer
    ours, regions = (sum(number(row[column]) for row in rows) / 12 for column in (2, 4))
    assert ours > 88
    assert regions < ours


def test_filters() -> None:
    found = names("filters", "--regions", 60, "--sample", 30, "--rounds", 1)
    assert found[-1] == "authors' way, both"
    assert len(found) == 6


def test_full_size(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    rows = rows_of(
        *("full_size", "--peaks", 60_000, "--sites", 40_000, "--regions", 4_000),
        *("--tfs", 10, "--length", 0.004, "--folder", folder),
    )
    assert [row[0] for row in rows] == [
        "unpacking wgEncodeRegDnaseClustered.txt.gz",
        "unpacking remap2022_all_macs2_hg38_v1_0.bed.gz",
        "unpacking damo_hg38_all_TFBS.tar.gz",
        "bindgrid data build",
    ]
    assert number(rows[-1][3]) > 0.05
    # every row of what was simulated is used, but for peaks of biosamples without DHSs
    dataset = build_dataset(SourceFiles(**find_sources(folder), exclude=()), tmp_path / "dataset")
    assert len(dataset.tfs) == 10
    dropped = {why: num for why, num in dataset.manifest.dropped.items() if num}
    assert 0.25 < dropped.pop("peaks: of biosamples without DHSs") / 60_000 < 0.35
    assert sum(dropped.values()) < 1000
    assert sum(one.count(Evidence.BOUND) for one in dataset.summaries()) > 100


def test_fuzz(tmp_path: Path) -> None:
    rows = rows_of("fuzz", "--seed", 1, "--first", 8, "--mutations", 3, "--folder", tmp_path)
    assert rows[0][:2] == ("all", "3")
    assert rows[0][4] == "0"
    kinds = make_kinds(tmp_path)
    assert len({kind.name for kind in kinds}) == len(kinds) > 30
    # a number says what is done, in this process and in any other
    one, same, other = (mutation(seed, 11, kinds) for seed in (1, 1, 2))
    assert one == same
    assert one.kind is other.kind
    assert (one.name, one.content) != (other.name, other.content)


def test_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    rows = rows_of(
        *("gpu", "--tiny", "--regions", 100, "--models", 2),
        *("--processes", 1, "--seconds", 0.01),
    )
    assert {tuple(row[:3]) for row in rows if number_or_none(row[3]) is None} == {
        ("step", "one model, loop", "cuda"),
        ("precision", "one model, bfloat16", "cuda"),
        ("stacked", "2 models, bfloat16", "cuda"),
        ("graph", "one model, replayed, float32", "cuda"),
        ("graph", "2 models, replayed, float32", "cuda"),
        ("graph", "one model, replayed, bfloat16", "cuda"),
        ("graph", "2 models, replayed, bfloat16", "cuda"),
        ("processes", "1 processes, MPS", "cuda"),
        ("processes", "1 processes, MPS, replayed, float32", "cuda"),
        ("processes", "1 processes, MPS, replayed, bfloat16", "cuda"),
        ("prediction", "both strands", "cuda"),
    }
    measured = [row for row in rows if number_or_none(row[3]) is not None]
    assert [row[0] for row in measured] == ["step", *["stacked"] * 2, "processes", "prediction"]
    assert all(number(row[3]) > 0 and number(row[4]) > 0 for row in measured)


def test_the_multi_process_service_is_started_and_ended_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "mine")
    with multi_process_service() as started:
        assert not started
    control, told = tmp_path / "nvidia-cuda-mps-control", tmp_path / "told"
    control.write_text(
        '#!/bin/sh\n[ "$1" ] || read input\n'
        f'[ -d "$CUDA_MPS_PIPE_DIRECTORY" ] && echo "$1$input" >> {told}\n'
    )
    control.chmod(0o755)
    with multi_process_service() as started:
        assert started
        assert Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"]).is_dir()
        assert told.read_text() == "-d\n"
    assert told.read_text() == "-d\nquit\n"
    assert os.environ["CUDA_MPS_PIPE_DIRECTORY"] == "mine"
    assert "CUDA_MPS_LOG_DIRECTORY" not in os.environ


def test_groups() -> None:
    found = names("groups", "--regions", 500, "--tfs", 6, "--pairs", 4, "--rounds", 1)
    assert found == ["ours, all pairs", "loop over pairs, from 4"]


def test_own_tf_labels(sources: Path) -> None:
    rows = rows_of("own_tf_labels", sources.parent / "dataset", sources, "MNT")
    by_way = {row[0]: row for row in rows}
    assert len(by_way) == 6
    # the same sites give the same labels
    assert by_way["MNT, sites given"][1] == "100.0000%"


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Options of a dataset, and of a folder in which a plan is run undisturbed once for all."""
    return ("--regions", 1200, "--epochs", 1, "--folder", tmp_path_factory.mktemp("killing"))


@KILLING
@pytest.mark.timeout(900)  # commands again and again, each of which imports torch
def test_kills(killing: tuple[object, ...]) -> None:
    arguments = ("--kills", 2, "--per-round", 2, "--pause", 1, *killing)
    rows = rows_of("kills", "--plans", "tf add by processes", *arguments)
    assert sum(int(row[3]) for row in rows) >= 2
    assert {row[0] for row in rows} == {"tf add by processes"}
    assert all(row[6] == f"{row[3]} of {row[3]}" for row in rows), rows


def test_kills_are_repeated_until_each_process_had_each_signal() -> None:
    plan = "run"
    pairs = list(product(PLANS[plan], SIGNALS))
    told = [
        Round(plan=plan, number=0, kills=[Kill(process=process, signal=name, at_seconds=1.0)])
        for process, name in pairs[2:]
    ]
    rows = kills._rows(told, {plan: 10.0})
    assert len(rows) == len(pairs) - 2
    counts = Counter((plan, kill.process, kill.signal) for one in told for kill in one.kills)
    assert set(kills.least_killed(plan, counts, num=2, seed=(0, 1))) == set(pairs[:2])


def test_what_differs_after_kills_is_told(tmp_path: Path) -> None:
    places = [Workspace(tmp_path / name) for name in ("one", "two")]
    for place, seconds in zip(places, (1.0, 2.0), strict=True):
        folder = place.run("key")
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"the same")
        (folder / "metrics.json").write_text(json.dumps({"mcc": 0.5, "seconds": seconds}))
        (folder / "run.json").write_text(json.dumps([str(place.dataset)]))
    one, two = places
    assert differing(one, two) == []
    (one.run("key") / "weights.safetensors").write_bytes(b"others")
    (one.run("key") / "metrics.json").write_text(json.dumps({"mcc": 0.6, "seconds": 1.0}))
    (one.run("key") / "rest.partial").write_bytes(b"")
    (two.run("key") / "filters.json").write_text("[]")
    assert differing(one, two) == [
        "runs/key/rest.partial is there",
        "runs/key/filters.json is missing",
        "runs/key/metrics.json differs",
        "runs/key/weights.safetensors differs",
    ]


@KILLING
@pytest.mark.timeout(900)
def test_disturbances(killing: tuple[object, ...]) -> None:
    [row] = rows_of("disturbances", "--only", "two", *killing)
    assert sorted(row[1].split(", ")) == ["0", "2"]
    assert "by process" in row[2]  # of the workspace, or of its dataset
    assert row[3] == "no difference"


@pytest.mark.usefixtures("papers_networks")  # which the base has
def test_own_peaks(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainings, "sized_for", lambda own, _: own.with_epochs(individual=1))
    monkeypatch.setattr(run_motifs, "IMPORTANCE_REGIONS", 5)
    rows = rows_of("own_peaks", sources, "--peaks", 60, "--replicates", 1, "--folds", 0)
    by_stage = {row[0]: row for row in rows}
    stages = {"labels", "plan", "transfer", "scratch", "motif", "judging"}
    assert stages <= set(by_stage)
    # transfer has no learning rate to control for
    assert "scratch, transfer-rate" not in by_stage
    spent = [number(row[2]) for row in rows[:-2]]
    assert abs(sum(spent) - number(by_stage["all"][2])) < 0.1 * len(rows)
    assert number(by_stage["peak memory, MiB"][2]) > 100


def test_newcomer(
    sources: Path,
    tmp_path: Path,
    bindgrid: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[list[str]] = []

    def label_only(*words: object) -> None:
        """Label as the command does, and tell of a model without training it."""
        place = Workspace(Path(str(words[-1])))
        done.append([str(word) for word in words])
        if words[0] == "predict":
            out = Path(str(words[words.index("--out") + 1]))
            num = len((place.root / "open.bed").read_text().splitlines())
            column = "".join(f"{i / num}\n" for i in range(num - 1))
            out.write_text(f"probability\n{column}NaN\n")  # a region with N has none
            return
        code, _, err = bindgrid(*words, "--label-only")
        assert code == 0, err
        scores = {"mcc": {"value": 0.5}, "average_precision": {"value": 0.75}}
        numbers = {"num_bound": 80, "arms": {"transfer": scores, "from scratch": scores}}
        card = {"numbers": numbers, "conclusion": {"level": "use with care"}}
        place.cards.mkdir(parents=True)
        (place.cards / "GATA1.json").write_text(json.dumps(card))

    monkeypatch.setattr("benchmarks.newcomer._bindgrid", label_only)
    given = (
        *("newcomer", sources, tmp_path, "GATA1=simulated_1", "--sizes", 80),
        *("--genome", sources / "genome.fa", "--background", "chr1"),
    )
    with pytest.raises(SystemExit, match="the base knows GATA1"):
        rows_of(*given)
    monkeypatch.setattr("benchmarks.newcomer.find_base", lambda: None)
    rows = rows_of(*given)
    assert [row[1] for row in rows] == ["own regions", "own regions, genome as background"]
    for row in rows:
        assert list(row[3:8]) == ["0.50 / 0.75", "0.50 / 0.75", "", "", ""]
        auroc, precision = map(number, row[-1].split(" / "))
        assert 0 <= auroc <= 1
        assert 0 < precision <= 1
    own, background = (words for words in done if words[0] == "tf")
    assert ("--accessible" in own, "--accessible" in background) == (True, False)
    num = len(done)
    assert rows_of(*given) == rows
    assert len(done) == num, "what is complete is not done again"


def test_own_tfs(sources: Path, tmp_path: Path) -> None:
    [row] = rows_of(
        *("own_tfs", sources, tmp_path, "MNT"),
        *("--genome", sources / "genome.fa", "--label-only"),
    )
    assert row[0] == "MNT-LAB"
    assert number(row[1]) >= 20
    assert "MNT" not in Dataset.open(tmp_path / "workspace" / "dataset").tfs


def test_rivals(sources: Path, tmp_path: Path) -> None:
    dataset = sources.parent / "dataset"
    (tmp_path / "dataset").symlink_to(dataset)
    given = ("rivals", tmp_path, "SPI1", "JUND", "--sizes", "20,40", "--epochs", 1)
    rows = rows_of(*given, "--pretrain-tfs", 3, "--max-test", 50)
    arms = [row[0] for row in rows]
    best = arms.index("best rival of each TF and size")
    rivals = {"motif alone", "all motifs", "gkm-SVM", "k-mers", "GC and openness"}
    ours = {
        "paper's transfer",
        "features",
        "with the motif",
        "with chosen motifs",
        "with chosen motifs, its own hidden",
        "with chosen motifs, similar ones hidden",
        "with chosen and many motifs",
    }
    assert set(arms[:best]) == rivals | ours
    assert set(arms[best + 1 :]) == {f"{arm}, MCC less the best rival" for arm in ours}
    assert all(len(row) == 4 for row in rows)
    # all is finished now, and nothing is run again
    again = rows_of(*given, "--pretrain-tfs", 3, "--max-test", 50)
    assert [row[:3] for row in again] == [row[:3] for row in rows]
    assert {row[3] for row in again} == {""}
    words = ("--pretrain-tfs", 3, "--max-test", 50, "--match-openness", "--skip", *ours)
    control = {row[0]: row[1:3] for row in rows_of(*given, *words, "from scratch")}
    assert set(control) == rivals | {"best rival of each TF and size"}
    usual = {row[0]: row[1:3] for row in rows}
    assert control["GC and openness"] != usual["GC and openness"]
    opened = {row[0]: row[1:3] for row in rows_of(*given, *words[:4], "--openness")}
    assert set(opened) > {f"{arm}, with openness" for arm in ours}
    assert opened["features, with openness"] != opened["features"]
    assert opened.items() >= usual.items()


def test_prediction() -> None:
    found = names(
        "prediction", "--bases", 60_000, "--regions", 20, "--replicates", 1, "--rounds", 1
    )
    assert found == [
        "bare",
        "regions to text",
        "regions to Parquet",
        "tiles of 50 bp to bigWig",
    ]


def test_prediction_refuses_a_genome_of_which_most_is_unknown(tmp_path: Path) -> None:
    genome = tmp_path / "genome.fa"
    genome.write_text(">chr1\n" + ("N" * 100 + "\n") * 600)
    with pytest.raises(SystemExit, match="0 of 20 regions have no N"):
        rows_of("prediction", "--genome", genome, "--regions", 20, "--replicates", 1)


def test_preparation() -> None:
    rows = rows_of("preparation", "--regions", 800, "--rounds", 1)
    assert [row[0] for row in rows] == [
        "ours, every batch encoded",
        "ours, ready to train",
        "authors' way",
    ]
    # both strands to train and to validate on, one to test on
    assert all(number(row[1]) > 100 for row in rows)


def test_pretraining() -> None:
    found = names(
        *("pretraining", "--only", "1 thread, float32", "--rounds", 1),
        *("--regions", 600, "--tfs", 3, "--samples", 100),
    )
    assert found == ["bare, 1 thread, float32", "one process, 1 thread, float32"]


def test_samplesheet(sources: Path) -> None:
    rows = rows_of("samplesheet", sources, "--genome", sources / "genome.fa")
    by_way = {row[0]: row for row in rows}
    assert list(by_way) == ["sites given", "sites predicted", "sites own-regions"]
    given = by_way["sites given"]
    assert given[1] == given[2] == given[3]
    assert number(given[4]) > 10_000
    assert given[5] == "0", "cells that differ"
    assert number(by_way["sites predicted"][5]) > 0
    # regions of the accessible peaks are most of those that were given
    assert number(by_way["sites own-regions"][3]) > 0.9 * number(given[3])


@RAY
def test_published(sources: Path) -> None:
    rows = rows_of("published", sources, "--genome", sources / "genome.fa")
    assert [row[0] for row in rows] == ["UniBind 2018", "UniBind 2022"]
    assert all(number(row[4]) == 16 * 1200 and row[5] == "0" for row in rows)


@RAY
def test_scale(workspace: Workspace) -> None:
    rows = rows_of(
        *("scale", "--workspace", workspace.root),
        *("--runs", 14, "--workers", 2, "--seconds", 0.2),
    )
    by_name = {row[0]: number(row[1]) for row in rows}
    assert by_name["logged to MLflow when the command ended"] == 14
    assert 0 < by_name["busy fraction"] <= 1


def test_scheduling(workspace: Workspace) -> None:
    found = names(
        *("scheduling", "--workspace", workspace.root),
        *("--runs", 2, "--sample", 40, "--epochs", 1),
    )
    assert found[1:] == [
        "--backend local, one core",
        "--backend ray, start and end of Ray included",
        "--backend ray, from the first run on",
    ]


@RAY
def test_sharing() -> None:
    found = names("sharing", "--regions", 3000, "--tfs", 3, "--workers", 1)
    assert found == ["each reads its own", "shared"]


def test_study_filters(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset").symlink_to(sources.parent / "dataset")
    workspace = Workspace(tmp_path)
    trainings = Trainings().with_epochs(multi=1, individual=1)
    study = Study(tfs=("SPI1",), pretrain_tfs=2, trainings=trainings)
    runs = transfer(load_dataset(workspace), study).runs
    run_plan(Plan(runs), workspace, on_done=lambda outcome: None)
    [multi_key] = [run.key for run in runs if run.role.arm == "multi" and not run.role.tf]
    rows = rows_of(
        "study_filters", tmp_path, "--out", tmp_path / "filters.csv", "--read-on", multi_key
    )
    assert {row[0] for row in rows} <= {"multi", "transfer", "scratch"}
    table = pd.read_csv(tmp_path / "filters.csv")
    [again] = table[table["read_on"].notna()].to_dict("records")
    assert (again["key"], again["read_on"]) == (multi_key, multi_key)
    assert again["num_regions"] >= table.loc[table["key"] == multi_key, "num_regions"].min()
    table = table[table["read_on"].isna()].set_index("arm")
    multi, fine_tuned = (table.loc[arm].to_dict() for arm in ("multi", "transfer"))
    assert float(multi["shuffled_0.05"]) <= float(multi["num_compared"])
    assert 0 < float(fine_tuned["target_share"]) < 1
    assert 0 < float(fine_tuned["share_before"]) < 1
    assert abs(float(fine_tuned["moved"])) < 2
    assert 0 < float(fine_tuned["same_regions_share_before"]) < 1


def a_study(gains: dict[str, float]) -> pd.DataFrame:
    """Write the table of a study whose TFs gain so much, in two replicates each."""
    rows = [
        {"tf": tf, "replicate": replicate, "arm": arm, "mcc": mcc}
        for tf, gain in gains.items()
        for replicate, more in ((1, 0.01), (2, -0.01))
        for arm, mcc in (("scratch", 0.1), ("transfer", 0.1 + gain + more))
    ]
    table = pd.DataFrame(rows).assign(group="500 bound", num_bound=450, num_test_regions=100)
    sets = table[table["arm"] == "transfer"].assign(experiment="pretraining-sets")
    more = 0.2 + 0.1 * (sets["mcc"] - sets["mcc"].mean())
    kinds = [
        sets.assign(set_kind="random", with_target=False),
        sets.assign(set_kind="same-mode", with_target=False, mcc=sets["mcc"] + more),
    ]
    modes = table.assign(mode=table["tf"].str[0].map({"S": "shared", "O": "other"}))
    parts = [modes.assign(experiment=name) for name in ("transfer", "downsampling")]
    return pd.concat([*parts, modes.assign(experiment="binding-modes"), *kinds])


def test_study_figures(tmp_path: Path) -> None:
    table = a_study({"S1": 0.5, "S2": 0.4, "S3": 0.3, "O1": 0.1, "O2": -0.1, "O3": 0.0})
    table["num_bound"] += table["tf"].str[1].astype(int)
    table = table[(table["experiment"] != "downsampling") | (table["tf"] == "S1")]
    table = table.assign(key=range(len(table)), network="paper", pretraining_set="a", size=500.0)
    table.to_csv(tmp_path / "runs.csv", index=False)
    arguments = ("study_figures", tmp_path / "runs.csv", "--out")
    drawn = [names(*arguments, tmp_path / folder) for folder in ("a", "b")]
    usual = {"transfer", "transfer-gain", "binding-modes", "pretraining-sets"}
    assert {f"{stem}.svg" for stem in (*usual, "downsampling-S1")} <= set(drawn[0])
    for name in drawn[0]:
        texts = [(tmp_path / folder / name).read_text() for folder in ("a", "b")]
        assert texts[0] == texts[1]
    assert ">S2<" in (tmp_path / "a" / "transfer.svg").read_text()


def test_findings(tmp_path: Path) -> None:
    gains = {"S1": 0.5, "S2": 0.4, "S3": 0.3, "O1": 0.1, "O2": -0.1, "O3": 0.0}
    a_study(gains).to_csv(tmp_path / "runs.csv", index=False)
    filters = {"arm": "multi", "num_tfs": [5, 5, 50], "num_compared": 100}
    filters |= {"rows": ["complete", "complete", "resolved"], "epochs": [8, 8, 12]}
    filters |= {"keep": ["best", "best", "last"], "read_on": ["", "", "m1"]}
    matched = {"matched_0.05": [60, 40, 50], "shuffled_0.05": [0, 2, 0]}
    single = {"experiment": "transfer", "arm": ["transfer", "scratch"], "num_compared": 100}
    moved = {"tf": "S1", "target_share": [0.8, 0.6], "share_before": [0.5, None]}
    rest = {"others_change": 0.1, "moved": 0.2, "target_like": 3, "target_like_before": 1}
    rest |= {f"same_regions_{name}_before": 0.4 for name in ("share", "matched", "target_like")}
    one_tf = pd.DataFrame(single | moved | rest | {"matched_0.05": 9, "matched_before": 4})
    tables = [pd.DataFrame(filters | matched), one_tf]
    pd.concat(tables).to_csv(tmp_path / "filters.csv", index=False)
    rows = rows_of("findings", tmp_path / "runs.csv", "--filters", tmp_path / "filters.csv")
    by_what = {row[1]: row[2:] for row in rows}
    assert len({len(row) for row in rows}) == 1
    assert by_what["TFs that gain by transfer"][:2] == ("6", "4 of 6")
    n, estimate, ends, test = by_what["mean gain, shared mode less other mode"]
    assert (n, estimate) == ("3, 3", "0.40")
    assert number(ends.split(" to ")[0]) > 0
    assert test.startswith("Welch's t = 4.9")
    assert by_what["all targets, same-mode without the target, less random"][:2] == ("6", "0.20")
    assert by_what["multi-models of 5 TFs: more than half match, q < 0.05"][1] == "1 of 2"
    assert by_what["multi-models of 5 TFs: filters shuffled, q < 0.05"][1] == "1.00"
    longer = (
        "multi-models of 50 TFs, every resolved label, 12 epochs, read on the test regions of m1"
    )
    assert by_what[f"{longer}: filters matched, q < 0.05"][1] == "50.00"
    certain = "TFs of 20 test regions or more whose gain's interval is above zero"
    assert by_what[certain][:2] == ("6", "3 of 6")
    whole = "transfer from 50 TFs: that change, less that of other TFs' motifs"
    assert by_what[whole][1] == "0.20"
    assert by_what["on the same regions: rank of the target's motif, change"][1] == "0.400"


def test_tracking(workspace: Workspace) -> None:
    rows = rows_of(
        *("tracking", "--workspace", workspace.root),
        *("--runs", 2, "--sample", 40, "--epochs", 1),
    )
    assert all(number(cell) >= 0 for _, cell in rows)
    assert rows[0][0] == "training, its epochs (wall)"


def test_variants(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset").symlink_to(sources.parent / "dataset")
    workspace = Workspace(tmp_path)
    loaded = load_dataset(workspace)
    trainings = Trainings().with_epochs(multi=1, individual=1)
    study = Study(tfs=("SPI1",), pretrain_tfs=2, trainings=trainings)
    runs = transfer(loaded, study).runs
    run_plan(Plan(runs), workspace, on_done=lambda outcome: None)
    rows = rows_of("variants", tmp_path, sources, "SPI1", "--variants", 60, "--in-sites", 0.5)
    assert [row[0] for row in rows][-1] == "p of 0.05 at most"
    assert len({len(row) for row in rows}) == 1
    # a network that has learnt hardly anything tells few of them apart
    assert 0 <= number(rows[-1][2]) <= 1


def test_front_page() -> None:
    rows = rows_of("front_page", "--runs", 8, "--pages", 1)
    assert [name for name, _ in rows] == ["the page", "MLflow's search of its runs"]
    assert all(number(cell) >= 0 for _, cell in rows)


def test_training() -> None:
    found = names("training", "--regions", 60, "--rounds", 1)
    cores = os.cpu_count()
    assert found == [
        "ours",
        "limit: bare steps on ready one-hot",
        "authors' way, 4 loader workers",
        f"ours, {cores} processes of one thread",
        f"authors' way, {cores} threads, 4 loader workers",
    ]


def test_steps() -> None:
    found = names(
        *("steps", "--precision", "bfloat16", "--tfs", 2, "--examples", 400, "--rounds", 1)
    )
    assert found == [f"{name}, bfloat16" for name in steps.tries(compiled=False)]


@pytest.mark.parametrize("name", ["first layer by tables", "weights' gradients as products"])
def test_a_step_computed_otherwise_has_the_same_gradients(name: str) -> None:
    inputs = encode_one_hot(torch.arange(150, dtype=torch.uint8).view(3, 50))

    def gradients(
        change: Callable[[BindingNetwork], nn.Module],
    ) -> dict[str, torch.Tensor | None]:
        network = build_network(NetworkConfig(num_tfs=2), seed=0).eval()
        assert isinstance(network, BindingNetwork)
        network = change(network)
        network(inputs).square().sum().backward()
        return {key: value.grad for key, value in network.named_parameters()}

    own = gradients(lambda network: network)
    changed = gradients(steps.tries(compiled=False)[name].change)
    for key, gradient in own.items():
        torch.testing.assert_close(changed[key], gradient, rtol=1e-3, atol=1e-6)
