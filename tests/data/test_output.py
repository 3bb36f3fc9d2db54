"""Output files: the format that a name says; devices, pipes and links stay what they are."""

import gzip
import os
import stat
import threading
from pathlib import Path

import pytest

from data.errors import DataError
from data.output import (
    STANDARD_OUTPUT,
    Format,
    Output,
    check_apart,
    output_file,
    output_named,
    text_output,
)

TABLES = (Format.TSV, Format.CSV, Format.BED, Format.PARQUET, Format.BIGWIG)


def written(path: Path, text: str = "a\tb\n") -> None:
    with text_output(output_named(path, TABLES)) as file:
        file.write(text)


@pytest.mark.parametrize(
    ("name", "format_", "compressed"),
    [
        ("a.tsv", Format.TSV, False),
        ("a.b.CSV", Format.CSV, False),
        ("a.bed.gz", Format.BED, True),
        ("a.parquet", Format.PARQUET, False),
        ("a.bigWig", Format.BIGWIG, False),
    ],
)
def test_the_ending_of_a_name_says_the_format(tmp_path, name, format_, compressed):
    found = output_named(tmp_path / name, TABLES)
    assert found == Output(tmp_path / name, format_, compressed)


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.gz", "a.vcf", "a.parquet.gz", "a.bw.gz"])
def test_another_ending_is_refused_with_those_that_can_be_written(tmp_path, name):
    with pytest.raises(DataError, match=r"ends in \.tsv, \.csv, \.bed, \.parquet or \.bw"):
        output_named(tmp_path / name, TABLES)


def test_a_hyphen_and_no_name_are_standard_output(capsys):
    assert output_named(None, TABLES) == output_named(Path("-"), TABLES)
    written(Path("-"), "text\n")
    assert capsys.readouterr().out == "text\n"
    with pytest.raises(DataError, match="standard output takes text"):
        output_named(Path("-"), [Format.PARQUET])


def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder .*nowhere"):
        output_named(tmp_path / "nowhere" / "a.tsv", TABLES)
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        output_named(tmp_path / "folder.tsv", TABLES)


def test_compressed_text_is_gzip_and_the_same_each_time(tmp_path):
    written(tmp_path / "a.tsv.gz", "x" * 100_000)
    written(tmp_path / "b.tsv.gz", "x" * 100_000)
    assert gzip.decompress((tmp_path / "a.tsv.gz").read_bytes()) == b"x" * 100_000
    assert (tmp_path / "a.tsv.gz").read_bytes() == (tmp_path / "b.tsv.gz").read_bytes()


def test_compressed_text_has_any_letters(tmp_path):
    written(tmp_path / "a.tsv.gz", "p\u0142aczek \u03b1\n")
    with gzip.open(tmp_path / "a.tsv.gz", "rt", encoding="utf-8") as file:
        assert file.read() == "p\u0142aczek \u03b1\n"


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "real.tsv").write_text("old")
    (tmp_path / "link.tsv").symlink_to("real.tsv")
    written(tmp_path / "link.tsv")
    assert (tmp_path / "link.tsv").is_symlink()
    assert (tmp_path / "real.tsv").read_text() == "a\tb\n"


def test_an_input_is_no_place_for_the_output(tmp_path):
    source = tmp_path / "regions.bed"
    source.write_text("chr1\t1\t5\n")
    link = tmp_path / "link.bed"
    link.symlink_to(source)
    for path in (source, link):
        with pytest.raises(DataError, match="would be replaced; name another file"):
            check_apart(path, [tmp_path / "absent", source])
    check_apart(tmp_path / "new.bed", [source])
    # two outputs, of which neither is there yet, and the index of a genome
    for path, other in (("new.bed", "new.bed"), ("g.fa.fai", "g.fa"), ("g.fa.gz.gzi", "g.fa.gz")):
        with pytest.raises(DataError, match="would be replaced"):
            check_apart(tmp_path / path, [tmp_path / other])
    check_apart(STANDARD_OUTPUT, [STANDARD_OUTPUT])  # a filter reads one and writes the other


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    written(tmp_path / "pipe")
    reader.join(timeout=10)
    assert read == ["a\tb\n"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a device")
def test_a_device_is_written_to_and_stays_a_device(tmp_path):
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this machine makes no devices")
    written(tmp_path / "null")
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)


def test_an_error_leaves_the_old_file_and_a_pipe_without_a_word(tmp_path):
    (tmp_path / "a.tsv").write_text("old")
    with pytest.raises(ZeroDivisionError), text_output(output_named(tmp_path / "a.tsv", TABLES)):
        raise ZeroDivisionError
    assert (tmp_path / "a.tsv").read_text() == "old"
    with pytest.raises(ZeroDivisionError), output_file(tmp_path / "a.tsv"):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
