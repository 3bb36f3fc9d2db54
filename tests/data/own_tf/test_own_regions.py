"""Regions of a lab's own peaks: which are bound, which unbound, and what a later TF adds."""

from pathlib import Path

import numpy as np
import pytest

from data.dataset.gc_matching import gc_bin
from data.dataset.region_table import RegionTable
from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.own_tf.files import PeakFile
from data.own_tf.labels import OwnTF
from data.own_tf.own_dataset import OwnAddition, label_own, own_files, write_own
from data.own_tf.own_regions import MARGIN_BP, PER_BOUND
from data.schema import Evidence
from data.sources.genome import Genome

LENGTH_BP = 120_000
NUM_PEAKS = 30


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    """Three chromosomes of bases at random; the second begins with 20,000 N, the third is short."""
    rng = np.random.default_rng(3)
    path = tmp_path / "genome.fa"
    with path.open("w") as file:
        for name, length in (("chr1", LENGTH_BP), ("chr2", LENGTH_BP), ("chr3", 5000)):
            bases = "".join(rng.choice(list("ACGT"), length))
            bases = "N" * 20_000 + bases[20_000:] if name == "chr2" else bases
            lines = (bases[first : first + 60] for first in range(0, length, 60))
            file.write(f">{name}\n" + "".join(f"{line}\n" for line in lines))
    return Genome(path)


def peaks_at(path: Path, *middles: tuple[str, int], half: int = 60) -> Path:
    """Write peaks around some places."""
    path.write_text("".join(f"{chrom}\t{at - half}\t{at + half}\n" for chrom, at in middles))
    return path


@pytest.fixture
def peaks(tmp_path: Path) -> Path:
    """Peaks of a TF on chr1 and chr2, 3,000 bases apart."""
    places = [(chrom, 25_000 + 3000 * i) for chrom in ("chr1", "chr2") for i in range(NUM_PEAKS)]
    return peaks_at(tmp_path / "peaks.bed", *places)


def labelled(
    genome: Genome,
    name: str,
    file: PeakFile,
    before: Dataset | None = None,
    exclude: tuple[Path, ...] = (),
) -> OwnAddition:
    files, unbound = own_files(before, (file,))
    tf = OwnTF(name=name, files=files, exclude=exclude)
    return label_own(before, tf, genome, unbound, LeftOut())


def regions_of(addition: OwnAddition) -> RegionTable:
    assert addition.more is not None
    return addition.more


def test_windows_of_the_genome_have_the_gc_of_bound_regions_and_lie_apart_from_peaks(
    genome, peaks, tmp_path
):
    exclude = tmp_path / "exclude.bed"
    exclude.write_text("chr1\t0\t60000\n")
    own = PeakFile(peaks=peaks, biosample="own")
    addition = labelled(genome, "MINE", own)
    regions, codes = regions_of(addition), addition.labels.codes
    bound, unbound = codes == Evidence.BOUND, codes == Evidence.UNBOUND
    # of a rare GC so small a genome has not enough
    assert bound.sum() == 60
    assert 55 * PER_BOUND <= unbound.sum() <= 60 * PER_BOUND
    assert len(codes) == bound.sum() + unbound.sum()
    assert not regions.num_unknown.any()
    for chrom in ("chr1", "chr2"):
        here = regions.lies_on([chrom])
        counts = [
            np.bincount(gc_bin(regions.gc[here & own]), minlength=10) for own in (bound, unbound)
        ]
        assert (counts[1] <= PER_BOUND * counts[0]).all()
        assert (counts[1] >= 0.9 * PER_BOUND * counts[0])[4:6].all()
        start = np.sort(regions.start[here])
        assert (np.diff(start) >= 200).all()
        middles = 25_000 + 3000 * np.arange(NUM_PEAKS)
        drawn = regions.start[here & unbound]
        gap = np.abs(drawn[:, None] + 100 - middles[None, :]).min(axis=1)
        assert gap.min() >= MARGIN_BP["genome"] + 60 + 100
    again = regions_of(labelled(genome, "MINE", own))
    assert again.fingerprint == regions.fingerprint
    less = labelled(genome, "MINE", own, exclude=(exclude,))
    kept = regions_of(less)
    assert kept.start[kept.lies_on(["chr1"])].min() >= 60_000
    assert (less.labels.codes == Evidence.BOUND).sum() == 60 - 12


def test_unbound_regions_are_accessible_peaks_without_a_peak_and_no_bound_one_lies_elsewhere(
    genome, tmp_path
):
    peaks = peaks_at(tmp_path / "p.bed", ("chr1", 1000), ("chr1", 5000), ("chr2", 30_000))
    atac = tmp_path / "atac.bed"
    rows = ("chr1 900 1500", "chr1 7000 7400", "chr2 29950 30050", "chr3 1000 1200")
    atac.write_text("".join("\t".join(row.split()) + "\n" for row in rows))
    addition = labelled(genome, "MINE", PeakFile(peaks=peaks, biosample="own", accessible=atac))
    regions = regions_of(addition)
    found = zip(regions.chrom_names, regions.start.tolist(), addition.labels.codes, strict=True)
    assert list(found) == [
        ("chr1", 900, Evidence.BOUND),  # of the peak's wide rest nothing is called unbound
        ("chr1", 7100, Evidence.UNBOUND),
        ("chr2", 29_900, Evidence.BOUND),
        ("chr3", 1000, Evidence.UNBOUND),
    ]
    assert addition.labels.counts[0].num_in_regions == 2
    assert addition.record.unbound == "accessible"
    far = peaks_at(tmp_path / "far.bed", ("chr1", 90_000))
    with pytest.raises(
        DataError, match=r"atac.bed: no peak of it holds a summit of the 1 of .*far"
    ):
        labelled(genome, "MINE", PeakFile(peaks=far, biosample="own", accessible=atac))


def test_a_later_tf_has_the_regions_of_the_others_and_unresolved_ones_near_its_peaks(
    genome, peaks, tmp_path
):
    path = tmp_path / "dataset"
    first = write_own(path, None, labelled(genome, "ONE", PeakFile(peaks=peaks, biosample="own")))
    fingerprint, num = first.fingerprint(["ONE"]), first.num_regions
    # one peak where ONE has one, one beside a region of ONE, and one on a chromosome of its own
    places = ("chr1", 25_010), ("chr1", 28_700), ("chr3", 2500)
    own = PeakFile(peaks=peaks_at(tmp_path / "two.bed", *places), biosample="own")
    addition = labelled(genome, "TWO", own, first)
    added = regions_of(addition)
    assert set(added.chromosomes()) == {"chr1", "chr3"}
    both = write_own(path, first, addition)
    assert both.fingerprint(["ONE"]) == fingerprint
    regions, codes = both.regions(), both.evidence(["ONE", "TWO"])
    assert (codes[num:, 0] == Evidence.UNMATCHED).all()
    by_place = {
        (chrom, start): code
        for chrom, start, code in zip(
            regions.chrom_names, regions.start.tolist(), codes[:, 1], strict=True
        )
    }
    assert by_place["chr1", 24_900] == Evidence.BOUND
    assert by_place["chr1", 27_900] == Evidence.UNMATCHED
    assert by_place["chr1", 30_900] == Evidence.UNBOUND
    assert by_place["chr3", 2400] == Evidence.BOUND
    assert both.biosamples == ("own",)
    assert both.accessibility("own").all()
    assert both.tfs == ("ONE", "TWO")


def test_accessible_peaks_are_remembered_and_are_given_for_all_or_for_none(genome, peaks, tmp_path):
    atac = tmp_path / "atac.bed"
    atac.write_text("chr1\t0\t120000\nchr2\t0\t120000\nchr3\t100\t400\n")
    one = PeakFile(peaks=peaks, biosample="own", accessible=atac)
    dataset = write_own(tmp_path / "dataset", None, labelled(genome, "ONE", one))
    files, unbound = own_files(dataset, (PeakFile(peaks=peaks, biosample="own"),))
    assert (files[0].accessible, unbound) == (atac, "accessible")
    other = PeakFile(peaks=peaks, biosample="other")
    with pytest.raises(DataError, match="other: has no accessible peaks where other biosamples"):
        own_files(dataset, (one, other))
    with pytest.raises(DataError, match="its regions were made with --accessible"):
        own_files(dataset, (other,))
    atac.unlink()
    with pytest.raises(DataError, match=r"atac.bed: is gone; give the accessible peaks"):
        own_files(dataset, (PeakFile(peaks=peaks, biosample="own"),))
