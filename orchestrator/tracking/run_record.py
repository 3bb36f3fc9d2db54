"""What MLflow is told of a run: tags, parameters, metrics, its dataset, and a note.

Functions of a run alone; `orchestrator.tracking.client` writes what they return.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from data.records import to_values
from model.training.state import Epoch
from orchestrator.plan import PlannedRun
from orchestrator.role_records import NAMES, role_tags
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.runs.store import SUMMARY_METRICS, StoredRun
from orchestrator.spec import BaseStart

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Param, Run

MAX_PARAM_CHARACTERS: Final = 6000
_CONTEXT_TAG: Final = "mlflow.data.context"
_COUNTS: Final = ("num_train_regions", "num_val_regions", "num_test_regions")


def run_tags(planned: PlannedRun) -> dict[str, str]:
    """Key and role of a run."""
    tags = {name: str(value) for name, value in role_tags(planned.role).items()}
    tags["with_target"] = "true" if planned.role.with_target else ""
    sampling = planned.spec.regions.sampling
    if sampling.fold is not None:
        tags["fold"] = f"{sampling.fold + 1} of {len(sampling.folds)}"
    return {"key": planned.key, **tags}


_ROLE_TAGS: Final = ("key", *NAMES)


def role(tags: Mapping[str, str]) -> tuple[str, ...]:
    """What tells an MLflow run from the others of its experiment."""
    return tuple(tags.get(name, "") for name in _ROLE_TAGS)


def run_metrics(run: StoredRun, start: int, end: int) -> list[Metric]:
    """Losses by epoch, at the time of its end, and the measures on the test regions.

    Parameters
    ----------
    start, end
        Of the training, milliseconds since the epoch.
    """
    summary = run.metrics
    return [*_epoch_metrics(run.history, start, end), *_summary_metrics(summary, end)]


def _epoch_metrics(history: Sequence[Epoch], start: int, end: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    now = float(start)
    for epoch in history:
        now = min(now + 1000 * epoch.seconds, end)
        for name in ("train_loss", "val_loss"):
            yield Metric(name, getattr(epoch, name), int(now), epoch.epoch)


def _summary_metrics(summary: RunMetrics, end: int) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for name in SUMMARY_METRICS:
        yield Metric(name, float(getattr(summary, name)), end, 0)


def run_params(planned: PlannedRun) -> list[Param]:
    """Give the spec as names and texts; another run in it is named by its key alone."""
    from mlflow.entities import Param

    values = to_values(planned.spec)
    if planned.spec.start is not None:
        values["start"] = planned.spec.start.key
    excluded = planned.spec.regions.excluded
    if excluded is not None:
        values["regions"]["excluded"] = f"of a multi-model of {len(excluded.tfs)} TFs"
    return [Param(name, text) for name, text in _flat(values)]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield a nested mapping as (dotted name, text) pairs, short enough for MLflow."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{prefix}{name}", text[:MAX_PARAM_CHARACTERS]


def run_dataset(run: StoredRun, planned: PlannedRun, source: str) -> DatasetInput:
    """Give the dataset that a run read: its TFs, and the fingerprint of regions and labels.

    Runs on the same TFs and the same evidence have the same digest, whatever regions they drew.

    Parameters
    ----------
    source
        Where the dataset lies, a URI.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    tfs = planned.spec.regions.tfs
    counts = {name: getattr(run.metrics, name) for name in _COUNTS}
    dataset = Dataset(
        name=tfs[0] if len(tfs) == 1 else f"{len(tfs)} TFs",
        digest=planned.spec.regions.dataset,
        source_type="local",
        source=json.dumps({"uri": source}),
        schema=json.dumps({"tfs": list(tfs), "view": planned.spec.regions.view}),
        profile=json.dumps(counts),
    )
    context = "test" if planned.spec.training is None else "training"
    return DatasetInput(dataset, [InputTag(_CONTEXT_TAG, context)])


def run_note(planned: PlannedRun, pretraining: Run | None) -> str:
    """Say in a sentence what a run is, with a link to its pre-training run if MLflow has it."""
    num_tfs = len(planned.spec.regions.tfs)
    start = planned.spec.start
    if start is None:
        what = "random weights" if planned.arm == "scratch" else f"random weights, on {num_tfs} TFs"
        return f"Trained from {what}."
    name = f"a multi-model of {len(planned.spec.pretrained_on)} TFs"
    if isinstance(start, BaseStart):
        name = f"{start.name}, {name}"
    if pretraining is not None:
        info = pretraining.info
        name = f"[{info.run_name}](#/experiments/{info.experiment_id}/runs/{info.run_id})"
    if planned.spec.training is None:
        return f"{name}, scored on the test regions of {planned.tf}."
    return f"Trained from the hidden layers of {name}."
