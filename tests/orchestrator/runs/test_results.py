"""The table of finished runs: its columns, and their order."""

import math
from dataclasses import replace

import pytest

from orchestrator.role import SampleSize
from orchestrator.runs.results import COLUMNS, results_table
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import Study, in_role, planned_run

OLDER = (
    "key,experiment,tf,target,arm,pretraining_set,group,with_target,replicate,num_bound,"
    "num_unbound,num_test_regions,mcc,auroc,average_precision,aucpr_trapezoid,precision,recall,"
    "best_epoch,seconds"
)


@pytest.fixture
def place(tmp_path):
    return Workspace(tmp_path)


def test_the_columns_that_were_always_there_come_first_in_their_order():
    assert ",".join(COLUMNS).startswith(f"{OLDER},")


def test_sizes_are_sorted_as_numbers_and_all_regions_come_last(place):
    sizes = [None, 1000, 100, 500]
    for size in sizes:
        group = "all regions" if size is None else f"{size} bound"
        Study(place).add_pair("A", 0.6, 0.7, group=group)
    table = results_table(RunStore(place))
    assert list(table["size"].drop_duplicates()) == [100, 500, 1000, math.inf]
    assert list(table["group"].drop_duplicates())[-2:] == ["1000 bound", "all regions"]


def test_steps_of_a_learning_curve_come_before_all_regions(place):
    for step in (None, 0.125, 0.5):
        run = in_role(planned_run("transfer", "A"), step=step, size=SampleSize())
        sampling = replace(run.spec.regions.sampling, train_fraction=step)
        spec = replace(run.spec, regions=replace(run.spec.regions, sampling=sampling))
        Study(place).add(replace(run, spec=spec), 0.7)
    table = results_table(RunStore(place))
    assert list(table["group"]) == ["1/8", "1/2", "all regions"]
    assert list(table["step"].fillna(1)) == [0.125, 0.5, 1]


def test_replicates_have_the_same_settings_and_other_samples_have_others(place):
    one = planned_run("transfer", "A")
    regions = one.spec.regions
    other_seed = replace(regions, sampling=replace(regions.sampling, seed=7))
    fewer = replace(regions, sampling=replace(regions.sampling, num_bound=30))
    for number, spec in enumerate(
        (
            one.spec,
            replace(one.spec, seed=9, regions=other_seed),
            replace(one.spec, regions=fewer),
        ),
        start=1,
    ):
        Study(place).add(replace(in_role(one, replicate=number), spec=spec), 0.7)
    first, second, third = results_table(RunStore(place))["settings"]
    assert first == second
    assert first != third
