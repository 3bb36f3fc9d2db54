"""What chromosomes are called: names in other files, taken for those of the genome.

A name that the genome has is its own. Any other name is looked up in a table of aliases, if one is
given, and else taken for the chromosome that is called the same but for a `chr` in front, or for
the mitochondrial names `M` and `MT`. Every such match is reported.

Tables of aliases are UCSC's chromAlias.txt, in both layouts:

======  ==========================================================================================
old     alias, chromosome and source (`1 chr1 ensembl`), an alias a row
new     a header such as `# ucsc assembly genbank refseq`, a chromosome a row with all of its names
======  ==========================================================================================
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from data.errors import DataError
from data.left_out import LeftOut
from data.text import filled_lines

_OLD_COLUMNS: Final = 3
_NO_NAMES: Final = ("", "na", ".")
"""What a table of aliases has where a chromosome has no name."""


class Chromosomes:
    """The chromosomes of a genome or a dataset.

    Parameters
    ----------
    path
        The genome or dataset, for messages.
    names
        Its chromosomes.
    lengths_bp
        Their lengths; None where they are not known.
    alias
        A table of aliases, in one of the layouts above. By default there is none.

    Raises
    ------
    DataError
        If the table cannot be read, lists no chromosome, or takes two for one.
    """

    def __init__(
        self,
        path: Path,
        names: Iterable[str],
        lengths_bp: Mapping[str, int] | None,
        alias: Path | None = None,
    ) -> None:
        self.path = path
        self.lengths_bp = lengths_bp
        self._names = tuple(names)
        self._own = frozenset(self._names)
        self._aliases = {} if alias is None else read_aliases(alias, self._own, path)
        self._by_core: dict[str, list[str]] = {}
        for name in self._names:
            self._by_core.setdefault(_core(name), []).append(name)

    def named(self, chrom: str, file: Path, left_out: LeftOut) -> str:
        """Give the genome's name of a chromosome in a file; an unknown name stays as it is.

        Parameters
        ----------
        left_out
            Where it is noted if the name is another one.
        """
        if chrom in self._own:
            return chrom
        found = self._aliases.get(chrom)
        if found is None:
            alike = self._by_core.get(_core(chrom), [])
            found = alike[0] if len(alike) == 1 else None
        if found is None:
            return chrom
        left_out.renamed.setdefault(file, {})[chrom] = found
        return found


def read_aliases(path: Path, names: Collection[str], genome: Path) -> dict[str, str]:
    """Read a table of aliases: the genome's name by each other name.

    Parameters
    ----------
    names
        The genome's chromosomes; rows without any of them are skipped.
    genome
        For messages.

    Raises
    ------
    DataError
        If the table cannot be read, has none of the genome's names, or has two of them in one row
        or by one alias; or one in several rows, as a BED file has.
    """
    found: dict[str, str] = {}
    first: dict[str, tuple[int, list[str]]] = {}
    is_old, rows = _rows(path)
    for row, aliases in rows:
        own = [name for name in dict.fromkeys(aliases) if name in names]
        if len(own) > 1:
            raise DataError(
                f"{path}: row {row}: takes {own[0]!r} and {own[1]!r} for one chromosome, {genome} "
                "has both; mend the row"
            )
        # two columns may be a table of one's own, with an alias a row
        is_whole = not is_old and len(aliases) > 2
        if own and is_whole and first.setdefault(own[0], (row, aliases))[1] != aliases:
            raise DataError(
                f"{path}: row {row}: {own[0]!r} has row {first[own[0]][0]} already; give UCSC's "
                "chromAlias.txt, which has a row for each chromosome"
            )
        for alias in aliases if own else ():
            if found.setdefault(alias, own[0]) != own[0]:
                raise DataError(
                    f"{path}: row {row}: {alias!r} is {found[alias]!r} and {own[0]!r}; it can be "
                    "one of them only, mend the table"
                )
    if not found:
        raise DataError(
            f"{path}: has none of the names of {genome} (such as {next(iter(names), '')!r}); give "
            "UCSC's chromAlias.txt of its assembly"
        )
    return found


def _rows(path: Path) -> tuple[bool, list[tuple[int, list[str]]]]:
    """Give whether the layout is the old one, and by row the names of a chromosome."""
    lines = [(row, line) for row, line in filled_lines(path)]
    header = [line for _, line in lines if line.startswith("#")]
    rows = [
        (row, [cell.strip() for cell in line.split("\t")])
        for row, line in lines
        if not line.startswith("#")
    ]
    if not rows:
        raise DataError(f"{path}: no rows; check that the file arrived whole")
    is_old = _is_old(header[-1] if header else "", [cells for _, cells in rows])
    by_chrom: dict[str, list[str]] = {}
    found = []
    for row, cells in rows:
        if len(cells) < 2:
            raise DataError(
                f"{path}: row {row}: one column; give UCSC's chromAlias.txt, names of a chromosome "
                "separated by tabs"
            )
        # a new table may have several names in a cell, separated by commas
        names = [name for cell in cells for name in cell.split(",")]
        if is_old:
            names = by_chrom.setdefault(cells[1], [cells[1]])
            names.append(cells[0])
        found.append((row, [name for name in names if name.lower() not in _NO_NAMES]))
    return is_old, found


def _is_old(header: str, rows: list[list[str]]) -> bool:
    """Whether the third column names sources, which are few, and no chromosomes."""
    if header:
        return header.lstrip("# ").lower().startswith("alias")
    third = [cells[2] for cells in rows if len(cells) > 2]
    is_narrow = all(len(cells) <= _OLD_COLUMNS for cells in rows)
    return is_narrow and len(third) == len(rows) and (len(set(third)) < len(third) or _named(third))


def _named(sources: list[str]) -> bool:
    """Whether the only cells of a third column are names of sources, as UCSC has them."""
    known = {"ensembl", "genbank", "refseq", "ucsc", "assembly", "ncbi", "flybase", "wormbase"}
    return all(source.lower() in known for cell in sources for source in cell.split(","))


def _core(name: str) -> str:
    """Give a name without `chr` and blanks, and with one name for the mitochondrial genome."""
    name = name.strip()
    core = name[3:] if name[:3].lower() == "chr" else name
    return "M" if core.upper() in ("M", "MT") else core
