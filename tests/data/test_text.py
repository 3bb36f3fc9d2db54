"""Text as people have it: compressed in any way, with any line ends, from a pipe; or no text."""

import bz2
import gzip
import io
import lzma
import os
import threading
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from Bio import bgzf

from data import text
from data.errors import DataError
from data.rows.batch import BED3
from data.rows.bed import read_bed
from data.rows.header_table import read_records
from data.text import all_lines, blocks, open_binary

ROWS = "chr1\t100\t300\nchr2\t5\t9\n"


def lines_of(path: Path) -> list[str]:
    return [line for _, line in all_lines(path)]


def two_members(content: bytes) -> bytes:
    return gzip.compress(content[:7]) + gzip.compress(content[7:])


def as_bgzf(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with bgzf.BgzfWriter(fileobj=buffer) as file:
        file.write(content)
        file.flush()
        return buffer.getvalue()


def as_zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, two_members, as_bgzf, bz2.compress, lzma.compress, as_zstd]
)
def test_a_file_is_unpacked_by_its_first_bytes_whatever_its_name(tmp_path, pack):
    path = tmp_path / "rows.txt"
    path.write_bytes(pack(ROWS.encode()))
    assert lines_of(path) == ["chr1\t100\t300", "chr2\t5\t9"]
    assert read_bed(path, BED3).integers("end").tolist() == [300, 9]


def as_lzma(content: bytes) -> bytes:
    """Compress quickly: the default takes seconds for some megabytes."""
    return lzma.compress(content, preset=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, two_members, as_bgzf, bz2.compress, as_lzma, as_zstd]
)
def test_how_much_is_read_is_told_of_the_file_as_it_lies_on_disk(tmp_path, pack):
    path = tmp_path / "rows.txt"
    packed = pack(os.urandom(3 << 20).hex().encode() + b"\n")
    path.write_bytes(packed)
    told: list[tuple[int, int]] = []
    for _ in blocks(path, lambda *numbers: told.append(numbers)):
        pass
    assert {size for _, size in told} == {len(packed)}
    read = [num for num, _ in told]
    assert read == sorted(read)
    assert len(set(read)) > 2
    assert read[-1] == len(packed)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, as_zstd])
def test_a_truncated_file_is_named(tmp_path, pack):
    path = tmp_path / "rows.bed"
    packed = pack(os.urandom(2000).hex().encode())
    path.write_bytes(packed[:-9])
    with pytest.raises(DataError, match=r"rows.bed: truncated or damaged"):
        lines_of(path)


@pytest.mark.parametrize("pack", [gzip.compress, two_members, as_bgzf, bz2.compress])
def test_a_file_with_a_changed_byte_is_named_or_read(tmp_path, pack):
    path = tmp_path / "rows.bed"
    packed = pack(os.urandom(300).hex().encode())
    num_named = 0
    for place in range(len(packed) // 8, len(packed), 5):
        path.write_bytes(packed[:place] + bytes([packed[place] ^ 40]) + packed[place + 1 :])
        try:
            lines_of(path)
        except DataError as error:
            num_named += 1
            assert "rows.bed: truncated or damaged" in str(error)
    assert num_named > 5


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path, monkeypatch, end, start, last):
    monkeypatch.setattr(text, "BLOCK_BYTES", 3)  # line ends fall on the edges of blocks
    path = tmp_path / "rows.bed"
    content = start + end.join(["chr1\t100\t300", "   ", "# é", "chr2\t5\t9"]) + end * last
    path.write_bytes(content.encode())
    assert lines_of(path) == ["chr1\t100\t300", "   ", "# é", "chr2\t5\t9"]
    rows = read_bed(path, BED3)
    assert rows.line.tolist() == [1, 4]
    assert rows.names("chrom").tolist() == ["chr1", "chr2"]


def test_what_is_not_utf8_is_read_as_latin1(tmp_path):
    path = tmp_path / "rows.bed"
    path.write_bytes("chr1\t1\t9\tpéak\n".encode("latin-1"))
    assert lines_of(path) == ["chr1\t1\t9\tpéak"]


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("peaks.bed", ROWS)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive(), "is a zip archive"),
        (workbook(), "is an Excel workbook"),
        (as_bgzf(b"BAM\1\0\0\0\0"), "is a BAM file"),
        (b"\xeb\xf2\x89\x87\4\0", "is a bigBed file"),
        (b"\x26\xfc\x8f\x88\4\0", "is a bigWig file"),
        (b"\x43\x27\x41\x1a\0\0\0\0", "is a 2bit file"),
        (b"\n<!DOCTYPE html><html>404", "is a web page"),
        (gzip.compress(b"<html><body>404", mtime=0), "is a web page"),
        (ROWS.encode("utf-16"), "is UTF-16 text"),
        (b"chr1\t1\t9\n\0\0", "row 2: not text"),
        (b"", "the file is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_what_is_no_text_is_called_what_it_is(tmp_path, content, words):
    path = tmp_path / "peaks.bed"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_bed(path, BED3)
    assert "\n" not in str(caught.value)


def test_a_pipe_is_read_once_and_used_as_often_as_needed(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(gzip.compress(ROWS.encode())))
    writer.start()
    assert lines_of(pipe) == lines_of(pipe) == ["chr1\t100\t300", "chr2\t5\t9"]
    writer.join()
    assert pipe.is_fifo()


def test_standard_input_is_a_dash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ROWS.encode())))
    monkeypatch.setattr(text, "_spooled", {})
    assert read_bed(Path("-"), BED3).integers("start").tolist() == [100, 5]


def test_a_folder_and_a_missing_file_are_told(tmp_path):
    with pytest.raises(DataError, match="is a folder; name a file"):
        open_binary(tmp_path)
    with pytest.raises(DataError, match="cannot be opened"):
        list(blocks(tmp_path / "none"))


@pytest.mark.parametrize(
    "header",
    [
        "chr\tstart\tend",
        "chrom\tchromStart\tchromEnd",
        '"seqnames"\t"start"\t"end"',
        "#chrom\tstart\tend",
        "track name=peaks",
    ],
)
def test_lines_of_names_and_settings_are_no_rows(tmp_path, header):
    path = tmp_path / "rows.bed"
    path.write_text(f"{header}\n\n{ROWS}#chr3\t1\t2\n \t \n{ROWS}")
    rows = read_bed(path, BED3)
    assert rows.line.tolist() == [3, 4, 7, 8]
    assert rows.integers("start").tolist() == [100, 5, 100, 5]


@pytest.mark.parametrize(
    "lines",
    [
        ["chr1 100 300 a", "chr2 5 9 b"],
        ["chr start end name", "  chr1   100 300  a ", "", "chr2 5 9 b "],
        ["track name=p", "# some words", "chr1 100 300 a", "chr2 5 9 b"],
        ["chr1 100 300 a", "chr2\t5\t9\tb"],
        ["chr1\t100\t300\ta b", "chr2 5 9 b"],
    ],
)
def test_rows_without_a_tab_are_separated_by_spaces(tmp_path, lines):
    path = tmp_path / "rows.bed"
    path.write_text("".join(f"{line}\n" for line in lines))
    rows = read_bed(path, BED3)
    assert rows.names("chrom").tolist() == ["chr1", "chr2"]
    assert rows.integers("start").tolist() == [100, 5]
    assert rows.integers("end").tolist() == [300, 9]
    assert [lines[line - 1].split()[0] for line in rows.line] == ["chr1", "chr2"]


def test_a_row_with_spaces_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "rows.bed"
    path.write_text("chr1 100 300 a\nchr2 5 9 my peak\n")
    with pytest.raises(DataError, match="row 2: 5 columns where the first row has 4"):
        read_bed(path, BED3)


def test_text_in_quotes_loses_them(tmp_path):
    path = tmp_path / "rows.bed"
    path.write_text('"chr"\t"start"\t"end"\t"name"\n"chr1"\t1\t9\t"a"\n')
    assert read_bed(path, BED3).names("chrom").tolist() == ["chr1"]


def test_a_table_may_have_comments_quotes_and_any_line_ends(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_bytes('\ufeff# of today\r\ntf\tbiotype\r\n  \r\n"SPI1"\tK562\r\n'.encode())
    assert read_records(path, ("tf", "biotype")) == [(4, {"tf": "SPI1", "biotype": "K562"})]
