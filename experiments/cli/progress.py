"""The progress of a plan on the terminal: a bar and what trains now; plain lines elsewhere."""

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from experiments.cli.console import err
from orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from orchestrator.plan import RunOutcome

_REFRESH_SECONDS = 1.0
_LINE_SECONDS = 60.0  # between lines where there is no terminal to draw on


def counting_bar() -> Progress:
    """Make a bar that counts what is done, with the time; it is shown on a terminal only."""
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=err,
        disable=not err.is_terminal,
    )


class PlanProgress:
    """Follows a plan; used as a context manager around the backend.

    Parameters
    ----------
    workspace
        The workspace whose running trainings are shown.
    total, complete
        Numbers of runs in the plan and of those complete already.
    """

    def __init__(self, workspace: Workspace, total: int, complete: int) -> None:
        from orchestrator.runs.progress import EpochNotes

        self._workspace = workspace
        self._notes = EpochNotes(workspace)
        self._bar = counting_bar()
        self._task = self._bar.add_task("starting", total=total, completed=complete)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._bar.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._bar.stop()

    def done(self, outcome: "RunOutcome") -> None:
        """Take note of a run that ended."""
        self._bar.advance(self._task)
        if outcome.error or not err.is_terminal:
            line = f"{outcome.planned.name}: {outcome.status}"
            reason = f": {outcome.error}" if outcome.error else ""
            record = self._workspace.failure(outcome.planned.key)
            told = f" (traceback: {record})" if record.exists() else ""
            err.print(line + reason + told)

    def _follow(self) -> None:
        pause = _REFRESH_SECONDS if err.is_terminal else _LINE_SECONDS
        while not self._ended.wait(pause):
            running = "; ".join(map(str, self._notes.read()))
            if err.is_terminal:
                self._bar.update(self._task, description=running)
            elif running:
                err.print(running)
