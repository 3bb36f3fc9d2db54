"""Finished runs on disk, each in a folder that appears at once; MLflow is a view of them.

=====================  ========================================================================
file                   content
=====================  ========================================================================
run.json               the planned run: its tags and its spec; `version` of this format
metrics.json           numbers of regions, the metrics on the test regions (means over TFs for a
                       multi-model), best epoch, seconds; `per_tf` the metrics by TF
history.json           a record an epoch: epoch, train_loss, val_loss, seconds
predictions.parquet    the resolved cells of the test regions: region_id, tf, label, probability
weights.safetensors    the network's weights, and network.json its sizes; absent for a scoring
filters.meme           PWMs of the first layer's filters, and filters.json their counts: what
                       activates each on the test regions predicted right; absent for a scoring
                       and where no region is
=====================  ========================================================================
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from data.atomic import whole_file
from data.records import Record, RecordError, from_json
from model.training.state import Epoch
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun
from orchestrator.role_records import names_in, read_role, role_record, role_tags
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.workspace import Workspace

STORE_VERSION: Final = 2
"""Raised when an older program could not read a run folder; without a version it is 1.

From 2 on, run.json has the facts of the run's role beside its names."""

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
        values = self._json(RUN_FILE)
        try:
            version = values.pop("version", 1)
            if version <= STORE_VERSION:
                return PlannedRun.from_dict(values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(RUN_FILE, error) from None
        raise RunError(
            f"{self.path / RUN_FILE}: version {version}, this bindgrid reads up to "
            f"{STORE_VERSION}; update bindgrid or name another --workspace"
        )

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

    def _record(self, name: str, kind: type[Record]) -> Record:
        try:
            return from_json((self.path / name).read_bytes(), kind)
        except (OSError, RecordError) as error:
            raise self._damaged(name, error) from None

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text())
        except (OSError, ValueError) as error:
            raise self._damaged(name, error) from None

    def _damaged(self, name: str, error: Exception) -> RunError:
        reason = f"{type(error).__name__}: {error}"
        return RunError(
            f"{self.path / name}: damaged, or written by other code ({reason}); use that code, or "
            f"remove {self.path} and run again"
        )


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
        """Write down what a plan calls its runs; called by the sole driver of the workspace."""
        roles = self._roles()
        for key, runs in plan.roles.items():
            known = roles.setdefault(key, [])
            for record in (role_record(run.role) for run in runs):
                if names_in(record) not in map(names_in, known):
                    known.append(record)
        with whole_file(self.workspace.roles) as partial:
            partial.write_text(json.dumps(roles))

    def record_remarks(self, experiments: Iterable[str], remarks: Sequence[str]) -> None:
        """Write down what planning said of some experiments, in place of what it said before.

        Parameters
        ----------
        experiments
            Those planned now.
        remarks
            Each starts with its experiment's name and a colon.
        """
        known = self.remarks()
        for experiment in experiments:
            mine = [text for text in remarks if text.startswith(f"{experiment}: ")]
            known[experiment] = [text.removeprefix(f"{experiment}: ") for text in mine]
        with whole_file(self.workspace.remarks) as partial:
            partial.write_text(json.dumps(known, indent=1))

    def remarks(self) -> dict[str, list[str]]:
        """What planning said of each experiment: what it left out or made smaller, and why."""
        return _planned_record(self.workspace.remarks)

    def with_roles(
        self, runs: Iterable[StoredRun] | None = None
    ) -> Iterator[tuple[StoredRun, PlannedRun]]:
        """Finished runs by everything that studies call them: a pair per run and role.

        Raises
        ------
        RunError
            If a record of roles is damaged.
        """
        roles = self._roles()
        for run in self.completed() if runs is None else runs:
            first = run.planned
            yield run, first
            for record in roles.get(run.key, []):
                try:
                    is_other = names_in(record) != role_tags(first.role)
                    role = read_role(record, first.spec) if is_other else first.role
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise RunError(
                        f"{self.workspace.roles}: damaged at run {run.key} ({error!r}); remove it, "
                        "the next `bindgrid run` writes it anew"
                    ) from None
                if is_other:
                    yield run, PlannedRun(spec=first.spec, role=role)

    def unfinished(self) -> list[dict[str, Any]]:
        """Runs that were asked for and are not complete, a record per run and role.

        Returns
        -------
        list of dict
            key, role, and `error`: why the run failed, None if it has not been run to its end.
        """
        failures = self._failures()
        roles = {key: [failure] for key, failure in failures.items()} | self._roles()
        return [
            {**role, "key": key, "error": failures.get(key, {}).get("error")}
            for key, known in roles.items()
            if not self.is_complete(key)
            for role in known
        ]

    def _failures(self) -> dict[str, dict[str, Any]]:
        """Records of the runs that failed, by key."""
        records = {}
        for path in sorted(self.workspace.failure("x").parent.glob("*.json")):
            try:
                records[path.stem] = dict(json.loads(path.read_text()))
            except (OSError, ValueError) as error:
                raise RunError(f"{path}: damaged ({error}); remove it and run again") from None
        return records

    def _roles(self) -> dict[str, list[dict[str, Any]]]:
        return _planned_record(self.workspace.roles)

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
        """Write down why a run failed, the traceback as a list of lines.

        Where even that cannot be written (no space, say), the reason is in the run's outcome alone.
        """
        path = self.workspace.failure(planned.key)
        record = {
            **planned.tags(),
            **role_record(planned.role),
            "name": planned.name,
            "error": error,
            "traceback": traceback.splitlines(),
        }
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as partial:
                partial.write_text(json.dumps(record, indent=1) + "\n")


def _planned_record(path: Path) -> dict[str, Any]:
    """What planning wrote down; empty if it has not yet.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: damaged ({error}); remove it, the next `bindgrid run` writes it anew"
        ) from None
