import dataclasses
from pathlib import Path

import numpy as np
import pytest

from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import EXCLUDED, LeftOut
from data.sources.blacklist import Blacklist
from data.sources.build import build_dataset
from data.sources.chromosomes import Chromosomes
from tests.helpers.tiny import TinySources

GENOME = Chromosomes(Path("genome.fa"), ["chr1", "chr2"], None)


def bed(path: Path, *rows: str) -> Path:
    path.write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    return path


def build(folder: Path, exclude: Path, tiny: TinySources | None = None, **options) -> Dataset:
    sources = (tiny or TinySources()).write(folder / "sources")
    sources = dataclasses.replace(sources, exclude=(exclude,))
    return build_dataset(sources, folder / "dataset", **options)


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [(90, 100, False), (90, 101, True), (299, 310, True), (300, 310, False), (150, 160, True)],
)
def test_one_shared_base_leaves_an_interval_out(tmp_path, start, end, overlaps):
    left_out = LeftOut()
    blacklist = Blacklist([bed(tmp_path / "b.bed", f"chr2 {start} {end}")], GENOME, left_out)
    codes, chroms = np.array([0, 1], dtype=np.int32), ["chr2", "chr1"]
    place = np.array([100, 100], dtype=np.int32)
    # the same place on another chromosome is another place
    assert blacklist.overlaps(codes, chroms, place, place + 200).tolist() == [overlaps, False]
    assert bool(left_out.remarks()) is not overlaps


def test_what_any_of_several_files_has_is_left_out(tmp_path):
    files = [bed(tmp_path / "a.bed", "chr1 5 9"), bed(tmp_path / "b.bed", "chr1 50 90")]
    blacklist = Blacklist(files, GENOME, LeftOut())
    place = np.array([0, 20, 60], dtype=np.int32)
    found = blacklist.overlaps(np.zeros(3, dtype=np.int32), ["chr1"], place, place + 10)
    assert found.tolist() == [True, False, True]


def test_excluded_regions_are_left_out_of_a_dataset_and_listed(tmp_path):
    left_out = LeftOut()
    # by its last base it overlaps the region at 1000, not the one at 1100
    dataset = build(tmp_path, bed(tmp_path / "b.bed", "chr1 990 1001"), left_out=left_out)
    assert dataset.regions().start.tolist() == [100, 1100, 500]
    assert dataset.evidence(["SPI1"])[:, 0].tolist() == [4, 1, 2]
    assert dataset.manifest.dropped[f"DHSs: {EXCLUDED}"] == 1
    left_out.write(tmp_path / "odd.tsv")
    rows = (tmp_path / "odd.tsv").read_text().splitlines()[1:]
    assert rows == [f"{tmp_path / 'sources' / 'dhs.bed'}\t2\t{EXCLUDED}"]


def test_excluded_peaks_are_left_out_where_their_region_stays(tmp_path):
    # overlaps the peak 50-250, whose summit lies in the region 100-300
    tiny = TinySources()
    tiny.peaks[0] = "chr1\t50\t250\tE1.SPI1.K562\t9\t.\t200\t201\t0,0,0"
    dataset = build(tmp_path, bed(tmp_path / "b.bed", "chr1 40 60"), tiny)
    assert dataset.evidence(["SPI1"])[:, 0].tolist() == [3, 1, 1, 2]
    assert dataset.manifest.dropped[f"peaks: {EXCLUDED}"] == 1


def test_the_manifest_records_the_blacklist_as_a_source_and_a_build_without_is_as_before(tmp_path):
    blacklist = bed(tmp_path / "b.bed", "chr1 2000 2100")
    with_it = build(tmp_path / "a", blacklist)
    without = build_dataset(TinySources().write(tmp_path / "s"), tmp_path / "dataset")
    assert [Path(one.file).name for one in with_it.manifest.sources][-1] == "b.bed"
    assert len(without.manifest.sources) == len(with_it.manifest.sources) - 1
    # it left nothing out, so the data are the same
    assert with_it.manifest.regions_fingerprint == without.manifest.regions_fingerprint
    assert with_it.fingerprint(["SPI1"]) == without.fingerprint(["SPI1"])
    assert without.manifest.dropped == with_it.manifest.dropped


def test_a_blacklist_that_nothing_overlaps_is_told(tmp_path):
    left_out = LeftOut()
    build(tmp_path, bed(tmp_path / "b.bed", "chr1 2000 2100"), left_out=left_out)
    assert left_out.remarks() == [
        f"{tmp_path / 'b.bed'}: nothing that was read overlaps it, so it leaves nothing out; check "
        "that it is of the same assembly"
    ]
    assert left_out.lines() == left_out.remarks()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["chr7 1 9"], "no chromosome in common"),
        (["chr1 5000 6000", "chr1 7000 8000"], "reach beyond"),
        (["chr1 0 3000", "chr2 0 3000"], "every region overlaps what --exclude names"),
        (["chr1 9"], "columns"),
    ],
)
def test_a_blacklist_that_cannot_be_right_is_one_line_and_leaves_nothing(tmp_path, rows, words):
    with pytest.raises(DataError, match=words):
        build(tmp_path, bed(tmp_path / "b.bed", *rows))
    assert not (tmp_path / "dataset").exists()


def test_peaks_of_which_none_is_left_stop_the_build(tmp_path):
    tiny = TinySources(peaks=["chr1\t50\t250\tE1.SPI1.K562\t9\t.\t200\t201\t0,0,0"])
    with pytest.raises(DataError, match=r"peaks.bed: nothing is left of it \(overlapping"):
        build(tmp_path, bed(tmp_path / "b.bed", "chr1 40 60"), tiny)
