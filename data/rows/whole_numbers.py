"""Whole numbers as R, pandas and spreadsheets spell them: `1e+06`, `1000000.0`, `1,000,000`.

A rounded one (`1.23E+08`) is not taken, since the exact base is lost.
"""

import re
from decimal import Decimal
from typing import Final

_DIGITS: Final = re.compile(r"[+-]?[0-9]{1,99}")
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
    """Whether text is a whole number of at most 32 bits, in the digits 0 to 9."""
    found = _whole_number(value)
    return found is not None and -(2**31) <= found < 2**31


def is_too_large(value: str) -> bool:
    """Whether text is a whole number of more than 32 bits."""
    found = _whole_number(value)
    return found is not None and not -(2**31) <= found < 2**31


def _whole_number(value: str) -> int | None:
    plain = plain_integer(value)
    return int(plain) if _DIGITS.fullmatch(plain) else None


def may_be_rounded(value: str) -> bool:
    """Whether a number is spelled with a power of ten, so that digits may be missing."""
    return _SCIENTIFIC.fullmatch(value) is not None
