"""All that MLflow shows of a workspace, brought up to date: runs, motifs, registered models."""

from __future__ import annotations

from orchestrator.runs.store import RunStore
from orchestrator.tracking.models import ModelTracker
from orchestrator.tracking.motifs import MotifTracker
from orchestrator.tracking.verdicts import VerdictTracker


class ViewTracker(ModelTracker, MotifTracker):
    """Writes runs to MLflow, with the motifs that are there, the networks to use and the verdicts.

    What must be computed for it, matches of filters, only `log_matches` adds.
    """

    def sync(self, store: RunStore) -> int:
        """Log what MLflow lacks of a run store: runs, motifs, models and their aliases, verdicts.

        Returns
        -------
        int
            Number of runs logged now.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses something.
        RunError
            If a run is damaged.
        """
        num_logged = super().sync(store)
        self.log_motifs(store)
        self.register(store)
        VerdictTracker(self.workspace).log_cards()
        return num_logged

    def forget(self, store: RunStore) -> int:
        """Delete what MLflow has of a run store: runs and registered models.

        Returns
        -------
        int
            Number of runs deleted.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        self.forget_models(store)
        return super().forget(store)
