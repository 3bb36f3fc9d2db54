"""Motif files of other tools: each is known by its content and gives the same matrix."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.motifs.database import file_database
from data.motifs.files import read_motifs
from data.motifs.meme import read_meme

ROWS = {"A": [8, 0, 1, 0, 7], "C": [0, 1, 0, 10, 1], "G": [2, 9, 0, 0, 1], "T": [0, 0, 9, 0, 1]}
COUNTS = np.array(list(ROWS.values()), dtype=np.float64)
EXPECTED = (COUNTS + 0.25) / (COUNTS + 0.25).sum(axis=0)


def rows(letter: str = "", matrix: np.ndarray = COUNTS) -> str:
    """One row a base."""
    lines = [" ".join(map(str, row)) for row in matrix]
    return "\n".join(letter.format(b) + line for b, line in zip("ACGT", lines, strict=True)) + "\n"


def columns(matrix: np.ndarray = COUNTS, position: int | None = None, end: str = "") -> str:
    """One row a position, counted from `position` if it is given."""
    lines = []
    for i, column in enumerate(matrix.T):
        number = [] if position is None else [f"{i + position:02d}"]
        lines.append("\t".join([*number, *map(str, column)]) + end)
    return "\n".join(lines) + "\n"


CISBP = "TF\tT1\nTF Name\tSpi1\nGene\tENSG1\nMotif\tM1_2.00\nPos\tA\tC\tG\tT\n"
TRANSFAC = (
    "VV  TRANSFAC\nXX\n//\nAC  M1\nXX\nID  V$SPI1_01\nRN  [7]; odd.\n"
    "P0      A      C      G      T\n"
)
FORMATS = {
    "JASPAR": (
        ">MA1.1 SPI1\n" + "".join(f"{b} [ {' '.join(map(str, ROWS[b]))} ]\n" for b in "ACGT"),
        ("MA1.1", "SPI1"),
    ),
    "JASPAR without letters": (">MA1.1\tSPI1\n" + rows(), ("MA1.1", "SPI1")),
    "letters and bars": (rows("{} | "), ("my", "MY")),
    "rows in another order": (
        ">m\n" + "\n".join(f"{b}\t" + "\t".join(map(str, ROWS[b])) for b in "TGCA"),
        ("m", "M"),
    ),
    "TRANSFAC": (TRANSFAC + columns(position=1, end="\tN") + "XX\n//\n", ("M1", "SPI1")),
    "HOMER": (
        ">AGTCA\tSPI1(ETS)/ThioMac-PU.1-ChIP-Seq/Homer\t6.04\t-1.7e+03\t0\n" + columns(),
        ("SPI1(ETS)/ThioMac-PU.1-ChIP-Seq/Homer", "SPI1"),
    ),
    "HOCOMOCO": (">SPI1_HUMAN.H11MO.0.A\n" + columns(), ("SPI1_HUMAN.H11MO.0.A", "SPI1")),
    "CIS-BP": (CISBP + columns(position=1), ("M1_2.00", "SPI1")),
    "CIS-BP, other order": (
        "Pos\tT\tG\tC\tA\n" + columns(COUNTS[::-1], position=1),
        ("my", "MY"),
    ),
    "UniPROBE": (
        "Protein: Spi1_primary\tSeed k-mer: GGAA\tEnrichment Score: 0.49\n" + rows("{}:\t"),
        ("Spi1_primary", "SPI1"),
    ),
    "plain columns": ("# a comment\n" + columns(), ("my", "MY")),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_each_format_gives_the_same_matrix_with_jaspars_pseudocount(tmp_path, name, end):
    text, (matrix_id, tf) = FORMATS[name]
    path = tmp_path / "my.motif"
    path.write_bytes(text.replace("\n", end).encode())
    (motif,) = file_database(path).motifs
    assert (motif.matrix_id, motif.tf) == (matrix_id, tf)
    np.testing.assert_allclose(motif.probabilities, EXPECTED)
    assert motif.num_sites == 10


@pytest.mark.parametrize("name", ["JASPAR", "HOMER", "HOCOMOCO", "TRANSFAC", "CIS-BP", "UniPROBE"])
def test_a_file_of_two_motifs_gives_both_and_numbers_a_name_that_stands_twice(tmp_path, name):
    text, (matrix_id, _) = FORMATS[name]
    path = tmp_path / "two.txt"
    path.write_text(text + "\n" + text)
    told: list[str] = []
    motifs = read_motifs(path, told.append)
    assert [motif.matrix_id for motif in motifs] == [matrix_id, f"{matrix_id}_2"]
    assert len(told) == 1
    assert f"numbered 1 name found more than once: {matrix_id}_2" in told[0]


def test_probabilities_without_a_zero_stay_as_they_are(tmp_path):
    path = tmp_path / "m.ppm"
    path.write_text(">m\n" + columns(EXPECTED))
    np.testing.assert_allclose(read_motifs(path)[0].probabilities, EXPECTED)


def test_four_rows_of_four_numbers_are_read_by_the_totals_of_positions(tmp_path):
    path = tmp_path / "m.txt"
    even = np.array([[8, 0, 1, 1], [0, 1, 1, 8], [1, 8, 1, 0], [1, 1, 7, 1]], dtype=np.float64)
    even[:, 3] = [2, 8, 0, 0]
    path.write_text(">m\n" + rows(matrix=even))
    by_base = read_motifs(path)[0].probabilities
    path.write_text(">m\n" + columns(even))
    np.testing.assert_allclose(read_motifs(path)[0].probabilities, by_base)
    path.write_text(">m\n" + rows(matrix=np.eye(4)))
    with pytest.raises(DataError, match="do not say which are bases"):
        read_motifs(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chr1\t10\t20\n", "no motif in it; give a file of MEME, JASPAR"),
        (">m\nACGT\n", "line 1: >m: no rows of numbers"),
        (">m\n" + columns(COUNTS - 1), "negative numbers; give counts or probabilities"),
        (">m\n1 2 3\n1 2 3\n", "other than 4 numbers"),
        (">m\nA 1 2\nC 1 2\nG 1 2\nT 1\n", "not one row of equal length for each of A, C, G, T"),
        (">m\n1 2 3 4\n0 0 0 0\n", "a position of the matrix has no counts"),
        (">m\n1 2 3 nan\n1 2 3 4\n", "holds something that is not a number"),
    ],
)
def test_what_is_no_motif_is_refused_with_its_reason(tmp_path, text, words):
    path = tmp_path / "m.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_motifs(path)


def test_a_motif_that_cannot_be_used_does_not_spoil_the_others(tmp_path):
    path = tmp_path / "m.txt"
    path.write_text(">bad\n1 2 3\n>good\n" + columns())
    told: list[str] = []
    assert [motif.matrix_id for motif in read_motifs(path, told.append)] == ["good"]
    assert len(told) == 1
    assert "left out 1 motif that cannot be used: line 1: >bad: a row" in told[0]


def meme(body: str, alphabet: str = "ALPHABET= ACGT") -> str:
    return f"MEME version 5.1.1\n\n{alphabet}\n\nstrands: + -\n\n{body}"


def test_meme_zeros_get_the_pseudocount_of_jaspars_own_matrices(tmp_path):
    counts = np.array([[0, 3], [10, 3], [0, 2], [0, 2]], dtype=np.float64)
    path = tmp_path / "m.meme"
    head = "MOTIF m1 SPI1\nletter-probability matrix: alength= 4 w= 2 nsites= 10 E= 0\n"
    path.write_text(meme(head + columns(counts / 10)))
    (motif,) = read_motifs(path)
    np.testing.assert_allclose(motif.probabilities, (counts + 0.25) / 11)
    assert np.isfinite(motif.log_odds).all()


DNA_LIKE = """ALPHABET "DNA"{like}
A "Adenine" CC0000 ~ T "Thymine" 008000
C "Cytosine" 0000CC ~ G "Guanine" FFB300
N "Any base" = ACGT
END ALPHABET"""
ONE = "MOTIF {}\nletter-probability matrix: alength= 4 w= 1 nsites= 20\n\n0.1 0.2 0.3 0.4\n\n"


@pytest.mark.parametrize("like", ["", " DNA-LIKE"])
def test_an_alphabet_that_is_written_out_is_dna_by_its_core_symbols(tmp_path, like):
    path = tmp_path / "m.meme"
    path.write_text(meme(ONE.format("m1"), DNA_LIKE.format(like=like)))
    assert read_meme(path)[0].probabilities[:, 0].tolist() == [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    "alphabet",
    [
        "ALPHABET= ACGU",
        'ALPHABET "RNA" RNA-LIKE\nA\nC\nG\nU\nEND ALPHABET',
        DNA_LIKE.format(like="").replace("~ T ", "~ U "),
    ],
)
def test_an_alphabet_of_rna_is_refused(tmp_path, alphabet):
    path = tmp_path / "m.meme"
    path.write_text(meme(ONE.format("m1"), alphabet))
    with pytest.raises(DataError, match="line 3: alphabet is not ACGT"):
        read_motifs(path)


def test_a_meme_motif_without_a_matrix_is_left_out_and_a_name_twice_is_numbered(tmp_path):
    path = tmp_path / "m.meme"
    path.write_text(meme(ONE.format("a") + "MOTIF b\n\n" + ONE.format("a")))
    told: list[str] = []
    assert [motif.matrix_id for motif in read_motifs(path, told.append)] == ["a", "a_2"]
    assert "line 12: MOTIF b: no letter-probability matrix" in told[0]
    assert "found more than once: a_2" in told[1]


@pytest.mark.parametrize(
    ("title", "tf"),
    [
        ("SPI1_HUMAN.H11MO.0.A", "SPI1"),
        ("SPI1.H12CORE.0.P.B", "SPI1"),
        ("M1_2.00 (Spi1)_(Homo_sapiens)_(DBD_1.00)", "SPI1"),
        ("UP1_1 Spi1_primary", "SPI1"),
        ("MA1.1 Jund(var.2)", "JUND"),
        ("SPI1(ETS)/ThioMac-PU.1-ChIP-Seq/Homer", "SPI1"),
    ],
)
def test_the_name_of_a_motif_says_its_tf(tmp_path: Path, title: str, tf: str):
    path = tmp_path / "m.meme"
    path.write_text(meme(ONE.format(title)))
    assert file_database(path).motifs[0].tf == tf
