"""A lab's TF gets the evidence that the build gives it, and nothing else changes."""

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.dataset.added import AddedMotif, AddedTF
from data.dataset.store import Dataset, add_regions
from data.errors import DataError
from data.left_out import EXCLUDED, LeftOut
from data.motifs.database import Jaspar
from data.motifs.motif import Motif
from data.own_tf import files as own_files
from data.own_tf.edit import add_labels, remove_tf, source_genome
from data.own_tf.files import PeakFile, read_files
from data.own_tf.labels import OwnTF, label_own_tf, name_fault
from data.own_tf.predicted_sites import SiteRule, find_motif
from data.own_tf.record import asks_for_sites, motif_record, recorded_motif
from data.packing import encode
from data.peaks.reading import Peaks, read_own_peaks
from data.records import RecordError, from_values, to_json
from data.schema import Evidence
from data.sources.build import build_dataset
from data.sources.genome import Genome
from tests.helpers.tiny import MOTIF, TinySources

SPI1_PEAKS = {"K562": "chr1\t150\t250\t.", "HepG2": "chr2\t550\t650\t."}


@pytest.fixture
def built(tmp_path):
    """The tiny dataset, of SPI1 and MAX."""
    return build_dataset(TinySources().write(tmp_path / "sources"), tmp_path / "dataset")


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def sharp(sequence: str) -> Motif:
    probabilities = np.full((4, len(sequence)), 0.01)
    codes = encode(np.frombuffer(sequence.encode(), dtype=np.uint8))
    probabilities[codes, np.arange(len(sequence))] = 0.97
    return Motif("HAND", "MA0000.1", probabilities)


def labelled(dataset: Dataset, tf: OwnTF) -> list[int]:
    path = source_genome(dataset)
    assert path is not None
    return label_own_tf(dataset, tf, Genome(path)).codes.tolist()


def test_the_same_peaks_and_sites_give_the_same_evidence_as_the_build(built, tmp_path):
    site = write(tmp_path / "sites.bed", "chr1\t195\t205")
    none = write(tmp_path / "none.bed", "chr2\t1\t9")
    files = tuple(
        PeakFile(
            peaks=write(tmp_path / f"{biosample}.bed", line),
            biosample=biosample,
            sites=site if biosample == "K562" else none,
        )
        for biosample, line in SPI1_PEAKS.items()
    )
    assert labelled(built, OwnTF(name="MINE", files=files)) == [4, 1, 1, 2]
    assert (
        labelled(built, OwnTF(name="MINE", files=files)) == built.evidence(["SPI1"])[:, 0].tolist()
    )


def test_a_file_of_two_biosamples_is_read_once(built, tmp_path, monkeypatch):
    k562 = "chr1\t150\t250\tE1.SPI1.K562\t1\t.\t200\t201\t0,0,0"
    hepg2 = "chr2\t550\t650\tE2.SPI1.HepG2\t1\t.\t600\t601\t0,0,0"
    odd = "chr2\t20\t10\tE2.SPI1.HepG2\t1\t.\t15\t16\t0,0,0"
    path = write(tmp_path / "remap.bed", *[k562] * 6, *[hepg2] * 6, odd)
    reads = []

    def noted(path: Path, score: str, left_out: LeftOut) -> Peaks:
        reads.append(path)
        return read_own_peaks(path, score, left_out)

    monkeypatch.setattr(own_files, "read_own_peaks", noted)
    both = [PeakFile(peaks=path, biosample=name) for name in ("K562", "HepG2")]
    left_out = LeftOut()
    read = read_files(both, built.regions().chroms, None, left_out)
    assert reads == [path]
    assert [len(one.summits.start) for one in read.peaks] == [6, 6]
    # its odd row is counted once
    assert left_out.of(path)["an interval without a base"] == 1


def test_peaks_alone_make_a_region_bound(built, tmp_path):
    peaks = write(tmp_path / "p.bed", SPI1_PEAKS["K562"])
    file = PeakFile(peaks=peaks, biosample="K562")
    labels = label_own_tf(built, OwnTF(name="MINE", files=(file,)), None)
    assert labels.codes.tolist() == [4, 1, 1, 0]
    assert labels.added.sites == "none"


def test_a_motif_that_predicts_no_site_is_recorded_for_the_model_alone(built, tmp_path):
    # the motif has no hit in the peak: as a site it would leave the region unresolved
    peaks = write(tmp_path / "p.bed", SPI1_PEAKS["K562"])
    file = PeakFile(peaks=peaks, biosample="K562")
    motif = sharp("GTGTGTGTGTGT")
    rule = SiteRule(p_value=1e-6)
    with_sites = OwnTF(name="MINE", files=(file,), motif=motif, rule=rule)
    assert labelled(built, with_sites)[0] == Evidence.PEAK
    tf = replace(with_sites, predicts_sites=False)
    labels = label_own_tf(built, tf, None)
    assert labels.codes.tolist() == [4, 1, 1, 0]
    assert labels.added.sites == "none"
    assert labels.added.matrix_id == motif.matrix_id


def test_a_dataset_asks_for_sites_where_its_own_tfs_have_them(built, tmp_path):
    assert asks_for_sites(built)
    peaks = write(tmp_path / "p.bed", SPI1_PEAKS["K562"])
    file = PeakFile(peaks=peaks, biosample="K562")
    added = add_labels(built, label_own_tf(built, OwnTF(name="ALONE", files=(file,)), None))
    assert asks_for_sites(added), "what was added is no guide"


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (195, Evidence.BOUND),  # near the summit at 200
        (120, Evidence.BOUND),  # further away, but in the peak 110-290
        (300, Evidence.PEAK),  # outside the peak
    ],
)
def test_sites_are_predicted_around_the_summit_and_then_in_the_whole_peak(tmp_path, place, code):
    tiny = TinySources()
    bases = tiny.genome["chr1"].replace(MOTIF, "C" * len(MOTIF))
    tiny.genome["chr1"] = bases[:place] + MOTIF + bases[place + len(MOTIF) :]
    dataset = build_dataset(tiny.write(tmp_path / "sources"), tmp_path / "dataset")
    peaks = write(tmp_path / "p.bed", "chr1\t110\t290")
    file = PeakFile(peaks=peaks, biosample="K562")
    tf = OwnTF(name="MINE", files=(file,), motif=sharp(MOTIF), rule=SiteRule(p_value=1e-6))
    assert labelled(dataset, tf)[0] == code


def test_a_hit_near_the_summit_goes_before_a_better_one_further_off(tmp_path):
    tiny = TinySources()
    bases = "C" * len(tiny.genome["chr1"])
    near = MOTIF[:-1] + "C"
    bases = bases[:230] + near + bases[230 + len(near) :]
    tiny.genome["chr1"] = bases[:310] + MOTIF + bases[310 + len(MOTIF) :]
    dataset = build_dataset(tiny.write(tmp_path / "sources"), tmp_path / "dataset")
    # the site that counts lies in region 100-300, the better one at 310 lies outside
    peaks = write(tmp_path / "p.bed", "chr1\t80\t340")
    file = PeakFile(peaks=peaks, biosample="K562")
    tf = OwnTF(name="MINE", files=(file,), motif=sharp(MOTIF), rule=SiteRule(p_value=1e-5))
    assert labelled(dataset, tf)[0] == Evidence.BOUND


def test_own_accessibility_of_a_biosample_that_the_dataset_lacks(built, tmp_path):
    peaks = write(tmp_path / "p.bed", "chr1\t150\t250")
    opened = write(tmp_path / "dnase.bed", "chr1\t250\t420", "chr1\t1150\t1160", "chrX\t1\t5")
    file = PeakFile(peaks=peaks, biosample="liver", accessible=opened)
    # regions 100-300, 1000-1200 and 1100-1300 overlap the DNase peaks, 500-700 of chr2 does not
    assert labelled(built, OwnTF(name="MINE", files=(file,))) == [4, 1, 1, 0]


def test_two_files_of_one_biosample_are_taken_together(built, tmp_path):
    peaks = write(tmp_path / "p.bed", "chr1\t150\t250")
    other = write(tmp_path / "o.bed", "chr1\t1040\t1060")
    files = tuple(PeakFile(peaks=path, biosample="K562") for path in (peaks, other))
    assert labelled(built, OwnTF(name="MINE", files=files)) == [4, 4, 1, 0]


def test_peaks_may_come_from_a_pipe(built, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "chr1\t150\t250\n"
    writer = threading.Thread(target=lambda: pipe.write_text(text))
    writer.start()
    file = PeakFile(peaks=pipe, biosample="K562")
    labels = label_own_tf(built, OwnTF(name="MINE", files=(file,)), None)
    writer.join()
    assert labels.codes.tolist() == [4, 1, 1, 0]
    record = labels.added.files[0].peaks
    assert (record.size, record.sha256) == (
        len(text),
        hashlib.sha256(text.encode()).hexdigest(),
    )


def test_adding_changes_no_other_fingerprint_and_removing_undoes_it(built, tmp_path):
    before = {path: path.read_bytes() for path in built.path.rglob("*") if path.is_file()}
    fingerprint = built.fingerprint(["MAX", "SPI1"])
    file = PeakFile(peaks=write(tmp_path / "p.bed", "chr1\t150\t250"), biosample="K562")
    labels = label_own_tf(built, OwnTF(name="NKX2.1", files=(file,)), None)
    added = add_labels(built, labels)
    assert added.tfs == ("MAX", "NKX2.1", "SPI1")
    assert added.fingerprint(["MAX", "SPI1"]) == fingerprint
    assert {path: path.read_bytes() for path in before} == before
    record = added.summary("NKX2.1").added
    assert record is not None
    assert record.files[0].biosample == "K562"
    assert len(record.files[0].peaks.sha256) == 64
    assert added.summary("MAX").added is None
    remove_tf(added, "NKX2.1")
    after = {path: path.read_bytes() for path in built.path.rglob("*") if path.is_file()}
    assert after == before


def test_a_name_is_added_once_unless_it_is_to_be_replaced(built, tmp_path):
    file = PeakFile(peaks=write(tmp_path / "p.bed", "chr1\t150\t250"), biosample="K562")
    labels = label_own_tf(built, OwnTF(name="MINE", files=(file,)), None)
    dataset = add_labels(built, labels)
    goes_on = "added already; `bindgrid tf train MINE` goes on with it; .*pass --replace"
    with pytest.raises(DataError, match=goes_on):
        add_labels(dataset, labels)
    add_labels(dataset, labels, replace=True)
    for is_replaced in (False, True):
        for name in ("SPI1", "Spi1"):
            theirs = label_own_tf(built, OwnTF(name=name, files=(file,)), None)
            with pytest.raises(DataError, match="SPI1 is a TF of the dataset's own"):
                add_labels(dataset, theirs, replace=is_replaced)
    with pytest.raises(DataError, match="SPI1 is a TF of the dataset's own and stays"):
        remove_tf(dataset, "SPI1")
    with pytest.raises(DataError, match="no TF named 'MIN'; near: MINE"):
        remove_tf(dataset, "MIN")


def test_nothing_is_written_to_a_dataset_that_was_changed_meanwhile(built, tmp_path):
    file = PeakFile(peaks=write(tmp_path / "p.bed", "chr1\t150\t250"), biosample="K562")
    labels = label_own_tf(built, OwnTF(name="MINE", files=(file,)), None)
    regions = built.regions()
    added = add_labels(built, labels)
    with pytest.raises(DataError, match="MINE was added already"):
        add_labels(built, labels)  # the other process added a TF of this name
    add_regions(built, regions)
    there = {path: path.read_bytes() for path in built.path.rglob("*") if path.is_file()}
    changes: tuple[Callable[[], object], ...] = (
        lambda: add_regions(built, regions),
        lambda: add_labels(added, labels, replace=True),
        lambda: remove_tf(added, "MINE"),
    )
    for change in changes:
        with pytest.raises(DataError, match="was changed by another process meanwhile"):
            change()
    after = {path: path.read_bytes() for path in built.path.rglob("*") if path.is_file()}
    assert after == there


@pytest.mark.parametrize(
    ("line", "biosample", "words"),
    [
        ("chrUn\t150\t250", "K562", ["no row on a chromosome that has regions", "'chrUn'"]),
        ("chr1\t2990\t3010", "K562", ["none of 1 summits", "0 lie in a region at all"]),
        ("chr1\t4990\t5010", "K562", ["row 1", "chr1 ends at 3000", "same assembly"]),
        ("chr1\t800\t900", "K562", ["none of 1 summits", "0 lie in a region at all"]),
        ("chr2\t550\t650", "K562", ["none of 1 summits", "accessible in K562", "1 lie"]),
        ("chr1\t150\t250", "k562", ["no biosample named 'k562'", "near: K562", "--accessible"]),
        ("chr1\t150\t250", "liver", ["there are: HepG2, K562"]),
    ],
)
def test_peaks_that_cannot_be_used_are_told(built, tmp_path, line, biosample, words):
    file = PeakFile(peaks=write(tmp_path / "p.bed", line), biosample=biosample)
    with pytest.raises(DataError) as caught:
        labelled(built, OwnTF(name="MINE", files=(file,)))
    assert all(word in str(caught.value) for word in words), caught.value


def test_peaks_that_name_chromosomes_without_chr_label_the_same_regions(built, tmp_path):
    codes = []
    for name in ("chr1", "1"):
        site = write(tmp_path / f"site{name}.bed", f"{name}\t195\t205")
        peaks = write(tmp_path / f"p{name}.bed", f"{name}\t150\t250")
        file = PeakFile(peaks=peaks, biosample="K562", sites=site)
        codes.append(labelled(built, OwnTF(name="MINE", files=(file,))))
    assert codes[0] == codes[1] == [4, 1, 1, 0]
    # also where the genome is gone, and the dataset alone has names
    assert label_own_tf(built, OwnTF(name="MINE", files=(file,)), None).codes.tolist() == codes[0]


def test_excluded_peaks_do_not_count_and_excluded_regions_are_unresolved(built, tmp_path):
    peaks = write(tmp_path / "p.bed", "chr1\t150\t250", "chr1\t1050\t1090", "chr1\t1200\t1260")
    # the last base of region 1000-1200, and the first of the peak at 1200
    exclude = write(tmp_path / "b.bed", "chr1\t1199\t1201")
    file = PeakFile(peaks=peaks, biosample="K562", sites=peaks)
    tf = OwnTF(name="MINE", files=(file,), exclude=(exclude,))
    path = source_genome(built)
    assert path is not None
    read = read_files(tf.files, built.regions().chroms, Genome(path), exclude=tf.exclude)
    assert read.left_out.of(peaks) == {EXCLUDED: 1}
    labels = label_own_tf(built, tf, Genome(path), read=read)
    # regions at 100, 1000, 1100 of chr1 and 500 of chr2, which is closed
    assert labels.codes.tolist() == [4, 0, 0, 0]
    assert labels.num_excluded == 2
    assert labels.counts[0].num_peaks == 2
    assert [Path(one.file).name for one in labels.added.exclude] == ["b.bed"]
    dataset = add_labels(built, labels)
    added = dataset.summary("MINE").added
    assert added is not None
    assert added.exclude == labels.added.exclude
    without = label_own_tf(built, OwnTF(name="MINE", files=(file,)), Genome(path))
    assert without.codes.tolist() == [4, 4, 4, 0]
    assert '"exclude"' not in to_json(without.added)


def test_peaks_that_hang_over_an_end_are_clipped_and_those_beyond_it_left_out(built, tmp_path):
    peaks = write(
        tmp_path / "p.bed",
        "chr1\t150\t250",
        "chr1\t-40\t260",
        "chr1\t2900\t3039",
        "chr1\t9000\t9100",
        "chrUn\t5\t90",
    )
    opened = write(tmp_path / "dnase.bed", "chr1\t250\t420", "chr1\t-10\t20", "chr1\t2990\t3010")
    file = PeakFile(peaks=peaks, biosample="liver", accessible=opened)
    path = source_genome(built)
    assert path is not None
    read = read_files([file], built.regions().chroms, Genome(path))
    assert read.peaks[0].summits.start.tolist() == [200, 110, 2969]
    assert read.accessible[opened].places.end.tolist() == [420, 20, 3000]
    assert read.left_out.told(peaks) == {
        "on chromosomes that the genome lacks": 1,
        "beyond the end of their chromosome": 1,
        "clipped at the end of their chromosome": 2,
    }
    labels = label_own_tf(built, OwnTF(name="MINE", files=(file,)), Genome(path), read=read)
    assert labels.codes.tolist() == [4, 0, 0, 0]
    assert labels.counts[0].num_peaks == 3


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a,b", "../x", "-x", "chrom", "Start", "end", "all", "base:SPI1"]
)
def test_a_name_that_breaks_commands_paths_or_tables_is_refused(name):
    with pytest.raises(ValueError, match=r"cannot be a TF's name|means something else"):
        OwnTF(name=name, files=(PeakFile(peaks=Path("p"), biosample="K562"),))


@pytest.mark.parametrize(("letter", "most"), [("A", 192), (":", 64)])
def test_a_name_is_refused_whose_files_would_have_names_that_are_too_long(letter, most):
    assert name_fault("A" + letter * (most - 1)) == ""
    fault = name_fault("A" + letter * most)
    assert "is too long for a TF's name: its files would have names of 20" in fault


def test_a_motif_wider_than_a_region_is_refused(tmp_path):
    for num in (200, 201):
        rows = "\n".join(" ".join(["3"] * num) for _ in range(4))
        (tmp_path / f"{num}.jaspar").write_text(f">M{num} wide\n{rows}\n")
    assert find_motif("MINE", str(tmp_path / "200.jaspar")).length_bp == 200
    wide = str(tmp_path / "201.jaspar")
    for given in (wide, f"{wide}#M201"):
        with pytest.raises(DataError, match=r"201\.jaspar: motif M201 has 201 positions.*200 bp"):
            find_motif("MINE", given)


def test_motifs_by_name_matrix_and_file(tmp_path):
    assert find_motif("spi1").matrix_id == "MA0080.5"
    assert find_motif("MINE", "MA0764.2").tf == "ETV4"
    meme = "MEME version 4\n\nMOTIF one\nletter-probability matrix: w= 2\n1 0 0 0\n0 0 1 0\n"
    path = tmp_path / "m.meme"
    path.write_text(meme)
    assert find_motif("MINE", str(path)).probabilities.shape == (4, 2)
    path.write_text(meme + meme.split("\n\n")[1].replace("one", "two"))
    assert find_motif("MINE", f"{path}#two").matrix_id == "two"
    assert find_motif("mine", f"{path}#TWO").tf == "MINE", "by its TF"
    for given, words in (
        (None, "no motif of 'MINE'"),
        ("MA0764.99", "near: MA0764"),
        (str(path), "0 of its 2 motifs are of MINE; name one, such as '.*m.meme#one'"),
        (f"{path}#thre", "no motif named 'thre'; there are: one, two"),
        (f"{path}#onee", "no motif named 'onee'; near: one"),
        (str(tmp_path / "none.meme"), "cannot be opened"),
    ):
        with pytest.raises(DataError, match=words):
            find_motif("MINE", given)
    alias = r"no motif of 'PU\.1' \(an alias of SPI1\).* --motif, such as MA0080\.5 of SPI1"
    with pytest.raises(DataError, match=alias):
        find_motif("PU.1")
    for name in ("PU.1", "SPI1", "spi1"):
        with pytest.raises(DataError, match=r"the motif of SPI1 is --motif MA0080\.5"):
            find_motif("MINE", name)


def test_a_motif_is_found_in_the_part_of_jaspar_that_is_asked_for_and_recorded_with_it():
    insects = Jaspar(year="2022", taxon="insects")
    motif = find_motif("Kr", jaspar=insects)
    record = motif_record(motif, SiteRule())
    assert record.database == "JASPAR2022 CORE insects"
    added = AddedTF(at="now", files=(), sites="predicted", motif=record)
    again = recorded_motif(added)
    assert again is not None
    assert again.source == record.database
    # a matrix that is named comes from that release too, where it has it
    assert find_motif("MINE", "MA0080", jaspar=Jaspar(year="2022")).matrix_id == "MA0080.6"
    assert find_motif("MINE", "MA0080").matrix_id == "MA0080.5"
    with pytest.raises(DataError, match="JASPAR2022 CORE insects has no motif of 'SPI1'"):
        find_motif("SPI1", jaspar=insects)


def test_a_record_of_a_motif_with_ragged_rows_is_refused():
    values = {
        "tf": "A",
        "matrix_id": "M",
        "p_value": 1e-4,
        "flank_bp": 50,
        "probabilities": [[0.5, 0.5], [0.5]],
    }
    with pytest.raises(RecordError, match="differ in length"):
        from_values(values, AddedMotif)
