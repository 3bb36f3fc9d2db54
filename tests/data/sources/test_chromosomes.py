import dataclasses
from pathlib import Path

import pytest

from data.errors import DataError
from data.left_out import LeftOut
from data.sources.build import build_dataset
from data.sources.chromosomes import Chromosomes, read_aliases
from tests.helpers.tiny import TinySources

FILE, GENOME = Path("peaks.bed"), Path("genome.fa")


def write(path: Path, *rows: str) -> Path:
    path.write_text("".join(row.replace(" ", "\t") + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("names", "chrom", "taken"),
    [
        (["chr1", "chr2"], "1", "chr1"),
        (["1", "2"], "chr1", "1"),
        (["Chr1"], "chr1", "Chr1"),
        (["chrM"], "MT", "chrM"),
        (["MT"], "chrM", "MT"),
        (["MT"], "M", "MT"),
        (["chr1"], "chr1", "chr1"),
        (["chr1"], "11", "11"),
        # with both names there, either is its own, and a third spelling says nothing
        (["chr1", "1"], "1", "1"),
        (["chr1", "1"], "Chr1", "Chr1"),
    ],
)
def test_names_that_differ_by_chr_alone_are_taken_for_the_same_and_it_is_said(names, chrom, taken):
    left_out = LeftOut()
    assert Chromosomes(GENOME, names, None).named(chrom, FILE, left_out) == taken
    assert left_out.remarks() == (
        [
            f"peaks.bed: chromosome {chrom!r} is taken for {taken!r} of the genome; both must be "
            "of the same assembly"
        ]
        if taken != chrom
        else []
    )


OLD = ["1 chr1 ensembl", "CM000663.2 chr1 genbank", "NC_000001.11 chr1 refseq", "2 chr2 ensembl"]
NEW = [
    "# ucsc assembly genbank refseq",
    "chr1 1 CM000663.2 NC_000001.11",
    "chr2 2  NC_000002.12",
    "chrUn_1 HSCHRUN_1 na NT_1",
]


@pytest.mark.parametrize("rows", [OLD, ["#alias chrom source", *OLD], NEW, NEW[1:]])
@pytest.mark.parametrize("own", ["chr1", "1", "CM000663.2"])
def test_both_layouts_of_ucsc_give_every_name_of_a_chromosome(tmp_path, rows, own):
    table = write(tmp_path / "chromAlias.txt", *rows)
    found = read_aliases(table, ["chr2", own], GENOME)
    if own == "chr1" or rows[0] in NEW:
        assert found["1"] == found["chr1"] == found["NC_000001.11"] == own
    assert found["2"] == "chr2"
    assert not found.keys() & {"", "na", "ensembl", "refseq", "chrUn_1"}


def test_a_table_of_two_columns_may_have_an_alias_a_row(tmp_path):
    table = write(tmp_path / "own.txt", "1 chr1", "NC_1 chr1", "2 chr2")
    twice = write(tmp_path / "twice.txt", "chr1 1 NC_1 x", "chr2 2 NC_2 y", "chr1 1 NC_1 x")
    assert read_aliases(twice, ["chr1", "chr2"], GENOME)["NC_1"] == "chr1"
    assert read_aliases(table, ["chr1", "chr2"], GENOME) == {
        "1": "chr1",
        "NC_1": "chr1",
        "chr1": "chr1",
        "2": "chr2",
        "chr2": "chr2",
    }


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["# ucsc assembly", "chr1 chr2"], "row 2: takes 'chr1' and 'chr2' for one chromosome"),
        (["# ucsc assembly", "chr1 x", "chr2 x"], "row 3: 'x' is 'chr1' and 'chr2'"),
        (["x chr1 ensembl", "x chr2 ensembl"], "row 2: 'x' is 'chr1' and 'chr2'"),
        (["# ucsc assembly", "chr7 7"], "has none of the names of genome.fa"),
        (["chr1", "chr2"], "row 1: one column"),
        # a BED file
        (["chr1 100 300", "chr2 50 250", "chr1 400 600"], "row 3: 'chr1' has row 1 already"),
        (["# ucsc assembly"], "no rows"),
    ],
)
def test_a_table_of_aliases_that_cannot_be_right_is_refused(tmp_path, rows, words):
    table = write(tmp_path / "chromAlias.txt", *rows)
    with pytest.raises(DataError, match=words):
        read_aliases(table, ["chr1", "chr2"], GENOME)


def renamed(tiny: TinySources, names: dict[str, str]) -> TinySources:
    """Give the same sources with other names of the chromosomes in the BED files."""
    for own, other in names.items():
        for name in ("dhs", "peaks", "sites"):
            rows = [row.replace(f"{own}\t", f"{other}\t", 1) for row in getattr(tiny, name)]
            setattr(tiny, name, rows)
    return tiny


@pytest.mark.parametrize(
    "names", [{"chr1": "1", "chr2": "2"}, {"chr1": "NC_1", "chr2": "NC_2"}, {"chr2": "2"}]
)
def test_a_build_from_other_names_is_the_build_from_the_genomes_own(tmp_path, names):
    alias = write(tmp_path / "chromAlias.txt", "# ucsc refseq", "chr1 NC_1", "chr2 NC_2")
    plain = build_dataset(TinySources().write(tmp_path / "plain"), tmp_path / "a")
    sources = renamed(TinySources(), names).write(tmp_path / "renamed")
    left_out = LeftOut()
    taken = build_dataset(
        dataclasses.replace(sources, chrom_alias=alias), tmp_path / "b", left_out=left_out
    )
    assert taken.manifest.regions_fingerprint == plain.manifest.regions_fingerprint
    assert taken.fingerprint(taken.tfs) == plain.fingerprint(plain.tfs)
    assert taken.manifest.dropped == plain.manifest.dropped
    assert {path.name for path in left_out.renamed} >= {"dhs.bed", "peaks.bed"}
    assert Path(taken.manifest.sources[-1].file).name == "chromAlias.txt"


def test_names_that_no_table_knows_stop_the_build_and_tell_of_chrom_alias(tmp_path):
    tiny = renamed(TinySources(), {"chr1": "NC_1", "chr2": "NC_2"})
    with pytest.raises(DataError, match=r"no chromosome in common.*--chrom-alias"):
        build_dataset(tiny.write(tmp_path / "sources"), tmp_path / "dataset")
