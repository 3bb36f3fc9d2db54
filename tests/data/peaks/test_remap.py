"""ReMap's files of a TF: the rows of one biosample are picked."""

from pathlib import Path

import pytest

from data.errors import DataError
from data.left_out import LeftOut
from data.peaks.reading import Peaks, read_own_peaks
from data.peaks.remap import of_biosample


def remap(folder: Path, *names: str) -> Peaks:
    """Peaks of ReMap with some names, each ten bases further than the one before."""
    path = folder / "remap.bed"
    rows = (
        f"chr1\t{start}\t{start + 9}\t{name}\t1\t.\t{start + 4}\t{start + 5}\t0,0,0\n"
        for start, name in zip(range(0, 10 * len(names), 10), names, strict=True)
    )
    path.write_text("".join(rows))
    return read_own_peaks(path)


@pytest.mark.parametrize("biosample", ["K562", "K-562", "k_562"])
def test_rows_of_the_biosample_are_picked_from_all_peaks_whatever_the_spelling(tmp_path, biosample):
    peaks = remap(tmp_path, "E1.SPI1.K-562", "E2.SPI1.HL-60", "E3.SPI1.K-562", "E3.SPI1.K-562_TPA")
    left_out = LeftOut()
    picked = of_biosample(peaks, biosample, left_out)
    assert picked.start.tolist() == [0, 20]
    assert picked.summit.tolist() == [4, 24]
    assert left_out.of(tmp_path / "remap.bed") == {f"not of {biosample}": 2}
    left_out.write(tmp_path / "odd.tsv")
    assert [line.split("\t")[1] for line in (tmp_path / "odd.tsv").read_text().splitlines()] == [
        "row",
        "2",
        "4",
    ]


def test_a_non_redundant_peak_counts_in_each_biosample_that_it_lists(tmp_path):
    peaks = remap(tmp_path, "SPI1:K-562,HL-60", "SPI1:HL-60", "SPI1:K-562")
    assert of_biosample(peaks, "K562", LeftOut()).start.tolist() == [0, 20]
    assert of_biosample(peaks, "HL-60", LeftOut()).start.tolist() == [0, 10]


def test_rows_whose_names_tell_nothing_are_left_out_beside_those_that_do(tmp_path):
    peaks = remap(tmp_path, "peak1", "E1.SPI1.K562")
    left_out = LeftOut()
    assert of_biosample(peaks, "K562", left_out).start.tolist() == [10]
    assert left_out.of(tmp_path / "remap.bed") == {"not of K562": 1}


@pytest.mark.parametrize("names", [("peak1", "peak2"), ("a", ".")])
def test_a_file_whose_names_tell_nothing_is_of_the_biosample_as_a_whole(tmp_path, names):
    peaks = remap(tmp_path, *names)
    assert of_biosample(peaks, "K562", LeftOut()).start.tolist() == [0, 10]


def test_all_peaks_of_another_biosample_are_taken_with_a_remark(tmp_path):
    peaks = of_biosample(remap(tmp_path, "E1.SPI1.HAP-1"), "mine", LeftOut())
    assert peaks.start.tolist() == [0]
    assert peaks.remark == "its peaks are of HAP-1, taken for mine"
    assert of_biosample(remap(tmp_path, "E1.SPI1.HAP-1"), "HAP1", LeftOut()).remark == ""


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["E1.SPI1.K562", "E1.MAX.K562"], ["peaks of 2 TFs (MAX, SPI1)", "of one TF"]),
        (["E1.SPI1.K562_TPA", "E1.SPI1.HL-60"], ["'K-562'", "near: K562_TPA"]),
        (["E1.SPI1.A", "E1.SPI1.B"], ["'K-562'", "there are: A, B"]),
        (["SPI1:HL-60"], ["no peak of the biosample 'K-562'", "--biosample", "HL-60"]),
    ],
)
def test_what_has_no_peaks_of_the_biosample_is_refused(tmp_path, names, words):
    with pytest.raises(DataError) as caught:
        of_biosample(remap(tmp_path, *names), "K-562", LeftOut())
    assert all(word in str(caught.value) for word in (*words, "remap.bed")), caught.value
