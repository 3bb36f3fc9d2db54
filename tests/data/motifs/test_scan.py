"""P-values of motif hits, beside what can be counted by hand."""

from itertools import product

import numpy as np
import pytest

from data.motifs.database import jaspar_motifs
from data.motifs.motif import Motif
from data.motifs.scan import best_hits, scan, score_tail
from data.packing import UNKNOWN, encode


def codes_of(*texts: str) -> np.ndarray:
    return np.stack([encode(np.frombuffer(text.encode(), dtype=np.uint8)) for text in texts])


def small_motif() -> Motif:
    probabilities = np.random.default_rng(0).dirichlet([1.0] * 4, 4).T
    return Motif("X", "X1", probabilities)


@pytest.mark.parametrize("background", [(0.25,) * 4, (0.3, 0.2, 0.2, 0.3)])
def test_p_values_are_those_of_counting_all_words(background):
    motif = small_motif()
    words = np.array(list(product(range(4), repeat=4)))
    scores = motif.log_odds[words, np.arange(4)].sum(axis=1)
    chances = np.array(background)[words].prod(axis=1)
    found = score_tail(motif, background).p_values(scores)
    # never too rare, and as rare as a score lower by thousandths of a bit at most
    least, most = (
        np.array([chances[scores >= score - slack].sum() for score in scores])
        for slack in (1e-5, 5e-3)
    )
    assert (least - 1e-9 <= found).all()
    assert (found <= most + 1e-9).all()


def test_the_consensus_of_a_sharp_motif_is_one_word_in_four_to_the_w():
    motif = jaspar_motifs()["SPI1"][0]
    tail = score_tail(motif)
    highest = motif.log_odds.max(axis=0).sum()
    assert tail.p_values(np.array([highest])) == pytest.approx(4.0**-motif.length_bp)
    assert tail.tail[0] == pytest.approx(1.0)


@pytest.mark.parametrize("p_value", [0.5, 1e-2, 1e-3, 1e-4])
def test_the_score_at_a_p_value_is_the_lowest_as_rare(p_value):
    tail = score_tail(jaspar_motifs()["SPI1"][0])
    score = tail.score_at(p_value)
    below = np.array([score, score - 0.001])
    assert tail.p_values(below)[0] <= p_value < tail.p_values(below)[1]


def test_no_score_is_as_rare_as_nothing():
    assert score_tail(small_motif()).score_at(1e-9) == np.inf


def test_p_values_hold_in_random_sequence():
    motif = jaspar_motifs()["SPI1"][0]  # no palindrome: its strands score apart
    codes = np.random.default_rng(0).integers(0, 4, (20_000, motif.length_bp)).astype(np.uint8)
    found = scan(codes, motif)
    # the better of two strands: about twice as many as one strand's p-value says
    for level in (0.01, 0.1):
        share = (found.p_value <= level).mean()
        assert share == pytest.approx(2 * level, rel=0.15)


def test_a_place_with_an_unknown_base_is_no_hit():
    motif = Motif("X", "X1", np.where(np.eye(4)[[0, 2, 3]].T > 0, 0.97, 0.01))  # AGT
    codes = codes_of("CCAGTCCC", "CCAGTCCC", "CCAGTCAG")
    codes[1, 3] = UNKNOWN
    codes[2] = UNKNOWN
    hits = best_hits(codes, motif)
    assert hits.start[0] == 2
    assert hits.score[1] < hits.score[0]
    assert set(range(hits.start[1], hits.start[1] + 3)).isdisjoint({3})
    assert scan(codes, motif).p_value[2] == 1.0
