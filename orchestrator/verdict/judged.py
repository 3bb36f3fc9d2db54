"""What a verdict is computed from: a TF's finished runs, and what they predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.calibration import fit_calibration
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.prediction.predictors import calibration_of, logits_of
from orchestrator.report.calls import Predictions, read_predictions
from orchestrator.runs.fold_predictions import folds_of
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.verdict.across import predicted_across
from orchestrator.verdict.arms import TRANSFER, WITH_OPENNESS, by_arm
from orchestrator.verdict.openness import with_openness
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A TF's finished runs, by arm and in the order of replicates, and their predictions."""

    tf: str
    loaded: LoadedDataset
    planned: Mapping[str, Sequence[PlannedRun]]
    runs: Mapping[str, Sequence[StoredRun]]
    predicted: Mapping[str, Sequence[Predictions]]
    """Predictions of the test regions by arm, as the networks gave them, and with openness."""
    calibrated: Sequence[Predictions]
    """Calibrated predictions of transfer."""

    @property
    def models(self) -> Sequence[StoredRun]:
        """The runs by transfer on all regions."""
        return self.runs[TRANSFER]


def read_judged(workspace: Workspace, plan: Sequence[PlannedRun], tf: str) -> Judged:
    """Read the finished runs of a TF, and calibrate what its model predicted.

    Parameters
    ----------
    plan
        The runs of the experiment, all complete.

    Raises
    ------
    RunError
        If a run is missing or damaged, or a class has no test region.
    """
    store = RunStore(workspace)
    planned = by_arm(plan)
    runs = {arm: [store.open(one.key) for one in own] for arm, own in planned.items()}
    loaded = load_dataset(workspace)
    predicted: dict[str, Sequence[Predictions]] = {
        arm: [_predictions(run, loaded) for run in own] for arm, own in runs.items()
    }
    for one in predicted[TRANSFER]:
        if one.bound.all() or not one.bound.any():
            raise RunError(
                f"{tf}: {int(one.bound.sum())} of {len(one.bound)} regions to test on are bound; "
                "name other chromosomes by --test-chroms, or give more peaks"
            )
    if opened := with_openness(loaded, predicted[TRANSFER]):
        predicted[WITH_OPENNESS] = opened
    calibrated = [
        _calibrated(workspace, loaded, run, own, tf)
        for run, own in zip(runs[TRANSFER], predicted[TRANSFER], strict=True)
    ]
    return Judged(
        tf=tf,
        loaded=loaded,
        planned=planned,
        runs=runs,
        predicted=predicted,
        calibrated=calibrated,
    )


def _predictions(run: StoredRun, loaded: LoadedDataset) -> Predictions:
    """Read what a run predicted of its test regions, with the folds that they were tested in."""
    found = read_predictions(run)
    sampling = run.planned.spec.regions.sampling
    return replace(found, fold=folds_of(sampling, loaded.regions, found.region_ids))


def _calibrated(
    workspace: Workspace, loaded: LoadedDataset, run: StoredRun, own: Predictions, tf: str
) -> Predictions:
    if own.fold is not None:
        return replace(own, probability=calibrated_across(own))
    calibration = calibration_of(workspace, run, tf, 0)
    logits = logits_of(run, loaded.regions.sequences[own.region_ids])
    return replace(own, probability=calibration.probabilities(logits))


def calibrated_across(predicted: Predictions) -> NDArray[np.float32]:
    """Calibrate the probabilities of each fold by those of all others, shape (n,).

    The model itself is calibrated by those of all folds, which would be too good a test.
    """
    assert predicted.fold is not None
    labels, logits = predicted.bound.astype(np.float32), predicted.logits
    return predicted_across(
        predicted.fold,
        lambda known, asked: fit_calibration(logits[known], labels[known]).probabilities(
            logits[asked]
        ),
    )
