"""Information, consensus and distance of PWMs by hand; MEME files there and back."""

import subprocess
import sys

import numpy as np
import pytest
from Bio.motifs import Motif as BiopythonMotif
from memelite.io import read_meme as memelite_read_meme

from data.errors import DataError
from data.motifs.database import Jaspar, file_database, jaspar_database, jaspar_motifs
from data.motifs.meme import read_meme, write_meme
from data.motifs.motif import Motif, tf_names
from data.motifs.pwm import consensus, information_bits, pwm_distance


def sharp(text: str, probability: float = 1.0) -> np.ndarray:
    """PWM in which each base of a text has a probability and the others share the rest."""
    pwm = np.full((4, len(text)), (1 - probability) / 3)
    for position, base in enumerate(text):
        pwm["ACGT".index(base), position] = probability
    return pwm


def test_information_of_one_two_and_four_bases():
    pwm = np.array([[1, 0.5, 0.25, 0], [0, 0.5, 0.25, 0], [0, 0, 0.25, 0], [0, 0, 0.25, 0]])
    assert information_bits(pwm).tolist() == [2.0, 1.0, 0.0, 0.0]
    assert information_bits(np.stack([pwm, pwm])).shape == (2, 4)


def test_consensus_by_cavener():
    pwm = np.array(
        [
            [0.6, 0.45, 0.4, 0.25, 0.0],
            [0.2, 0.05, 0.3, 0.25, 0.0],
            [0.1, 0.45, 0.3, 0.25, 0.0],
            [0.1, 0.05, 0.0, 0.25, 0.0],
        ]
    )
    # more than half and twice the next; A or G; no T; anything; unknown
    assert consensus(pwm) == "ARVNN"


def test_consensus_is_that_of_biopython_also_where_bases_tie():
    # few whole numbers, so that many columns have ties and bases that never occur
    counts = np.random.default_rng(0).integers(0, 5, size=(4, 3000)).astype(float)
    counts = counts[:, counts.sum(axis=0) > 0]
    rows = {base: row.tolist() for base, row in zip("ACGT", counts, strict=True)}
    assert consensus(counts) == str(BiopythonMotif(counts=rows).degenerate_consensus)


def test_distance_of_a_motif_to_itself_shifted_and_to_another():
    one = sharp("GATTACA", 0.9)
    assert pwm_distance(one, one) == pytest.approx(0)
    shifted = np.concatenate([np.full((4, 2), 0.25), one], axis=1)
    assert pwm_distance(one, shifted) == pytest.approx(0)
    assert pwm_distance(shifted, one) == pytest.approx(0)
    # four of eight columns agree, the other four are the opposite of nothing: half is shared
    assert pwm_distance(sharp("ACGT"), sharp("ACGTTTTT")) == pytest.approx(1 - 1 / np.sqrt(2))
    assert 0.5 < pwm_distance(sharp("AAAA"), sharp("CCCC")) <= 4 / 3
    assert np.isnan(pwm_distance(one, np.full((4, 5), 0.25)))
    assert np.isnan(pwm_distance(one, np.zeros((4, 5))))


@pytest.fixture
def motifs() -> list[Motif]:
    rng = np.random.default_rng(0)
    return [
        Motif(
            tf="",
            matrix_id=f"filter{i}",
            name=name,
            probabilities=rng.dirichlet(np.ones(4), 7 + i).T,
            num_sites=100 + i,
        )
        for i, name in enumerate(["SPI1", ""])
    ]


def test_a_written_file_reads_the_same_here_and_by_memelite(tmp_path, motifs):
    path = tmp_path / "filters.meme"
    write_meme(path, motifs, np.array([0.3, 0.2, 0.2, 0.3]))
    for ours, before in zip(read_meme(path), motifs, strict=True):
        assert (ours.matrix_id, ours.name) == (before.matrix_id, before.name)
        assert ours.num_sites == before.num_sites
        np.testing.assert_allclose(ours.probabilities, before.probabilities, atol=1e-7)
    theirs = memelite_read_meme(str(path))
    assert list(theirs) == ["filter0 SPI1", "filter1"]
    np.testing.assert_allclose(theirs["filter1"], motifs[1].probabilities, atol=1e-7)
    text = path.read_text()
    head = ["MEME version 4", "ALPHABET= ACGT", "strands: + -", "Background letter frequencies"]
    assert [line for line in text.splitlines() if line in head] == head
    assert "A 0.30000 C 0.20000 G 0.20000 T 0.30000" in text
    assert "alength= 4 w= 8 nsites= 101 E= 0" in text
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "no motif in it"),
        ("MOTIF\nletter-probability matrix: w= 1\n1 0 0 0\n", "line 1: MOTIF: a motif without"),
        ("MOTIF a\n", "line 1: MOTIF a: no letter-probability matrix"),
        ("MOTIF a\nletter-probability matrix: w= 2\n1 0 0 0\n", "w= 2, but there are 1 rows"),
        ("MOTIF a\nletter-probability matrix:\n1 0 0\n", "other than 4 numbers"),
        ("MOTIF a\nletter-probability matrix:\n1 1 0 0\n", "does not sum to 1"),
        ("ALPHABET= ACDEFGHIKLMNPQRSTVWY\n", "line 1: alphabet is not ACGT"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(tmp_path, text, told):
    path = tmp_path / "bad.meme"
    path.write_text(text)
    with pytest.raises(DataError, match=told) as caught:
        read_meme(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"none.meme: cannot be opened \(no such file"):
        read_meme(tmp_path / "none.meme")


def test_names_of_tfs():
    assert tf_names("Jund(var.2)") == ("JUND",)
    assert tf_names("Arnt::HIF1A") == ("ARNT", "HIF1A")


def test_jaspar_by_its_year_and_profiles_by_tf():
    database = jaspar_database()
    assert (database.name, database.slug, len(database)) == (
        "JASPAR2020 CORE vertebrates",
        "jaspar2020",
        746,
    )
    found = [database.motifs[row] for row in database.rows_of("Jund")]
    names = {motif.name: motif.is_variant for motif in found}
    assert (names["JUND"], names["JUND(var.2)"], names["FOS::JUND"]) == (False, True, False)
    assert {database.motifs[row].name for row in database.rows_of("MYC")} == {"MYC", "MAX::MYC"}
    assert not len(database.rows_of("NOSUCH"))
    with pytest.raises(ValueError, match=r"no JASPAR release '1999'; there are: .*2020"):
        Jaspar(year="1999")


@pytest.mark.slow
def test_other_releases_and_taxa_of_jaspar_are_other_databases_and_say_so():
    plants = jaspar_database(Jaspar(year="2024", taxon="plants"))
    assert (plants.name, plants.slug) == ("JASPAR2024 CORE plants", "jaspar2024-plants")
    assert len(plants) == 805
    assert {motif.source for motif in plants.motifs} == {plants.name}
    assert "ZHD6" in jaspar_motifs(Jaspar(taxon="plants"))
    assert "ZHD6" not in jaspar_motifs()
    assert jaspar_database(Jaspar(year="JASPAR2022")).slug == "jaspar2022"
    with pytest.raises(ValueError, match=r"no taxon 'plant' in JASPAR; near: plants"):
        Jaspar(taxon="plant")


def test_a_part_of_jaspar_is_known_by_what_records_call_it():
    for part in (Jaspar(), Jaspar(year="2024", taxon="plants")):
        assert Jaspar.called(part.name) == part
    assert Jaspar.called("") == Jaspar()
    with pytest.raises(DataError, match=r"no part of JASPAR is called 'JASPAR2030 CORE plants'"):
        Jaspar.called("JASPAR2030 CORE plants")


def test_a_users_file_is_a_database(tmp_path, motifs):
    path = tmp_path / "my motifs.meme"
    write_meme(path, motifs)
    database = file_database(path)
    assert [motif.tfs for motif in database.motifs] == [("SPI1",), ("FILTER1",)]
    assert database.slug.startswith("my-motifs-")
    write_meme(path, motifs[:1])
    assert file_database(path).slug != database.slug
    path.write_text(path.read_text() + path.read_text().split("\n", 8)[8])
    assert [motif.matrix_id for motif in file_database(path).motifs] == ["filter0", "filter0_2"]


COMPARE = """
import sys
import numpy as np
from data.motifs.database import jaspar_database
from data.motifs.tomtom import align
targets = [p.probabilities for p in jaspar_database().motifs[:60]]
found = align(targets[:2], targets)
assert found.p_values[0].argmin() == 0
print(sum(sys.modules["memelite.tomtom"]._tomtom.stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_tomtom_is_compiled_once_and_kept_between_processes():
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", COMPARE],
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(2)
    ]
    assert runs[1].stdout.strip() == "0"
