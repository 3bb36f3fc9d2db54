"""Motifs in MEME's minimal format, which MEME's own tools and `memelite` read.

https://meme-suite.org/meme/doc/meme-format.html: version, alphabet, strands, background, then for
each motif a name and a letter-probability matrix with its number of sites.
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.atomic import whole_file
from data.errors import DataError
from data.motifs.motif import Motif, tf_names
from data.motifs.pwm import BASES
from data.text import all_lines

_DECIMALS: Final = 8
"""Of a probability: a column sums to one within MEME's tolerance, counts can be told from it."""
_TOLERANCE: Final = 0.01
"""How far from one the sum of a column may be in a file that is read."""
_HEAD: Final = "letter-probability"


def write_meme(
    path: Path, motifs: Sequence[Motif], background: NDArray[np.float64] | None = None
) -> None:
    """Write motifs, beside the file's place and moved in.

    Parameters
    ----------
    background
        Frequencies of A, C, G and T, shape (4,); uniform if None.
    """
    frequencies = np.full(len(BASES), 0.25) if background is None else background
    told = " ".join(f"{base} {x:.5f}" for base, x in zip(BASES, frequencies, strict=True))
    lines = ["MEME version 4", "", f"ALPHABET= {BASES}", "", "strands: + -", ""]
    lines += ["Background letter frequencies", told, ""]
    for motif in motifs:
        width = motif.probabilities.shape[1]
        lines.append(f"MOTIF {motif.matrix_id} {motif.name}".rstrip())
        lines.append(
            f"letter-probability matrix: alength= {len(BASES)} w= {width}"
            f" nsites= {motif.num_sites} E= 0"
        )
        lines += [
            " " + " ".join(f"{x:.{_DECIMALS}f}" for x in column) for column in motif.probabilities.T
        ]
        lines.append("")
    with whole_file(path) as partial:
        partial.write_text("\n".join(lines), encoding="utf-8")


def read_meme(path: Path) -> tuple[Motif, ...]:
    """Read the motifs of a file, in its order.

    Raises
    ------
    DataError
        If it cannot be read, holds no DNA motif, or a matrix is damaged.
    """
    lines = [line for _, line in all_lines(path)]
    for number, line in enumerate(lines, start=1):
        if line.startswith("ALPHABET") and "".join(line.partition("=")[2].split()) != BASES:
            raise DataError(f"{path}, line {number}: alphabet is not {BASES}; give motifs of DNA")
    starts = [i for i, line in enumerate(lines) if line.split()[:1] == ["MOTIF"]]
    if not starts:
        raise DataError(f"{path}: no motif in it; give a file in MEME's format")
    motifs = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        try:
            motifs.append(_motif(lines[start:end]))
        except ValueError as error:
            name = " ".join(lines[start].split())
            raise DataError(f"{path}, line {start + 1}: {name}: {error}; mend the file") from None
    return tuple(motifs)


def _motif(lines: Sequence[str]) -> Motif:
    """Read the lines of one motif."""
    names = [*lines[0].split()[1:], "", ""]
    if not names[0]:
        raise ValueError("a motif without a name")
    at = next((i for i, line in enumerate(lines) if line.startswith(_HEAD)), None)
    if at is None:
        raise ValueError("no letter-probability matrix")
    rows = list(takewhile(len, map(_numbers, lines[at + 1 :])))
    width = _field("w", lines[at], default=len(rows))
    if len(rows) != width or not rows:
        raise ValueError(f"w= {width}, but there are {len(rows)} rows of probabilities")
    if any(len(row) != len(BASES) for row in rows):
        raise ValueError(f"a row of the matrix has other than {len(BASES)} numbers")
    probabilities = np.array(rows).T
    sums = probabilities.sum(axis=0)
    if probabilities.min() < 0 or np.abs(sums - 1).max() > _TOLERANCE:
        raise ValueError("a row of probabilities does not sum to 1")
    return Motif(
        tf=tf_names(names[1] or names[0])[0],
        matrix_id=names[0],
        name=names[1],
        probabilities=probabilities / sums,
        num_sites=_field("nsites", lines[at], default=20),  # MEME's own default
    )


def _field(name: str, head: str, default: int) -> int:
    """Value of `name=` in the line above a matrix."""
    found = re.search(rf"\b{name}=\s*(\d+)", head)
    return int(found[1]) if found else default


def _numbers(line: str) -> list[float]:
    """Numbers of a line; none if it holds anything else."""
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []
