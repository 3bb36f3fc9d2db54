"""Openness beside the sequence: how open a region is, in what is predicted of it.

Where chromatin is open in many biosamples, many TFs bind, whatever they prefer. The number of a
dataset's biosamples in which a region is open therefore tells bound regions of some TFs, such as
REST, as well as their sequences do. It is no part of any network: a logistic regression weighs it
beside the logits of regions that the network did not learn from.

Legend: n regions.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.dataset.open_biosamples import OpenBiosamples
from data.dataset.same_genome import check_genome
from data.queries.windows import Windows
from data.sources.genome import Genome
from model.calibration import fit_open_calibration, openness
from orchestrator.errors import RunError
from orchestrator.prediction.predictors import Predictor, logits_of
from orchestrator.report.calls import read_predictions
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.workspace import Workspace


def with_openness(
    workspace: Workspace, predictor: Predictor, genome: Genome
) -> tuple[Predictor, OpenBiosamples]:
    """Have openness count in what a predictor says.

    Parameters
    ----------
    predictor
        Replicates of a run of the workspace.
    genome
        The genome whose places are predicted.

    Raises
    ------
    DataError
        If the dataset does not say in which of two or more biosamples regions are open, or is of
        another genome.
    RunError
        If the model is an imported one or the base's, or a multi-model; the TF's labels have
        changed; or what a run predicted is damaged.
    """
    store = RunStore(workspace)
    # a model that was exported here keeps the key of its run, but may be of another dataset
    if not all(store.is_complete(one.key) for one in predictor.replicates):
        raise RunError(
            "--openness is weighed by the test regions of a run of this workspace, which an "
            f"imported model and the base ({predictor.source}) lack; train {predictor.tf} here by "
            "`bindgrid tf train`, or leave out --openness"
        )
    loaded = load_dataset(workspace)
    places = OpenBiosamples(loaded.dataset, loaded.regions)
    places.check_chromosomes(genome.lengths_bp, genome.path)
    check_genome(loaded.dataset, loaded.regions, genome)
    replicates = []
    for one in predictor.replicates:
        run = store.open(one.key)
        if len(run.planned.spec.regions.tfs) > 1:
            raise RunError(
                f"{predictor.name}: --openness takes a model of one TF, not a multi-model"
            )
        logits, bound, opened = _tested(run, loaded, places)
        fitted = fit_open_calibration(logits, bound, opened)
        replicates.append(
            replace(one, calibration=fitted.of_logits, per_openness=fitted.per_openness)
        )
    return replace(predictor, replicates=tuple(replicates)), places


def _tested(
    run: StoredRun, loaded: LoadedDataset, places: OpenBiosamples
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Logits, labels and openness of a run's test regions, each of shape (n,)."""
    regions = run.planned.spec.regions
    if loaded.dataset.fingerprint(regions.tfs) != regions.dataset:
        tf = regions.tfs[0]
        raise RunError(
            f"{loaded.dataset.path}: the labels of {tf} have changed since its model was trained; "
            f"train it again by `bindgrid tf train {tf}`, or leave out --openness"
        )
    tested = read_predictions(run)
    both = tested.bound.any() and not tested.bound.all()
    if not both or tested.region_ids.max() >= len(loaded.regions):
        raise RunError(
            f"{run.path}: its test regions are not those of both classes in the dataset; remove "
            "the folder and run again, or leave out --openness"
        )
    if run.planned.spec.folds:
        logits = tested.logits
    else:
        logits = logits_of(run, loaded.regions.sequences[tested.region_ids])
    opened = openness(places.of_regions[tested.region_ids])
    return logits, tested.bound.astype(np.float32), opened


def open_in(places: OpenBiosamples, windows: Windows, part: slice) -> NDArray[np.int64]:
    """Count the biosamples in which the middles of some windows are open, shape (n,).

    Parameters
    ----------
    windows
        Of a genome.
    part
        Which of them.
    """
    assert windows.chrom is not None and windows.start is not None and windows.end is not None
    if windows.read_chrom is not None and windows.read_start is not None:
        middle = windows.read_start[part].astype(np.int64) + windows.codes.shape[1] // 2
        return places.at(windows.read_chrom[part], middle)
    middle = (windows.start[part].astype(np.int64) + windows.end[part]) // 2
    return places.at(windows.chrom[part], middle)
