"""Filters of finished runs, read for the report or taken from where they were kept."""

from dataclasses import dataclass

from data.motifs.database import MotifDatabase
from data.steps import OnStep, silent
from orchestrator.interpretation.following import FollowedFilters, follow_runs
from orchestrator.interpretation.logos import Logo
from orchestrator.interpretation.run_motifs import StoredMotifs, run_motifs
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class MotifReader:
    """Reads the filters of finished runs for the report, or takes what was read before."""

    workspace: Workspace
    database: MotifDatabase
    on_step: OnStep = silent
    """Called with each step, in a few words."""

    def read(self, key: str) -> StoredMotifs:
        """Give the motifs of the filters of a run's first layer.

        Raises
        ------
        DataError, ModelError, RunError
            If they cannot be read.
        """
        run = RunStore(self.workspace).open(key)
        on_step = self._steps_of(run.planned.name)
        return run_motifs(run, self.workspace, self.database, on_step=on_step)

    def follow(self, transfer: str, scratch: str) -> FollowedFilters:
        """Follow the filters of a multi-model through the fine-tuning of a run by transfer.

        Raises
        ------
        DataError, ModelError, RunError
            If they cannot be read.
        """
        store = RunStore(self.workspace)
        run = store.open(transfer)
        return follow_runs(
            run,
            store.open(scratch),
            self.workspace,
            self.database,
            on_step=self._steps_of(run.planned.name),
        )

    def aligned(self, matrix_id: str, offset: int, orientation: str) -> Logo:
        """Motif of the database as it fits a filter, whose first position is 0."""
        [motif] = [one for one in self.database.motifs if one.matrix_id == matrix_id]
        logo = Logo(frequencies=motif.probabilities, start=-int(offset))
        return logo.turned() if orientation == "-" else logo

    def _steps_of(self, name: str) -> OnStep:
        return lambda step: self.on_step(f"filters of {name}: {step}")
