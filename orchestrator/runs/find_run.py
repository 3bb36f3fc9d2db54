"""Which finished run a user names: by its key, or by a TF and an arm."""

from collections.abc import Iterable
from typing import Any

from data.dataset.store import Dataset
from data.near_names import near_hint
from orchestrator.errors import UnknownModelError
from orchestrator.plan import PlannedRun
from orchestrator.role import Arm
from orchestrator.role_records import role_tags
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.workspace import Workspace


def find_run(store: RunStore, named: str, arm: Arm = "transfer") -> StoredRun:
    """Find a finished run with a network of its own.

    Parameters
    ----------
    named
        A key; or a TF, of which the newest run of the arm is taken that is not a control or a step
        of a learning curve, unless there is no other. The folds of a cross-validation are parts of
        a run, and never taken. The `multi` arm of a TF is the multi-model that its newest transfer
        started from, or else the newest that was trained on the TF.
    arm
        Only for a TF.

    Raises
    ------
    UnknownModelError
        If there is none, or several are spelled so but for their case.
    """
    if store.is_complete(named):
        run = store.open(named)
        if run.planned.spec.regions.is_fold:
            raise UnknownModelError(
                f"run {named} is a fold of a cross-validation and keeps no network; name the TF"
            )
        return run
    by_arm: dict[Arm, list[StoredRun]] = {"scratch": [], "transfer": [], "multi": []}
    known: set[str] = set()
    for run in store.completed():
        found = trained_arm(run)
        if found is not None and not run.planned.spec.regions.is_fold:
            by_arm[found].append(run)
            known.update(run.planned.spec.regions.tfs)
    tf = _spelled(named, known, store.workspace)
    if tf is None:
        hint = near_hint(named, sorted(known))
        raise UnknownModelError(
            f"{store.workspace.runs}: no finished run of {named!r}, a key or TF{hint}"
        )
    of_tf = {
        name: [run for run in runs if tf in run.planned.spec.regions.tfs]
        for name, runs in by_arm.items()
    }
    if arm == "multi" and of_tf["transfer"]:
        start = of_tf["transfer"][-1].planned.spec.start
        if start is not None and store.is_complete(start.key):
            return store.open(start.key)
    if not of_tf[arm]:
        others = ", ".join(name for name, runs in of_tf.items() if runs)
        raise UnknownModelError(
            f"{store.workspace.runs}: no finished {arm} run of {tf}; there is: {others}"
        )
    models = [run for run in of_tf[arm] if is_model(run)]
    return (models or of_tf[arm])[-1]


def _spelled(named: str, known: set[str], workspace: Workspace) -> str | None:
    """Give the TF of this name, or the only one that differs from it by case alone.

    A TF that was removed keeps its runs, and another one may have its name in other letters.
    """
    if named in known:
        return named
    alike = sorted(name for name in known if name.upper() == named.upper())
    if len(alike) > 1:
        raise UnknownModelError(
            f"{named!r} may be {' or '.join(alike)}, which have runs here; name one as it is "
            "spelled"
        )
    if not alike:
        return None
    if workspace.dataset.is_dir() and named in Dataset.open(workspace.dataset).tfs:
        raise UnknownModelError(
            f"{workspace.runs}: no finished run of {named!r}, and {alike[0]}, which has some, is "
            f"another TF: name it as it is spelled, or train {named} by `bindgrid tf train`"
        )
    return alike[0]


def replicates_of(
    store: RunStore, run: StoredRun, runs: Iterable[StoredRun] | None = None
) -> list[StoredRun]:
    """Find all finished runs that differ from a run only in the replicate, in order.

    Parameters
    ----------
    runs
        Those to look among; all finished ones by default.
    """
    planned = run.planned
    wanted = _without_replicate(planned)
    found = {
        other.replicate: stored
        for stored, other in store.with_roles(runs)
        if _alike(planned, other) and _without_replicate(other) == wanted
    }
    found[planned.replicate] = run
    return [found[number] for number in sorted(found)]


def is_model(run: StoredRun) -> bool:
    """Whether a run is what its TF is to be predicted by."""
    planned = run.planned
    regions = planned.spec.regions
    is_part = regions.is_fold or regions.sampling.train_fraction is not None
    return not (planned.role.is_control or is_part)


def trained_arm(run: StoredRun) -> Arm | None:
    """Arm of a run by its spec; None for one that scored another run's network."""
    spec = run.planned.spec
    if spec.training is None:
        return None
    if spec.regions.view == "less-sparse":
        return "multi"
    return "scratch" if spec.start is None else "transfer"


def _without_replicate(planned: PlannedRun) -> dict[str, Any]:
    names = role_tags(planned.role)
    return {name: value for name, value in names.items() if name != "replicate"}


def _alike(one: PlannedRun, other: PlannedRun) -> bool:
    """Whether two runs have the same TFs, dataset, folds, network, motif and training."""
    return (
        one.spec.regions.tfs == other.spec.regions.tfs
        and one.spec.regions.dataset == other.spec.regions.dataset
        and one.spec.regions.sampling.folds == other.spec.regions.sampling.folds
        and one.spec.network == other.spec.network
        and one.spec.motif == other.spec.motif
        and one.spec.training == other.spec.training
    )
