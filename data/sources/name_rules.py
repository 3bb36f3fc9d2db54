"""What a build does with rows whose names do not match those of the other sources."""

from dataclasses import dataclass
from enum import StrEnum


class Treated(StrEnum):
    """Which treated samples count for their biosample."""

    NONE = "none"
    """None of them."""
    DHS = "dhs"
    """Treated DNase-seq samples, as in the paper, but no treated ChIP-seq."""
    ALL = "all"
    """All of them."""


@dataclass(frozen=True, kw_only=True)
class NameRules:
    """What to do with rows whose names do not match."""

    skip_unlisted: bool = False
    """Leave out, and count, peaks and sites of TFs that the experiment table lacks, or of
    biosamples spelled otherwise than there, and continue where TFs have peaks and no sites, or
    sites and no peaks; otherwise they are an error."""
    keep_treated: Treated = Treated.NONE
    """Which treated samples count for their biosample where a table is lacking."""
