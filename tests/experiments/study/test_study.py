"""The experiments as plans: which runs, on which regions, each once."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Sampling
from data.dataset.store import write_dataset
from data.errors import DataError
from data.motifs.database import Jaspar
from data.motifs.motif import Motif
from data.relations.binding_modes import BindingModes
from data.relations.string_links import read_string_links
from data.schema import Evidence
from experiments.binding_modes.plan import binding_modes
from experiments.downsampling.plan import downsampling
from experiments.interpretation.plan import interpretation
from experiments.pretraining_sets.plan import pretraining_sets
from experiments.registry import MakePlan, paper, plan_experiments
from experiments.study.planner import PlannedStudy
from experiments.study.pretraining import Pretraining, WantedTFs
from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from experiments.transfer.plan import transfer
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun
from orchestrator.role import ModeRelation, RunVariant, SetKind
from orchestrator.role_names import group_name, set_name
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.motif_baseline import motif_of

NUM_REGIONS = 3000
MODES = BindingModes(
    modes_of_tf={
        **{f"A{i}": frozenset({"a"}) for i in range(1, 5)},
        **{f"B{i}": frozenset({"b"}) for i in range(1, 8)},
    },
    source=Path("modes.tsv"),
)
SCALE = Scale(sizes=(None, 60, 30), num_bound=50, set_regions=400, target_replicates=2)
STUDY = Study(
    tfs=(), pretrain_tfs=("A1", "B1"), scale=replace(SCALE, transfer_bound=40), modes=MODES
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedDataset:
    """Eleven TFs of two modes and one of none; A1 and B1 are resolved in a third of regions."""
    rng = np.random.default_rng(1)
    evidence = {}
    for tf in [*MODES.modes_of_tf, "C1"]:
        codes = np.where(rng.random(NUM_REGIONS) < 0.1, Evidence.BOUND, Evidence.UNBOUND)
        if tf in ("A1", "B1"):
            codes[NUM_REGIONS // 3 :][rng.random(2 * NUM_REGIONS // 3) < 0.5] = Evidence.UNMATCHED
        if tf == "B7":
            codes[codes == Evidence.BOUND] = Evidence.UNBOUND
            codes[:20] = Evidence.BOUND
        evidence[tf] = codes.astype(np.uint8)
    path = tmp_path_factory.mktemp("study") / "dataset"
    write_dataset(
        path,
        regions=RegionTable.from_bases(
            np.array(["chr1"] * NUM_REGIONS, dtype=object),
            np.arange(NUM_REGIONS, dtype=np.int32) * 300,
            rng.integers(0, 4, (NUM_REGIONS, 200)).astype(np.uint8),
        ),
        evidence=evidence,
        accessibility=None,
    )
    return LoadedDataset(path)


def arms(planned: PlannedStudy) -> Counter[tuple[str, bool]]:
    return Counter((run.arm, bool(run.tf)) for run in planned.runs)


def keys(runs: tuple[PlannedRun, ...]) -> set[str]:
    return {run.key for run in runs}


def test_downsampling_has_every_size_in_both_arms_and_a_multi_model_per_replicate(
    loaded: LoadedDataset,
) -> None:
    planned = downsampling(loaded, replace(STUDY, tfs=("A2",)))
    assert arms(planned) == {("multi", False): 2, ("scratch", True): 6, ("transfer", True): 6}
    sizes = [
        (group_name(run.role), run.spec.regions.sampling.num_bound)
        for run in planned.runs
        if run.tf
    ]
    assert set(sizes) == {("all regions", None), ("60 bound", 60), ("30 bound", 30)}
    pairs = [run for run in planned.runs if run.tf and run.replicate == 2]
    for scratch, tuned in zip(pairs[::2], pairs[1::2], strict=True):
        assert scratch.spec.regions == tuned.spec.regions
        assert scratch.role.target == tuned.role.target == "A2"


def test_the_default_target_of_downsampling_must_be_there(loaded: LoadedDataset) -> None:
    with pytest.raises(DataError, match="no TF named 'SPI1'"):
        downsampling(loaded, STUDY)


def test_binding_modes_says_whose_mode_the_multi_model_knows(loaded: LoadedDataset) -> None:
    planned = binding_modes(loaded, replace(STUDY, pretrain_tfs=("A1", "A2")))
    modes = {run.tf: run.role.mode for run in planned.runs if run.tf}
    assert modes == {
        "A3": ModeRelation.SHARED,
        "A4": ModeRelation.SHARED,
        **{f"B{i}": ModeRelation.OTHER for i in range(1, 7)},
        "C1": ModeRelation.UNKNOWN,
    }
    assert len(planned.remarks) == 1
    assert str(planned.remarks[0]).startswith("binding-modes: left out B7: B7 has ")


@pytest.mark.parametrize(
    ("study", "error", "words"),
    [
        (replace(STUDY, tfs=("A1",)), RunError, "A1 is one of the multi-model's TFs"),
        (replace(STUDY, tfs=("B7",)), DataError, "B7 has .* 50 are needed"),
        (replace(STUDY, pretrain_tfs=12), RunError, "the multi-model has all TFs"),
    ],
)
def test_binding_modes_refuses_what_makes_no_sense(
    loaded: LoadedDataset, study: Study, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        binding_modes(loaded, study)


def test_all_sets_of_a_target_are_tried_on_the_same_regions_that_none_has_seen(
    loaded: LoadedDataset,
) -> None:
    planned = pretraining_sets(loaded, replace(STUDY, tfs=("B2",)))
    first = [run for run in planned.runs if run.replicate == 1]
    individual = [run for run in first if run.tf]
    assert len({run.spec.regions for run in individual}) == 1
    own = loaded.select(individual[0].spec.regions).region_ids
    multis = [run for run in first if not run.tf]
    # no STRING file: four kinds, each with and without the target
    assert [(run.role.set_kind, run.role.with_target) for run in multis] == [
        (kind, with_target)
        for kind in ("same-mode", "cofactors", "uncorrelated", "random")
        for with_target in (False, True)
    ]
    for run in multis:
        selection = loaded.select(run.spec.regions)
        assert not np.intersect1d(own, selection.region_ids).size
        assert len(selection.region_ids) <= 400
        assert ("B2" in run.spec.regions.tfs) == run.role.with_target
    assert any(
        "sets of STRING partners: no STRING file" in remark.text for remark in planned.remarks
    )
    tuned = [run for run in first if run.arm == "transfer"]
    assert [run.needs for run in tuned] == [(run.key,) for run in multis]


def test_string_partners_and_small_modes(loaded: LoadedDataset, tmp_path: Path) -> None:
    path = tmp_path / "links.tsv"
    path.write_text("A1\tB1\nA1\tB2\n")
    links = read_string_links(path, loaded.dataset.tfs)
    planned = pretraining_sets(loaded, replace(STUDY, tfs=("A1",), links=links))
    by_group = {
        (run.role.set_kind, run.role.with_target): run.spec.regions.tfs
        for run in planned.runs
        if not run.tf
    }
    assert by_group[SetKind.STRING, False] == ("B1", "B2")
    assert by_group[SetKind.STRING, True] == ("A1", "B1", "B2")
    assert any("string of A1: only 2 of 5" in remark.text for remark in planned.remarks)
    assert (
        by_group[SetKind.SAME_MODE, False]
        == by_group[SetKind.UNCORRELATED, False]
        == ("A2", "A3", "A4")
    )
    plan = Plan(planned.runs)
    shared = [runs for runs in plan.roles.values() if len({run.role.set_kind for run in runs}) == 2]
    assert shared  # one multi-model and one fine-tuning serve both kinds
    assert len(plan) < len(planned.runs)


def test_a_random_set_is_drawn_until_it_has_the_regions(loaded: LoadedDataset) -> None:
    few = replace(STUDY, tfs=("A2",), scale=replace(SCALE, set_regions=2500))
    for run in pretraining_sets(loaded, few).runs:
        if run.role.set_kind is SetKind.RANDOM and not run.tf and not run.role.with_target:
            assert "B1" not in run.spec.regions.tfs  # it is resolved in two thirds of regions


def test_targets_that_are_not_there(loaded: LoadedDataset) -> None:
    with pytest.raises(RunError, match="has none of HNF4A, JUND, MAX, SP1, SPI1"):
        pretraining_sets(loaded, STUDY)
    with pytest.raises(DataError, match="no TF named 'A9'"):
        pretraining_sets(loaded, replace(STUDY, tfs=("A9",)))


@pytest.mark.parametrize(
    ("pretraining", "wanted", "tfs", "name"),
    [
        (Pretraining(), 2, ("A2", "A3"), "2 most resolved TFs"),
        (
            Pretraining(rows="resolved", min_bound=100, leave_out=("A2",)),
            None,
            ("A3", "A4", "B2", "B3", "B4", "B5", "B6", "C1", "B1", "A1"),
            "all TFs, masked, without A2",
        ),
        (
            Pretraining(leave_out=("A2", "C1"), modes_of=("A2", "C1")),
            None,
            ("B2", "B3", "B4", "B5", "B6", "B7", "B1"),
            "all TFs, without the modes of A2+C1",
        ),
        (Pretraining(leave_out=("A1",)), ("A1", "B7"), ("B7",), "B7, without A1"),
    ],
)
def test_which_tfs_a_multi_model_has(
    loaded: LoadedDataset,
    pretraining: Pretraining,
    wanted: WantedTFs,
    tfs: tuple[str, ...],
    name: str,
) -> None:
    study = replace(STUDY, pretrain_tfs=wanted, pretraining=pretraining)
    chosen = study.multi_model_tfs(loaded.dataset)
    assert set(chosen) == set(tfs)
    assert chosen[:5] == tfs[:5]
    assert study.set_name(chosen) == name


@pytest.mark.parametrize(
    ("pretraining", "wanted", "words"),
    [
        (Pretraining(leave_out=("A9",)), 3, "no TF named 'A9'"),
        (
            Pretraining(min_bound=100, leave_out=("A2", "B2"), modes_of=("A2",)),
            9,
            "has 6 TFs with 100 bound regions without A2, B2 and the binding modes of A2, 9 are",
        ),
        (Pretraining(leave_out=("A1",)), ("A1",), "no TF is left to pre-train on without A1"),
        (Pretraining(min_bound=9999), None, "has no TF with 9999 bound regions to pre-train on; "),
    ],
)
def test_a_multi_model_that_cannot_be_made(
    loaded: LoadedDataset, pretraining: Pretraining, wanted: WantedTFs, words: str
) -> None:
    study = replace(STUDY, pretrain_tfs=wanted, pretraining=pretraining)
    with pytest.raises((DataError, RunError), match=words):
        study.multi_model_tfs(loaded.dataset)


def test_masked_and_complete_pretraining_are_compared_on_the_same_regions(
    loaded: LoadedDataset,
) -> None:
    study = replace(STUDY, tfs=("A2",), sampling=Sampling(held_back=0.4))
    masked = replace(
        study, pretrain_tfs=None, pretraining=Pretraining(rows="resolved", leave_out=("A2",))
    )
    plans = [Plan(transfer(loaded, one).runs).runs for one in (study, masked)]
    (multi, scratch, tuned), (masked_multi, masked_scratch, masked_tuned) = plans
    assert scratch.key == masked_scratch.key
    assert tuned.spec.regions == masked_tuned.spec.regions
    assert tuned.needs == (multi.key,) != masked_tuned.needs == (masked_multi.key,)
    own = loaded.select(scratch.spec.regions).region_ids
    sizes = []
    for run in (multi, masked_multi):
        selection = loaded.select(run.spec.regions)
        assert not np.intersect1d(own, selection.seen_in_training()).size
        sizes.append(len(selection.region_ids))
    assert sizes[0] < sizes[1] == NUM_REGIONS


def motif_of_a2(tf: str, jaspar: Jaspar) -> Motif:
    if tf != "A2":
        raise DataError(f"{jaspar.name} has no motif of {tf}")
    return motif_of("SPI1", jaspar)


@pytest.mark.parametrize(
    ("experiment", "num_pairs"),
    [(transfer, 1), (downsampling, 6), (binding_modes, 1), (interpretation, 0)],
)
def test_transfer_from_a_masked_multi_model_is_tried_with_the_motif_too(
    loaded: LoadedDataset, monkeypatch: pytest.MonkeyPatch, experiment: MakePlan, num_pairs: int
) -> None:
    monkeypatch.setattr("experiments.study.planner.motif_of", motif_of_a2)
    study = replace(
        STUDY,
        tfs=("A2", "A3"),
        pretraining=Pretraining(rows="resolved"),
        sampling=Sampling(held_back=0.5),
    )
    without, planned = (experiment(loaded, replace(study, motif=on)) for on in (False, True))
    assert keys(without.runs) <= keys(planned.runs)
    added = [run for run in planned.runs if run.key not in keys(without.runs)]
    assert len(added) == num_pairs
    plain = {run.spec: run for run in without.runs}
    for run in added:
        assert run.spec.motif == motif_of("SPI1", Jaspar()).matrix_id
        network = replace(run.spec.network, motif_width=0)
        twin = plain[replace(run.spec, motif="", network=network)]
        beside = replace(twin.role, variant=RunVariant.WITH_MOTIF)
        assert run == replace(twin, spec=run.spec, role=beside)
        assert set_name(run.role) == f"{set_name(twin.role)}, with the motif"
    remarks = [str(remark) for remark in planned.remarks if remark not in without.remarks]
    name = planned.runs[0].experiment
    told = f"{name}: left out the motif of A3: JASPAR2020 CORE vertebrates has no motif of A3"
    assert remarks == ([told] if num_pairs else [])


def test_the_motif_is_no_term_after_the_papers_pretraining(loaded: LoadedDataset) -> None:
    plans = [transfer(loaded, replace(STUDY, tfs=("A2",), motif=on)) for on in (False, True)]
    assert plans[0] == plans[1]


def test_at_most_takes_all_of_a_tf_with_fewer_regions(loaded: LoadedDataset) -> None:
    scale = replace(SCALE, transfer_bound=120, at_most=True)
    planned = transfer(loaded, replace(STUDY, tfs=("A2", "A1"), scale=scale))
    sampled = {run.tf: run.spec.regions.sampling.num_bound for run in planned.runs if run.tf}
    assert sampled == {"A2": 120, "A1": None}
    assert {group_name(run.role) for run in planned.runs} == {"at most 120 bound"}


def test_the_paper_is_the_union_each_run_once(loaded: LoadedDataset) -> None:
    study = replace(STUDY, tfs=("A1", "A2"), scale=replace(STUDY.scale, sizes=(50,)))
    union = paper(loaded, study)
    parts = [
        transfer(loaded, study.about(("A1",))),
        downsampling(loaded, study),
        binding_modes(loaded, study.about(("A2",))),
        pretraining_sets(loaded, study),
    ]
    assert keys(union.runs) == set().union(*(keys(part.runs) for part in parts))
    plan = Plan(union.runs)
    assert len(plan) == len(keys(union.runs)) < len(union.runs)
    # the multi-model of a replicate serves three experiments
    assert {run.experiment for run in plan.roles[parts[0].runs[0].key]} == {
        "transfer",
        "downsampling",
        "binding-modes",
    }
    assert union.sizes.keys() == keys(union.runs)


def test_names_of_experiments_are_checked(loaded: LoadedDataset) -> None:
    known = "'tranfer'; near: transfer, paper; there are: transfer, down"
    with pytest.raises(RunError, match=known):
        plan_experiments(["tranfer"], loaded, STUDY)


def test_epochs_are_set_for_the_kind_of_model_asked_for() -> None:
    changed = Trainings().with_epochs(individual=3).in_precision("bfloat16")
    assert (changed.multi.max_epochs, changed.scratch.max_epochs) == (15, 3)
    assert changed.transfer.max_epochs == 3
    assert {changed.multi.precision, changed.transfer.precision} == {"bfloat16"}


def test_interpretation_follows_filters_of_the_runs_of_transfer(loaded: LoadedDataset) -> None:
    asked = replace(STUDY, tfs=("A1", "A2"))
    planned = interpretation(loaded, asked)
    assert arms(planned) == {("multi", False): 1, ("scratch", True): 2, ("transfer", True): 2}
    assert keys(planned.runs) < keys(transfer(loaded, asked).runs)
    assert {run.role.target for run in planned.runs if run.tf} == {"A1", "A2"}
    with pytest.raises(DataError, match="no TF named 'HNF4A'"):
        interpretation(loaded, STUDY)


@pytest.mark.parametrize(("target", "num_runs"), [("A1", 3), ("A2", 0), ("B1", 0)])
def test_the_paper_interprets_only_what_it_trains_anyway(
    loaded: LoadedDataset, monkeypatch: pytest.MonkeyPatch, target: str, num_runs: int
) -> None:
    monkeypatch.setattr("experiments.interpretation.plan.TARGETS", (target,))
    study = replace(STUDY, tfs=("A1", "A2"), scale=replace(STUDY.scale, sizes=(50,)))
    union = paper(loaded, study)
    assert [run.experiment for run in union.runs].count("interpretation") == num_runs


def test_the_control_of_openness_has_models_of_its_own_and_the_same_multi_models(loaded, tmp_path):
    open_in = {
        f"biosample {number}": np.random.default_rng(number).random(NUM_REGIONS) < 0.5
        for number in range(3)
    }
    write_dataset(
        tmp_path / "dataset",
        regions=loaded.regions,
        evidence={tf: loaded.column(tf) for tf in loaded.dataset.tfs},
        accessibility=open_in,
    )
    opened = LoadedDataset(tmp_path / "dataset")
    sampling = replace(STUDY.sampling, unbound_match="gc-and-openness")
    plain = transfer(opened, STUDY)
    control = transfer(opened, replace(STUDY, sampling=sampling))
    by_arm = [
        {
            arm: {run.key for run in made.runs if run.role.arm == arm and bool(run.tf) == on_tf}
            for arm, on_tf in (("multi", False), ("scratch", True), ("transfer", True))
        }
        for made in (plain, control)
    ]
    assert by_arm[0]["multi"] == by_arm[1]["multi"] != set()
    assert not by_arm[0]["scratch"] & by_arm[1]["scratch"]
    assert not by_arm[0]["transfer"] & by_arm[1]["transfer"]
    groups = {group_name(run.role) for run in control.runs if run.tf}
    assert groups == {"40 bound, openness matched"}
    assert {group_name(run.role) for run in plain.runs if run.tf} == {"40 bound"}
    assert len(Plan([*plain.runs, *control.runs]).runs) == len(plain.runs) + len(control.runs) - 1
