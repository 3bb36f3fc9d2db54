"""The motifs of a file, one block of lines each; one that cannot be used does not stop the others.

It is left out, and a name that occurs twice is numbered; both are reported.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.motifs.motif import Motif
from data.motifs.pwm import BASES, with_pseudocount
from data.words import counted

OnRemark = Callable[[str], None]
"""Takes a sentence for the user."""

DEFAULT_SITES: Final = 20
"""Number of sites of a motif where the file does not say; MEME's own default."""
_TOLERANCE: Final = 0.03
"""How far from 1 the sum of four probabilities may be, each rounded to two decimals."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The lines of one motif."""

    first: int
    """Number of the first line, counted from 1."""
    lines: Sequence[str]


def ignore(message: str) -> None:
    """Report nothing."""


def usable_motifs(
    path: Path,
    blocks: Iterable[Block],
    parse: Callable[[Sequence[str]], Motif],
    on_remark: OnRemark,
) -> tuple[Motif, ...]:
    """Read the motifs of a file, in its order, each with its own identifier.

    Parameters
    ----------
    parse
        Makes a motif of the lines of a block, or raises `ValueError`.
    on_remark
        Called with which motifs are left out or numbered.

    Raises
    ------
    DataError
        If there are blocks, but no motif in them can be used.
    """
    motifs: dict[str, Motif] = {}
    faults, numbered = [], []
    for block in blocks:
        try:
            motif = parse(block.lines)
        except ValueError as error:
            title = next((" ".join(line.split())[:60] for line in block.lines if line), "")
            faults.append(f"line {block.first}: {title}: {error}")
            continue
        name, number = motif.matrix_id, 1
        while name in motifs:
            number += 1
            name = f"{motif.matrix_id}_{number}"
        if number > 1:
            numbered.append(name)
        motifs[name] = replace(motif, matrix_id=name)
    if faults and not motifs:
        raise DataError(f"{path}, {faults[0]}; mend the file")
    if faults:
        on_remark(
            f"{path}: left out {counted(len(faults), 'motif')} that cannot be used: {faults[0]}"
        )
    if numbered:
        on_remark(
            f"{path}: numbered {counted(len(numbered), 'name')} found more than once: {numbered[0]}"
        )
    return tuple(motifs.values())


def frequencies(matrix: NDArray[np.float64], num_sites: int = DEFAULT_SITES) -> NDArray[np.float64]:
    """Turn counts or probabilities into frequencies of which none is zero.

    Counts get the pseudocount that those of JASPAR's own matrices get; probabilities get it where
    one is zero, as counts of `num_sites` sites.

    Parameters
    ----------
    matrix
        Shape (4, W), rows A C G T.

    Raises
    ------
    ValueError
        If it is empty, holds a negative or an infinite number, or a position without any count.
    """
    if not matrix.size or not np.isfinite(matrix).all():
        raise ValueError("the matrix is empty, or holds something that is not a number")
    if matrix.min() < 0:
        raise ValueError("the matrix holds negative numbers; give counts or probabilities")
    sums = matrix.sum(axis=0)
    if sums.min() == 0:
        raise ValueError("a position of the matrix has no counts")
    if not are_probabilities(matrix):
        return with_pseudocount(matrix)
    shares: NDArray[np.float64] = matrix / sums
    if shares.min() > 0:
        return shares
    return with_pseudocount(shares * (num_sites if num_sites > 1 else DEFAULT_SITES))


def are_probabilities(matrix: NDArray[np.float64]) -> bool:
    """Whether every position of a matrix sums to one, as rounding leaves it."""
    return bool(np.abs(matrix.sum(axis=0) - 1).max() <= _TOLERANCE)


def numbers_of(words: Iterable[str]) -> list[float]:
    """Numbers that words spell; none if one of them is no number."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return []


def matrix_of(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Give rows of four numbers, one row per position, as a matrix, shape (4, W).

    Raises
    ------
    ValueError
        If a row has other than four.
    """
    if any(len(row) != len(BASES) for row in rows):
        raise ValueError(f"a row of the matrix has other than {len(BASES)} numbers")
    return np.array(rows, dtype=np.float64).T
