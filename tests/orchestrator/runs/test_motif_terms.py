"""Runs whose regions choose the motifs of their terms."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Sampling
from data.dataset.store import write_dataset
from data.errors import DataError
from data.motifs.database import Jaspar, jaspar_matrices, jaspar_motifs
from data.motifs.files import read_motifs
from data.motifs.pwm import consensus
from data.schema import Evidence
from model.checkpoint import load, load_config
from model.gapped_kmers import MAX_SPAN
from model.network_config import NetworkConfig
from model.prediction import predict
from model.training.loop import TrainingConfig
from orchestrator.backends.local import run_plan
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.report.calls import read_predictions
from orchestrator.role import RunRole
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.motif_terms import (
    MANY_MOTIFS_FILE,
    TERMS_FILE,
    TERMS_MEME_FILE,
    motif_library,
    read_many_motifs,
    read_terms,
)
from orchestrator.runs.store import RunStore
from orchestrator.spec import MotifChoice, RegionSpec, RunSpec
from orchestrator.verdict.arms import TRANSFER
from orchestrator.verdict.judged import Judged
from orchestrator.verdict.verdict import _motifs
from orchestrator.workspace import Workspace

NUM = 600
SMALL = NetworkConfig(num_tfs=1, conv_filters=(8, 8, 8), dense_units=(16, 16))
PROBE = TrainingConfig(lr=0.001, max_epochs=0, probe=0.001)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A dataset in which the regions of NOBODY, a TF without a motif, hold SPI1's."""
    workspace = Workspace(tmp_path_factory.mktemp("terms") / "workspace")
    rng = np.random.default_rng(2)
    bases = rng.integers(0, 4, (NUM, 200)).astype(np.uint8)
    consensus = jaspar_motifs()["SPI1"][0].probabilities.argmax(axis=0)
    bases[: NUM // 2, 90 : 90 + len(consensus)] = consensus
    order = rng.permutation(NUM)
    codes = np.full(NUM, Evidence.UNBOUND, dtype=np.uint8)
    codes[: NUM // 2] = Evidence.BOUND
    write_dataset(
        workspace.dataset,
        regions=RegionTable.from_bases(
            np.array(["chr1"] * NUM, dtype=object),
            np.arange(NUM, dtype=np.int32) * 300,
            bases[order],
        ),
        evidence={"NOBODY": codes[order], "SPI1": codes[order]},
        accessibility=None,
    )
    return workspace


def planned(place: Workspace, choice: MotifChoice, tf: str = "SPI1") -> PlannedRun:
    regions = RegionSpec(
        tfs=(tf,),
        view="sparse",
        sampling=Sampling(num_bound=60, max_test_per_class=50),
        dataset=load_dataset(place).dataset.fingerprint([tf]),
    )
    spec = RunSpec(regions=regions, network=SMALL, training=PROBE, seed=0, motif=choice.value)
    return PlannedRun(spec=spec, role=RunRole(experiment="t", arm="transfer", tf=tf, replicate=1))


@pytest.mark.slow
def test_a_run_stores_the_motifs_that_its_regions_chose_with_the_network_that_has_them(
    place: Workspace,
) -> None:
    run = planned(place, MotifChoice.AUTO, "NOBODY")
    outcomes: list[RunOutcome] = []
    run_plan(Plan([run]), place, on_done=outcomes.append)
    assert [one.error for one in outcomes] == [None]
    stored = RunStore(place).open(run.key)
    first, *_ = terms = read_terms(stored.path)
    assert first.kind == "enriched"  # SPI1's or a relative's profile, and not "its motif"
    assert "SPI1" in first.name.upper() or first.auroc > 0.9
    assert first.loss < first.loss_before
    assert first.weight > 0
    motifs = read_motifs(stored.path / TERMS_MEME_FILE)
    assert [one.matrix_id for one in motifs] == [one.motif for one in terms]
    assert load_config(stored.path).motif_widths == tuple(one.length_bp for one in motifs)
    assert stored.metrics.mcc > 0.8
    assert json.loads((stored.path / TERMS_FILE).read_text())[0]["motif"] == first.motif

    # a card shows these, and not what JASPAR has by the TF's name
    judged = Judged(
        tf="NOBODY",
        loaded=load_dataset(place),
        planned={TRANSFER: [run]},
        runs={TRANSFER: [stored]},
        predicted={},
        calibrated=(),
    )
    shown = _motifs(judged, None, None)
    assert [one.consensus for one in shown] == [
        consensus(np.round(one.probabilities, 4)) for one in motifs
    ]
    assert shown[0].title.startswith(f"{first.motif} {first.name}, most enriched in its peaks")


@pytest.mark.slow
def test_a_run_stores_the_term_of_many_motifs_and_says_which_weigh_most(place: Workspace) -> None:
    usual = planned(place, MotifChoice.AUTO, "NOBODY")
    run = replace(usual, spec=replace(usual.spec, many_motifs=True))
    assert run.key != usual.key
    outcomes: list[RunOutcome] = []
    run_plan(Plan([run]), place, on_done=outcomes.append)
    assert [one.error for one in outcomes] == [None]
    stored = RunStore(place).open(run.key)
    record = read_many_motifs(stored.path)
    assert record is not None
    assert record.num_motifs == sum(load_config(stored.path).many_motif_counts) == 100
    assert min(record.network_weight, record.motifs_weight) >= 0
    assert len(record.strongest) == 20
    sizes = [abs(one.importance) for one in record.strongest]
    assert sizes == sorted(sizes, reverse=True)
    assert all(one.name for one in record.strongest)
    assert stored.metrics.mcc > 0.8
    probabilities = read_predictions(stored).probability
    regions = load_dataset(place).regions.sequences[read_predictions(stored).region_ids]
    np.testing.assert_allclose(predict(load(stored.path), regions)[:, 0], probabilities, atol=1e-5)

    assert record.kmers_weight is None
    assert "kmers_weight" not in (stored.path / MANY_MOTIFS_FILE).read_text()

    beside = replace(run, spec=replace(run.spec, gapped_kmers=True))
    assert beside.key != run.key
    run_plan(Plan([beside]), place, on_done=outcomes.append)
    assert [one.error for one in outcomes] == [None, None]
    with_kmers = RunStore(place).open(beside.key)
    record = read_many_motifs(with_kmers.path)
    assert record is not None
    assert record.kmers_weight is not None
    assert record.kmers_weight >= 0
    assert load_config(with_kmers.path).kmer_span == MAX_SPAN
    probabilities = read_predictions(with_kmers).probability
    np.testing.assert_allclose(
        predict(load(with_kmers.path), regions)[:, 0], probabilities, atol=1e-5
    )

    (stored.path / MANY_MOTIFS_FILE).write_text("{}")
    with pytest.raises(RunError, match=r"many_motifs.json: damaged"):
        read_many_motifs(stored.path)


def test_many_motifs_are_a_term_where_regions_choose_and_no_layer_is_trained(
    place: Workspace,
) -> None:
    spec = planned(place, MotifChoice.AUTO).spec
    for wrong in ({"motif": ""}, {"training": TrainingConfig(lr=0.001, max_epochs=1, probe=0.001)}):
        with pytest.raises(ValueError, match="many motifs are a term"):
            replace(spec, many_motifs=True, **wrong)
    with pytest.raises(ValueError, match="gapped k-mers are a term beside many motifs"):
        replace(spec, gapped_kmers=True)


def test_a_damaged_record_of_chosen_motifs_is_named(tmp_path: Path) -> None:
    assert read_terms(tmp_path) == ()
    (tmp_path / TERMS_FILE).write_text("[{}]")
    with pytest.raises(RunError, match=r"motifs.json: damaged"):
        read_terms(tmp_path)


def test_hidden_motifs_are_in_no_library(place: Workspace) -> None:
    dataset = load_dataset(place).dataset
    tfs_of = {motif.matrix_id: motif.tfs for motif in jaspar_matrices()}

    def names(choice: MotifChoice) -> tuple[set[str], set[str]]:
        library = motif_library(planned(place, choice).spec, dataset)
        assert library is not None
        others = {tf for one in library.others for tf in tfs_of[one.name]}
        return {tf for one in library.own for tf in tfs_of[one.name]}, others

    own, others = names(MotifChoice.AUTO)
    assert "SPI1" in own
    assert "SPI1" not in others
    assert "ETV4" in others
    own, others = names(MotifChoice.OWN_HIDDEN)
    assert own == set()
    assert "ETV4" in others
    own, others = names(MotifChoice.SIMILAR_HIDDEN)
    assert own == set()
    assert not {"SPI1", "ETV4", "ERG"} & others
    assert {"MAX", "JUND"} <= others


def test_motifs_are_chosen_from_the_part_of_jaspar_that_goes_with_the_dataset(
    place: Workspace,
) -> None:
    dataset = load_dataset(place).dataset
    plants = Jaspar(year="2022", taxon="plants")
    papers = planned(place, MotifChoice.AUTO).spec
    spec = replace(papers, jaspar=plants.recorded)
    library = motif_library(spec, dataset)
    assert library is not None
    assert library.own == ()  # of SPI1, which plants lack
    known = {motif.matrix_id for motif in jaspar_matrices(plants)}
    assert {one.name for one in library.others} == known
    assert replace(spec, jaspar="").key == papers.key != spec.key
    assert motif_library(replace(papers, motif="", jaspar=""), dataset) is None
    with pytest.raises(ValueError, match="a part of JASPAR is named where"):
        replace(papers, motif="", jaspar=plants.recorded)
    with pytest.raises(DataError, match="of vertebrates and not of plants"):
        motif_library(replace(spec, motif=MotifChoice.SIMILAR_HIDDEN.value), dataset)


def test_a_choice_of_motifs_is_part_of_the_key_and_needs_a_training(place: Workspace) -> None:
    spec = planned(place, MotifChoice.AUTO).spec
    keys = {replace(spec, motif=choice.value).key for choice in MotifChoice}
    assert len(keys) == 3
    assert replace(spec, motif="").key not in keys
    with pytest.raises(ValueError, match="motifs are chosen by a training"):
        replace(spec, training=None)
    with pytest.raises(ValueError, match="motifs are chosen by a training"):
        replace(spec, network=replace(SMALL, motif_width=10))
