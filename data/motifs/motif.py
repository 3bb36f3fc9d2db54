"""A motif: base probabilities by position, of a TF, a filter or a file; the one class for all.

Sequences are base codes: A 0, C 1, G 2, T 3, unknown 4 (`data.packing`). Scores are in bits over a
uniform background; `data.motifs.scan` says how likely they are by chance.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Motif:
    """A position frequency matrix."""

    tf: str
    """TF that it is used for, upper case; empty for a filter's motif."""
    matrix_id: str
    """Identifier without spaces, such as JASPAR's MA0491.2."""
    probabilities: NDArray[np.float64]
    """Base probabilities, shape (4, L), rows A C G T, columns sum to one."""
    name: str = ""
    """Name in the file or database that it comes from, such as `JUND(var.2)` or `MAX::MYC`."""
    num_sites: int = 20
    """Number of sites that it was made from; MEME's own default where it is not known."""
    source: str = ""
    """Part of JASPAR that it is of, such as `JASPAR2020 CORE vertebrates`; empty for others."""

    @cached_property
    def tfs(self) -> tuple[str, ...]:
        """TFs that its name stands for; a dimer has two."""
        return tf_names(self.name or self.tf)

    @property
    def is_variant(self) -> bool:
        """Whether it is a second motif of its TF."""
        return "(VAR." in self.name.upper()

    @property
    def length_bp(self) -> int:
        """Number of positions."""
        return self.probabilities.shape[1]

    @property
    def log_odds(self) -> NDArray[np.float32]:
        """Bits over a uniform background, shape (4, L)."""
        return np.log2(self.probabilities * 4).astype(np.float32)

    @property
    def digest(self) -> str:
        """Hash of the probabilities, 16 hexadecimal digits."""
        matrix = np.ascontiguousarray(self.probabilities)
        return hashlib.blake2b(matrix.tobytes(), digest_size=8).hexdigest()


def tf_names(name: str) -> tuple[str, ...]:
    """Names of the TFs of a motif: `Jund(var.2)` is JUND, `MAX::MYC` is MAX and MYC."""
    return tuple(re.sub(r"\(VAR\.\d+\)", "", name.upper()).split("::"))


def sample_instances(
    motif: Motif, num: int, sharpness: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw sequences from a motif.

    Parameters
    ----------
    sharpness
        Exponent on the probabilities: 1 draws from the motif as it is, higher values nearer to
        its consensus.

    Returns
    -------
    Base codes, shape (num, L).
    """
    weights = motif.probabilities**sharpness
    cumulative = np.cumsum(weights / weights.sum(axis=0), axis=0)
    drawn = rng.random((num, motif.length_bp))
    return (drawn[:, None, :] >= cumulative[None, :3, :]).sum(axis=1).astype(np.uint8)
