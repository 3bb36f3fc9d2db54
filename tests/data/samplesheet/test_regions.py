"""Regions of accessible peaks, and where they are accessible."""

from pathlib import Path

import numpy as np
import pytest

from data.left_out import LeftOut
from data.samplesheet.read import ReadOpened
from data.samplesheet.regions import accessibility, regions_of
from data.sources.blacklist import Blacklist
from data.sources.genome import Genome
from data.sources.intervals import Intervals
from tests.helpers.tiny import TinySources

CHROMS = ("chr1", "chr2")


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    return Genome(TinySources().write(tmp_path / "sources").genome)


def opened(summits: list[int], half_bp: int = 75, code: int = 0) -> ReadOpened:
    """Peaks of one width around summits."""
    summit = np.array(summits, dtype=np.int32)
    chrom = np.full(len(summits), code, dtype=np.int16)
    return ReadOpened(
        places=Intervals.of_one_pair(CHROMS, chrom, summit - half_bp, summit + half_bp),
        summit=summit,
    )


def nothing(genome: Genome) -> Blacklist:
    """Leave nothing out."""
    return Blacklist((), genome.chromosomes, LeftOut())


def middles(genome: Genome, *files: ReadOpened, merge: bool = True) -> list[int]:
    made = regions_of(CHROMS, files, genome, nothing(genome), merge=merge)
    return (made.regions.start + 100).tolist()


def test_the_place_that_most_summits_share_becomes_the_region(genome):
    files = [opened([1000]), opened([1040]), opened([1041]), opened([1120])]
    # three lie within 100 bp of 1040 and of 1041, and 1120 too: the leftmost of equals
    assert middles(genome, *files) == [1040]


def test_no_two_regions_overlap_and_summits_far_enough_all_have_one(genome):
    rng = np.random.default_rng(0)
    files = [opened(sorted(rng.integers(200, 2800, 20).tolist())) for _ in range(5)]
    found = np.array(middles(genome, *files))
    assert np.diff(found).min() >= 200
    summits = np.concatenate([one.summit for one in files])
    # and none is left that could have been another
    assert np.abs(summits[:, None] - found).min(axis=1).max() < 200
    assert middles(genome, opened([500, 700, 1000])) == [500, 700, 1000]


def test_regions_that_were_given_stay_as_they_are_each_once(genome):
    assert middles(genome, opened([500, 550, 500, 50]), merge=False) == [500, 550]


def test_regions_stand_in_natural_order_of_chromosomes(genome):
    made = regions_of(
        CHROMS, [opened([500], code=1), opened([900])], genome, nothing(genome), merge=True
    )
    assert made.regions.chrom_names.tolist() == ["chr1", "chr2"]
    assert made.regions.start.tolist() == [800, 400]


def test_a_peak_opens_the_nearest_region_and_those_that_lie_wholly_in_it(genome):
    regions = regions_of(
        CHROMS, [opened([500, 650, 1000])], genome, nothing(genome), merge=False
    ).regions
    for peak, expected in (
        (opened([540]), [True, False, False]),
        (opened([600], 100), [False, True, False]),
        (opened([575], 300), [True, True, False]),
        (opened([2000]), [False, False, False]),
        (opened([850], 60), [False, False, True]),
    ):
        assert accessibility(regions, [(0, peak)], 1)[:, 0].tolist() == expected
    two = accessibility(regions, [(1, opened([500])), (0, opened([1000]))], 2)
    assert two.tolist() == [[False, True], [False, False], [True, False]]
