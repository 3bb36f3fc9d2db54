"""What predicts a TF: the replicates of finished runs, or a model that was exported.

A *model folder* is written by `bindgrid export` and read by `bindgrid import-model`; it can be used
without a run store:

==============================  ================================================================
file                            content
==============================  ================================================================
model.json                      name, TF, replicates with their calibration and metrics, and what
                                they were trained on; `version` of this format
README.md                       the same for people
replicate-<n>/                  weights.safetensors, network.json; filters.meme and .json, PWMs of
                                the filters
==============================  ================================================================

Calibrations of runs are fitted to their validation regions once and kept in the workspace.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from data.atomic import whole_file
from data.dataset.sampling import Part
from data.near_names import near_names
from data.records import RecordError, from_json, to_values
from data.schema import NULL_LABEL
from data.words import counted
from model.calibration import Calibration, fit_calibration
from model.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load
from model.device import one_thread
from model.ensemble import Member
from model.prediction import both_strand_logits
from orchestrator.errors import RunError, UnknownModelError
from orchestrator.gpus import require_gpu
from orchestrator.prediction.model_card import (
    MODEL_FILE,
    MODEL_VERSION,
    AboutModel,
    AboutRegions,
    ModelCard,
)
from orchestrator.report.calls import read_predictions
from orchestrator.role import Arm
from orchestrator.role_names import replicates_name
from orchestrator.runs.find_run import find_run, replicates_of
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.spec import RegionSpec
from orchestrator.verdict.sentences import GOOD_ENOUGH, stored_sentence
from orchestrator.workspace import Workspace, file_name


@dataclass(frozen=True, kw_only=True)
class Replicate:
    """A network of a predictor."""

    folder: Path
    """Folder with its weights and config."""
    output: int
    calibration: Calibration
    key: str
    """Key of the run that trained it."""
    metrics: RunMetrics
    """Metrics on its test regions."""
    per_openness: float = 0.0
    """As in `model.ensemble.Member`."""


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """What predicts a TF."""

    name: str
    tf: str
    source: str
    """Where the model comes from, for people."""
    replicates: tuple[Replicate, ...]
    about: AboutModel
    """What it was trained on and how."""
    verdict: str = ""
    """What the verdict on it concluded; empty where there is none."""
    is_current: bool = True
    """Whether the TF's labels are still those that it was trained on."""

    @property
    def cautions(self) -> tuple[str, ...]:
        """What whoever uses it should know, a line each; what is wrong with it comes last."""
        told = []
        if self.verdict and GOOD_ENOUGH not in self.verdict:
            told.append(f"verdict on this model: {self.verdict}")
        if not self.is_current:
            told.append(
                f"the labels of {self.tf} have changed since this model was trained; `bindgrid tf "
                f"train {self.tf}` trains it anew"
            )
        return tuple(told)

    def members(self, device: str = "cpu") -> tuple[Member, ...]:
        """Load the networks.

        Parameters
        ----------
        device
            Where they will predict, "cpu" (the default) or "cuda".

        Raises
        ------
        ModelError
            If one cannot be loaded.
        RunError
            If they read sequences of different lengths.
        """
        members = tuple(
            Member.load(
                one.folder,
                output=one.output,
                calibration=one.calibration,
                per_openness=one.per_openness,
            )
            for one in self.replicates
        )
        if len({member.length_bp for member in members}) > 1:
            raise RunError(f"{self.name}: its networks read sequences of different lengths")
        put_on(device, [member.network for member in members])
        return members


def find_predictor(workspace: Workspace, named: str, arm: Arm = "transfer") -> Predictor:
    """Find what predicts a TF.

    Parameters
    ----------
    workspace
        Has the runs and the imported models.
    named
        Name of an imported model; a run's key; or a TF, for which all replicates of the newest run
        of the arm are taken.
    arm
        The arm of a TF's runs; transfer by default.

    Raises
    ------
    RunError
        If there is none; suggests similar names.
    """
    folder = workspace.model(named)
    if (folder / MODEL_FILE).is_file():
        return open_model(folder)
    store = RunStore(workspace)
    imported = [path.parent.name for path in workspace.models.glob(f"*/{MODEL_FILE}")]
    try:
        run = find_run(store, named, arm)
    except UnknownModelError as error:
        alike = [name for name in imported if name.upper() == file_name(named).upper()]
        if len(alike) == 1:
            return open_model(workspace.models / alike[0])
        near = near_names(named, imported)
        hint = f"; imported models near: {', '.join(near)}" if near else ""
        raise UnknownModelError(f"{error}{hint}") from None
    spec = run.planned.spec
    if spec.training is None:
        raise RunError(f"run {run.key} scored the network of another run; name that run")
    if len(spec.regions.tfs) > 1 and named == run.key:
        raise RunError(f"run {run.key} is a multi-model; name one of its TFs and pass --arm multi")
    tf = spec.regions.tfs[0]
    if named != run.key:
        own = (name for name in spec.regions.tfs if name.upper() == named.upper())
        if (found := next(own, None)) is None:
            raise RunError(
                f"run {run.key} is a multi-model that was not trained on {named}; name one of its "
                f"TFs, such as {tf}"
            )
        tf = found
    runs = [run] if named == run.key else replicates_of(store, run)
    output = spec.regions.tfs.index(tf)
    name = replicates_name(run.planned.role, len(spec.regions.tfs))
    card = workspace.cards / f"{file_name(tf)}.json"
    return Predictor(
        name=named,
        tf=tf,
        source=f"{name}, {counted(len(runs), 'replicate')}",
        replicates=tuple(_replicate(workspace, one, tf, output) for one in runs),
        about=_about(workspace, runs, tf),
        verdict=stored_sentence(card, [one.key for one in runs]) if card.is_file() else "",
        is_current=_is_current(workspace, spec.regions),
    )


def open_model(folder: Path) -> Predictor:
    """Open a model folder.

    Raises
    ------
    RunError
        If it is no model folder, is damaged, or was written by a newer bindgrid.
    """
    path = folder / MODEL_FILE
    try:
        card = from_json(path.read_bytes(), ModelCard, {"version": MODEL_VERSION})
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}); give a folder that `bindgrid export` wrote"
        ) from None
    except RecordError as error:
        raise RunError(
            f"{path}: damaged, or of another bindgrid ({error}); export the model again"
        ) from None
    return Predictor(
        name=card.name,
        tf=card.tf,
        source=card.source,
        replicates=tuple(
            Replicate(
                folder=folder / one.folder,
                output=one.output,
                calibration=one.calibration,
                key=one.key,
                metrics=one.metrics,
            )
            for one in card.replicates
        ),
        about=card.about,
        verdict=card.verdict,
    )


def _replicate(workspace: Workspace, run: StoredRun, tf: str, output: int) -> Replicate:
    return Replicate(
        folder=run.path,
        output=output,
        calibration=calibration_of(workspace, run, tf, output),
        key=run.key,
        metrics=run.metrics.of_tf(tf),
    )


def calibration_of(workspace: Workspace, run: StoredRun, tf: str, output: int) -> Calibration:
    """Calibrate a run's network for a TF by its validation regions, once.

    A run that is judged by folds is calibrated by all of its regions, each as predicted by the fold
    that did not learn from it. Without folds, a penalized regression that learnt from the
    validation regions too is not calibrated: no regions are left for that, and its probabilities
    are maximum-likelihood estimates already.

    Raises
    ------
    DataError, RunError
        If the dataset is not the one that the run was trained on.
    """
    if run.planned.spec.folds:
        tested = read_predictions(run)
        return fit_calibration(tested.logits, tested.bound.astype(np.float32))
    training = run.planned.spec.training
    if training is not None and training.learns_from_val:
        return Calibration()
    kept = workspace.calibration(run.key, tf)
    if kept.is_file():
        try:
            return from_json(kept.read_bytes(), Calibration)
        except (OSError, RecordError) as error:
            raise RunError(f"{kept}: damaged ({error}); remove it and run again") from None
    loaded = load_dataset(workspace)
    selection = loaded.select(run.planned.spec.regions)
    rows = selection.rows(Part.VAL)
    labels = selection.labels[rows, output]
    rows, labels = rows[labels != NULL_LABEL], labels[labels != NULL_LABEL].astype(np.float32)
    sequences = loaded.regions.sequences[selection.region_ids[rows]]
    fitted = fit_calibration(logits_of(run, sequences, output), labels)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(kept) as partial:
        partial.write_text(json.dumps(to_values(fitted)))
    return fitted


def logits_of(run: StoredRun, sequences: NDArray[np.uint8], output: int = 0) -> NDArray[np.float32]:
    """Logits that a run's network gives sequences, mean of both strands, shape (n,).

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).
    output
        Which of the network's outputs; the first by default.
    """
    with one_thread():
        return both_strand_logits(load(run.path), sequences, output=output)


def _about(workspace: Workspace, runs: Sequence[StoredRun], tf: str) -> AboutModel:
    """Describe what a predictor was trained on and how."""
    dataset = load_dataset(workspace).dataset
    spec = runs[0].planned.spec
    sampling = spec.regions.sampling
    return AboutModel(
        training=spec.training,
        regions=AboutRegions(
            view=spec.regions.view,
            split=sampling.split,
            test_chroms=sampling.test_chroms,
            val_chroms=sampling.val_chroms,
            num_bound_sampled=sampling.num_bound,
            num_folds=len(sampling.folds),
        ),
        pretrained_on=spec.pretrained_on,
        sources=dataset.manifest.sources,
        added=dataset.summary(tf).made_from if tf in dataset.tfs else None,
    )


def _is_current(workspace: Workspace, regions: RegionSpec) -> bool:
    """Whether the dataset has the labels that a run was trained on, or does not know its TFs."""
    dataset = load_dataset(workspace).dataset
    known = set(regions.tfs) <= set(dataset.tfs)
    return not known or dataset.fingerprint(regions.tfs) == regions.dataset


def put_on(device: str, networks: Sequence[nn.Module]) -> None:
    """Put networks on the device on which they will predict, "cpu" or "cuda".

    Raises
    ------
    RunError
        If it is a GPU, and torch finds none.
    """
    if device != "cpu":
        require_gpu()
        for network in networks:
            network.to(device)


def check_folder(folder: Path) -> None:
    """Check that a replicate's folder has what a network needs.

    Raises
    ------
    RunError
        If a file is missing.
    """
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        if not (folder / name).is_file():
            raise RunError(f"{folder / name}: not there; export the model again")
