"""What each base of some regions contributes to a prediction, kept in the workspace.

``explain/<key>/<TF>-<method>-<regions>/``, a folder that appears at once:

=====================  ========================================================================
file                   content
=====================  ========================================================================
regions.csv            a row per region: region_id, chrom, start, end, probability, logit, total
contributions.parquet  a row per base: region_id, chrom, position (0-based), base, contribution
contributions.bw       bigWig track; where regions overlap, the mean
logos/<region>.svg     the first regions as logos
=====================  ========================================================================

Contributions are in logits, of the forward strand (`model.interpretation.attribution`).
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.atomic import whole_folder
from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part
from data.left_out import LeftOut
from data.motifs.pwm import BASES
from data.packing import unpack
from data.peaks.reading import read_places
from data.schema import CHROM
from data.sources.chromosomes import Chromosomes
from data.sources.evidence import overlaps
from data.sources.intervals import Intervals
from data.steps import OnStep, silent
from data.words import counted
from model.checkpoint import load
from model.interpretation.attribution import Attributions, Method, attribute
from model.prediction import predict
from orchestrator.errors import RunError
from orchestrator.interpretation.logos import save_contributions
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.store import StoredRun
from orchestrator.workspace import Workspace, file_name

REGIONS_FILE: Final = "regions.csv"
BASES_FILE: Final = "contributions.parquet"
TRACK_FILE: Final = "contributions.bw"
LOGOS_FOLDER: Final = "logos"
NUM_LOGOS: Final = 20
"""Regions that are drawn as logos."""


@dataclass(frozen=True)
class StoredExplanation:
    """Contributions, as stored."""

    path: Path

    @property
    def regions(self) -> pd.DataFrame:
        """A row per region."""
        return pd.read_csv(self.path / REGIONS_FILE)

    @property
    def bases(self) -> pd.DataFrame:
        """A row per base."""
        return pd.read_parquet(self.path / BASES_FILE)


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """The n regions that are explained, each as wide as the network's input."""

    region_id: NDArray[np.int64]
    """Number of each, by which the table of bases refers to it, shape (n,)."""
    chrom: NDArray[np.object_]
    start: NDArray[np.int32]
    sequences: NDArray[np.uint8]
    """Packed bases, shape (n, L / 4)."""
    probability: NDArray[np.float64]
    """Prediction for each, shape (n,)."""


def top_regions(run: StoredRun, workspace: Workspace, tf: str, num: int) -> NDArray[np.int64]:
    """Ids of the bound test regions with the highest predicted probability.

    All regions of a model that is judged by cross-validation are test regions.

    Raises
    ------
    RunError
        If the test part has no bound region.
    """
    loaded = load_dataset(workspace)
    selection = loaded.select(run.planned.spec.regions)
    target = output_of(run, tf)
    is_judged_by_folds = run.planned.spec.regions.is_judged_by_folds
    rows = np.arange(len(selection.part)) if is_judged_by_folds else selection.rows(Part.TEST)
    rows = rows[selection.labels[rows, target] == 1]
    if not len(rows):
        raise RunError(f"run {run.key} has no bound test region of {tf}; give regions by --bed")
    return highest_regions(run, workspace, tf, selection.region_ids[rows], num)


def highest_regions(
    run: StoredRun, workspace: Workspace, tf: str, ids: NDArray[np.int64], num: int
) -> NDArray[np.int64]:
    """Give those of some regions of the dataset that are predicted highest, the highest first."""
    target, regions = output_of(run, tf), load_dataset(workspace).regions
    probabilities = predict(load(run.path), regions.sequences[ids])[:, target]
    return ids[np.argsort(-probabilities, kind="stable")[:num]]


def bed_regions(
    path: Path, regions: RegionTable, left_out: LeftOut | None = None
) -> NDArray[np.int64]:
    """Give the ids of the dataset's regions that overlap a BED file's rows.

    Parameters
    ----------
    left_out
        Where rows that overlap no region are noted.

    Raises
    ------
    DataError
        If the file cannot be read.
    RunError
        If nothing overlaps.
    """
    odd_rows = LeftOut() if left_out is None else left_out
    batch, start, end = read_places(path, odd_rows)
    codes, names = batch.text(CHROM)
    own = Chromosomes(path, regions.chroms, None)
    names = [own.named(name, path, odd_rows) for name in names]
    known = {chrom: code for code, chrom in enumerate(regions.chroms)}
    chrom = np.array([known.get(name, -1) for name in names], dtype=np.int16)[codes]
    intervals = Intervals.of_one_pair(regions.chroms, chrom, start, end)
    overlapping = np.zeros(len(batch), dtype=bool)
    found = np.zeros(len(regions), dtype=bool)
    for rows, ids in overlaps(regions, intervals):
        overlapping[rows] = True
        found[ids] = True
    odd_rows.add(path, batch.line[~overlapping], "overlapping no region of the dataset")
    ids = np.flatnonzero(found & (regions.num_unknown == 0))
    if not len(ids):
        raise RunError(f"{path}: no row overlaps a region of the dataset; check its genome")
    return ids


def explain(
    run: StoredRun,
    workspace: Workspace,
    tf: str,
    ids: NDArray[np.int64],
    *,
    method: Method = "deeplift",
    on_step: OnStep = silent,
) -> StoredExplanation:
    """Compute the contributions of the bases of some regions, or give what was computed before.

    Parameters
    ----------
    run
        A finished run that was trained.
    workspace
        Has the dataset; the folder is kept there.
    tf
        One of the run's TFs.
    ids
        Regions of the dataset, in the order in which to show them.
    method
        How contributions are computed (`model.interpretation.attribution`); DeepLIFT by default.
    on_step
        Called with each step; by default nothing is reported.

    Raises
    ------
    DataError, ModelError, RunError
        If the run has no weights or lacks the TF, or the method does not fit its network.
    """
    target = output_of(run, tf)
    digest = hashlib.blake2b(ids.astype(np.int64).tobytes(), digest_size=4).hexdigest()
    folder = workspace.explained(run.key) / f"{file_name(tf)}-{method}-{len(ids)}-{digest}"
    if folder.is_dir():
        return StoredExplanation(folder)
    loaded = load_dataset(workspace)
    sequences = loaded.regions.sequences[ids]
    on_step(counted(len(ids), "region"))
    found = attribute(load(run.path), sequences, target=target, method=method)
    on_step("writing")
    with whole_folder(folder, first_stays=True) as partial:
        explained = Explained(
            region_id=ids,
            chrom=loaded.regions.chrom_names[ids],
            start=loaded.regions.start[ids],
            sequences=sequences,
            probability=np.array([1 / (1 + math.exp(-logit)) for logit in found.logits.tolist()]),
        )
        write_explanation(partial, explained, found, chromosome_sizes(loaded))
    return StoredExplanation(folder)


def output_of(run: StoredRun, tf: str) -> int:
    """Find the output of a run's network for a TF.

    Raises
    ------
    RunError
        If it has none, or the run scored another run's network.
    """
    spec = run.planned.spec
    if spec.training is None:
        raise RunError(f"run {run.key} scored the network of another run; name that run")
    names = [name.upper() for name in spec.regions.tfs]
    if tf.upper() not in names:
        raise RunError(f"run {run.key} has no {tf}; it has: {', '.join(spec.regions.tfs)}")
    return names.index(tf.upper())


def chromosome_sizes(loaded: LoadedDataset) -> dict[str, int]:
    """Lengths of chromosomes, from the index of the genome that the dataset was built from.

    If the index no longer exists, the end of each chromosome's last region.
    """
    regions = loaded.regions
    sizes = {
        name: int(regions.end[regions.lies_on([name])].max()) for name in regions.chromosomes()
    }
    for source in loaded.dataset.manifest.sources:
        index = Path(f"{source.file}.fai")
        if index.is_file():
            lengths = (line.split("\t")[:2] for line in index.read_text().splitlines())
            sizes |= {name: int(length) for name, length in lengths if name in sizes}
    return sizes


def write_explanation(
    folder: Path, explained: Explained, found: Attributions, sizes: Mapping[str, int]
) -> None:
    """Write the files of an explanation into a folder that is there.

    Parameters
    ----------
    folder
        An empty one.
    explained
        The regions.
    found
        The contributions of their bases.
    sizes
        Lengths of the chromosomes.
    """
    (folder / LOGOS_FOLDER).mkdir()
    length = found.contributions.shape[1]
    table = pd.DataFrame(
        {
            "region_id": explained.region_id,
            "chrom": explained.chrom,
            "start": explained.start,
            "end": explained.start + np.int32(length),
            "probability": explained.probability,
            "logit": found.logits,
            "total": found.contributions.sum(axis=1),
        }
    )
    table.to_csv(folder / REGIONS_FILE, index=False)
    codes = unpack(explained.sequences)
    bases = pd.DataFrame(
        {
            "region_id": np.repeat(explained.region_id, length),
            "chrom": np.repeat(explained.chrom, length),
            "position": (explained.start[:, None] + np.arange(length)).ravel(),
            "base": np.array(list(BASES))[codes.ravel()],
            "contribution": found.contributions.ravel(),
        }
    )
    bases.to_parquet(folder / BASES_FILE, index=False)
    _write_track(folder / TRACK_FILE, bases, dict(sizes))
    for row in table.head(NUM_LOGOS).to_dict("records"):
        _draw(folder, row, bases[bases["region_id"] == row["region_id"]])


def _draw(folder: Path, row: dict[Any, Any], bases: pd.DataFrame) -> None:
    name = f"{file_name(row['chrom'])}_{row['start']}_{row['end']}"
    title = f"{row['chrom']}:{row['start'] + 1:,}-{row['end']:,}, p {row['probability']:.2f}"
    save_contributions(
        folder / LOGOS_FOLDER / f"{name}.svg",
        "".join(bases["base"]),
        bases["contribution"].to_numpy(),
        title,
    )


def _write_track(path: Path, bases: pd.DataFrame, sizes: dict[str, int]) -> None:
    """Write a bigWig with a value per base."""
    # here, since it loads a compiler
    from figwig import write_bigwig

    means = bases.groupby(["chrom", "position"], sort=True)["contribution"].mean().reset_index()
    starts = means["position"].to_numpy()
    write_bigwig(
        path,
        sizes,
        means["chrom"].astype(str).tolist(),
        starts,
        means["contribution"].to_numpy(),
        ends=starts + 1,
    )
