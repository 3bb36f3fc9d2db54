"""In how many biosamples regions and places are open."""

from pathlib import Path

import numpy as np
import pytest

from data.dataset.open_biosamples import OpenBiosamples
from data.dataset.region_table import RegionTable
from data.dataset.store import write_dataset
from data.errors import DataError

STARTS = {"chr1": (100, 1000, 1100), "chr2": (100,)}
OPEN_IN = {
    "HepG2": (True, True, True, False),
    "K562": (True, False, True, False),
    "MCF-7": (True, False, False, False),
}


def open_biosamples(path: Path, biosamples: int = 3) -> OpenBiosamples:
    """Two overlapping regions, a region on either chromosome that is open everywhere or nowhere."""
    chrom = np.array([name for name, own in STARTS.items() for _ in own], dtype=object)
    start = np.array([one for own in STARTS.values() for one in own], dtype=np.int32)
    regions = RegionTable.from_bases(chrom, start, np.zeros((len(start), 200), dtype=np.uint8))
    names = list(OPEN_IN)[:biosamples]
    accessibility = {name: np.array(OPEN_IN[name]) for name in names} if names else None
    dataset = write_dataset(path, regions=regions, evidence={}, accessibility=accessibility)
    return OpenBiosamples(dataset, dataset.regions())


def at(opened: OpenBiosamples, *places: tuple[str, int]) -> list[int]:
    chroms, positions = zip(*places, strict=True)
    return opened.at(np.array(chroms, dtype=object), np.array(positions)).tolist()


def test_places_have_the_number_of_the_region_that_they_lie_in(tmp_path):
    opened = open_biosamples(tmp_path / "d")
    assert opened.of_regions.tolist() == [3, 1, 2, 0]
    # the first and last base of a region, those beside it, and the other chromosome's
    assert at(opened, ("chr1", 99), ("chr1", 100), ("chr1", 299), ("chr1", 300)) == [0, 3, 3, 0]
    assert at(opened, ("chr2", 150), ("chr2", 1050), ("chr1", 10**9)) == [0, 0, 0]
    # where two regions overlap, that of the more open one
    assert at(opened, ("chr1", 1050), ("chr1", 1150), ("chr1", 1250)) == [1, 2, 2]


def test_names_of_chromosomes_differ_by_chr_or_are_not_there(tmp_path):
    opened = open_biosamples(tmp_path / "d")
    assert at(opened, ("1", 150), ("chrUn", 150)) == [3, 0]
    assert at(opened, ("chrM", 150), ("chrM", 16000)) == [0, 0]
    opened.check_chromosomes(["chrM", "1"], Path("hg38.fa"))
    with pytest.raises(DataError, match=r"has no chromosome of yeast.fa, such as 'Scaffold_7'"):
        opened.check_chromosomes(["Scaffold_7", "Scaffold_8"], Path("yeast.fa"))
    assert opened.at(np.array([], dtype=object), np.array([], dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(("biosamples", "words"), [(0, "names no"), (1, "has one")])
def test_a_dataset_of_fewer_than_two_biosamples_says_nothing(tmp_path, biosamples, words):
    with pytest.raises(DataError, match=f"{words} biosample, and openness"):
        open_biosamples(tmp_path / "d", biosamples)
