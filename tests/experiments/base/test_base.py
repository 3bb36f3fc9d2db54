"""Making a base: what it holds, what its card says, and that finished runs are taken."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.dataset.sampling import Part
from data.packing import unpack
from experiments.base.__main__ import app
from experiments.base.measure import HeldOut, measure_base, rounding_cost
from experiments.base.page import page_of
from experiments.cli.main import main
from model.checkpoint import load, load_state
from model.metrics import THRESHOLD, best_threshold, evaluate
from orchestrator.prediction.base import SHIPPED_BASE, open_base
from orchestrator.prediction.predict import predict_codes
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from tests.conftest import Bindgrid
from tests.helpers.tiny import TFS

ROOT = Path(__file__).parents[3]


def make(monkeypatch, capsys, *arguments: object) -> tuple[int, str]:
    """Run `python -m experiments.base`; gives the exit code and what it said."""
    monkeypatch.setattr(sys, "argv", ["base", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main(app)
    code = caught.value.code
    said = capsys.readouterr()
    return (code if isinstance(code, int) else 0), " ".join((said.out + said.err).split())


@pytest.mark.slow
def test_the_command_takes_finished_runs_and_makes_the_same_base(
    made_base, monkeypatch, capsys, tmp_path
):
    place, folder = made_base
    before = sorted(path.name for path in place.runs.iterdir())
    options = ("--val-chroms", "chr3", "--test-chroms", "chr2", "--min-bound", 1)
    training = ("--pretrain-epochs", 2, "--seeds", "0,1", "--page", tmp_path / "base.md")
    code, said = make(
        monkeypatch, capsys, "-w", place.root, "--out", tmp_path / "tiny-base", *options, *training
    )
    assert code == 0, said
    assert "3 TFs, 2 networks" in said
    assert sorted(path.name for path in place.runs.iterdir()) == before
    again, first = open_base(tmp_path / "tiny-base").card, open_base(folder).card
    assert again == replace(first, made=again.made)
    page = (tmp_path / "base.md").read_text()
    assert page == page_of(again)
    for tf in TFS:
        assert f"| {tf} |" in page


@pytest.mark.slow
def test_options_that_make_no_base_are_one_line(made_base, monkeypatch, capsys, tmp_path):
    place, folder = made_base
    new = tmp_path / "new"
    bad = tmp_path / "data.json"
    bad.write_text('{"source": "ours"}')
    for arguments, words in (
        (("--out", folder), "something is there already"),
        (("--out", new, "--seeds", "0,x"), "--seeds is '0,x'"),
        (("--out", new, "--seeds", "1,1"), "each once"),
        (
            ("--out", new, "--val-chroms", "chr2", "--test-chroms", "chr2"),
            "cannot be for validation and",
        ),
        (("--out", new, "--val-chroms", "chr9"), "no regions on chromosome 'chr9'"),
        (("--out", new, "--leave-out", "SPI2"), "SPI1"),
        (("--out", new, "--data", bad), "field licence is missing"),
    ):
        code, said = make(monkeypatch, capsys, "-w", place.root, "--min-bound", 1, *arguments)
        assert (code, words in said) == (2, True), said
        assert not new.exists()


@pytest.mark.slow
def test_the_card_says_what_predictions_on_the_test_chromosome_are_worth(made_base, base):
    loaded = load_dataset(made_base[0])
    on_test = np.flatnonzero(loaded.regions.lies_on(["chr2"]))
    members = base.predictor("SPI1").members()
    codes = unpack(loaded.regions.sequences[on_test])
    found = predict_codes(members, codes, np.ones(len(codes), dtype=bool))
    labels = (loaded.column("SPI1")[on_test] == 4).astype(np.int8)
    own = base.card.tfs[base.card.index("SPI1")]
    measured = evaluate(labels, found.probability)
    assert measured.auroc == pytest.approx(own.test.auroc)
    assert (measured.num_bound, measured.num_unbound) == (own.test.num_bound, own.test.num_unbound)
    called = (found.probability >= own.threshold).astype(np.float32)
    assert evaluate(labels, called).mcc == pytest.approx(own.mcc_at_threshold)


def test_held_out_chromosomes_are_never_trained_on_and_a_tf_without_them_is_not_calibrated(
    made_base, base
):
    loaded = load_dataset(made_base[0])
    spec = next(iter(made_base[0].runs.iterdir())) / "run.json"
    tfs = json.loads(spec.read_text())["spec"]["regions"]["tfs"]
    card = base.card
    assert [one.tf for one in card.tfs] == tfs
    assert (card.chroms_seen, card.val_chroms, card.test_chroms) == (
        ("chr1", "chr4"),
        ("chr3",),
        ("chr2",),
    )
    # ELF1 is resolved on chr1 and chr2 alone
    elf1 = card.tfs[card.index("ELF1")]
    on_first = loaded.regions.lies_on(["chr1"])
    assert elf1.num_train_bound == int((loaded.column("ELF1")[on_first] == 4).sum())
    assert elf1.num_val_bound == 0
    assert {(one.slope, one.intercept) for one in elf1.calibrations} == {(1.0, 0.0)}
    assert elf1.threshold == THRESHOLD
    assert card.tfs[card.index("SPI1")].num_val_bound > 0


def test_weights_are_rounded_and_vectors_are_not(base):
    state = load_state(base.folder / "replicate-1")
    formats = {tensor.dtype for tensor in state.values() if tensor.dim() > 1}
    assert formats == {torch.float16}
    assert all(tensor.dtype != torch.float16 for tensor in state.values() if tensor.dim() < 2)
    by_format = {one.number_format: one for one in base.card.rounding}
    assert set(by_format) == {"float16", "bfloat16"}
    assert by_format["float16"].largest_probability < by_format["bfloat16"].largest_probability
    assert (
        by_format["float16"].num_bytes
        == (base.folder / "replicate-1" / "weights.safetensors").stat().st_size
    )


def test_no_rounding_costs_nothing(made_base, base):
    loaded = load_dataset(made_base[0])
    run = RunStore(made_base[0]).open(base.card.replicates[0].key)
    selection = loaded.select(run.planned.spec.regions)
    regions = HeldOut.of(loaded, selection)
    assert len(regions.test_labels) == len(selection.rows(Part.TEST))
    exact = measure_base([load(run.path)], regions)
    cost = rounding_cost("float32", 0, exact, exact)
    assert (cost.mcc, cost.auroc, cost.largest_mcc, cost.largest_probability) == (0, 0, 0, 0)


def test_the_best_threshold_is_the_one_with_the_highest_mcc():
    labels = np.array([1, 1, 0, 0, 1, 0, 0, -1], dtype=np.int8)
    probabilities = np.array([0.9, 0.4, 0.36, 0.35, 0.3, 0.2, 0.1, 0.95], dtype=np.float32)
    found = best_threshold(labels, probabilities)
    assert found == pytest.approx(0.4)
    scores = {
        at: evaluate(labels, (probabilities >= at).astype(np.float32)).mcc
        for at in probabilities[:-1]
    }
    assert max(scores.values()) == scores[np.float32(found)]
    assert best_threshold(np.ones(3, dtype=np.int8), probabilities[:3]) == THRESHOLD


@pytest.mark.skipif(not SHIPPED_BASE.is_dir(), reason="the base is not in this checkout")
def test_the_shipped_base_is_what_its_card_says(bindgrid: Bindgrid, tmp_path, monkeypatch):
    monkeypatch.delenv("BINDGRID_BASE", raising=False)
    base = open_base(SHIPPED_BASE)
    card = base.card
    assert card.name == SHIPPED_BASE.name == "bindgrid-base-1"
    assert not {*card.val_chroms, *card.test_chroms} & set(card.chroms_seen)
    assert card.data.about is not None
    assert "10.5281/zenodo.5283416" in card.data.about.source
    assert all("/" not in one.file for one in card.data.sources)
    assert len(set(base.tfs)) == len(base.tfs) >= 100
    num_bytes = 0
    for one in card.replicates:
        weights = base.folder / one.folder / "weights.safetensors"
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == one.sha256
        num_bytes += weights.stat().st_size
        network = load(base.folder / one.folder)
        assert network(torch.zeros(1, 4, 200)).shape == (1, len(base.tfs))
    assert num_bytes < 6_000_000
    for own in card.tfs:
        assert len(own.calibrations) == len(card.replicates)
        assert own.test.num_bound + own.test.num_unbound <= card.data.num_test_regions
    # the ETS motif that SPI1 binds, against none
    with_motif = "AAAGAGGAAGTG".join(["ACGTTGCA" * 12, "TGCATTGC" * 12])[:200]
    (tmp_path / "s.fa").write_text(f">with\n{with_motif}\n>without\n{'ACGTTGCA' * 25}\n")
    code, out, err = bindgrid(
        "predict", "PU.1", "--fasta", tmp_path / "s.fa", "-w", tmp_path / "none"
    )
    assert code == 0, err
    first, second = (float(line.split("\t")[1]) for line in out.splitlines()[1:])
    assert 0 <= second < first <= 1
    assert page_of(card) == (ROOT / "docs" / "base.md").read_text()
