"""Curves of a finished run: loss by epoch, and ROC and precision-recall on the test regions.

``curves.json`` has ``loss``, a record per epoch, and ``test``, by TF the points of ``roc``
(false_positive_rate, true_positive_rate) and ``precision_recall`` (recall, precision). A curve of
thousands of points is thinned evenly to `MAX_POINTS`, keeping both ends. A TF whose test regions
are all of one class has no curves. ``curves.svg`` draws the three curves side by side.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import matplotlib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from orchestrator.errors import RunError
from orchestrator.runs.store import PREDICTIONS_FILE, StoredRun

CURVES_FILE: Final = "curves.json"
FIGURE_FILE: Final = "curves.svg"
MAX_POINTS: Final = 200
"""Points of all curves of one kind together; each curve has at least 20."""


def write_curves(run: StoredRun, folder: Path) -> None:
    """Write a run's curves.json and curves.svg; nothing if it has no predictions.

    Raises
    ------
    RunError
        If its predictions are damaged.
    """
    if not (run.path / PREDICTIONS_FILE).exists():
        return
    curves = run_curves(run)
    (folder / CURVES_FILE).write_text(json.dumps(curves) + "\n")
    _drawing().save(curves, folder / FIGURE_FILE)


def run_curves(run: StoredRun) -> dict[str, Any]:
    """Compute the content of curves.json.

    Raises
    ------
    RunError
        If the run's predictions are missing or damaged.
    """
    path = run.path / PREDICTIONS_FILE
    try:
        table = pq.read_table(path, columns=["tf", "label", "probability"])
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"{path}: damaged ({reason}); remove {run.path} and run again") from None
    names = table["tf"].to_numpy()
    labels, probabilities = table["label"].to_numpy(), table["probability"].to_numpy()
    tfs = list(dict.fromkeys(names.tolist()))
    points = max(20, MAX_POINTS // max(1, len(tfs)))
    test = {}
    for tf in tfs:
        # what is neither bound nor unbound is unresolved
        rows = (names == tf) & np.isin(labels, (0, 1))
        bound = labels[rows] == 1
        if bound.any() and not bound.all():
            test[tf] = _test_curves(bound, probabilities[rows], points)
    loss = [{name: getattr(epoch, name) for name in _LOSSES} for epoch in run.history]
    return {"loss": loss, "test": test}


_TICKS: Final = (0.0, 0.5, 1.0)
_LOSSES: Final = ("epoch", "train_loss", "val_loss")


def _test_curves(
    bound: NDArray[np.bool_], probabilities: NDArray[np.float32], points: int
) -> dict[str, dict[str, list[float]]]:
    false_positive, true_positive, _ = roc_curve(bound, probabilities)
    precision, recall, _ = precision_recall_curve(bound, probabilities)
    roc = {"false_positive_rate": false_positive, "true_positive_rate": true_positive}
    return {
        "roc": {name: _thinned(values, points) for name, values in roc.items()},
        "precision_recall": {
            name: _thinned(values[::-1], points)
            for name, values in {"recall": recall, "precision": precision}.items()
        },
    }


def _thinned(values: NDArray[np.float64], points: int) -> list[float]:
    at = np.unique(np.linspace(0, len(values) - 1, min(points, len(values))).round().astype(int))
    return cast(list[float], np.round(values[at].astype(float), 5).tolist())


class _Drawing:
    """Three pairs of axes that are made once and drawn on for each run.

    Making them for each run would take three times as long (benchmarks/RESULTS.md), which matters
    when hundreds of runs are logged while others train.
    """

    def __init__(self) -> None:
        self._figure = Figure(figsize=(9.6, 3.2))
        FigureCanvasAgg(self._figure)
        loss, roc, recall = (
            self._figure.add_axes((0.06 + 0.325 * number, 0.16, 0.27, 0.72)) for number in range(3)
        )
        for axes, title, across, up in (
            (loss, "Loss", "epoch", ""),
            (roc, "ROC, test regions", "false positive rate", "true positive rate"),
            (recall, "Precision-recall, test regions", "recall", "precision"),
        ):
            # at fixed places: to find free ones takes as long as the rest of the drawing
            axes.set_title(title, y=1.0)
            axes.set_xlabel(across)
            axes.set_ylabel(up)
            axes.xaxis.set_label_coords(0.5, -0.11)
            axes.yaxis.set_label_coords(-0.15, 0.5)
        for axes in (roc, recall):
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=_TICKS, yticks=_TICKS)
        self._axes: tuple[Axes, ...] = (loss, roc, recall)

    def save(self, curves: dict[str, Any], path: Path) -> None:
        """Write the curves as SVG."""
        loss, roc, recall = self._axes
        epochs = [epoch["epoch"] for epoch in curves["loss"]]
        for name, style in (("train_loss", "o--"), ("val_loss", "o-")):
            values = [epoch[name] for epoch in curves["loss"]]
            loss.plot(epochs, values, style, color="#0072B2", markersize=3, label=name)
        loss.set_xticks(epochs if len(epochs) <= 6 else epochs[:: math.ceil(len(epochs) / 5)])
        loss.legend(fontsize=8, frameon=False)
        width = 1.5 if len(curves["test"]) == 1 else 0.5
        for test in curves["test"].values():
            roc.plot(*test["roc"].values(), color="#0072B2", linewidth=width)
            recall.plot(*test["precision_recall"].values(), color="#0072B2", linewidth=width)
        try:
            # the same file from the same numbers; text stays text
            with matplotlib.rc_context({"svg.hashsalt": "bindgrid", "svg.fonttype": "none"}):
                self._figure.savefig(path, metadata={"Date": None})
        finally:
            for axes in self._axes:
                for line in list(axes.lines):
                    line.remove()


@cache
def _drawing() -> _Drawing:
    return _Drawing()
