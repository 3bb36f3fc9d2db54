"""`bindgrid tf suggest` and `tf train`: from a TF's labels to its verdict, on the terminal."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from data.dataset.store import Dataset
from experiments.cli.options.choices import Precision
from experiments.cli.options.training import IndividualOptions, PretrainOptions
from experiments.cli.tf.train import TrainOptions, _study
from experiments.study.trainings import ModelKind, Trainings
from orchestrator.errors import RunError
from orchestrator.interpretation import run_motifs as motifs
from orchestrator.role_names import group_name
from orchestrator.runs.find_run import find_run
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import TrackingClient, tracking_uri
from orchestrator.tracking.verdicts import EXPERIMENT, VerdictWriter
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset

RANDOM = ("--split", "random")
QUICK = ("--backend", "local", "--precision", "float32", "--pretrain-epochs", 1)


@pytest.mark.slow
def test_train_judge_and_show_again(bindgrid, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainings, "sized_for", lambda own, _: own.with_epochs(individual=1))
    monkeypatch.setattr(motifs, "IMPORTANCE_REGIONS", 10)
    workspace = Workspace(tmp_path / "w")
    # of which others bind enough for a masked multi-model
    dataset = tiny_dataset(workspace.dataset, 800, opened=True)
    masked = ("--pretrain-set", "masked", "--replicates", 1)
    train = ("tf", "train", "SPI1", *RANDOM, *QUICK, *masked, "-w", workspace.root)
    code, out, err = bindgrid(*train)
    assert code == 0, err
    assert "that takes about" in err
    arms = ("transfer", "transfer, with openness", "from scratch, at the transfer rate")
    for words in (*arms, "motif alone", "GC and openness", "1/2", "SPI1: ", "--openness"):
        assert words in out
    num_runs = len(RunStore(workspace).completed())
    card = json.loads((workspace.cards / "SPI1.json").read_text())
    assert card["numbers"]["num_replicates"] == 1
    assert card["numbers"]["num_seen"] == 0
    page = (workspace.cards / "SPI1.html").read_text()
    assert card["conclusion"]["sentence"] in page
    # arms, calibration, learning curve, ROC, precision and recall, motifs, contributions
    assert page.count("<svg") == 7
    # the step of the curve and the control are no models to predict by
    for arm in ("transfer", "scratch"):
        assert group_name(find_run(RunStore(workspace), "SPI1", arm).planned.role) == "all regions"

    code, _, err = bindgrid(*train)
    assert code == 0, err
    assert f"{num_runs} runs, {num_runs} complete already" in err
    assert len(RunStore(workspace).completed()) == num_runs
    assert "that takes about" not in err
    code, _, err = bindgrid("report", "-w", workspace.root)
    assert code == 0, err
    assert 'href="tf/SPI1.html"' in (workspace.report / "index.html").read_text()
    assert (workspace.cards / "SPI1.html").is_file()

    client = MlflowClient(tracking_uri(workspace))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    logged = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in logged} == {"SPI1"}
    newest = max(logged, key=lambda run: run.data.tags["made"])
    mcc = json.loads((workspace.cards / "SPI1.json").read_text())["numbers"]["arms"]["transfer"]
    assert newest.data.metrics["transfer/mcc"] == mcc["mcc"]["value"]
    files = {file.path for file in client.list_artifacts(newest.info.run_id)}
    assert files == {"SPI1.html", "SPI1.json"}
    assert VerdictWriter(TrackingClient(workspace)).log_cards() == 0

    with pytest.MonkeyPatch.context() as patch:
        # sequences that are all the same are not the dataset's
        patch.setattr("orchestrator.prediction.openness.check_genome", lambda *_: None)
        check_openness(bindgrid, workspace, dataset, tmp_path)
    other = ("--bed", tmp_path / "r.bed", "--genome", tmp_path / "g.fa", "--openness")
    code, _, err = bindgrid("predict", "SPI1", *other, "-w", workspace.root)
    assert (code, "g.fa: is not the genome that" in err) == (2, True), err
    key = find_run(RunStore(workspace), "SPI1", "multi").key
    code, out, err = bindgrid("tf", "suggest", "SPI1", *RANDOM, "-w", workspace.root)
    assert code == 0, err
    assert key in out
    assert "MCC, 1 TF" in out


def check_openness(bindgrid, workspace: Workspace, dataset: Dataset, folder: Path) -> None:
    """Where sequences are the same, more open regions have the higher probabilities."""
    regions = dataset.regions()
    number = dataset.open_in().sum(axis=1)
    on_first = regions.chromosomes()["chr1"]
    # the genome begins with a chromosome that the dataset lacks
    (folder / "g.fa").write_text(f">chrM\n{'ACGT' * 5_000}\n>chr1\n{'ACGT' * 20_000}\n")
    starts = [*regions.start[:on_first].tolist(), 70_000]  # where no region is
    (folder / "r.bed").write_text("".join(f"1\t{one}\t{one + 200}\n" for one in starts))
    query = ("--bed", folder / "r.bed", "--genome", folder / "g.fa", "-w", workspace.root)
    tables = []
    for more in ((), ("--openness",)):
        out = folder / "p.tsv"
        code, _, err = bindgrid("predict", "SPI1", *query, "--out", out, *more)
        assert code == 0, err
        tables.append(pd.read_csv(out, sep="\t"))
    alone, beside = tables
    assert alone["probability"].nunique() == 1
    assert beside["open_in"].tolist() == [*number[:on_first].tolist(), 0]
    by_number = beside.groupby("open_in")["probability"].unique()
    assert by_number.index.tolist() == [0, 1, 2, 3, 4]
    assert all(len(one) == 1 for one in by_number)
    assert by_number.str[0].is_monotonic_increasing

    # tiles have the number of their own middle
    tiled = ("--stride", 50, "--openness", "--out", folder / "t.tsv")
    code, _, err = bindgrid("predict", "SPI1", *query, *tiled)
    assert code == 0, err
    tiles = pd.read_csv(folder / "t.tsv", sep="\t").set_index("start")["open_in"]
    assert tiles[[300, 350, 400, 450]].tolist() == [number[1]] * 4
    whole = ("--genome", folder / "g.fa", "--stride", 50, "-w", workspace.root, "--openness")
    code, _, err = bindgrid("predict", "SPI1", *whole, "--out", folder / "w.tsv")
    assert code == 0, err
    track = pd.read_csv(folder / "w.tsv", sep="\t").set_index(["chrom", "start"])["open_in"]
    assert (track["chrM"] == 0).all()
    assert track["chr1"][tiles.index].equals(tiles)
    code, _, err = bindgrid("predict", "SPI1", *query, "--openness", "--out", folder / "p.bed")
    assert code == 0, err
    rows = pd.read_csv(folder / "p.bed", sep="\t", header=None)
    assert rows[8].tolist() == beside["open_in"].tolist()
    (folder / "other.fa").write_text(f">X\n{'ACGT' * 500}\n")
    (folder / "x.bed").write_text("X\t500\t700\n")
    other = ("--bed", folder / "x.bed", "--genome", folder / "other.fa", "-w", workspace.root)
    for arguments, words in (
        (["SPI1,ELF1", *query, "--openness"], "--openness takes one TF"),
        (["base:SPI1", *query, "--openness"], "which an imported model and the base"),
        (["SPI1", *other, "--openness"], "has no chromosome of"),
        (["SPI1", *query, "--arm", "multi"], "was not trained on SPI1; name one of its TFs"),
        (["ELF1", *query, "--arm", "multi", "--openness"], "not a multi-model"),
    ):
        code, _, err = bindgrid("predict", *arguments)
        assert (code, words in " ".join(err.split())) == (2, True), err


@pytest.mark.parametrize(
    ("typed", "is_chosen", "wanted"),
    [
        ({"pretrain_set": "base"}, False, Precision.FLOAT32),
        ({"pretrain_run": "ab"}, False, Precision.FLOAT32),
        ({"pretrain_set": "base"}, True, Precision.AUTO),
        ({"pretrain_set": "base", "precision": Precision.BFLOAT16}, False, Precision.BFLOAT16),
        ({"pretrain_set": "masked"}, False, Precision.AUTO),
        ({}, False, Precision.FLOAT32),  # the base is suggested first, and is ready
    ],
)
def test_precision_is_checked_only_where_a_multi_model_may_be_trained(
    workspace, monkeypatch, typed, is_chosen, wanted
):
    asked = []

    def note(precision: Precision, *_: object, **__: object) -> str:
        asked.append(precision)
        return "float32"

    monkeypatch.setattr("experiments.cli.tf.train.settled", note)
    if is_chosen:
        workspace.precision.write_text("{}")
    options = TrainOptions(pretraining=PretrainOptions(), individual=IndividualOptions(), **typed)
    steps: list[str] = []
    _study(workspace, "SPI1", options, steps.append)
    assert bool(steps) == (wanted is Precision.AUTO and not is_chosen)
    assert asked == [wanted]


def test_an_option_of_the_training_is_not_lost_to_a_fit_of_the_output_layer(workspace):
    def planned(**typed: Any) -> tuple[bool | None, int]:
        """Whether many motifs are a term, and the epochs of transfer where a fit costs little."""
        own: dict[str, Any] = {"individual": IndividualOptions(), **typed}
        options = TrainOptions(pretraining=PretrainOptions(), **own)
        study = options.study(load_dataset(workspace), "SPI1", "float32")
        assert study.gapped_kmers
        little = study.trainings.costing_little(3)
        return study.many_motifs, little.training_for(ModelKind.MASKED_TRANSFER, 500).max_epochs

    assert planned() == (None, 0)  # the number of regions decides
    assert planned(many_motifs=True) == (True, 0)
    assert planned(individual=IndividualOptions(epochs=3)) == (False, 3)
    assert planned(individual=IndividualOptions(lr=0.01))[1] > 0
    # what is typed is then of scratch alone
    assert planned(individual=IndividualOptions(epochs=3), many_motifs=True) == (True, 0)
    assert planned(individual=IndividualOptions(scratch_lr=0.01)) == (None, 0)
    assert planned(chosen_motifs=False) == (False, 0)
    with pytest.raises(RunError, match="leave out --named-motif"):
        planned(chosen_motifs=False, many_motifs=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["SPI9"], "no TF named 'SPI9'"),
        (["SPI1", "--sample", "many"], "'many' is neither a number nor `all`"),
        (["SPI1", "--sample", "3"], "num_bound is 3"),
        (["SPI1", "--replicates", "0"], "replicates is 0"),
        (["SPI1", "--pretrain-run", "ab"], "no finished run ab"),
        (["SPI1", "--pretrain-set", "ELF1,ELF9"], "ELF9"),
        (["SPI1", "--pretrain-set", "string"], "no STRING file"),
        (["SPI1", "--pretrain-set", "masked", "--pretrain-run", "ab"], "exclude each other"),
        (["SPI1", "--val-chroms", "chr1"], "go with --split chromosome"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_nothing_is_written(
    bindgrid, workspace, arguments, words
):
    code, _, err = bindgrid("tf", "train", *arguments, *RANDOM, *QUICK, "-w", workspace.root)
    assert code == 2
    complaint = [line for line in err.splitlines() if line.startswith("bindgrid: ")]
    assert len(complaint) == 1
    assert words in complaint[0]
    assert not workspace.runs.exists()
    assert not workspace.report.exists()
