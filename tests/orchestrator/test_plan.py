from dataclasses import replace
from typing import Any

import pytest

from data.dataset.sampling import Sampling
from data.records import from_json, to_json
from model.network_config import NetworkConfig, published
from model.training.loop import TrainingConfig
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun, Remaining, RunOutcome
from orchestrator.role import Arm, RunRole, SampleSize, SetKind
from orchestrator.runs.planned_records import RunRecord, run_record
from orchestrator.spec import RegionSpec, RunSpec
from tests.helpers.finished_runs import in_role

MULTI = RunSpec(
    regions=RegionSpec(
        tfs=("ELF1", "GABPA"), view="less-sparse", sampling=Sampling(), dataset="f1"
    ),
    network=NetworkConfig(num_tfs=2),
    training=TrainingConfig(lr=0.003, max_epochs=15, patience=4),
    seed=0,
)


def individual(seed: int = 0, *, start: RunSpec | None = None) -> RunSpec:
    return RunSpec(
        regions=RegionSpec(
            tfs=("SPI1",),
            view="sparse",
            sampling=Sampling(seed=seed, split="chromosome", val_chroms=("a",), test_chroms=("b",)),
            dataset="f2",
            excluded=MULTI.regions,
        ),
        network=NetworkConfig(num_tfs=1),
        training=TrainingConfig(lr=0.003),
        seed=seed,
        start=start,
    )


def planned(spec: RunSpec, experiment: str = "transfer", replicate: int = 1) -> PlannedRun:
    arm: Arm = "multi" if spec is MULTI else "transfer" if spec.start else "scratch"
    tf = "" if spec is MULTI else "SPI1"
    role = RunRole(experiment=experiment, arm=arm, tf=tf, replicate=replicate)
    return PlannedRun(spec=spec, role=role)


def give_out(remaining: Remaining) -> PlannedRun:
    run = remaining.next_ready()
    assert run is not None
    return run


def test_a_key_is_the_same_in_another_process_and_survives_json():
    spec = individual(start=MULTI)
    again = from_json(to_json(spec), RunSpec)
    assert again == spec
    assert again.key == spec.key
    assert len(spec.key) == 16


def test_every_setting_that_decides_the_result_changes_the_key():
    spec = individual(start=MULTI)
    variants = [
        individual(1, start=MULTI),
        individual(),
        replace(spec, training=TrainingConfig(lr=0.001)),
        replace(spec, network=replace(spec.network, dropout=0.1)),
        replace(spec, seed=2),
        replace(spec, start=replace(MULTI, seed=9)),
        replace(spec, regions=replace(spec.regions, dataset="f3")),
        replace(spec, regions=replace(spec.regions, tfs=("SPIB",))),
        replace(spec, regions=replace(spec.regions, excluded=None)),
        replace(spec, regions=replace(spec.regions, sampling=Sampling(num_bound=500))),
    ]
    assert len({spec.key, *(variant.key for variant in variants)}) == len(variants) + 1


def test_what_the_study_calls_a_run_does_not_change_its_key():
    assert planned(MULTI).key == planned(MULTI, experiment="other", replicate=7).key


def test_scratch_does_not_depend_on_how_the_multi_model_is_trained():
    longer = replace(MULTI, training=TrainingConfig(lr=0.003, max_epochs=99))
    assert longer.regions == MULTI.regions
    assert planned(individual()).needs == ()


def test_planned_runs_survive_json():
    run = planned(individual(start=MULTI))
    size = SampleSize(500, at_most=True)
    run = in_role(run, set_kind=SetKind.NAMED, set_label="2 TFs", size=size)
    assert from_json(to_json(run_record(run)), RunRecord).planned() == run
    assert run.name == "SPI1 transfer r1"
    assert planned(MULTI).name == "multi-model 2 TFs r1"


def test_a_plan_has_each_run_once_and_what_is_needed_first():
    transfer = planned(individual(start=MULTI))
    plan = Plan([transfer, planned(individual()), planned(MULTI), transfer])
    assert [run.name for run in plan] == [
        "multi-model 2 TFs r1",
        "SPI1 transfer r1",
        "SPI1 scratch r1",
    ]
    with pytest.raises(RunError, match="needs run"):
        Plan([transfer])


def test_what_waits_becomes_ready_when_what_it_needs_is_complete():
    plan = Plan([planned(MULTI), planned(individual(start=MULTI)), planned(individual())])
    remaining = plan.without([])
    first, second = give_out(remaining), give_out(remaining)
    assert (first.name, second.name) == ("multi-model 2 TFs r1", "SPI1 scratch r1")
    assert remaining.next_ready() is None
    assert len(remaining) == 1
    assert remaining.settle(RunOutcome(planned=first, status="completed")) == []
    assert give_out(remaining).name == "SPI1 transfer r1"


def test_a_failure_blocks_what_needs_it_and_nothing_else():
    plan = Plan([planned(MULTI), planned(individual(start=MULTI)), planned(individual())])
    remaining = plan.without([])
    failed = RunOutcome(planned=give_out(remaining), status="failed", error="x")
    blocked = remaining.settle(failed)
    assert [(o.planned.name, o.status) for o in blocked] == [("SPI1 transfer r1", "blocked")]
    assert blocked[0].error == "needs multi-model 2 TFs r1, which failed"
    assert give_out(remaining).name == "SPI1 scratch r1"
    assert remaining.next_ready() is None


def test_what_is_complete_already_is_not_given_out():
    plan = Plan([planned(MULTI), planned(individual(start=MULTI))])
    remaining = plan.without([MULTI.key])
    assert give_out(remaining).name == "SPI1 transfer r1"
    assert remaining.next_ready() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": NetworkConfig(num_tfs=3)}, "3 outputs for 1 TFs"),
        ({"training": None}, "scoring needs a start"),
    ],
)
def test_specs_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        replace(individual(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tfs": ()}, "needs a TF"),
        ({"tfs": ("A", "A")}, "twice"),
        ({"tfs": ("A", "B")}, "one TF"),
        ({"view": "dense"}, "no view"),
    ],
)
def test_regions_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        replace(individual().regions, **options)


def test_a_setting_that_came_later_leaves_older_keys_as_they_are():
    # the key of this spec before `keep` and `max_multi_regions` were there
    assert MULTI.key == "a07760a3bdc346bd"
    assert MULTI.training is not None
    last = replace(MULTI, training=replace(MULTI.training, keep="last"))
    few = replace(MULTI.regions, sampling=Sampling(max_multi_regions=100))
    danq = replace(MULTI, network=published("danq", num_tfs=2))
    assert len({MULTI.key, last.key, danq.key, replace(MULTI, regions=few).key}) == 4
    assert from_json(to_json(danq), RunSpec) == danq
    assert from_json(to_json(last), RunSpec) == last


def test_a_run_that_two_experiments_ask_for_is_run_once_and_has_both_roles():
    runs = [planned(MULTI), planned(MULTI, experiment="downsampling"), planned(MULTI)]
    plan = Plan(runs)
    assert plan.runs == (runs[0],)
    assert plan.roles == {MULTI.key: runs[:2]}


def test_names_tell_the_runs_of_a_target_apart():
    facts: dict[str, Any] = {"target": "SPI1", "set_kind": SetKind.COFACTORS}
    multi = in_role(planned(MULTI), with_target=True, **facts)
    assert multi.name == "multi-model SPI1 cofactors with target r1"
    tuned = in_role(planned(individual(start=MULTI)), **facts)
    assert tuned.name == "SPI1 transfer cofactors r1"
    assert planned(individual()).name == "SPI1 scratch r1"


def test_nothing_is_given_out_once_no_run_may_start():
    allowed = [True, False]
    plan = Plan([planned(individual(seed)) for seed in range(3)])
    remaining = plan.without([], may_start=lambda: allowed[0])
    assert len(remaining) == 3
    give_out(remaining)
    allowed.pop(0)
    assert remaining.next_ready() is None
    assert len(remaining) == 0
