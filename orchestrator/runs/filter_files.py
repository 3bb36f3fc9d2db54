"""Filters as files: what activates each filter of a layer, as JSON and as MEME motifs."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypedDict

import numpy as np

from data.motifs.meme import write_meme
from data.motifs.motif import Motif
from data.motifs.pwm import consensus
from data.records import OlderRecordError, Record, RecordError, from_json, spelled, to_values
from model.interpretation.filter_motifs import FilterMotifs
from orchestrator.errors import RunError

FILTERS_FILE: Final = "filters.json"
MEME_FILE: Final = "filters.meme"


def filter_name(index: int) -> str:
    """Name of a filter in files; filters are numbered from 0, as in the authors' files."""
    return f"filter{index}"


@dataclass(frozen=True, kw_only=True)
class FilterRecord:
    """What activates a filter."""

    filter: int
    num_subsequences: int = field(metadata=spelled("num_sites"))
    """Activating subsequences; 0 for a filter that never fires."""
    num_regions: int
    """Regions with one at least, on either strand."""
    max_activation: float
    """Highest activation; 0 for a filter that never fires."""
    counts: tuple[tuple[int, ...], ...]
    """Activating subsequences by base (A, C, G, T) and position."""


class FilterRecords(TypedDict):
    """The fields that both kinds of filters.json have."""

    layer: int
    num_correct: int
    background: tuple[float, ...]
    filters: tuple[FilterRecord, ...]


@dataclass(frozen=True, kw_only=True)
class RunFilters:
    """The filters.json of a run: what activates its first layer on the test regions."""

    tfs: tuple[str, ...]
    """TFs of the run."""
    layer: int
    """Number of the convolution, from 1."""
    num_correct: int
    """Regions that were read: those predicted correctly."""
    background: tuple[float, ...]
    """Fractions of A, C, G and T in the regions, both strands."""
    filters: tuple[FilterRecord, ...]


@dataclass(frozen=True, kw_only=True)
class MotifRule:
    """Which filters have a motif that can be compared."""

    min_subsequences: int = field(metadata=spelled("min_sites"))
    min_information_bits: float


@dataclass(frozen=True, kw_only=True)
class ComparedFilters:
    """The filters.json of `bindgrid motifs`: what was read, how, and compared with what."""

    version: int
    run: str
    """Key of the run."""
    name: str
    """Name of the run, for people."""
    tfs: tuple[str, ...]
    database: str
    rule: MotifRule
    num_regions: int
    """Regions of the run."""
    num_matched_shuffled: int
    """Filters that match a motif with their positions shuffled."""
    num_importance_regions: int
    """Regions that filters were silenced on."""
    layer: int
    """Number of the convolution, from 1."""
    num_correct: int
    """Regions that were read: those predicted correctly."""
    background: tuple[float, ...]
    """Fractions of A, C, G and T in the regions, both strands."""
    filters: tuple[FilterRecord, ...]


def filter_records(motifs: FilterMotifs) -> FilterRecords:
    """Give what filters.json says of the filters themselves."""
    return {
        "layer": motifs.layer,
        "num_correct": motifs.num_scanned,
        "background": tuple(motifs.background.tolist()),
        "filters": tuple(
            FilterRecord(
                filter=index,
                num_subsequences=int(motifs.num_subsequences[index]),
                num_regions=int(motifs.num_regions[index]),
                max_activation=float(motifs.max_activation[index]),
                counts=tuple(map(tuple, counts.tolist())),
            )
            for index, counts in enumerate(motifs.counts)
        ),
    }


def write_filters(folder: Path, motifs: FilterMotifs, record: RunFilters | ComparedFilters) -> None:
    """Write filters.json, and filters.meme with the filters that are activated somewhere."""
    (folder / FILTERS_FILE).write_text(json.dumps(to_values(record)) + "\n")
    write_meme(
        folder / MEME_FILE,
        [
            Motif(
                tf="",
                matrix_id=filter_name(index),
                name=consensus(motifs.frequencies[index]),
                probabilities=motifs.frequencies[index],
                num_sites=int(motifs.num_subsequences[index]),
            )
            for index in np.flatnonzero(motifs.num_subsequences).tolist()
        ],
        motifs.background,
    )


def read_filters(record: RunFilters | ComparedFilters) -> FilterMotifs:
    """Make filters of what filters.json says."""
    filters = record.filters
    return FilterMotifs(
        layer=record.layer,
        counts=np.array([one.counts for one in filters], dtype=np.int64),
        num_subsequences=np.array([one.num_subsequences for one in filters], dtype=np.int64),
        num_regions=np.array([one.num_regions for one in filters], dtype=np.int64),
        max_activation=np.array([one.max_activation for one in filters]),
        background=np.array(record.background),
        num_scanned=record.num_correct,
    )


def read_record(folder: Path, kind: type[Record], version: int | None = None) -> Record:
    """Read the filters.json of a folder.

    Parameters
    ----------
    version
        The version of the format, the only one that is read; None, the default, if it has none.

    Raises
    ------
    OlderRecordError
        If its version is older.
    RunError
        If it is missing, damaged or newer.
    """
    path = folder / FILTERS_FILE
    newest = {} if version is None else {"version": version}
    try:
        return from_json(path.read_bytes(), kind, newest, oldest=version or 0)
    except OlderRecordError:
        raise
    except (OSError, RecordError) as error:
        raise RunError(
            f"{path}: damaged, or of another bindgrid ({error}); remove {folder} and run again"
        ) from None


def stored_filters(folder: Path) -> FilterMotifs:
    """Read the filters.json of a folder.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        return read_filters(read_record(folder, RunFilters))
    except ValueError as error:  # counts of different lengths
        path = folder / FILTERS_FILE
        raise RunError(f"{path}: damaged ({error}); remove {folder} and run again") from None
