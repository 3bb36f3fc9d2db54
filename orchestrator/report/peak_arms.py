"""The arms of `peaks-needed`: what the experiment calls them and how the report shows them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

COMPLETE: Final = "complete rows, without the targets"
MASKED: Final = "masked, without the targets"
MASKED_HARD: Final = "masked, without the target's modes"
"""Pre-training sets of the three arms by transfer."""

BY_CHROMOSOME: Final = ", by chromosome"
"""End of a group's name where regions are held back by chromosome."""

ARMS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("scratch", ""): "from scratch",
        ("motif", ""): "motif alone",
        ("transfer", COMPLETE): "paper's transfer",
        ("transfer", MASKED): "masked transfer",
        ("transfer", MASKED_HARD): "masked transfer, mode unknown",
    }
)
"""Names for people, by arm and pre-training set, in the order in which they are shown."""
