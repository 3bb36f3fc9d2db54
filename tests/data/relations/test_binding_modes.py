"""Binding modes: clusters of hand-made profiles, the shipped table, a user's table."""

import importlib.util
import warnings

import numpy as np
import pytest

from data.errors import DataError
from data.motifs.database import jaspar_motifs
from data.relations.binding_modes import SHIPPED, BindingModes, load_modes
from data.relations.mode_clustering import (
    cluster,
    compute_modes,
    format_table,
    mode_distance,
    name_modes,
    shipped_note,
)

PAPER_TFS = """
AHR AR ARID3A ARNT ATF1 ATF3 ATF4 ATF7 BACH1 BATF BHLHE40 CEBPA CEBPB CEBPD CEBPG CREB1 CREB3
CREB3L1 CREM CTCF CTCFL CUX1 E2F1 E2F4 E2F6 EBF1 EGR1 ELF1 ELK1 ELK4 ERG ESR1 ESRRA ETS1 ETV1 ETV4
ETV6 FLI1 FOS FOSL1 FOSL2 FOXA1 FOXA2 FOXJ2 FOXK2 FOXP1 GABPA GATA1 GATA2 GATA3 GATA4 GFI1B HINFP
HMBOX1 HNF4A HNF4G HOXB13 HSF1 IRF1 IRF2 IRF3 IRF4 IRF9 JUN JUNB JUND KLF1 KLF13 KLF4 KLF5 KLF9
MAFF MAFG MAFK MAX MEF2A MEF2C MEIS2 MITF MNT MXI1 MYB MYBL2 MYC MYCN NEUROD1 NFATC1 NFE2 NFE2L1
NFE2L2 NFIC NFYA NFYB NKX3-1 NR2C2 NR2F1 NR2F2 NR2F6 NR3C1 NR4A1 NR5A2 NRF1 PAX5 PBX2 PBX3 PKNOX1
POU2F2 POU5F1 PRDM1 RARA RELA REST RFX1 RFX5 RUNX1 RUNX3 RXRA SMAD2 SMAD3 SOX13 SOX6 SP1 SP2 SPI1
SREBF1 SREBF2 SRF STAT1 STAT2 STAT3 STAT5A TAL1 TBP TBX21 TCF12 TCF3 TCF7 TCF7L2 TEAD2 TEAD4 TFAP2A
TFAP2C TFAP4 TFDP1 TGIF2 THAP1 TP53 TP63 TWIST1 USF1 USF2 VDR YY1 ZBED1 ZBTB33 ZBTB7A ZEB1 ZFX
ZNF143 ZNF24 ZNF263 ZNF384 ZNF740
"""


@pytest.fixture(scope="module")
def shipped() -> BindingModes:
    return load_modes()


def test_the_shipped_table_knows_every_tf_of_jaspar(shipped):
    assert set(shipped.modes_of_tf) == set(jaspar_motifs())
    assert len(shipped.modes_of_tf) == 661
    assert len(shipped.among(shipped.modes_of_tf)) == 114


def test_the_papers_163_tfs_have_65_modes(shipped):
    tfs = PAPER_TFS.split()
    assert len(tfs) == 163
    assert shipped.without(tfs) == ()
    assert len(shipped.among(tfs)) == 65


@pytest.mark.parametrize(
    "tfs",
    [
        ("JUND", "NFE2L1"),
        ("JUND", "ATF7"),
        ("MAX", "MNT", "SREBF2"),
        ("SPI1", "ETV4", "ERG"),
        ("SP1", "KLF9", "ZNF740"),
        ("SP1", "EGR1"),
        ("HNF4A", "NR2C2"),
        ("MEF2A", "MEF2C"),
    ],
)
def test_relations_of_the_authors_scripts_hold(shipped, tfs):
    assert all(shipped.share(one, two) for one in tfs for two in tfs)


@pytest.mark.parametrize("tfs", [("ATF7", "NFE2L1"), ("HNF4A", "VDR"), ("SPI1", "SP1")])
def test_other_modes_of_the_authors_scripts_hold(shipped, tfs):
    assert not shipped.share(*tfs)


def test_the_shipped_table_says_how_it_was_made():
    comments = [line for line in SHIPPED.read_text().splitlines() if line.startswith("#")]
    text = " ".join(comments)
    for word in (
        "python -m data.relations.mode_clustering",
        "JASPAR2020",
        "746 profiles",
        "memelite",
        "0.72",
    ):
        assert word in text


def test_distance_is_one_minus_a_tenth_of_log10_p():
    p_values = np.array([[0.0, 1e-4, 1.0], [1e-4, 1e-30, 1e-10], [1.0, 1e-10, 0.5]])
    expected = np.array([[0.0, 0.6, 1.0], [0.6, 0.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(mode_distance(p_values), expected, atol=1e-12)


def test_clusters_are_cut_by_the_average_distance():
    # 0 and 1 are 0.2 apart; 2 is 0.6 and 0.8 from them, 0.7 on average
    distance = np.array([[0, 0.2, 0.6], [0.2, 0, 0.8], [0.6, 0.8, 0]])
    together = cluster(distance, cut=0.71)
    assert len(set(together.tolist())) == 1
    first, second, third = cluster(distance, cut=0.69).tolist()
    assert first == second != third
    assert cluster(np.zeros((1, 1))).tolist() == [1]


def test_a_mode_is_called_by_its_first_tfs_rank_and_its_most_central_tf():
    distance = np.array([[0, 0.5, 0.9, 1], [0.5, 0, 0.4, 1], [0.9, 0.4, 0, 1], [1, 1, 1, 0]])
    names = name_modes([["B"], ["C"], ["D"], ["A"]], np.array([1, 1, 1, 2]), distance)
    assert names == ["002_C", "002_C", "002_C", "001_A"]
    # whatever numbers the clustering gives out
    assert name_modes([["B"], ["C"], ["D"], ["A"]], np.array([7, 7, 7, 3]), distance) == names


def test_a_formatted_table_reads_back(tmp_path):
    path = tmp_path / "modes.tsv"
    path.write_text(
        format_table({"MAX": {"1": ["MA1"], "2": ["MA2", "MA3"]}, "MNT": {"2": ["x"]}}, "n")
    )
    modes = load_modes(path)
    assert modes.modes_of_tf == {"MAX": {"1", "2"}, "MNT": {"2"}}
    assert modes.source == path


def test_a_users_table_may_have_comments_other_columns_and_any_case(tmp_path):
    path = tmp_path / "modes.tsv"
    path.write_text("# mine\nmode\tnote\ttf\nets\ta\tSpi1\n\nets\t\tElf1\nbzip\t\tJUND\n")
    modes = load_modes(path)
    assert modes.of("SPI1") == modes.of("spi1") == {"ets"}
    assert modes.share("SPI1", "ELF1")
    assert not modes.share("SPI1", "JUND")
    assert modes.among(["SPI1", "JUND"]) == {"ets", "bzip"}


def test_a_tf_without_a_mode_shares_none_not_even_with_its_like(tmp_path):
    path = tmp_path / "modes.tsv"
    path.write_text("tf\tmode\nSPI1\tets\n")
    modes = load_modes(path)
    assert modes.of("RAD21") == frozenset()
    assert not modes.share("RAD21", "SMC3")
    assert not modes.share("RAD21", "RAD21")
    assert modes.without(["SMC3", "SPI1", "RAD21"]) == ("SMC3", "RAD21")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"tf\tmode\nSPI1\n", ["row 2", "1 columns", "tabs"]),
        (b"# x\ntf\tmode\nSPI1\tets\n\tets\n", ["row 4", "no tf"]),
        (b"tf\tmode\nSPI1\t \n", ["row 2", "no mode"]),
        (b"# x\nTF,mode\nSPI1,ets\n", ["row 2", "no column 'tf'", "header"]),
        (b"tf\tmode\n", ["no rows below the header"]),
        (b"# nothing\n", ["no rows"]),
        (b"", ["empty"]),
        (b"tf\tmode\nSPI1\t\0\n", ["row 2", "not text"]),
    ],
)
def test_a_bad_table_is_refused_with_file_row_and_remedy(tmp_path, content, words):
    path = tmp_path / "modes.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_modes(path)
    assert all(word in str(caught.value) for word in [str(path), *words]), caught.value


def test_a_table_in_latin_1_is_read(tmp_path):
    path = tmp_path / "modes.tsv"
    path.write_bytes("tf\tmode\nSPI1\tfünf\n".encode("latin-1"))
    assert load_modes(path).of("SPI1") == {"fünf"}


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(DataError, match="check the path"):
        load_modes(tmp_path / "none.tsv")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("memelite") is None, reason="memelite, a dependency, is not installed"
)
def test_the_shipped_table_is_what_its_command_makes():
    # seconds, but for most of a minute of compilation the first time on a machine
    with warnings.catch_warnings():
        # of numba and what it calls: none of ours
        warnings.simplefilter("ignore")
        text = format_table(compute_modes(jaspar_motifs()), shipped_note(746))
    made, there = (
        [line for line in text.splitlines() if not line.startswith("#")]
        for text in (text, SHIPPED.read_text())
    )
    assert made == there
