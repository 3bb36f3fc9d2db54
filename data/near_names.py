"""Names near to one that is unknown, for error messages: one rule for all of them.

Case, hyphens, underscores and spaces are ignored, and a common alias of a TF (`PU.1`) is near to
its symbol (`SPI1`).
"""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

_CUTOFF: Final = 0.5
"""Lowest similarity, 0 to 1, at which a name counts as near."""
_MISSPELLED: Final = 0.85
"""Similarity at or above which an unknown name counts as misspelled."""
_LEAST_START: Final = 3
"""Fewest letters of a name that makes it near to a longer name beginning with it."""
_ALIASES: Final = Path(__file__).parent / "tables" / "tf_aliases.tsv"


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Give up to three known names that are near to `name`, the nearest first.

    Where one is the same but for its spelling, or the symbol of an alias, it stands alone.

    Returns
    -------
    list of str
        As `known` spells them; empty where none is near.
    """
    by_folded: dict[str, str] = {}
    for one in known:
        by_folded.setdefault(folded(one), one)
    wanted = folded(name)
    symbol = symbol_of(name)
    near = [wanted] if symbol is None else [folded(symbol), wanted]
    same = [by_folded[one] for one in near if one in by_folded]
    if same:
        return same
    near = [one for one in by_folded if _begins(one, wanted) or _begins(wanted, one)]
    near += difflib.get_close_matches(wanted, by_folded, n=3, cutoff=_CUTOFF)
    return [by_folded[one] for one in dict.fromkeys(near)][:3]


def near_hint(name: str, known: Iterable[str]) -> str:
    """Give `; near: ` and the names near to `name`, to end a message with; empty where none is."""
    near = near_names(name, known)
    return f"; near: {', '.join(near)}" if near else ""


def misspelled(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that `name` misspells; None where it is known, or similar to none."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=_MISSPELLED)
    return near[0] if near and name not in names else None


def folded(name: str) -> str:
    """Give a name without case, hyphens, underscores and spaces, which people spell differently."""
    return re.sub(r"[-_\s]+", "", name).upper()


def symbol_of(name: str) -> str | None:
    """Symbol of a TF by a common alias of it; None where the name is no alias."""
    return _aliases().get(folded(name))


def spellings(name: str) -> tuple[str, ...]:
    """Give a TF's name, and the symbol that it is an alias of, if it is one."""
    symbol = symbol_of(name)
    return (name,) if symbol is None else (name, symbol)


@cache
def _aliases() -> dict[str, str]:
    rows = (line.split("\t") for line in _ALIASES.read_text(encoding="utf-8").splitlines()[2:])
    return {folded(alias): symbol for alias, symbol in rows}


def _begins(name: str, start: str) -> bool:
    """Whether a name begins with another one, as `K562_leukemia` does with `K562`."""
    return len(start) >= _LEAST_START and name != start and name.startswith(start)
