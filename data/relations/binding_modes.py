"""Binding modes of TFs: which TFs bind the same kind of site, as a table of two columns.

========  =====================================================================
column    meaning
========  =====================================================================
tf        TF name, upper case
mode      name of a binding mode; a TF with several modes stands in several rows
========  =====================================================================

Tab-separated with a header line; lines that start with `#` are comments, further columns are
passed over. Two TFs share a mode if any of their modes is the same. A TF without a row has no
mode: it shares one with no TF, and whether it binds as another TF does is not known.

The paper took the modes from JASPAR's matrix clusters, which no package ships; the table here
(`data/tables/binding_modes.tsv`) is computed by `data.relations.mode_clustering`.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.motifs.database import DEFAULT, Jaspar
from data.text import filled_lines

COLUMNS: Final = ("tf", "mode")
SHIPPED: Final = Path(__file__).parents[1] / "tables" / "binding_modes.tsv"
"""The table that comes with bindgrid: every TF of JASPAR 2020 CORE, vertebrates."""


@dataclass(frozen=True, kw_only=True)
class BindingModes:
    """The modes of TFs."""

    modes_of_tf: Mapping[str, frozenset[str]]
    """Mode names by TF name in upper case."""
    source: Path
    """The file that they were read from."""

    def of(self, tf: str) -> frozenset[str]:
        """Modes of a TF, by its name in upper or lower case; none where they are not known."""
        return self.modes_of_tf.get(tf.upper(), frozenset())

    def share(self, tf: str, other: str) -> bool:
        """Whether two TFs have a mode in common."""
        return not self.of(tf).isdisjoint(self.of(other))

    def without(self, tfs: Collection[str]) -> tuple[str, ...]:
        """Those of some TFs that have no mode, in their order."""
        return tuple(tf for tf in tfs if not self.of(tf))

    def among(self, tfs: Collection[str]) -> frozenset[str]:
        """All modes of some TFs, such as those of a multi-model."""
        return frozenset().union(*(self.of(tf) for tf in tfs))


def check_modes_known(jaspar: Jaspar) -> None:
    """Check that the binding modes of a part of JASPAR are known, so that similar motifs are.

    Raises
    ------
    DataError
        If they are those of another taxon.
    """
    if jaspar.taxon != DEFAULT.taxon:
        raise DataError(
            f"binding modes are known of {DEFAULT.taxon} and not of {jaspar.taxon}, so that "
            "similar motifs cannot be hidden"
        )


def load_modes(path: Path | None = None) -> BindingModes:
    """Read the shipped table, or a user's own.

    Raises
    ------
    DataError
        If the file is missing, has no header `tf mode`, or a row lacks either.
    """
    path = SHIPPED if path is None else path
    rows = [
        (number, [cell.strip() for cell in line.split("\t")])
        for number, line in filled_lines(path)
        if not line.startswith("#")
    ]
    remedy = "write a header line `tf mode` and a row per TF and mode, separated by tabs"
    if not rows:
        raise DataError(f"{path}: no rows; {remedy}")
    (header_number, header), *body = rows
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path}: row {header_number}: no column {missing[0]!r} in the header; {remedy}"
        )
    if not body:
        raise DataError(f"{path}: no rows below the header; {remedy}")
    found: dict[str, set[str]] = defaultdict(set)
    places = [header.index(name) for name in COLUMNS]
    for number, cells in body:
        if len(cells) <= max(places):
            raise DataError(
                f"{path}: row {number}: {len(cells)} columns where the header has {len(header)}; "
                "mend the row (separate by tabs)"
            )
        tf, mode = (cells[place] for place in places)
        if not tf or not mode:
            raise DataError(
                f"{path}: row {number}: no {'mode' if tf else 'tf'}; fill it in, or drop the row "
                "of a TF without a mode"
            )
        found[tf.upper()].add(mode)
    return BindingModes(
        modes_of_tf={tf: frozenset(modes) for tf, modes in found.items()}, source=path
    )
