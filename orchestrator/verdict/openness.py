"""What a TF's model predicts when the openness of regions counts beside their sequences.

Three numbers are fitted, and no region is predicted by those that were fitted to it: with folds
they come from all other folds, otherwise from the other four fifths of the test regions, in the
order of the genome.

Legend: n test regions.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.open_biosamples import OpenBiosamples
from data.errors import DataError
from model.calibration import fit_open_calibration, openness
from model.errors import ModelError
from orchestrator.report.calls import Predictions
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.verdict.across import parts_of, predicted_across

MIN_PER_CLASS: Final = 10
"""Bound, and unbound, test regions below which nothing is fitted."""


def with_openness(
    loaded: LoadedDataset, predicted: Sequence[Predictions]
) -> tuple[Predictions, ...]:
    """Predict test regions anew, with openness; of no replicate where that cannot be done.

    It cannot with too few of a class, or with all of a class in one part, or where the dataset does
    not say how open regions are.

    Parameters
    ----------
    loaded
        The dataset of the test regions.
    predicted
        What each replicate predicted of them by their sequences.
    """
    fewest = min(min(int(one.bound.sum()), int((~one.bound).sum())) for one in predicted)
    if fewest < MIN_PER_CLASS:
        return ()
    try:
        counts = OpenBiosamples(loaded.dataset, loaded.regions).of_regions
        return tuple(
            replace(one, probability=_across(one, openness(counts[one.region_ids])))
            for one in predicted
        )
    except (DataError, ModelError):
        return ()


def _across(predicted: Predictions, opened: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of each part by what the others were fitted to, shape (n,)."""
    labels, logits = predicted.bound.astype(np.float32), predicted.logits

    def fit(known: NDArray[np.bool_], asked: NDArray[np.bool_]) -> NDArray[np.float32]:
        fitted = fit_open_calibration(logits[known], labels[known], opened[known])
        return fitted.probabilities(logits[asked], opened[asked])

    return predicted_across(parts_of(predicted), fit)
