"""What a TF is suggested to start from, and the runs that its verdict rests on."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from data.dataset.added import AddedMotif, AddedTF
from data.dataset.evidence_file import evidence_path, write_evidence
from data.dataset.sampling import Part, Sampling
from data.errors import DataError
from data.motifs.database import DEFAULT
from data.own_tf.predicted_sites import SiteRule
from data.own_tf.record import motif_record
from data.records import from_values, to_values
from data.schema import Evidence
from experiments.own_tf import plan as own
from experiments.own_tf.plan import own_tf
from experiments.own_tf.suggestion import (
    Start,
    Suggestion,
    mode_of,
    start_from_base,
    start_from_run,
    start_from_tfs,
    suggest,
)
from experiments.study.scale import Scale
from experiments.study.specs import SpecBuilder
from experiments.study.study import Study
from model.checkpoint import load_state
from orchestrator.errors import RunError
from orchestrator.plan import Plan
from orchestrator.prediction.base import Base
from orchestrator.role import RunVariant
from orchestrator.runs.execute import starting_network
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.motif_baseline import motif_name, motif_named, motif_of
from orchestrator.runs.store import RunStore
from orchestrator.spec import BaseStart, RunSpec
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import store_run

STUDY = Study(
    sampling=Sampling(split="chromosome", val_chroms=("chr2",), test_chroms=("chr1",)),
    scale=Scale(target_replicates=2),
)


def add(workspace: Workspace, name: str, motif: AddedMotif | None = None) -> LoadedDataset:
    """Add a TF that binds as SPI1 does."""
    dataset = load_dataset(workspace).dataset
    codes = dataset.evidence(["SPI1"])[:, 0].copy()
    record = AddedTF(at="2026-11-24", files=(), sites="predicted", motif=motif)
    write_evidence(evidence_path(dataset.path, name), codes, record)
    return LoadedDataset(workspace.dataset)


def masked(suggestion: Suggestion) -> Start:
    """Give the start from a masked multi-model of the workspace."""
    return next(one for one in suggestion.starts if one.kind == "masked")


def store_multi(workspace: Workspace, loaded: LoadedDataset, study: Study, tf: str) -> str:
    """Store the masked multi-model that a TF would start from; gives its key."""
    start = masked(suggest(loaded, study, RunStore(workspace), tf))
    planned = own_tf(loaded, study, start, tf).runs[0]
    labels = np.array([0, 1] * 10, dtype=np.int8)
    store_run(workspace, planned, labels, labels == 1)
    return planned.key


def test_a_finished_masked_multi_model_serves_the_next_tf(resolved: Workspace):
    loaded = add(resolved, "MINE")
    store = RunStore(resolved)
    first = masked(suggest(loaded, STUDY, store, "MINE"))
    assert not first.is_finished
    assert set(first.tfs) == {"ELF1", "GABPA", "SPI1"}
    key = store_multi(resolved, loaded, STUDY, "MINE")
    loaded = add(resolved, "OTHER")
    again = suggest(loaded, STUDY, store, "OTHER").starts[0]
    assert (again.kind, again.spec.key, again.is_finished) == ("masked", key, True)
    # other epochs would have another key, but what is finished serves
    longer = replace(STUDY, trainings=STUDY.trainings.with_epochs(multi=3))
    assert suggest(loaded, longer, store, "OTHER").starts[0].spec.key == key
    # other chromosomes to test on do not fit
    moved = replace(STUDY.sampling, test_chroms=("chr3",))
    other = masked(suggest(loaded, replace(STUDY, sampling=moved), store, "OTHER"))
    assert other.spec.key != key
    assert not other.is_finished


def test_what_cannot_be_had_is_told(workspace: Workspace):
    loaded = add(workspace, "MINE")
    found = suggest(loaded, STUDY, RunStore(workspace), "MINE")
    assert "--string" in found.left_out["string"]
    assert "no region is left to train on" in found.left_out["complete"]


def test_the_mode_of_an_unknown_tf_is_that_of_its_motif_or_of_what_its_regions_are_rich_in(
    resolved: Workspace,
):
    loaded = add(resolved, "MINE")
    assert mode_of(loaded, STUDY.modes, "SPI1").how == "by its name"
    rich = mode_of(loaded, STUDY.modes, "MINE")
    assert rich.modes == STUDY.modes.of("SPI1")
    assert "its regions are richest in" in rich.how
    ctcf = motif_of("CTCF", DEFAULT)
    record = motif_record(replace(ctcf, tf="CTCF", matrix_id="MA0139.1"), SiteRule())
    named = mode_of(add(resolved, "THEIRS", record), STUDY.modes, "THEIRS")
    assert named.modes == STUDY.modes.of("CTCF")
    assert named.how == "by its motif MA0139.1 of CTCF"


def test_what_starts_from_a_named_run_or_set_is_checked(resolved: Workspace):
    loaded = add(resolved, "MINE")
    store = RunStore(resolved)
    key = store_multi(resolved, loaded, STUDY, "MINE")
    assert start_from_run(loaded, store, key, "MINE").is_finished
    with pytest.raises(RunError, match="was trained on ELF1 already"):
        start_from_run(loaded, store, key, "ELF1")
    with pytest.raises(RunError, match="no finished run nothing"):
        start_from_run(loaded, store, "nothing", "MINE")
    named = start_from_tfs(loaded, STUDY, store, ["ELF1", "SPI1"])
    assert (named.tfs, named.name) == (("ELF1", "SPI1"), "ELF1+SPI1")
    with pytest.raises(DataError, match="no TF named 'ELF9'"):
        start_from_tfs(loaded, STUDY, store, ["ELF9"])


def test_the_base_is_the_start_where_no_masked_multi_model_is_finished(
    resolved: Workspace, base: Base
):
    loaded, store = add(resolved, "MINE"), RunStore(resolved)
    first = suggest(loaded, STUDY, store, "MINE").starts[0]
    assert (first.kind, first.name, first.is_finished) == ("base", "tiny-base", True)
    assert first.spec == BaseStart(
        name="tiny-base", sha256=base.card.replicates[0].sha256, tfs=base.tfs
    )
    store_multi(resolved, loaded, STUDY, "MINE")
    starts = suggest(loaded, STUDY, store, "MINE").starts
    assert [one.kind for one in starts[:2]] == ["masked", "base"]
    # a TF that it was trained on says so
    assert "it was trained on SPI1" in start_from_base(loaded, STUDY, "SPI1").reason
    with pytest.raises(RunError, match="of the network paper, not danq"):
        start_from_base(loaded, replace(STUDY, network="danq"), "MINE")


def test_a_plan_from_the_base_trains_no_multi_model_and_depends_on_its_weights(
    resolved: Workspace, base: Base
):
    loaded = add(resolved, "MINE")
    start = start_from_base(loaded, STUDY, "MINE")
    found = own_tf(loaded, STUDY, start, "MINE")
    assert {run.arm for run in found.runs} == {"transfer", "scratch", "all-motifs", "gkm-svm"}
    assert len(Plan(found.runs)) == len(found.runs)
    transfer = next(run.spec for run in found.runs if run.arm == "transfer")
    assert (transfer.start_run, transfer.pretrained_on) == (None, base.tfs)
    assert from_values(to_values(transfer), RunSpec) == transfer
    other = replace(transfer, start=replace(base.start(), sha256="0" * 64))
    assert other.key != transfer.key
    with pytest.raises(RunError, match="tiny-base: is the base that the run starts from, and here"):
        starting_network(other, RunStore(resolved), loaded.dataset)
    network = starting_network(transfer, RunStore(resolved), loaded.dataset)
    weights = load_state(base.folder / "replicate-1")
    name = next(name for name in weights if name.startswith("conv1."))
    assert torch.equal(network.state_dict()[name], weights[name].float())


def test_what_costs_much_has_one_replicate_from_the_base(
    resolved: Workspace, base: Base, monkeypatch
):
    assert base.tfs
    loaded = add(resolved, "MINE")
    start = start_from_base(loaded, STUDY, "MINE")

    def replicates(most: int, arm: str, variant: RunVariant = RunVariant.PLAIN) -> list[int]:
        monkeypatch.setattr(own, "MANY_BOUND", most)
        monkeypatch.setattr(own, "MOST_FITTED", most)
        runs = own_tf(loaded, STUDY, start, "MINE", num_folds=0).runs
        assert not any(run.spec.regions.is_judged_by_folds for run in runs)
        found = [run for run in runs if (run.arm, run.role.variant) == (arm, variant)]
        for training in (run.spec.training for run in found):
            if arm == "scratch" and training is not None:
                assert training.patience == (own.SCRATCH_PATIENCE if most else None)
        return [run.replicate for run in found if run.role.step is None]

    few = own.MANY_BOUND
    assert replicates(few, "transfer") == replicates(0, "transfer") == [1, 2]
    assert replicates(few, "all-motifs") == [1, 2]
    assert replicates(few, "scratch") == replicates(0, "scratch") == [1]
    # transfer fits the output layer alone, so there is no learning rate to control for
    assert replicates(few, "scratch", RunVariant.TRANSFER_RATE) == []
    assert replicates(0, "scratch", RunVariant.TRANSFER_RATE) == [1]


@pytest.fixture
def planned(resolved: Workspace) -> Callable[..., list]:
    loaded = add(resolved, "MINE")

    def plan(study: Study = STUDY, max_bound: int | None = None) -> list:
        start = masked(suggest(loaded, study, RunStore(resolved), "MINE"))
        found = own_tf(loaded, study, start, "MINE", max_bound, num_folds=0)
        return [loaded, start, found]

    return plan


def test_all_arms_of_a_replicate_are_on_the_same_regions(planned):
    _, start, study = planned()
    assert study.runs[0].spec == start.spec
    for replicate in (1, 2):
        runs = [run for run in study.runs[1:] if run.replicate == replicate]
        whole = [run for run in runs if run.role.step is None]
        assert len({run.spec.regions for run in whole}) == 1
        arms = sorted((run.arm, run.role.variant) for run in whole)
        control = ("scratch", RunVariant.TRANSFER_RATE)
        rivals = [(rival.value, RunVariant.PLAIN) for rival in own.RIVALS]
        networks = [("scratch", RunVariant.PLAIN), control, ("transfer", RunVariant.PLAIN)]
        assert arms == sorted([*rivals, *networks])
        assert all(run.spec.average_strands for run in runs if not run.spec.rival)
        assert {run.experiment for run in runs} == {own.NAME}
        assert {run.spec.start for run in runs if run.arm == "transfer"} == {start.spec}
    # MINE has no motif in JASPAR, and that is said
    assert any("the motif of MINE" in remark.text for remark in study.remarks)
    assert any("1/8 of the regions" in remark.text for remark in study.remarks)


def test_no_test_region_is_seen_in_pre_training(planned):
    random = Sampling(held_back=0.3)
    for study in (STUDY, replace(STUDY, sampling=random)):
        loaded, start, found = planned(study)
        seen = loaded.select(start.spec.regions).seen_in_training()
        for run in found.runs[1:]:
            selection = loaded.select(run.spec.regions)
            test = selection.region_ids[selection.rows(Part.TEST)]
            assert len(test)
            assert not np.isin(test, seen).any()


def test_more_regions_than_wanted_are_sampled_down_and_said(planned):
    loaded, _, study = planned(max_bound=60)
    run = study.runs[1]
    assert run.spec.regions.sampling.num_bound == 60
    labels = loaded.select(run.spec.regions).labels[:, 0]
    pool = loaded.dataset.summary("MINE").count(Evidence.BOUND)
    assert (labels == 1).sum() >= 60
    assert f"60 of {pool} bound regions are used" in " ".join(map(str, study.remarks))


def test_a_motif_of_ones_own_is_the_control_and_is_named_by_its_content(resolved: Workspace):
    theirs = replace(motif_of("SPI1", DEFAULT), matrix_id="mine")
    record = motif_record(replace(theirs, tf="MINE"), SiteRule())
    loaded = add(resolved, "MINE", record)
    name = motif_name(theirs)
    assert name.startswith("mine#")
    assert np.array_equal(
        motif_named(name, loaded.dataset, "MINE").probabilities, theirs.probabilities
    )
    assert motif_name(motif_of("SPI1", DEFAULT)) == motif_of("SPI1", DEFAULT).matrix_id
    start = suggest(loaded, STUDY, RunStore(resolved), "MINE").starts[0]
    motifs = [run for run in own_tf(loaded, STUDY, start, "MINE").runs if run.arm == "motif"]
    assert {run.spec.motif for run in motifs} == {name}
    with pytest.raises(DataError, match="SPI1 was not added by a motif"):
        motif_named(name, loaded.dataset, "SPI1")


def test_steps_are_left_out_by_the_smallest_replicate(planned, monkeypatch):
    monkeypatch.setattr(own, "FRACTIONS", (0.01, 0.5))
    _, _, study = planned()
    steps = [run.role.step for run in study.runs]
    assert steps.count(1 / 2) == 2
    assert 0.01 not in steps


def test_a_network_with_the_motifs_term_is_another_run_and_others_keep_their_keys(planned):
    _, _, study = planned()
    without = next(run.spec for run in study.runs if run.arm == "transfer")
    assert without.network.motif_width == 0
    spi1 = motif_of("SPI1", DEFAULT)
    beside = replace(
        without,
        network=replace(without.network, motif_width=spi1.length_bp),
        motif=spi1.matrix_id,
    )
    assert beside.key != without.key
    assert from_values(to_values(beside), RunSpec) == beside
    with pytest.raises(ValueError, match="if and only if"):
        replace(without, motif=spi1.matrix_id)
    with pytest.raises(ValueError, match="if and only if"):
        replace(beside, motif="")


def test_many_motifs_are_a_term_of_the_model_and_its_steps_and_not_of_their_control(planned):
    _, _, study = planned(replace(STUDY, chosen_motifs=True, many_motifs=True))
    transfer = [run for run in study.runs if run.arm == "transfer"]
    control = [run for run in transfer if run.role.variant is RunVariant.WITHOUT_MOTIF]
    assert control
    assert not any(run.spec.many_motifs for run in control)
    others = [run for run in transfer if run not in control]
    assert all(run.spec.many_motifs and run.spec.motif == "auto" for run in others)
    assert from_values(to_values(others[0].spec), RunSpec) == others[0].spec
    assert not any(run.spec.gapped_kmers for run in study.runs)
    _, _, more = planned(replace(STUDY, chosen_motifs=True, many_motifs=True, gapped_kmers=True))
    assert [run.spec for run in more.runs] == [
        replace(run.spec, gapped_kmers=run.spec.many_motifs) for run in study.runs
    ]
    _, _, usual = planned(replace(STUDY, chosen_motifs=True))
    keys = {run.key for run in usual.runs}
    assert {run.key for run in control} <= keys
    assert keys.isdisjoint(run.key for run in others)


def test_many_motifs_that_too_many_regions_leave_out_are_told_of(planned, monkeypatch):
    monkeypatch.setattr(own, "MOST_FITTED", 0)
    _, _, study = planned(replace(STUDY, chosen_motifs=True, many_motifs=True))
    assert not any(run.spec.many_motifs for run in study.runs)
    [told] = [one.text for one in study.remarks if "many motifs" in one.text]
    assert told.endswith(": its regions are enough to train all layers")


def test_many_motifs_are_a_term_by_default_where_the_motif_of_the_name_is_not_enough(
    planned, monkeypatch
):
    def with_many(study: Study = STUDY, num_folds: int = 0) -> set[bool]:
        loaded, start, _ = planned(study)
        found = own_tf(loaded, study, start, "MINE", num_folds=num_folds)
        runs = [run for run in found.runs if run.arm == "transfer"]
        control = [run for run in runs if run.role.variant is RunVariant.WITHOUT_MOTIF]
        others = [run.spec for run in runs if run not in control]
        assert {run.spec.training for run in control} <= {spec.training for spec in others}
        return {spec.many_motifs for spec in others}

    def at_transfer_rate() -> int:
        _, _, found = planned(STUDY)
        return sum(run.role.variant is RunVariant.TRANSFER_RATE for run in found.runs)

    assert with_many() == {False}
    assert at_transfer_rate()
    monkeypatch.setattr(own, "FEW_BOUND", 0)
    assert with_many() == {True}
    assert not at_transfer_rate()  # a fit has no rate
    # the dataset counts bound regions too that cannot be taken, such as those with an N
    with monkeypatch.context() as patch:
        loaded, _, _ = planned(STUDY)
        pool = loaded.dataset.summary("MINE").count(Evidence.BOUND)
        patch.setattr(own, "MOST_FITTED", pool)
        patch.setattr(SpecBuilder, "_num_bound", lambda *_: pool + 1)
        assert with_many() == {True}
    assert with_many(num_folds=3) == {False}
    assert with_many(replace(STUDY, many_motifs=False)) == {False}
    monkeypatch.setattr(own, "MOST_FITTED", 1)
    assert with_many() == {False}
