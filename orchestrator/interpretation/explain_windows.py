"""What each base contributes to a prediction in regions of any genome; needs no dataset.

The files are those of `orchestrator.interpretation.explain`. Contributions and logits are those of
the forward strand, means over the model's networks; `probability` is what `bindgrid predict` gives:
both strands, calibrated.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from data.atomic import whole_folder
from data.packing import pack
from data.queries.windows import Windows
from data.sources.genome import Genome
from data.steps import OnStep, silent
from data.words import counted
from model.interpretation.attribution import Attributions, Method, attribute
from orchestrator.errors import RunError
from orchestrator.interpretation.explain import (
    Explained,
    StoredExplanation,
    write_explanation,
)
from orchestrator.prediction.targets import OneTF


def top_windows(target: OneTF, batches: Iterable[Windows], num: int) -> Explained:
    """Find the windows on a genome that are predicted highest, the highest first.

    Parameters
    ----------
    target
        What predicts.
    batches
        Windows on regions of a genome.
    num
        Most windows to give.

    Raises
    ------
    RunError
        If every window holds a base other than A, C, G and T.
    """
    best: Explained | None = None
    row = 0
    for windows in batches:
        assert windows.read_chrom is not None and windows.read_start is not None
        known = windows.known
        sequences = pack(windows.codes[known])
        found = Explained(
            region_id=row + np.flatnonzero(known),
            chrom=windows.read_chrom[known],
            start=windows.read_start[known],
            sequences=sequences,
            probability=target.probabilities(sequences)[:, 0].astype(np.float64),
        )
        row += len(known)
        best = _highest(found if best is None else _joined(best, found), num)
    if best is None or not len(best.region_id):
        raise RunError("every region holds a base other than A, C, G and T; check the genome")
    return best


def explain_windows(
    target: OneTF,
    explained: Explained,
    genome: Genome,
    folder: Path,
    *,
    method: Method = "deeplift",
    on_step: OnStep = silent,
) -> StoredExplanation:
    """Compute the contributions of the bases of some windows, and write them to a folder.

    Parameters
    ----------
    target
        The model of one TF; its networks' contributions are averaged.
    explained
        The windows.
    genome
        Has them.
    folder
        The folder to write; it appears at once.
    method
        How contributions are computed (`model.interpretation.attribution`); DeepLIFT by default.
    on_step
        Called with each step; by default nothing is reported.

    Raises
    ------
    ModelError
        If the method does not fit the network.
    """
    on_step(counted(len(explained.region_id), "region"))
    found = [
        attribute(member.network, explained.sequences, target=member.output, method=method)
        for member in target.members
    ]
    mean = Attributions(
        contributions=np.mean([one.contributions for one in found], axis=0, dtype=np.float32),
        logits=np.mean([one.logits for one in found], axis=0, dtype=np.float32),
        max_error=max(one.max_error for one in found),
    )
    on_step("writing")
    with whole_folder(folder) as partial:
        write_explanation(partial, explained, mean, genome.lengths_bp)
    return StoredExplanation(folder)


def _joined(one: Explained, other: Explained) -> Explained:
    return Explained(
        region_id=np.concatenate([one.region_id, other.region_id]),
        chrom=np.concatenate([one.chrom, other.chrom]),
        start=np.concatenate([one.start, other.start]),
        sequences=np.concatenate([one.sequences, other.sequences]),
        probability=np.concatenate([one.probability, other.probability]),
    )


def _highest(found: Explained, num: int) -> Explained:
    rows = np.argsort(-found.probability, kind="stable")[:num]
    return Explained(
        region_id=found.region_id[rows],
        chrom=found.chrom[rows],
        start=found.start[rows],
        sequences=found.sequences[rows],
        probability=found.probability[rows],
    )
