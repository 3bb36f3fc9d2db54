"""Rows that a command leaves out."""

from pathlib import Path

import numpy as np

from data.left_out import LeftOut


def test_rows_are_listed_in_the_order_of_their_file(tmp_path: Path) -> None:
    left_out = LeftOut()
    peaks, sites = Path("peaks.bed"), Path("sites.bed")
    left_out.add(peaks, np.array([7, 3], dtype=np.int32), "on no chromosome")
    left_out.add(sites, 1, "too short")
    left_out.add(peaks, 5, "cannot be read")

    left_out.write(tmp_path / "odd.tsv")

    assert (tmp_path / "odd.tsv").read_text().splitlines() == [
        "file\trow\treason",
        "peaks.bed\t3\ton no chromosome",
        "peaks.bed\t5\tcannot be read",
        "peaks.bed\t7\ton no chromosome",
        "sites.bed\t1\ttoo short",
    ]
