"""Models for others: what goes with them, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.dataset.evidence_file import evidence_path, write_evidence
from data.dataset.store import Dataset
from data.schema import Evidence
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.conftest import Bindgrid
from tests.helpers.tiny import random_bases

DOUBT = "SPI1: do not use, MCC 0.20 (0.10 to 0.30), because its MCC is below 0.3."


@pytest.fixture
def place(trained: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the trained workspace, with a card that speaks against its model of SPI1."""
    copy = Workspace(tmp_path / "copy")
    for folder in (trained.runs, trained.dataset):
        shutil.copytree(folder, copy.root / folder.relative_to(trained.root))
    write_card(copy, [find_run(RunStore(copy), "SPI1").key])
    return copy


def write_card(place: Workspace, keys: list[str]) -> None:
    place.cards.mkdir(parents=True, exist_ok=True)
    card = {"version": 1, "conclusion": {"sentence": DOUBT}, "numbers": {"keys": keys}}
    (place.cards / "SPI1.json").write_text(json.dumps(card))


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "s.fa"
    path.write_text(f">one\n{random_bases(3, 200)}\n")
    return path


def test_the_verdict_goes_with_a_model(
    bindgrid: Bindgrid, place: Workspace, fasta: Path, tmp_path: Path
) -> None:
    own, other = ("-w", place.root), ("-w", tmp_path / "other")
    code, _, err = bindgrid("export", "SPI1", tmp_path / "model", *own)
    assert code == 0, err
    assert DOUBT in (tmp_path / "model" / "README.md").read_text()
    code, _, err = bindgrid("import-model", tmp_path / "model", "--name", "OURS", *other)
    assert code == 0, err
    for name, where in (("SPI1", own), ("OURS", other)):
        code, _, err = bindgrid("predict", name, "--fasta", fasta, *where)
        assert (code, DOUBT in " ".join(err.split())) == (0, True), err
        code, _, err = bindgrid("models", name, "--out", tmp_path / f"{name}.csv", *where)
        assert code == 0, err
        assert DOUBT in (tmp_path / f"{name}.csv").read_text()
    write_card(place, ["of other runs"])
    assert DOUBT not in bindgrid("predict", "SPI1", "--fasta", fasta, *own)[2]


def test_a_model_that_would_hide_ones_own_needs_another_name(
    bindgrid: Bindgrid, place: Workspace, tmp_path: Path
) -> None:
    assert bindgrid("export", "SPI1", tmp_path / "model", "-w", place.root)[0] == 0
    for name in (["--name", "spi1"], []):
        code, _, err = bindgrid("import-model", tmp_path / "model", *name, "-w", place.root)
        assert (
            code,
            "would hide; import the model by another --name" in " ".join(err.split()),
        ) == (
            2,
            True,
        )
    assert not place.models.exists()


def test_a_model_of_labels_that_have_changed_says_so_and_is_not_exported(
    bindgrid: Bindgrid, place: Workspace, fasta: Path, tmp_path: Path
) -> None:
    assert bindgrid("predict", "SPI1", "--fasta", fasta, "-w", place.root)[0] == 0
    dataset = Dataset.open(place.dataset)
    codes = np.full(dataset.num_regions, Evidence.UNBOUND, dtype=np.uint8)
    write_evidence(evidence_path(dataset.path, "SPI1"), codes, None)
    code, out, err = bindgrid("predict", "SPI1", "--fasta", fasta, "-w", place.root)
    assert (code, len(out.splitlines())) == (0, 2)
    assert "the labels of SPI1 have changed since this model was trained" in " ".join(err.split())
    code, _, err = bindgrid("export", "SPI1", tmp_path / "model", "-w", place.root)
    assert (code, "have changed since" in " ".join(err.split())) == (2, True)
    assert not (tmp_path / "model").exists()
