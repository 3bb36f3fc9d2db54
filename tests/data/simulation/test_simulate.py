"""The simulation: the same bytes for a seed, and what is planted is what a build finds."""

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from data.errors import DataError
from data.motifs.database import jaspar_motifs
from data.motifs.motif import Motif, sample_instances
from data.motifs.scan import best_hits
from data.packing import encode, unpack
from data.schema import Evidence
from data.simulation.simulate import DEFAULT_TFS, SimulatedTF, SimulationConfig, simulate
from data.sources.build import build_dataset

SMALL = SimulationConfig(num_regions=1200)
NAMES = {
    "dhs.bed.gz",
    "experiments.tsv",
    "genome.fa",
    "genome.fa.fai",
    "remap_peaks.bed.gz",
    "samples.tsv",
    "unibind_tfbs.bed.gz",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Source files of the small simulation, and the dataset built from them."""
    folder = tmp_path_factory.mktemp("simulated")
    sources = simulate(folder / "sources", SMALL)
    return sources, build_dataset(sources, folder / "dataset")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def genome(path: Path) -> dict[str, str]:
    records = path.read_text().split(">")[1:]
    return {record.split("\n")[0]: "".join(record.split("\n")[1:]).upper() for record in records}


def test_same_seed_same_bytes_another_seed_others(small, tmp_path):
    simulate(tmp_path / "again", SMALL)
    simulate(tmp_path / "other", dataclasses.replace(SMALL, seed=1))
    again, other = contents(tmp_path / "again"), contents(tmp_path / "other")
    assert set(again) == NAMES
    first = contents(small[0].dhs.parent)
    assert again == {name: first[name] for name in NAMES}
    differing = {name for name in NAMES if again[name] != other[name]}
    assert differing == NAMES - {"experiments.tsv", "samples.tsv"}


def test_every_site_is_a_hit_of_its_motif(small):
    sources, _ = small
    chromosomes = genome(sources.genome)
    complement = str.maketrans("ACGT", "TGCA")
    scores: dict[str, list[float]] = {}
    for chrom, start, end, name, _, strand in rows(sources.sites):
        tf = name.split(".")[2]
        motif = jaspar_motifs()[tf][0]
        sequence = chromosomes[chrom][int(start) : int(end)]
        assert len(sequence) == motif.length_bp
        if "N" in sequence:
            continue
        if strand == "-":
            sequence = sequence.translate(complement)[::-1]
        codes = encode(np.frombuffer(sequence.encode(), dtype=np.uint8))
        score = (
            motif.log_odds[codes, np.arange(motif.length_bp)].sum()
            / motif.log_odds.max(axis=0).sum()
        )
        scores.setdefault(tf, []).append(float(score))
    assert set(scores) == {tf.name for tf in SMALL.tfs}
    # the best of 200 random positions reaches about half of the consensus' score
    assert min(min(found) for found in scores.values()) > 0.4
    assert min(np.median(found) for found in scores.values()) > 0.7


def test_the_build_finds_all_states_and_the_numbers_asked_for(small):
    _, dataset = small
    for tf in SMALL.tfs:
        summary = dataset.summary(tf.name)
        asked = round(tf.bound_fraction * SMALL.num_regions)
        # neighbours that overlap share a site now and then
        assert asked <= summary.count(Evidence.BOUND) <= asked + 5
        if asked > 10:
            assert all(summary.counts)


def test_default_sizes():
    bound = {tf.name: round(tf.bound_fraction * 12_000) for tf in DEFAULT_TFS}
    assert min(bound.values()) == 50
    assert max(bound.values()) == 1800
    assert 12 <= len(bound) <= 16


def test_half_of_the_regions_are_resolved_for_the_well_studied(small):
    _, dataset = small
    resolved = sorted(dataset.summaries(), key=lambda summary: -summary.num_resolved)
    tfs = [summary.tf for summary in resolved[:8]]
    assert set(tfs) == {tf.name for tf in SMALL.tfs if len(tf.biosamples) == 3}
    jointly = (dataset.evidence(tfs) > 0).all(axis=1).mean()
    assert 0.4 < jointly < 0.6


def test_cofactors_share_regions_more_often_than_by_chance(small):
    _, dataset = small
    for tf in SMALL.tfs:
        if tf.cofactor:
            codes = dataset.evidence([tf.name, tf.cofactor])
            codes = codes[(codes > 0).all(axis=1)] == Evidence.BOUND
            assert codes.all(axis=1).mean() > 1.25 * codes.mean(axis=0).prod()


def test_binding_goes_with_gc(small):
    _, dataset = small
    gc = dataset.regions().gc
    codes = dataset.evidence(["SP1", "GATA1"])
    mean_gc = [gc[codes[:, i] == Evidence.BOUND].mean() for i in (0, 1)]
    assert mean_gc[0] > mean_gc[1] + 0.05
    assert gc.std() > 0.07


def test_n_and_duplicates_are_there_and_counted(small):
    sources, dataset = small
    dropped = dataset.manifest.dropped
    assert sum(count for reason, count in dropped.items() if "with N" in reason) >= 1
    assert dropped["DHSs: duplicates"] == SMALL.num_duplicates
    assert dropped["peaks: duplicates"] >= SMALL.num_duplicates
    assert dropped["sites: duplicates"] >= SMALL.num_duplicates
    assert dataset.num_regions == SMALL.num_regions
    assert len(rows(sources.dhs)) == SMALL.num_regions + SMALL.num_duplicates


def test_formats_of_the_real_data(small):
    sources, dataset = small
    assert all(len(row) == 7 and row[6].endswith(",") for row in rows(sources.dhs))
    peaks = rows(sources.peaks)
    assert all(len(row) == 9 and int(row[7]) == int(row[6]) + 1 for row in peaks)
    assert all(int(row[1]) <= int(row[6]) < int(row[2]) for row in peaks)
    assert all(len(row) == 6 for row in rows(sources.sites))
    assert sources.samples.read_text().endswith("99\tunmatched\t\n")
    assert any(row[6] == "99," for row in rows(sources.dhs))
    assert set(dataset.regions().chroms) == set(SMALL.chromosomes)
    header = gzip.compress(b"", mtime=0)[:4]
    for path in (sources.dhs, sources.peaks, sources.sites):
        assert path.read_bytes()[:8] == header + bytes(4)


def test_index_of_the_genome(small):
    sources, _ = small
    text = sources.genome.read_bytes()
    chromosomes = genome(sources.genome)
    for line in Path(f"{sources.genome}.fai").read_text().splitlines():
        name, *numbers = line.split("\t")
        length, offset, line_bp, line_bytes = map(int, numbers)
        assert len(chromosomes[name]) == length
        assert (line_bp, line_bytes) == (60, 61)
        for position in (0, 59, 60, length - 1):
            byte = text[offset + position // 60 * 61 + position % 60 :][:1]
            assert byte.decode().upper() == chromosomes[name][position]


def test_an_occupied_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="is not empty; name another folder, or pass --replace"):
        simulate(tmp_path, SMALL)
    assert set(contents(tmp_path)) == {"mine.txt"}
    simulate(tmp_path, SMALL, replace=True)
    assert set(contents(tmp_path)) == NAMES | {"mine.txt"}
    with pytest.raises(DataError, match="is a file"):
        simulate(tmp_path / "mine.txt", SMALL)


def tf_of(**changes: object) -> tuple[SimulatedTF, ...]:
    return (dataclasses.replace(DEFAULT_TFS[0], **changes),)  # type: ignore[arg-type]


def test_more_binding_than_open_regions(tmp_path):
    config = dataclasses.replace(SMALL, tfs=tf_of(bound_fraction=0.95))
    with pytest.raises(DataError, match=r"JUND: 1140 bound .* lower its bound_fraction"):
        simulate(tmp_path / "new", config)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": -1}, "seed"),
        ({"num_regions": 10}, "num_regions must be at least 400"),
        ({"decoy_fraction": 1.5}, "decoy_fraction must lie between 0 and 1"),
        ({"sharpness": 0}, "positive"),
        ({"tfs": ()}, "at least one"),
        ({"tfs": DEFAULT_TFS[:1] * 2}, "named twice"),
        ({"tfs": tf_of(name="NOSUCH")}, "NOSUCH has no motif"),
        ({"tfs": tf_of(biosamples=(4,))}, "biosamples go from 0 to 3"),
        ({"tfs": tf_of(cofactor="SPI1")}, "no earlier TF"),
    ],
)
def test_a_config_says_what_is_wrong(changes, reason):
    with pytest.raises(ValueError, match=reason):
        dataclasses.replace(SMALL, **changes)


def by_hand(sequence: str) -> Motif:
    """A motif that all but knows its sequence."""
    probabilities = np.full((4, len(sequence)), 0.01)
    probabilities[["ACGT".index(base) for base in sequence], np.arange(len(sequence))] = 0.97
    return Motif("HAND", "MA0000.0", probabilities)


@pytest.mark.parametrize("motif", ["GATTACA", "CCATAA", "GATTACAGATTACA"])
def test_best_hits_on_both_strands(motif):
    reverse = motif.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    sequences = ["C" * 5 + motif + "C" * 9, "C" * 14 + motif, reverse + "C" * 14]
    codes = np.array(["ACGT".index(base) for base in "".join(sequences)], dtype=np.uint8)
    hits = best_hits(codes.reshape(3, -1), by_hand(motif))
    assert hits.start.tolist() == [5, 14, 0]
    assert hits.reverse.tolist() == [False, False, True]
    assert np.allclose(hits.score, by_hand(motif).log_odds.max(axis=0).sum())


def test_best_hits_equal_a_scan_position_by_position():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (5, 60), dtype=np.uint8)
    motif = jaspar_motifs()["SPI1"][0]  # 20 bp: three full k-mers and a rest
    hits = best_hits(codes, motif)
    for i, sequence in enumerate(codes):
        windows = np.lib.stride_tricks.sliding_window_view(sequence, motif.length_bp)
        both = [
            table[windows, np.arange(motif.length_bp)].sum(axis=1)
            for table in (motif.log_odds, motif.log_odds[::-1, ::-1])
        ]
        assert hits.score[i] == pytest.approx(np.max(both), abs=1e-4)
        assert both[int(hits.reverse[i])][hits.start[i]] == pytest.approx(np.max(both), abs=1e-4)


def test_best_hits_refuses_short_and_unknown():
    with pytest.raises(ValueError, match="shorter"):
        best_hits(np.zeros((1, 5), dtype=np.uint8), by_hand("GATTACA"))
    with pytest.raises(ValueError, match="codes 0 to 4"):
        best_hits(np.full((1, 9), 5, dtype=np.uint8), by_hand("GATTACA"))


def test_sampled_instances_follow_the_motif():
    motif = Motif("HAND", "MA0000.0", np.array([[0.5, 1.0], [0.25, 0], [0.25, 0], [0, 0]]))
    codes = sample_instances(motif, 20_000, 1, np.random.default_rng(0))
    assert np.bincount(codes[:, 0], minlength=4) / 20_000 == pytest.approx(
        [0.5, 0.25, 0.25, 0], abs=0.02
    )
    assert not codes[:, 1].any()
    sharp = sample_instances(motif, 20_000, 2, np.random.default_rng(0))
    assert (sharp[:, 0] == 0).mean() == pytest.approx(4 / 6, abs=0.02)


def test_jaspar_names():
    motifs = jaspar_motifs()
    assert motifs["JUND"][0].matrix_id == "MA0491.2"  # not MA0492.1, which is JUND(var.2)
    assert "MA0492.1" in {motif.matrix_id for motif in motifs["JUND"]}
    assert motifs["RXRA"][0].matrix_id == "MA0512.2"  # Rxra
    assert all(name == name.upper() and "(" not in name and ":" not in name for name in motifs)
    assert np.allclose(motifs["SPI1"][0].probabilities.sum(axis=0), 1)


def test_regions_hold_their_sites(small):
    """The best hit that a build's packed sequences give is where the sites are."""
    sources, dataset = small
    regions = dataset.regions()
    bound = np.flatnonzero(dataset.evidence(["JUND"])[:, 0] == Evidence.BOUND)
    hits = best_hits(unpack(regions.sequences[bound]), jaspar_motifs()["JUND"][0])
    sites = {(row[0], int(row[1])) for row in rows(sources.sites) if row[3].endswith("JUND")}
    found = [
        (regions.chroms[regions.chrom[i]], int(regions.start[i] + start)) in sites
        for i, start in zip(bound, hits.start, strict=True)
    ]
    assert np.mean(found) > 0.97  # but for neighbours that overlap
