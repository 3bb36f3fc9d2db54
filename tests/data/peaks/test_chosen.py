"""Which peaks of a file count by their score, worked out by hand."""

from pathlib import Path

import pytest

from data.dataset.added import PeakChoice
from data.errors import DataError
from data.left_out import LeftOut
from data.peaks.chosen import chosen_peaks
from data.peaks.reading import read_own_peaks


def narrow(folder: Path, rows: list[tuple[float, float]]) -> Path:
    """Peaks with a signal and a p-value each, ten bases apart."""
    path = folder / "p.narrowPeak"
    lines = (
        f"chr1\t{10 * i}\t{10 * i + 9}\tp\t0\t.\t{signal}\t{p}\t-1\t4\n"
        for i, (signal, p) in enumerate(rows)
    )
    path.write_text("".join(lines))
    return path


def chosen(path: Path, left_out: LeftOut | None = None, **choice) -> list[int]:
    asked = PeakChoice(**choice)
    peaks = read_own_peaks(path, asked.score)
    return chosen_peaks(peaks, asked, LeftOut() if left_out is None else left_out).tolist()


ROWS = [(5.0, 9.0), (8.0, 2.0), (1.0, 4.0), (8.0, 3.0)]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"top": 2}, [0, 2]),
        ({"top": 4}, [0, 1, 2, 3]),
        ({"top": 9}, [0, 1, 2, 3]),
        ({"score": "signalValue", "min_score": 5.0}, [0, 1, 3]),
        ({"score": "7", "min_score": 5.5}, [1, 3]),
        # the best by the column of the least score, of those that have it
        ({"score": "signalValue", "min_score": 0.0, "top": 2}, [1, 3]),
        ({"score": "pValue", "min_score": 3.0, "top": 2}, [0, 2]),
    ],
)
def test_a_least_score_and_the_best_peaks(tmp_path, choice, expected):
    assert chosen(narrow(tmp_path, ROWS), **choice) == expected


def test_what_does_not_count_is_noted_with_its_reason(tmp_path):
    left_out = LeftOut()
    path = narrow(tmp_path, ROWS)
    chosen(path, left_out, score="pValue", min_score=3.0, top=1)
    assert left_out.of(path) == {"pValue below 3": 1, "not among the best 1 by pValue": 2}


def test_where_p_values_are_all_the_same_the_signal_decides(tmp_path):
    rows = [(signal, -1.0) for signal, _ in ROWS]
    assert chosen(narrow(tmp_path, rows), top=3) == [0, 1, 3]


def test_peaks_without_a_score_come_last(tmp_path):
    path = tmp_path / "p.bed"
    path.write_text("chr1\t1\t9\ta\t.\nchr1\t11\t19\tb\t-7\nchr1\t21\t29\tc\t3\n")
    assert chosen(path, top=2) == [1, 2]
    assert chosen(path, score="score", min_score=-100.0) == [1, 2]


def test_lots_among_equal_scores_do_not_depend_on_the_order_of_rows(tmp_path):
    rows = [f"chr{i % 4}\t{i}\t{i + 9}\tp\t{5 if i else 6}" for i in range(40)]
    kept = []
    for order in (rows, rows[::-1]):
        path = tmp_path / "p.bed"
        path.write_text("\n".join(order))
        kept.append({order[i] for i in chosen(path, top=9)})
    assert kept[0] == kept[1]
    assert rows[0] in kept[0]
    assert len(kept[0]) == 9
    assert len({row.split("\t")[0] for row in kept[0]}) > 1


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (
            {"score": "signalValue", "min_score": 8.5},
            ["none of 4 peaks has a signalValue of 8.5 or more, the highest is 8"],
        ),
        ({"score": "name", "min_score": 1.0}, ["it holds no numbers"]),
        ({"score": "qValue", "min_score": -2.0, "top": 2}, ["no score that tells", "qValue"]),
    ],
)
def test_where_no_peak_counts_it_is_said_why(tmp_path, choice, words):
    with pytest.raises(DataError) as caught:
        chosen(narrow(tmp_path, ROWS), **choice)
    assert all(word in str(caught.value) for word in (*words, "p.narrowPeak")), caught.value


def test_the_best_of_peaks_without_scores_are_refused(tmp_path):
    path = tmp_path / "p.bed"
    path.write_text("chr1\t1\t9\nchr1\t11\t19\n")
    with pytest.raises(DataError, match=r"columns looked at: none\).*--min-score"):
        chosen(path, top=1)


@pytest.mark.parametrize(
    "choice",
    [
        {"top": 0},
        {"min_score": float("nan")},
        {"min_score": float("inf")},
        {"replicates": "3-of-2"},
        {"replicates": "0-of-2"},
        {"replicates": "1-of-1"},
        {"replicates": "both"},
    ],
)
def test_a_choice_that_cannot_be_is_refused(choice):
    with pytest.raises(ValueError, match=r"give"):
        PeakChoice(**choice)
