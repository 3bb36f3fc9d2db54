"""Labels of examples: 1 bound, 0 unbound, and unresolved, a cell without weight.

Unresolved is NaN in float32 and :data:`UNRESOLVED` in int8. The packed form takes a byte per cell,
so that a matrix of 364,143 regions and 150 TFs takes 55 MB and is decoded batch by batch.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.errors import ModelError

UNRESOLVED: Final = -1
"""Code of an unresolved cell in int8 labels."""

Labels = NDArray[np.float32] | NDArray[np.int8]


def resolved_cells(labels: Labels) -> NDArray[np.bool_]:
    """Which cells have a label, shape as `labels`."""
    if np.issubdtype(labels.dtype, np.floating):
        return ~np.isnan(labels)
    return labels != UNRESOLVED


def check_labels(labels: Labels) -> None:
    """Raise `ModelError` unless these are labels of either form."""
    if labels.dtype not in (np.float32, np.int8):
        raise ModelError(f"labels are {labels.dtype}; give float32 or int8")
    wrong = labels[resolved_cells(labels) & (labels != 0) & (labels != 1)]
    if wrong.size:
        mark = "NaN" if labels.dtype == np.float32 else str(UNRESOLVED)
        raise ModelError(
            f"{wrong.size} labels are not 0, 1 or {mark} (first: {wrong[0]}); mark unresolved"
            f" cells {mark}"
        )
