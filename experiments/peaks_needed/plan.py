"""Experiment `peaks-needed` (beyond the paper): how many peaks a good model of a TF takes.

Per replicate and target, for each number of bound regions, these arms on the very same regions:

- from scratch;
- the target's motif alone (`orchestrator.runs.motif_baseline`);
- the rivals, which need no network (`orchestrator.runs.rivals`);
- transfer from the paper's kind of multi-model, complete rows of 50 TFs;
- transfer from a masked multi-model, every resolved cell of all TFs;
- transfer from a masked multi-model without any TF of the target's binding modes;
- transfer from a masked multi-model, the target's motif a term of the network's logits;
- if the study lets regions choose motifs, the same with the motifs that they choose: from all known
  motifs, from all but the target's own, and from all but its own and similar ones, as for a TF that
  has never been studied;
- if the study wants it, with motifs chosen from all known ones, and many more as a further term.

None of the multi-models was trained on a target. The regions are held back from all of them, by one
draw for a seed, or by chromosome. Multi-models without the modes are trained one per target, or for
groups of targets, which then lack the modes of the whole group: that is cheaper, and a harder test
than necessary. They cost most of the time and can be left out.

All multi-models of a replicate are also scored on the test regions of the complete one, which says
what masking does for the multi-task prediction itself.

Ten validation regions are too few to choose an epoch. Where there are fewer than `FEW_VALIDATION`
of them the last epoch's weights are kept; and few regions train for more epochs, so that every size
gets as many steps as the paper's 500 bound regions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from data.errors import DataError
from data.relations.binding_modes import check_modes_known
from data.schema import Evidence
from experiments.study.planner import Draft, PlannedStudy, from_scratch
from experiments.study.pretraining import HELD_BACK, MIN_BOUND, Pretraining
from experiments.study.study import Study
from orchestrator.errors import RunError
from orchestrator.role import RunRole, RunVariant, SampleSize, SetKind
from orchestrator.role_names import group_name
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.ls_gkm import rivals_at_hand
from orchestrator.runs.motif_baseline import motif_of
from orchestrator.spec import MotifChoice, RunSpec

NAME: Final = "peaks-needed"

LABELS: Final = {
    SetKind.COMPLETE: "complete rows, without the targets",
    SetKind.MASKED: "masked, without the targets",
    SetKind.MASKED_APART: "masked, without the target's modes",
}
"""Names of the pre-training sets of the arms by transfer."""

CHOICES: Final = {
    RunVariant.CHOSEN_MOTIFS: MotifChoice.AUTO,
    RunVariant.OWN_HIDDEN: MotifChoice.OWN_HIDDEN,
    RunVariant.SIMILAR_HIDDEN: MotifChoice.SIMILAR_HIDDEN,
}
"""Arms of which the regions choose the motifs."""

TARGETS: Final = ("HNF4A", "JUND", "MAX", "SP1", "SPI1")
"""The paper's; further ones are the TFs with most bound regions, each of other binding modes."""
NUM_TARGETS: Final = 10


class _Kind(NamedTuple):
    """A kind of multi-model."""

    kind: SetKind
    pretraining: Pretraining
    targets: tuple[str, ...]
    """Targets that it serves."""


class MultiModelStart(NamedTuple):
    """A multi-model to start from."""

    kind: SetKind
    spec: RunSpec
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """A target at a size, in a replicate."""

    role: RunRole
    size: SampleSize
    seed: int


def peaks_needed(
    loaded: LoadedDataset, study: Study, given: Sequence[MultiModelStart] = ()
) -> PlannedStudy:
    """Plan the experiment.

    A size that a target does not reach is left out, as is the motif of a target without one.

    Parameters
    ----------
    given
        Multi-models to start from. By default those of the experiment are trained.

    Raises
    ------
    DataError
        If a target asked for is unknown or has too few regions at every size.
    RunError
        If no target, or no TF to pre-train on, is left.
    """
    if study.sampling.split == "random" and study.sampling.held_back is None:
        study = replace(study, sampling=replace(study.sampling, held_back=HELD_BACK))
    draft = Draft(NAME, loaded, study)
    targets = choose_targets(loaded, study)
    for replicate in range(1, study.scale.target_replicates + 1):
        starts = given or list(_multi_models(draft, targets, replicate))
        for target in targets:
            mine = [start for start in starts if target in start.targets]
            reasons: list[DataError] = []
            for num_bound in study.scale.peak_sizes:
                exact = study.scale.exact_sizes and num_bound is not None
                size = SampleSize(num_bound, exact=exact)
                role = RunRole(
                    experiment=NAME,
                    arm="transfer",
                    tf=target,
                    replicate=replicate,
                    target=target,
                    size=size,
                    held_back=study.sampling.split,
                )
                cell = _Cell(role=role, size=size, seed=study.seed + replicate - 1)
                try:
                    _add_size(draft, cell, mine)
                except DataError as error:
                    draft.leave_out(f"{target} with {group_name(role)}", str(error))
                    reasons.append(error)
            if len(reasons) == len(study.scale.peak_sizes) and target in study.tfs:
                raise reasons[0]
    return draft.done()


def choose_targets(loaded: LoadedDataset, study: Study) -> tuple[str, ...]:
    """Targets asked for, or the paper's and others of binding modes that no other target has.

    At most half of the dataset's TFs: the multi-models have the others.

    Raises
    ------
    DataError
        If a target asked for is unknown.
    RunError
        If there is no target.
    """
    dataset = loaded.dataset
    if study.tfs:
        dataset.fingerprint(study.tfs)  # names an unknown TF
        return study.tfs
    num_bound = {one.tf: one.count(Evidence.BOUND) for one in dataset.summaries()}
    ranked = sorted(num_bound, key=lambda tf: (tf not in TARGETS, -num_bound[tf], tf))
    chosen: list[str] = []
    for tf in ranked:
        modes = study.modes.of(tf)
        if modes and not modes & study.modes.among(chosen):
            chosen.append(tf)
    if not chosen:
        raise RunError(f"no TF of {dataset.path} has a known binding mode; name targets by --tfs")
    return tuple(chosen[: max(1, min(NUM_TARGETS, len(num_bound) // 2))])


def _multi_models(
    draft: Draft, targets: tuple[str, ...], replicate: int
) -> Iterator[MultiModelStart]:
    """Add the multi-models of a replicate, and score them on the same regions."""
    kinds = [
        _Kind(SetKind.COMPLETE, Pretraining(min_bound=MIN_BOUND, leave_out=targets), targets),
        _Kind(SetKind.MASKED, _masked(leave_out=targets), targets),
    ]
    wanted = draft.study.scale.mode_models
    num_groups = len(targets) if wanted is None else min(wanted, len(targets))
    for group in (targets[number::num_groups] for number in range(num_groups)):
        apart = _masked(leave_out=targets, modes_of=group)
        kinds.append(_Kind(SetKind.MASKED_APART, apart, group))
    complete: RunSpec | None = None
    for kind in kinds:
        study = replace(draft.study, pretraining=kind.pretraining)
        if kind.pretraining.is_masked:
            study = replace(study, pretrain_tfs=None)
        tfs = study.multi_model_tfs(draft.loaded.dataset)
        builder = replace(draft.builder, rows=kind.pretraining.rows)
        spec = builder.multi(tfs, seed=study.seed + replicate - 1)
        role = RunRole(
            experiment=NAME,
            arm="multi",
            tf="",
            replicate=replicate,
            target="+".join(kind.targets) if kind.kind is SetKind.MASKED_APART else "",
            set_kind=kind.kind,
            set_label=LABELS[kind.kind],
            tested_on=kind.pretraining.rows,
        )
        draft.add(spec, role)
        if complete is None:
            complete = spec
        elif set(complete.regions.tfs) <= set(tfs):
            scored = builder.scored_multi(complete.regions, multi=spec)
            draft.add(scored, replace(role, tested_on="complete"))
        yield MultiModelStart(kind=kind.kind, spec=spec, targets=kind.targets)


def _masked(**left_out: tuple[str, ...]) -> Pretraining:
    return Pretraining(rows="resolved", min_bound=MIN_BOUND, **left_out)


def _add_size(draft: Draft, cell: _Cell, starts: Sequence[MultiModelStart]) -> None:
    """Add the arms of a target at a size."""
    role, num_bound = cell.role, cell.size.num_bound
    jaspar = draft.loaded.dataset.jaspar
    builder = replace(
        draft.builder,
        trainings=draft.study.trainings.sized_for(num_bound),
        average_strands=True,
    )
    if cell.size.exact:
        regions = builder.individual_regions(role.tf, seed=cell.seed, num_bound=None)
        exact = replace(regions.sampling, train_bound=num_bound)
        regions = replace(regions, sampling=exact)
    else:
        regions = builder.individual_regions(role.tf, seed=cell.seed, num_bound=num_bound)
    scratch = from_scratch(role)
    draft.add(builder.scratch(regions), scratch)
    motif = None
    try:
        motif = motif_of(role.tf, jaspar)
    except DataError as error:
        draft.leave_out(f"the motif of {role.tf}", str(error))
    else:
        draft.add(builder.motif_alone(regions, motif.matrix_id), replace(scratch, arm="motif"))
    draft.add_rivals(regions, scratch, rivals_at_hand())
    for start in starts:
        plain = replace(role, set_kind=start.kind, set_label=LABELS[start.kind])
        draft.add(builder.transfer(regions, multi=start.spec), plain)
        if motif is not None and start.kind is SetKind.MASKED:
            beside = builder.transfer(regions, multi=start.spec, motif=motif)
            draft.add(beside, replace(plain, variant=RunVariant.WITH_MOTIF))
        if draft.study.chosen_motifs and start.kind is SetKind.MASKED:
            for variant, choice in CHOICES.items():
                try:
                    if choice is MotifChoice.SIMILAR_HIDDEN:
                        check_modes_known(jaspar)
                except DataError as error:
                    draft.leave_out("the arm that hides similar motifs", str(error))
                    continue
                chosen = builder.transfer(regions, multi=start.spec, motif=choice)
                draft.add(chosen, replace(plain, variant=variant))
        if draft.study.many_motifs and start.kind is SetKind.MASKED:
            draft.add_many_motifs(builder, regions, start.spec, plain)
