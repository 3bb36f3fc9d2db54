"""What a card tells of the data behind a verdict, on its page and on the terminal."""

import html
from dataclasses import replace

import pytest

from data.dataset.added import AddedTF, PeakChoice, SourceFile
from experiments.cli.tf.verdict_tables import print_verdict
from orchestrator.report.weighted_scores import SCORES
from orchestrator.runs.motif_terms import ManyMotifsRecord, StrongMotif
from orchestrator.verdict.arms import MOTIF, SCRATCH, TRANSFER
from orchestrator.verdict.card import facts, sentences, write_card
from orchestrator.verdict.numbers import Step
from orchestrator.verdict.rule import conclude
from orchestrator.verdict.stored import stored_cards
from orchestrator.verdict.verdict import Verdict
from orchestrator.workspace import Workspace
from tests.orchestrator.verdict.test_rule import numbers, value

BLACKLIST = SourceFile(file="/data/blacklist.bed", size=9, sha256="0")


@pytest.mark.parametrize(
    ("choice", "exclude", "words"),
    [
        (PeakChoice(), (), ""),
        (PeakChoice(top=1000), (), "the best 1,000 of each file"),
        (
            PeakChoice(top=2, score="pValue", min_score=0.5),
            (),
            "pValue of at least 0.5, the best 2 of each file by pValue",
        ),
        (PeakChoice(replicates="union"), (), "those of all replicates"),
        (PeakChoice(replicates="2-of-3"), (), "those that 2 of 3 replicates agree on"),
        (PeakChoice(), (BLACKLIST,), "without those that overlap blacklist.bed"),
        (
            PeakChoice(top=5),
            (BLACKLIST, BLACKLIST),
            "the best 5 of each file, without those that overlap blacklist.bed, blacklist.bed",
        ),
    ],
)
def test_which_peaks_of_an_added_tf_count_is_said_in_words(choice, exclude, words):
    added = AddedTF(at="", files=(), sites="none", choice=choice, exclude=exclude)
    assert added.peaks_that_count == words


@pytest.mark.parametrize(
    ("sites", "words", "is_explained"),
    [
        ("none", "peaks alone, so that a region is bound where the TF has a peak", True),
        ("predicted", "bound where a peak has a hit of the TF's motif too", False),
        ("dataset", "those of the dataset, by its peaks and sites", False),
    ],
)
def test_a_card_and_the_terminal_tell_what_makes_a_region_bound(
    tmp_path, capsys, sites, words, is_explained
):
    scores = dict.fromkeys(SCORES, value(0.5, 0.6, 0.7))
    found = numbers(arms={TRANSFER: scores}, gains={SCRATCH: scores}, sites=sites)
    verdict = Verdict(numbers=found, conclusion=conclude(found), filters=None)
    page = html.unescape(write_card(verdict, Workspace(tmp_path)).page.read_text())
    print_verdict(verdict)
    for said in (page, capsys.readouterr().out):
        flat = " ".join(said.split())
        assert words in flat
        assert ("the two cannot be compared" in flat) == is_explained


def test_a_model_that_learnt_from_its_validation_regions_is_not_called_calibrated(tmp_path):
    scores = dict.fromkeys(SCORES, value(0.5, 0.6, 0.7))
    found = numbers(arms={TRANSFER: scores}, gains={SCRATCH: scores})
    usual, small, folds = (
        Verdict(numbers=one, conclusion=conclude(one), filters=None)
        for one in (
            found,
            replace(found, learns_from_val=True),
            replace(found, learns_from_val=True, num_folds=5),
        )
    )
    assert dict(facts(usual))["bound regions used"] == (
        "500: 400 to train, 40 to validate, 60 to test on"
    )
    assert dict(facts(small))["bound regions used"] == (
        "500: 440 to learn from, none of them held back to calibrate, 60 to test on"
    )
    for verdict, is_calibrated in ((usual, True), (small, False), (folds, True)):
        said = " ".join(sentences(verdict))
        assert ("Calibrated probabilities are off by" in said) == is_calibrated
        assert ("none is held back to calibrate" in said) != is_calibrated
    page = write_card(small, Workspace(tmp_path)).page.read_text().lower()
    assert "calibrated probabilit" not in page


def test_a_card_and_the_terminal_say_which_arms_and_steps_have_fewer_replicates(tmp_path, capsys):
    scores = dict.fromkeys(SCORES, value(0.5, 0.6, 0.7))
    steps = tuple(Step(name=name, num_bound=9, scores=scores) for name in ("1/2", TRANSFER))
    found = numbers(
        arms={TRANSFER: scores, SCRATCH: scores, MOTIF: scores},
        gains={SCRATCH: scores, MOTIF: scores},
        steps=steps,
        num_replicates=3,
        num_replicates_of={SCRATCH: 1, "1/2": 1},
    )
    verdict = Verdict(numbers=found, conclusion=conclude(found), filters=None)
    page = html.unescape(write_card(verdict, Workspace(tmp_path)).page.read_text())
    print_verdict(verdict)
    for said in (page, capsys.readouterr().out):
        for title in ("from scratch, 1 replicate", "1/2, 1 replicate", "all, 1 replicate"):
            assert title in said
        assert f"Transfer minus {SCRATCH}, 1 replicate:" in said
        assert f"{MOTIF}, 1 replicate" not in said and f"{TRANSFER}, 1 replicate" not in said
    assert "does not cover how trainings and unbound regions differ" in " ".join(page.split())
    same = replace(verdict, numbers=replace(found, num_replicates_of={}))
    assert "1 replicate" not in write_card(same, Workspace(tmp_path)).page.read_text()


def test_a_card_and_the_terminal_tell_which_peaks_count_where_some_do_not(tmp_path, capsys):
    workspace = Workspace(tmp_path)
    for peaks in ("", "the best 1,000 of each file"):
        scores = dict.fromkeys(SCORES, value(0.5, 0.6, 0.7))
        arms = {TRANSFER: scores, SCRATCH: scores}
        found = numbers(arms=arms, gains={SCRATCH: scores}, peaks=peaks)
        verdict = Verdict(numbers=found, conclusion=conclude(found), filters=None)
        card = write_card(verdict, workspace)
        [stored] = stored_cards(workspace)
        assert stored.content.numbers.peaks == peaks
        assert ('"peaks"' in card.path.read_text()) == bool(peaks)
        print_verdict(verdict)
        for said in (card.page.read_text(), capsys.readouterr().out):
            assert ("the best 1,000 of each file" in said) == bool(peaks)


def test_a_card_says_that_many_motifs_are_a_term_and_which_weigh_most(tmp_path):
    scores = dict.fromkeys(SCORES, value(0.5, 0.6, 0.7))
    found = numbers(arms={TRANSFER: scores, SCRATCH: scores}, gains={SCRATCH: scores})
    strongest = tuple(
        StrongMotif(motif=f"MA{number}", name=f"TF{number}", importance=1.0) for number in range(9)
    )
    record = ManyMotifsRecord(
        num_motifs=100,
        network_weight=0.7,
        motifs_weight=0.5,
        loss_before=0.6,
        loss=0.5,
        strongest=strongest,
    )
    plain = Verdict(numbers=found, conclusion=conclude(found), filters=None)
    with_term = replace(plain, many_motifs=record)
    assert not any("motifs of whichever TFs" in one for one in sentences(plain))
    [said] = [one for one in sentences(with_term) if "100 motifs of whichever TFs" in one]
    assert "TF0 MA0, TF1 MA1, TF2 MA2, TF3 MA3 and TF4 MA4 weigh most" in said
    assert said in write_card(with_term, Workspace(tmp_path)).page.read_text()
    assert not any("gapped k-mers" in one.lower() for one in sentences(with_term))
    for weight, expected in ((1.2, "So are the numbers of gapped k-mers"), (0.0, "no better")):
        both = replace(plain, many_motifs=replace(record, kmers_weight=weight))
        [told] = [one for one in sentences(both) if "gapped k-mers" in one.lower()]
        assert expected in told
