"""Predictions of new sequences: by hand-made networks, and by finished runs through the CLI."""

import gzip
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from data.dataset.sampling import Part, Sampling
from data.errors import DataError
from data.left_out import LeftOut
from data.motifs.motif import Motif
from data.packing import encode, pack
from data.queries.touched_motif import touched_motif
from data.queries.variants import VcfReader
from data.queries.windows import Windows, bed_windows, fasta_windows, tiled_windows
from data.schema import NULL_LABEL
from data.sources.genome import Genome
from experiments.study.pretraining import Pretraining
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from experiments.transfer.plan import transfer
from model.calibration import (
    Calibration,
    OpenCalibration,
    fit_calibration,
    fit_open_calibration,
    openness,
)
from model.ensemble import Member, predict_ensemble
from orchestrator.backends.local import run_plan
from orchestrator.plan import Plan
from orchestrator.prediction import predictors
from orchestrator.prediction.predict import Counts, write_predictions
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.helpers.tiny import MOTIF, random_bases

LENGTH = 200


class CountBase(nn.Module):
    """Logit: how often the sequence has a base, so that strands differ."""

    def __init__(self, base: int) -> None:
        super().__init__()
        self.base = base
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, self.base].sum(dim=1, keepdim=True) / 10 + self.weight


def codes_of(text: str) -> np.ndarray:
    return encode(np.frombuffer(text.encode(), dtype=np.uint8))


@pytest.fixture
def genome(tmp_path):
    """chr1 of random bases with the motif at 500, chr2 of 300 bp with an N at 150."""
    chr1 = random_bases(1)
    chr1 = chr1[:500] + MOTIF + chr1[500 + len(MOTIF) :]
    chr2 = random_bases(2)[:150] + "N" + random_bases(2)[151:300]
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{chr1}\n>chr2\n{chr2}\n")
    return Genome(path)


def bases(genome: Genome, chrom: str) -> str:
    text = genome.path.read_text().split(">")
    return next(part.split("\n")[1] for part in text if part.startswith(f"{chrom}\n"))


def test_strands_and_replicates_are_averaged_and_their_spread_is_told():
    sequence = "A" * 30 + "T" * 10 + "C" * 160
    packed = pack(codes_of(sequence)[None])
    members = [Member(network=CountBase(base), length_bp=LENGTH) for base in (0, 1)]
    found = predict_ensemble(members, packed)
    # A: 30 forward, 10 on the other strand; C: 160 and 0
    each = 1 / (1 + np.exp(-np.array([2.0, 8.0])))
    assert found.probability[0] == pytest.approx(each.mean())
    assert found.spread[0] == pytest.approx(each.std(), rel=1e-4)
    assert found.logit[0] == pytest.approx(5.0)


def test_a_calibration_gives_back_what_labels_were_drawn_by():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000).astype(np.float32)
    true = Calibration(slope=0.5, intercept=-1.0)
    labels = (rng.random(20_000) < true.probabilities(logits)).astype(np.float32)
    found = fit_calibration(logits, labels)
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.intercept == pytest.approx(-1.0, abs=0.05)


def test_a_calibration_of_few_regions_is_never_certain_nor_turned_round():
    logits = np.array([-9, -8, 8, 9], dtype=np.float32)
    labels = np.array([0, 0, 1, 1], dtype=np.float32)
    assert fit_calibration(logits, labels).probabilities(logits).max() < 0.8
    assert fit_calibration(-logits, labels).slope == pytest.approx(0.0, abs=1e-6)


def test_openness_counts_as_labels_were_drawn_by_it_and_lifts_more_open_regions():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000).astype(np.float32)
    opened = openness(rng.integers(0, 21, 20_000))
    true = OpenCalibration(Calibration(slope=0.5, intercept=-2.0), 1.2)
    labels = (rng.random(20_000) < true.probabilities(logits, opened)).astype(np.float32)
    found = fit_open_calibration(logits, labels, opened)
    assert found.of_logits.slope == pytest.approx(0.5, abs=0.03)
    assert found.of_logits.intercept == pytest.approx(-2.0, abs=0.1)
    assert found.per_openness == pytest.approx(1.2, abs=0.05)

    member = Member(network=CountBase(0), length_bp=LENGTH, per_openness=1.2)
    packed = pack(np.zeros((2, LENGTH), dtype=np.uint8))
    alone = predict_ensemble([member], packed)
    beside = predict_ensemble([member], packed, openness(np.array([0, 5])))
    assert beside.logit - alone.logit == pytest.approx([0.0, 1.2 * np.log(6)], rel=1e-5)


def test_bed_windows_are_centred(genome, tmp_path):
    path = tmp_path / "r.bed"
    path.write_text("chr1\t400\t611\tone\nchr1\t1000\t1001\ttwo\nchr2\t100\t200\tthree\n")
    (found,) = bed_windows(path, genome, LENGTH)
    text = bases(genome, "chr1")
    np.testing.assert_array_equal(found.codes[0], codes_of(text[405:605]))
    np.testing.assert_array_equal(found.codes[1], codes_of(text[900:1100]))
    assert found.name.tolist() == ["one", "two", "three"]
    assert found.known.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("chr1\t10\t20", ["no region that can be predicted", "nearer to an end", ": 1)"]),
        ("chr1\t2950\t2990", ["no region that can be predicted", "nearer to an end", ": 1)"]),
        ("chr1\t2950\t3990", ["row 1", "chr1 ends at 3000", "same assembly"]),
        ("chr3\t500\t700", ["no chromosome in common", "'chr3'", "same assembly"]),
    ],
)
def test_a_file_of_which_no_region_is_left_is_refused(genome, tmp_path, line, words):
    path = tmp_path / "r.bed"
    path.write_text(line + "\n")
    with pytest.raises(DataError) as caught:
        list(bed_windows(path, genome, LENGTH))
    assert all(word in str(caught.value) for word in words), caught.value


def test_regions_and_variants_with_other_names_of_chromosomes_are_read_and_keep_them(
    genome, tmp_path
):
    path, left_out = tmp_path / "r.bed", LeftOut()
    path.write_text("1\t400\t611\n")
    (found,) = bed_windows(path, genome, LENGTH, left_out)
    np.testing.assert_array_equal(found.codes[0], codes_of(bases(genome, "chr1")[405:605]))
    assert found.chrom is not None
    assert found.chrom.tolist() == ["1"]
    assert left_out.renamed == {path: {"1": "chr1"}}
    base = bases(genome, "chr1")[999]
    reader = VcfReader(
        vcf(tmp_path / "v.vcf", f"1\t1000\t.\t{base}\t{'C' if base == 'A' else 'A'}\n"),
        genome,
        LENGTH,
        left_out,
    )
    (batch,) = reader.batches()
    assert batch.usable.tolist() == [True]
    assert batch.variants[0].chrom == "1"
    assert left_out.renamed[tmp_path / "v.vcf"] == {"1": "chr1"}


def test_regions_that_do_not_fit_are_left_out_and_listed(genome, tmp_path):
    path = tmp_path / "r.bed"
    good = "".join(f"chr1\t{at}\t{at + 200}\tgood\n" for at in range(500, 2500, 100))
    odd = "chrM\t1\t400\tm\nchr1\t0\t90\tnear\nchr1\t2950\t3990\tfar\nchr1\t-20\t260\tover\n"
    path.write_text("# regions\n" + good + odd)
    left_out = LeftOut()
    (found,) = bed_windows(path, genome, LENGTH, left_out)
    assert set(found.name) == {"good", "over"}
    assert found.start is not None
    assert found.end is not None
    assert (found.start[-1], found.end[-1]) == (0, 260)
    assert left_out.clipped[path] == 1
    left_out.write(tmp_path / "odd.tsv")
    lines = (tmp_path / "odd.tsv").read_text().splitlines()
    assert lines[0] == "file\trow\treason"
    assert {line.split("\t")[1] for line in lines[1:]} == {"22", "23", "24"}
    tiles = list(tiled_windows(genome, LENGTH, 200, path, left_out))
    assert {str(name) for one in tiles for name in one.name} == {"good", "over", "near,over"}


def test_many_regions_beyond_the_ends_are_of_another_assembly(genome, tmp_path):
    path = tmp_path / "r.bed"
    path.write_text("chr1\t500\t700\n" * 30 + "chr1\t5000\t5200\n" * 10)
    with pytest.raises(DataError, match=r"10 of 40 intervals .*row 31: chr1 ends at 3000"):
        list(bed_windows(path, genome, LENGTH))


def test_fasta_gives_the_middle_and_leaves_out_what_is_short(tmp_path):
    path = tmp_path / "s.fa"
    long = random_bases(3)[:211]
    path.write_text(f">a first\n{long[:100]}\n{long[100:]}\n>b\n{long[:200]}\n")
    (found,) = fasta_windows(path, LENGTH)
    assert found.name.tolist() == ["a", "b"]
    np.testing.assert_array_equal(found.codes[0], codes_of(long[5:205]))
    path.write_text(f">a\n{long}\n>b\nACGT\n")
    left_out = LeftOut()
    (found,) = fasta_windows(path, LENGTH, left_out)
    assert found.name.tolist() == ["a"]
    assert left_out.why(path) == "shorter than the 200 bp that the network reads: 1"
    path.write_text(">b\nACGT\n")
    with pytest.raises(DataError, match=r"no sequence that can be predicted .*200 bp"):
        list(fasta_windows(path, LENGTH))
    path.write_text("ACGT\n")
    with pytest.raises(DataError, match="row 1: no `>` line"):
        list(fasta_windows(path, LENGTH))


def test_what_the_model_gives_no_number_for_is_counted(tmp_path):
    path = tmp_path / "s.fa"
    path.write_text(f">a\n{'ACGT' * 50}\n>b\n{'ACGN' * 50}\n")

    def table(windows: Windows, part: slice) -> pd.DataFrame:
        return pd.DataFrame(
            {"name": windows.name[part], "probability": np.full(2, np.nan, np.float32)}
        )

    counts = write_predictions(fasta_windows(path, 200), _Ignoring(), table)
    assert counts == Counts(num=2, num_unknown=1, num_nan=1)


class _Ignoring:
    def write(self, table: pd.DataFrame) -> None:
        """Do nothing."""


def test_tiles_are_in_the_middle_of_what_is_read_and_never_twice(genome, tmp_path):
    path = tmp_path / "r.bed"
    path.write_text("chr1\t520\t530\nchr1\t400\t510\nchr1\t2990\t3000\n")
    found = list(tiled_windows(genome, LENGTH, 50, path))
    start = np.concatenate([windows.start for windows in found])
    assert start.tolist() == [400, 450, 500]
    text = bases(genome, "chr1")
    np.testing.assert_array_equal(found[0].codes[1], codes_of(text[375:575]))
    whole = np.concatenate([windows.start for windows in tiled_windows(genome, LENGTH, 50)])
    # of 3,000 bp those whose 200 bp are all there, 75 of them before the tile
    assert whole.tolist() == [*range(100, 2900, 50), 100, 150]


def vcf(path, *rows: str):
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n" + "".join(rows))
    return path


def test_alleles_are_put_into_the_genome(genome, tmp_path):
    text = bases(genome, "chr1")
    ref = text[999:1003]
    other = "ACGT"["ACGT".index(ref[0]) - 1]
    path = vcf(
        tmp_path / "v.vcf",
        f"chr1\t1000\ts\t{ref[0]}\t{other},<DEL>\n",
        f"chr1\t1000\td\t{ref}\t{ref[0]}\n",
        f"chr1\t1000\ti\t{ref[0]}\t{ref[0]}CC\n",
        f"chr1\t1000\tm\t{other}\t{ref[0]}\n",
        f"chr1\t20\te\t{text[19]}\tA{text[19]}\n",
    )
    reader = VcfReader(path, genome, LENGTH)
    (batch,) = reader.batches()
    assert [variant.name for variant in batch.variants] == ["s", "s", "d", "i", "m", "e"]
    assert batch.reference_matches == (True, None, True, True, False, True)
    assert batch.usable.tolist() == [True, False, True, True, False, False]
    assert reader.left_out.counts.total() == 3
    np.testing.assert_array_equal(batch.reference[0], codes_of(text[899:1099]))
    expected = (
        text[899:999] + other + text[1000:1099],
        text[901:999] + ref[0] + text[1003:1104],
        text[899:999] + ref[0] + "CC" + text[1000:1097],
    )
    for row, sequence in zip((0, 2, 3), expected, strict=True):
        np.testing.assert_array_equal(batch.alternative[row], codes_of(sequence))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["chr1\t5\t.\tA\n"], ["row 3", "no VCF row"]),
        (["chrX\t5\t.\tA\tC\n"], ["no variant that can be predicted", "that the genome lacks: 1"]),
        (["7\t5\t.\tA\tC\n"], ["no variant that can be predicted", "that the genome lacks: 1"]),
        (["chr1\t4000\t.\tA\tC\n"], ["no variant that can be predicted", "beyond the end"]),
        (["chr1\t1000\t.\tA\t<DUP>\n"], ["no variant that can be predicted"]),
        (
            [f"chr1\t{at}\t.\t{base}\tT\n" for at in range(1000, 1010) for base in "AC"],
            ["row 3", "of 20 reference alleles", "same assembly"],
        ),
    ],
)
def test_a_vcf_that_does_not_fit_is_refused(genome, tmp_path, rows, words):
    reader = VcfReader(vcf(tmp_path / "v.vcf", *rows), genome, LENGTH)
    with pytest.raises(DataError) as caught:
        reader.check_references()
    assert all(word in str(caught.value) for word in words), caught.value


def test_one_swapped_reference_of_thirty_does_not_refuse_the_others(genome, tmp_path):
    text = bases(genome, "chr1")
    other = {"A": "G", "C": "T", "G": "A", "T": "C"}
    places = range(500, 2000, 50)
    pairs = [(text[at - 1], other[text[at - 1]]) for at in places]
    pairs[7] = pairs[7][::-1]
    rows = [f"chr1\t{at}\t.\t{ref}\t{alt}\n" for at, (ref, alt) in zip(places, pairs, strict=True)]
    odd = ["chrUn\t5\t.\tA\tC\n", "chr1\t4000\t.\tA\tC\n"]
    path = vcf(tmp_path / "v.vcf", *rows, *odd)
    reader = VcfReader(path, genome, LENGTH)
    assert reader.check_references() == 1
    assert reader.left_out.of(path) == {
        "on chromosomes that the genome lacks": 1,
        "beyond the end of their chromosome": 1,
        "reference and alternative allele are swapped": 1,
    }


def test_the_positions_of_the_motif_that_a_variant_touches(genome, tmp_path):
    probabilities = np.full((4, len(MOTIF)), 0.01)
    probabilities[codes_of(MOTIF), np.arange(len(MOTIF))] = 0.97
    motif = Motif("X", "X1", probabilities)
    flipped = replace(motif, probabilities=probabilities[::-1, ::-1])
    # the third base of the motif at 500, and a base beyond its end
    text = bases(genome, "chr1")
    rows = [f"chr1\t{at + 1}\t.\t{text[at]}\tT\n" for at in (502, 512)]
    (batch,) = VcfReader(vcf(tmp_path / "v.vcf", *rows), genome, LENGTH).batches()
    for which, place, reverse in ((motif, 3, False), (flipped, len(MOTIF) - 2, True)):
        found = touched_motif(batch, which)
        assert found.touched.tolist() == [True, False]
        assert (found.first[0], found.last[0], found.reverse[0]) == (place, place, reverse)
        assert found.reference_bits[0] - found.alternative_bits[0] > 5


@pytest.fixture
def new_sequences(trained, tmp_path):
    """A FASTA file of two regions, one with the motif, and a genome of both."""
    text = random_bases(7)
    with_motif = text[:294] + MOTIF + text[306:]
    fasta = tmp_path / "s.fa"
    fasta.write_text(f">with\n{with_motif[200:400]}\n>without\n{text[1000:1200]}\n")
    genome = tmp_path / "g.fa"
    genome.write_text(f">chr1\n{with_motif}\n")
    (tmp_path / "r.bed").write_text("chr1\t200\t400\twith\nchr1\t1000\t1200\twithout\n")
    return trained.root


@pytest.mark.slow
def test_predict_every_way_and_share_the_model(bindgrid, new_sequences, tmp_path):
    place = ("-w", new_sequences)
    code, out, err = bindgrid("predict", "SPI1", "--fasta", tmp_path / "s.fa", *place)
    assert code == 0, err
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0] == ["name", "probability", "spread"]
    told = {line[0]: float(line[1]) for line in lines[1:]}
    regions = ("--bed", tmp_path / "r.bed", "--genome", tmp_path / "g.fa")
    for name in ("p.tsv", "p.parquet", "p.bed", "p.bw"):
        tiles = ("--stride", 50) if name == "p.bw" else ()
        file = tmp_path / name
        code, _, err = bindgrid("predict", "SPI1", *regions, *tiles, "--out", file, *place)
        assert (code, file.is_file()) == (0, True), err
    for name in ("p.csv.gz", "p.bedGraph"):
        file = tmp_path / name
        code, _, err = bindgrid("predict", "SPI1", *regions, "--stride", 50, "--out", file, *place)
        assert code == 0, err
    with gzip.open(tmp_path / "p.csv.gz", "rt") as text:
        assert text.readline() == "chrom,start,end,name,probability,spread\n"
    first = (tmp_path / "p.bedGraph").read_text().splitlines()[0].split("\t")
    assert (first[0], len(first)) == ("chr1", 4)
    parquet = pd.read_parquet(tmp_path / "p.parquet")
    assert dict(zip(parquet["name"], parquet["probability"], strict=True)) == pytest.approx(
        told, abs=1e-4
    )
    assert len((tmp_path / "p.bed").read_text().splitlines()) == 2

    code, _, err = bindgrid("export", "SPI1", tmp_path / "model", "--licence", "CC0", *place)
    assert code == 0, err
    assert "CC0" in (tmp_path / "model" / "README.md").read_text()
    elsewhere = ("-w", tmp_path / "elsewhere")
    code, _, err = bindgrid("import-model", tmp_path / "model", "--name", "OURS", *elsewhere)
    assert code == 0, err
    for name in ("OURS", "ours"):
        code, again, err = bindgrid("predict", name, "--fasta", tmp_path / "s.fa", *elsewhere)
        assert (code, again) == (0, out), err
    for arguments, words in (
        (["export", "SPI1", tmp_path / "model", *place], "something is there already"),
        (["import-model", tmp_path / "model", "--name", "OURS", *elsewhere], "by another --name"),
        (["import-model", tmp_path / "model", "--name", "All", *elsewhere], "TFs of the base"),
        (["import-model", tmp_path / "model", "--name", "a,b", *elsewhere], "TFs of the base"),
        (["import-model", tmp_path / "model", "--name", "base:X", *elsewhere], "TFs of the base"),
        (["import-model", tmp_path, *elsewhere], "model.json: cannot be read"),
        (["predict", "OUR", "--fasta", tmp_path / "s.fa", *elsewhere], "near: OURS"),
    ):
        code, _, err = bindgrid(*arguments)
        assert (code, words in " ".join(err.split())) == (2, True), err
    broken = tmp_path / "broken"
    shutil.copytree(tmp_path / "model", broken)
    values = json.loads((broken / "model.json").read_text())
    (broken / "model.json").write_text(json.dumps({**values, "version": 99}))
    code, _, err = bindgrid("import-model", broken, "--name", "X", *elsewhere)
    assert (code, "version 99, this bindgrid reads up to 1" in " ".join(err.split())) == (2, True)


@pytest.mark.slow
def test_variants_through_the_command_line(bindgrid, new_sequences, tmp_path):
    text = (tmp_path / "g.fa").read_text().split("\n")[1]
    path = vcf(tmp_path / "v.vcf", f"chr1\t301\trs1\t{text[300]}\tT\n")
    arguments = ("variants", "SPI1", "--vcf", path, "--genome", tmp_path / "g.fa")
    code, out, err = bindgrid(*arguments, "-w", new_sequences)
    assert code == 0, err
    header, row = (line.split("\t") for line in out.splitlines())
    found = dict(zip(header, row, strict=True))
    effect = float(found["alt_probability"]) - float(found["ref_probability"])
    assert float(found["effect"]) == pytest.approx(effect, abs=1e-4)
    assert (found["position"], found["ref_matches"], found["motif"]) == ("301", "True", "MA0080.5")
    # what effects are compared with is made once, and made anew where it is damaged
    kept = max(Workspace(new_sequences).nulls.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    made = kept.stat().st_mtime_ns
    assert bindgrid(*arguments, "-w", new_sequences)[1] == out
    assert kept.stat().st_mtime_ns == made
    kept.write_text("{")
    assert bindgrid(*arguments, "-w", new_sequences)[1] == out
    assert kept.stat().st_mtime_ns > made
    code, without, err = bindgrid(*arguments, "--no-null", "-w", new_sequences)
    assert code == 0, err
    columns = without.splitlines()[0].split("\t")
    assert columns == header[:-3]
    assert header[-3:] == ["ref_quantile", "p_value", "q_value"]


@pytest.mark.slow
def test_variants_without_a_prediction_stay_in_every_format(bindgrid, new_sequences, tmp_path):
    text = (tmp_path / "g.fa").read_text().split("\n")[1]
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    good = "".join(
        f"chr1\t{at}\ts{at}\t{text[at - 1]}\t{other[text[at - 1]]}\t.\tPASS\t.\n"
        for at in range(301, 321)
    )
    odd = (
        f"chr1\t330\tx\t{other[text[329]]}\t{text[329]}\t.\tq10\tAC=1\n"
        f"chrUn\t330\ty\tA\tC,*\t.\t.\tAC=1,2\n"
    )
    path = tmp_path / "v.vcf"
    path.write_text("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + good + odd)
    arguments = ("variants", "SPI1", "--vcf", path, "--genome", tmp_path / "g.fa")

    def call(*options: object) -> str:
        code, _, err = bindgrid(*arguments, *options, "-w", new_sequences)
        assert code == 0, err
        return " ".join(err.split())

    said = call("--out", tmp_path / "e.parquet", "--left-out", tmp_path / "odd.tsv")
    assert "1 variant with swapped alleles" in said
    assert "--swap-reference predicts them" in said
    assert "left out 1: on chromosomes that the genome lacks" in said
    assert len((tmp_path / "odd.tsv").read_text().splitlines()) == 4
    found = pd.read_parquet(tmp_path / "e.parquet")
    assert found["id"].tolist()[-3:] == ["x", "y", "y"]
    assert found["effect"].isna().tolist() == [False] * 20 + [True] * 3
    assert (found["reason"] == "").tolist() == [True] * 20 + [False] * 3
    assert found["filter"].tolist()[-3:] == ["q10", ".", "."]
    call("--out", tmp_path / "e.csv.gz")
    csv = pd.read_csv(tmp_path / "e.csv.gz", keep_default_na=False)
    assert csv["effect"].tolist()[-3:] == ["NA"] * 3
    assert csv["reason"].tolist() == found["reason"].tolist()

    said = call("--out", tmp_path / "e.vcf.gz", "--swap-reference")
    assert "their effect is still that of ALT against REF" in said
    with gzip.open(tmp_path / "e.vcf.gz", "rt") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if not line.startswith("#")]
    assert [row[:7] for row in rows] == [line.split("\t")[:7] for line in (good + odd).splitlines()]
    info = [dict(item.split("=") for item in row[7].split(";")) for row in rows]
    for i, one in enumerate(found["effect"].tolist()[:20]):
        assert float(info[i]["SPI1_effect"]) == pytest.approx(one, rel=1e-3, abs=1e-6)
    for i, one in enumerate(found["p_value"].tolist()[:20]):
        assert float(info[i]["SPI1_p_value"]) == pytest.approx(one, rel=1e-3)
        assert float(info[i]["SPI1_q_value"]) >= 0.999 * one
    assert (info[20]["SPI1_swapped"], info[20]["SPI1_reason"], info[20]["AC"]) == ("1", ".", "1")
    assert (info[21]["SPI1_effect"], info[21]["AC"]) == (".,.", "1,2")

    call("--out", tmp_path / "e.tsv", "--swap-reference", "--pass-only")
    tsv = pd.read_csv(tmp_path / "e.tsv", sep="\t", keep_default_na=False)
    assert tsv["reason"][20] == "FILTER is not PASS"
    before = path.read_bytes()
    code, _, err = bindgrid(*arguments, "--out", path, "-w", new_sequences)
    assert (code, "would be replaced" in " ".join(err.split())) == (2, True), err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing to predict"),
        (["--genome", "g.fa"], "give --stride"),
        (["--fasta", "s.fa", "--bed", "r.bed"], "--fasta stands alone"),
        (["--bed", "r.bed", "--genome", "g.fa", "--out", "x.bw"], "give --stride"),
        (["--bed", "r.bed", "--genome", "g.fa", "--stride", "0"], "--stride is 0"),
        (["--fasta", "none.fa"], "cannot be opened"),
        (["--fasta", "s.fa", "--out", "x.xlsx"], "no known format"),
        (["--fasta", "s.fa", "--out", "nowhere/x.tsv"], "there is no folder"),
        (["--fasta", "s.fa", "--out", "x.bed"], ".bed needs places on a genome"),
        (["--fasta", "s.fa", "--openness"], "--openness counts places of a genome"),
        (["--bed", "r.bed", "--genome", "g.fa", "--openness"], "names no biosample, and openness"),
    ],
)
def test_what_cannot_be_predicted_is_one_line_and_leaves_no_file(
    bindgrid, new_sequences, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    code, _, err = bindgrid("predict", "SPI1", *arguments, "-w", new_sequences)
    assert (code, words in " ".join(err.split())) == (2, True), err
    index = {"g.fa.fai"}
    assert {path.name for path in tmp_path.iterdir()} - index == set(before)


def test_a_calibration_leaves_out_regions_unresolved_for_the_tf(workspace, monkeypatch):
    study = Study(
        tfs=("GABPA",),
        pretrain_tfs=None,
        pretraining=Pretraining(rows="resolved", leave_out=("GABPA",)),
        sampling=Sampling(held_back=0.4),
        trainings=Trainings().with_epochs(multi=1, individual=1),
    )
    [multi, *_] = transfer(load_dataset(workspace), study).runs
    run_plan(Plan([multi]), workspace, on_done=lambda outcome: None)
    given = []

    def fit(logits, labels):
        given.append((len(logits), labels))
        return fit_calibration(logits, labels)

    monkeypatch.setattr(predictors, "fit_calibration", fit)
    run = RunStore(workspace).open(multi.key)
    output = multi.spec.regions.tfs.index("ELF1")
    predictors.calibration_of(workspace, run, "ELF1", output)
    selection = load_dataset(workspace).select(multi.spec.regions)
    labels = selection.labels[selection.rows(Part.VAL), output]
    assert (labels == NULL_LABEL).any()
    [(num, fitted)] = given
    assert num == len(fitted) == (labels != NULL_LABEL).sum()
    assert set(np.unique(fitted)) == {0.0, 1.0}
