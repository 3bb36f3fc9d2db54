"""Train, or score, one planned run in this process and put it into the run store."""

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import nn

from data.errors import DataError
from data.region_table import RegionTable
from data.sampling import Part, Selection
from data.schema import NULL_LABEL
from data.store import Dataset
from model.checkpoint import load, load_state, save
from model.data_parallel import ALONE, OneProcess
from model.errors import ModelError, ProcessLostError
from model.filters import FilterMotifs, correctly_predicted, count_sites
from model.metrics import Metrics, evaluate_per_tf, mean_metrics
from model.network import BindingNetwork, build_network
from model.training import Epoch, Examples, StateFile, TrainingResult, predict, train
from model.transfer import transfer
from orchestrator.errors import RunError
from orchestrator.filter_files import write_filters
from orchestrator.gpus import require_gpu
from orchestrator.loaded_dataset import LoadedDataset, SharedTables, load_dataset
from orchestrator.motif_scores import motif_named, motif_probabilities
from orchestrator.plan import PlannedRun, RunOutcome
from orchestrator.progress import EpochNotes
from orchestrator.spec import RunSpec
from orchestrator.store import (
    HISTORY_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_FILE,
    STORE_VERSION,
    RunStore,
)
from orchestrator.workspace import Workspace

OnEpoch = Callable[[Epoch], None]


def attempt(
    planned: PlannedRun,
    workspace: Workspace,
    on_epoch: OnEpoch | None = None,
    tables: SharedTables | None = None,
    parallel: OneProcess = ALONE,
    device: str = "cpu",
) -> RunOutcome:
    """Execute a run; a failure is written down and told, not raised.

    Raises
    ------
    ProcessLostError
        If another process that trains with this one is gone.
    """
    try:
        execute(planned, workspace, on_epoch, tables, parallel, device)
    except ProcessLostError:
        raise
    except Exception as error:  # one run's failure, of whatever kind, must not end the others
        return failed(planned, workspace, error)
    return RunOutcome(planned=planned, status="completed")


def failed(planned: PlannedRun, workspace: Workspace, error: Exception) -> RunOutcome:
    """Write down why a run failed, with the traceback, and tell it in one line."""
    expected = isinstance(error, DataError | ModelError | RunError)
    reason = str(error) if expected else f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError):
        reason = "the GPU's memory is full: give fewer --runs-per-gpu"
    reason = reason.splitlines()[0] if reason else type(error).__name__
    text = "".join(traceback.format_exception(error))
    RunStore(workspace).record_failure(planned, reason, text)
    return RunOutcome(planned=planned, status="failed", error=reason)


def execute(
    planned: PlannedRun,
    workspace: Workspace,
    on_epoch: OnEpoch | None = None,
    tables: SharedTables | None = None,
    parallel: OneProcess = ALONE,
    device: str = "cpu",
) -> None:
    """Execute a run and store it; a finished one is left as it is.

    Parameters
    ----------
    on_epoch
        Called after each epoch of training.
    tables
        Tables of the dataset, if they need not be read.
    parallel
        This process' part where several train; all execute the run, the first one stores it.
    device
        Where to train and to predict the test regions, "cpu" or "cuda", where dropout draws other
        masks (`model.training`); the first layer's filters are always read on the CPU.

    Raises
    ------
    DataError, ModelError, RunError
        If the run cannot be done; nothing is stored then.
    ProcessLostError
        If another process that trains with this one is gone.
    """
    store = RunStore(workspace)
    # the first process says so for all, or the others would wait for one that trains nothing
    if parallel.from_first(b"complete" if store.is_complete(planned.key) else b""):
        return
    if device != "cpu":
        require_gpu()
    spec = planned.spec
    loaded = load_dataset(workspace, tables)
    selection = loaded.select(spec.regions)
    state_file = StateFile(path=workspace.training_state(planned.key))
    first = parallel.rank == 0
    noting = _noting_epochs(planned, workspace, on_epoch) if first else nullcontext()
    with one_thread(), noting as tell:
        network = starting_network(spec, store, loaded.dataset)
        examples = [
            examples_of(loaded.regions, selection, selection.rows(part))
            for part in (Part.TRAIN, Part.VAL)
        ]
        fit = partial(train, device=device, on_epoch=tell, parallel=parallel, state_file=state_file)
        result = _train(spec, network, examples, fit)
        if not first:
            return
        probabilities = _test_predictions(spec, network, loaded, selection, device)
        filters = _filters(spec, network, loaded.regions, selection, probabilities)
    test = selection.rows(Part.TEST)
    per_tf = evaluate_per_tf(selection.labels[test], probabilities, spec.regions.tfs)

    with store.writing(planned.key) as folder:
        _write_json(folder / RUN_FILE, {"version": STORE_VERSION, **planned.to_dict()})
        _write_json(folder / HISTORY_FILE, [asdict(epoch) for epoch in result.history])
        _write_predictions(folder / PREDICTIONS_FILE, spec, selection, probabilities)
        if spec.training is not None:
            save(folder, network, spec.network)
        if filters is not None:
            write_filters(folder, filters, {"tfs": spec.regions.tfs})
        counts = _counts(spec, selection, loaded)
        _write_json(folder / METRICS_FILE, _metrics_record(result, per_tf, counts))
    state_file.remove()


@contextmanager
def one_thread() -> Iterator[None]:
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


def starting_network(spec: RunSpec, store: RunStore, dataset: Dataset) -> nn.Module:
    """Build a run's network with the weights, and the motif, that its training starts from."""
    if spec.start is not None and spec.layers == "all":
        return load(store.open(spec.start.key).path)
    network = build_network(spec.network, seed=spec.seed)
    if spec.start is not None:
        transfer(load_state(store.open(spec.start.key).path), network)
    term = network.motif_term if isinstance(network, BindingNetwork) else None
    if term is not None:
        term.set_motif(motif_named(spec.motif, dataset, spec.regions.tfs[0]).log_odds)
    return network


def _train(
    spec: RunSpec,
    network: nn.Module,
    examples: Sequence[Examples],
    fit: Callable[..., TrainingResult],
) -> TrainingResult:
    """Call `fit`, which is `train` with all that the spec does not say, if there is to train."""
    if spec.training is None:
        return TrainingResult(history=(), best_epoch=0, best_val_loss=float("nan"), seconds=0.0)
    train_set, val_set = examples
    return fit(network, train_set, val_set, spec.training, seed=spec.seed)


def examples_of(regions: RegionTable, selection: Selection, rows: NDArray[np.int64]) -> Examples:
    """Sequences and labels of some rows of a selection."""
    return Examples(
        sequences=regions.sequences[selection.region_ids[rows]], labels=selection.labels[rows]
    )


def _test_predictions(
    spec: RunSpec,
    network: nn.Module,
    loaded: LoadedDataset,
    selection: Selection,
    device: str,
) -> NDArray[np.float32]:
    """Probabilities of the test regions, shape (n, T)."""
    regions = loaded.regions
    if spec.motif and spec.training is None:
        motif = motif_named(spec.motif, loaded.dataset, spec.regions.tfs[0])
        return motif_probabilities(motif, regions, selection)
    ids = selection.region_ids[selection.rows(Part.TEST)]
    probabilities = predict(
        network, regions.sequences[ids], both_strands=spec.average_strands, device=device
    )
    if spec.training is None and spec.start is not None:
        # a multi-model scored on one of its TFs
        outputs = [spec.start.regions.tfs.index(tf) for tf in spec.regions.tfs]
        probabilities = probabilities[:, outputs]
    return probabilities


def _filters(
    spec: RunSpec,
    network: nn.Module,
    regions: RegionTable,
    selection: Selection,
    probabilities: NDArray[np.float32],
) -> FilterMotifs | None:
    """What activates the first layer on the test regions; None if none is predicted right."""
    test = selection.rows(Part.TEST)
    right = correctly_predicted(probabilities, selection.labels[test])
    if spec.training is None or not right.any():
        return None
    return count_sites(network, regions.sequences[selection.region_ids[test[right]]])


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
    labels, ids = selection.labels[test], selection.region_ids[test].astype(np.int32)
    # nothing can be said of a cell without a label
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


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")
