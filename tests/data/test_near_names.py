"""Names near to one that is unknown."""

from data.near_names import near_names


def test_near_names_are_found_whatever_the_case_and_spelled_as_they_are_known():
    assert near_names("k-562", ["HepG2", "K562", "liver"]) == ["K562"]


def test_nothing_is_near_to_a_name_unlike_all():
    assert near_names("liver", ["HepG2", "K562"]) == []


def test_at_most_three_are_given():
    assert len(near_names("GATA", [f"GATA{i}" for i in range(1, 7)])) == 3
