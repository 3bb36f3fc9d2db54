"""What a user wants predicted: one TF, or a matrix of regions and several TFs of the base.

A matrix has a column of calibrated probabilities for each TF; every sequence goes through the
network once, however many TFs there are. It is a table, or a folder of bigWig files, one for each
TF, named by it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.atomic import whole_folder
from data.dataset.open_biosamples import OpenBiosamples
from data.errors import DataError
from data.output import Format, Output, output_named
from data.packing import pack
from data.queries.windows import Windows
from data.sources.genome import Genome
from data.words import counted
from model.calibration import Calibration
from model.ensemble import Member, Panel, predict_ensemble
from orchestrator.errors import RunError
from orchestrator.prediction.base import Base, require_base
from orchestrator.prediction.finding import AnyArm, find_model, name_in_base
from orchestrator.prediction.openness import open_in, with_openness
from orchestrator.prediction.predict import (
    Counts,
    OnPredicted,
    places_of,
    predict_windows,
    write_predictions,
)
from orchestrator.prediction.predictors import Predictor, put_on
from orchestrator.prediction.writers import (
    PREDICTION_FORMATS,
    TABLE_FORMATS,
    Writer,
    bigwig_writer,
    writing,
)
from orchestrator.workspace import Workspace, file_name

ALL_TFS: Final = "all"
"""The name that stands for all TFs of the base."""


@dataclass(frozen=True)
class NetworkFiles:
    """One network of a target, as stored."""

    folder: Path
    """Folder with its weights and config."""
    outputs: tuple[int, ...]
    """Which of its outputs are the TFs'."""
    calibrations: tuple[Calibration, ...]
    """By TF."""


class Target(Protocol):
    """What is predicted, opened."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def source(self) -> str:
        """Where the model comes from, for people."""

    @property
    def cautions(self) -> tuple[str, ...]:
        """What whoever uses it should know, a line each."""

    @property
    def tfs(self) -> tuple[str, ...]:
        """TFs that are predicted, T of them."""

    @property
    def length_bp(self) -> int:
        """Length of the sequences that are read."""

    def networks(self) -> tuple[NetworkFiles, ...]:
        """Give the files of its networks."""

    def probabilities(self, sequences: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict packed sequences, shape (n, L / 4); gives probabilities, shape (n, T)."""

    def writing(
        self, output: Output, sizes: Mapping[str, int] | None
    ) -> AbstractContextManager[Writer]:
        """Give a writer of its predictions."""

    def predict(
        self, batches: Iterable[Windows], writer: Writer, on_predicted: OnPredicted
    ) -> Counts:
        """Predict windows and write them as they come."""


@dataclass(frozen=True)
class OneTF:
    """One TF, by all replicates of its model."""

    predictor: Predictor
    members: tuple[Member, ...]
    places: OpenBiosamples | None = None
    """How open places are, where that counts in the predictions."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.predictor.name

    @property
    def source(self) -> str:
        """Where the model comes from, for people."""
        return self.predictor.source

    @property
    def cautions(self) -> tuple[str, ...]:
        """What whoever uses it should know, a line each."""
        return self.predictor.cautions

    @property
    def length_bp(self) -> int:
        """Length of the sequences that are read."""
        return self.members[0].length_bp

    @property
    def tfs(self) -> tuple[str, ...]:
        """The TF."""
        return (self.predictor.tf,)

    def networks(self) -> tuple[NetworkFiles, ...]:
        """Give the files of its replicates."""
        return tuple(
            NetworkFiles(one.folder, (one.output,), (one.calibration,))
            for one in self.predictor.replicates
        )

    def probabilities(self, sequences: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict packed sequences, shape (n, 1)."""
        return predict_ensemble(self.members, sequences).probability[:, None]

    def writing(
        self, output: Output, sizes: Mapping[str, int] | None
    ) -> AbstractContextManager[Writer]:
        """Give a writer of probabilities and their spread."""
        return writing(output, sizes)

    def predict(
        self, batches: Iterable[Windows], writer: Writer, on_predicted: OnPredicted
    ) -> Counts:
        """Predict windows and write them as they come."""
        counted = None if self.places is None else partial(open_in, self.places)
        return predict_windows(self.members, batches, writer, on_predicted, counted)


@dataclass(frozen=True)
class Matrix:
    """Several TFs of the base at once."""

    base: Base
    tfs: tuple[str, ...]
    panel: Panel

    @property
    def name(self) -> str:
        """How many TFs there are."""
        return counted(len(self.tfs), "TF")

    @property
    def source(self) -> str:
        """The base's name."""
        return self.base.card.name

    @property
    def cautions(self) -> tuple[str, ...]:
        """Nothing: the base's page has what is known of each TF."""
        return ()

    @property
    def length_bp(self) -> int:
        """Length of the sequences that are read."""
        return self.panel.length_bp

    def networks(self) -> tuple[NetworkFiles, ...]:
        """Give the files of the base's networks."""
        return tuple(
            NetworkFiles(self.base.folder / one.folder, self.panel.outputs, calibrations)
            for one, calibrations in zip(
                self.base.card.replicates, self.panel.calibrations, strict=True
            )
        )

    def probabilities(self, sequences: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict packed sequences, shape (n, T)."""
        return self.panel.predict(sequences)

    def writing(
        self, output: Output, sizes: Mapping[str, int] | None
    ) -> AbstractContextManager[Writer]:
        """Give a writer of a column, or a bigWig file, for each TF."""
        if output.format is not Format.BIGWIG:
            return writing(output, sizes)
        assert sizes is not None  # a folder of tracks is asked for with a stride, and so a genome
        return _tracks(output.path, self.tfs, sizes)

    def predict(
        self, batches: Iterable[Windows], writer: Writer, on_predicted: OnPredicted
    ) -> Counts:
        """Predict windows and write them as they come."""
        return write_predictions(batches, writer, self._table, on_predicted)

    def _table(self, windows: Windows, part: slice) -> pd.DataFrame:
        known = windows.known[part]
        found = np.full((len(known), len(self.tfs)), np.nan, dtype=np.float32)
        found[known] = self.probabilities(pack(windows.codes[part][known]))
        columns = dict(zip(self.tfs, found.T, strict=True))
        return pd.DataFrame(places_of(windows, part) | columns)


def is_matrix(named: str) -> bool:
    """Whether a name stands for several TFs: `all`, or TFs separated by commas."""
    return (name_in_base(named) or named).lower() == ALL_TFS or "," in named


def target_output(named: str, path: Path | None) -> Output:
    """Say what a file's name stands for, and check that it can be written.

    Raises
    ------
    DataError
        If the name ends in no known format, or the place cannot be written.
    """
    if not is_matrix(named):
        return output_named(path, PREDICTION_FORMATS)
    if path is None or path.suffix or path == Path("-"):
        if path is not None and path.suffix.lower() in (".bw", ".bigwig"):
            raise DataError(
                f"{path}: several TFs need a bigWig file each; name a folder to write them to, "
                "without an ending"
            )
        return output_named(path, TABLE_FORMATS)
    if path.exists():
        raise DataError(f"{path}: something is there already; name another folder")
    if not path.absolute().parent.is_dir():
        raise DataError(f"{path}: there is no folder {path.absolute().parent}; check the path")
    return Output(path, Format.BIGWIG, compressed=False)


def find_target(
    workspace: Workspace,
    named: str,
    arm: AnyArm,
    *,
    device: str = "cpu",
    open_on: Genome | None = None,
) -> Target:
    """Find and load what is to be predicted.

    Parameters
    ----------
    workspace
        Has the runs and the imported models; it need not exist.
    named
        What `orchestrator.prediction.finding.find_model` takes; or `all`, or TFs separated by
        commas, for a matrix of TFs of the base.
    arm
        The arm of a TF's runs; `base` takes the base.
    device
        Where it will predict, "cpu" (the default) or "cuda".
    open_on
        The genome whose places are predicted, if their openness is to count beside their
        sequences; by default it does not count.

    Raises
    ------
    DataError
        If the dataset does not say how open regions are, where that counts.
    ModelError
        If a network cannot be loaded.
    RunError
        If there is none; suggests similar names. If there is no GPU that was asked for.
    """
    if not is_matrix(named):
        predictor, places = find_model(workspace, named, arm), None
        if open_on is not None:
            predictor, places = with_openness(workspace, predictor, open_on)
        return OneTF(predictor, predictor.members(device), places)
    if open_on is not None:
        raise RunError("--openness takes one TF that was trained in this workspace; name one")
    if arm not in ("transfer", "base"):
        raise RunError(f"several TFs at once are predicted by the base; leave out --arm {arm}")
    base = require_base()
    words = name_in_base(named) or named
    tfs: Sequence[str] = base.tfs
    if words.lower() != ALL_TFS:
        names = (one.strip() for one in words.split(","))
        tfs = list(dict.fromkeys(base.require(one) for one in names if one))
    if not tfs:
        raise RunError(f"{named!r} names no TF; give one, several separated by commas, or all")
    panel = base.panel(tfs)
    put_on(device, panel.networks)
    return Matrix(base, tuple(tfs), panel)


@dataclass(frozen=True)
class _Tracks:
    """A bigWig writer for each TF."""

    writers: Mapping[str, Writer]

    def write(self, table: pd.DataFrame) -> None:
        """Append the tiles of a table to the track of each TF."""
        for tf, writer in self.writers.items():
            places = table[["chrom", "start", "end"]]
            writer.write(places.assign(probability=table[tf]))


@contextmanager
def _tracks(folder: Path, tfs: Sequence[str], sizes: Mapping[str, int]) -> Iterator[Writer]:
    with whole_folder(folder) as partial, ExitStack() as stack:
        yield _Tracks(
            {
                tf: stack.enter_context(bigwig_writer(partial / f"{file_name(tf)}.bw", sizes))
                for tf in tfs
            }
        )
