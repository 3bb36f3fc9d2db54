"""One name for each biosample, whatever the publishers call it, and which samples were treated.

The shipped table, `data/tables/biosamples.tsv`, has the columns `publisher name biosample treatment
from`. A file of the user's, with `name biosample` and perhaps `publisher` and `treatment`, is read
as well: its rows take precedence over the shipped ones.

A name is looked up as a whole; differences in case and punctuation are ignored. Where that fails,
words are taken off its end (`MCF-7_ICI`, `K562_myelogenous_leukemia`) until a name is left that is
known: ReMap writes treatments behind a biotype, UniBind a description of the cell line. A word that
describes a cell does not count as a treatment, any other word does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.rows.header_table import read_records

SHIPPED: Final = Path(__file__).parents[1] / "tables" / "biosamples.tsv"
_COLUMNS: Final = ("name", "biosample")
_OPTIONAL: Final = ("treatment",)
_DESCRIPTION: Final = re.compile(
    r"carcinoma|leuk(a)?emia|blastoma|lymphoma|sarcoma|melanoma|fibroblast|epitheli|endotheli"
    r"|lymphoblast|keratinocyt|monocyt|cells?\b|cell_lines?\b|(fe)?male|adult|f(o)?etal|newborn",
    re.IGNORECASE,
)
"""Words by which UniBind describes a cell line behind its name."""


@dataclass(frozen=True)
class Sample:
    """What the name of a sample stands for."""

    biosample: str
    """The one name of its biosample."""
    treatment: str = ""
    """How the sample was treated; empty where it was not."""


class Biosamples:
    """The biosamples that are known by the names of the publishers.

    Parameters
    ----------
    path
        A table of further names, which take precedence over the shipped ones. None, the default,
        adds none.

    Raises
    ------
    DataError
        If the table lacks a column, or gives two biosamples to one name.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._samples: dict[str, Sample] = dict(_shipped())
        if path is not None:
            self._samples |= dict(_rows(path))

    def named(self, name: str) -> Sample:
        """Look a name up; an unknown one is a biosample of its own from now on."""
        known = self.find(name)
        if known is None:
            known = Sample(re.sub(r"[\s/]+", "_", name.strip()))
            self._samples[_key(name)] = known
        return known

    def find(self, name: str) -> Sample | None:
        """Look a name up; None where it is unknown."""
        name = name.strip()
        known = self._samples.get(_key(name))
        if known is not None:
            return known
        words = re.split(r"[_\s]+", name)
        for num in range(len(words) - 1, 0, -1):
            known = self._samples.get(_key("_".join(words[:num])))
            if known is not None:
                rest = "_".join(words[num:])
                is_description = _DESCRIPTION.search(rest) is not None
                return known if is_description else Sample(known.biosample, rest)
        return None


@cache
def _shipped() -> tuple[tuple[str, Sample], ...]:
    return tuple(_rows(SHIPPED))


def _rows(path: Path) -> Iterator[tuple[str, Sample]]:
    """Yield the key and the sample of every row, and of every biosample's own name."""
    found: dict[str, Sample] = {}
    for row, record in read_records(path, _COLUMNS, _OPTIONAL):
        sample = Sample(record["biosample"], record["treatment"])
        key = _key(record["name"])
        if not key:
            raise DataError(f"{path}: row {row}: no name; fill it in or drop the row")
        if not sample.biosample:  # a row of `--unmatched` whose biosample was not filled in
            continue
        if found.setdefault(key, sample) != sample:
            raise DataError(
                f"{path}: row {row}: {record['name']!r} has another biosample or treatment in "
                "a row above; drop one of the two"
            )
    own = {_key(sample.biosample): Sample(sample.biosample) for sample in found.values()}
    yield from (own | found).items()


def _key(name: str) -> str:
    """Give a name in lower case, of its letters, digits and plus signs alone."""
    return re.sub(r"[^0-9a-z+]", "", name.lower())
