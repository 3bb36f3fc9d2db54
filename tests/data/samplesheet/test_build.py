"""A dataset from a sample sheet has the evidence of the plain build, in every cell."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.samplesheet import write_sheet
from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.motifs.database import Jaspar
from data.own_tf.edit import remove_tf
from data.own_tf.files import PeakFile
from data.own_tf.labels import OwnTF, label_own_tf
from data.own_tf.predicted_sites import find_motif
from data.own_tf.record import added_motif, asks_for_sites
from data.samplesheet.build import SheetFiles, SheetSites, build_from_sheet
from data.samplesheet.faults import SheetError
from data.schema import Evidence
from data.simulation.simulate import SimulationConfig, simulate
from data.sources.build import build_dataset
from data.sources.genome import Genome
from tests.helpers.tiny import TinySources

GIVEN = SheetSites()
BY_PEAKS = SheetSites(are_used=False)
NARROW = "chr1\t150\t250\t.\t0\t.\t1\t-1\t-1\t50\n"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated source files and the dataset of the plain build."""
    folder = tmp_path_factory.mktemp("simulated")
    files = simulate(folder / "sources", SimulationConfig(num_regions=1500))
    build_dataset(files, folder / "dataset")
    return folder


class Collection:
    """A small collection: a genome, files and a sheet of them; tests change and add some."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.genome = TinySources().write(folder / "sources").genome
        self.header = "tf,biosample,peaks,sites,accessible"
        self.rows = [
            "SPI1,K562,spi1.narrowPeak,spi1_sites.bed,k562.bed",
            "SPI1,HepG2,spi1_hepg2.narrowPeak,spi1_sites.bed,hepg2.bed",
            "MAX,K562,max.bed,max_sites.bed,",
        ]
        self.files = {
            "spi1.narrowPeak": NARROW,
            "spi1_hepg2.narrowPeak": "chr2\t550\t650\t.\t0\t.\t1\t-1\t-1\t50\n",
            "max.bed": "chr1\t1100\t1200\n",
            "spi1_sites.bed": "chr1\t195\t205\n",
            "max_sites.bed": "chr1\t195\t205\n",
            "k562.bed": "chr1\t100\t300\nchr1\t1000\t1200\nchr1\t1100\t1300\n",
            "hepg2.bed": "chr1\t100\t300\nchr1\t1100\t1300\nchr2\t500\t700\n",
            "regions.bed": "chr1\t100\t300\nchr1\t1000\t1200\nchr1\t1100\t1300\nchr2\t500\t700\n",
        }

    def build(
        self,
        sites: SheetSites = GIVEN,
        *,
        regions: str | None = "regions.bed",
        exclude=(),
        **options,
    ) -> Dataset:
        for name, text in self.files.items():
            (self.folder / name).write_text(text)
        (self.folder / "sheet.csv").write_text("\n".join([self.header, *self.rows, ""]))
        files = SheetFiles(
            sheet=self.folder / "sheet.csv",
            genome=self.genome,
            regions=None if regions is None else self.folder / regions,
            exclude=tuple(self.folder / name for name in exclude),
        )
        return build_from_sheet(files, self.folder / "dataset", sites=sites, **options)

    def faults(self, sites: SheetSites = GIVEN, **options) -> list[str]:
        """Build, and give what is wrong without the paths."""
        with pytest.raises(SheetError) as caught:
            self.build(sites, **options)
        assert not (self.folder / "dataset").exists()
        return [one.replace(f"{self.folder}/", "") for one in caught.value.faults]


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path)


def evidence(dataset: Dataset, tf: str) -> list[int]:
    return dataset.evidence([tf])[:, 0].tolist()


@pytest.mark.slow
def test_single_files_of_a_sheet_give_the_evidence_of_the_plain_build_in_every_cell(
    simulated, tmp_path
):
    sheet = write_sheet(simulated / "sources", tmp_path)
    files = SheetFiles(
        sheet=sheet,
        genome=simulated / "sources" / "genome.fa",
        regions=simulated / "sources" / "dhs.bed.gz",
    )
    ours = build_from_sheet(files, tmp_path / "dataset", sites=GIVEN)
    plain = Dataset.open(simulated / "dataset")
    assert ours.tfs == plain.tfs
    assert ours.biosamples == plain.biosamples
    assert np.array_equal(ours.evidence(ours.tfs), plain.evidence(plain.tfs))
    assert {code for tf in plain.tfs for code in np.unique(evidence(ours, tf)).tolist()} == {
        *Evidence
    }
    # the regions are the same too, so that runs on either are of the same fingerprints
    assert ours.fingerprint(ours.tfs) == plain.fingerprint(plain.tfs)
    for biosample in plain.biosamples:
        assert np.array_equal(ours.accessibility(biosample), plain.accessibility(biosample))


@pytest.mark.slow
def test_predicted_sites_are_those_of_a_tf_that_is_added(simulated, tmp_path):
    sheet = write_sheet(simulated / "sources", tmp_path, sites=False)
    genome = simulated / "sources" / "genome.fa"
    files = SheetFiles(sheet=sheet, genome=genome, regions=simulated / "sources" / "dhs.bed.gz")
    ours = build_from_sheet(files, tmp_path / "dataset", sites=GIVEN)
    rows = [line.split(",") for line in sheet.read_text().splitlines()[1:]]
    tf = "MNT"
    added = label_own_tf(
        Dataset.open(simulated / "dataset"),
        OwnTF(
            name=tf,
            files=tuple(
                PeakFile(peaks=tmp_path / row[2], biosample=row[1]) for row in rows if row[0] == tf
            ),
            motif=find_motif(tf),
        ),
        Genome(genome),
    )
    assert added.num(Evidence.BOUND) > 20
    assert evidence(ours, tf) == added.codes.tolist()
    # and what they were predicted by is known, for a model's term of the motif
    motif = added_motif(ours, tf)
    assert motif is not None
    assert motif.source == "JASPAR2020 CORE vertebrates"
    record = ours.summary(tf).built_from
    assert record is not None
    assert replace(record, at="") == replace(
        added.added,
        at="",
        files=tuple(
            replace(one, accessible=theirs.accessible)
            for one, theirs in zip(added.added.files, record.files, strict=True)
        ),
    )


def test_the_small_collection_has_the_evidence_worked_out_by_hand(collection):
    dataset = collection.build()
    assert evidence(dataset, "SPI1") == [4, 1, 1, 2]
    # its summit lies in both overlapping regions, and the site in another one
    assert evidence(dataset, "MAX") == [3, 2, 2, 0]
    assert dataset.accessibility("HepG2").tolist() == [True, False, True, True]


def test_files_of_a_tf_and_biosample_are_taken_together(collection):
    collection.header += ",replicate"
    collection.rows = [
        "SPI1,K562,spi1.narrowPeak,spi1_sites.bed,k562.bed,1",
        "SPI1,K562,max.bed,,,2",
    ]
    collection.files["spi1_sites.bed"] += "chr1\t1190\t1199\n"
    dataset = collection.build()
    # sites of the first row and peaks of the second meet, as those of one biosample
    assert evidence(dataset, "SPI1") == [4, 4, 4, 0]


def test_a_file_of_remaps_may_stand_once_for_each_of_its_biosamples_and_no_other_file(collection):
    collection.files["remap.bed"] = (
        "chr1\t150\t250\tE1.SPI1.K-562\t9\t.\t200\t201\t0,0,0\n"
        "chr2\t550\t650\tE2.SPI1.HepG2\t9\t.\t600\t601\t0,0,0\n"
    )
    collection.rows = [
        "SPI1,K562,remap.bed,spi1_sites.bed,k562.bed",
        "SPI1,HepG2,remap.bed,spi1_sites.bed,hepg2.bed",
    ]
    assert evidence(collection.build(), "SPI1") == [4, 1, 1, 2]
    other = Collection(collection.folder / "other")
    other.rows = [row.replace("spi1_hepg2", "spi1") for row in other.rows]
    assert other.faults() == [
        "row 3: spi1.narrowPeak: the peaks of row 2 too, there of SPI1 in K562; name each file once"
    ]


def test_peaks_alone_bind_only_where_asked_and_verdicts_know_it(collection):
    collection.header = "tf\tbiosample\tpeaks\taccessible"
    collection.rows = ["SPI1\tK562\tspi1.narrowPeak\tk562.bed"]
    dataset = collection.build(BY_PEAKS)
    assert evidence(dataset, "SPI1") == [4, 1, 1, 0]
    summary = dataset.summary("SPI1")
    assert summary.added is None, "it is the dataset's own"
    assert summary.made_from is not None
    assert summary.made_from.sites == "none"
    assert not asks_for_sites(dataset)
    with pytest.raises(DataError, match="is a TF of the dataset's own and stays"):
        remove_tf(dataset, "SPI1")


def test_regions_are_those_of_the_accessible_peaks_where_none_are_given(collection):
    collection.files["k562.bed"] = "chr1\t100\t300\nchr1\t1000\t1200\n"
    collection.files["hepg2.bed"] = (
        "chr1\t150\t310\nchr1\t1010\t1210\nchr2\t2\t30\nchr2\t500\t700\n"
    )
    dataset = collection.build(regions=None)
    regions = dataset.regions()
    places = zip(regions.chrom_names.tolist(), regions.start.tolist(), strict=True)
    assert list(places) == [("chr1", 100), ("chr1", 1000), ("chr2", 500)]
    assert dataset.accessibility("HepG2").tolist() == [True, True, True]
    assert dataset.manifest.dropped["regions: past the end of their chromosome"] == 1
    assert dataset.manifest.dropped["regions: summits of one place or in another's region"] == 2


def test_every_fault_is_told_at_once_with_its_row(collection):
    collection.rows += [
        "spi-1,K562,none.bed,,",
        "MYC,k562,broken.bed,,",
        "NOSUCHTF,K562,spi1.narrowPeak,,",
        ",K562,extra.bed,,",
        "MAX,,other.bed,,",
        "MAX,GM12878,third.bed,gone.bed,",
        "one,too,many,cells,in,a,row",
        "MAX,K562,,,",
    ]
    collection.files |= {
        "broken.bed": "chr1\t5\t9\nchr1\t9\t5\n",
        "extra.bed": "chr1\t1\t9\n",
        "other.bed": "scaffold9\t5\t9\n",
        "third.bed": "chr1\t5000\t5100\n",
    }
    found = collection.faults()
    rows = [int(one.split()[1].rstrip(":")) for one in found]
    assert rows == sorted(rows)
    expected = [
        "row 5: TF 'spi-1' is 'SPI1' in row 2; spell it once",
        "row 5: none.bed: cannot be opened (no such file); check the path",
        "row 6: biosample 'k562' is 'K562' in row 2; spell it once",
        "row 6: broken.bed: row 2: start 9 is not before end 5; BED intervals are half-open, "
        "start < end; mend the row",
        "row 7: spi1.narrowPeak: the peaks of row 2 too, there of SPI1 in K562; name each file "
        "once",
        "row 8: no TF; fill it in",
        "row 9: no biosample; fill it in",
        "row 11: 7 columns where the header has 5",
        "row 12: no peaks; name a file",
    ]
    assert [one for one in expected if one not in found] == []
    for words in (
        "row 5: JASPAR2020 CORE vertebrates has no motif of 'spi-1'",
        "row 6: no accessible peaks of k562",
        "row 7: JASPAR2020 CORE vertebrates has no motif of 'NOSUCHTF'",
        "row 9: other.bed: no row on a chromosome that has regions; it names them like 'scaffold9'",
        "row 10: no accessible peaks of GM12878",
        "row 10: third.bed: 1 of 1 intervals reach beyond their chromosome",
        "row 10: gone.bed: cannot be opened",
    ):
        assert sum(words in one for one in found) == 1, (words, found)


def test_sites_in_the_sheet_and_peaks_alone_exclude_each_other(collection):
    assert [one.split(":")[0] for one in collection.faults(BY_PEAKS)] == [
        "row 2",
        "row 3",
        "row 4",
    ]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("tf,biosample,sites,peak", "no column peaks"),
        ("tf,biosample,peaks,peaks,accessible", "row 1: two columns are named 'peaks'"),
        ("tf,biosample,peaks,accesible,note", "no column is named 'accesible'; rename it 'acc"),
    ],
)
def test_columns_that_are_missing_or_misspelled_are_named(collection, header, message):
    collection.header = header
    with pytest.raises(DataError, match=message):
        collection.build()


def test_columns_of_the_labs_own_and_other_separators_are_passed_over(collection):
    plain = collection.build()
    other = Collection(collection.folder / "other")
    other.header = "Accession;TF;biosample;peaks;sites;accessible;note"
    other.rows = [f"GSM1;{row.replace(',', ';')};seen" for row in other.rows]
    again = other.build()
    assert again.fingerprint(again.tfs) == plain.fingerprint(plain.tfs)


def test_another_part_of_jaspar_predicts_and_is_recorded(collection):
    collection.header = "tf,biosample,peaks,accessible"
    collection.rows = ["Kr,K562,spi1.narrowPeak,k562.bed"]
    insects = SheetSites(jaspar=Jaspar(year="2022", taxon="insects"))
    dataset = collection.build(insects)
    assert dataset.manifest.jaspar == "JASPAR2022 CORE insects"
    motif = added_motif(dataset, "Kr")
    assert motif is not None
    assert motif.source == "JASPAR2022 CORE insects"
    (collection.folder / "dataset").rename(collection.folder / "before")
    [fault] = collection.faults()
    assert "JASPAR2020 CORE vertebrates has no motif of 'Kr'" in fault


def test_rows_that_do_not_fit_are_counted_by_kind_of_file(collection):
    collection.files["spi1.narrowPeak"] += NARROW.replace("chr1", "chrUn")
    collection.files["k562.bed"] += "chrUn\t1\t9\n"
    left_out = LeftOut()
    dataset = collection.build(left_out=left_out)
    told = {reason: num for reason, num in dataset.manifest.dropped.items() if "lacks" in reason}
    assert told == {
        "peaks: on chromosomes that the genome lacks": 1,
        "accessible peaks: on chromosomes that the genome lacks": 1,
    }
    assert len(left_out.lines()) == 2


def test_regions_and_peaks_in_places_to_leave_out_are_left_out_and_counted(collection):
    collection.files["spi1.narrowPeak"] += "chr1\t1040\t1090\t.\t0\t.\t1\t-1\t-1\t20\n"
    collection.files["black.bed"] = "chr1\t295\t310\n"
    dataset = collection.build(exclude=["black.bed"])
    assert dataset.num_regions == 3
    # the first peak of SPI1 overlaps nothing of it and has no region any more
    assert evidence(dataset, "SPI1") == [2, 1, 2]
    assert dataset.manifest.dropped["regions: overlapping a region of --exclude"] == 1
    other = Collection(collection.folder / "other")
    other.files["black.bed"] = "chr1\t140\t151\nchr2\t510\t511\n"
    with pytest.raises(DataError, match=r"nothing is left of it .*--exclude"):
        other.rows = other.rows[:1]
        other.build(exclude=["black.bed"])


def test_other_names_of_chromosomes_are_taken_for_the_genomes(collection):
    plain = collection.build()
    other = Collection(collection.folder / "other")
    other.files = {name: text.replace("chr", "") for name, text in other.files.items()}
    again = other.build()
    assert again.fingerprint(again.tfs) == plain.fingerprint(plain.tfs)


def test_summits_nowhere_accessible_stop_the_build(collection):
    collection.rows = ["SPI1,K562,spi1.narrowPeak,spi1_sites.bed,hepg2.bed"]
    collection.files["hepg2.bed"] = "chr2\t500\t700\n"
    with pytest.raises(DataError, match="none of 1 summits lies in a region that is accessible"):
        collection.build()
