"""The shortest spelling of alleles, by hand and against every other spelling of random variants."""

import numpy as np
import pytest

from data.queries.alleles import Change, shifted_left, trimmed


@pytest.mark.parametrize(
    ("reference", "alternative", "shortest"),
    [
        ("C", "T", (0, "C", "T")),
        ("CAGT", "TAGT", (0, "C", "T")),
        ("ACAG", "ATAG", (1, "C", "T")),
        ("ACG", "ATT", (1, "CG", "TT")),
        ("CA", "TAA", (0, "C", "TA")),
        ("CAA", "CA", (1, "A", "")),
        ("CA", "CAGA", (1, "", "AG")),
        ("A", "ACGT", (1, "", "CGT")),
        ("ACGT", "A", (1, "CGT", "")),
        ("AAAA", "AA", (0, "AA", "")),
        ("ACGT", "ACGT", (0, "", "")),
    ],
)
def test_bases_that_both_alleles_share_are_left_out(reference, alternative, shortest):
    found = trimmed(0, reference, alternative)
    assert (found.position, found.reference, found.alternative) == shortest


@pytest.mark.parametrize(
    ("reference", "alternative", "before", "moved"),
    [
        ("A", "", "GCAAA", (7, "A", "")),
        ("", "AA", "GCAAA", (7, "", "AA")),
        ("CAG", "", "TCAGCAG", (4, "CAG", "")),
        ("", "GCA", "TCAGCA", (5, "", "CAG")),
        ("A", "", "GCAAT", (10, "A", "")),
        ("A", "", "AAA", (7, "A", "")),
        ("A", "", "ANA", (9, "A", "")),
        ("A", "", "", (10, "A", "")),
    ],
)
def test_an_insertion_or_deletion_moves_to_the_left_of_its_repeat(
    reference, alternative, before, moved
):
    change = Change(position=10, reference=reference, alternative=alternative)
    found = shifted_left(change, before)
    assert (found.position, found.reference, found.alternative) == moved


def test_all_spellings_of_a_variant_have_one_shortest_spelling():
    rng = np.random.default_rng(0)
    for _ in range(300):
        # two letters alone make many repeats
        genome = "".join(rng.choice(list("AC"), 30))
        start, end = sorted(int(one) for one in rng.choice(np.arange(8, 22), 2, replace=False))
        new = "".join(rng.choice(list("AC"), int(rng.integers(0, 5))))
        changed = genome[:start] + new + genome[end:]
        if changed == genome:
            continue
        found = set()
        for left in range(9):
            for right in range(9):
                before, after = genome[start - left : start], genome[end : end + right]
                reference = before + genome[start:end] + after
                change = trimmed(start - left, reference, before + new + after)
                if change.is_indel:
                    change = shifted_left(change, genome[: change.position])
                found.add(change)
        assert len(found) == 1
        [only] = found
        behind = only.position + len(only.reference)
        assert genome[only.position : behind] == only.reference
        assert genome[: only.position] + only.alternative + genome[behind:] == changed
