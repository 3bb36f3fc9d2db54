"""What replicates agree on, worked out by hand."""

from pathlib import Path

import pytest

from data.errors import DataError
from data.left_out import LeftOut
from data.peaks.reading import read_own_peaks
from data.peaks.replicates import agreed_peaks

Row = tuple[str, int, int, float]


def stay(folder: Path, files: list[list[Row]], num_agreeing: int) -> list[list[int]]:
    """For each file, the indices of the peaks that stay."""
    paths = [folder / f"rep{i}.bed" for i in range(len(files))]
    for path, rows in zip(paths, files, strict=True):
        path.write_text(
            "".join("\t".join(map(str, [*row[:3], "p", row[3]])) + "\n" for row in rows)
        )
    peaks = [read_own_peaks(path) for path in paths]
    return [found.tolist() for found in agreed_peaks(peaks, num_agreeing, LeftOut())]


# overlaps of peaks of a hundred bases: 60 agree, 40 do not
THREE: list[list[Row]] = [
    [("chr1", 100, 200, 9.0), ("chr1", 500, 600, 1.0), ("chr2", 100, 200, 5.0)],
    [("chr1", 140, 240, 700.0), ("chr1", 560, 660, 90.0), ("chr3", 1, 9, 800.0)],
    [("chr1", 180, 280, 3.0), ("chr2", 100, 200, 2.0), ("chr4", 1, 9, 1.0)],
]


@pytest.mark.parametrize(
    ("num_agreeing", "expected"),
    [
        # the first peaks of the three files agree as a chain: the one in the middle has the second
        # best rank of its file, so that of the first file stays, and the third one, too, which
        # does not agree with it
        (1, [[0, 1, 2], [1, 2], [0, 2]]),
        (2, [[0, 2], [], [0]]),
        (3, [[], [0], []]),
    ],
)
def test_peaks_that_enough_files_have_stay_once(tmp_path, num_agreeing, expected):
    assert stay(tmp_path, THREE, num_agreeing) == expected


def test_half_of_the_shorter_peak_is_enough_and_less_is_not(tmp_path):
    wide: list[Row] = [("chr1", 0, 1000, 1.0), ("chr1", 5000, 6000, 2.0)]
    # which has the better rank of the two
    assert stay(tmp_path, [wide, [("chr1", 950, 1050, 1.0)]], 2) == [[], [0]]
    with pytest.raises(DataError, match=r"rep0.bed, .*rep1.bed: no peaks of 2 files overlap"):
        stay(tmp_path, [wide, [("chr1", 951, 1051, 1.0)]], 2)


def test_several_summits_of_one_peak_stay(tmp_path):
    twice: list[Row] = [("chr1", 100, 200, 9.0), ("chr1", 100, 200, 8.0)]
    assert stay(tmp_path, [twice, twice], 2) == [[0, 1], []]


def test_the_best_rank_decides_and_not_the_scale_of_the_scores(tmp_path):
    deep: list[Row] = [("chr1", 100, 200, 500.0), ("chr1", 900, 999, 900.0)]
    shallow: list[Row] = [("chr1", 110, 210, 5.0), ("chr1", 900, 999, 3.0)]
    assert stay(tmp_path, [deep, shallow], 2) == [[1], [0]]


def test_without_scores_the_file_named_first_goes_first(tmp_path):
    one: list[Row] = [("chr1", 100, 200, 1.0)]
    other: list[Row] = [("chr1", 101, 201, 1.0)]
    assert stay(tmp_path, [one, other], 2) == [[0], []]


def test_what_gives_way_and_what_too_few_files_have_is_noted(tmp_path):
    left_out = LeftOut()
    stay(tmp_path, THREE, 2)
    peaks = [read_own_peaks(tmp_path / f"rep{i}.bed") for i in range(3)]
    agreed_peaks(peaks, 2, left_out)
    assert left_out.of(tmp_path / "rep1.bed") == {
        "in fewer than 2 replicates": 2,
        "agreeing with a peak of a better rank": 1,
    }
