"""What activates the filters of a layer, as counts of bases; `model.interpretation.filters` counts.

Legend: F filters, W bp in a filter.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterMotifs:
    """What activates the filters of a layer."""

    layer: int
    """Number of the convolution, from 1."""
    counts: NDArray[np.int64]
    """Activating subsequences by filter, base (A, C, G, T) and position, shape (F, 4, W)."""
    num_subsequences: NDArray[np.int64]
    """Activating subsequences, shape (F,); 0 for a filter that never fires."""
    num_regions: NDArray[np.int64]
    """Regions with one at least, on either strand, shape (F,)."""
    max_activation: NDArray[np.float64]
    """Highest activation, shape (F,); 0 for a filter that never fires."""
    background: NDArray[np.float64]
    """Fractions of A, C, G and T in the regions, both strands, shape (4,)."""
    num_scanned: int
    """Regions that were read."""

    @property
    def width_bp(self) -> int:
        """Length of the subsequences."""
        return self.counts.shape[2]

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Base frequencies, shape (F, 4, W); 0 for a filter that never fires."""
        return self.counts / np.maximum(self.num_subsequences, 1)[:, None, None]
