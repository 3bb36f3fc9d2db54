from pathlib import Path

import pytest

from data.errors import DataError
from data.rows.header_table import read_records
from data.sources.biosamples import SHIPPED, Biosamples, Sample

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "paper" / "samples.tsv"
COLUMNS = ("publisher", "name", "biosample", "treatment", "from")


@pytest.mark.parametrize(
    ("names", "biosample"),
    [
        (["K562", "K-562", "k562", "K562_myelogenous_leukemia"], "K562"),
        (["HepG2", "Hep-G2", "HepG2_hepatoblastoma"], "HepG2"),
        (["NT2-D1", "NT2/D1", "NT2_D1"], "NT2_D1"),
        (["HUVEC", "HUVEC-C", "endothelial_cell_of_umbilical_vein"], None),
        (["LNCaP", "LNCaP clone FGC", "LNCaP_prostate_carcinoma"], "LNCaP_clone_FGC"),
        (["GM12878", "GM12878_female_B-cells_lymphoblastoid_cell_line"], "GM12878"),
        (["CD20+_RO01778", "B-cell", "B cell"], "B_cell"),
    ],
)
def test_the_names_of_all_publishers_are_one_biosample(names, biosample):
    found = {Biosamples().find(name) for name in names}
    assert found == {Sample(biosample or "endothelial_cell_of_umbilical_vein")}


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("MCF-7_ICI", Sample("MCF-7", "ICI")),
        ("MCF-7+Estradiol_100nM_1hr", Sample("MCF-7", "estradiol 100 nM for 1 hour")),
        ("B-cell_GERMINAL_CENTER", Sample("B_cell", "GERMINAL_CENTER")),
        # a line of its own, which BJ is not
        ("BJ1-hTERT_GATA4", None),
        ("BJ", Sample("BJ")),
        ("", None),
    ],
)
def test_a_treatment_is_told_from_the_name_and_an_unknown_line_stays_unknown(name, sample):
    assert Biosamples().find(name) == sample


def test_a_table_of_ones_own_stands_before_the_shipped_one(tmp_path):
    table = tmp_path / "own.tsv"
    table.write_text("name\tbiosample\nHeLa\tHeLa\nRPE\tretina\nother\t\n")
    own = Biosamples(table)
    assert own.find("HeLa") == Sample("HeLa") != Biosamples().find("HeLa")
    assert own.find("Hep-G2") == Sample("HepG2"), "what it does not name is as shipped"
    assert own.find("retina") == own.find("RPE") == Sample("retina")
    assert own.find("other") is None, "a name that was not filled in"


def test_a_name_of_two_biosamples_is_refused(tmp_path):
    table = tmp_path / "own.tsv"
    table.write_text("name\tbiosample\nRPE\tretina\nrpe\tother\n")
    with pytest.raises(DataError, match="row 3: 'rpe' has another biosample"):
        Biosamples(table)


def test_an_unknown_name_becomes_a_biosample_of_its_own_when_asked_to():
    known = Biosamples()
    assert known.named("mouse heart") == Sample("mouse_heart")
    assert known.find("mouse-heart") == Sample("mouse_heart")


def test_the_shipped_table_has_the_95_sources_of_ucsc_and_says_where_each_row_is_from():
    records = [record for _, record in read_records(SHIPPED, COLUMNS)]
    by_publisher = [record["publisher"] for record in records]
    assert by_publisher.count("UCSC") == 95
    assert {"UCSC", "ReMap", "UniBind"} == set(by_publisher)
    assert all(record["from"] and record["biosample"] for record in records)
    of_ucsc = {record["biosample"] for record in records if record["publisher"] == "UCSC"}
    for record in records:
        assert record["biosample"] in of_ucsc, "a biosample without DHSs is of no use"
        assert Biosamples().find(record["name"]) is not None


@pytest.mark.skipif(not SAMPLES.exists(), reason="the paper's data is not beside this checkout")
def test_the_shipped_table_agrees_with_the_papers_samples():
    for _, record in read_records(SAMPLES, ("dhs_sample", "biotype")):
        if record["biotype"]:
            for name in (record["dhs_sample"], record["biotype"]):
                assert Biosamples().find(name) == Sample(record["biotype"])
