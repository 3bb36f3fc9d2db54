"""How coordinates may be spelled in a BED file, and rows that cannot be read."""

import pytest

from data.errors import DataError
from data.left_out import LeftOut
from data.rows.batch import BED3
from data.rows.bed import read_bed


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


GOOD = tuple(f"chr1 {at} {at + 5}" for at in range(10, 40))


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ("chr1 7", "too few columns"),
        ("chr1", "too few columns"),
        ("chr1 7 9 a", "another number of columns than the other rows"),
        ("chr1 ten 20", "a coordinate that is no whole number"),
        ("chr1 1.23E+08 123000009", "a coordinate that is no whole number"),
        ("chr1 . 20", "a coordinate that is no whole number"),
        ("chr1 500 500", "an interval without a base"),
        ("chr1 900 500", "an interval without a base"),
    ],
)
@pytest.mark.parametrize("place", [0, 15, 30])
def test_one_odd_row_of_thirty_is_left_out_and_counted_wherever_it_stands(
    tmp_path, odd, reason, place
):
    path = tmp_path / "r.bed"
    rows = [*GOOD[:place], odd, *GOOD[place:]]
    path.write_text("".join("\t".join(row.split()) + "\n" for row in rows))
    left_out = LeftOut()
    found = read_bed(path, BED3, left_out)
    assert found.integers("start").tolist() == list(range(10, 40))
    assert place + 1 not in found.line.tolist()
    assert left_out.of(path) == {reason: 1}
    left_out.write(tmp_path / "odd.tsv")
    assert (tmp_path / "odd.tsv").read_text().splitlines()[1:] == [f"{path}\t{place + 1}\t{reason}"]


@pytest.mark.parametrize(("num", "num_odd"), [(8, 1), (900, 10), (0, 1)])
def test_too_many_odd_rows_refuse_the_file_and_the_first_is_named(tmp_path, num, num_odd):
    path = tmp_path / "r.bed"
    path.write_text("chr1\t5\t9\n" * num + "chr1\t9\t5\n" * num_odd)
    left_out = LeftOut()
    with pytest.raises(DataError, match=rf"row {num + 1}: start 9 is not before end 5"):
        read_bed(path, BED3, left_out)


@pytest.mark.parametrize(("num", "num_odd"), [(9, 0), (10, 1), (990, 9), (1100, 11)])
def test_few_odd_rows_do_not_refuse_a_file(tmp_path, num, num_odd):
    path = tmp_path / "r.bed"
    path.write_text("chr1\t5\t9\n" * num + "chr1\t9\t5\n" * num_odd)
    left_out = LeftOut()
    assert len(read_bed(path, BED3, left_out)) == num
    assert sum(left_out.of(path).values()) == num_odd
