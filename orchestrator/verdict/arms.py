"""The arms that a verdict compares: which of them a run belongs to, by its role."""

from collections.abc import Iterable
from typing import Final

from orchestrator.plan import PlannedRun
from orchestrator.role import RunVariant
from orchestrator.role_names import RIVAL_WORDS, VARIANT_WORDS, step_name

TRANSFER: Final = "transfer"
TRANSFER_ALONE: Final = f"transfer, {VARIANT_WORDS[RunVariant.WITHOUT_MOTIF]}"
WITH_OPENNESS: Final = f"{TRANSFER}, with openness"
"""Transfer, with the openness of regions beside their sequences; computed from what it predicted,
and no run."""
SCRATCH: Final = "from scratch"
SCRATCH_AS_TRANSFER: Final = f"from scratch, {VARIANT_WORDS[RunVariant.TRANSFER_RATE]}"
MOTIF: Final = "motif alone"
RIVALS: Final = {
    MOTIF: "the motif alone",
    **{name: f"the rival {name}" for name in RIVAL_WORDS.values()},
}
"""Arms that need no network, each as a sentence names it."""
OPENNESS: Final = RIVAL_WORDS["openness"]
"""The rival that reads next to nothing of the sequence."""
ARMS: Final = (
    TRANSFER,
    TRANSFER_ALONE,
    WITH_OPENNESS,
    SCRATCH,
    SCRATCH_AS_TRANSFER,
    *RIVALS,
)
"""In the order in which tables show them."""


def arm_of(planned: PlannedRun) -> str:
    """Arm of a run: one of `ARMS`, or a step's name; empty for a multi-model and for a fold."""
    role = planned.role
    if role.fold is not None:
        return ""
    if role.step is not None:
        return step_name(role.step)
    if role.arm == "transfer":
        return TRANSFER_ALONE if role.variant is RunVariant.WITHOUT_MOTIF else TRANSFER
    if role.arm == "scratch":
        return SCRATCH_AS_TRANSFER if role.is_control else SCRATCH
    return MOTIF if role.arm == "motif" else RIVAL_WORDS.get(role.arm, "")


def by_arm(plan: Iterable[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """Runs of a verdict by arm, without multi-models and folds; replicates in order."""
    found: dict[str, list[PlannedRun]] = {}
    for planned in sorted(plan, key=lambda run: run.replicate):
        if arm := arm_of(planned):
            found.setdefault(arm, []).append(planned)
    return found
