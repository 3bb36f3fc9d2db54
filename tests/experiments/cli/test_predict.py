"""`bindgrid predict`: what it leaves out, names of chromosomes, short sequences, tiles in peaks."""

import pytest

from tests.helpers.tiny import random_bases

CHR1 = random_bases(7)
MACS = "chr\tstart\tend\tlength\tabs_summit\tpileup\n"


@pytest.fixture
def predicted(bindgrid, trained, tmp_path, monkeypatch):
    """Give a call that predicts, in a folder with the genome `g.fa`, and what it says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.fa").write_text(f">chr1\n{CHR1}\n")

    def call(*arguments: object) -> tuple[list[list[str]], str]:
        code, out, err = bindgrid("predict", "SPI1", *arguments, "-w", trained.root)
        assert code == 0, err
        return [line.split("\t") for line in out.splitlines()], " ".join(err.split())

    return call


@pytest.fixture
def refused(bindgrid, trained, tmp_path, monkeypatch):
    """Give a call that is refused, and the line that it says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.fa").write_text(f">chr1\n{CHR1}\n")

    def call(*arguments: object) -> str:
        code, out, err = bindgrid("predict", "SPI1", *arguments, "-w", trained.root)
        assert (code, out) == (2, ""), err
        return err.splitlines()[-1]

    return call


def test_regions_that_overlap_an_excluded_one_are_left_out_and_listed(predicted, tmp_path):
    (tmp_path / "r.bed").write_text("chr1\t200\t400\ta\nchr1\t600\t800\tb\nchr1\t900\t1000\tc\n")
    (tmp_path / "one.bed").write_text("track name=black\nchr1\t399\t401\n")
    (tmp_path / "two.bed").write_text("chr1\t1000\t1100\n")
    exclude = ("--exclude", "one.bed", "--exclude", "two.bed", "--left-out", "odd.tsv")
    rows, said = predicted("--bed", "r.bed", "--genome", "g.fa", *exclude)
    assert [row[3] for row in rows[1:]] == ["b", "c"]
    assert "r.bed: left out 1: overlapping a region of --exclude" in said
    assert "two.bed: nothing that was read overlaps it" in said
    listed = (tmp_path / "odd.tsv").read_text().splitlines()
    assert listed[1:] == ["r.bed\t1\toverlapping a region of --exclude"]


def test_a_table_of_aliases_names_the_chromosomes_of_the_regions(predicted, refused, tmp_path):
    (tmp_path / "r.bed").write_text("NC_000001.11\t200\t400\ta\n")
    (tmp_path / "alias.txt").write_text("# ucsc\trefseq\nchr1\tNC_000001.11\n")
    regions = ("--bed", "r.bed", "--genome", "g.fa")
    assert "no chromosome in common" in refused(*regions)
    rows, said = predicted(*regions, "--chrom-alias", "alias.txt")
    assert rows[1][:4] == ["NC_000001.11", "200", "400", "a"]
    assert "chromosome 'NC_000001.11' is taken for 'chr1' of the genome" in said
    (tmp_path / "chr.bed").write_text("chr1\t200\t400\ta\n")
    plain, _ = predicted("--bed", "chr.bed", "--genome", "g.fa")
    assert rows[1][3:] == plain[1][3:]


def test_short_sequences_are_predicted_within_flanks_as_if_these_stood_in_the_file(
    predicted, refused, tmp_path
):
    insert = CHR1[300:400]
    (tmp_path / "s.fa").write_text(f">oligo\n{insert}\n>long\n{CHR1[:200]}\n")
    (tmp_path / "whole.fa").write_text(f">oligo\n{'A' * 50}{insert}{'C' * 50}\n")
    flanks = ("--flank5", "G" + "a" * 50, "--flank3", "C" * 50 + "G")
    rows, _ = predicted("--fasta", "s.fa", *flanks)
    whole, _ = predicted("--fasta", "whole.fa")
    assert [row[0] for row in rows[1:]] == ["oligo", "long"]
    assert rows[1] == whole[1]
    rows, said = predicted("--fasta", "s.fa", "--flank5", "A" * 50, "--flank3", "C" * 40)
    assert [row[0] for row in rows[1:]] == ["long"]
    assert "--flank3 up to 10: oligo (0 and 10)" in said
    assert "--flank5 holds 'N'" in refused("--fasta", "s.fa", "--flank5", "N" * 50)
    regions = ("--bed", "r.bed", "--genome", "g.fa")
    assert "--flank5 and --flank3 extend the sequences" in refused(*regions, "--flank5", "A")


def test_tiles_within_peaks_of_macs_begin_at_their_first_base(predicted, tmp_path):
    (tmp_path / "p.xls").write_text(MACS + "chr1\t401\t404\t4\t402\t7\n")
    (tmp_path / "p.bed").write_text("chr1\t400\t404\n")
    tiles = [
        predicted("--bed", name, "--genome", "g.fa", "--stride", "1")[0]
        for name in ("p.xls", "p.bed")
    ]
    assert [row[1] for row in tiles[0][1:]] == ["400", "401", "402", "403"]
    assert tiles[0] == tiles[1]


@pytest.mark.slow
def test_no_file_that_a_prediction_needs_is_replaced(refused, tmp_path):
    (tmp_path / "r.bed").write_text("chr1\t200\t400\ta\n")
    (tmp_path / "x.bed").write_text("chr1\t200\t220\n")
    (tmp_path / "a.tsv").write_text("chr1\t1\n")
    read = ("--bed", "r.bed", "--genome", "g.fa", "--exclude", "x.bed", "--chrom-alias", "a.tsv")
    before = {name: (tmp_path / name).read_bytes() for name in ("r.bed", "x.bed", "a.tsv", "g.fa")}
    for out in ("r.bed", "x.bed", "a.tsv"):
        assert f"{out}: is needed, and would be replaced" in refused(*read, "--out", out)
    for left_out in (*before, "g.fa.fai", "p.tsv"):
        told = refused(*read, "--out", "p.tsv", "--left-out", left_out)
        assert f"{left_out}: is needed, and would be replaced; name another file" in told
    assert "go to a file; name one" in refused(*read, "--left-out", "-")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert not (tmp_path / "p.tsv").exists()


def test_a_name_that_is_too_long_and_a_file_as_a_folder_are_one_line(refused, predicted, tmp_path):
    (tmp_path / "r.bed").write_text("chr1\t200\t400\ta\n")
    read = ("--bed", "r.bed", "--genome", "g.fa")
    assert "give a shorter name" in refused(*read, "--out", "x" * 300 + ".tsv")
    assert "give a shorter name" in refused(*read, "--left-out", "x" * 300)
    longest = "x" * 251 + ".tsv"  # 255, which a file system takes
    predicted(*read, "--out", longest)
    assert (tmp_path / longest).read_text().startswith("chrom")


def test_names_stay_as_they_are_in_a_bed_file(predicted, tmp_path):
    (tmp_path / "r.bed").write_text('chr1\t200\t400\t"r3\n')
    predicted("--bed", "r.bed", "--genome", "g.fa", "--out", "p.bed")
    assert (tmp_path / "p.bed").read_text().split("\t")[3] == '"r3'


def test_numbers_in_other_digits_and_too_large_ones_are_left_out_by_row(predicted, tmp_path):
    rows = [f"chr1\t{200 + number}\t{400 + number}\n" for number in range(30)]
    rows += ["chr1\t\u0662\u0660\u0660\t400\n", "chr1\t200\t99999999999999999999\n"]
    (tmp_path / "r.bed").write_text("".join(rows))
    found, _ = predicted("--bed", "r.bed", "--genome", "g.fa", "--left-out", "odd.tsv")
    assert len(found) == 31
    listed = [line.split("\t")[1:] for line in (tmp_path / "odd.tsv").read_text().splitlines()[1:]]
    assert sorted(listed) == [
        ["31", "a coordinate that is no whole number"],
        ["32", "a coordinate that is too large"],
    ]


def test_a_track_of_sequences_without_places_is_refused_with_a_remedy(refused, tmp_path):
    (tmp_path / "s.fa").write_text(f">s\n{CHR1[:200]}\n")
    told = refused("--fasta", "s.fa", "--out", "p.bw")
    assert "sequences of --fasta have none of; give --out another ending" in told
