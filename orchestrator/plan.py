"""The runs of a study, each once, what they need before what needs them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from orchestrator.errors import RunError
from orchestrator.spec import RunSpec

Arm = Literal["scratch", "transfer", "multi"]
Status = Literal["completed", "failed", "blocked"]


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A run spec and what the study calls it; only the spec decides the result."""

    spec: RunSpec
    experiment: str
    """Name of the experiment, as in the paper's figures."""
    arm: Arm
    """`multi`: a multi-model, trained, or scored on one TF's test regions."""
    tf: str
    """The TF that the run is about; empty for the training of a multi-model."""
    replicate: int
    """Counted from 1."""
    pretraining_set: str = ""
    """Name of the multi-model's set of TFs; empty where none has to do with the run."""
    group: str = ""
    """What the experiment groups its runs by, such as the number of regions."""

    def __post_init__(self) -> None:
        if self.arm not in get_args(Arm):
            raise ValueError(f"no arm is named {self.arm!r}")

    @property
    def key(self) -> str:
        """Key of the spec."""
        return self.spec.key

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the runs that must be complete before this one starts."""
        return () if self.spec.start is None else (self.spec.start.key,)

    @property
    def name(self) -> str:
        """Name for people, such as `SPI1 transfer r1`."""
        num_tfs = len(self.spec.regions.tfs)
        subject = f"{self.tf} {self.arm}" if self.tf else f"multi-model {num_tfs} TFs"
        return f"{subject} r{self.replicate}"

    def tags(self) -> dict[str, Any]:
        """What the study calls the run, without its spec."""
        return {
            "key": self.key,
            "experiment": self.experiment,
            "arm": self.arm,
            "tf": self.tf,
            "pretraining_set": self.pretraining_set,
            "group": self.group,
            "replicate": self.replicate,
            "needs": list(self.needs),
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**self.tags(), "spec": self.spec.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PlannedRun":
        """Undo :meth:`to_dict`."""
        rest = {name: values[name] for name in values.keys() - {"spec", "key", "needs"}}
        return cls(spec=RunSpec.from_dict(values["spec"]), **rest)


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a planned run ended."""

    planned: PlannedRun
    status: Status
    error: str | None = None
    """Why it failed or what it waited for in vain, in one line."""


OnDone = Callable[[RunOutcome], None]


class Plan:
    """Planned runs, each key once, in an order in which they can run.

    Raises
    ------
    RunError
        If a run needs one that is not in the plan.
    """

    def __init__(self, runs: Iterable[PlannedRun]) -> None:
        self._by_key: dict[str, PlannedRun] = {}
        for run in runs:
            self._by_key.setdefault(run.key, run)
        self.runs: tuple[PlannedRun, ...] = tuple(self._ordered())

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[PlannedRun]:
        return iter(self.runs)

    def __getitem__(self, key: str) -> PlannedRun:
        return self._by_key[key]

    def without(self, keys: Iterable[str]) -> "Remaining":
        """Follow what is left to do when some runs are complete."""
        return Remaining(self, keys)

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
    """What of a plan is still to do: which runs are ready, and what a failure blocks."""

    def __init__(self, plan: Plan, complete: Iterable[str]) -> None:
        self._complete = set(complete)
        self._waiting = {run.key: run for run in plan if run.key not in self._complete}

    def __len__(self) -> int:
        """Number of runs not yet given out."""
        return len(self._waiting)

    def next_ready(self) -> PlannedRun | None:
        """Give out the next run whose needs are complete; None if all wait or none is left."""
        for key, run in self._waiting.items():
            if all(need in self._complete for need in run.needs):
                return self._waiting.pop(key)
        return None

    def settle(self, outcome: RunOutcome) -> list[RunOutcome]:
        """Take note of how a run ended; the outcomes of the runs that it blocks."""
        if outcome.status == "completed":
            self._complete.add(outcome.planned.key)
            return []
        blocked = []
        for key, run in list(self._waiting.items()):
            if outcome.planned.key in run.needs and key in self._waiting:
                del self._waiting[key]
                reason = f"needs {outcome.planned.name}, which {outcome.status}"
                lost = RunOutcome(planned=run, status="blocked", error=reason)
                blocked += [lost, *self.settle(lost)]
        return blocked
