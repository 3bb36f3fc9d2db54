"""A planned run as JSON: run.json of a finished run, and the record of one that failed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from data.records import INLINE
from orchestrator.plan import PlannedRun
from orchestrator.role_records import FACTS, RoleNames, RoleRecord, read_role, role_record
from orchestrator.spec import RunSpec

STORE_VERSION: Final = 2
"""Increase it when an older program cannot read a run folder; without a version it is 1.

From 2 on, run.json has the facts of the run's role beside its names."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The run.json of a finished run."""

    version: int = 1
    key: str
    names: RoleNames = field(metadata=INLINE)
    needs: tuple[str, ...]
    """Keys of the runs that it starts from."""
    facts: Mapping[str, Any] | None = field(default=None, metadata=FACTS)
    spec: RunSpec

    def planned(self) -> PlannedRun:
        """Give the run as it was planned.

        Raises
        ------
        RecordError
            If the facts of its role are damaged.
        """
        role = read_role(RoleRecord(names=self.names, facts=self.facts), self.spec)
        return PlannedRun(spec=self.spec, role=role)


@dataclass(frozen=True, kw_only=True)
class FailureRecord:
    """Why a run failed."""

    key: str
    names: RoleNames = field(metadata=INLINE)
    needs: tuple[str, ...]
    """Keys of the runs that it starts from."""
    facts: Mapping[str, Any] | None = field(default=None, metadata=FACTS)
    name: str
    """Name of the run, for people."""
    error: str
    """The reason in one line."""
    traceback: tuple[str, ...]
    """Lines of the traceback; none where the process died."""


def run_record(planned: PlannedRun) -> RunRecord:
    """Give the run.json of a run."""
    role = role_record(planned.role)
    return RunRecord(
        version=STORE_VERSION,
        key=planned.key,
        names=role.names,
        needs=planned.needs,
        facts=role.facts,
        spec=planned.spec,
    )


def failure_record(planned: PlannedRun, error: str, traceback: str) -> FailureRecord:
    """Give the record of a run that failed."""
    role = role_record(planned.role)
    return FailureRecord(
        key=planned.key,
        names=role.names,
        needs=planned.needs,
        facts=role.facts,
        name=planned.name,
        error=error,
        traceback=tuple(traceback.splitlines()),
    )
