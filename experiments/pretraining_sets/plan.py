"""Experiment `pretraining-sets` (Fig. 2B): which TFs to pre-train on for a target.

Per replicate and target: an individual model from scratch, and for each kind of set (same binding
mode, cofactors, STRING partners, same mode but uncorrelated, random), with and without the target
in it, a multi-model of five TFs and an individual model by transfer from it.

Departure from the paper, whose individual models avoid each multi-model's regions and so
work on other regions for each set: here the target's regions are drawn first, and every
multi-model avoids them. All sets, and scratch, are tried on the very same regions.

A random set is drawn again until its TFs have as many regions resolved as a multi-model is to have,
as in the authors' scripts, at most `RANDOM_DRAWS` times; of smaller ones the largest is taken.
"""

from dataclasses import replace
from typing import Final

from data.errors import DataError
from data.relations.groups import (
    Group,
    GroupKind,
    GroupRule,
    Relations,
    choose_group,
    read_relations,
)
from experiments.study.planner import Draft, PlannedStudy, from_scratch
from experiments.study.study import Study
from orchestrator.errors import RunError
from orchestrator.role import RunRole, SetKind
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.spec import RegionSpec

NAME: Final = "pretraining-sets"
TARGETS: Final = ("HNF4A", "JUND", "MAX", "SP1", "SPI1")
"""The paper's."""
RANDOM_DRAWS: Final = 50


def pretraining_sets(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan the experiment; targets that the dataset lacks are left out, unless asked for by name.

    Raises
    ------
    DataError
        If a target asked for is unknown or has too few regions.
    RunError
        If the dataset has none of the paper's targets and none was asked for.
    """
    draft = Draft(NAME, loaded, study)
    targets = _targets(draft)
    evidence = loaded.evidence(loaded.dataset.tfs)
    relations = read_relations(loaded.dataset, study.modes, study.links, evidence)
    if study.links is None:
        draft.leave_out("sets of STRING partners", "no STRING file; give one by --string FILE")
    for replicate in range(1, study.scale.target_replicates + 1):
        seed = study.seed + replicate - 1
        for target in targets:
            regions = draft.builder.individual_regions(
                target, seed=seed, num_bound=study.scale.num_bound
            )
            role = RunRole(
                experiment=NAME, arm="transfer", tf=target, replicate=replicate, target=target
            )
            try:
                draft.add(draft.builder.scratch(regions), from_scratch(role))
            except DataError as error:
                draft.leave_out_or_raise(target, error)
                continue
            for kind in relations.kinds():
                for with_target in (False, True):
                    group = _group(draft, kind, target, relations, with_target, seed)
                    _add_set(draft, group, regions, role)
    return draft.done()


def _add_set(draft: Draft, group: Group, regions: RegionSpec, role: RunRole) -> None:
    """Add the multi-model of a set and the individual model that starts from it."""
    name = f"{group.kind} of {group.target}" + (" with it" if group.with_target else "")
    if not group.tfs:
        draft.leave_out(name, group.note)
        return
    if group.note:
        draft.remark(name, group.note)
    role = replace(
        role,
        with_target=group.with_target,
        set_kind=SetKind(group.kind),
        set_label="+".join(group.tfs),
    )
    multi = draft.builder.multi(
        tuple(sorted(group.tfs)),  # two kinds may come to the same set
        seed=regions.sampling.seed,
        max_regions=draft.study.scale.set_regions,
        apart_from=regions,
    )
    try:
        draft.add(multi, replace(role, arm="multi", tf=""))
    except DataError as error:
        draft.leave_out(name, str(error))
        return
    draft.add(draft.builder.transfer(regions, multi=multi), role)


def _group(
    draft: Draft,
    kind: GroupKind,
    target: str,
    relations: Relations,
    with_target: bool,
    seed: int,
) -> Group:
    """Choose the TFs of a set; a random one with enough regions."""
    rule = GroupRule(seed=seed)
    if kind is not GroupKind.RANDOM:
        return choose_group(kind, target, relations, with_target=with_target, rule=rule)
    wanted = draft.study.scale.set_regions or 1
    best: tuple[int, Group] | None = None
    for draw in range(RANDOM_DRAWS):
        # no two replicates share a seed
        rule = replace(rule, seed=RANDOM_DRAWS * seed + draw)
        group = choose_group(kind, target, relations, with_target=with_target, rule=rule)
        num_regions = draft.loaded.num_resolved(group.tfs) if group.tfs else 0
        if best is None or num_regions > best[0]:
            best = num_regions, group
        if num_regions >= wanted:
            break
    assert best is not None  # RANDOM_DRAWS is positive
    return best[1]


def _targets(draft: Draft) -> tuple[str, ...]:
    there = draft.loaded.dataset.tfs
    if draft.study.tfs:
        draft.loaded.dataset.fingerprint(draft.study.tfs)  # names an unknown TF
        return draft.study.tfs
    targets = tuple(tf for tf in TARGETS if tf in there)
    if not targets:
        raise RunError(
            f"{draft.loaded.dataset.path} has none of {', '.join(TARGETS)}; name targets by --tfs"
        )
    for tf in TARGETS:
        if tf not in there:
            draft.leave_out(tf, "not in the dataset")
    return targets
