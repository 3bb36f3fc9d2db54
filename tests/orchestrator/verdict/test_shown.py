"""What a card shows of a model: motifs, regions and the bases in them, missed peaks, commands."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.dataset.added import AddedFile, AddedTF, SourceFile
from data.dataset.evidence_file import evidence_path, write_evidence
from data.motifs.motif import Motif
from data.records import to_json
from experiments.cli.tf.verdict_tables import print_verdict
from orchestrator.interpretation import run_motifs
from orchestrator.report.calls import Predictions
from orchestrator.runs.find_run import find_run
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.motif_terms import TermRecord
from orchestrator.runs.store import RunStore
from orchestrator.tracking.verdicts import card_note
from orchestrator.verdict.card import write_card
from orchestrator.verdict.commands import next_commands
from orchestrator.verdict.examples import regions_to_show
from orchestrator.verdict.motifs_shown import (
    ShownMotif,
    chosen_motif,
    matching_filters,
    motifs_caption,
    own_motif,
)
from orchestrator.verdict.stored import stored_cards
from orchestrator.verdict.verdict import Verdict, judge
from orchestrator.workspace import Workspace

pytestmark = pytest.mark.slow  # a verdict on the paper's networks, with all that a card shows


@pytest.fixture(scope="module")
def verdict(trained: Workspace) -> Verdict:
    plan = [planned for _, planned in RunStore(trained).with_roles() if planned.tf == "SPI1"]
    plan = [planned for planned in plan if planned.arm in ("scratch", "transfer")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_motifs, "IMPORTANCE_REGIONS", 10)
        return judge(trained, plan, "SPI1")


def test_a_card_shows_curves_motifs_regions_and_commands(verdict, tmp_path, capsys):
    workspace = Workspace(tmp_path)
    card = write_card(verdict, workspace)
    page = card.page.read_text()
    # arms, calibration, ROC, precision and recall, motifs, contributions
    assert page.count("<svg") == 6
    assert "http" not in page.replace("http://www.w3.org", "")
    assert verdict.motifs[0].title.startswith("MA0080.5 SPI1")
    assert verdict.examples is not None
    assert verdict.operating is not None
    for said in (verdict.examples.best[0].region, "Thresholds", "bindgrid predict SPI1"):
        assert said in page
    print_verdict(verdict)
    printed = capsys.readouterr().out
    for said in (verdict.motifs[0].consensus, "precision at the rate", "bindgrid variants SPI1"):
        assert said in printed
    [stored] = stored_cards(workspace)
    assert stored.content.operating == verdict.operating
    assert stored.content.examples == verdict.examples
    assert stored.content.motifs == verdict.motifs
    note = card_note(stored)
    assert note.startswith(verdict.conclusion.sentence)
    assert "| 0.50 |" in note
    assert "`bindgrid predict SPI1" in note


def test_the_caption_says_whose_the_motifs_are_and_whether_a_filter_matches():
    motif = Motif(tf="SPI1", matrix_id="MA0080.5", probabilities=np.full((4, 6), 0.25))
    record = TermRecord(
        kind="enriched",
        motif="MA0002.2",
        name="RUNX1",
        weight=1.0,
        auroc=0.7,
        loss_before=0.6,
        loss=0.5,
        like="",
        like_correlation=0.0,
    )
    own, chosen = own_motif(motif), chosen_motif(record, motif)
    matching = ShownMotif(title="filter 3", probabilities=own.probabilities, role="filter")
    alone = motifs_caption([own], are_compared=True)
    assert alone == "The TF's motif. No filter matches the TF's motif."
    assert motifs_caption([own], are_compared=False) == "The TF's motif."
    assert "and the filters that match" in motifs_caption([own, matching], are_compared=True)
    assert motifs_caption([chosen, matching], are_compared=True).startswith(
        "The motifs that the TF's peaks chose,"
    )
    assert "most enriched in its peaks" in chosen.title


def test_the_motif_in_the_best_regions_contributes_most(verdict):
    assert verdict.examples is not None
    best = verdict.examples.best
    assert [one.probability for one in best] == sorted(
        (one.probability for one in best), reverse=True
    )
    for one in best:
        assert len(one.bases) == len(one.contributions) == 200
        # the motif that was put into bound regions contributes most
        assert 85 <= int(np.argmax(one.contributions)) <= 115


def test_a_card_of_an_older_bindgrid_is_read_and_logged(verdict, tmp_path):
    workspace = Workspace(tmp_path)
    card = write_card(verdict, workspace)
    values = json.loads(card.path.read_text())
    for name in ("operating", "examples", "motifs", "commands"):
        del values[name]
    card.path.write_text(json.dumps(values))
    [older] = stored_cards(workspace)
    assert older.content.operating is None
    assert card_note(older) == older.sentence
    plain = replace(verdict, operating=None, examples=None, motifs=(), commands=())
    assert write_card(plain, workspace).page.read_text().count("<svg") == 2
    assert '"operating"' not in card.path.read_text()


def test_names_are_escaped_on_the_page(verdict, tmp_path):
    tf = "<b>&\"'"
    named = replace(verdict, numbers=replace(verdict.numbers, tf=tf))
    page = write_card(named, Workspace(tmp_path)).page.read_text()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def add(trained: Workspace, path, name: str) -> LoadedDataset:
    """Add a TF whose peaks are those of a file, and that binds as SPI1 does."""
    dataset = load_dataset(trained).dataset
    source = SourceFile(file=str(path), size=path.stat().st_size, sha256="0")
    file = AddedFile(
        biosample="K562",
        format="narrowPeak",
        num_peaks=3,
        num_in_accessible=3,
        num_sites=0,
        peaks=source,
    )
    codes = dataset.evidence(["SPI1"])[:, 0].copy()
    added = AddedTF(at="2026-11-26", files=(file,), sites="none")
    write_evidence(evidence_path(dataset.path, name), codes, added)
    return LoadedDataset(dataset.path)


def test_the_strongest_peaks_that_are_missed_come_first(trained, tmp_path):
    regions = load_dataset(trained).regions
    ids = np.flatnonzero(load_dataset(trained).column("SPI1") == 4)[:4]
    peaks = tmp_path / "mine.narrowPeak"
    signal = {int(ids[0]): 5.0, int(ids[1]): 50.0, int(ids[3]): 500.0}
    rows = [
        f"{regions.chrom_names[row]}\t{regions.start[row]}\t{regions.end[row]}\t.\t0\t.\t"
        f"{value}\t-1\t-1\t100"
        for row, value in signal.items()
    ]
    peaks.write_text("\n".join(rows) + "\n")
    loaded = add(trained, peaks, "MINE")
    try:
        predicted = Predictions(
            region_ids=ids,
            bound=np.ones(4, dtype=bool),
            probability=np.array([0.4, 0.3, 0.1, 0.9], dtype=np.float32),
        )
        model = find_run(RunStore(trained), "SPI1")
        found = regions_to_show(loaded, "MINE", model, [predicted])
        assert found.num_missed == 3
        assert [one.strength for one in found.missed] == [50.0, 5.0, None]
        assert found.strength_of == "signalValue in mine.narrowPeak"
        peaks.unlink()
        without = regions_to_show(loaded, "MINE", model, [predicted])
        assert [round(one.probability, 1) for one in without.missed] == [0.1, 0.3, 0.4]
        assert without.strength_of == ""
    finally:
        evidence_path(loaded.dataset.path, "MINE").unlink()


def test_filters_are_aligned_with_the_motif_on_either_strand(verdict):
    class Stored:
        motifs = type("M", (), {"frequencies": np.stack([np.eye(4), np.eye(4)])})()
        matches = pd.DataFrame(
            {
                "filter": [0, 1],
                "matrix_id": ["M1", "M1"],
                "offset": [2, 2],
                "orientation": ["+", "-"],
            }
        )

    motif = Motif(tf="MINE", matrix_id="M1", probabilities=np.full((4, 10), 0.25))
    forward, turned = matching_filters(Stored(), motif, [0, 1])  # type: ignore[arg-type]
    assert (forward.start, forward.consensus) == (2, "ACGT")
    # positions 2 to 6 of the reverse complement are 4 to 8 of the motif
    assert (turned.start, turned.consensus) == (4, "ACGT")
    assert own_motif(motif).title == "M1 MINE"
    assert to_json(own_motif(motif))


def test_commands_name_the_workspace_and_quote_what_a_shell_would_split(trained, tmp_path):
    dataset = load_dataset(trained).dataset
    for root in (tmp_path / "my work", Workspace(tmp_path).root):
        for command in next_commands(Workspace(root), dataset, "MY TF"):
            words = shlex.split(command.line)
            assert words[0] == "bindgrid"
            assert words[2] == "MY TF"
            assert words[-2:] == ["-w", str(root)]
