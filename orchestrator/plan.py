"""The runs of a study, each once, in an order in which a run comes after those that it needs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.errors import RunError
from orchestrator.role import Arm, RunRole
from orchestrator.role_names import run_name
from orchestrator.role_records import role_tags
from orchestrator.spec import RunSpec

Status = Literal["completed", "failed", "blocked"]


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run spec, and the role that a study gives the run; only the spec decides the result."""

    spec: RunSpec
    role: RunRole

    @property
    def key(self) -> str:
        """Key of the spec."""
        return self.spec.key

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the runs that must be complete before this one starts."""
        start = self.spec.start_run
        return tuple(one.key for one in (*([] if start is None else [start]), *self.spec.folds))

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.role.experiment

    @property
    def arm(self) -> Arm:
        """Arm of the role."""
        return self.role.arm

    @property
    def tf(self) -> str:
        """The TF that the run is about; empty for the training of a multi-model."""
        return self.role.tf

    @property
    def replicate(self) -> int:
        """Replicate, counted from 1."""
        return self.role.replicate

    @property
    def name(self) -> str:
        """Name for people, such as `SPI1 transfer r1`."""
        return run_name(self.role, len(self.spec.regions.tfs))

    def tags(self) -> dict[str, Any]:
        """Key, names of the role and keys of the runs that it needs, by name."""
        return {"key": self.key, **role_tags(self.role), "needs": list(self.needs)}


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What planning left out of an experiment or made smaller, and why."""

    experiment: str
    text: str

    def __str__(self) -> str:
        return f"{self.experiment}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a planned run ended."""

    planned: PlannedRun
    status: Status
    error: str | None = None
    """Why it failed, or which failed run it needed, in one line."""


OnDone = Callable[[RunOutcome], None]


class Plan:
    """Planned runs, each key once, in an order in which they can run.

    A run that several experiments ask for is run once, by the name that came first; `roles` has
    them all.

    Raises
    ------
    RunError
        If a run needs one that is not in the plan.
    """

    def __init__(self, runs: Iterable[PlannedRun]) -> None:
        self._by_key: dict[str, PlannedRun] = {}
        self.roles: dict[str, list[PlannedRun]] = {}
        """All roles of a run, by its key; the first is the one in `runs`."""
        for run in runs:
            self._by_key.setdefault(run.key, run)
            known = self.roles.setdefault(run.key, [])
            if run not in known:
                known.append(run)
        self.runs: tuple[PlannedRun, ...] = tuple(self._ordered())

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[PlannedRun]:
        return iter(self.runs)

    def __getitem__(self, key: str) -> PlannedRun:
        return self._by_key[key]

    def without(
        self, keys: Iterable[str], *, may_start: Callable[[], bool] = lambda: True
    ) -> "Remaining":
        """Follow what is left to do when some runs are complete."""
        return Remaining(self, keys, may_start)

    def _ordered(self) -> Iterator[PlannedRun]:
        """Runs with what they need before them, otherwise as given."""
        seen: set[str] = set()

        def visit(run: PlannedRun) -> Iterator[PlannedRun]:
            if run.key in seen:
                return
            seen.add(run.key)
            for need in run.needs:
                if need not in self._by_key:
                    raise RunError(f"{run.name} needs run {need}, which is not in the plan")
                yield from visit(self._by_key[need])
            yield run

        for run in self._by_key.values():
            yield from visit(run)


class Remaining:
    """What of a plan is still to do: which runs are ready, and what a failure blocks.

    Parameters
    ----------
    plan
        The runs.
    complete
        Keys of those that are complete.
    may_start
        Asked before a run is given out; once it says no, nothing is left to do.
    """

    def __init__(
        self, plan: Plan, complete: Iterable[str], may_start: Callable[[], bool] = lambda: True
    ) -> None:
        self._complete = set(complete)
        self._may_start = may_start
        self._waiting = {run.key: run for run in plan if run.key not in self._complete}

    def __len__(self) -> int:
        """Number of runs yet to be given out."""
        if not self._may_start():
            self._waiting.clear()
        return len(self._waiting)

    def next_ready(
        self, has_room: Callable[[PlannedRun], bool] = lambda run: True
    ) -> PlannedRun | None:
        """Give out the next run whose needs are complete; None if all wait or none is left.

        A run that there is no room for is passed over for those after it.
        """
        if not len(self):
            return None
        for key, run in self._waiting.items():
            if all(need in self._complete for need in run.needs) and has_room(run):
                return self._waiting.pop(key)
        return None

    def complete(self, key: str) -> None:
        """Record that a run is complete."""
        self._complete.add(key)

    def settle(self, outcome: RunOutcome) -> list[RunOutcome]:
        """Record how a run ended; gives the outcomes of the runs that it blocks."""
        if outcome.status == "completed":
            self.complete(outcome.planned.key)
            return []
        blocked = []
        for key, run in list(self._waiting.items()):
            if outcome.planned.key in run.needs and key in self._waiting:
                del self._waiting[key]
                reason = f"needs {outcome.planned.name}, which {outcome.status}"
                lost = RunOutcome(planned=run, status="blocked", error=reason)
                blocked += [lost, *self.settle(lost)]
        return blocked
