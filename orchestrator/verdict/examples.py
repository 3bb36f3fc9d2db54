"""The regions that a card shows: what each base adds to the best ones, and missed peaks.

Contributions are those of in-silico mutagenesis (`model.interpretation.attribution`): it holds for
every network and for a motif's term, and three regions take a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.added import AddedFile
from data.dataset.region_table import RegionTable
from data.errors import DataError
from data.motifs.pwm import BASES
from data.packing import unpack
from data.peaks.chosen import scores_of
from data.peaks.reading import read_own_peaks
from data.sources.evidence import overlaps
from data.sources.intervals import Intervals
from model.checkpoint import load
from model.device import one_thread
from model.interpretation.attribution import attribute
from orchestrator.report.calls import Predictions
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.store import StoredRun

NUM_BEST: Final = 3
NUM_MISSED: Final = 10


@dataclass(frozen=True, kw_only=True)
class ShownRegion:
    """A bound test region, and what each base contributes to its prediction."""

    region: str
    """Its place, such as `chr1:1000-1200`, 0-based and half-open."""
    probability: float
    """Calibrated, mean over replicates."""
    bases: str
    contributions: tuple[float, ...]
    """What each base contributes, in logits."""


@dataclass(frozen=True, kw_only=True)
class MissedPeak:
    """A bound test region that is called unbound."""

    region: str
    probability: float
    strength: float | None
    """Score of its strongest peak; None where no score is known."""


@dataclass(frozen=True, kw_only=True)
class ShownRegions:
    """Regions that are shown."""

    best: tuple[ShownRegion, ...]
    missed: tuple[MissedPeak, ...]
    """The strongest first, or by lowest probability where no score is known."""
    num_missed: int
    """Bound test regions that are called unbound."""
    strength_of: str
    """What the strength is, such as `signalValue in peaks.narrowPeak`; empty where none is known,
    since the files of peaks are gone or have no score."""


def regions_to_show(
    loaded: LoadedDataset, tf: str, model: StoredRun, predicted: Sequence[Predictions]
) -> ShownRegions:
    """Choose the regions to show.

    Parameters
    ----------
    model
        The first replicate, whose network is asked what each base contributes.
    predicted
        Calibrated predictions of the test regions, by replicate.
    """
    ids, probability = _bound_regions(predicted)
    order = np.argsort(-probability, kind="stable")
    best = order[:NUM_BEST]
    missed = np.flatnonzero(probability < 0.5)
    made_from = loaded.dataset.summary(tf).made_from
    files = () if made_from is None else made_from.files
    strength, strength_of = _strengths(loaded.regions, ids[missed], files)
    ranked = missed[np.lexsort((probability[missed], -strength))][:NUM_MISSED]
    by_region = dict(zip(missed.tolist(), strength.tolist(), strict=True))
    return ShownRegions(
        best=_explained(loaded, model, ids[best], probability[best]),
        missed=tuple(
            MissedPeak(
                region=loaded.regions.place(int(ids[row])),
                probability=float(probability[row]),
                strength=by_region[row] if np.isfinite(by_region[row]) else None,
            )
            for row in ranked.tolist()
        ),
        num_missed=len(missed),
        strength_of=strength_of,
    )


def _bound_regions(
    predicted: Sequence[Predictions],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ids of the bound test regions of any replicate, and their mean probability."""
    ids = np.concatenate([one.region_ids[one.bound] for one in predicted])
    values = np.concatenate([one.probability[one.bound] for one in predicted])
    several, place = np.unique(ids, return_inverse=True)
    return several, np.bincount(place, values) / np.bincount(place)


def _explained(
    loaded: LoadedDataset,
    model: StoredRun,
    ids: NDArray[np.int64],
    probability: NDArray[np.float64],
) -> tuple[ShownRegion, ...]:
    if not len(ids):
        return ()
    sequences = loaded.regions.sequences[ids]
    with one_thread():
        found = attribute(load(model.path), sequences, method="mutagenesis")
    letters = np.array(list(BASES))[unpack(sequences)]
    return tuple(
        ShownRegion(
            region=loaded.regions.place(int(row)),
            probability=float(value),
            bases="".join(bases),
            contributions=tuple(np.round(own.astype(float), 4).tolist()),
        )
        for row, value, bases, own in zip(
            ids, probability, letters, found.contributions, strict=True
        )
    )


def _strengths(
    regions: RegionTable, ids: NDArray[np.int64], files: Sequence[AddedFile]
) -> tuple[NDArray[np.float64], str]:
    """Score of the strongest peak whose summit lies in each region, and what the score is.

    A file that is gone, has changed so that it cannot be read, or has no score that tells peaks
    apart gives none. Scores of several files are compared only where they are of one column.
    """
    strength = np.full(len(ids), -np.inf)
    names: dict[str, list[str]] = {}
    for file in files:
        path = Path(file.peaks.file)
        if not path.is_file() or path.stat().st_size != file.peaks.size:
            continue
        try:
            peaks = read_own_peaks(path)
            scored = scores_of(peaks)
        except DataError:
            continue
        if scored is None or (names and scored[0] not in names):
            continue
        names.setdefault(scored[0], []).append(path.name)
        codes = {chrom: code for code, chrom in enumerate(regions.chroms)}
        chrom = np.array([codes.get(str(name), -1) for name in peaks.chrom_names], dtype=np.int16)
        summits = Intervals.of_one_pair(regions.chroms, chrom, peaks.summit, peaks.summit + 1)
        for peak, region in overlaps(regions, summits):
            place = np.minimum(np.searchsorted(ids, region), len(ids) - 1)
            here = ids[place] == region if len(ids) else np.zeros(0, dtype=bool)
            np.maximum.at(strength, place[here], scored[1][peak[here]])
    told = [f"{column} in {', '.join(files_of)}" for column, files_of in names.items()]
    return strength, told[0] if told and np.isfinite(strength).any() else ""
