"""A run's role as JSON: names for people, and beside them the facts.

The names (`group`, `pretraining_set`) and plain facts (`tf`, `arm` and so on) are the keys that
records have had from the beginning, and MLflow's tags are the same. The key `role` has the other
facts that differ from their defaults. A record without it was written by an older bindgrid: its
facts are read from its names, here and nowhere else.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final

from data.records import IF_SET, INLINE, from_values, spelled, to_values
from data.relations.groups import GroupKind
from model.network_config import NETWORKS
from orchestrator.role import Arm, RunRole, RunVariant, SampleSize, SetKind
from orchestrator.role_names import (
    ALL_REGIONS,
    MODE_WORDS,
    TESTED_ON_WORDS,
    VARIANT_WORDS,
    group_name,
    set_name,
)
from orchestrator.spec import RunSpec

FACTS: Final = MappingProxyType({**IF_SET, **spelled("role")})
"""Metadata of the field with the facts that a role's names and plain facts do not have."""


@dataclass(frozen=True, kw_only=True)
class RoleNames:
    """A role in names and plain facts: two roles of the same names are one."""

    experiment: str
    arm: Arm
    tf: str
    replicate: int
    pretraining_set: str = ""
    group: str = ""
    target: str = ""
    with_target: bool = False


@dataclass(frozen=True, kw_only=True)
class RoleRecord:
    """A role as stored."""

    names: RoleNames = field(metadata=INLINE)
    facts: Mapping[str, Any] | None = field(default=None, metadata=FACTS)
    """Fields of `RunRole` that differ from their defaults; None in a record that is older."""


NAMES: Final = tuple(one.name for one in fields(RoleNames))
"""Keys of a record that hold a role's names and plain facts."""
_PLAIN: Final = ("experiment", "arm", "tf", "replicate", "target", "with_target")


def role_names(role: RunRole) -> RoleNames:
    """Give the names and plain facts of a role."""
    plain = {name: getattr(role, name) for name in _PLAIN}
    return RoleNames(**plain, pretraining_set=set_name(role), group=group_name(role))


def role_tags(role: RunRole) -> dict[str, Any]:
    """Names and plain facts of a role, by `NAMES`."""
    return asdict(role_names(role))


def role_record(role: RunRole) -> RoleRecord:
    """Give a role as it is stored."""
    values = to_values(role)
    facts = {
        one.name: values[one.name]
        for one in fields(role)
        if one.name not in _PLAIN and getattr(role, one.name) != one.default
    }
    return RoleRecord(names=role_names(role), facts=facts)


def read_role(record: RoleRecord, spec: RunSpec) -> RunRole:
    """Read a role that was stored by this or an older bindgrid.

    Parameters
    ----------
    record
        The role as stored.
    spec
        The run's, which has what the names of older records do not say.

    Raises
    ------
    RecordError
        If the record is damaged.
    """
    plain = {name: getattr(record.names, name) for name in _PLAIN}
    if record.facts is None:
        return RunRole(**plain, **_facts_of_names(record.names, spec))
    return from_values({**record.facts, **plain}, RunRole)


_SIZE: Final = re.compile(rf"(?:{ALL_REGIONS}|(at most )?(\d+) bound)(, by chromosome)?")
_STEP: Final = re.compile(r"1/(\d+)")
_WITHOUT_MODES: Final = "masked, without the target's modes"


def _facts_of_names(names: RoleNames, spec: RunSpec) -> dict[str, Any]:
    """Facts that an older record has in its names."""
    facts = _facts_of_group(names.group)
    label = names.pretraining_set
    network = spec.network.name
    if network != NETWORKS[0]:
        label = label.removesuffix(f", {network}")
    motif = f", {VARIANT_WORDS[RunVariant.WITH_MOTIF]}"
    if label.endswith(motif):
        label = label.removesuffix(motif)
        facts["variant"] = RunVariant.WITH_MOTIF
    if label and "set_kind" not in facts:
        facts["set_kind"] = _set_kind(label, spec)
    return {**facts, "set_label": label, "network": network}


def _facts_of_group(group: str) -> dict[str, Any]:
    for field_name, words in (
        ("mode", MODE_WORDS),
        ("tested_on", TESTED_ON_WORDS),
    ):
        for fact, name in words.items():
            if name == group:
                return {field_name: fact}
    for variant in (RunVariant.WITHOUT_MOTIF, RunVariant.TRANSFER_RATE):
        if VARIANT_WORDS[variant] == group:
            return {"variant": variant, "size": SampleSize()}
    if group in set(GroupKind):
        return {"set_kind": SetKind(group)}
    if found := _STEP.fullmatch(group):
        return {"step": 1 / int(found[1]), "size": SampleSize()}
    if found := _SIZE.fullmatch(group):
        at_most, num_bound, by_chromosome = found.groups()
        size = SampleSize(None if num_bound is None else int(num_bound), bool(at_most))
        return {"size": size, **({"held_back": "chromosome"} if by_chromosome else {})}
    return {"label": group} if group else {}


def _set_kind(label: str, spec: RunSpec) -> SetKind:
    """Kind of a multi-model's set, which older records do not say, except for one name."""
    if label == _WITHOUT_MODES:
        return SetKind.MASKED_APART
    multi = spec.start_run or spec
    if multi.regions.is_masked:
        return SetKind.MASKED
    return SetKind.COMPLETE if len(multi.regions.tfs) > 5 else SetKind.NAMED
