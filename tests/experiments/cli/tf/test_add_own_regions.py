"""`bindgrid tf add` without a dataset: from peaks and a genome to labels, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.dataset.store import Dataset
from data.schema import Evidence
from experiments.study.trainings import Trainings
from orchestrator.interpretation import run_motifs as motifs

CHROMS = {"chr1": 120_000, "chr2": 60_000, "chr3": 60_000}
LABEL = ("--label-only",)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A genome without an index, and peaks of a TF that binds a motif planted there."""
    rng = np.random.default_rng(1)
    with (tmp_path / "genome.fa").open("w") as genome, (tmp_path / "peaks.bed").open("w") as peaks:
        for chrom, length in CHROMS.items():
            bases = list(rng.choice(list("ACGT"), length))
            for middle in range(3000, length - 1000, 3000):
                bases[middle - 6 : middle + 6] = "AAAGCGGAAGTG"
                peaks.write(f"{chrom}\t{middle - 80}\t{middle + 80}\n")
            genome.write(f">{chrom}\n{''.join(bases)}\n")
    middles = ((chrom, at) for chrom in CHROMS for at in range(1500, CHROMS[chrom], 1500))
    rows = (f"{chrom}\t{at - 100}\t{at + 100}\n" for chrom, at in middles)
    (tmp_path / "atac.bed").write_text("".join(rows))
    return tmp_path


@pytest.fixture
def add(bindgrid, files):
    """Run `bindgrid tf add` in a workspace that is not there; `{folder}` is where the files are."""

    def call(*arguments: str) -> tuple[int, str, str]:
        words = (word.format(folder=files) for word in arguments)
        return bindgrid("tf", "add", *words, "-w", files / "w")

    return call


FILES = ("--peaks", "{folder}/peaks.bed", "--genome", "{folder}/genome.fa")
OPEN = ("--accessible", "{folder}/atac.bed")


def test_peaks_and_a_genome_are_enough_and_what_is_unbound_is_said(add, files, bindgrid):
    code, out, err = add("MINE", *FILES, *LABEL)
    assert code == 0, err
    assert "the model will also learn what open chromatin looks like" in " ".join(out.split())
    assert err.splitlines()[-1].endswith(f"next: bindgrid tf train MINE -w {files / 'w'}")
    dataset = Dataset.open(files / "w" / "dataset")
    assert (dataset.tfs, dataset.biosamples) == (("MINE",), ("own",))
    num_bound = dataset.summary("MINE").count(Evidence.BOUND)
    assert num_bound == sum(len(range(3000, num - 1000, 3000)) for num in CHROMS.values())
    assert (files / "genome.fa.fai").is_file()
    code, out, _ = bindgrid("tf", "list", "-w", files / "w")
    assert "own" in out
    # the next TF needs no genome
    code, _, err = add("OTHER", *FILES[:2], *LABEL)
    assert code == 0, err
    code, _, err = add("THIRD", *FILES[:2], *OPEN, *LABEL)
    assert code == 2
    assert "its regions were made without --accessible" in err
    # nor is another genome taken, of the same names
    (files / "other.fa").write_text((files / "genome.fa").read_text().replace("AC", "CA"))
    code, _, err = add("THIRD", *FILES[:2], "--genome", "{folder}/other.fa", *LABEL)
    complaint = err.splitlines()[-1]
    assert (code, "other.fa: is not the genome that" in complaint) == (2, True), err
    assert complaint.endswith(f"give that genome: --genome {files / 'genome.fa'}")


def test_a_later_genome_may_lack_chromosomes_but_not_call_them_otherwise(add, files):
    assert add("MINE", *FILES, *LABEL)[0] == 0
    records = (files / "genome.fa").read_text().split(">")[1:]
    (files / "fewer.fa").write_text("".join(f">{one}" for one in reversed(records[1:])))
    code, _, err = add("FEWER", *FILES[:2], "--genome", "{folder}/fewer.fa", *LABEL)
    assert code == 0, err
    there = Dataset.open(files / "w" / "dataset")
    fewer, mine = (there.summary(tf).count(Evidence.BOUND) for tf in ("FEWER", "MINE"))
    assert 0 < fewer < mine
    (files / "named.fa").write_text("".join(f">{one[3:]}" for one in records))
    code, _, err = add("NAMED", *FILES[:2], "--genome", "{folder}/named.fa", *LABEL)
    complaint = err.splitlines()[-1]
    assert (code, "named.fa: has '1' for what" in complaint) == (2, True), err
    assert complaint.endswith(f"with the dataset's names, such as {files / 'genome.fa'}")


@pytest.mark.slow
def test_a_region_with_peaks_that_do_not_count_is_not_unbound(add, files):
    rows = (files / "peaks.bed").read_text().splitlines()
    scored = [f"{row}\tp\t{1000 - number}\n" for number, row in enumerate(rows)]
    (files / "peaks.bed").write_text("".join(scored))
    code, _, err = add("MINE", *FILES, *OPEN, *LABEL, "--top", "30")
    assert code == 0, err
    dataset = Dataset.open(files / "w" / "dataset")
    regions, codes = dataset.regions(), dataset.evidence(["MINE"])[:, 0]
    middles = list(zip(regions.chrom_names, regions.start + 100, strict=True))
    peaks = {(row.split("\t")[0], int(row.split("\t")[1]) + 80) for row in rows}
    bound = {place for place, code in zip(middles, codes, strict=True) if code == Evidence.BOUND}
    assert len(bound) == 30
    assert bound < peaks
    unbound = {p for p, code in zip(middles, codes, strict=True) if code == Evidence.UNBOUND}
    assert len(unbound) > 50
    assert not unbound & peaks
    # the next TF has regions at these peaks, which are none of the first one's
    code, _, err = add("OTHER", *FILES[:2], *LABEL)
    assert code == 0, err
    code, _, err = add("MINE", *FILES[:2], *LABEL, "--top", "30", "--replace")
    assert code == 0, err
    assert f"{len(peaks) - 30} regions have only peaks that do not count" in " ".join(err.split())
    dataset = Dataset.open(files / "w" / "dataset")
    counts = [dataset.summary("MINE").count(code) for code in (Evidence.BOUND, Evidence.UNMATCHED)]
    assert counts == [30, len(peaks) - 30]


def put_unknown_bases(genome: Path, sites_kept: int) -> None:
    """Put an N beside all planted sites of a genome but the first ones of each chromosome."""
    records = genome.read_text().split(">")[1:]
    with genome.open("w") as file:
        for name, bases in (record.split("\n")[:2] for record in records):
            known = list(bases)
            for middle in range(3000 * (sites_kept + 1), len(bases) - 1000, 3000):
                known[middle + 40] = "N"
            file.write(f">{name}\n{''.join(known)}\n")


@pytest.mark.parametrize(("sites_kept", "code"), [(15, 0), (1, 2)])
def test_bound_regions_with_an_n_are_told_of_and_count_for_no_model(add, files, sites_kept, code):
    put_unknown_bases(files / "genome.fa", sites_kept)
    num_sites = [len(range(3000, num - 1000, 3000)) for num in CHROMS.values()]
    num_known = sum(min(sites_kept, num) for num in num_sites)
    done, _, err = add("MINE", *FILES, *LABEL)
    assert done == code, err
    num_unknown = sum(num_sites) - num_known
    assert f"{num_unknown} of the bound regions hold an N in the genome" in " ".join(err.split())
    if code:
        complaint = err.splitlines()[-1]
        assert f"MINE has {num_known} bound regions without an N" in complaint
        assert "give a genome whose bases there are known" in complaint
        assert not (files / "w" / "dataset").exists()


@pytest.mark.slow
def test_peaks_alone_are_the_labels_unless_sites_are_asked_for(add, files):
    code, out, err = add("NOBODY1", *FILES, *OPEN, "--label-only")
    assert code == 0, err
    assert "no motif of 'NOBODY1'; name one by --motif to make it a term of the model" in err
    assert "labels: peaks alone" in out
    code, out, err = add("SPI1", *FILES[:2], "--label-only")
    assert code == 0, err
    assert "labels: peaks alone" in out
    code, out, err = add("SPIB", *FILES[:2], "--predict-sites", "--label-only")
    assert code == 0, err
    assert "sites predicted by MA0081.2" in out
    assert "labels: peaks with a site" in out
    summary = Dataset.open(files / "w" / "dataset").summary
    records = [summary(tf).added for tf in ("NOBODY1", "SPI1", "SPIB")]
    assert [(one.sites, one.matrix_id) for one in records if one is not None] == [
        ("none", ""),
        ("none", "MA0080.5"),
        ("predicted", "MA0081.2"),
    ]
    code, _, err = add("NOBODY2", *FILES[:2], "--predict-sites", "--label-only")
    assert code == 2
    assert "no motif of 'NOBODY2'" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*FILES[:2]], ["no dataset here", "--genome"]),
        (["--peaks", "{folder}/few.bed", *FILES[2:]], ["MINE has 12 bound regions, 20 are needed"]),
        ([*FILES[:2], "--genome", "{folder}/other.fa"], ["like 'chr1'", "'scaffold_9'"]),
        ([*FILES, "--accessible", "{folder}/far.bed"], ["far.bed: no peak of it holds a summit"]),
        ([*FILES, "--accessible", "{folder}/none.bed"], ["none.bed"]),
        ([*FILES[:2], "--genome", "{folder}/none.fa"], ["none.fa"]),
        (["--peaks", "{folder}/beyond.bed", *FILES[2:]], ["beyond.bed", "the same assembly"]),
        ([*FILES, "--extend-regions"], ["--extend-regions adds to regions of a dataset"]),
        ([*FILES, *OPEN, *OPEN], ["2 --accessible for 1 biosample that"]),
        ([*FILES, "--exclude", "{folder}/all.bed"], ["nothing is left of it"]),
        ([*FILES, "--test-chroms", "chr4"], ["chromosome 'chr4'; there are: chr1, chr2, chr3"]),
        ([*FILES, "--replicates", "0"], ["replicates is 0"]),
        ([*FILES, "--pretrain-run", "abc"], ["abc"]),
        ([*FILES, "--pretrain-set", "MAX"], ["--pretrain-set MAX: there is no dataset"]),
    ],
)
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(add, files, arguments, words):
    (files / "other.fa").write_text(">scaffold_9\n" + "ACGT" * 200 + "\n")
    (files / "far.bed").write_text("chr1\t10\t40\n")
    (files / "all.bed").write_text("".join(f"{chrom}\t0\t{num}\n" for chrom, num in CHROMS.items()))
    (files / "beyond.bed").write_text(
        "".join(f"chr1\t{9 * 10**6 + i}\t{10**7}\n" for i in range(30))
    )
    few = (files / "peaks.bed").read_text().splitlines(keepends=True)[:12]
    (files / "few.bed").write_text("".join(few))
    code, _, err = add("MINE", *arguments, *LABEL)
    complaint = err.splitlines()[-1]
    assert (code, complaint.startswith("bindgrid: ")) == (2, True), err
    assert all(word in complaint for word in words), complaint
    assert not (files / "w").exists()


@pytest.mark.slow
def test_from_peaks_to_a_verdict(add, base, bindgrid, files, monkeypatch):
    monkeypatch.setattr(Trainings, "sized_for", lambda own, _: own.with_epochs(individual=1))
    monkeypatch.setattr(motifs, "IMPORTANCE_REGIONS", 10)
    quick = ("--backend", "local", "--precision", "float32", "--replicates", "1")
    code, out, err = add("SPI1", *FILES, *quick)
    assert code == 0, err
    card = json.loads((files / "w" / "report" / "tf" / "SPI1.json").read_text())["numbers"]
    assert (card["unbound"], card["base"]["known_as"]) == ("genome", "SPI1")
    words = " ".join(out.split())
    assert "tiny-base was trained on SPI1 itself" in words
    assert "whether it has seen regions like the test regions cannot be known" in words
    assert "test regions seen in pre-training: not known" in words
    assert "its unbound regions are from all of the genome" in words
    assert card["sites"] == "none"
    assert "by peaks alone" in words
    assert f"run {card['start_key']}" not in words
    code, _, err = bindgrid("tf", "train", "SPI1", *quick, "-w", files / "w")
    assert code == 0, err
    runs = [line for line in err.splitlines() if "complete already" in line]
    num = runs[0].split()[0]
    assert runs[0] == f"{num} runs, {num} complete already"
    code, out, err = bindgrid("tf", "suggest", "SPI1", "-w", files / "w")
    assert code == 0, err
    assert "it was trained on SPI1" in " ".join(out.split())
