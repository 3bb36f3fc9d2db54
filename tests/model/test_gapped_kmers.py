"""Numbers of gapped k-mers: which ones there are, on both strands, and how rows are scaled."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from model.encoding import reverse_complement, to_tensor
from model.gapped_kmers import gapped_kmers, span_numbers, span_table

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def packed(texts: list[str]) -> np.ndarray:
    codes = np.array([["ACGT".index(base) for base in text] for text in texts], dtype=np.uint8)
    grouped = codes.reshape(len(texts), -1, 4)
    return (grouped << np.arange(0, 8, 2, dtype=np.uint8)).sum(axis=2).astype(np.uint8)


def counted_by_hand(text: str, num_bases: int, max_span: int) -> Counter[str]:
    """Gapped k-mers of a text, such as A.CG, each as the first by name of both strands."""
    found: Counter[str] = Counter()
    for rest in combinations(range(1, max_span), num_bases - 1):
        places = (0, *rest)
        for start in range(len(text) - places[-1]):
            letters = ["."] * (places[-1] + 1)
            for place in places:
                letters[place] = text[start + place]
            own = "".join(letters)
            found[min(own, own.translate(COMPLEMENT)[::-1])] += 1
    return found


@pytest.mark.parametrize(("num_bases", "max_span"), [(3, 3), (2, 4), (4, 6)])
def test_each_sequence_has_the_gapped_k_mers_that_a_count_by_hand_finds(
    num_bases: int, max_span: int
) -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 20)) for _ in range(3)]
    rows = gapped_kmers(packed(texts), num_bases=num_bases, max_span=max_span)
    for row, text in zip(rows, texts, strict=True):
        counts = np.array(sorted(counted_by_hand(text, num_bases, max_span).values()), dtype=float)
        assert np.allclose(np.sort(row.data), counts / np.linalg.norm(counts))


def test_a_sequence_and_its_reverse_complement_have_the_same_gapped_k_mers() -> None:
    sequences = np.random.default_rng(1).integers(0, 256, (5, 50), dtype=np.uint8)
    turned = reverse_complement(to_tensor(sequences)).numpy()
    forward = gapped_kmers(sequences, num_bases=4, max_span=7)
    assert abs(forward - gapped_kmers(turned, num_bases=4, max_span=7)).max() < 1e-6


def test_a_table_of_spans_adds_up_to_the_score_of_gapped_k_mers() -> None:
    rng = np.random.default_rng(1)
    settings = {"num_bases": 3, "max_span": 5}
    shared = "".join(rng.choice(list("ACGT"), 8))
    texts = ["".join(rng.choice(list("ACGT"), 32)) + shared for _ in range(6)]
    texts[0] = "AC" * 16 + shared  # has repeats, which unit norm would scale
    sequences = packed(texts)
    counts = gapped_kmers(sequences, **settings, unit_norm=False)
    weights = rng.normal(size=counts.shape[1])
    table = span_table(weights, length_bp=40, **settings)
    assert table.shape == (4**5,)
    numbers = span_numbers(sequences, 5)
    assert numbers.shape == (6, 36)
    first = int("".join(str("ACGT".index(base)) for base in texts[1][:5]), 4)
    assert numbers[1, 0] == first
    scores, sums = counts @ weights, table[numbers].sum(axis=1)
    # the gapped k-mers that begin in the last four bases are left out, the same in all texts
    left_out = scores - sums
    np.testing.assert_allclose(left_out, left_out[0], atol=1e-5)
    assert np.ptp(sums) > 1
    # rows are in the unit that a sequence without repeats has
    norms = np.sqrt(counts.multiply(counts).sum(axis=1))
    assert norms[0] > 2 > norms[1:].max() >= norms[1:].min() >= 1
