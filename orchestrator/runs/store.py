"""Finished runs on disk, each in a folder that appears at once; MLflow is a view of them.

=====================  ========================================================================
file                   content
=====================  ========================================================================
run.json               the planned run: its tags and its spec; `version` of this format
metrics.json           numbers of regions, the metrics on the test regions (means over TFs for a
                       multi-model), best epoch, seconds; `per_tf` the metrics by TF
history.json           a record per epoch: epoch, train_loss, val_loss, seconds
predictions.parquet    the resolved cells of the test regions: region_id, tf, label, probability
weights.safetensors    the network's weights, and network.json its sizes; absent for a scoring and
                       for a fold of a cross-validation
filters.meme           PWMs of the first layer's filters, and filters.json their counts: what
                       activates each on the test regions predicted right; absent where there are
                       no weights, and where no region is
=====================  ========================================================================
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from data.atomic import whole_file
from data.records import NewerRecordError, Record, RecordError, from_json, to_json, to_values
from model.training.epoch import Epoch
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun, Remark
from orchestrator.role_records import RoleNames, RoleRecord, read_role, role_names, role_record
from orchestrator.runs.planned_records import (
    STORE_VERSION,
    FailureRecord,
    RunRecord,
    failure_record,
)
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.workspace import Workspace

RUN_FILE = "run.json"
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.json"
PREDICTIONS_FILE = "predictions.parquet"

SUMMARY_METRICS: Final = (
    "mcc",
    "auroc",
    "average_precision",
    "aucpr_trapezoid",
    "precision",
    "recall",
    "best_epoch",
    "seconds",
)
"""What metrics.json says of a run as a whole, in the order in which tables show it."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run."""

    path: Path

    @property
    def key(self) -> str:
        """Its key."""
        return self.path.name

    @property
    def planned(self) -> PlannedRun:
        """The run as it was planned.

        Raises
        ------
        RunError
            If run.json is damaged or a newer program wrote it.
        """
        try:
            return self._record(RUN_FILE, RunRecord, {"version": STORE_VERSION}).planned()
        except RecordError as error:
            raise self._damaged(RUN_FILE, error) from None

    @property
    def metrics(self) -> RunMetrics:
        """Content of metrics.json."""
        return self._record(METRICS_FILE, RunMetrics)

    @property
    def history(self) -> tuple[Epoch, ...]:
        """Content of history.json."""
        return self._record(HISTORY_FILE, tuple[Epoch, ...])

    @property
    def finished_at(self) -> float:
        """When the run was complete, seconds since the epoch."""
        try:
            return (self.path / METRICS_FILE).stat().st_mtime
        except OSError as error:
            raise self._damaged(METRICS_FILE, error) from None

    def _record(
        self, name: str, kind: type[Record], newest: Mapping[str, int] = MappingProxyType({})
    ) -> Record:
        try:
            return from_json((self.path / name).read_bytes(), kind, newest)
        except NewerRecordError as error:
            raise RunError(f"{self.path / name}: {error}, or name another --workspace") from None
        except (OSError, RecordError) as error:
            raise self._damaged(name, error) from None

    def _damaged(self, name: str, error: Exception) -> RunError:
        reason = f"{type(error).__name__}: {error}"
        return RunError(
            f"{self.path / name}: damaged, or written by other code ({reason}); use that code, or "
            f"remove {self.path} and run again"
        )


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A run that was asked for and is not complete, in one of its roles."""

    key: str
    names: RoleNames
    error: str
    """Why it failed; empty if it has not been run to its end."""


class RunStore:
    """The finished and failed runs of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def is_complete(self, key: str) -> bool:
        """Whether the run with a key is finished."""
        return self.workspace.run(key).is_dir()

    def open(self, key: str) -> StoredRun:
        """Open a finished run.

        Raises
        ------
        RunError
            If there is none with this key.
        """
        if not self.is_complete(key):
            raise RunError(f"{self.workspace.runs}: no finished run {key}")
        return StoredRun(self.workspace.run(key))

    def check(self) -> None:
        """Check that all finished runs can be read, before hours are spent on more of them.

        Raises
        ------
        RunError
            If one is damaged or was written by a newer program.
        """
        for run in self.completed():
            _ = run.planned

    def completed(self) -> list[StoredRun]:
        """All finished runs, in the order in which they finished."""
        if not self.workspace.runs.is_dir():
            return []
        runs = [
            StoredRun(path)
            for path in self.workspace.runs.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        ]
        return sorted(runs, key=lambda run: (run.finished_at, run.key))

    def record_roles(self, plan: Plan) -> None:
        """Store the roles that a plan gives its runs; only the workspace's driver calls it."""
        roles = self._roles()
        for key, runs in plan.roles.items():
            for record in (role_record(run.role) for run in runs):
                known = roles.get(key, ())
                if record.names not in (one.names for one in known):
                    roles[key] = (*known, record)
        with whole_file(self.workspace.roles) as partial:
            partial.write_text(json.dumps(to_values(roles)))

    def record_remarks(self, experiments: Iterable[str], remarks: Sequence[Remark]) -> None:
        """Store what planning reports of some experiments, in place of earlier remarks.

        Parameters
        ----------
        experiments
            Those planned now.
        remarks
            What planning reports of them now.
        """
        known = self.remarks()
        for experiment in experiments:
            mine = (one.text for one in remarks if one.experiment == experiment)
            known[experiment] = tuple(mine)
        with whole_file(self.workspace.remarks) as partial:
            partial.write_text(json.dumps(known, indent=1))

    def remarks(self) -> dict[str, tuple[str, ...]]:
        """What planning reported of each experiment: what it left out or made smaller, and why."""
        return _by_name(self.workspace.remarks, dict[str, tuple[str, ...]])

    def with_roles(
        self, runs: Iterable[StoredRun] | None = None
    ) -> Iterator[tuple[StoredRun, PlannedRun]]:
        """Finished runs with all of their roles: a pair per run and role.

        Raises
        ------
        RunError
            If a record of roles is damaged.
        """
        roles = self._roles()
        for run in self.completed() if runs is None else runs:
            first = run.planned
            yield run, first
            for record in roles.get(run.key, ()):
                if record.names == role_names(first.role):
                    continue
                try:
                    role = read_role(record, first.spec)
                except RecordError as error:
                    raise _damaged_plan(self.workspace.roles, f"run {run.key}: {error}") from None
                yield run, PlannedRun(spec=first.spec, role=role)

    def unfinished(self) -> list[UnfinishedRun]:
        """Runs that were asked for and are not complete, one for each run and role."""
        failures = self._failures()
        names = {key: [failure.names] for key, failure in failures.items()}
        names |= {key: [one.names for one in records] for key, records in self._roles().items()}
        return [
            UnfinishedRun(key=key, names=role, error=failures[key].error if key in failures else "")
            for key, roles in names.items()
            if not self.is_complete(key)
            for role in roles
        ]

    def _failures(self) -> dict[str, FailureRecord]:
        """Records of the runs that failed, by key."""
        records = {}
        for path in sorted(self.workspace.failure("x").parent.glob("*.json")):
            try:
                records[path.stem] = from_json(path.read_bytes(), FailureRecord)
            except (OSError, RecordError) as error:
                raise RunError(f"{path}: damaged ({error}); remove it and run again") from None
        return records

    def _roles(self) -> dict[str, tuple[RoleRecord, ...]]:
        return _by_name(self.workspace.roles, dict[str, tuple[RoleRecord, ...]])

    @contextlib.contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """Give a folder to write a run to; it becomes the run's when the block ends well.

        Raises
        ------
        RunError
            In place of the `OSError`, if it cannot be written: no space, no rights.
        """
        partial = self.workspace.runs / f".{key}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            partial.mkdir(parents=True)
            yield partial
            try:
                partial.rename(self.workspace.run(key))
            except OSError:
                # another worker finished the same key first; its result is as good
                if not self.is_complete(key):
                    raise
            self.workspace.failure(key).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(
                f"{self.workspace.run(key)}: cannot be written ({error.strerror or error}); free "
                "space or check rights, and run again"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def record_failure(self, planned: PlannedRun, error: str, traceback: str) -> None:
        """Store why a run failed, with the traceback as a list of lines.

        Where even that cannot be written (no space left), only the run's outcome has the reason.
        """
        path = self.workspace.failure(planned.key)
        record = failure_record(planned, error, traceback)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as partial:
                partial.write_text(to_json(record))


def _by_name(path: Path, kind: type[dict[str, Record]]) -> dict[str, Record]:
    """Read what planning stored; empty if there is nothing yet.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        return from_json(path.read_bytes(), kind)
    except (OSError, RecordError) as error:
        raise _damaged_plan(path, str(error)) from None


def _damaged_plan(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: damaged ({reason}); remove it, the next `bindgrid run` writes it again"
    )
