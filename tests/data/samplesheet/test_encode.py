"""ENCODE's metadata.tsv as a sheet: which files are taken, and what is left out and why."""

from pathlib import Path

import pytest

from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.samplesheet.build import SheetFiles, SheetSites, build_from_sheet
from data.samplesheet.encode import read_metadata
from data.samplesheet.faults import Faults, SheetError
from data.samplesheet.sheet import Sheet, read_table
from tests.helpers.tiny import TinySources

CHIP, DNASE, IDR = "TF ChIP-seq", "DNase-seq", "IDR thresholded peaks"
PEAK = "chr1\t150\t250\t.\t0\t.\t1\t-1\t-1\t50\n"


class Downloads:
    """ENCODE's table and the files beside it; tests add rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, str]] = []
        self.left_out = LeftOut()

    def add(
        self, accession: str, target: str, output: str = IDR, assay: str = CHIP, **more: str
    ) -> None:
        cells = {
            "File accession": accession,
            "File format": "bed narrowPeak",
            "Output type": output,
            "File assembly": "GRCh38",
            "Experiment accession": f"ENCSR{len(self.rows):03}",
            "Assay": assay,
            "Biosample term name": "K562",
            "Biosample treatments": "",
            "Experiment target": target,
            "Biological replicate(s)": "1, 2",
            "File download URL": f"https://files/{accession}.bed.gz",
            "File Status": "released",
            "Audit ERROR": "",
        }
        self.rows.append(cells | {name.replace("_", " "): text for name, text in more.items()})
        (self.folder / f"{accession}.bed.gz").write_text(PEAK)

    def dnase(self, accession: str = "OPEN", **more: str) -> None:
        self.add(accession, "", "peaks", DNASE, **more)

    def table(self) -> Path:
        path = self.folder / "metadata.tsv"
        lines = ["\t".join(self.rows[0]), *("\t".join(row.values()) for row in self.rows)]
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def sheet(self, chr1_bp: int = 248_956_422) -> Sheet:
        faults = Faults(self.table())
        table = read_table(self.table(), faults)
        sheet = read_metadata(table, {"chr1": chr1_bp}, faults, self.left_out)
        faults.check()
        return sheet

    def why(self) -> dict[str, int]:
        return self.left_out.of(self.folder / "metadata.tsv")


@pytest.fixture
def downloads(tmp_path: Path) -> Downloads:
    return Downloads(tmp_path)


def taken(sheet: Sheet) -> list[tuple[str, str, str]]:
    return [(one.tf, one.biosample, one.peaks.name) for one in sheet.rows]


def test_one_file_of_each_experiment_is_taken_the_best_kind_and_most_replicates_first(downloads):
    downloads.dnase()
    one = {"Experiment_accession": "ENCSR1"}
    downloads.add("CONS", "SPI1-human", "conservative IDR thresholded peaks", **one)
    downloads.add("PART", "SPI1-human", **one, **{"Biological_replicate(s)": "1"})
    downloads.add("BEST", "SPI1-human", **one)
    downloads.add("SAME", "SPI1-human", **one)
    downloads.add("OLD", "NKX3-1-human", "optimal idr thresholded peaks")
    downloads.add("TAGGED", "eGFP-GATA2-human", Biosample_term_name="K562")
    sheet = downloads.sheet()
    assert taken(sheet) == [
        ("SPI1", "K562", "BEST.bed.gz"),
        ("NKX3-1", "K562", "OLD.bed.gz"),
        ("GATA2", "K562", "TAGGED.bed.gz"),
    ]
    assert [(one.biosample, one.path.name) for one in sheet.opened] == [("K562", "OPEN.bed.gz")]
    assert downloads.why() == {"another file of the same experiment is taken": 3}


def test_files_that_say_little_of_the_untreated_cell_are_left_out_with_the_reason(downloads):
    downloads.dnase()
    downloads.add("GOOD", "SPI1-human")
    downloads.add("HG19", "SPI1-human", File_assembly="hg19")
    downloads.add("TREATED", "SPI1-human", Biosample_treatments="dexamethasone")
    downloads.add("AUDIT", "SPI1-human", Audit_ERROR="extremely low read depth")
    downloads.add("REVOKED", "SPI1-human", File_Status="revoked")
    downloads.add("SIGNAL", "SPI1-human", "fold change over control", File_format="bigWig")
    downloads.add("RANKED", "SPI1-human", "IDR ranked peaks")
    downloads.add("HISTONE", "H3K27ac-human", assay="ChIP-seq")
    downloads.add("RNA", "", "peaks", "RNA-seq")
    downloads.add("CLOSED", "SPI1-human", Biosample_term_name="HepG2")
    assert taken(downloads.sheet()) == [("SPI1", "K562", "GOOD.bed.gz")]
    assert downloads.why() == {
        "of another assembly than GRCh38": 1,
        "of a treated biosample": 1,
        "with an audit ERROR": 1,
        "archived or revoked": 1,
        "no peaks of a kind that is used": 2,
        "of an assay that is not used": 2,
        "of a biosample without DNase-seq or ATAC-seq peaks here": 1,
    }


def test_the_assembly_is_that_of_the_genome_or_else_the_only_one(downloads):
    downloads.dnase(File_assembly="mm10-minimal")
    downloads.add("MOUSE", "Spi1-mouse", File_assembly="mm10")
    assert taken(downloads.sheet(chr1_bp=195_471_971)) == [("Spi1", "K562", "MOUSE.bed.gz")]
    assert taken(downloads.sheet(chr1_bp=3000)) == [("Spi1", "K562", "MOUSE.bed.gz")]
    downloads.add("OTHER", "Spi1-mouse", File_assembly="mm9")
    with pytest.raises(DataError, match=r"files of 2 assemblies \(mm10, mm9\)"):
        downloads.sheet(chr1_bp=3000)
    with pytest.raises(DataError, match=r"no peaks of a TF that can be used \(of another assembly"):
        downloads.sheet(chr1_bp=248_956_422)


def test_files_that_were_not_downloaded_are_all_named(downloads):
    downloads.dnase()
    downloads.add("GONE", "SPI1-human")
    downloads.add("LOST", "MAX-human")
    for name in ("GONE", "LOST"):
        (downloads.folder / f"{name}.bed.gz").unlink()
    with pytest.raises(SheetError) as caught:
        downloads.sheet()
    assert [one.split(";")[0] for one in caught.value.faults] == [
        f"row 3: GONE is not in {downloads.folder}",
        f"row 4: LOST is not in {downloads.folder}",
    ]


def test_a_dataset_is_built_of_downloads_without_the_targets_that_have_no_motif(
    downloads, tmp_path
):
    genome = TinySources().write(tmp_path / "sources").genome
    downloads.dnase()
    downloads.add("SPI", "SPI1-human")
    downloads.add("POL", "POLR2A-human")
    files = SheetFiles(sheet=downloads.table(), genome=genome)

    def build(name: str, sites: SheetSites) -> Dataset:
        return build_from_sheet(files, tmp_path / name, sites=sites, left_out=downloads.left_out)

    dataset = build("dataset", SheetSites())
    assert dataset.tfs == ("SPI1",)
    assert dataset.biosamples == ("K562",)
    assert downloads.why() == {"of a TF without a motif in JASPAR2020 CORE vertebrates": 1}
    assert build("by_peaks", SheetSites(are_used=False)).tfs == ("POLR2A", "SPI1")
