"""Variants as pairs of sequences: spellings, swapped alleles, FILTER, and what is left out."""

from collections import Counter

import numpy as np
import pytest

from data.errors import DataError
from data.motifs.motif import Motif
from data.packing import encode
from data.queries import variants
from data.queries.touched_motif import touched_motif
from data.queries.variants import VariantBatch, VcfReader
from data.sources.genome import Genome
from tests.helpers.tiny import random_bases

LENGTH = 200
REPEAT = 700
"""Bases of the repeat in chr1, longer than is looked at in one go."""
SWAPPED = "reference and alternative allele are swapped"
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


def chromosome() -> str:
    """Random bases with CAG again and again from 1000 on, and TTTTTT at 400 between C and G."""
    text = random_bases(5)
    text = text[:999] + "T" + ("CAG" * REPEAT)[:REPEAT] + "T" + text[1000 + REPEAT + 1 :]
    return text[:399] + "CTTTTTTG" + text[407:]


@pytest.fixture
def genome(tmp_path):
    """chr1 as above in lower case, chr2 of A's alone, chr3 with an N at 1500."""
    chr3 = random_bases(6)
    path = tmp_path / "genome.fa"
    path.write_text(
        f">chr1\n{chromosome().lower()}\n>chr2\n{'A' * 600}\n"
        f">chr3\n{chr3[:1500]}N{chr3[1501:]}\n>chr4\n{chr3[:120]}\n"
    )
    return Genome(path)


def read(
    tmp_path, genome: Genome, *rows: str, swap_reference: bool = False, pass_only: bool = False
) -> tuple[VcfReader, VariantBatch]:
    """Read rows that are given as `chr1 5 A T`, positions counted from 1, or as whole rows."""
    path = tmp_path / "v.vcf"
    lines = []
    for row in rows:
        fields = row.split()
        if len(fields) == 4:
            fields.insert(2, ".")
        lines.append("\t".join(fields) + "\n")
    path.write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(lines))
    reader = VcfReader(path, genome, LENGTH, swap_reference=swap_reference, pass_only=pass_only)
    [batch] = reader.batches()
    return reader, batch


def assert_all_the_same(batch: VariantBatch) -> None:
    assert batch.reason == ("",) * len(batch.variants)
    for values in (batch.reference, batch.alternative, batch.place, batch.alternative_bp):
        for own in values[1:]:
            np.testing.assert_array_equal(own, values[0])


def test_an_snv_padded_as_in_a_row_of_several_alleles_is_the_snv(genome, tmp_path):
    text = chromosome()
    other = OTHER[text[599]]
    long = text[599:660]
    rows = (
        f"chr1 600 {text[599]} {other}",
        f"chr1 600 {text[599].lower()} {other.lower()}",
        f"chr1 600 {long} {other}{long[1:]}",
        f"chr1 590 {text[589:600]} {text[589:599]}{other}",
        f"chr1 590 {text[589:660]} {text[589:599]}{other}{text[600:660]},T",
    )
    _, batch = read(tmp_path, genome, *rows)
    assert batch.reason[-1] == "alleles of more than 50 bp"
    first = [batch.alternative[i] for i in range(5)]
    assert [only.tolist() for only in first] == [first[0].tolist()] * 5
    assert batch.reference[:5].tolist() == [batch.reference[0].tolist()] * 5
    assert [variant.position for variant in batch.variants] == [599, 599, 599, 589, 589, 589]
    assert batch.variants[1].reference == text[599].lower()


def test_a_deletion_in_a_homopolymer_is_one_at_every_place_of_it(genome, tmp_path):
    left = "chr1 400 CT C"
    rows = [left, *(f"chr1 {at} TT T" for at in range(401, 406)), "chr1 406 TG G"]
    _, batch = read(tmp_path, genome, *rows)
    assert_all_the_same(batch)
    text = chromosome()
    expected = text[300:400] + text[401:501]
    assert batch.alternative[0].tolist() == encode(np.frombuffer(expected.encode(), "u1")).tolist()


def test_an_insertion_in_a_long_repeat_goes_to_its_beginning(genome, tmp_path):
    text = chromosome()
    # behind a base of the repeat, its last three bases once more
    places = (1003, 1300, 1000 + REPEAT)
    rows = [f"chr1 {at} {text[at - 1]} {text[at - 1]}{text[at - 3 : at]}" for at in places]
    rows.append("chr1 1000 T TCAG")
    _, batch = read(tmp_path, genome, *rows)
    assert_all_the_same(batch)
    assert batch.reference_bp.tolist() == [0] * 4
    assert batch.alternative_bp.tolist() == [3] * 4


def test_an_unknown_base_stops_the_move_to_the_left(tmp_path):
    path = tmp_path / "n.fa"
    path.write_text(f">chr1\n{'A' * 400}N{'A' * 800}\n")
    _, batch = read(tmp_path, Genome(path), "chr1 700 AA A", "chr1 420 AA A", "chr1 390 AA A")
    # the first two are one variant, beside the N; the third goes to the chromosome's beginning
    assert batch.reason == (
        "the genome has an unknown base there",
        "the genome has an unknown base there",
        "nearer to an end of their chromosome than the network reads",
    )


def test_at_the_ends_of_a_chromosome_nothing_is_read_beyond_them(genome, tmp_path):
    text = chromosome()
    end = len(text)
    # the last place at which 200 bp and the longest allele fit behind the middle
    last = end - LENGTH // 2 - variants.MAX_LENGTH_BP
    rows = [
        f"chr1 1 {text[0]} {text[0]}{text[0]}",
        f"chr1 1 {text[:3]} {text[0]}",
        f"chr1 100 {text[99]} {OTHER[text[99]]}",
        f"chr1 101 {text[100]} {OTHER[text[100]]}",
        f"chr1 {last + 1} {text[last]} {OTHER[text[last]]}",
        f"chr1 {last + 2} {text[last + 1]} {OTHER[text[last + 1]]}",
        f"chr1 {end} {text[-1]} {OTHER[text[-1]]}",
        f"chr1 {end} {text[-1]} {text[-1]}{OTHER[text[-1]]}",
        f"chr1 {end} {text[-1]}A C",
        "chr1 0 A C",
        "chr4 60 A C,G,T",
    ]
    reader, batch = read(tmp_path, genome, *rows)
    assert np.flatnonzero(batch.usable).tolist() == [3, 4]
    assert batch.place[[3, 4]].tolist() == [100, 100]
    assert batch.reason[8] == batch.reason[9] == "beyond the end of their chromosome"
    assert Counter(batch.reason[:8])[variants.NEAR_END] == 6
    assert reader.left_out.counts.total() == 11


def test_the_longest_alleles_fill_the_sequences_with_what_the_genome_goes_on_with(genome, tmp_path):
    text = chromosome()
    base, new = text[599], "ACGTT" * 10
    rows = (
        f"chr1 600 {text[599:650]} {base}",
        f"chr1 600 {base} {base}{new}",
        f"chr1 600 {text[599:651]} {base}",
        f"chr1 600 {base} {base}{new}A",
    )
    _, batch = read(tmp_path, genome, *rows)
    assert batch.reason == ("", "", *["alleles of more than 50 bp"] * 2)
    # the alleles with the base before them, 51 and 1 bp, lie in the middle
    expected = (text[524:600] + text[650:774], text[499:600] + new + text[600:649])
    for row, sequence in enumerate(expected):
        assert len(sequence) == LENGTH
        codes = encode(np.frombuffer(sequence.encode(), "u1"))
        np.testing.assert_array_equal(batch.alternative[row], codes)


def test_a_repeat_that_reaches_the_chromosomes_beginning_is_left_out_in_every_spelling(
    genome, tmp_path
):
    _, batch = read(tmp_path, genome, "chr2 400 AA A", "chr2 300 A AA", "chr2 300 A C")
    assert batch.usable.tolist() == [False, False, True]


def test_rows_that_have_no_prediction_stay_in_their_place_with_the_reason(genome, tmp_path):
    text = chromosome()
    base = text[599]
    reader, batch = read(
        tmp_path,
        genome,
        f"chr1 600 {base} <DEL>,*,{OTHER[base]},.",
        f"chr1 600 {base} {base}",
        f"chr1 600 {base} {base}[chr2:5[",
        "chrUn 600 A C",
        f"chr1 600 {base} {'ACGT' * 13}",
        f"chr3 1450 {random_bases(6)[1449]} {OTHER[random_bases(6)[1449]]}",
        "chr3 1501 A C",
        f"chr1 600 {OTHER[base]} {OTHER[OTHER[base]]}",
        f"chr1 600 {OTHER[base]} {base}",
    )
    assert batch.reason == (
        "alleles that are no sequence of A, C, G and T",
        "alleles that are no sequence of A, C, G and T",
        "",
        "alleles that are no sequence of A, C, G and T",
        "both alleles are the same",
        "alleles that are no sequence of A, C, G and T",
        "on chromosomes that the genome lacks",
        "alleles of more than 50 bp",
        "the genome has an unknown base there",
        "the genome has an unknown base there",
        "the reference allele is not the genome's",
        SWAPPED,
    )
    assert batch.reference_matches[-2:] == (False, False)
    assert batch.swapped.tolist() == [False] * 11 + [True]
    assert reader.check_references() == 1
    reader.left_out.write(tmp_path / "odd.tsv")
    rows = [line.split("\t")[1] for line in (tmp_path / "odd.tsv").read_text().splitlines()[1:]]
    assert sorted(rows) == sorted(["2", "2", "2", "3", "4", "5", "6", "7", "8", "9", "10"])


@pytest.mark.parametrize(
    ("reference", "alternative"),
    [("A", "C"), ("AC", "GT"), ("A", "AGG"), ("AGTC", "ATT")],
)
def test_a_swapped_variant_can_be_read_and_is_the_other_way_round(tmp_path, reference, alternative):
    flank = random_bases(8)
    path = tmp_path / "g.fa"
    path.write_text(f">chr1\n{flank[:500]}{reference}T{flank[520:]}\n")
    genome = Genome(path)
    rows = (f"chr1 501 {reference} {alternative}", f"chr1 501 {alternative} {reference}")
    _, batch = read(tmp_path, genome, *rows)
    assert batch.reason == ("", SWAPPED)
    reader, batch = read(tmp_path, genome, *rows, swap_reference=True)
    assert reader.check_references() == 1
    assert batch.reason == ("", "")
    assert batch.reference_matches == (True, False)
    np.testing.assert_array_equal(batch.reference[0], batch.alternative[1])
    np.testing.assert_array_equal(batch.alternative[0], batch.reference[1])
    assert batch.reference_bp[0] == batch.alternative_bp[1]
    assert batch.place[0] == batch.place[1]


def test_a_reference_that_is_the_genomes_is_never_swapped(tmp_path):
    flank = random_bases(8)
    path = tmp_path / "g.fa"
    path.write_text(f">chr1\n{flank[:500]}AGGT{flank[504:]}\n")
    # the genome has both alleles; by its reference allele this doubles GG
    _, batch = read(tmp_path, Genome(path), "chr1 501 A AGG", swap_reference=True)
    assert (batch.reference_matches, batch.swapped.tolist()) == ((True,), [False])
    assert (batch.reference_bp.tolist(), batch.alternative_bp.tolist()) == ([0], [2])


def test_a_file_that_is_swapped_throughout_is_no_file_of_another_assembly(genome, tmp_path):
    text = chromosome()
    rows = [f"chr1 {at} {OTHER[text[at - 1]]} {text[at - 1]}" for at in range(500, 900, 10)]
    reader, _ = read(tmp_path, genome, *rows)
    with pytest.raises(DataError, match=r"swapped: 40\); --swap-reference takes swapped ones"):
        reader.check_references()
    reader, batch = read(tmp_path, genome, *rows, swap_reference=True)
    assert reader.check_references() == 40
    assert batch.usable.all()


def test_variants_of_another_assembly_are_refused_though_some_look_swapped(genome, tmp_path):
    text = chromosome()
    rng = np.random.default_rng(3)
    letters = [rng.choice(list("ACGT"), 2, replace=False) for _ in range(60)]
    rows = [f"chr1 {500 + i} {ref} {alt}" for i, (ref, alt) in enumerate(letters)]
    for num in (15, 60):
        reader, batch = read(tmp_path, genome, *rows[:num], swap_reference=True)
        assert batch.swapped.any()
        with pytest.raises(DataError, match=f"of {num} reference alleles .* same assembly"):
            reader.check_references()
    good = [f"chr1 {at} {text[at - 1]} {OTHER[text[at - 1]]}" for at in range(500, 530)]
    reader, batch = read(tmp_path, genome, *good, rows[0])
    assert reader.check_references() <= 1


def test_pass_only_leaves_the_other_rows_without_a_prediction(genome, tmp_path):
    text = chromosome()
    rows = [
        f"chr1 {at} . {text[at - 1]} {OTHER[text[at - 1]]} 5 {value} ."
        for at, value in ((600, "PASS"), (610, "."), (620, "q10;s50"))
    ]
    five_columns = f"chr1 630 {text[629]} {OTHER[text[629]]}"
    _, batch = read(tmp_path, genome, *rows, five_columns)
    assert [variant.filter for variant in batch.variants] == ["PASS", ".", "q10;s50", "."]
    assert batch.usable.all()
    reader, batch = read(tmp_path, genome, *rows, five_columns, pass_only=True)
    assert batch.reason == ("", "", "FILTER is not PASS", "")
    assert reader.left_out.why(tmp_path / "v.vcf") == "FILTER is not PASS: 1"


def test_batches_end_between_rows(genome, tmp_path, monkeypatch):
    monkeypatch.setattr(variants, "_BATCH", 2)
    text = chromosome()
    path = tmp_path / "v.vcf"
    rows = [f"chr1\t{at}\t.\t{text[at - 1]}\t<X>,A,C,G,T\n" for at in (600, 610, 620)]
    path.write_text("".join(rows))
    found = list(VcfReader(path, genome, LENGTH).batches())
    assert [len(batch.variants) for batch in found] == [5, 5, 5]


def test_an_insertion_touches_the_positions_to_both_sides_of_it(tmp_path):
    site = "ACCGGAAGTG"
    flank = random_bases(9)
    path = tmp_path / "g.fa"
    path.write_text(f">chr1\n{flank[:500]}{site}{flank[510:]}\n")
    probabilities = np.full((4, len(site)), 0.01)
    probabilities[encode(np.frombuffer(site.encode(), "u1")), np.arange(len(site))] = 0.97
    motif = Motif("X", "X1", probabilities)
    before = flank[499]
    rows = (
        "chr1 504 G GTT",  # between the fourth and the fifth position
        "chr1 505 GA G",  # the sixth or seventh position
        f"chr1 500 {before} {before}{'T' if before != 'T' else 'C'}",  # beside the site
        f"chr1 440 {flank[439]} {OTHER[flank[439]]}",
    )
    _, batch = read(tmp_path, Genome(path), *rows)
    found = touched_motif(batch, motif)
    assert found.touched.tolist() == [True, True, False, False]
    assert (found.first[0], found.last[0]) == (4, 5)
    assert (found.first[1], found.last[1]) == (6, 6)
    assert found.reference_bits[0] - found.alternative_bits[0] > 5


def test_a_row_that_is_no_vcf_row_is_left_out_and_the_others_are_read(genome, tmp_path):
    text = chromosome()
    good = f"chr1\t600\tone\t{text[599]}\t{OTHER[text[599]]}\n"
    odd = ("chr1\t600\n", "chr1\tabout 600\ttwo\tA\tC\n", f"chr1\t{'9' * 11}\tthree\tA\tC\n")
    path = tmp_path / "v.vcf"
    path.write_text("#CHROM\tPOS\tID\tREF\tALT\n" + odd[0] + good + "".join(odd[1:]))
    reader = VcfReader(path, genome, LENGTH)
    assert reader.check_references() == 0
    [batch] = reader.batches()
    assert [variant.row for variant in batch.variants] == [3]
    assert reader.left_out.of(path) == {"no VCF row (CHROM POS ID REF ALT, by tabs)": 3}
