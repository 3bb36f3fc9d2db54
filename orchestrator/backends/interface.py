"""What every backend offers: a function `run_plan` that runs what is not complete of a plan.

Where the runs train, and how many at once, are options of each backend:
`orchestrator.backends.local` has `LocalOptions`, `orchestrator.backends.ray` has `RayOptions`,
which `functools.partial` fills in.
"""

from collections.abc import Callable
from typing import Protocol

from orchestrator.plan import OnDone, Plan
from orchestrator.workspace import Workspace

MayStart = Callable[[], bool]


def always() -> bool:
    """Let every run start."""
    return True


class RunPlan(Protocol):
    """Runs what is not complete of a plan.

    A run that fails blocks those that need it; the others still run.
    """

    def __call__(
        self,
        plan: Plan,
        workspace: Workspace,
        *,
        on_done: OnDone,
        may_start: MayStart = always,
    ) -> None:
        """Run a plan.

        Parameters
        ----------
        plan
            The runs.
        workspace
            Where the dataset and the run store are.
        on_done
            Called in this process with the outcome of every run that was not complete before, in
            the order in which they end.
        may_start
            Asked before a run starts. Once it says no, no other run starts, and those that train
            already are finished. By default every run may start.

        Raises
        ------
        DataError
            If the workspace has no complete dataset.
        RunError
            If the plan cannot be run where the backend's options say.
        """
