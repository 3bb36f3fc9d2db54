"""What is recorded of an added TF's motif, and how it is read back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from data.dataset.store import Dataset
from data.motifs.motif import Motif
from data.own_tf.predicted_sites import SiteRule


def added_motif(dataset: Dataset, tf: str) -> Motif | None:
    """Motif that the sites of a TF that was added were predicted by; None where there is none."""
    if tf not in dataset.tfs:
        return None
    return recorded_motif(dataset.summary(tf).added)


def recorded_motif(added: Mapping[str, Any] | None) -> Motif | None:
    """Motif in the record of what a TF was made from; None where there is none."""
    record = (added or {}).get("motif", {})
    if "probabilities" not in record:  # of a dataset's own TF, or added by an older bindgrid
        return None
    matrix = np.array(record["probabilities"], dtype=np.float64)
    return Motif(record["tf"], record["matrix_id"], matrix)


def motif_record(motif: Motif, rule: SiteRule) -> dict[str, Any]:
    """Give what is recorded of the motif that sites were predicted by, as JSON types."""
    return {
        "tf": motif.tf,
        "matrix_id": motif.matrix_id,
        "hash": motif.digest,
        "probabilities": motif.probabilities.tolist(),
        "p_value": rule.p_value,
        "flank_bp": rule.flank_bp,
    }
