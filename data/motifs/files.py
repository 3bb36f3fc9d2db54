"""Motif files as tools and databases write them, known by their content.

MEME's own is in `data.motifs.meme`; Biopython reads TRANSFAC's. All others are rows of numbers
under a line or two of names, and are read here, because Biopython cuts a row silently where it does
not understand a character:

- one row per base, with or without its letter: JASPAR, UniPROBE;
- one row per position, with or without its number: HOMER, HOCOMOCO, CIS-BP, Cluster-Buster.
"""

import io
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from Bio import motifs as biopython
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs.blocks import (
    DEFAULT_SITES,
    Block,
    OnRemark,
    are_probabilities,
    frequencies,
    ignore,
    matrix_of,
    numbers_of,
    usable_motifs,
)
from data.motifs.meme import is_meme, read_meme
from data.motifs.motif import Motif, tf_names
from data.motifs.pwm import BASES
from data.text import all_lines

_TRANSFAC: Final = re.compile(r"P[0O]\s+A\s+C\s+G\s+T")
_BRACKETS: Final = re.compile(r"[\[\]|:]")
_ID_KEYS: Final = ("motif", "matrix", "protein", "gene")
"""First words of lines that name a motif (CIS-BP, UniPROBE), the best first."""
_SAME: Final = 0.02
"""Relative difference up to which the totals of positions count as equal."""


def read_motifs(path: Path, on_remark: OnRemark = ignore) -> tuple[Motif, ...]:
    """Read the motifs of a file, in its order; a motif without a name has that of the file.

    Parameters
    ----------
    on_remark
        Called with which motifs are left out or numbered, see `data.motifs.blocks`.

    Raises
    ------
    DataError
        If it cannot be read, holds no motif of DNA, or none in it can be used.
    """
    lines = [line.strip() for _, line in all_lines(path)]
    if is_meme(lines):
        return read_meme(path, on_remark)
    if any(map(_TRANSFAC.match, lines)):
        found = usable_motifs(path, _transfac_blocks(lines), _transfac_motif, on_remark)
    else:
        stem = re.sub(r"\s+", "-", path.name.partition(".")[0])
        found = usable_motifs(path, _plain_blocks(lines), partial(_plain_motif, stem), on_remark)
    if not found:
        raise DataError(
            f"{path}: no motif in it; give a file of MEME, JASPAR, TRANSFAC, HOMER, HOCOMOCO, "
            "CIS-BP or UniPROBE"
        )
    return found


def _transfac_blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Yield the entries that hold a matrix; they end in `//`."""
    first = 0
    for end in [i for i, line in enumerate(lines) if line == "//"] + [len(lines)]:
        entry = lines[first:end]
        if any(map(_TRANSFAC.match, entry)):
            yield Block(first=first + 1, lines=entry)
        first = end + 1


def _transfac_motif(lines: Sequence[str]) -> Motif:
    # references and comments are left out: Biopython is strict about some of them
    kept = [line for line in lines if re.match(r"AC|ID|NA|P[0O]|\d+\s", line)]
    text = io.StringIO("\n".join([*kept, "XX", "//", ""]))
    entry = biopython.parse(text, "transfac", strict=False)[0]
    names = [entry[key] for key in ("AC", "ID", "NA") if entry.get(key)]
    if not names:
        raise ValueError("an entry without AC, ID or NA")
    columns = [entry.counts[base] for base in BASES]
    return _made(names[0], names[-1] if len(names) > 1 else "", np.array(columns, dtype=np.float64))


def _plain_blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Yield the motifs of a file of plain matrices.

    A motif begins with `>`; where no line does, after a blank line or with a line of words that
    comes after numbers.
    """
    marked = any(line.startswith(">") for line in lines)
    first, has_rows = 0, False
    for i, line in enumerate(lines):
        is_row = bool(_row(line)[1])
        is_new = line.startswith(">") if marked else has_rows and not is_row
        if is_new:
            if has_rows or (i > first and lines[first].startswith(">")):
                yield Block(first=first + 1, lines=lines[first:i])
            first, has_rows = i, False
        has_rows |= is_row
    if has_rows or (lines and lines[first].startswith(">")):
        yield Block(first=first + 1, lines=lines[first:])


def _row(line: str) -> tuple[str, list[float]]:
    """Give the letter of a base, if there is one, and the numbers of a row; none of other lines."""
    words = [] if line.startswith(("#", ">")) else _BRACKETS.sub(" ", line).split()
    letter = words.pop(0).upper() if words and words[0].upper() in tuple(BASES) else ""
    return letter, numbers_of(words)


def _plain_motif(stem: str, lines: Sequence[str]) -> Motif:
    """Make a motif of the lines of a plain matrix."""
    rows = [row for row in map(_row, lines) if row[1]]
    words = [line for line in lines if line and not line.startswith("#") and not _row(line)[1]]
    orders = [line.upper().split()[-len(BASES) :] for line in words]
    orders = [order for order in orders if sorted(order) == list(BASES)]
    letters = "".join(letter for letter, _ in rows)
    numbers = [row for _, row in rows]
    if not numbers:
        raise ValueError("no rows of numbers")
    if letters:
        if sorted(letters) != list(BASES) or len({len(row) for row in numbers}) != 1:
            raise ValueError(f"not one row of equal length for each of {', '.join(BASES)}")
        matrix = np.array([numbers[letters.index(base)] for base in BASES])
    elif orders:
        by_position = matrix_of(_without_position(numbers))
        matrix = by_position[[orders[0].index(base) for base in BASES]]
    else:
        matrix = _unlabelled(numbers)
    return _made(*_names(words, stem), matrix)


def _unlabelled(numbers: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Give rows without letters as a matrix, shape (4, W): a row is a base or a position."""
    rows = _without_position(numbers)
    by_base = len(rows) == len(BASES) and len({len(row) for row in rows}) == 1
    by_position = all(len(row) == len(BASES) for row in rows)
    if by_base and by_position:
        square = np.array(rows)
        by_base, by_position = _have_one_total(square), _have_one_total(square.T)
        if by_base == by_position:
            raise ValueError(
                "4 rows of 4 numbers do not say which are bases; write A, C, G, T before"
            )
    return np.array(rows, dtype=np.float64) if by_base else matrix_of(rows)


def _have_one_total(matrix: NDArray[np.float64]) -> bool:
    """Whether all positions of a matrix, shape (4, W), have the same total."""
    totals = matrix.sum(axis=0)
    return bool(np.ptp(totals) <= _SAME * totals.max())


def _without_position(rows: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    """Drop the number of its position from the front of each row, where all have one."""
    counted = [row[0] for row in rows]
    is_counted = all(len(row) == len(BASES) + 1 for row in rows) and (
        counted in (list(range(len(rows))), list(range(1, len(rows) + 1)))
    )
    return [row[1:] for row in rows] if is_counted else rows


def _names(words: Sequence[str], stem: str) -> tuple[str, str]:
    """Identifier and name of a motif, from the lines above its matrix."""
    if words and words[0].startswith(">"):
        fields = [field.strip() for field in words[0][1:].strip().split("\t")]
        if len(fields) > 2 and numbers_of([fields[2]]):  # HOMER: consensus, name, threshold
            return "".join(fields[1].split()[:1]) or stem, ""
        first, *rest = [*" ".join(fields).split(), ""]
        return first or stem, rest[0] if rest else ""
    said: dict[str, str] = {}
    for line in words:
        key, *rest = re.split(r"\t|:\s*", line)
        if rest and rest[0].strip():
            said.setdefault(key.strip().lower(), rest[0].split()[0])
    ids = [said[key] for key in _ID_KEYS if key in said]
    name = said.get("tf name", said.get("gene", ""))
    return (ids[0], name if name != ids[0] else "") if ids else (stem, name)


def _made(matrix_id: str, name: str, matrix: NDArray[np.float64]) -> Motif:
    """Make a motif of counts or probabilities, shape (4, W)."""
    checked = frequencies(matrix)
    are_counts = not are_probabilities(matrix)
    return Motif(
        tf=tf_names(name or matrix_id)[0],
        matrix_id="-".join(matrix_id.split()),
        name=name,
        probabilities=checked,
        num_sites=max(round(float(matrix[:, 0].sum())), 1) if are_counts else DEFAULT_SITES,
    )
