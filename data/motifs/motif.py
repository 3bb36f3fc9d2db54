"""Motifs of TFs from JASPAR, and the scan of sequences for their best hit.

Profiles come from JASPAR 2020 (`data.motifs.database`). Variants (`JUND(var.2)`) and halves of
dimers (`MAX::MYC`) are filed under the TF's own name, after the TF's plain monomer.

Sequences are base codes: A 0, C 1, G 2, T 3, unknown 4 (`data.packing`). Scores are in bits over a
uniform background; `data.motifs.scan` tells how likely they are by chance.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Motif:
    """A position frequency matrix of a TF."""

    tf: str
    """TF name as the peak files write it, upper case."""
    matrix_id: str
    """JASPAR identifier with version, such as MA0491.2."""
    probabilities: NDArray[np.float64]
    """Base probabilities, shape (4, L), rows A C G T, columns sum to one."""

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

    @property
    def max_score(self) -> float:
        """Score of the consensus, in bits."""
        return float(self.log_odds.max(axis=0).sum())


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
