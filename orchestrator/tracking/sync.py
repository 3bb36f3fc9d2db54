"""All that MLflow shows of a workspace, brought up to date: runs, motifs, models, verdicts."""

from __future__ import annotations

from typing import final

from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import TrackingClient
from orchestrator.tracking.live import LiveWriter
from orchestrator.tracking.models import ModelWriter
from orchestrator.tracking.motifs import MotifWriter
from orchestrator.tracking.runs import RunWriter
from orchestrator.tracking.verdicts import VerdictWriter
from orchestrator.tracking.views import Figures, ViewWriter, no_figures
from orchestrator.workspace import Workspace


@final
class MlflowView:
    """MLflow as a view of a workspace: its runs, their motifs, the networks to use, the verdicts.

    Not for use from two threads at once.

    Parameters
    ----------
    workspace : Workspace
        Whose runs are shown.
    figures : callable
        Gives the figures of the paper that the notes of experiments name; none by default.
    """

    def __init__(self, workspace: Workspace, figures: Figures = no_figures) -> None:
        self.client = TrackingClient(workspace)
        self.runs = RunWriter(self.client, figures)
        self.live = LiveWriter(self.client, self.runs)
        self.motifs = MotifWriter(self.client)
        self.models = ModelWriter(self.client)
        self.verdicts = VerdictWriter(self.client)
        self.views = ViewWriter(self.client)

    def sync(self, store: RunStore) -> int:
        """Log what MLflow lacks of a run store: runs, motifs, models and their aliases, verdicts.

        The matches of filters, which take long to compute, are left to `MotifWriter.log_matches`.

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
        num_logged = self.runs.sync(store)
        self.motifs.log_motifs(store)
        self.models.register(store)
        self.verdicts.log_cards()
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
        self.models.forget(store)
        return self.runs.forget(store)
