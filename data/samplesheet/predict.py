"""Sites of many TFs predicted in one pass over the genome, a chromosome at a time."""

from collections.abc import Mapping, Sequence

import numpy as np

from data.motifs.motif import Motif
from data.own_tf.files import ReadPeaks
from data.own_tf.predicted_sites import SiteRule, predict_sites
from data.sources.genome import Genome
from data.sources.intervals import Intervals
from data.steps import OnStep


def predicted_sites(
    files: Mapping[int, tuple[ReadPeaks, Motif]],
    chroms: Sequence[str],
    genome: Genome,
    rule: SiteRule,
    on_step: OnStep,
) -> dict[int, Intervals]:
    """Predict at most one site in each peak of some files, as `bindgrid tf add` does.

    Parameters
    ----------
    files
        Peaks of a file and the motif of their TF, by row of the sheet.
    chroms
        Chromosomes by which the peaks are coded.
    on_step
        Called with each chromosome before it is scanned.

    Returns
    -------
    dict
        Sites by row of the sheet.
    """
    if not files:
        return {}
    parts: dict[int, list[Intervals]] = {row: [] for row in files}
    code_of = {name: code for code, name in enumerate(chroms)}
    with_peaks = {
        chroms[code]
        for read, _ in files.values()
        for code in np.unique(read.summits.chrom).tolist()
        if code >= 0
    }
    for one in genome.read_chromosomes(with_peaks):
        code = code_of[one.name]
        on_step(f"predicting sites on {one.name}")
        for row, (read, motif) in files.items():
            here = np.flatnonzero(read.summits.chrom == code)
            peaks = read.peaks.taken(here)
            found = predict_sites(peaks, np.arange(len(here)), one, motif, rule)
            num = len(found.start)
            parts[row].append(
                Intervals.of_one_pair(
                    chroms,
                    np.full(num, code, dtype=np.int16),
                    found.start,
                    found.start + np.int32(found.length_bp),
                    int(read.summits.pair[0]),
                )
            )
    return {row: Intervals.joined(chroms, own) for row, own in parts.items()}
