"""The arms that a verdict compares, by what their runs are called."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from orchestrator.plan import CONTROL, NO_MOTIF, PlannedRun

EXPERIMENT: Final = "own-tf"
WHOLE: Final = "all regions"
"""Group of the runs on all regions."""
TRANSFER: Final = "transfer"
TRANSFER_ALONE: Final = f"transfer, {NO_MOTIF}"
SCRATCH: Final = "from scratch"
SCRATCH_AS_TRANSFER: Final = f"from scratch, {CONTROL}"
MOTIF: Final = "motif alone"
ARMS: Final = (TRANSFER, TRANSFER_ALONE, SCRATCH, SCRATCH_AS_TRANSFER, MOTIF)
"""In the order in which tables show them."""


def step_name(fraction: float) -> str:
    """Name of a step of the learning curve, such as `1/8`."""
    return str(Fraction(fraction).limit_denominator(1000))


def arm_of(planned: PlannedRun) -> str:
    """Arm of a run of the experiment: one of `ARMS`, a step's name, or empty for a multi-model."""
    if planned.arm == "transfer":
        names = {WHOLE: TRANSFER, NO_MOTIF: TRANSFER_ALONE}
        return names.get(planned.group, planned.group)
    if planned.arm == "scratch":
        return SCRATCH_AS_TRANSFER if planned.group == CONTROL else SCRATCH
    return MOTIF if planned.arm == "motif" else ""


def by_arm(plan: Iterable[PlannedRun]) -> dict[str, list[PlannedRun]]:
    """Runs of the experiment by arm, without multi-models; replicates in order."""
    found: dict[str, list[PlannedRun]] = {}
    for planned in sorted(plan, key=lambda run: run.replicate):
        if arm := arm_of(planned):
            found.setdefault(arm, []).append(planned)
    return found
