"""Windows around summits, within flanks, and without what is excluded."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.left_out import EXCLUDED, LeftOut
from data.packing import encode
from data.queries.windows import Flanks, bed_windows, fasta_windows, tiled_windows
from data.sources.blacklist import Blacklist
from data.sources.genome import Genome
from tests.helpers.tiny import random_bases

LENGTH = 200
CHR1 = random_bases(1)


@pytest.fixture
def genome(tmp_path) -> Genome:
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{CHR1}\n")
    return Genome(path)


def write(path: Path, *rows: str) -> Path:
    path.write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    return path


def codes_of(text: str) -> np.ndarray:
    return encode(np.frombuffer(text.encode(), dtype=np.uint8))


def test_a_narrow_peak_is_read_around_its_summit_and_keeps_its_own_coordinates(genome, tmp_path):
    path = write(
        tmp_path / "r.narrowPeak",
        "chr1 400 1000 one 9 . 1.5 2.5 3.5 50",
        "chr1 400 1000 two 9 . 1.5 2.5 3.5 -1",
        "chr1 400 1000 three 9 . 1.5 2.5 3.5 599",
    )
    left_out = LeftOut()
    [found] = bed_windows(path, genome, LENGTH, left_out)
    for codes, middle in zip(found.codes, (450, 700, 999), strict=True):
        np.testing.assert_array_equal(codes, codes_of(CHR1[middle - 100 : middle + 100]))
    assert found.name.tolist() == ["one", "two", "three"]
    assert found.start is not None
    assert found.end is not None
    assert set(zip(found.start.tolist(), found.end.tolist(), strict=True)) == {(400, 1000)}
    assert left_out.lines() == [
        f"{path}: read as narrowPeak: the sequence around each summit is predicted, not around the "
        "middle of its row; 1 of 3 rows have none; their middle is read"
    ]


def test_rows_without_a_summit_are_read_in_the_middle_and_nothing_is_said(genome, tmp_path):
    left_out = LeftOut()
    path = write(tmp_path / "r.bed", "chr1 400 1000 one 9 . 450 460 0")
    [found] = bed_windows(path, genome, LENGTH, left_out)
    np.testing.assert_array_equal(found.codes[0], codes_of(CHR1[600:800]))
    assert left_out.lines() == []


def test_macs_xls_counts_from_one_also_where_it_is_predicted(genome, tmp_path):
    header = "chr start end length abs_summit pileup"
    path = write(tmp_path / "p.xls", header, "chr1 401 1000 600 451 7")
    [found] = bed_windows(path, genome, LENGTH)
    np.testing.assert_array_equal(found.codes[0], codes_of(CHR1[350:550]))
    assert found.start is not None
    assert (found.start.tolist(), found.name.tolist()) == ([400], ["."])


def test_tiles_within_a_table_that_counts_from_one_begin_at_its_first_base(genome, tmp_path):
    header = "chr start end length abs_summit pileup"
    table = write(tmp_path / "p.xls", header, "chr1 401 1000 600 451 7")
    bed = write(tmp_path / "p.bed", "chr1 400 1000")
    [own], [same] = (tiled_windows(genome, LENGTH, 1, path) for path in (table, bed))
    assert own.start is not None
    assert same.start is not None
    assert (own.start[0], len(own.start)) == (400, 600)
    np.testing.assert_array_equal(own.start, same.start)


def test_what_a_table_that_counts_from_one_excludes_begins_at_its_first_base(genome, tmp_path):
    header = "chr start end length abs_summit pileup"
    path = write(tmp_path / "p.xls", header, "chr1 401 1000 600 451 7")
    exclude = Blacklist([path], genome.chromosomes, LeftOut())
    start = np.array([399, 400, 999, 1000], np.int32)
    found = exclude.overlaps(np.zeros(4, np.int32), ["chr1"], start, start + 1)
    assert found.tolist() == [False, True, True, False]


def test_excluded_rows_and_tiles_are_left_out(genome, tmp_path):
    left_out = LeftOut()
    blacklist = write(tmp_path / "b.bed", "chr1 900 1010")
    exclude = Blacklist([blacklist], genome.chromosomes, left_out)
    path = write(tmp_path / "r.bed", "chr1 400 900 a", "chr1 1009 1200 b", "chr1 1010 1200 c")
    [found] = bed_windows(path, genome, LENGTH, left_out, exclude)
    assert found.name.tolist() == ["a", "c"]
    assert left_out.of(path) == {EXCLUDED: 1}
    within = write(tmp_path / "w.bed", "chr1 600 1200")
    [tiles] = tiled_windows(genome, LENGTH, 100, within, left_out, exclude)
    assert tiles.start is not None
    assert tiles.start.tolist() == [600, 700, 800, 1100]
    np.testing.assert_array_equal(tiles.codes[-1], codes_of(CHR1[1050:1250]))
    assert left_out.notes == ["left out 2 tiles: overlapping a region of --exclude"]


def test_tiles_of_many_rows_are_read_in_one_pass_of_the_genome(tmp_path, monkeypatch):
    bases = {"chr1": CHR1, "chr2": random_bases(2)}
    path = tmp_path / "two.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in bases.items()))
    rows = [f"{chrom} {start} {start + 40}" for chrom in bases for start in range(300, 900, 100)]
    within = write(tmp_path / "w.bed", *rows)
    num_read: list[int] = []
    read = Genome.sequences

    def counted(genome: Genome, chrom: np.ndarray, start: np.ndarray, width_bp: int) -> np.ndarray:
        num_read.append(len(start))
        return read(genome, chrom, start, width_bp)

    monkeypatch.setattr(Genome, "sequences", counted)
    [tiles] = tiled_windows(Genome(path), LENGTH, 20, within)
    assert num_read == [24]
    assert tiles.chrom is not None
    assert tiles.start is not None
    assert tiles.start.tolist() == [i for s in range(300, 900, 100) for i in (s, s + 20)] * 2
    for codes, chrom, start in zip(tiles.codes, tiles.chrom, tiles.start, strict=True):
        np.testing.assert_array_equal(codes, codes_of(bases[chrom][start - 90 : start + 110]))


def test_tiles_are_read_in_parts_and_each_once(tmp_path, monkeypatch):
    monkeypatch.setattr("data.queries.windows._SPAN_BP", 100)
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{CHR1}\n")
    rows = [f"chr1 {start} {start + 130}" for start in (300, 500, 700)]
    found = list(tiled_windows(Genome(path), LENGTH, 20, write(tmp_path / "w.bed", *rows)))
    assert all(len(windows.codes) <= 5 for windows in found)
    starts = np.concatenate([windows.start for windows in found])
    assert starts.tolist() == [s + i for s in (300, 500, 700) for i in range(0, 140, 20)]


def test_a_tile_is_named_by_the_rows_that_it_overlaps(genome, tmp_path):
    rows = ["chr1 600 640 c", "chr1 300 400 a", "chr1 350 420 b", "chr1 800 820 ."]
    rows.append("chr1 640 650 c")
    [tiles] = tiled_windows(genome, LENGTH, 50, write(tmp_path / "w.bed", *rows))
    assert tiles.start is not None
    assert dict(zip(tiles.start.tolist(), tiles.name.tolist(), strict=True)) == {
        300: "a",
        350: "a,b",
        400: "b",
        600: "c",
        800: "chr1",
    }
    [tiles] = tiled_windows(genome, LENGTH, 50, write(tmp_path / "w.bed", "chr1 300 340"))
    assert tiles.name.tolist() == ["chr1"]


@pytest.mark.parametrize("num", [1, 145, 199])
def test_a_short_sequence_stands_in_the_middle_of_its_flanks(tmp_path, num):
    insert, flanks = random_bases(3, num), Flanks(before="A" * 90 + "C" * 20, behind="G" * 110)
    path = write(tmp_path / "oligos.fa", ">oligo", insert)
    [found] = fasta_windows(path, LENGTH, None, flanks)
    before = (LENGTH - num) // 2
    expected = ("A" * 90 + "C" * 20)[110 - before :] + insert + "G" * (LENGTH - num - before)
    np.testing.assert_array_equal(found.codes[0], codes_of(expected))


def test_flanks_do_not_change_sequences_that_are_long_enough(tmp_path):
    path = write(tmp_path / "s.fa", ">a", CHR1[:200], ">b", CHR1[:301])
    [plain] = fasta_windows(path, LENGTH)
    [flanked] = fasta_windows(path, LENGTH, None, Flanks(before="A", behind="C"))
    np.testing.assert_array_equal(plain.codes, flanked.codes)


def test_flanks_that_are_too_short_are_told_by_bases_and_sequences(tmp_path):
    path = write(tmp_path / "s.fa", ">a", CHR1[:150], ">b", CHR1[:100], ">c", CHR1[:190])
    left_out, flanks = LeftOut(), Flanks(before="A" * 20, behind="C" * 40)
    [found] = fasta_windows(path, LENGTH, left_out, flanks)
    assert found.name.tolist() == ["c"]
    assert left_out.lines() == [
        f"{path}: left out 2: shorter than the 200 bp that the network reads, also with the flanks",
        f"{path}: 2 sequences too short; --flank5 lacks up to 30 bases and --flank3 up to 10: "
        "a (5 and 0), b (30 and 10)",
    ]
    with pytest.raises(DataError, match="--flank5 lacks up to 50 bases and --flank3 up to 49"):
        list(fasta_windows(path, LENGTH, None, Flanks(behind="C")))


@pytest.mark.parametrize(("before", "behind"), [("ACN", ""), ("", "A C"), ("ac", "")])
def test_flanks_are_bases(before, behind):
    with pytest.raises(ValueError, match="give bases A, C, G and T"):
        Flanks(before=before, behind=behind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MKLVACDE" * 30, r"\(all hold letters other than A, C, G and T: D, E, K, L, M and V\)$"),
        ("ACGU" * 60, r"T: U\); this is RNA: write T for U$"),
        ("ACGTN" * 50, r"T: N\)$"),
    ],
)
def test_a_file_of_other_letters_alone_is_refused_before_anything_is_given(tmp_path, text, words):
    path = write(tmp_path / "s.fa", ">a", text, ">b", text)
    with pytest.raises(DataError, match=f"no sequence that can be predicted.*{words}"):
        next(fasta_windows(path, LENGTH))


def test_one_sequence_of_bases_among_others_is_enough(tmp_path):
    path = write(tmp_path / "s.fa", ">a", "ACGU" * 60, ">b", CHR1[:200], ">c", "N" * 200)
    [found] = fasta_windows(path, LENGTH)
    assert found.known.tolist() == [False, True, False]
