"""Filters of a finished run as motifs, kept in the workspace in a folder that appears at once.

``motifs/<key>/conv<layer>-<database>/``:

==================  ===========================================================================
file                content
==================  ===========================================================================
filters.json        what was read and how; for each filter its sites, regions, maximum, counts
filters.meme        the motifs of the filters that fire, with their consensus
filters.csv         a row per filter: state, information, best match, importance
matches.parquet     every comparison: filter, matrix_id, name, p_value, q_value, offset, overlap,
                    orientation
importance.parquet  every filter and TF: squared_change, logit_change
                    (`model.interpretation.importance`)
logos.png           all logos on one sheet
logos/<filter>.svg  the logo of a filter that matches
==================  ===========================================================================

Filters are numbered from 0, as in the authors' files. The regions are those that the run trained
on, validated on and was tested on, as in the authors' notebooks; only regions that are predicted
correctly are read. Importance is the mean over a sample of these.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from data.atomic import whole_folder
from data.motifs.database import MotifDatabase
from data.motifs.matches import ALPHA, ComparisonRule, MotifMatches, match_filters
from data.motifs.tomtom import is_compiled
from data.records import OlderRecordError
from data.steps import OnStep, silent
from model.checkpoint import load
from model.interpretation.filter_motifs import FilterMotifs
from model.interpretation.filters import correctly_predicted, count_subsequences
from model.interpretation.importance import FilterImportance, filter_importance
from model.prediction import predict
from orchestrator.errors import RunError
from orchestrator.interpretation.filter_tables import (
    best_matches,
    filter_table,
    importance_table,
    match_table,
)
from orchestrator.interpretation.logos import LogoSheet, save_logo, save_sheet
from orchestrator.runs.filter_files import (
    ComparedFilters,
    MotifRule,
    filter_name,
    filter_records,
    read_filters,
    read_record,
    write_filters,
)
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import StoredRun
from orchestrator.spec import RunSpec
from orchestrator.workspace import Workspace

VERSION: Final = 1
"""Increase it when the same folder name comes to mean another computation."""
IMPORTANCE_REGIONS: Final = 500
"""Most regions that filters are silenced on, which takes 20 ms each for 100 filters."""
RECURRENT_IMPORTANCE_REGIONS: Final = 25
"""The same if an LSTM follows the filters, which takes a second each for 320 filters."""
RULE: Final = ComparisonRule()
_STORED_RULE: Final = MotifRule(
    min_subsequences=RULE.min_subsequences, min_information_bits=RULE.min_information_bits
)

TABLE_FILE: Final = "filters.csv"
MATCHES_FILE: Final = "matches.parquet"
IMPORTANCE_FILE: Final = "importance.parquet"
SHEET_FILE: Final = "logos.png"
LOGOS_FOLDER: Final = "logos"


@dataclass(frozen=True)
class StoredMotifs:
    """The motifs of a run's filters, as stored."""

    path: Path

    @cached_property
    def info(self) -> ComparedFilters:
        """Content of filters.json.

        Raises
        ------
        RunError
            If it is damaged, or a newer program wrote it.
        OlderRecordError
            If an older program wrote it: :func:`run_motifs` computes such a folder again.
        """
        return read_record(self.path, ComparedFilters, VERSION)

    @cached_property
    def motifs(self) -> FilterMotifs:
        """The filters' counts."""
        return read_filters(self.info)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per filter."""
        return pd.read_csv(self.path / TABLE_FILE, keep_default_na=False, na_values=[""])

    @cached_property
    def matches(self) -> pd.DataFrame:
        """A row per comparison."""
        return pd.read_parquet(self.path / MATCHES_FILE)

    @cached_property
    def importance(self) -> pd.DataFrame:
        """A row per filter and TF: the filter's importance for the TF."""
        return pd.read_parquet(self.path / IMPORTANCE_FILE)

    def num_matched(self, alpha: float = ALPHA) -> int:
        """Filters whose best match has a q-value below `alpha`."""
        return int((self.table["q_value"] < alpha).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterMatches:
    """A run's filters, and the motifs that they match."""

    motifs: FilterMotifs
    """The filters' counts."""
    table: pd.DataFrame
    """A row per filter, as :func:`best_matches` makes it, or with more columns."""
    matches: pd.DataFrame
    """A row per comparison, as :func:`match_table` makes it."""

    def num_matched(self, alpha: float = ALPHA) -> int:
        """Filters whose best match has a q-value below `alpha`."""
        return int((self.table["q_value"] < alpha).sum())


def run_motifs(
    run: StoredRun,
    workspace: Workspace,
    database: MotifDatabase,
    *,
    layer: int = 1,
    on_step: OnStep = silent,
) -> StoredMotifs:
    """Read the filters of a run, or give what was read before.

    Parameters
    ----------
    run
        A finished run that was trained.
    workspace
        Has the dataset; the folder is kept there.
    database
        Motifs to compare the filters with.
    layer
        Which convolution to read, counted from 1; the first by default.
    on_step
        Called with each step; by default nothing is reported.

    Raises
    ------
    DataError, ModelError, RunError
        If the run has no weights, the dataset has changed, or no region is predicted correctly.
    """
    folder = _folder(run, workspace, database, layer)
    if (stored := _read_before(folder)) is not None:
        return stored
    if folder.is_dir():
        shutil.rmtree(folder)
    _check_layer(run, layer)
    network = load(run.path)
    sequences, right, motifs, matches = _compared(
        run, network, workspace, database, layer=layer, on_step=on_step
    )
    on_step("silencing each filter")
    sample = _sample(sequences[right], _most_silenced(run.planned.spec, layer))
    importance = filter_importance(network, sample, layer=layer)
    info = ComparedFilters(
        version=VERSION,
        run=run.key,
        name=run.planned.name,
        tfs=run.planned.spec.regions.tfs,
        database=database.name,
        rule=_STORED_RULE,
        num_regions=len(sequences),
        num_matched_shuffled=_num_matched_shuffled(motifs.counts, database),
        num_importance_regions=importance.num_regions,
        **filter_records(motifs),
    )
    on_step("drawing logos")
    with whole_folder(folder, first_stays=True) as partial:
        (partial / LOGOS_FOLDER).mkdir()
        _write(partial, info, motifs, matches, importance)
    return StoredMotifs(folder)


def filter_matches(
    run: StoredRun, workspace: Workspace, database: MotifDatabase, *, on_step: OnStep = silent
) -> FilterMatches:
    """Compare the filters of a run's first convolution with motifs, and store nothing.

    What :func:`run_motifs` read before is taken as it is. Without it, this costs a second or two,
    where silencing each filter and drawing all logos take most of a minute.

    Parameters
    ----------
    run, workspace, database, on_step
        As for :func:`run_motifs`.

    Raises
    ------
    DataError, ModelError, RunError
        As for :func:`run_motifs`.
    """
    stored = _read_before(_folder(run, workspace, database, 1))
    if stored is not None:
        return FilterMatches(motifs=stored.motifs, table=stored.table, matches=stored.matches)
    _check_layer(run, 1)
    network = load(run.path)
    found = _compared(run, network, workspace, database, layer=1, on_step=on_step)
    return FilterMatches(
        motifs=found.motifs,
        table=best_matches(found.motifs, found.matches),
        matches=match_table(found.matches),
    )


class _Compared(NamedTuple):
    """A run's filters beside a database."""

    sequences: NDArray[np.uint8]
    """All of the run's regions, packed."""
    right: NDArray[np.bool_]
    """Which of them are predicted correctly, and read."""
    motifs: FilterMotifs
    matches: MotifMatches


def _compared(
    run: StoredRun,
    network: nn.Module,
    workspace: Workspace,
    database: MotifDatabase,
    *,
    layer: int,
    on_step: OnStep,
) -> _Compared:
    """Read what activates a run's filters, and compare it with motifs."""
    on_step("predicting the run's regions")
    sequences, right = _regions_read(run, network, workspace)
    on_step("reading the filters")
    motifs = count_subsequences(network, sequences[right], layer=layer)
    compiles = "" if is_compiled() else " (compiles for a minute, once on a machine)"
    on_step(f"comparing with {database.name}{compiles}")
    return _Compared(sequences, right, motifs, match_filters(motifs.counts, database, RULE))


def _folder(run: StoredRun, workspace: Workspace, database: MotifDatabase, layer: int) -> Path:
    return workspace.motifs(run.key) / f"conv{layer}-{database.slug}"


def _read_before(folder: Path) -> StoredMotifs | None:
    """Give what was read before; None where nothing was, or an older program wrote it."""
    stored = StoredMotifs(folder)
    if folder.is_dir():
        with suppress(OlderRecordError):
            _ = stored.info
            return stored
    return None


def _check_layer(run: StoredRun, layer: int) -> None:
    """Raise `RunError` if a run has no such convolution, or no network of its own."""
    spec = run.planned.spec
    num_layers = len(spec.network.conv_filters)
    if not 1 <= layer <= num_layers:
        raise RunError(f"run {run.key} has no convolution {layer}, it has {num_layers}")
    if spec.training is None:
        of = f" {spec.start.key}" if spec.start else ""
        raise RunError(f"run {run.key} scored the network of another run; name that run{of}")


def _regions_read(
    run: StoredRun, network: nn.Module, workspace: Workspace
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Give the sequences of all of a run's regions, and which of them are predicted correctly."""
    loaded = load_dataset(workspace)
    selection = loaded.select(run.planned.spec.regions)
    sequences = loaded.regions.sequences[selection.region_ids]
    return sequences, correctly_predicted(predict(network, sequences), selection.labels)


def _most_silenced(spec: RunSpec, layer: int) -> int:
    """Give the number of regions, at most, that a layer's filters are silenced on."""
    recurrent = bool(spec.network.lstm_units) and layer == len(spec.network.conv_filters)
    return RECURRENT_IMPORTANCE_REGIONS if recurrent else IMPORTANCE_REGIONS


def _sample(sequences: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """Draw the regions to silence filters on; always the same draw."""
    num = min(most, len(sequences))
    return sequences[np.sort(np.random.default_rng(0).choice(len(sequences), num, replace=False))]


def _num_matched_shuffled(counts: NDArray[np.int64], database: MotifDatabase) -> int:
    """Count the filters that match by chance: with the positions of each one shuffled."""
    shuffled = np.random.default_rng(0).permuted(
        np.arange(counts.shape[2])[None].repeat(len(counts), axis=0), axis=1
    )
    return match_filters(
        np.take_along_axis(counts, shuffled[:, None], axis=2), database, RULE
    ).num_matched()


def _write(
    folder: Path,
    info: ComparedFilters,
    motifs: FilterMotifs,
    matches: MotifMatches,
    importance: FilterImportance,
) -> None:
    write_filters(folder, motifs, info)
    table = filter_table(motifs, matches, importance, info.tfs)
    table.to_csv(folder / TABLE_FILE, index=False)
    match_table(matches).to_parquet(folder / MATCHES_FILE, index=False)
    importance_table(importance, info.tfs).to_parquet(folder / IMPORTANCE_FILE, index=False)
    titles = [_title(row) for row in table.to_dict("records")]
    heading = f"{info.name}: filters"
    sheet = LogoSheet(frequencies=motifs.frequencies, titles=titles, heading=heading)
    save_sheet(folder / SHEET_FILE, sheet)
    for index in np.flatnonzero(table["q_value"] < ALPHA).tolist():
        path = folder / LOGOS_FOLDER / f"{filter_name(index)}.svg"
        save_logo(path, motifs.frequencies[index], titles[index])


def _title(row: dict[Any, Any]) -> str:
    text = filter_name(row["filter"])
    if row["state"] != "compared":
        return f"{text}: {row['state']}"
    if row["q_value"] < ALPHA:
        return f"{text}: {row['match_name']}, q {row['q_value']:.1g}"
    return text
