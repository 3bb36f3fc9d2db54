import dataclasses
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from Bio import bgzf

from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.packing import encode, unpack
from data.peaks.summits import PEAKS_FORMAT
from data.rows.bed import read_bed
from data.schema import Evidence
from data.sources import build as build_module
from data.sources import evidence as evidence_module
from data.sources.build import build_dataset
from data.sources.genome import Genome
from data.sources.intervals import tfs_without
from data.sources.name_rules import NameRules
from tests.helpers.tiny import TinySources, random_bases

PAPER = Path(__file__).parents[4] / "shared" / "data" / "paper"


def build(sources: TinySources, folder: Path, **options) -> Dataset:
    return build_dataset(sources.write(folder / "sources"), folder / "dataset", **options)


def evidence(dataset: Dataset, tf: str = "SPI1") -> list[int]:
    return dataset.evidence([tf])[:, 0].tolist()


def test_the_tiny_sources_give_the_evidence_worked_out_by_hand(tmp_path):
    dataset = build(TinySources(), tmp_path)
    # region 0: summit and site in K562; 1, 2: open in K562, nothing there; 3: summit in HepG2
    assert evidence(dataset, "SPI1") == [4, 1, 1, 2]
    # MAX was profiled in K562 alone, where region 3 is closed
    assert evidence(dataset, "MAX") == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("peaks", "sites", "expected"),
    [
        ([], [], Evidence.UNBOUND),
        (["K562"], [], Evidence.PEAK),
        ([], ["K562"], Evidence.SITE),
        (["K562"], ["K562"], Evidence.BOUND),
        # a summit in one biosample and a site in the other do not make it bound
        (["K562"], ["HepG2"], Evidence.SITE),
        (["HepG2", "K562"], ["HepG2"], Evidence.BOUND),
    ],
)
def test_overlap_states_and_the_maximum_over_biosamples(tmp_path, peaks, sites, expected):
    tiny = TinySources(
        dhs=["chr1\t100\t300\t1\t5\t2\t0,1,"],
        # rows on the other chromosome keep the files from being empty
        peaks=[f"chr1\t150\t250\tE.SPI1.{b}\t9\t.\t200\t201\t0" for b in peaks]
        + ["chr2\t1\t9\tE.SPI1.K562\t9\t.\t5\t6\t0"],
        sites=[f"chr1\t195\t205\tE.{b}.SPI1\t0\t+" for b in sites]
        + ["chr2\t1\t9\tE.K562.SPI1\t0\t+"],
    )
    assert evidence(build(tiny, tmp_path)) == [expected]


@pytest.mark.parametrize(
    ("summit", "overlaps"), [(99, False), (100, True), (299, True), (300, False)]
)
def test_a_summit_on_the_boundary_counts_by_half_open_intervals(tmp_path, summit, overlaps):
    tiny = TinySources()
    tiny.dhs = tiny.dhs[:1]
    peak = f"chr1\t50\t350\tE.SPI1.K562\t9\t.\t{summit}\t{summit + 1}\t0"
    tiny.peaks, tiny.sites = [peak], ["chr2\t1\t9\tE.K562.SPI1\t0\t+"]
    assert evidence(build(tiny, tmp_path)) == [Evidence.PEAK if overlaps else Evidence.UNBOUND]


@pytest.mark.parametrize(
    ("start", "end", "overlaps"), [(90, 100, False), (90, 101, True), (299, 309, True)]
)
def test_one_shared_base_makes_a_site_overlap(tmp_path, start, end, overlaps):
    tiny = TinySources()
    tiny.dhs = tiny.dhs[:1]
    tiny.peaks = ["chr2\t1\t9\tE.SPI1.K562\t9\t.\t5\t6\t0"]
    tiny.sites = [f"chr1\t{start}\t{end}\tE.K562.SPI1\t0\t+"]
    assert evidence(build(tiny, tmp_path)) == [Evidence.SITE if overlaps else Evidence.UNBOUND]


def test_how_much_is_read_of_a_large_file_is_told_in_twentieths(tmp_path, monkeypatch):
    steps: list[str] = []
    build(TinySources(), tmp_path / "small", on_step=steps.append)
    assert not [step for step in steps if "%" in step]
    monkeypatch.setattr(build_module, "_LARGE_BYTES", 1)
    build(TinySources(), tmp_path / "large", on_step=steps.append)
    assert [step for step in steps if "%" in step] == [
        "reading sites: 100% of 0.0 GB",
        "reading peaks: 100% of 0.0 GB",
    ]


def test_rows_that_repeat_place_and_name_of_another_are_counted(tmp_path):
    tiny = TinySources()
    peak, site = tiny.peaks[0].split("\t"), tiny.sites[0].split("\t")
    wider = [peak[0], str(int(peak[1]) - 1), *peak[2:]]
    longer = [*site[:2], str(int(site[2]) + 1), *site[3:]]
    # a peak counts by its summit alone, a site by both its ends
    tiny.peaks += ["\t".join(peak), "\t".join(wider), "\t".join(peak)]
    tiny.sites += ["\t".join(longer), "\t".join(site)]
    dropped = build(tiny, tmp_path).manifest.dropped
    assert dropped["peaks: duplicates"] == 3
    assert dropped["sites: duplicates"] == 1


def test_a_summit_in_two_overlapping_regions_counts_for_both(tmp_path):
    tiny = TinySources(peaks=["chr1\t1050\t1190\tE.SPI1.K562\t9\t.\t1150\t1151\t0"])
    assert evidence(build(tiny, tmp_path)) == [3, 2, 2, 1]


def test_a_peak_where_the_region_is_closed_does_not_count(tmp_path):
    tiny = TinySources(peaks=["chr1\t1010\t1090\tE.SPI1.HepG2\t9\t.\t1050\t1051\t0"])
    assert evidence(build(tiny, tmp_path))[1] == Evidence.UNBOUND


def test_regions_are_the_middle_of_their_dhs_sorted_with_their_sequence(tmp_path):
    tiny = TinySources()
    tiny.dhs = ["chr2\t500\t700\t1\t5\t1\t0,", "chr1\t1001\t1100\t1\t5\t1\t0,"]
    tiny.genome["chr10"] = random_bases(3)
    tiny.dhs.append("chr10\t300\t500\t1\t5\t1\t0,")
    regions = build(tiny, tmp_path).regions()
    assert regions.chrom_names.tolist() == ["chr1", "chr2", "chr10"]
    assert regions.start.tolist() == [950, 500, 300]
    assert regions.end.tolist() == [1150, 700, 500]
    text = tiny.genome["chr1"][950:1150].encode()
    np.testing.assert_array_equal(
        unpack(regions.sequences)[0], encode(np.frombuffer(text, dtype=np.uint8))
    )
    assert regions.gc[0] == np.float32((text.count(b"G") + text.count(b"C")) / 200)


def test_order_of_rows_compression_and_headers_change_nothing(tmp_path):
    plain = build(TinySources(), tmp_path / "plain")
    shuffled = TinySources()
    shuffled.dhs = ["track name=DHS", *shuffled.dhs[::-1]]
    shuffled.peaks = ["# ReMap", "", *shuffled.peaks[::-1]]
    sources = shuffled.write(tmp_path / "other" / "sources", compress=True)
    other = build_dataset(sources, tmp_path / "other" / "dataset")
    assert other.fingerprint(other.tfs) == plain.fingerprint(plain.tfs)


def test_duplicates_are_collapsed_and_counted_and_unite_their_sources(tmp_path):
    tiny = TinySources()
    tiny.dhs.append("chr1\t1000\t1200\t2\t7\t1\t1,")  # the second region, in another sample
    tiny.peaks.append(tiny.peaks[0])
    dataset = build(tiny, tmp_path)
    assert dataset.num_regions == 4
    assert dataset.manifest.dropped["DHSs: duplicates"] == 1
    assert dataset.manifest.dropped["peaks: duplicates"] == 1
    assert dataset.accessibility("HepG2").tolist() == [True, True, True, True]


def test_a_region_with_n_is_counted_and_flagged_and_keeps_its_evidence(tmp_path):
    tiny = TinySources()
    tiny.genome["chr1"] = tiny.genome["chr1"][:120] + "NN" + tiny.genome["chr1"][122:]
    dataset = build(tiny, tmp_path)
    assert dataset.regions().num_unknown.tolist() == [2, 0, 0, 0]
    assert dataset.manifest.dropped["regions: with N, left out of every training and test"] == 1
    assert evidence(dataset)[0] == Evidence.BOUND


def test_names_as_in_unibinds_own_files_are_understood(tmp_path):
    tiny = TinySources(sites=["chr1\t195\t205\tENCSR1.K562.SPI1.MA0080.5.pwm.bed\t0\t+"])
    assert evidence(build(tiny, tmp_path))[0] == Evidence.BOUND


def test_an_existing_dataset_gives_way_only_when_asked_to(tmp_path):
    first = build(TinySources(), tmp_path)
    with pytest.raises(DataError, match="pass --replace"):
        build(TinySources(), tmp_path)
    tiny = TinySources()
    tiny.dhs = tiny.dhs[:2]
    assert build(tiny, tmp_path, replace=True).num_regions == 2 != first.num_regions


# what to change, and what the one line must say
FAULTS = {
    "too few columns": (("peaks", 1, "chr2\t550\t650"), ["peaks.bed: row 2", "columns"]),
    "too many columns": (("sites", 1, "chr1\t1\t9\tE.K562.SPI1\t0\t+\t7"), ["row 2", "columns"]),
    "start at end": (("dhs", 1, "chr1\t1200\t1200\t1\t5\t1\t0,"), ["dhs.bed: row 2", "1200"]),
    "start after end": (("sites", 0, "chr1\t205\t195\tE.K562.SPI1\t0\t+"), ["sites.bed: row 1"]),
    "no number": (("peaks", 0, "chr1\tx\t9\tE.SPI1.K562\t9\t.\t5\t6\t0"), ["row 1", "'x'"]),
    "a summit that is a word": (
        ("peaks", 0, "chr1\t1\t9\tE.SPI1.K562\t9\t.\tx\t6\t0"),
        ["row 1", "summit is 'x'"],
    ),
    "summit outside": (
        ("peaks", 0, "chr1\t1\t9\tE.SPI1.K562\t9\t.\t9\t10\t0"),
        ["peaks.bed: row 1", "summit 9"],
    ),
    "name without dots": (("peaks", 0, "chr1\t1\t9\tSPI1\t9\t.\t5\t6\t0"), ["row 1", "SPI1"]),
    "TF without experiments": (
        ("peaks", 1, "chr1\t1\t9\tE.YY1.K562\t9\t.\t5\t6\t0"),
        ["peaks.bed: row 2", "YY1", "--skip-unlisted"],
    ),
    "unknown biotype in experiments": (
        ("experiments", 2, "E2\tSPI1\tHepG3"),
        ["experiments.tsv: row 3", "HepG3", "samples.tsv"],
    ),
    "unknown biotype in samples": (
        ("samples", 3, "2\tfibroblast\tFibro"),
        ["samples.tsv: row 4", "Fibro", "experiments.tsv"],
    ),
    "short row in samples": (("samples", 1, "0\tK562"), ["samples.tsv: row 2"]),
    "source id twice": (("samples", 2, "0\tHepG2\tHepG2"), ["samples.tsv: row 3", "twice"]),
    "unknown source id": (("dhs", 2, "chr1\t1\t9\t1\t5\t1\t7,"), ["dhs.bed: row 3", "'7'"]),
    "no header": (("experiments", 0, "E0\tSPI1\tK562"), ["experiments.tsv: row 1", "experiment"]),
}


def test_rows_that_do_not_fit_the_genome_are_left_out_or_clipped_and_counted(tmp_path):
    tiny = TinySources()
    tiny.dhs += ["chr7\t100\t300\t1\t5\t1\t0,", "chr2\t2500\t3100\t1\t5\t1\t0,"]
    tiny.peaks += [
        "chr1\t-40\t290\tE.SPI1.K562\t9\t.\t120\t121\t0",
        "chr1\t9000\t9090\tE.SPI1.K562\t9\t.\t9050\t9051\t0",
        "chrUn\t10\t90\tE.SPI1.K562\t9\t.\t50\t51\t0",
        "chr1\t1020\t1060\tE.SPI1.K562\t9\t.\t.\t.\t0",
    ]
    left_out = LeftOut()
    dataset = build(tiny, tmp_path, left_out=left_out)
    assert dataset.regions().start.tolist() == [100, 1000, 1100, 500, 2700]
    assert evidence(dataset)[1] == Evidence.PEAK, "the middle of the peak without a summit"
    dropped = {name: num for name, num in dataset.manifest.dropped.items() if num}
    assert dropped == {
        "DHSs: on chromosomes that the genome lacks": 1,
        "DHSs: clipped at the end of their chromosome": 1,
        "peaks: on chromosomes that the genome lacks": 1,
        "peaks: beyond the end of their chromosome": 1,
        "peaks: clipped at the end of their chromosome": 1,
        "peaks: without a summit, taken at their middle": 1,
    }
    left_out.write(tmp_path / "odd.tsv")
    rows = [line.split("\t") for line in (tmp_path / "odd.tsv").read_text().splitlines()[1:]]
    assert [(Path(file).name, row) for file, row, _ in rows] == [
        ("dhs.bed", "5"),
        ("peaks.bed", "4"),
        ("peaks.bed", "5"),
    ]


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_rows_are_named_and_nothing_is_left_behind(tmp_path, fault):
    (name, index, line), words = FAULTS[fault]
    tiny = TinySources()
    lines = getattr(tiny, name)
    lines[index : index + 1] = [line]
    with pytest.raises(DataError) as caught:
        build(tiny, tmp_path)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["sources"]


@pytest.mark.parametrize("name", ["dhs", "peaks", "sites", "experiments", "samples", "genome"])
def test_an_empty_or_missing_file_is_named(tmp_path, name):
    sources = TinySources().write(tmp_path / "sources")
    path = getattr(sources, name)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=f"{path.name}: .*empty"):
        build_dataset(sources, tmp_path / "dataset")
    path.unlink()
    with pytest.raises(DataError, match=path.name):
        build_dataset(sources, tmp_path / "dataset")


@pytest.mark.parametrize("name", ["dhs", "peaks", "sites", "experiments", "samples"])
def test_a_truncated_gzip_is_named(tmp_path, name):
    tiny = TinySources()
    if name in ("dhs", "peaks", "sites"):
        setattr(tiny, name, getattr(tiny, name) * 500)
    sources = tiny.write(tmp_path / "sources", compress=True)
    path = getattr(sources, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(DataError, match=f"{path.name}: .*truncated"):
        build_dataset(sources, tmp_path / "dataset")


def test_unlisted_tfs_are_left_out_and_counted_when_asked_to(tmp_path):
    tiny = TinySources()
    tiny.peaks.append("chr1\t150\t250\tE.YY1.K562\t9\t.\t200\t201\t0")
    dataset = build(tiny, tmp_path, name_rules=NameRules(skip_unlisted=True))
    assert dataset.tfs == ("MAX", "SPI1")
    assert dataset.manifest.dropped["peaks: of no listed experiment"] == 1


@pytest.mark.parametrize("spelling", ["K-562", "k562", "K_562", "K562_myelogenous_leukemia"])
@pytest.mark.parametrize("kind", ["peaks", "sites"])
def test_a_biosample_spelled_otherwise_stops_the_build_unless_it_is_to_be_skipped(
    tmp_path, kind, spelling
):
    tiny = TinySources()
    lines = getattr(tiny, kind)
    lines[:] = [line.replace("K562", spelling) for line in lines if "K562" in line]
    with pytest.raises(DataError) as caught:
        build(tiny, tmp_path)
    message = str(caught.value)
    assert f"{kind}.bed: rows of SPI1" in message
    assert f"{spelling!r} (near: K562)" in message
    assert "--skip-unlisted" in message
    dataset = build(tiny, tmp_path, name_rules=NameRules(skip_unlisted=True))
    assert dataset.manifest.dropped[f"{kind}: of no listed experiment"] == 1


def test_one_biosample_of_a_tf_spelled_otherwise_stops_the_build_and_another_one_does_not(tmp_path):
    tiny = TinySources()
    tiny.peaks.append("chr1\t150\t250\tE.SPI1.liver\t9\t.\t200\t201\t0")
    dataset = build(tiny, tmp_path)
    assert dataset.manifest.dropped["peaks: of no listed experiment"] == 1
    tiny.peaks.append("chr1\t150\t250\tE.SPI1.Hep-G2\t9\t.\t200\t201\t0")
    with pytest.raises(DataError, match=r"rows of SPI1 .*: 'Hep-G2' \(near: HepG2\); spell them"):
        build(tiny, tmp_path, replace=True)


def test_a_few_tfs_of_many_without_sites_are_told_and_stop_nothing(tmp_path):
    # one of the paper's 162 has none
    many, path = frozenset(f"TF{i}" for i in range(162)), tmp_path / "sites.bed"
    told = tfs_without(path, "sites", many - {"TF7"}, many, skip_unlisted=False)
    assert list(told.values()) == [1]
    assert "(TF7)" in next(iter(told))
    with pytest.raises(DataError, match="no sites of TF7, TF8, so that no region would be bound"):
        tfs_without(path, "sites", many - {"TF7", "TF8"}, many, skip_unlisted=False)


@pytest.mark.parametrize("kind", ["peaks", "sites"])
def test_a_tf_that_one_of_peaks_and_sites_lacks_stops_the_build_unless_it_is_to_be_skipped(
    tmp_path, kind
):
    tiny = TinySources()
    tiny.peaks.append("chr1\t150\t250\tE3.MAX.K562\t9\t.\t200\t201\t0")
    tiny.sites.append("chr1\t195\t205\tE3.K562.MAX\t0\t+")
    assert evidence(build(tiny, tmp_path), "MAX") == [4, 1, 1, 0]
    getattr(tiny, kind).pop()
    reason = rf"{kind}.bed: no {kind} of MAX, .* those of SPI1: .*--skip-unlisted"
    with pytest.raises(DataError, match=reason):
        build(tiny, tmp_path, replace=True)
    dataset = build(tiny, tmp_path, replace=True, name_rules=NameRules(skip_unlisted=True))
    assert evidence(dataset, "MAX")[0] == (Evidence.SITE if kind == "peaks" else Evidence.PEAK)
    told = f"{kind}: none of some TFs, of which no region is bound (MAX)"
    assert dataset.manifest.dropped[told] == 1


@pytest.mark.parametrize("model", ["", ".pwm", ".damo", ".damo.bed"])
def test_unibinds_matrix_and_model_behind_a_name_are_passed_over(tmp_path, model):
    tiny = TinySources()
    tiny.sites = [line.replace(".SPI1", f".SPI1.MA0080.5{model}") for line in tiny.sites]
    assert evidence(build(tiny, tmp_path)) == [4, 1, 1, 2]


def test_an_alias_of_a_listed_tf_is_answered_with_its_symbol(tmp_path):
    tiny = TinySources()
    tiny.experiments.append("E4\tTP53\tK562")
    tiny.peaks.append("chr1\t150\t250\tE.p53.K562\t9\t.\t200\t201\t0")
    with pytest.raises(DataError, match=r"TF 'p53' has no experiment .* \(near: TP53"):
        build(tiny, tmp_path)


def test_a_stale_index_is_noticed(tmp_path):
    sources = TinySources().write(tmp_path / "sources")
    other = TinySources(genome={"chr1": random_bases(1, 2000), "chr2": random_bases(2)})
    other.dhs = [other.dhs[0], other.dhs[3]]
    build_dataset(sources, tmp_path / "dataset")  # makes the index
    index = sources.genome.with_name("genome.fa.fai").read_bytes()
    sources = other.write(tmp_path / "sources")
    sources.genome.with_name("genome.fa.fai").write_bytes(index)
    with pytest.raises(DataError, match=r"index does not fit .*samtools faidx"):
        build_dataset(sources, tmp_path / "dataset", replace=True)


def fasta(path: Path, sequences: dict[str, str], width: int, end: str = "\n") -> Path:
    lines = []
    for name, bases in sequences.items():
        rows = [bases[i : i + width] for i in range(0, len(bases), width)]
        lines += [f">{name} chromosome", *rows]
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    return path


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "BGZF"])
@pytest.mark.parametrize("change", ["width", "inserted", "one line more", "other names"])
def test_an_index_of_another_fasta_is_refused(tmp_path, change, pack):
    sequences = {"chr1": random_bases(1, 600), "chr2": random_bases(2, 500)}
    old = fasta(tmp_path / "old.fa", sequences, 60)
    Genome(old)
    width = 50 if change == "width" else 60
    if change == "inserted":
        sequences["chr1"] = "ACG" + sequences["chr1"]
    elif change == "one line more":
        sequences["chr1"] = "A" * 60 + sequences["chr1"]
    elif change == "other names":
        sequences = {f"chromosome{name[3:]}": bases for name, bases in sequences.items()}
    new = fasta(tmp_path / "new.fa", sequences, width)
    if pack:
        text = new.read_text()
        new = tmp_path / "new.fa.gz"
        with bgzf.BgzfWriter(str(new)) as file:
            file.write(text)
    Genome(new)  # makes the index
    new.with_name(f"{new.name}.fai").write_bytes(old.with_name("old.fa.fai").read_bytes())
    chrom = np.array(["chr1", "chr2"], dtype=object)
    with pytest.raises(DataError, match=r"index does not fit .*samtools faidx"):
        Genome(new).sequences(chrom, np.array([5, 5], dtype=np.int32), 20)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_index_that_fits_is_used_though_it_is_older(tmp_path, end):
    sequences = {"chr1": random_bases(1, 600), "chr2": random_bases(2, 511)}
    path = fasta(tmp_path / "g.fa", sequences, 60, end)
    Genome(path)
    os.utime(tmp_path / "g.fa.fai", (1, 1))
    chrom = np.array(["chr2", "chr1"], dtype=object)
    found = Genome(path).sequences(chrom, np.array([491, 580], dtype=np.int32), 20)
    for row, text in zip(found, (sequences["chr2"][491:], sequences["chr1"][580:]), strict=True):
        np.testing.assert_array_equal(row, encode(np.frombuffer(text.encode(), dtype=np.uint8)))


def test_bases_beyond_the_ends_of_a_chromosome_are_unknown(tmp_path):
    text = random_bases(1, 100)
    path = fasta(tmp_path / "g.fa", {"chr1": text, "chr2": random_bases(2, 90)}, 60, "\n")
    starts = np.array([-5, 95, 40, -300, 300], dtype=np.int32)
    found = Genome(path).sequences(np.array(["chr1"] * 5, dtype=object), starts, 10)
    expected = ("N" * 5 + text[:5], text[95:] + "N" * 5, text[40:50], "N" * 10, "N" * 10)
    for row, bases in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row, encode(np.frombuffer(bases.encode(), dtype=np.uint8)))


def test_a_bgzf_genome_gives_the_same_tables(tmp_path):
    sources = TinySources().write(tmp_path / "sources")
    plain = build_dataset(sources, tmp_path / "plain")
    packed = tmp_path / "sources" / "packed.fa.gz"
    with bgzf.BgzfWriter(str(packed)) as file:
        file.write(sources.genome.read_text())
    other = build_dataset(dataclasses.replace(sources, genome=packed), tmp_path / "bgzf")
    assert other.fingerprint(other.tfs) == plain.fingerprint(plain.tfs)


@pytest.mark.parametrize("has_index", [False, True])
def test_a_bgzf_genome_with_a_changed_byte_is_told_in_one_line(tmp_path, has_index):
    path = tmp_path / "genome.fa.gz"
    with bgzf.BgzfWriter(str(path)) as file:
        file.write(">chr1\n" + "".join(f"{random_bases(i, 60)}\n" for i in range(200)))
    if has_index:
        Genome(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    chrom, start = np.array(["chr1"], dtype=object), np.array([9000], dtype=np.int32)
    with pytest.raises(DataError, match=r"genome\.fa\.gz: (truncated or damaged|no usable index)"):
        Genome(path).sequences(chrom, start, 20)


def test_an_index_that_is_there_is_never_written_over(tmp_path):
    sequences = {"chr1": random_bases(1, 600), "chr2": random_bases(2, 500)}
    plain = fasta(tmp_path / "plain.fa", sequences, 60)
    Genome(plain)
    packed = tmp_path / "packed.fa.gz"
    with bgzf.BgzfWriter(str(packed)) as file:
        file.write(plain.read_text())
    index = tmp_path / "packed.fa.gz.fai"
    text = (tmp_path / "plain.fa.fai").read_text()
    # with a row that no other tool wrote, and without the index of blocks beside it
    index.write_text(f"{text}\n")
    chrom, start = np.array(["chr2"], dtype=object), np.array([480], dtype=np.int32)
    found = Genome(packed).sequences(chrom, start, 20)
    np.testing.assert_array_equal(
        found[0], encode(np.frombuffer(sequences["chr2"][480:].encode(), dtype=np.uint8))
    )
    assert index.read_text() == f"{text}\n"


@pytest.mark.parametrize(
    "row",
    [
        *("chr1\t600\t6\t60", "chr1\t600\tx\t60\t61", "chr1\t600\t6\t0\t61", "\t\t\t\t"),
        *("chr1\t600\t6\t60\t6100", f"chr1\t{10**18}\t6\t60\t61", f"chr1\t600\t{10**18}\t60\t61"),
        "chr1\t600\t6\t60\t61\nchr1\t600\t6\t60\t61",
    ],
)
def test_an_index_that_no_file_can_have_is_told_in_one_line(tmp_path, row):
    path = fasta(tmp_path / "genome.fa", {"chr1": random_bases(1, 600)}, 60)
    (tmp_path / "genome.fa.fai").write_text(f"{row}\n")
    with pytest.raises(DataError, match=r"genome\.fa: (no usable index|the index does not fit)"):
        Genome(path)


@pytest.mark.parametrize("content", ["chr1\t5\t90\n", "\n\nACGT\n", "@read\nACGT\n+\nFFFF\n"])
def test_a_genome_that_is_no_fasta_is_told_with_its_row(tmp_path, content):
    path = tmp_path / "genome.fa"
    path.write_text(content)
    row = 3 if content.startswith("\n") else 1
    with pytest.raises(DataError, match=rf"genome\.fa: row {row}: no FASTA file.*give the genome"):
        Genome(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("summit", ["1e308", "-1e999", "3000000000"])
def test_a_summit_that_is_no_place_is_told_with_its_row(tmp_path, summit):
    tiny = TinySources()
    tiny.peaks[1] = f"chr2\t550\t650\tE2.SPI1.HepG2\t9\t.\t{summit}\t601\t0,0,0"
    with pytest.raises(DataError, match=r"peaks\.bed: row 2: summit is '.*', (not a|too large)"):
        build(tiny, tmp_path)


def test_rows_are_found_behind_headers_and_blank_lines(tmp_path):
    path = tmp_path / "peaks.bed"
    good = "chr1\t1\t9\tE.SPI1.K562\t9\t.\t5\t6\t0\n"
    path.write_text(f"# head\n\n{good}\n{good}# middle\nchr1\t9\t9\tE.SPI1.K562\t9\t.\t5\t6\t0\n")
    with pytest.raises(DataError, match="row 7: start 9 is not before end 9"):
        read_bed(path, PEAKS_FORMAT)


@pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's data is not beside this checkout")
def test_the_papers_data_gives_the_published_matrix_in_every_cell(tmp_path):
    from data.sources.tables import SourceFiles

    dataset = build_dataset(
        SourceFiles(
            dhs=PAPER / "dhs.bed.gz",
            peaks=PAPER / "remap_peaks.bed.gz",
            sites=PAPER / "unibind_tfbs.bed.gz",
            experiments=PAPER / "experiments.tsv",
            samples=PAPER / "samples.tsv",
            genome=PAPER / "genome" / "hg38.dhs.fa.gz",
        ),
        tmp_path / "dataset",
    )
    expected = pq.read_table(PAPER / "expected_evidence.parquet")
    regions = dataset.regions()
    assert regions.chrom_names.tolist() == expected["chrom"].to_pylist()
    np.testing.assert_array_equal(regions.start, expected["start"].to_numpy())
    num_cells = 0
    for tf in dataset.tfs:
        codes = dataset.evidence([tf])[:, 0]
        codes[codes == Evidence.SITE] = Evidence.PEAK  # the matrix does not tell them apart
        np.testing.assert_array_equal(codes, expected[tf].to_numpy())
        num_cells += len(codes)
    assert num_cells == 58_991_166
    assert os.path.getsize(dataset.path / "regions.parquet") < 25e6


def test_a_region_that_is_hit_in_two_parts_of_a_join_is_hit_once(tmp_path, monkeypatch):
    row = "chr1\t150\t{}\tE1.SPI1.K562\t9\t.\t200\t201\t0,0,0"
    tiny = TinySources(peaks=[row.format(end) for end in (250, 260, 270)])
    tiny.sites = ["chr1\t1150\t1160\tE1.K562.SPI1\t0\t+"]
    monkeypatch.setattr(evidence_module, "_QUERIES_AT_ONCE", 1)
    # three peaks of one region and no site there are no site there
    assert evidence(build(tiny, tmp_path)) == [Evidence.PEAK, 3, 3, 1]


def test_the_index_of_a_genome_in_a_folder_that_cannot_be_written_to_lies_in_the_cache(
    tmp_path, monkeypatch
):
    sources = TinySources().write(tmp_path / "sources")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lengths = Genome(sources.genome).lengths_bp
    assert lengths == {"chr1": 3000, "chr2": 3000}
    assert not sources.genome.with_name("genome.fa.fai").exists()
    index = next((tmp_path / "cache" / "bindgrid").iterdir())
    made = index.stat().st_mtime_ns
    assert Genome(sources.genome).lengths_bp == lengths
    assert index.stat().st_mtime_ns == made
    # another genome of the name has an index of its own
    sources.genome.write_text(">chr1\nACGT\n")
    assert Genome(sources.genome).lengths_bp == {"chr1": 4}
