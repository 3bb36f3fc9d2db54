"""Roles as JSON, and those that an older bindgrid stored, which have names alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.records import from_json, to_json, to_values
from orchestrator.errors import RunError
from orchestrator.plan import Plan
from orchestrator.role import ModeRelation, RunRole, RunVariant, SampleSize, SetKind
from orchestrator.role_records import RoleRecord, read_role, role_names, role_record
from orchestrator.runs.store import RunStore
from orchestrator.spec import RunSpec
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import Study, in_role, multi_spec, planned_run

SPEC = planned_run("transfer", "A", tfs=[f"M{number}" for number in range(6)]).spec
ROLE = RunRole(
    experiment="e",
    arm="transfer",
    tf="A",
    replicate=2,
    set_kind=SetKind.COMPLETE,
    set_label="6 most resolved TFs",
)
ROLES = [
    replace(ROLE, size=SampleSize()),
    replace(ROLE, size=SampleSize(100)),
    replace(ROLE, size=SampleSize(1000, at_most=True), target="A"),
    replace(ROLE, size=SampleSize(25), held_back="chromosome"),
    replace(ROLE, size=SampleSize(), step=0.25),
    replace(ROLE, size=SampleSize(), variant=RunVariant.WITHOUT_MOTIF),
    replace(ROLE, size=SampleSize(), variant=RunVariant.TRANSFER_RATE),
    replace(ROLE, mode=ModeRelation.SHARED, variant=RunVariant.WITH_MOTIF),
    replace(ROLE, mode=ModeRelation.UNKNOWN),
    replace(ROLE, arm="multi", tf="", tested_on="resolved"),
    replace(ROLE, target="A", set_kind=SetKind.RANDOM, set_label="B+C", with_target=True),
    replace(ROLE, set_kind=SetKind.MASKED_APART, set_label="masked, without the target's modes"),
    replace(ROLE, label="a group of my own"),
    replace(ROLE, arm="scratch", set_kind=SetKind.NONE, set_label=""),
]


def by_names(role: RunRole) -> RoleRecord:
    return RoleRecord(names=role_names(role))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_read_as_it_was_stored_with_its_facts_or_by_its_names(role: RunRole) -> None:
    record = from_json(to_json(role_record(role)), RoleRecord)
    assert read_role(record, SPEC) == role
    older = from_json(to_json(by_names(role)), RoleRecord)
    assert older.facts is None
    assert read_role(older, SPEC) == role


def test_the_network_of_an_older_record_is_the_specs() -> None:
    spec = replace(SPEC, network=replace(SPEC.network, name="danq"))
    role = replace(ROLE, network="danq", variant=RunVariant.WITH_MOTIF)
    record = by_names(role)
    assert record.names.pretraining_set == "6 most resolved TFs, with the motif, danq"
    assert read_role(record, spec) == role


@pytest.mark.parametrize(
    ("num_tfs", "rows", "kind"),
    [
        (6, "complete", SetKind.COMPLETE),
        (2, "complete", SetKind.NAMED),
        (2, "resolved", SetKind.MASKED),
    ],
)
def test_the_kind_of_set_of_an_older_record_is_told_by_the_multi_model(
    num_tfs: int, rows: Any, kind: SetKind
) -> None:
    multi = multi_spec([f"M{number}" for number in range(num_tfs)], 0)
    multi = replace(multi, regions=replace(multi.regions, rows=rows))
    spec: RunSpec = replace(SPEC, start=multi)
    assert read_role(by_names(ROLE), spec).set_kind is kind


OLDER = {
    "experiment": "transfer",
    "arm": "transfer",
    "tf": "A",
    "replicate": 1,
    "pretraining_set": "3 TFs",
    "group": "500 bound",
    "target": "",
    "with_target": False,
}
"""What version 1 wrote of a run in roles.json."""


def test_a_role_that_an_older_bindgrid_stored_is_not_stored_again(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    run = planned_run("transfer", "A")
    other = in_role(run, experiment="other", label="mine")
    place.roles.write_text(json.dumps({run.key: [OLDER]}))
    store = RunStore(place)
    store.record_roles(Plan([planned_run("multi", ""), run, other]))
    assert json.loads(place.roles.read_text())[run.key] == [
        OLDER,
        to_values(role_record(other.role)),
    ]
    Study(place).add(run, 0.7)
    assert [planned for _, planned in store.with_roles()] == [run, other]


@pytest.mark.parametrize(
    "record", [{}, [], {**OLDER, "arm": "none"}, {**OLDER, "group": "x", "role": 1}]
)
def test_a_damaged_role_is_one_line_with_the_remedy(tmp_path: Path, record: object) -> None:
    place = Workspace(tmp_path)
    run = planned_run("transfer", "A")
    Study(place).add(run, 0.7)
    place.roles.write_text(json.dumps({run.key: [record]}))
    with pytest.raises(RunError, match=rf"roles\.json: damaged .*{run.key}.*remove it"):
        list(RunStore(place).with_roles())
