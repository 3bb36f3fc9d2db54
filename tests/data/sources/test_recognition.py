import gzip
from pathlib import Path

import pytest
from Bio import bgzf

from data.errors import DataError
from data.sources.genome import Genome
from data.sources.public_files import ROLES, public_files
from data.sources.recognition import Kind, fault_of, find_sources, recognize, size_note

DHS = "chr1\t9980\t10410\t2\t72\t2\t88,71,\t72,38,\n"
PEAK = "chr1\t9829\t10459\tGSE137250.SMARCA4.HeLa\t34.47676\t.\t10084\t10085\t224,84,252\n"
FILES = {
    Kind.DHS: f"585\t{DHS}",
    Kind.DHS_SOURCES: "0\tK562\n1\tCD20+_RO01778\n",
    Kind.PEAKS: PEAK,
    Kind.MERGED_PEAKS: PEAK.replace("GSE137250.SMARCA4.HeLa", "SMARCA4:HeLa,K-562"),
    Kind.SITES: "chr1\t10\t21\tEXP1_K562_SPI1_MA0080.5\t0\t+\t10\t21\t1,2,3\n",
    Kind.GENOME: ">chr1\nACGT\n",
    Kind.EXPERIMENTS: "experiment\ttf\tbiotype\nE1\tSPI1\tK562\n",
    Kind.SAMPLES: "source_id\tdhs_sample\tbiotype\n0\tK562\tK562\n",
    Kind.BIOSAMPLES: "publisher\tname\tbiosample\nReMap\tK-562\tK562\n",
    Kind.STRING: "protein1 protein2 combined_score\n9606.E1 9606.E2 400\n",
    Kind.STRING_NAMES: "#string_protein_id\tpreferred_name\n9606.E1\tSPI1\n",
    Kind.OTHER: "chr1\t1\t9\n",
}


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_known_by_its_content_whatever_its_name(tmp_path, kind, pack):
    content = FILES[kind].encode()
    (tmp_path / "download.1").write_bytes(gzip.compress(content) if pack else content)
    assert [one.kind for one in recognize(tmp_path)] == [kind]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (DHS, Kind.DHS),
        (PEAK.replace("\t10084", "\t99"), Kind.OTHER),
        ("chr1\t10\t21\tEXP1.K562.SPI1\t0\t+\n", Kind.SITES),
        ("#node1\tnode2\tcombined_score\nSPI1\tELF1\t0.4\n", Kind.STRING),
        (f"# downloaded today\n\n{PEAK}", Kind.PEAKS),
        ("<html><body>404", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_other_forms_of_the_sources_are_known_too(tmp_path, text, kind):
    (tmp_path / "file").write_text(text)
    [found] = recognize(tmp_path)
    assert found.kind is kind
    assert bool(found.fault) == (text[:1] in ("", "<"))


def test_sources_of_a_folder_are_found_in_its_folders_too(tmp_path):
    (tmp_path / "ucsc").mkdir()
    (tmp_path / "ucsc" / "dhs").write_text(FILES[Kind.DHS])
    (tmp_path / "peaks").write_text(PEAK)
    (tmp_path / "unibind" / "SPI1").mkdir(parents=True)
    (tmp_path / "unibind" / "SPI1" / "EXP1.K562.SPI1.MA0080.5.damo.bed").write_text("chr1\t1\t9\n")
    (tmp_path / ".hidden").write_text(PEAK)
    assert find_sources(tmp_path) == {
        "dhs": tmp_path / "ucsc" / "dhs",
        "peaks": tmp_path / "peaks",
        "sites": tmp_path / "unibind",
    }


def test_two_files_of_one_source_are_refused_unless_another_one_is_chosen(tmp_path):
    (tmp_path / "a").write_text(PEAK)
    (tmp_path / "b").write_text(PEAK)
    with pytest.raises(DataError, match="a and b are both ReMap peaks; choose one by --peaks"):
        find_sources(tmp_path)
    assert find_sources(tmp_path, but={"peaks"}) == {}
    with pytest.raises(DataError, match="no folder"):
        find_sources(tmp_path / "a")


def test_a_genome_that_is_not_bgzf_is_to_be_unpacked(tmp_path):
    plain = tmp_path / "hg38.fa.gz"
    plain.write_bytes(gzip.compress(FILES[Kind.GENOME].encode()))
    [found] = recognize(tmp_path)
    assert "unpack it (gunzip hg38.fa.gz)" in found.fault
    assert find_sources(tmp_path) == {}
    with pytest.raises(DataError, match=r"unpack it \(gunzip hg38.fa.gz\)"):
        Genome(plain)


@pytest.mark.parametrize("cut", [0, 28])
def test_a_bgzf_file_without_its_end_mark_is_not_whole(tmp_path, cut):
    path = tmp_path / "genome.fa.gz"
    with bgzf.BgzfWriter(str(path)) as file:
        file.write(">chr1\n" + "ACGT" * 1000 + "\n")
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    [found] = recognize(tmp_path)
    assert found.kind is Kind.GENOME
    assert fault_of(found).startswith("truncated or damaged" if cut else "")
    assert bool(fault_of(found)) == bool(cut)


def test_a_file_that_is_cut_off_is_found_by_reading_it_to_its_end(tmp_path):
    path = tmp_path / "peaks.gz"
    rows = "".join(PEAK.replace("10459", str(10459 + i)) for i in range(20_000))
    packed = gzip.compress(rows.encode())
    path.write_bytes(packed)
    [found] = recognize(tmp_path)
    assert fault_of(found) == ""
    path.write_bytes(packed[: len(packed) // 2])
    [found] = recognize(tmp_path)
    assert fault_of(found).startswith("truncated or damaged")


def test_a_file_far_smaller_than_the_publishers_is_told(tmp_path):
    (tmp_path / "wgEncodeRegDnaseClustered.txt.gz").write_text(FILES[Kind.DHS])
    (tmp_path / "other.gz").write_text(FILES[Kind.DHS])
    notes = {one.path.name: size_note(one) for one in recognize(tmp_path)}
    assert "about 71 MB" in notes["wgEncodeRegDnaseClustered.txt.gz"]
    assert notes["other.gz"] == ""


def test_every_source_of_a_build_can_be_downloaded_somewhere():
    files = public_files()
    assert {file.role for file in files} == set(ROLES)
    assert all(file.file and file.publisher and file.licence for file in files)
    assert all(file.address.startswith("https://") for file in files)
    assert {Path(file.file).name for file in files} == {file.file for file in files}
