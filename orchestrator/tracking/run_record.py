"""What is logged to MLflow of a run: tags, parameters, metrics, its dataset, and a note.

Functions of a run alone; `orchestrator.tracking.client` writes what they return.
"""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from data.records import to_json, to_values
from model.training.epoch import Epoch
from orchestrator.checkout import running_commit
from orchestrator.plan import PlannedRun
from orchestrator.role_names import RIVAL_WORDS
from orchestrator.role_records import NAMES, role_tags
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.runs.store import SUMMARY_METRICS, StoredRun
from orchestrator.spec import BaseStart

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Param, Run

MAX_PARAM_CHARACTERS: Final = 6000
LOSSES: Final = ("train_loss", "val_loss")
"""Metrics of an epoch."""
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


def run_metrics(run: StoredRun, start: int, end: int, num_known: int = 0) -> list[Metric]:
    """Losses by epoch, at the time of its end, and the measures on the test regions.

    Parameters
    ----------
    start, end
        Start and end of the training, milliseconds since the epoch.
    num_known
        Epochs that MLflow has already, which are left out; none by default.
    """
    metrics: list[Metric] = []
    now = float(start)
    for epoch in run.history:
        now = min(now + 1000 * epoch.seconds, end)
        if epoch.epoch > num_known:
            metrics += epoch_metrics([epoch], int(now))
    return [*metrics, *_summary_metrics(run.metrics, end)]


def epoch_metrics(epochs: Iterable[Epoch], now: int) -> Iterator[Metric]:
    """Losses of some epochs, each with its number as step.

    Parameters
    ----------
    now
        Milliseconds since the epoch.
    """
    from mlflow.entities import Metric

    for epoch in epochs:
        for name in LOSSES:
            yield Metric(name, getattr(epoch, name), now, epoch.epoch)


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


def run_datasets(run: StoredRun, planned: PlannedRun, source: str) -> list[DatasetInput]:
    """Give the dataset that a run learnt from, if it learnt, and the regions it was tested on.

    The first has the fingerprint of regions and labels: runs on the same TFs and the same evidence
    have the same digest, whatever regions they drew. The digest of the second also says which
    regions were drawn, so that runs that were tested on the same regions share it.

    Parameters
    ----------
    source
        Where the dataset lies, a URI.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    regions = planned.spec.regions
    name = regions.tfs[0] if len(regions.tfs) == 1 else f"{len(regions.tfs)} TFs"
    drawn = hashlib.sha256(to_json(regions).encode()).hexdigest()[:16]
    inputs = {
        "training": (name, regions.dataset, _COUNTS[:-1]),
        "test": (f"{name}, test regions", drawn, _COUNTS[-1:]),
    }
    if planned.spec.training is None:
        del inputs["training"]
    return [
        DatasetInput(
            Dataset(
                name=name,
                digest=digest,
                source_type="local",
                source=json.dumps({"uri": source}),
                schema=json.dumps({"tfs": list(regions.tfs), "view": regions.view}),
                profile=json.dumps({count: getattr(run.metrics, count) for count in counts}),
            ),
            [InputTag(_CONTEXT_TAG, context)],
        )
        for context, (name, digest, counts) in inputs.items()
    ]


def source_tags() -> dict[str, str]:
    """Give MLflow's own tags of who logs a run, and from which code."""
    tags = {
        "mlflow.user": _user(),
        "mlflow.source.name": f"bindgrid {version('bindgrid')}",
        "mlflow.source.type": "LOCAL",
    }
    commit = running_commit()
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags


def _user() -> str:
    """Name of the user; a container may run as a user without a name."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "unknown"


def run_note(planned: PlannedRun, pretraining: Run | None) -> str:
    """Say in a sentence what a run is, with a link to its pre-training run if MLflow has it."""
    num_tfs = len(planned.spec.regions.tfs)
    start = planned.spec.start
    if planned.spec.rival:
        return f"A rival without a network, {RIVAL_WORDS[planned.arm]}, on the same regions."
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
