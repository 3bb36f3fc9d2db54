"""A TF's model as a folder for others (`orchestrator.prediction.predictors`): export and import."""

import shutil
from pathlib import Path

from data.atomic import whole_folder
from data.records import to_json
from model.checkpoint import CONFIG_FILE, WEIGHTS_FILE, load_config
from orchestrator.errors import RunError
from orchestrator.prediction.finding import name_in_base
from orchestrator.prediction.model_card import (
    MODEL_FILE,
    MODEL_VERSION,
    AboutModel,
    CardReplicate,
    ModelCard,
)
from orchestrator.prediction.predictors import Predictor, check_folder, open_model
from orchestrator.prediction.targets import is_matrix
from orchestrator.runs.filter_files import FILTERS_FILE, MEME_FILE
from orchestrator.runs.find_run import is_model
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace

CARD_FILE = "README.md"
_OF_A_RUN = (WEIGHTS_FILE, CONFIG_FILE, MEME_FILE, FILTERS_FILE)
_SHOWN = ("mcc", "auroc", "average_precision", "num_bound", "num_unbound")


_WITHOUT_BINDGRID = (
    "Without bindgrid: `weights.safetensors` is the state dict of the network whose sizes "
    "`network.json` has; it reads one-hot DNA (channels A, C, G, T), and `output` in `model.json` "
    "tells which of its logits is the TF's. Average the logits of both strands, take "
    "sigmoid(slope * logit + intercept) by the replicate's calibration, and average the "
    "replicates. `filters.meme` has the PWMs of the first layer."
)


def export_model(predictor: Predictor, folder: Path, *, licence: str) -> None:
    """Write a model folder atomically.

    Parameters
    ----------
    licence
        Under which others may use it, for the card.

    Raises
    ------
    RunError
        If something is at `folder`, or the labels are no longer those that it was trained on, so
        that the card would tell of others.
    """
    _refuse_existing(folder, "name another folder")
    if not predictor.is_current:
        raise RunError(f"{predictor.name}: {predictor.cautions[-1]}, then export it")
    with whole_folder(folder) as partial:
        records = []
        for number, one in enumerate(predictor.replicates, start=1):
            own = partial / f"replicate-{number}"
            own.mkdir()
            check_folder(one.folder)
            for name in _OF_A_RUN:
                if (one.folder / name).is_file():
                    shutil.copyfile(one.folder / name, own / name)
            records.append(
                CardReplicate(
                    folder=own.name,
                    output=one.output,
                    calibration=one.calibration,
                    key=one.key,
                    metrics=one.metrics,
                )
            )
        card = ModelCard(
            version=MODEL_VERSION,
            name=predictor.name,
            tf=predictor.tf,
            source=predictor.source,
            licence=licence,
            verdict=predictor.verdict,
            replicates=tuple(records),
            about=predictor.about,
        )
        (partial / MODEL_FILE).write_text(to_json(card), encoding="utf-8")
        (partial / CARD_FILE).write_text(_card(predictor, licence), encoding="utf-8")


def import_model(workspace: Workspace, folder: Path, name: str | None = None) -> Predictor:
    """Copy a model folder into a workspace, once every network of it was loaded.

    Only the files that `export_model` writes are copied.

    Parameters
    ----------
    name
        To call it by; its own if None.

    Raises
    ------
    ModelError, RunError
        If it is no model folder, is not whole, has links out of it, or the name is taken or means
        TFs of the base.
    """
    predictor = open_model(folder)
    for one in predictor.replicates:
        check_folder(one.folder)
    predictor.members()
    if not (name or predictor.name):
        raise RunError(f"{folder}: the model has no name; give it one by --name")
    called = name or predictor.name
    if is_matrix(called) or name_in_base(called) is not None:
        raise RunError(f"{called!r} means TFs of the base; import the model by another --name")
    if called.upper() in {tf.upper() for tf in _own_tfs(workspace)}:
        raise RunError(
            f"{called!r} is a TF of {workspace.root}, whose own model it would hide; import the "
            "model by another --name"
        )
    place = workspace.model(called)
    _refuse_existing(place, "import it by another --name")
    files = [name for name in _files_of(folder, predictor) if (folder / name).is_file()]
    for file in files:
        if not (folder / file).resolve().is_relative_to(folder.resolve()):
            raise RunError(
                f"{folder / file}: a link out of the model's folder; copy the folder with what "
                "its links lead to (cp -rL), if that is what you want, and import the copy"
            )
    with whole_folder(place) as partial:
        for file in files:
            (partial / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / file, partial / file)
    return open_model(place)


def _own_tfs(workspace: Workspace) -> set[str]:
    """Give the TFs that the workspace has models of."""
    runs = RunStore(workspace).completed()
    return {tf for run in runs if is_model(run) for tf in run.planned.spec.regions.tfs}


def _files_of(folder: Path, predictor: Predictor) -> list[Path]:
    """Give the files that an exported model may have; anything else in the folder is ignored."""
    own = [one.folder.relative_to(folder) for one in predictor.replicates]
    return [Path(MODEL_FILE), Path(CARD_FILE), *(one / name for one in own for name in _OF_A_RUN)]


def _refuse_existing(folder: Path, remedy: str) -> None:
    if folder.exists():
        raise RunError(f"{folder}: something is there already; {remedy}")


def _card(predictor: Predictor, licence: str) -> str:
    """Model card, Markdown."""
    about = predictor.about
    config = load_config(predictor.replicates[0].folder)
    lines = [
        f"# Binding of {predictor.tf}",
        "",
        f"{predictor.source}, trained by bindgrid: probability that {predictor.tf} binds a region "
        f"of {config.length_bp} bp.",
        "",
        "## How good it is",
        "",
        *([f"{predictor.verdict}", ""] if predictor.verdict else []),
        "On the test regions of each replicate, which it was neither trained nor validated on; mcc "
        "is that of calling a region bound from a probability of 0.5.",
        "",
        f"| replicate | {' | '.join(_SHOWN)} |",
        f"| --- |{' --- |' * len(_SHOWN)}",
    ]
    for number, one in enumerate(predictor.replicates, start=1):
        cells = (_cell(getattr(one.metrics, name)) for name in _SHOWN)
        lines.append(f"| {number} | {' | '.join(cells)} |")
    lines += ["", "## What it was trained on", "", *_data(about)]
    lines += [
        "",
        "## Licence",
        "",
        licence,
        "",
        "## How to use it",
        "",
        f"`bindgrid import-model DIR`, then `bindgrid predict {predictor.name} ...`.",
        "",
        _WITHOUT_BINDGRID,
        "",
    ]
    return "\n".join(lines)


def _data(about: AboutModel) -> list[str]:
    split = f"split by {about.regions.split}"
    if about.regions.test_chroms:
        split += f", tested on {', '.join(about.regions.test_chroms)}"
    if about.regions.num_folds:
        split += f", judged by {about.regions.num_folds}-fold cross-validation over chromosomes"
    lines = [f"- Regions: {about.regions.view} view, {split}."]
    if about.pretrained_on:
        lines.append(f"- Pre-trained on {', '.join(about.pretrained_on)}.")
    if about.added is not None:
        lines += [
            f"- Peaks of {file.biosample}: {Path(file.peaks.file).name}, {file.num_peaks:,} "
            f"rows, sha256 {file.peaks.sha256}; sites {about.added.sites}."
            for file in about.added.files
        ]
    lines += [f"- {Path(file.file).name}, sha256 {file.sha256}." for file in about.sources]
    return lines


def _cell(value: float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
