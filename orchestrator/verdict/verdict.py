"""A TF's verdict: numbers, conclusion and the filters that match its motif."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.dataset.store import Dataset
from data.errors import DataError
from data.motifs.database import Jaspar, jaspar_database, jaspar_motifs
from data.motifs.matches import ALPHA
from data.own_tf.record import added_motif
from model.errors import ModelError
from orchestrator.errors import RunError
from orchestrator.interpretation.run_motifs import run_motifs
from orchestrator.interpretation.workspace_jaspar import workspace_jaspar
from orchestrator.plan import PlannedRun
from orchestrator.runs.store import RunStore
from orchestrator.steps import OnStep, silent
from orchestrator.verdict.numbers import Numbers, collect_numbers
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
    """What is said of a TF's model."""

    numbers: Numbers
    conclusion: Conclusion
    filters: Filters | None
    """None where no region is predicted right."""


def judge(
    workspace: Workspace, plan: Sequence[PlannedRun], tf: str, on_step: OnStep = silent
) -> Verdict:
    """Judge a TF by its finished runs.

    Parameters
    ----------
    plan
        The runs of the experiment, all complete.
    on_step
        Told of each step.

    Raises
    ------
    RunError
        If a run is missing or damaged, or a class has no test region.
    """
    on_step("scores and intervals")
    numbers = collect_numbers(workspace, plan, tf)
    return Verdict(
        numbers=numbers,
        conclusion=conclude(numbers),
        filters=_filters(workspace, numbers, tf, on_step),
    )


def _filters(workspace: Workspace, numbers: Numbers, tf: str, on_step: OnStep) -> Filters | None:
    run = RunStore(workspace).open(numbers.keys[0])
    jaspar = workspace_jaspar(workspace)
    try:
        stored = run_motifs(run, workspace, jaspar_database(jaspar), on_step=on_step)
    except (DataError, ModelError, RunError):
        return None
    wanted = _matrices(Dataset.open(workspace.dataset), tf, jaspar)
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
