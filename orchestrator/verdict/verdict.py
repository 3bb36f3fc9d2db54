"""A TF's verdict: numbers, conclusion and the filters that match its motif."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.dataset.store import Dataset
from data.errors import DataError
from data.motifs.database import Jaspar, jaspar_database, jaspar_motifs
from data.motifs.matches import ALPHA
from data.own_tf.record import added_motif
from data.steps import OnStep, silent
from model.errors import ModelError
from orchestrator.errors import RunError
from orchestrator.interpretation.run_motifs import FilterMatches, filter_matches
from orchestrator.interpretation.workspace_jaspar import workspace_jaspar
from orchestrator.plan import PlannedRun
from orchestrator.report.calls import Predictions
from orchestrator.runs.motif_baseline import motif_named, motif_of
from orchestrator.runs.motif_terms import ManyMotifsRecord, read_many_motifs, term_motifs
from orchestrator.verdict.arms import RIVALS, SCRATCH, TRANSFER, WITH_OPENNESS
from orchestrator.verdict.commands import Command, next_commands
from orchestrator.verdict.examples import ShownRegions, regions_to_show
from orchestrator.verdict.judged import Judged, read_judged
from orchestrator.verdict.motifs_shown import (
    ShownMotif,
    chosen_motif,
    matching_filters,
    own_motif,
)
from orchestrator.verdict.numbers import Numbers, collect_numbers
from orchestrator.verdict.operating import Operating, Scored, binding_rate, operating
from orchestrator.verdict.rule import Conclusion, conclude
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class MatchingFilter:
    """A filter of the first convolution that matches the TF's motif."""

    filter: int
    consensus: str
    matrix_id: str
    q_value: float


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the filters of the first replicate's model match."""

    matching: tuple[MatchingFilter, ...]
    """Those that match one of `wanted`, the best first."""
    wanted: tuple[str, ...]
    """Matrices of the TF's motif in JASPAR; empty where it has none there."""
    num_matched: int
    """Filters that match any motif."""
    num_filters: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said about a TF's model."""

    numbers: Numbers
    conclusion: Conclusion
    filters: Filters | None
    """None where no region is predicted right."""
    operating: Operating | None = None
    """What thresholds do."""
    examples: ShownRegions | None = None
    """The best regions, and the strongest peaks that are missed."""
    motifs: tuple[ShownMotif, ...] = ()
    """The TF's motif, and the filters that match it."""
    commands: tuple[Command, ...] = ()
    """The next commands."""
    many_motifs: ManyMotifsRecord | None = None
    """What the term of many motifs is worth; None where the model has none."""


def judge(
    workspace: Workspace, plan: Sequence[PlannedRun], tf: str, on_step: OnStep = silent
) -> Verdict:
    """Judge a TF by its finished runs.

    Parameters
    ----------
    plan
        The runs of the experiment, all complete.
    on_step
        Called with each step.

    Raises
    ------
    RunError
        If a run is missing or damaged, or a class has no test region.
    """
    on_step("scores and intervals")
    judged = read_judged(workspace, plan, tf)
    numbers = collect_numbers(judged)
    dataset = judged.loaded.dataset
    jaspar = workspace_jaspar(workspace)
    stored = _stored_motifs(workspace, judged, jaspar, on_step)
    filters = None if stored is None else _filters(stored, _matrices(dataset, tf, jaspar))
    on_step("regions to show")
    return Verdict(
        numbers=numbers,
        conclusion=conclude(numbers),
        filters=filters,
        operating=_operating(judged),
        examples=regions_to_show(judged.loaded, tf, judged.models[0], judged.calibrated),
        motifs=_motifs(judged, stored, filters),
        commands=next_commands(workspace, dataset, tf, by_openness=numbers.openness_helps),
        many_motifs=read_many_motifs(judged.models[0].path),
    )


def _operating(judged: Judged) -> Operating:
    """Work out what thresholds do to the model, beside openness, scratch and rivals."""
    others = [
        (arm, _pooled(judged.predicted[arm]))
        for arm in (WITH_OPENNESS, SCRATCH, *RIVALS)
        if arm in judged.predicted
    ]
    rate, rate_of = binding_rate(judged.loaded.dataset, judged.tf)
    return operating(_pooled(judged.calibrated), others, TRANSFER, rate, rate_of)


def _pooled(predicted: Sequence[Predictions]) -> Scored:
    return Scored(
        probability=np.concatenate([one.probability for one in predicted]),
        bound=np.concatenate([one.bound for one in predicted]),
    )


def _motifs(
    judged: Judged, stored: FilterMatches | None, filters: Filters | None
) -> tuple[ShownMotif, ...]:
    """Give the TF's motif, or those that its peaks chose, and the filters that match the first.

    There is nothing for a TF without a motif.
    """
    model, dataset = judged.models[0], judged.loaded.dataset
    tf, spec = judged.tf, model.planned.spec
    chosen = term_motifs(model.path) if spec.motif_choice is not None else ()
    if chosen:
        motif = chosen[0][1]
        shown = tuple(chosen_motif(*one) for one in chosen)
    else:
        is_named = spec.motif and spec.motif_choice is None
        try:
            motif = (
                motif_named(spec.motif, dataset, tf)
                if is_named
                else added_motif(dataset, tf) or motif_of(tf, dataset.jaspar)
            )
        except DataError:
            return ()
        shown = (own_motif(motif),)
    matching = () if filters is None else (one.filter for one in filters.matching)
    beside = () if stored is None else matching_filters(stored, motif, matching)
    return (*shown, *beside)


def _stored_motifs(
    workspace: Workspace, judged: Judged, jaspar: Jaspar, on_step: OnStep
) -> FilterMatches | None:
    database = jaspar_database(jaspar)
    try:
        return filter_matches(judged.models[0], workspace, database, on_step=on_step)
    except (DataError, ModelError, RunError):
        return None


def _filters(stored: FilterMatches, wanted: tuple[str, ...]) -> Filters:
    matches = stored.matches
    own = matches[matches["matrix_id"].isin(wanted) & (matches["q_value"] < ALPHA)]
    best = own.sort_values(["q_value", "filter"]).drop_duplicates("filter")
    consensus = stored.table.set_index("filter")["consensus"]
    return Filters(
        matching=tuple(
            MatchingFilter(
                filter=int(row["filter"]),
                consensus=str(consensus[row["filter"]]),
                matrix_id=str(row["matrix_id"]),
                q_value=float(row["q_value"]),
            )
            for row in best.to_dict("records")
        ),
        wanted=wanted,
        num_matched=stored.num_matched(),
        num_filters=len(stored.table),
    )


def _matrices(dataset: Dataset, tf: str, jaspar: Jaspar) -> tuple[str, ...]:
    """Matrices of a TF in JASPAR: by its name, and by the motif that it was added by."""
    by_tf = jaspar_motifs(jaspar)
    motif = added_motif(dataset, tf)
    names = [tf.upper()] + ([] if motif is None else [motif.tf.upper()])
    found = [one.matrix_id for name in names for one in by_tf.get(name, ())]
    return tuple(dict.fromkeys(found))
