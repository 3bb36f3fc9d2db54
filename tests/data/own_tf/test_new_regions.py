"""Regions that a lab's accessible peaks add: which, where, and that nothing else changes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Sampling
from data.dataset.selection import individual_pools, select_multi
from data.dataset.store import Dataset, add_regions
from data.errors import DataError
from data.own_tf.edit import add_labels
from data.own_tf.files import PeakFile, read_files
from data.own_tf.labels import OwnTF, label_own_tf
from data.own_tf.new_regions import new_regions
from data.schema import Evidence
from data.sources.build import build_dataset
from data.sources.genome import Genome
from tests.helpers.tiny import TinySources

# regions of the dataset: chr1 100-300, 1000-1200, 1100-1300, chr2 500-700
ATAC = (
    "chr1\t150\t260\nchr1\t400\t900\nchr1\t1900\t2300\nchr2\t20\t90\nchr2\t1500\t1700\nchr9\t1\t9\n"
)
PEAKS = "chr1\t190\t210\nchr1\t560\t640\nchr1\t600\t680\nchr1\t860\t880\nchr1\t2500\t2600\n"


@pytest.fixture
def place(tmp_path: Path):
    """The tiny dataset, its genome and a lab's files."""
    sources = TinySources().write(tmp_path / "sources")
    dataset = build_dataset(sources, tmp_path / "dataset")
    (tmp_path / "atac.bed").write_text(ATAC)
    (tmp_path / "peaks.bed").write_text(PEAKS)
    file = PeakFile(
        peaks=tmp_path / "peaks.bed", biosample="mine", accessible=tmp_path / "atac.bed"
    )
    return dataset, Genome(sources.genome), file


def more_of(regions: RegionTable, file: PeakFile, genome: Genome) -> RegionTable:
    found = new_regions(regions, read_files([file], regions.chroms, genome), genome)
    assert found is not None
    return found


def places(regions: RegionTable) -> list[tuple[str, int, int]]:
    rows = zip(regions.chrom_names, regions.start, regions.end, strict=True)
    return [(str(chrom), int(start), int(end)) for chrom, start, end in rows]


def test_summits_come_first_then_middles_of_peaks_without_one_and_none_overlap(place):
    dataset, genome, file = place
    more = more_of(dataset.regions(), file, genome)
    assert places(more) == [
        ("chr1", 500, 700),  # summit 600; that at 640 lies too near, and 870 nearer to a region
        ("chr1", 770, 970),
        ("chr1", 2000, 2200),  # the middle of an accessible peak without a summit
        ("chr2", 1500, 1700),
    ]
    bases = genome.sequences(more.chrom_names, more.start, 200)
    assert np.array_equal(RegionTable.from_bases(more.chrom_names, more.start, bases).gc, more.gc)


def test_new_regions_do_not_overlap_what_is_excluded(place, tmp_path):
    dataset, genome, file = place
    (tmp_path / "b.bed").write_text("chr1\t2199\t2300\nchr2\t1700\t1800\n")
    regions = dataset.regions()
    read = read_files([file], regions.chroms, genome, exclude=[tmp_path / "b.bed"])
    found = new_regions(regions, read, genome)
    assert found is not None
    assert places(found) == [("chr1", 500, 700), ("chr1", 770, 970), ("chr2", 1500, 1700)]


def test_old_ids_evidence_and_fingerprints_stay(place):
    dataset, genome, file = place
    before = dataset.regions()
    fingerprint = dataset.fingerprint(["SPI1", "MAX"])
    evidence = dataset.evidence(["SPI1", "MAX"])
    more = more_of(before, file, genome)
    tf = OwnTF(name="MINE", files=(file,))
    labels = label_own_tf(dataset, tf, genome, before.extended(more))
    extended = add_regions(dataset, more)
    assert places(extended.regions()) == places(before) + places(more)
    assert places(extended.regions().built) == places(before)
    assert extended.num_regions == len(before) + len(more)
    assert extended.fingerprint(["SPI1", "MAX"]) == fingerprint
    found = extended.evidence(["SPI1", "MAX"])
    assert np.array_equal(found[: len(before)], evidence)
    assert (found[len(before) :] == Evidence.UNMATCHED).all()
    assert not extended.accessibility("K562")[len(before) :].any()

    added = add_labels(extended, labels)
    mine = added.evidence(["MINE"])[:, 0]
    # in the regions of the build: open and bound in the first alone
    assert mine[: len(before)].tolist() == [4, 0, 0, 0]
    assert mine[len(before) :].tolist() == [4, 4, 1, 1]
    assert added.fingerprint(["MINE"]) != fingerprint
    assert added.fingerprint(["MINE", "SPI1"]) != added.fingerprint(["MINE"])
    # once more adds nothing, and another TF's labels know of the regions
    assert new_regions(added.regions(), read_files([file], before.chroms, genome), genome) is None
    other = label_own_tf(added, replace(tf, name="OTHER"), genome)
    assert other.codes.tolist() == mine.tolist()
    again = Dataset.open(dataset.path)
    assert list(again.versions) == [len(before), len(before) + len(more)]


def test_a_second_extension_stands_after_the_first(place, tmp_path):
    dataset, genome, file = place
    dataset = add_regions(dataset, more_of(dataset.regions(), file, genome))
    first = dataset.regions()
    (tmp_path / "other.bed").write_text("chr2\t2000\t2400\n")
    more = more_of(first, replace(file, accessible=tmp_path / "other.bed"), genome)
    twice = add_regions(dataset, more)
    assert places(twice.regions()) == [*places(first), ("chr2", 2100, 2300)]
    assert twice.regions().num_added == 5
    assert Dataset.open(dataset.path).regions().fingerprint == twice.versions[twice.num_regions]


def test_a_part_that_was_drawn_stays_and_no_multi_model_learns_from_what_was_added(place):
    dataset, genome, file = place
    rng = np.random.default_rng(0)
    base = dataset.regions()
    many = base
    while len(many) < 400:
        many = many.extended(base)
    many = replace(many, num_added=0)
    codes = rng.integers(1, 5, len(many)).astype(np.uint8)
    sampling = Sampling(held_back=0.3)
    extended = many.extended(more_of(base, file, genome))
    padded = np.append(codes, np.zeros(4, dtype=np.uint8))
    one, other = select_multi(many, [codes], sampling), select_multi(extended, [padded], sampling)
    assert np.array_equal(one.region_ids, other.region_ids)
    assert np.array_equal(one.part, other.part)
    known = np.append(codes, np.full(4, Evidence.BOUND, dtype=np.uint8))
    bound, _ = individual_pools(extended, known, sampling)
    assert set(range(len(many), len(extended))) <= set(bound.tolist())


def test_what_cannot_be_extended_is_told(place, tmp_path):
    dataset, genome, file = place
    with pytest.raises(DataError, match="give them by --accessible"):
        more_of(dataset.regions(), replace(file, accessible=None), genome)
    manifest = json.loads((dataset.path / "manifest.json").read_text())
    manifest["versions"] = [{"num_regions": 3, "fingerprint": "x"}]
    (dataset.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="rows where the dataset has"):
        Dataset.open(dataset.path).regions()
