"""The card of an exported model, model.json (`orchestrator.prediction.predictors`)."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from data.dataset.added import AddedTF, SourceFile
from data.records import IF_SET
from model.calibration import Calibration
from model.training.config import TrainingConfig
from orchestrator.runs.run_metrics import RunMetrics

MODEL_FILE: Final = "model.json"
MODEL_VERSION: Final = 1
"""Increase it when an older bindgrid cannot read a model folder."""


def require_plain_name(folder: str) -> None:
    """Raise ValueError for what is not the name of a folder beside the record, such as `../other`.

    Model folders come from other people: a record must not have files read from elsewhere.
    """
    if folder != Path(folder).name or folder in ("", ".."):
        raise ValueError(f"folder is {folder!r}; the name of a folder beside the file is needed")


@dataclass(frozen=True, kw_only=True)
class CardReplicate:
    """A network of a model."""

    folder: str
    """Name of its folder in that of the model."""
    output: int
    """Which of its outputs is the TF's."""
    calibration: Calibration
    key: str
    """Key of the run that trained it."""
    metrics: RunMetrics
    """Metrics on its test regions."""

    def __post_init__(self) -> None:
        require_plain_name(self.folder)
        for name, value in asdict(self.calibration).items():
            if not math.isfinite(value):
                raise ValueError(f"{name} of the calibration is {value}; a finite number is needed")


@dataclass(frozen=True, kw_only=True)
class AboutRegions:
    """Which regions a model was trained on."""

    view: str
    split: str
    """How regions were held back: `random` or `chromosome`."""
    test_chroms: tuple[str, ...]
    """Chromosomes tested on; none unless the split is by chromosome."""
    val_chroms: tuple[str, ...]
    num_bound_sampled: int | None
    """Bound regions that were drawn; None for all of them."""
    num_folds: int = field(default=0, metadata=IF_SET)
    """Folds of whole chromosomes that it was judged by; 0 if it was tested on held-out regions."""


@dataclass(frozen=True, kw_only=True)
class AboutModel:
    """What a model was trained on and how."""

    training: TrainingConfig | None
    """Settings of the training; None for a network that was scored as it is."""
    regions: AboutRegions
    pretrained_on: tuple[str, ...]
    """TFs of the multi-model that it started from; none if it was trained from scratch."""
    sources: tuple[SourceFile, ...]
    """Files that the dataset was made from."""
    added: AddedTF | None = None
    """What the TF was made from; None if it is one of the dataset's own."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a model."""

    version: int
    name: str
    tf: str
    source: str
    """Where the model comes from, for people."""
    licence: str = ""
    verdict: str = field(default="", metadata=IF_SET)
    """What the verdict on it concluded; empty where there is none."""
    replicates: tuple[CardReplicate, ...]
    about: AboutModel

    def __post_init__(self) -> None:
        if not self.replicates:
            raise ValueError("there are no replicates")
