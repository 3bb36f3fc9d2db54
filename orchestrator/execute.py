"""Train, or score, one planned run in this process and put it into the run store."""

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import nn

from data.errors import DataError
from data.sampling import Part, Selection, select_individual, select_multi
from data.store import Dataset, RegionTable
from model.checkpoint import load, load_state, save
from model.errors import ModelError
from model.metrics import Metrics, evaluate_per_tf, mean_metrics
from model.network import build_network
from model.training import Epoch, Examples, TrainingResult, predict, train
from model.transfer import transfer
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun, RunOutcome
from orchestrator.progress import EpochNotes
from orchestrator.spec import RegionSpec, RunSpec
from orchestrator.store import (
    HISTORY_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_FILE,
    RunStore,
)
from orchestrator.workspace import Workspace

OnEpoch = Callable[[Epoch], None]


class LoadedDataset:
    """A dataset whose tables are read once per process and kept."""

    def __init__(self, path: Path) -> None:
        self.dataset = Dataset.open(path)
        self.regions: RegionTable = self.dataset.regions()
        self._evidence = lru_cache(maxsize=256)(self._read_evidence)
        self.select = lru_cache(maxsize=8)(self._select)

    def _read_evidence(self, tf: str) -> NDArray[np.uint8]:
        return self.dataset.evidence([tf])[:, 0]

    def evidence(self, tfs: Sequence[str]) -> NDArray[np.uint8]:
        """Evidence codes, shape (N, T)."""
        return np.stack([self._evidence(tf) for tf in tfs], axis=1)

    def _select(self, spec: RegionSpec) -> Selection:
        """Draw the regions of a spec.

        Raises
        ------
        RunError
            If the dataset is not the one that the spec was made for.
        DataError
            If it has too few regions.
        """
        if self.dataset.fingerprint(spec.tfs) != spec.dataset:
            raise RunError(
                f"{self.dataset.path} has changed since this run was planned; plan it again"
            )
        if spec.view == "less-sparse":
            return select_multi(self.regions, self.evidence(spec.tfs), spec.sampling)
        excluded = None if spec.excluded is None else self.select(spec.excluded).seen_in_training()
        return select_individual(
            self.regions,
            self._evidence(spec.tfs[0]),
            spec.sampling,
            excluded=excluded,
            name=spec.tfs[0],
        )


@lru_cache(maxsize=2)
def _loaded(path: Path, _manifest_mtime_ns: int) -> LoadedDataset:
    return LoadedDataset(path)


def load_dataset(workspace: Workspace) -> LoadedDataset:
    """Load the workspace's dataset, once per process as long as it stays the same."""
    manifest = workspace.dataset / "manifest.json"
    mtime_ns = manifest.stat().st_mtime_ns if manifest.exists() else 0
    return _loaded(workspace.dataset, mtime_ns)


def attempt(
    planned: PlannedRun, workspace: Workspace, on_epoch: OnEpoch | None = None
) -> RunOutcome:
    """Execute a run; a failure is written down and told, not raised."""
    try:
        execute(planned, workspace, on_epoch)
    except Exception as error:  # one run's failure, of whatever kind, must not end the others
        expected = isinstance(error, DataError | ModelError | RunError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        reason = reason.splitlines()[0] if reason else type(error).__name__
        RunStore(workspace).record_failure(planned, reason, traceback.format_exc())
        return RunOutcome(planned=planned, status="failed", error=reason)
    return RunOutcome(planned=planned, status="completed")


def execute(planned: PlannedRun, workspace: Workspace, on_epoch: OnEpoch | None = None) -> None:
    """Execute a run and store it; a finished one is left as it is.

    Raises
    ------
    DataError, ModelError, RunError
        If the run cannot be done; nothing is stored then.
    """
    store = RunStore(workspace)
    if store.is_complete(planned.key):
        return
    spec = planned.spec
    loaded = load_dataset(workspace)
    selection = loaded.select(spec.regions)
    with _one_thread(), _noting_epochs(planned, workspace, on_epoch) as tell:
        network = _starting_network(spec, store)
        result = _train(spec, network, loaded.regions, selection, tell)
        probabilities = _test_predictions(spec, network, loaded.regions, selection)
    test = selection.rows(Part.TEST)
    per_tf = evaluate_per_tf(selection.labels[test], probabilities, spec.regions.tfs)

    with store.writing(planned.key) as folder:
        _write_json(folder / RUN_FILE, planned.to_dict())
        _write_json(folder / HISTORY_FILE, [asdict(epoch) for epoch in result.history])
        _write_predictions(folder / PREDICTIONS_FILE, spec, selection, probabilities)
        if spec.training is not None:
            save(folder, network, spec.network)
        counts = _counts(spec, selection, loaded)
        _write_json(folder / METRICS_FILE, _metrics_record(result, per_tf, counts))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: same bits on every backend, and two such runs beat one on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _noting_epochs(
    planned: PlannedRun, workspace: Workspace, on_epoch: OnEpoch | None
) -> Iterator[OnEpoch]:
    """Give a function that notes an epoch where others can read it, and passes it on."""
    notes = EpochNotes(workspace)

    def tell(epoch: Epoch) -> None:
        notes.leave(planned, epoch)
        if on_epoch is not None:
            on_epoch(epoch)

    try:
        yield tell
    finally:
        notes.clear(planned)


def _starting_network(spec: RunSpec, store: RunStore) -> nn.Module:
    if spec.start is None:
        return build_network(spec.network, seed=spec.seed)
    path = store.open(spec.start.key).path
    if spec.layers == "all":
        return load(path)
    network = build_network(spec.network, seed=spec.seed)
    transfer(load_state(path), network)
    return network


def _train(
    spec: RunSpec,
    network: nn.Module,
    regions: RegionTable,
    selection: Selection,
    on_epoch: OnEpoch,
) -> TrainingResult:
    if spec.training is None:
        return TrainingResult(history=(), best_epoch=0, best_val_loss=float("nan"), seconds=0.0)
    train_set, val_set = (
        Examples(
            sequences=regions.sequences[selection.region_ids[selection.rows(part)]],
            labels=selection.labels[selection.rows(part)],
        )
        for part in (Part.TRAIN, Part.VAL)
    )
    return train(network, train_set, val_set, spec.training, seed=spec.seed, on_epoch=on_epoch)


def _test_predictions(
    spec: RunSpec, network: nn.Module, regions: RegionTable, selection: Selection
) -> NDArray[np.float32]:
    """Probabilities of the test regions, shape (n, T)."""
    ids = selection.region_ids[selection.rows(Part.TEST)]
    probabilities = predict(network, regions.sequences[ids])
    if spec.training is None and spec.start is not None:
        # a multi-model scored on one of its TFs
        outputs = [spec.start.regions.tfs.index(tf) for tf in spec.regions.tfs]
        probabilities = probabilities[:, outputs]
    return probabilities


def _counts(spec: RunSpec, selection: Selection, loaded: LoadedDataset) -> dict[str, int]:
    test = selection.region_ids[selection.rows(Part.TEST)]
    seen: NDArray[np.int64] = np.empty(0, dtype=np.int64)
    if spec.start is not None:
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


def _metrics_record(
    result: TrainingResult, per_tf: dict[str, Metrics], counts: dict[str, int]
) -> dict[str, Any]:
    mean = asdict(mean_metrics(per_tf))
    del mean["num_bound"], mean["num_unbound"]
    return {
        **counts,
        **mean,
        "best_epoch": result.best_epoch,
        "best_val_loss": result.best_val_loss,
        "seconds": result.seconds,
        "per_tf": {tf: asdict(metrics) for tf, metrics in per_tf.items()},
    }


def _write_predictions(
    path: Path, spec: RunSpec, selection: Selection, probabilities: NDArray[np.float32]
) -> None:
    test = selection.rows(Part.TEST)
    tfs = spec.regions.tfs
    table = pa.table(
        {
            "region_id": np.repeat(selection.region_ids[test].astype(np.int32), len(tfs)),
            "tf": pa.DictionaryArray.from_arrays(
                np.tile(np.arange(len(tfs), dtype=np.int32), len(test)), list(tfs)
            ),
            "label": selection.labels[test].ravel().astype(np.int8),
            "probability": probabilities.ravel(),
        }
    )
    pq.write_table(table, path, compression="zstd")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
