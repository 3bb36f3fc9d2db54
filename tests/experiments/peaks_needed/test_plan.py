"""How many peaks a model needs: the plan of all arms, and the motif alone as one of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part, Sampling
from data.dataset.store import write_dataset
from data.errors import DataError
from data.motifs.database import DEFAULT
from data.motifs.scan import best_hits
from data.packing import pack, unpack
from data.relations.binding_modes import BindingModes
from data.schema import Evidence
from experiments.peaks_needed.plan import (
    LABELS,
    choose_targets,
    peaks_needed,
)
from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.study.trainings import FEW_BOUND, MANY_BOUND, PROBE_STRENGTH, ModelKind, Trainings
from model.training.loop import TrainingConfig
from orchestrator.backends.local import run_plan
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun
from orchestrator.role import RIVALS, RunVariant, SetKind
from orchestrator.role_names import group_name, set_name
from orchestrator.runs import ls_gkm
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.motif_baseline import (
    best_cut,
    motif_named,
    motif_of,
    motif_probabilities,
)
from orchestrator.runs.store import RunStore
from orchestrator.spec import Rival
from orchestrator.workspace import Workspace

NUM_REGIONS = 3000
MODE_OF = {"SPI1": "ets", "ELF1": "ets", "JUND": "ap1", "FOS": "ap1", "MAX": "ebox", "MYC": "ebox"}
NUM_BOUND = {
    "SPI1": 800,
    "ELF1": 900,
    "JUND": 700,
    "FOS": 600,
    "MAX": 500,
    "MYC": 400,
    "YY1": 300,
    "QQQ": 200,
    "RARE": 50,
}
MODES = BindingModes(
    modes_of_tf={tf: frozenset({mode}) for tf, mode in MODE_OF.items()}, source=Path("modes.tsv")
)
STUDY = Study(
    pretrain_tfs=2,
    modes=MODES,
    sampling=Sampling(held_back=0.4),
    scale=Scale(
        target_replicates=1,
        peak_sizes=(25, 100, 400),
    ),
    trainings=Trainings().with_epochs(multi=1, individual=1),
)


def write(path: Path) -> None:
    """SPI1's regions hold its motif, and those of ELF1 as well."""
    rng = np.random.default_rng(2)
    bases = rng.integers(0, 4, (NUM_REGIONS, 200)).astype(np.uint8)
    consensus = motif_of("SPI1", DEFAULT).probabilities.argmax(axis=0)
    bases[:800, 90 : 90 + len(consensus)] = consensus
    order = rng.permutation(NUM_REGIONS)
    evidence = {}
    for tf, num in NUM_BOUND.items():
        codes = np.full(NUM_REGIONS, Evidence.UNBOUND, dtype=np.uint8)
        codes[:num] = Evidence.BOUND
        codes[rng.random(NUM_REGIONS) < 0.1] = Evidence.UNMATCHED
        evidence[tf] = codes[order]
    write_dataset(
        path,
        regions=RegionTable.from_bases(
            np.array([f"chr{1 + 5 * i // NUM_REGIONS}" for i in range(NUM_REGIONS)], dtype=object),
            np.arange(NUM_REGIONS, dtype=np.int32) * 300,
            bases[order],
        ),
        evidence=evidence,
        accessibility=None,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("peaks") / "workspace")
    write(workspace.dataset)
    return workspace


@pytest.fixture
def loaded(place: Workspace) -> LoadedDataset:
    return load_dataset(place)


def multi_models(runs: tuple[PlannedRun, ...]) -> list[PlannedRun]:
    return [run for run in runs if run.arm == "multi" and run.spec.training is not None]


def test_targets_are_the_papers_and_the_largest_of_other_modes(loaded: LoadedDataset) -> None:
    assert choose_targets(loaded, STUDY) == ("SPI1", "JUND", "MAX")
    fewer = BindingModes(modes_of_tf={"FOS": frozenset({"a"})}, source=MODES.source)
    assert choose_targets(loaded, replace(STUDY, modes=fewer)) == ("FOS",)
    none = BindingModes(modes_of_tf={}, source=MODES.source)
    with pytest.raises(RunError, match=r"no TF of .* has a known binding mode"):
        choose_targets(loaded, replace(STUDY, modes=none))
    with pytest.raises(DataError, match="no TF named 'SPI'"):
        choose_targets(loaded, replace(STUDY, tfs=("SPI",)))


def test_no_multi_model_knows_a_target_and_the_hard_one_no_mode_of_it(
    loaded: LoadedDataset,
) -> None:
    planned = peaks_needed(loaded, replace(STUDY, tfs=("SPI1", "JUND")))
    found = {
        (run.role.set_kind, run.role.target): set(run.spec.regions.tfs)
        for run in multi_models(planned.runs)
    }
    every = {"ELF1", "FOS", "MAX", "MYC", "YY1", "QQQ"}  # RARE has too few bound regions
    assert found[SetKind.COMPLETE, ""] < every
    assert found[SetKind.MASKED, ""] == every
    assert found[SetKind.MASKED_APART, "SPI1"] == every - {"ELF1"}
    assert found[SetKind.MASKED_APART, "JUND"] == every - {"FOS"}
    together = replace(STUDY, tfs=("SPI1", "JUND"), scale=replace(STUDY.scale, mode_models=1))
    [hard] = [
        run
        for run in multi_models(peaks_needed(loaded, together).runs)
        if run.role.set_kind is SetKind.MASKED_APART
    ]
    assert set(hard.spec.regions.tfs) == every - {"ELF1", "FOS"}


@pytest.mark.parametrize("split", ["random", "chromosome"])
def test_all_arms_of_a_size_have_the_same_regions_that_no_multi_model_learnt_from(
    loaded: LoadedDataset, split: str
) -> None:
    study = replace(STUDY, tfs=("SPI1",))
    if split == "chromosome":
        by_chrom = Sampling(split="chromosome", val_chroms=("chr2",), test_chroms=("chr4",))
        study = replace(study, sampling=by_chrom)
    runs = peaks_needed(loaded, study).runs
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        if run.tf:
            groups.setdefault(group_name(run.role), []).append(run)
    suffix = ", by chromosome" if split == "chromosome" else ""
    if split == "chromosome":
        assert list(groups) == [f"{num} bound{suffix}" for num in (25, 100, 400)]
    else:  # two fifths of 720 are held back
        assert list(groups) == ["25 bound", "100 bound"]
    for members in groups.values():
        assert [(run.arm, set_name(run.role)) for run in members] == [
            ("scratch", ""),
            ("motif", ""),
            ("all-motifs", ""),
            ("gkm-svm", ""),
            ("k-mers", ""),
            ("transfer", LABELS[SetKind.COMPLETE]),
            ("transfer", LABELS[SetKind.MASKED]),
            ("transfer", f"{LABELS[SetKind.MASKED]}, with the motif"),
            ("transfer", LABELS[SetKind.MASKED_APART]),
        ]
        with_motif = [run for run in members if run.spec.motif]
        assert [members.index(run) for run in with_motif] == [1, 7]
        assert len({run.spec.regions for run in members}) == 1
        own = loaded.select(members[0].spec.regions)
        for run in members[5:]:
            assert run.spec.start_run is not None
            seen = loaded.select(run.spec.start_run.regions).seen_in_training()
            assert not np.intersect1d(own.region_ids[own.rows(Part.TEST)], seen).size
            if split == "random":
                assert not np.intersect1d(own.region_ids, seen).size


def test_few_regions_get_as_many_steps_and_no_choice_of_epochs(loaded: LoadedDataset) -> None:
    by_chrom = Sampling(split="chromosome", val_chroms=("chr2",), test_chroms=("chr4",))
    runs = peaks_needed(loaded, replace(STUDY, tfs=("SPI1",), sampling=by_chrom)).runs
    by_arm = [run for run in runs if run.tf]
    keeps = {
        group_name(run.role): run.spec.training.keep
        for run in by_arm
        if run.arm == "scratch" and run.spec.training
    }
    assert list(keeps.values()) == ["last", "last", "best"]
    # one batch of both strands of 42 regions an epoch
    small = next(run.spec.training for run in runs if run.tf)
    assert small is not None
    assert small.num_epochs(1) == 160
    # from masked multi-models, of few regions only the output layer is fitted
    all_bound = loaded.dataset.summary("SPI1").count(Evidence.BOUND)
    masked = [
        (run.spec.regions.sampling.num_bound or all_bound, run.spec.training)
        for run in by_arm
        if run.role.set_kind in (SetKind.MASKED, SetKind.MASKED_APART) and run.spec.training
    ]
    assert {num_bound <= FEW_BOUND for num_bound, _ in masked} == {True, False}
    for num_bound, training in masked:
        assert (training.max_epochs == 0) is (num_bound <= FEW_BOUND)
    masked_kind = ModelKind.MASKED_TRANSFER
    more = Trainings().sized_for(FEW_BOUND + 1).training_for(masked_kind, FEW_BOUND + 1)
    assert more.probe == PROBE_STRENGTH and more.num_epochs(1) == 300
    # many regions decide all layers, as the paper has it
    assert Trainings().training_for(masked_kind, MANY_BOUND + 1) == Trainings().transfer
    own = TrainingConfig(lr=0.01)
    assert Trainings(masked_transfer=own).training_for(masked_kind, FEW_BOUND) == own


def test_where_regions_choose_motifs_there_are_arms_that_hide_what_is_known(
    loaded: LoadedDataset,
) -> None:
    study = replace(STUDY, tfs=("SPI1",), scale=replace(STUDY.scale, peak_sizes=(25,)))
    usual = {run.key for run in peaks_needed(loaded, study).runs}
    runs = peaks_needed(loaded, replace(study, chosen_motifs=True)).runs
    added = [run for run in runs if run.key not in usual]
    assert {run.role.variant: run.spec.motif for run in added} == {
        RunVariant.CHOSEN_MOTIFS: "auto",
        RunVariant.OWN_HIDDEN: "auto-own-hidden",
        RunVariant.SIMILAR_HIDDEN: "auto-similar-hidden",
    }
    assert {run.role.set_kind for run in added} == {SetKind.MASKED}
    regions = {run.spec.regions for run in runs if run.role.size is not None}
    assert {run.spec.regions for run in added} == regions
    names = {set_name(run.role) for run in runs if run.arm == "transfer"}
    assert len(names) == 7  # of which six have a multi-model of all TFs or of others modes


def test_many_motifs_are_an_arm_where_the_output_layer_alone_is_fitted(
    loaded: LoadedDataset,
) -> None:
    study = replace(
        STUDY, tfs=("SPI1",), scale=replace(STUDY.scale, peak_sizes=(25,)), chosen_motifs=True
    )
    usual = {run.key for run in peaks_needed(loaded, study).runs}
    more = replace(study, many_motifs=True)
    [added] = [run for run in peaks_needed(loaded, more).runs if run.key not in usual]
    assert (added.role.variant, added.spec.motif) == (RunVariant.MANY_MOTIFS, "auto")
    assert added.spec.many_motifs
    assert set_name(added.role).endswith("with chosen and many motifs")
    keys = {run.key for run in peaks_needed(loaded, more).runs}
    [last] = [
        run
        for run in peaks_needed(loaded, replace(more, gapped_kmers=True)).runs
        if run.key not in keys
    ]
    assert last.role.variant is RunVariant.GAPPED_KMERS
    assert last.spec == replace(added.spec, gapped_kmers=True)
    assert set_name(last.role).endswith("with motifs and gapped k-mers")
    fine_tuned = replace(
        more, trainings=replace(more.trainings, by_size=False, masked_transfer=TrainingConfig(lr=1))
    )
    planned = peaks_needed(loaded, fine_tuned)
    assert not any(run.spec.many_motifs for run in planned.runs)
    assert any("left out many motifs of SPI1" in remark.text for remark in planned.remarks)
    with pytest.raises(ValueError, match="choose motifs"):
        replace(study, many_motifs=True, chosen_motifs=False)


def test_multi_models_are_scored_on_the_same_regions(loaded: LoadedDataset) -> None:
    runs = peaks_needed(loaded, replace(STUDY, tfs=("SPI1",))).runs
    complete, masked, hard = multi_models(runs)
    scored = [run for run in runs if run.arm == "multi" and run.spec.training is None]
    assert set(complete.spec.regions.tfs) <= set(hard.spec.regions.tfs)
    assert [run.spec.start for run in scored] == [masked.spec, hard.spec]
    assert {run.spec.regions for run in scored} == {complete.spec.regions}
    on = [run.role.tested_on for run in (scored[0], complete, masked, hard)]
    assert on == ["complete", "complete", "resolved", "resolved"]
    every = replace(STUDY, tfs=("SPI1",), pretrain_tfs=7)  # ELF1 is one of them
    runs = peaks_needed(loaded, every).runs
    _, masked, _ = multi_models(runs)
    scored = [run for run in runs if run.arm == "multi" and run.spec.training is None]
    assert [run.spec.start for run in scored] == [masked.spec]


def test_what_is_left_out_is_told_and_what_was_asked_for_raises(loaded: LoadedDataset) -> None:
    planned = peaks_needed(loaded, replace(STUDY, tfs=("QQQ", "MAX")))
    assert any("left out QQQ with 100 bound: QQQ has" in line.text for line in planned.remarks)
    assert any(
        "left out the motif of QQQ: JASPAR2020 CORE vertebrates has no" in line.text
        for line in planned.remarks
    )
    with pytest.raises(DataError, match=r"RARE has \d+ bound regions in the 0.4"):
        peaks_needed(loaded, replace(STUDY, tfs=("RARE",)))


def test_rivals_are_arms_and_the_one_that_the_dataset_does_not_allow_is_told(
    loaded: LoadedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(RIVALS) == {rival.value for rival in Rival}
    study = replace(STUDY, tfs=("SPI1",), scale=replace(STUDY.scale, peak_sizes=(25,)))
    planned = peaks_needed(loaded, study)
    assert any(
        "left out the rival openness: the dataset says" in one.text for one in planned.remarks
    )
    monkeypatch.setattr(ls_gkm, "has_ls_gkm", lambda: True)
    arms = {run.arm for run in peaks_needed(loaded, study).runs}
    assert "ls-gkm" in arms
    assert "gkm-svm" not in arms


@pytest.mark.slow
def test_rivals_are_run_and_stored_as_any_run(place: Workspace) -> None:
    loaded = load_dataset(place)
    runs = peaks_needed(loaded, replace(STUDY, tfs=("SPI1",))).runs
    own = [run for run in runs if run.arm in RIVALS and group_name(run.role) == "100 bound"]
    ended: list[str] = []
    run_plan(Plan(own), place, on_done=lambda outcome: ended.append(outcome.status))
    assert ended == ["completed"] * 3
    for run in own:
        stored = RunStore(place).open(run.key)
        assert stored.planned == run
        assert not (stored.path / "weights.safetensors").exists()
        # nearly all bound regions hold the consensus, and hardly any other one
        assert stored.metrics.mcc > 0.7, run.arm


def test_the_motif_alone_is_run_and_stored_as_any_run(place: Workspace) -> None:
    loaded = load_dataset(place)
    runs = peaks_needed(loaded, replace(STUDY, tfs=("SPI1",))).runs
    motifs = [run for run in runs if run.arm == "motif"]
    ended: list[str] = []
    run_plan(Plan(motifs), place, on_done=lambda outcome: ended.append(outcome.status))
    assert ended == ["completed", "completed"]
    stored = RunStore(place).open(motifs[0].key)
    assert stored.planned == motifs[0]
    assert not (stored.path / "weights.safetensors").exists()
    # nearly all bound regions hold the consensus, and hardly any other one
    assert stored.metrics.mcc > 0.9


def test_a_motifs_threshold_is_learnt_and_its_probability_rises_with_its_score(
    loaded: LoadedDataset,
) -> None:
    run = next(run for run in peaks_needed(loaded, STUDY).runs if run.arm == "motif")
    selection = loaded.select(run.spec.regions)
    probabilities = motif_probabilities(
        motif_named(run.spec.motif, loaded.dataset, run.tf), loaded.regions, selection
    )
    test = selection.rows(Part.TEST)
    assert probabilities.shape == (len(test), 1)
    codes = unpack(loaded.regions.sequences[selection.region_ids])
    scores = best_hits(codes, motif_of(run.tf, DEFAULT)).score
    order = np.argsort(scores[test])
    assert (np.diff(probabilities[order, 0]) >= 0).all()
    seen = selection.part != Part.TEST
    threshold = best_cut(selection.labels[seen, 0] == 1, scores[seen])
    assert ((probabilities[:, 0] >= 0.5) == (scores[test] >= threshold)).all()
    with pytest.raises(DataError, match=r"no motif .MA9999\.1."):
        motif_named("MA9999.1", loaded.dataset, run.tf)


@pytest.mark.slow
def test_the_threshold_is_that_of_the_highest_mcc() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        bound = rng.random(30) < 0.5
        scores = (rng.integers(0, 12, 30) + 4 * bound).astype(np.float32)
        best = max(matthews_corrcoef(bound, scores >= cut) for cut in np.unique(scores)[1:])
        cut = best_cut(bound, scores)
        assert cut not in scores
        assert matthews_corrcoef(bound, scores >= cut) == pytest.approx(best)
    assert best_cut(np.array([True, False]), np.array([2, 2], dtype=np.float32)) == 2


def test_a_motif_is_read_on_both_strands(loaded: LoadedDataset) -> None:
    motif = motif_of("spi1", DEFAULT)
    consensus = motif.probabilities.argmax(axis=0).astype(np.uint8)
    background = np.zeros((2, 200), dtype=np.uint8)
    background[0, 50 : 50 + len(consensus)] = consensus
    background[1, 50 : 50 + len(consensus)] = 3 - consensus[::-1]
    scores = best_hits(unpack(pack(background)), motif).score
    assert scores[0] == pytest.approx(scores[1]) == pytest.approx(motif.log_odds.max(axis=0).sum())


def test_an_exact_size_is_what_is_trained_and_validated_on(loaded: LoadedDataset) -> None:
    study = replace(STUDY, tfs=("SPI1",))
    exact = replace(study, scale=replace(study.scale, exact_sizes=True))
    tested = set()
    for run in peaks_needed(loaded, exact).runs:
        if run.arm == "multi":
            continue
        assert run.role.size is not None
        selection = loaded.select(run.spec.regions)
        num = int((selection.labels[selection.part != Part.TEST] == 1).sum())
        assert num == run.role.size.num_bound
        assert group_name(run.role) == f"{num} bound to train"
        tested.add(tuple(selection.only(Part.TEST).region_ids))
    assert len(tested) == 1  # all sizes have the same test regions
    sampled = {run.key for run in peaks_needed(loaded, study).runs if run.arm == "scratch"}
    assert sampled.isdisjoint(run.key for run in peaks_needed(loaded, exact).runs)
