"""How coordinates may be spelled in a BED file, and what is refused as rounded."""

import pytest

from data.errors import DataError
from data.sources.bed import BED3, read_bed


def write(tmp_path, *rows: str):
    path = tmp_path / "r.bed"
    path.write_text(
        "".join(
            "\t".join(row.split(" ", 1)[:1] + row.split(" ", 1)[1].rsplit(" ", 1)) + "\n"
            for row in rows
        )
    )
    return path


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        ("1e+06", 1_000_000),
        ("1e6", 1_000_000),
        ("1.21e+08", 121_000_000),
        ("1.001e+08", 100_100_000),
        ("1000000.0", 1_000_000),
        ("1000000.", 1_000_000),
        ("1,000,000", 1_000_000),
        ("12,345", 12_345),
        ("+7", 7),
        (" 7 ", 7),
    ],
)
def test_a_coordinate_may_be_spelled_as_tools_spell_whole_numbers(tmp_path, spelled, value):
    path = write(tmp_path, "chr1 5 10", f"chr1 {spelled} 200000000", "chr1 6 11")
    rows = read_bed(path, BED3)
    assert rows.integers("start").tolist() == [5, value, 6]
    assert rows.line.tolist() == [1, 2, 3]


@pytest.mark.parametrize("spelled", ["1.23E+08", "1E+06", "1.23457e+08", "1.2345e+08", "1.5e0"])
def test_a_coordinate_that_was_rounded_is_refused_with_its_row(tmp_path, spelled):
    path = write(tmp_path, "chr1 5 10", f"chr1 {spelled} 200000000")
    with pytest.raises(DataError, match=r"row 2: start is '.*', which may have been rounded; save"):
        read_bed(path, BED3)


@pytest.mark.parametrize("spelled", ["1,00", "1.234.567", "1_000", "5e+99", "9" * 12, ""])
def test_what_is_no_whole_number_is_refused_with_its_row(tmp_path, spelled):
    path = write(tmp_path, "chr1 5 10", "chr1 1e+06 1000001", f"chr1 {spelled} 200000000")
    with pytest.raises(DataError, match=r"row 3: start is '.*', "):
        read_bed(path, BED3)
