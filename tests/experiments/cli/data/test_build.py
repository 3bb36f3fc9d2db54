"""`bindgrid data build --samplesheet` on the terminal."""

from pathlib import Path

import pytest

from tests.helpers.tiny import TinySources, build_arguments

PEAK = "chr1\t150\t250\t.\t0\t.\t1\t-1\t-1\t50\n"


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """A genome, peaks, and a sheet without faults."""
    TinySources().write(tmp_path / "sources")
    (tmp_path / "spi1.narrowPeak").write_text(PEAK)
    (tmp_path / "open.bed").write_text("chr1\t100\t300\nchr1\t900\t1400\n")
    (tmp_path / "sheet.tsv").write_text(
        "tf\tbiosample\tpeaks\taccessible\nSpi1\tliver\tspi1.narrowPeak\topen.bed\n"
    )
    return tmp_path


def words(folder: Path, *more: object) -> list[object]:
    genome = folder / "sources" / "genome.fa"
    sheet = ("--samplesheet", folder / "sheet.tsv", "--genome", genome)
    return ["data", "build", *sheet, "-w", folder / "w", *more]


def test_a_sheet_builds_a_dataset(bindgrid, collection):
    code, out, err = bindgrid(*words(collection, "--no-sites"))
    assert code == 0, err
    assert "2 regions, 1 TF" in out
    _, out, _ = bindgrid("data", "show", "-w", collection / "w")
    assert "Spi1" in out
    assert "spi1.narrowPeak" in out
    assert "labels: bound by peaks alone" in out
    _, out, _ = bindgrid("tf", "list", "-w", collection / "w")
    [row] = [line for line in out.splitlines() if "Spi1" in line]
    assert all(word in row for word in ("dataset", "liver", "none"))


def test_all_faults_of_a_sheet_are_told_a_line_each_and_nothing_is_written(bindgrid, collection):
    with (collection / "sheet.tsv").open("a") as sheet:
        sheet.write("Max\tliver\tgone.bed\t\nNosuch\tspleen\tspi1.narrowPeak\t\n")
    code, out, err = bindgrid(*words(collection))
    assert code == 2
    assert out == ""
    lines = err.splitlines()
    faults = [line for line in lines if line.startswith("row ")]
    assert [line.split(":")[0] for line in faults] == ["row 3", "row 4", "row 4", "row 4"]
    assert lines[-1].startswith("bindgrid: ")
    assert lines[-1].endswith("sheet.tsv: 4 faults; nothing was built")
    assert not (collection / "w" / "dataset").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--peaks", "p.bed"], "--samplesheet and --peaks exclude each other"),
        (["--taxon", "plant"], "no taxon 'plant' in JASPAR; near: plants"),
        (["--site-p", "2"], "p_value is 2.0; give a number between 0 and 1"),
    ],
)
def test_options_that_do_not_go_with_a_sheet_are_named(bindgrid, collection, more, message):
    code, _, err = bindgrid(*words(collection, *more))
    assert (code, message in err) == (2, True)


def test_options_of_a_sheet_need_one(bindgrid, collection):
    sources = TinySources().write(collection / "sources")
    code, _, err = bindgrid("data", "build", *build_arguments(sources), "--no-sites")
    assert code == 2
    assert "--no-sites without --samplesheet" in err
