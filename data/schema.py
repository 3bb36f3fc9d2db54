"""Names, codes and types of the tables: the contract of the data.

Coordinates are 0-based and half-open, on the assembly of the genome that the dataset was
built from. A region is `REGION_WIDTH_BP` wide, centred on a DNase I hypersensitive site (DHS).

Regions (`regions.parquet`), sorted by chromosome (natural order), start:

===========  =======================  =============================================
column       type                     meaning
===========  =======================  =============================================
id           int32                    row number, the index into every evidence file
chrom        dictionary<string>       chromosome as the genome names it
start        int32                    first base
end          int32                    one past the last base
gc           float32                  fraction of G and C
num_unknown  uint8                    bases other than A, C, G and T; a region with
                                      any is never trained or tested on
sequence     fixed_size_binary[50]    2 bits a base: A 0, C 1, G 2, T 3; the first
                                      base in the lowest bits of the first byte
===========  =======================  =============================================

Evidence (`evidence/<TF>.parquet`): one uint8 column `evidence`, a row per region, see
:class:`Evidence`. Labels are views of it, see :data:`VIEWS`; a null label is `NULL_LABEL`.

Accessibility (`accessibility.parquet`): one bool column per biosample, a row per region.
"""

from enum import IntEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION: Final = 1
REGION_WIDTH_BP: Final = 200
BASES_PER_BYTE: Final = 4
PACKED_BYTES: Final = REGION_WIDTH_BP // BASES_PER_BYTE

ID: Final = "id"
CHROM: Final = "chrom"
START: Final = "start"
END: Final = "end"
GC: Final = "gc"
NUM_UNKNOWN: Final = "num_unknown"
SEQUENCE: Final = "sequence"
EVIDENCE: Final = "evidence"


class Evidence(IntEnum):
    """What is known of a TF at a region, the maximum over matched biosamples.

    A biosample is matched if the region is accessible in it and the TF was profiled in it by
    ChIP-seq (Novakovsky et al. 2021, Methods, "TF binding matrix").
    """

    UNMATCHED = 0
    """Accessible in no biosample in which the TF was profiled."""
    UNBOUND = 1
    """Accessible, and neither a peak summit nor a site overlaps."""
    PEAK = 2
    """A ReMap peak summit overlaps, no UniBind site does."""
    SITE = 3
    """A UniBind site overlaps, no ReMap peak summit does."""
    BOUND = 4
    """A peak summit and a site overlap, in the same biosample."""


NULL_LABEL: Final = -1
ViewName = Literal["sparse", "less-sparse"]
LabelArray = NDArray[np.int8]

VIEWS: Final[dict[ViewName, LabelArray]] = {
    "sparse": np.array([-1, 0, -1, -1, 1], dtype=np.int8),
    "less-sparse": np.array([-1, 0, 0, 0, 1], dtype=np.int8),
}
"""Label (0, 1, or `NULL_LABEL`) by evidence code: the paper's two matrices. *Sparse* serves
individual models, *less sparse* multi-models."""


def view_labels(evidence: NDArray[np.uint8], view: ViewName) -> LabelArray:
    """Labels of a view, shape as `evidence`: 1 bound, 0 unbound, `NULL_LABEL` unresolved."""
    return VIEWS[view][evidence]
