"""The publishers' own files, written from simulated sources by the writers of the benchmark."""

import gzip
import io
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.published import (
    BED_NAME,
    DHS_NAME,
    DHS_SOURCES_NAME,
    PEAKS_NAME,
    SITES_NAMES,
    write_remap,
    write_ucsc,
    write_unibind,
    write_unibind_bed,
)
from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.schema import Evidence
from data.simulation.simulate import SimulationConfig, simulate
from data.sources.build import ALTERNATE, build_dataset
from data.sources.name_rules import NameRules, Treated
from data.sources.row_names import remap_name, unibind_name
from data.sources.tables import SourceFiles, read_dhs_sources
from tests.helpers.tiny import TinySources


@dataclass
class Written:
    """Simulated sources, the dataset of the plain files, and the folder of the publishers'."""

    plain: Dataset
    sources: SourceFiles
    folder: Path

    def files(self, sites: str) -> SourceFiles:
        return SourceFiles(
            dhs=self.folder / DHS_NAME,
            dhs_sources=self.folder / DHS_SOURCES_NAME,
            peaks=self.folder / PEAKS_NAME,
            sites=self.folder / sites,
            genome=self.sources.genome,
        )


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Written:
    folder = tmp_path_factory.mktemp("published")
    sources = simulate(folder / "sources", SimulationConfig(num_regions=1200))
    assert sources.samples is not None and sources.experiments is not None
    plain = build_dataset(sources, folder / "plain")
    files = folder / "files"
    files.mkdir()
    write_ucsc(sources.dhs, sources.samples, files)
    write_remap(sources.peaks, files)
    for naming in SITES_NAMES:
        write_unibind(sources.sites, sources.experiments, files, naming)
    write_unibind_bed(sources.sites, files)
    return Written(plain, sources, files)


@pytest.mark.parametrize("sites", [*SITES_NAMES.values(), BED_NAME])
def test_the_publishers_files_give_the_evidence_of_the_plain_ones_in_every_cell(
    written, sites, tmp_path
):
    left_out = LeftOut()
    built = build_dataset(written.files(sites), tmp_path / "dataset", left_out=left_out)
    assert built.tfs == written.plain.tfs
    assert built.biosamples == written.plain.biosamples
    assert (built.evidence(built.tfs) == written.plain.evidence(built.tfs)).all()
    assert built.regions().fingerprint == written.plain.regions().fingerprint
    dropped = built.manifest.dropped
    assert dropped[ALTERNATE] == 1
    # every seventh peak has one of each kind beside it
    num = dropped["peaks: of treated samples"]
    assert num > 100
    assert dropped["peaks: of TFs without sites"] == num
    assert dropped["peaks: of biosamples without DHSs"] == num
    assert left_out.unmatched == {(written.folder / PEAKS_NAME, "BJ1-hTERT_GATA4"): num}


def test_a_folder_of_unpacked_sites_is_as_good_as_the_archive(written, tmp_path):
    folder = tmp_path / "unpacked"
    with tarfile.open(written.folder / SITES_NAMES["2022"]) as archive:
        archive.extractall(folder, filter="data")
    (folder / "README.txt").write_text("not a BED file")
    (folder / "._x.K562.SP1.MA0079.4.damo.bed").write_bytes(b"\0\0")
    one = next(folder.rglob("*.damo.bed"))
    one.with_name(f"{one.name}.gz").write_bytes(gzip.compress(one.read_bytes()))
    one.unlink()
    built = build_dataset(replace(written.files("x"), sites=folder), tmp_path / "dataset")
    assert built.fingerprint(built.tfs) == written.plain.fingerprint(built.tfs)
    source = next(one for one in built.manifest.sources if one.file == str(folder.resolve()))
    assert source.size > 1000


@pytest.mark.parametrize("lacking", ["experiments", "samples"])
def test_one_of_the_two_tables_may_be_lacking(written, lacking, tmp_path):
    tables = {"experiments": written.sources.experiments, "samples": written.sources.samples}
    files = replace(written.files(SITES_NAMES["2018"]), **(tables | {lacking: None}))
    built = build_dataset(files, tmp_path / "dataset")
    assert built.fingerprint(built.tfs) == written.plain.fingerprint(built.tfs)


def test_numbers_of_dhs_sources_without_names_stop_the_build(written, tmp_path):
    files = replace(written.files(BED_NAME), dhs_sources=None)
    with pytest.raises(DataError, match="give their names by --dhs-sources"):
        build_dataset(files, tmp_path / "dataset")


@pytest.mark.parametrize("end", ["gzip", "member", "mark"])
def test_an_archive_that_is_not_whole_is_refused(written, end, tmp_path):
    whole = (written.folder / SITES_NAMES["2022"]).read_bytes()
    path = tmp_path / "sites.tar"
    if end == "gzip":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        unpacked = gzip.decompress(whole).rstrip(b"\0")
        # between two members nothing is missing but the mark of the end
        padded = unpacked + b"\0" * (-len(unpacked) % 512)
        path.write_bytes(padded if end == "mark" else padded[: len(padded) // 2 + 100])
    with pytest.raises(DataError, match=r"sites.tar: truncated or damaged"):
        build_dataset(replace(written.files("x"), sites=path), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def archive_of(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


SITE = "chr1\t195\t205\t7.5\t0\t+\n"
ARCHIVE = {
    "a/E1.K562_myelogenous_leukemia.SPI1.MA0080.4.damo.bed": SITE,
    "a/E1.K562_myelogenous_leukemia.SPI1.MA0080.5.damo.bed": SITE,
    # profiled, without a site
    "a/E2.HepG2.SPI1.MA0080.5.damo.bed": "",
    "a/E3.K562.MAX.MA0058.1.damo.bed": "",
}


def tiny_published(folder: Path, names: str = "0\tK562\n1\tHepG2\n2\tHAc\n") -> SourceFiles:
    """The tiny sources, with an archive of sites and UCSC's names in place of the tables."""
    tiny = TinySources()
    tiny.dhs = [f"585\t{line}\t9,9," for line in tiny.dhs]
    files = tiny.write(folder)
    table = folder / "names.txt"
    table.write_text(names)
    sites = archive_of(folder / "sites.tar.gz", ARCHIVE)
    return replace(files, experiments=None, samples=None, sites=sites, dhs_sources=table)


def test_pairs_are_those_of_the_files_names_also_of_an_empty_file(tmp_path):
    dataset = build_dataset(tiny_published(tmp_path / "s"), tmp_path / "dataset")
    assert dataset.tfs == ("MAX", "SPI1")
    # as worked out by hand from the plain files, which say the same
    assert dataset.evidence(["SPI1"])[:, 0].tolist() == [4, 1, 1, 2]
    assert dataset.evidence(["MAX"])[:, 0].tolist() == [1, 1, 1, 0]


def test_a_treated_dhs_source_is_left_out_unless_it_is_to_be_kept(tmp_path):
    files = tiny_published(tmp_path / "s", "0\tK562\n1\tHepG2_DEX\n2\tHAc\n")
    dataset = build_dataset(files, tmp_path / "a")
    assert dataset.manifest.dropped["DHS sources: treated"] == 1
    assert dataset.biosamples == ("K562",)
    assert dataset.manifest.dropped["peaks: of biosamples without DHSs"] == 1
    rules = NameRules(keep_treated=Treated.DHS)
    dataset = build_dataset(files, tmp_path / "b", name_rules=rules)
    assert dataset.evidence(["SPI1"])[:, 0].tolist() == [4, 1, 1, 2]
    assert dataset.manifest.dropped["DHS sources: treated"] == 0


def test_treated_chip_seq_is_kept_only_when_all_is(tmp_path):
    files = tiny_published(tmp_path / "s")
    peaks = files.peaks.read_text().replace("HepG2", "Hep-G2_IFNg")
    files.peaks.write_text(peaks)
    for kept, code in ((Treated.NONE, 1), (Treated.DHS, 1), (Treated.ALL, Evidence.PEAK)):
        folder = tmp_path / kept
        rules = NameRules(keep_treated=kept)
        dataset = build_dataset(files, folder, name_rules=rules)
        assert dataset.evidence(["SPI1"])[3, 0] == code
        assert dataset.manifest.dropped.get("peaks: of treated samples", 0) == (code == 1)


def test_what_is_unmatched_can_be_filled_in_and_given_back(tmp_path):
    files = tiny_published(tmp_path / "s")
    files.peaks.write_text(files.peaks.read_text().replace("HepG2", "liver-line"))
    left_out = LeftOut()
    dataset = build_dataset(files, tmp_path / "a", left_out=left_out)
    assert dataset.evidence(["SPI1"])[3, 0] == Evidence.UNBOUND
    table = tmp_path / "unmatched.tsv"
    left_out.write_unmatched(table)
    assert table.read_text().splitlines()[1:] == ["liver-line\t\t1\tpeaks.bed"]
    table.write_text(table.read_text().replace("line\t\t", "line\tHepG2\t"))
    dataset = build_dataset(replace(files, biosamples=table), tmp_path / "b")
    assert dataset.evidence(["SPI1"])[3, 0] == Evidence.PEAK


def test_sites_of_biosamples_without_dhss_alone_stop_the_build(tmp_path):
    files = tiny_published(tmp_path / "s", "0\theart\n1\tkidney\n2\tlung\n")
    with pytest.raises(DataError, match=r"sites.tar.gz: no site is of a biosample .*--biosamples"):
        build_dataset(files, tmp_path / "dataset")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a/README": "x"}, "holds no BED file named as UniBind does"),
        (dict.fromkeys(ARCHIVE, ""), "no site in 4 BED files"),
        (
            {"a/E1.K562.SPI1.MA0080.5.damo.bed": SITE + "chr1\tx\t9\t1\t0\t+\n"},
            "sites.tar.gz/a/E1.K562.SPI1.MA0080.5.damo.bed: row 2: start is 'x'",
        ),
    ],
)
def test_a_fault_within_an_archive_is_named(tmp_path, members, words):
    files = tiny_published(tmp_path / "s")
    archive_of(files.sites, members)
    with pytest.raises(DataError, match=words):
        build_dataset(files, tmp_path / "dataset")


def test_rows_of_an_archive_that_do_not_fit_are_noted_by_their_file(tmp_path):
    files = tiny_published(tmp_path / "s")
    name = "a/E1.K562.SPI1.MA0080.5.damo.bed"
    archive_of(files.sites, ARCHIVE | {name: f"{SITE}chr7\t1\t9\t1\t0\t+\n"})
    left_out = LeftOut()
    dataset = build_dataset(files, tmp_path / "dataset", left_out=left_out)
    assert dataset.manifest.dropped["sites: on chromosomes that the genome lacks"] == 1
    left_out.write(tmp_path / "odd.tsv")
    [row] = (tmp_path / "odd.tsv").read_text().splitlines()[1:]
    assert row.split("\t")[:2] == [str(files.sites / name), "2"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GSE137250.SMARCA4.HeLa", ("SMARCA4", "HeLa")),
        ("GSE90454.FOXA2.BJ1-hTERT_GATA4", ("FOXA2", "BJ1-hTERT_GATA4")),
        ("GSE1. SPI1..K-562 ", ("SPI1", "K-562")),
        ("GSE1.SPI1.U2OS.p53.", ("SPI1", "U2OS.p53")),
    ],
)
def test_remaps_names_are_read_with_stray_dots_and_blanks(name, told):
    assert remap_name(name) == told


@pytest.mark.parametrize("name", ["SPI1", "E1.SPI1", "E1.SPI1.", ""])
def test_a_name_that_does_not_tell_all_three_is_no_name_of_remap(name):
    with pytest.raises(ValueError):
        remap_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ENCSR000BGI.GM12878.USF1.MA0093.2.pwm.bed",
        "EXP1.GM12878.USF1.MA0093.2.damo.bed",
        "EXP1.GM12878.USF1.MA0093.2.damo.bed.gz",
        "EXP1_GM12878_USF1_MA0093.2",
        "EXP1.GM12878.USF1",
    ],
)
def test_every_naming_of_unibind_tells_the_tf_and_the_biosample(name):
    assert unibind_name(name) == ("USF1", "GM12878")


def test_long_names_of_unibind_keep_what_describes_the_cells():
    name = "EXP036852_renal_tubular_cells_ARNT_MA0004.1"
    assert unibind_name(name) == ("ARNT", "renal_tubular_cells")
    assert unibind_name("GSE64862.BONE.RUNX1.MA0002.2.damo.bed") == ("RUNX1", "BONE")


def test_the_table_of_dhs_sources_is_checked(tmp_path):
    path = tmp_path / "sources.txt"
    path.write_text("0\tK562\n1\tHepG2\n")
    assert read_dhs_sources(path) == {0: "K562", 1: "HepG2"}
    for text, words in (
        ("0\tK562\n0\tHepG2\n", "row 2: source id 0 stands twice"),
        ("0 K562\n", "row 1: '0 K562' is not a number and a name"),
        ("\n", "no rows"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_dhs_sources(path)
