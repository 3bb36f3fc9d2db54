"""What is recorded of an added TF's labels and motif, and how it is read back."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from data.dataset.added import AddedMotif, AddedTF
from data.dataset.evidence_file import TFSummary
from data.dataset.store import Dataset
from data.motifs.motif import Motif
from data.own_tf.predicted_sites import SiteRule


def added_motif(dataset: Dataset, tf: str) -> Motif | None:
    """Motif that a TF's sites were predicted by, or that it was added with; None without one."""
    if tf not in dataset.tfs:
        return None
    return recorded_motif(dataset.summary(tf).made_from)


def asks_for_sites(dataset: Dataset) -> bool:
    """Whether the dataset's own TFs are bound only where they have a site beside their peak."""
    for tf in dataset.tfs:
        summary = dataset.summary(tf)
        if summary.added is None:
            return not summary.is_by_peaks_alone
    return True


def labels_in_words(summaries: Iterable[TFSummary]) -> str:
    """Say what makes a region bound; where TFs differ in it, of how many.

    Scores by peaks alone are lower than scores by peaks and sites, and cannot be compared with
    them.
    """
    kinds = Counter(
        "peaks alone" if one.is_by_peaks_alone else "peaks and sites" for one in summaries
    )
    if len(kinds) < 2:
        return "".join(kinds)
    words = (f"{kind} ({num} TF{'s' if num > 1 else ''})" for kind, num in kinds.most_common())
    return ", ".join(words)


def recorded_motif(added: AddedTF | None) -> Motif | None:
    """Motif in the record of what a TF was made from; None where there is none."""
    record = None if added is None else added.motif
    if record is None or not record.probabilities:
        return None
    probabilities = np.array(record.probabilities, dtype=np.float64)
    return Motif(record.tf, record.matrix_id, probabilities, source=record.database)


def motif_record(motif: Motif, rule: SiteRule) -> AddedMotif:
    """Give what is recorded of a motif that predicts sites, or is a term of a model alone."""
    return AddedMotif(
        tf=motif.tf,
        matrix_id=motif.matrix_id,
        database=motif.source,
        hash=motif.digest,
        probabilities=tuple(map(tuple, motif.probabilities.tolist())),
        p_value=rule.p_value,
        flank_bp=rule.flank_bp,
    )
