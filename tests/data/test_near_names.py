"""Names near to one that is unknown."""

import pytest

from data.motifs.database import jaspar_motifs
from data.near_names import _ALIASES, folded, near_names, symbol_of


def test_near_names_are_found_whatever_the_case_and_spelled_as_they_are_known():
    assert near_names("k-562", ["HepG2", "K562", "liver"]) == ["K562"]


def test_nothing_is_near_to_a_name_unlike_all():
    assert near_names("liver", ["HepG2", "K562"]) == []


def test_at_most_three_are_given():
    assert len(near_names("GATA", [f"GATA{i}" for i in range(1, 7)])) == 3


@pytest.mark.parametrize(
    ("alias", "symbol"), [("PU.1", "SPI1"), ("P53", "TP53"), ("c-myc", "MYC"), ("Oct4", "POU5F1")]
)
def test_an_alias_of_a_tf_is_nearest_to_its_symbol(alias, symbol):
    assert near_names(alias, ["PU2", "P5", "CMYB", "OCT", symbol])[0] == symbol


def test_no_alias_in_the_table_stands_twice_or_is_a_symbol():
    rows = [line.split("\t") for line in _ALIASES.read_text().splitlines()[2:]]
    aliases = [folded(alias) for alias, _ in rows]
    assert len(set(aliases)) == len(aliases) > 50
    assert not {symbol for _, symbol in rows} & set(aliases)
    assert not set(jaspar_motifs()) & set(aliases), "a name of JASPAR is a symbol"
    assert symbol_of("SPI1") is None


@pytest.mark.parametrize("name", ["Hep-G2", "hep g2", "HEP_G2", "HepG2_hepatoma"])
def test_other_spellings_of_a_biosample_are_near(name):
    assert near_names(name, ["K562", "HepG2", "HEK293"])[0] == "HepG2"
