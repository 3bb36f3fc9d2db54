"""What a finished run's folder holds: metrics, predictions and counts."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.dataset.sampling import Part
from data.dataset.selection import Selection
from data.schema import NULL_LABEL
from model.metrics import Metrics, mean_metrics
from model.training.loop import TrainingResult
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.spec import BaseStart, RunSpec


def region_counts(
    spec: RunSpec, selection: Selection, tested: Selection, loaded: LoadedDataset
) -> dict[str, int]:
    """Count regions by part and label, and test regions that pre-training has seen.

    Parameters
    ----------
    tested
        The test regions: those of the selection, or of the folds that judge its model.
    """
    test = tested.region_ids
    seen: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    if isinstance(spec.start, BaseStart):
        seen = test[loaded.regions.lies_on(spec.start.seen_chroms, test)]
    elif spec.start is not None:
        seen = loaded.select(spec.start.regions).seen_in_training()
    labels = selection.labels[selection.part != Part.TEST]
    return {
        "num_bound": int((labels == 1).sum()),
        "num_unbound": int((labels == 0).sum()),
        "num_train_regions": len(selection.rows(Part.TRAIN)),
        "num_val_regions": len(selection.rows(Part.VAL)),
        "num_test_regions": len(test),
        "num_test_regions_seen_in_pretraining": len(np.intersect1d(test, seen)),
    }


def metrics_record(
    result: TrainingResult, per_tf: dict[str, Metrics], counts: dict[str, int]
) -> RunMetrics:
    """Give what `metrics.json` holds."""
    means = asdict(mean_metrics(per_tf))
    return RunMetrics(
        **(means | counts),
        best_epoch=result.best_epoch,
        best_val_loss=result.best_val_loss,
        seconds=result.seconds,
        per_tf=per_tf,
    )


def write_test_predictions(
    path: Path, spec: RunSpec, tested: Selection, probabilities: NDArray[np.float32]
) -> None:
    """Write probabilities of the test regions, a column a TF, with their labels."""
    labels, ids = tested.labels, tested.region_ids.astype(np.int32)
    # a cell without a label cannot be scored
    row, column = np.nonzero(labels != NULL_LABEL)
    table = pa.table(
        {
            "region_id": ids[row],
            "tf": pa.DictionaryArray.from_arrays(column.astype(np.int32), list(spec.regions.tfs)),
            "label": labels[row, column],
            "probability": probabilities[row, column],
        }
    )
    pq.write_table(table, path, compression="zstd")
