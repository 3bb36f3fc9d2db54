"""Numbers, durations and lists in words."""

import pytest

from data.words import counted, lasting, listed


def test_one_of_a_noun_has_no_s():
    assert [counted(n, "TF") for n in (0, 1, 1044)] == ["0 TFs", "1 TF", "1,044 TFs"]
    assert [counted(n, "match", "matches") for n in (1, 2)] == ["1 match", "2 matches"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.1, "1 second"),
        (42.4, "42 seconds"),
        (61, "1 minute"),
        (3000, "50 minutes"),
        (3600, "1 hour"),
        (5400, "1.5 hours"),
        (36_000_000, "10,000.0 hours"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds, words):
    assert lasting(seconds) == words


def test_a_list_that_is_cut_says_how_many_are_left():
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
