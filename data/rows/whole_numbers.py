"""Whole numbers as R, pandas and spreadsheets spell them: `1e+06`, `1000000.0`, `1,000,000`.

A rounded one (`1.23E+08`) is not taken, since the exact base is lost.
"""

import re
from decimal import Decimal
from typing import Final

_IN_GROUPS: Final = re.compile(r"\d{1,3}(,\d{3})+")
_WITH_POINT: Final = re.compile(r"(\d+)\.0*")
_SCIENTIFIC: Final = re.compile(r"\d(\.\d+)?[eE]\+?\d{1,2}")
_EXACT: Final = re.compile(r"\d(\.\d{1,3})?e\+?\d{1,2}")
"""As R writes a round number in full. Numbers that were rounded to six digits have more of them, in
nine of ten rows, and Excel writes a capital E."""


def plain_integer(text: str) -> str:
    """Spell a whole number with digits only; other text, and what may be rounded, stays."""
    text = text.strip().removeprefix("+")
    if _IN_GROUPS.fullmatch(text):
        return text.replace(",", "")
    if with_point := _WITH_POINT.fullmatch(text):
        return with_point[1]
    if _EXACT.fullmatch(text) and (value := Decimal(text)) == int(value):
        return str(int(value))
    return text


def is_coordinate(value: str) -> bool:
    """Whether text is a whole number of at most 32 bits."""
    try:
        return -(2**31) <= int(plain_integer(value)) < 2**31 and "_" not in value
    except ValueError:
        return False


def may_be_rounded(value: str) -> bool:
    """Whether a number is spelled with a power of ten, so that digits may be missing."""
    return _SCIENTIFIC.fullmatch(value) is not None
