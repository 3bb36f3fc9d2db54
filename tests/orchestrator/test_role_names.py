"""Names that are made from a role, and how long ones are shortened."""

from dataclasses import replace

import pytest

from orchestrator.role import ModeRelation, RunRole, RunVariant, SampleSize, SetKind
from orchestrator.role_names import group_name, set_name, shortened

ROLE = RunRole(experiment="e", arm="transfer", tf="A", replicate=1)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        (ROLE, ""),
        (replace(ROLE, size=SampleSize()), "all regions"),
        (replace(ROLE, size=SampleSize(1000)), "1000 bound"),
        (replace(ROLE, size=SampleSize(1000, at_most=True)), "at most 1000 bound"),
        (replace(ROLE, size=SampleSize(50), held_back="random"), "50 bound"),
        (replace(ROLE, size=SampleSize(50), held_back="chromosome"), "50 bound, by chromosome"),
        (replace(ROLE, size=SampleSize(), step=0.125), "1/8"),
        (
            replace(ROLE, size=SampleSize(), variant=RunVariant.TRANSFER_RATE),
            "at the transfer rate",
        ),
        (replace(ROLE, size=SampleSize(), variant=RunVariant.WITH_MOTIF), "all regions"),
        (replace(ROLE, mode=ModeRelation.UNKNOWN), "no mode known"),
        (replace(ROLE, tested_on="resolved"), "on all rows"),
        (replace(ROLE, target="A", set_kind=SetKind.COFACTORS), "cofactors"),
        (replace(ROLE, set_kind=SetKind.COFACTORS), ""),
        (replace(ROLE, label="of my own", size=SampleSize(5)), "of my own"),
    ],
)
def test_a_group_is_named_by_what_tells_the_run_apart(role: RunRole, name: str) -> None:
    assert group_name(role) == name


def test_a_set_is_named_with_the_motif_and_the_network_where_they_are_special() -> None:
    role = replace(ROLE, set_label="50 TFs")
    assert set_name(role) == "50 TFs"
    beside = replace(role, variant=RunVariant.WITH_MOTIF, network="danq")
    assert set_name(beside) == "50 TFs, with the motif, danq"
    assert set_name(replace(beside, set_label="")) == ""


def test_long_names_are_shortened_and_still_told_apart() -> None:
    names = ["short", "50 most resolved TFs, masked", "50 most resolved TFs, masked, danq"]
    short = shortened(names, length=12)
    assert short["short"] == "short"
    assert len(set(short.values())) == 3
    assert all(len(one) <= 12 for one in short.values())
    alike = [f"{'a' * 20}{letter}{'b' * 20}" for letter in "xyz"]
    assert len(set(shortened(alike, length=8).values())) == 3
