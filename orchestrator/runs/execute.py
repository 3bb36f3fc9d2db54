"""Train, or score, one planned run in this process and put it into the run store."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part
from data.dataset.selection import Selection
from data.dataset.store import Dataset
from data.errors import DataError
from data.records import to_json
from model.checkpoint import load, load_state, save
from model.device import one_thread
from model.errors import ModelError, ProcessLostError
from model.interpretation.filter_motifs import FilterMotifs
from model.interpretation.filters import correctly_predicted, count_subsequences
from model.metrics import evaluate_per_tf
from model.network import BindingNetwork, build_network
from model.prediction import predict
from model.training.loop import (
    Epoch,
    Examples,
    OnEpoch,
    StateFile,
    TrainingContext,
    TrainingResult,
    train,
)
from model.transfer import transfer_hidden_layers
from orchestrator.errors import RunError
from orchestrator.gpus import require_gpu
from orchestrator.plan import PlannedRun, RunOutcome
from orchestrator.prediction.base import weights_of
from orchestrator.runs.context import RunContext
from orchestrator.runs.epoch_log import epoch_log
from orchestrator.runs.filter_files import RunFilters, filter_records, write_filters
from orchestrator.runs.fold_predictions import tested_by_folds
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.motif_baseline import motif_named, motif_probabilities
from orchestrator.runs.motif_terms import motif_library, write_many_motifs, write_terms
from orchestrator.runs.planned_records import run_record
from orchestrator.runs.progress import EpochNotes
from orchestrator.runs.record import metrics_record, region_counts, write_test_predictions
from orchestrator.runs.rivals import rival_predictions
from orchestrator.runs.store import (
    HISTORY_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_FILE,
    RunStore,
)
from orchestrator.spec import BaseStart, RunSpec
from orchestrator.workspace import Workspace


def attempt(planned: PlannedRun, context: RunContext) -> RunOutcome:
    """Execute a run; a failure is recorded and returned, not raised.

    Raises
    ------
    ProcessLostError
        If another process that trains with this one is gone.
    """
    try:
        execute(planned, context)
    except ProcessLostError:
        raise
    except Exception as error:  # one run's failure, of whatever kind, must not end the others
        return failed(planned, context.workspace, error)
    return RunOutcome(planned=planned, status="completed")


def failed(planned: PlannedRun, workspace: Workspace, error: Exception) -> RunOutcome:
    """Record why a run failed, with the traceback, and give the reason in one line."""
    expected = isinstance(error, DataError | ModelError | RunError)
    reason = str(error) if expected else f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError):
        reason = "the GPU's memory is full: give fewer --runs-per-gpu"
    reason = reason.splitlines()[0] if reason else type(error).__name__
    text = "".join(traceback.format_exception(error))
    RunStore(workspace).record_failure(planned, reason, text)
    return RunOutcome(planned=planned, status="failed", error=reason)


def execute(planned: PlannedRun, context: RunContext) -> None:
    """Execute a run and store it; a finished one is left as it is.

    Raises
    ------
    DataError, ModelError, RunError
        If the run cannot be done; nothing is stored then.
    ProcessLostError
        If another process that trains with this one is gone.
    """
    store = RunStore(context.workspace)
    parallel = context.parallel
    # the first process decides for all, or the others would wait for one that trains nothing
    if parallel.from_first(b"complete" if store.is_complete(planned.key) else b""):
        return
    if context.device != "cpu":
        require_gpu()
    spec = planned.spec
    loaded = context.dataset()
    selection = loaded.select(spec.regions)
    state_file = StateFile(path=context.workspace.training_state(planned.key))
    with one_thread():
        network = starting_network(spec, store, loaded.dataset)
        result = _train(planned, network, loaded, selection, state_file, context)
        if parallel.rank != 0:
            return
        if spec.rival:
            tested, probabilities = rival_predictions(spec, loaded)
        elif spec.folds:
            tested, probabilities = tested_by_folds(spec, store)
        else:
            probabilities = _test_predictions(spec, network, loaded, selection, context.device)
            tested = selection.only(Part.TEST)
        filters = _filters(spec, network, loaded.regions, tested, probabilities)
    per_tf = evaluate_per_tf(tested.labels, probabilities, spec.regions.tfs)

    with store.writing(planned.key) as folder:
        (folder / RUN_FILE).write_text(to_json(run_record(planned)))
        (folder / HISTORY_FILE).write_text(to_json(result.history))
        write_test_predictions(folder / PREDICTIONS_FILE, spec, tested, probabilities)
        is_kept = spec.training is not None and not spec.regions.is_fold
        if is_kept and result.chosen is not None and isinstance(network, BindingNetwork):
            save(folder, network, network.config)
            write_terms(folder, result.chosen, network)
            if result.many_motifs is not None:
                write_many_motifs(folder, result.many_motifs)
        elif is_kept:
            save(folder, network, spec.network)
        if filters is not None:
            record = RunFilters(tfs=spec.regions.tfs, **filter_records(filters))
            write_filters(folder, filters, record)
        counts = region_counts(spec, selection, tested, loaded)
        (folder / METRICS_FILE).write_text(to_json(metrics_record(result, per_tf, counts)))
    state_file.remove()


def starting_network(spec: RunSpec, store: RunStore, dataset: Dataset) -> nn.Module:
    """Build a run's network with the weights, and the motif, that its training starts from."""
    if spec.start_run is not None and spec.layers == "all":
        return load(store.open(spec.start_run.key).path)
    network = build_network(spec.network, seed=spec.seed)
    if spec.start is not None:
        start = spec.start
        folder = weights_of(start) if isinstance(start, BaseStart) else store.open(start.key).path
        transfer_hidden_layers(load_state(folder), network)
    for term in network.motif_terms if isinstance(network, BindingNetwork) else ():
        term.set_motif(motif_named(spec.motif, dataset, spec.regions.tfs[0]).log_odds)
    return network


def _train(
    planned: PlannedRun,
    network: nn.Module,
    loaded: LoadedDataset,
    selection: Selection,
    state_file: StateFile,
    context: RunContext,
) -> TrainingResult:
    """Train a run's network in place; a run that scores a network has nothing to train."""
    spec = planned.spec
    if spec.training is None:
        return TrainingResult(history=(), best_epoch=0, best_val_loss=float("nan"), seconds=0.0)
    train_set, val_set = (
        examples_of(loaded.regions, selection, selection.rows(part))
        for part in (Part.TRAIN, Part.VAL)
    )
    with _noting_epochs(planned, context) as on_epoch:
        of_run = TrainingContext(
            device=context.device,
            parallel=context.parallel,
            on_epoch=on_epoch,
            state_file=state_file,
            motifs=motif_library(spec, loaded.dataset),
        )
        return train(network, train_set, val_set, spec.training, seed=spec.seed, context=of_run)


@contextmanager
def _noting_epochs(planned: PlannedRun, context: RunContext) -> Iterator[OnEpoch | None]:
    """Give a function that leaves a note of each epoch and passes the epoch on.

    Where several processes train together, only the first one gets it.
    """
    if context.parallel.rank != 0:
        yield None
        return
    notes, log = EpochNotes(context.workspace), epoch_log(context.workspace, planned.key)
    log.remove()

    def note(epoch: Epoch) -> None:
        notes.leave(planned, epoch)
        log.append(epoch)
        if context.on_epoch is not None:
            context.on_epoch(epoch)

    try:
        yield note
    finally:
        notes.clear(planned)
        log.remove()


def examples_of(regions: RegionTable, selection: Selection, rows: NDArray[np.int64]) -> Examples:
    """Give the sequences and labels of some rows of a selection."""
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
    if spec.training is None and spec.start_run is not None:
        # a multi-model is scored on one of its TFs
        outputs = [spec.start_run.regions.tfs.index(tf) for tf in spec.regions.tfs]
        probabilities = probabilities[:, outputs]
    return probabilities


def _filters(
    spec: RunSpec,
    network: nn.Module,
    regions: RegionTable,
    tested: Selection,
    probabilities: NDArray[np.float32],
) -> FilterMotifs | None:
    """What activates the first layer on the test regions; None if none is predicted right.

    A fold of a cross-validation, whose network is not kept, has none either.
    """
    right = correctly_predicted(probabilities, tested.labels)
    if spec.training is None or spec.regions.is_fold or not right.any():
        return None
    return count_subsequences(network, regions.sequences[tested.region_ids[right]])
