"""How good the predictions of a base are, on chromosomes that none of its networks was trained on.

Everything is measured on what `bindgrid predict` gives: both strands, calibrated, mean over the
networks, weights as they are stored. Calibrations and thresholds come from the validation
chromosomes, all measures from the test chromosomes, on all regions that are resolved for the TF.

Legend: n regions, T TFs, M networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from data.dataset.sampling import Part
from data.dataset.selection import Selection
from data.schema import NULL_LABEL, LabelArray
from model.calibration import Calibration, fit_calibration
from model.metrics import Metrics, best_threshold, evaluate, mean_metrics
from model.prediction import every_logit
from orchestrator.prediction.base_card import BaseTF, Rounding
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.verdict.numbers import check_calibration

Logits = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """The regions of the held-out chromosomes, and what was trained on."""

    val_sequences: NDArray[np.uint8]
    val_labels: LabelArray
    """Shape (n, T); `NULL_LABEL` where a region is not resolved for the TF."""
    test_sequences: NDArray[np.uint8]
    test_labels: LabelArray
    train_labels: LabelArray

    @classmethod
    def of(cls, loaded: LoadedDataset, selection: Selection) -> "HeldOut":
        """Take them from a selection of a dataset's regions."""
        rows = {part: selection.rows(part) for part in Part}
        packed = {
            part: loaded.regions.sequences[selection.region_ids[rows[part]]]
            for part in (Part.VAL, Part.TEST)
        }
        return cls(
            val_sequences=packed[Part.VAL],
            val_labels=selection.labels[rows[Part.VAL]],
            test_sequences=packed[Part.TEST],
            test_labels=selection.labels[rows[Part.TEST]],
            train_labels=selection.labels[rows[Part.TRAIN]],
        )

    @property
    def num_tfs(self) -> int:
        """Number of TFs."""
        return self.test_labels.shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class BaseMeasures:
    """Measures of all TFs of a base."""

    tests: tuple[Metrics, ...]
    thresholds: tuple[float, ...]
    at_threshold: tuple[float, ...]
    calibrations: tuple[tuple[Calibration, ...], ...]
    """By TF, one for each network."""
    errors: tuple[float, ...]
    probabilities: NDArray[np.float32]
    """Probabilities of the test regions, shape (n, T)."""

    def records(self, tfs: Sequence[str], regions: HeldOut) -> tuple[BaseTF, ...]:
        """Give the card's record of each TF."""
        train, val = regions.train_labels, regions.val_labels
        return tuple(
            BaseTF(
                tf=tf,
                test=self.tests[one],
                threshold=self.thresholds[one],
                mcc_at_threshold=self.at_threshold[one],
                calibrations=self.calibrations[one],
                calibration_error=self.errors[one],
                num_train_bound=int((train[:, one] == 1).sum()),
                num_train_unbound=int((train[:, one] == 0).sum()),
                num_val_bound=int((val[:, one] == 1).sum()),
            )
            for one, tf in enumerate(tfs)
        )


def measure_base(networks: Sequence[nn.Module], regions: HeldOut) -> BaseMeasures:
    """Calibrate networks on the validation chromosomes and measure them on the test chromosomes."""
    outputs = range(regions.num_tfs)
    val = [every_logit(one, regions.val_sequences, outputs) for one in networks]
    test = [every_logit(one, regions.test_sequences, outputs) for one in networks]
    calibrations: list[tuple[Calibration, ...]] = []
    tests, thresholds, at_threshold, errors, columns = [], [], [], [], []
    for one in outputs:
        labels = regions.val_labels[:, one]
        own = tuple(_calibration(logits[:, one], labels) for logits in val)
        threshold = best_threshold(labels, _mean(val, own, one))
        found = _mean(test, own, one)
        truth = regions.test_labels[:, one]
        tests.append(evaluate(truth, found))
        at_threshold.append(_mcc_at(truth, found, threshold))
        known = truth != NULL_LABEL
        errors.append(check_calibration(found[known], truth[known] == 1).error)
        thresholds.append(threshold)
        calibrations.append(own)
        columns.append(found)
    return BaseMeasures(
        tests=tuple(tests),
        thresholds=tuple(thresholds),
        at_threshold=tuple(at_threshold),
        calibrations=tuple(calibrations),
        errors=tuple(errors),
        probabilities=np.stack(columns, axis=1),
    )


def rounding_cost(
    number_format: str, num_bytes: int, rounded: BaseMeasures, exact: BaseMeasures
) -> Rounding:
    """Compare rounded weights with those that were trained."""
    means = [
        mean_metrics({str(number): test for number, test in enumerate(one.tests)})
        for one in (rounded, exact)
    ]
    pairs = zip(rounded.tests, exact.tests, strict=True)
    changes = [abs(one.mcc - other.mcc) for one, other in pairs]
    return Rounding(
        number_format=number_format,
        num_bytes=num_bytes,
        mcc=means[0].mcc - means[1].mcc,
        auroc=means[0].auroc - means[1].auroc,
        average_precision=means[0].average_precision - means[1].average_precision,
        largest_mcc=float(np.nanmax(changes)) if not np.isnan(changes).all() else float("nan"),
        largest_probability=float(np.abs(rounded.probabilities - exact.probabilities).max()),
    )


def _calibration(logits: Logits, labels: LabelArray) -> Calibration:
    """Fit a calibration; logits are taken as they are where there is one class only."""
    known = labels != NULL_LABEL
    if not (labels == 1).any() or not (labels == 0).any():
        return Calibration()
    return fit_calibration(logits[known], labels[known].astype(np.float32))


def _mean(
    logits: Sequence[Logits], calibrations: Sequence[Calibration], tf: int
) -> NDArray[np.float32]:
    """Mean over networks of the calibrated probabilities of a TF, shape (n,)."""
    pairs = zip(logits, calibrations, strict=True)
    return np.mean([own.probabilities(row[:, tf]) for row, own in pairs], axis=0, dtype=np.float32)


def _mcc_at(labels: LabelArray, probabilities: NDArray[np.float32], threshold: float) -> float:
    """MCC where regions at a threshold and above are called bound."""
    called = (probabilities >= threshold).astype(np.float32)
    return evaluate(labels, called).mcc
