"""Names near to one that is unknown, for error messages: one rule for all of them."""

import difflib
from collections.abc import Iterable
from typing import Final

_CUTOFF: Final = 0.5
"""Least similarity, 0 to 1, at which a name counts as near."""


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Give up to three known names that are near to `name`, the nearest first, whatever the case.

    Returns
    -------
    list of str
        As `known` spells them; empty where none is near.
    """
    by_upper = {one.upper(): one for one in known}
    close = difflib.get_close_matches(name.upper(), by_upper, n=3, cutoff=_CUTOFF)
    return [by_upper[one] for one in close]
