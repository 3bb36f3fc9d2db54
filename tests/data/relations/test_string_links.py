"""STRING's three files: which one it is, what is read from it, and what is refused."""

import gzip
import math
import os
from pathlib import Path

import pytest

from data.errors import DataError
from data.relations.string_links import read_string_links

REAL = Path(__file__).parents[4] / "shared" / "data" / "paper" / "string_links.tsv"
TFS = ("CEBPB", "GATA1", "NKX3-1", "SPI1")

WEB = "#node1\tnode2\tcombined_score\nGATA1\tSPI1\t0.995\nSPI1\tCEBPB\t0.5\nSPI1\tEP300\t0.999\n"
WEB_FULL = (
    "#node1\tnode2\tnode1_string_id\tnode2_string_id\thomology\tcombined_score\n"
    "SPI1\tGATA1\t9606.1\t9606.2\t0\t0.995\n"
    "GATA1\tSPI1\t9606.2\t9606.1\t0\t0.995\n"
    "Cebpb\tspi1\t9606.3\t9606.1\t0.7\t0.5\n"
)
LINKS = (
    "protein1 protein2 combined_score\n"
    "9606.ENSP1 9606.ENSP2 995\n9606.ENSP2 9606.ENSP1 995\n"
    "9606.ENSP1 9606.ENSP3 500\n9606.ENSP1 9606.ENSP9 999\n"
)
LINKS_FULL = (
    "protein1 protein2 neighborhood combined_score\n"
    "9606.ENSP1 9606.ENSP2 17 995\n9606.ENSP3 9606.ENSP1 0 500\n"
)
INFO = (
    "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n"
    "9606.ENSP1\tSPI1\t270\tTranscription factor PU.1; binds\n"
    "9606.ENSP2\tGATA1\t413\t\n9606.ENSP3\tCEBPB\t345\tx\ty\n9606.ENSP9\tEP300\t2414\tz\n"
)
EXPECTED = {
    "SPI1": {"GATA1": 0.995, "CEBPB": 0.5},
    "GATA1": {"SPI1": 0.995},
    "CEBPB": {"SPI1": 0.5},
}


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz"])
@pytest.mark.parametrize("text", [WEB, WEB_FULL, WEB.replace("#", ""), WEB.replace("\n", "\r\n")])
def test_a_web_export(tmp_path, text, suffix):
    path = write(tmp_path / f"string{suffix}", text)
    links = read_string_links(path, TFS)
    assert links.partners == EXPECTED
    assert links.source == path
    assert links.of("NKX3-1") == {}


@pytest.mark.parametrize(
    ("links_name", "info_name"),
    [
        ("9606.protein.links.v12.0.txt.gz", "9606.protein.info.v12.0.txt.gz"),
        ("9606.protein.links.v12.0.txt", "9606.protein.info.v12.0.txt.gz"),
        ("9606.protein.links.full.v11.5.txt.gz", "9606.protein.info.v11.5.txt"),
        ("protein.links.txt", "protein.info.txt"),
        ("links.txt", "protein.info.txt.gz"),
    ],
)
def test_a_download_finds_its_info_beside_it(tmp_path, links_name, info_name):
    write(tmp_path / info_name, INFO)
    for text in (LINKS, LINKS_FULL):
        path = write(tmp_path / links_name, text)
        assert read_string_links(path, TFS).partners == EXPECTED


def test_a_downloads_info_can_be_named(tmp_path):
    info = write(tmp_path / "names.tsv", INFO)
    path = write(tmp_path / "9606.protein.links.v12.0.txt", LINKS)
    with pytest.raises(DataError, match=r"9606\.protein\.info\.v12\.0\.txt.*--string-info"):
        read_string_links(path, TFS)
    assert read_string_links(path, TFS, info).partners == EXPECTED


@pytest.mark.parametrize("separator", ["\t", " "])
def test_a_list_has_no_scores_and_keeps_its_order(tmp_path, separator):
    pairs = [("SPI1", "GATA1"), ("SPI1", "CEBPB"), ("GATA1", "SPI1"), ("SPI1", "EP300")]
    path = write(tmp_path / "list.txt", "".join(f"{separator.join(pair)}\n" for pair in pairs))
    links = read_string_links(path, TFS)
    assert list(links.of("SPI1")) == ["GATA1", "CEBPB"]
    assert all(math.isnan(score) for score in links.of("SPI1").values())
    assert list(links.of("CEBPB")) == ["SPI1"]


def test_of_a_link_that_stands_twice_the_higher_score_counts_and_a_self_link_does_not(tmp_path):
    path = write(
        tmp_path / "s.tsv",
        "#node1\tnode2\tcombined_score\nSPI1\tGATA1\t0.2\nGATA1\tSPI1\t0.3\nSPI1\tSPI1\t0.9\n",
    )
    assert read_string_links(path, TFS).partners == {"SPI1": {"GATA1": 0.3}, "GATA1": {"SPI1": 0.3}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty"]),
        ("\n\n", ["no rows"]),
        ("#node1\tnode2\tscore\nSPI1\tGATA1\t0.5\n", ["row 1", "'combined_score'"]),
        (WEB + "SPI1\tNKX3-1\n", ["row 5", "2 columns where the header has 3"]),
        (WEB + "SPI1\tNKX3-1\thigh\n", ["row 5", "'high'"]),
        (WEB + "SPI1\tNKX3-1\t995\n", ["row 5", "'995'", "0 to 1"]),
        (WEB + "SPI1\tNKX3-1\tnan\n", ["row 5", "'nan'"]),
        (WEB.replace("SPI1", "Pax6"), ["no link between two of the dataset's 4 TFs", "species"]),
        (INFO, ["row 1", "not a file of links", "protein.links"]),
        ("tf\tpartner\tnote\n", ["row 1", "not a file of links"]),
        ("SPI1 GATA1\nSPI1 CEBPB 0.4\n", ["row 2", "3 words"]),
    ],
)
def test_what_is_not_links_is_refused_with_file_row_and_remedy(tmp_path, text, words):
    path = write(tmp_path / "string.tsv", text)
    with pytest.raises(DataError) as caught:
        read_string_links(path, TFS)
    assert all(word in str(caught.value) for word in [str(path), *words]), caught.value


@pytest.mark.parametrize(
    ("links", "info", "words"),
    [
        (LINKS + "9606.ENSP1 9606.ENSP2\n", INFO, ["links", "row 6", "2 columns"]),
        (LINKS + "9606.ENSP1 9606.ENSP2 x\n", INFO, ["links", "row 6", "'x'"]),
        (LINKS + "9606.ENSP1 9606.ENSP2 1001\n", INFO, ["links", "row 6", "'1001'"]),
        (LINKS + "9606.ENSP8 9606.ENSP7 -1\n", INFO, ["links", "row 6", "'-1'"]),
        (LINKS.replace("combined_score", "score"), INFO, ["links", "row 1", "combined_score"]),
        (LINKS, LINKS, ["info", "row 1", "protein.info"]),
        (LINKS, INFO + "9606.ENSP8\n", ["info", "row 6", "preferred_name"]),
        (LINKS, INFO.replace("\tSPI1", "\tPAX6"), ["links", "no link between two"]),
    ],
)
def test_a_bad_download_is_refused_with_file_row_and_remedy(tmp_path, links, info, words):
    write(tmp_path / "protein.info.txt", info)
    path = write(tmp_path / "protein.links.txt", links)
    with pytest.raises(DataError) as caught:
        read_string_links(path, TFS)
    first, *others = words
    assert str(caught.value).startswith(str(tmp_path / f"protein.{first}.txt"))
    assert all(word in str(caught.value) for word in others), caught.value


@pytest.mark.parametrize("text", [WEB, LINKS])
def test_a_truncated_download_is_refused(tmp_path, text):
    write(tmp_path / "protein.info.txt", INFO)
    path = tmp_path / "protein.links.txt.gz"
    # hardly compressible, so that the first line can be read
    path.write_bytes(gzip.compress((text + os.urandom(30_000).hex()).encode())[:-20_000])
    with pytest.raises(DataError, match=r"protein\.links\.txt\.gz"):
        read_string_links(path, TFS)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="check the path"):
        read_string_links(tmp_path / "none.tsv", TFS)


@pytest.mark.skipif(not REAL.exists(), reason="the paper's data is not here")
def test_the_papers_links():
    links = read_string_links(REAL, ["SPI1", "GATA1", "GATA2", "JUN", "CTCF"])
    assert links.of("SPI1")["GATA1"] == 0.995
    assert links.of("GATA1")["SPI1"] == 0.995
    assert set(links.partners) <= {"SPI1", "GATA1", "GATA2", "JUN", "CTCF"}
