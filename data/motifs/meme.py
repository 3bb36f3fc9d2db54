"""Motifs in MEME's minimal format, which MEME's own tools and `memelite` read.

https://meme-suite.org/meme/doc/meme-format.html: version, alphabet, strands, background, then for
each motif a name and a letter-probability matrix with its number of sites.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.atomic import whole_file
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
from data.motifs.motif import Motif, tf_names
from data.motifs.pwm import BASES
from data.text import all_lines

_DECIMALS: Final = 8
"""Decimals of a probability: enough for columns to sum to one and to recover counts."""
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


def is_meme(lines: Sequence[str]) -> bool:
    """Whether the lines of a file are MEME's."""
    return any(
        line.startswith(("MEME version", "ALPHABET", "MOTIF ", "MOTIF\t", _HEAD)) for line in lines
    )


def read_meme(path: Path, on_remark: OnRemark = ignore) -> tuple[Motif, ...]:
    """Read the motifs of a file, in its order.

    A probability of zero gets a pseudocount. What MEME's own tools write beside the motifs is
    passed over.

    Parameters
    ----------
    on_remark
        Called with which motifs are left out or numbered, see `data.motifs.blocks`.

    Raises
    ------
    DataError
        If it cannot be read, is not of DNA, or no motif in it can be used.
    """
    lines = [line.strip() for _, line in all_lines(path)]
    _refuse_other_alphabets(path, lines)
    starts = [i for i, line in enumerate(lines) if line.split()[:1] == ["MOTIF"]]
    if not starts:
        raise DataError(f"{path}: no motif in it; give a file in MEME's format")
    blocks = [
        Block(first=start + 1, lines=lines[start:end])
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]
    return usable_motifs(path, blocks, _motif, on_remark)


def _refuse_other_alphabets(path: Path, lines: Sequence[str]) -> None:
    """Refuse RNA and proteins: an alphabet is named, or its symbols are defined one a line."""
    for number, line in enumerate(lines, start=1):
        if not line.startswith("ALPHABET"):
            continue
        if "=" in line:
            is_dna = "".join(line.partition("=")[2].split()) in (BASES, "DNA")
        elif line.endswith("-LIKE"):
            is_dna = line.endswith("DNA-LIKE")
        else:
            defined = takewhile(lambda one: not one.startswith("END ALPHABET"), lines[number:])
            is_dna = _core_symbols(defined) == set(BASES)
        if not is_dna:
            raise DataError(f"{path}, line {number}: alphabet is not {BASES}; give motifs of DNA")


def _core_symbols(definitions: Iterable[str]) -> set[str]:
    """Symbols of an alphabet that stand for themselves: `A "Adenine" ~ T "Thymine"` is A and T."""
    symbols: set[str] = set()
    for line in definitions:
        bare = re.sub(r'"[^"]*"', "", line).partition("#")[0]
        if "=" not in bare:  # `N = ACGT` is ambiguous
            symbols.update(one.split()[0] for one in bare.split("~") if one.split())
    return symbols


def _motif(lines: Sequence[str]) -> Motif:
    """Read the lines of one motif."""
    names = [*lines[0].split()[1:], "", ""]
    if not names[0]:
        raise ValueError("a motif without a name")
    at = next((i for i, line in enumerate(lines) if line.startswith(_HEAD)), None)
    if at is None:
        raise ValueError("no letter-probability matrix")
    filled = dropwhile(lambda line: not line, lines[at + 1 :])
    rows = list(takewhile(len, (numbers_of(line.split()) for line in filled)))
    width = _field("w", lines[at], default=len(rows))
    if len(rows) != width or not rows:
        raise ValueError(f"w= {width}, but there are {len(rows)} rows of probabilities")
    matrix = matrix_of(rows)
    if not are_probabilities(matrix):
        raise ValueError("a row of probabilities does not sum to 1")
    num_sites = _field("nsites", lines[at], default=DEFAULT_SITES)
    return Motif(
        tf=tf_names(names[1] or names[0])[0],
        matrix_id=names[0],
        name=names[1],
        probabilities=frequencies(matrix, num_sites),
        num_sites=num_sites,
    )


def _field(name: str, head: str, default: int) -> int:
    """Value of `name=` in the line above a matrix."""
    found = re.search(rf"\b{name}=\s*(\d+)", head)
    return int(found[1]) if found else default
