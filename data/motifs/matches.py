"""Filters' motifs compared with a database: which filter looks like which TF's motif.

Only filters with enough activating subsequences and enough information are compared. The state of
the others says why they are not: a filter that never fires has no motif, and a near-uniform one
resembles every vague target (`data.motifs.tomtom`). Q-values are Benjamini and Hochberg's over all
comparisons made, filters times targets, as in the paper.

Legend: F filters, M compared ones, K motifs of the database, W width.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from data.motifs.database import MotifDatabase
from data.motifs.motif import Motif
from data.motifs.pwm import PSEUDOCOUNT, information_bits
from data.motifs.tomtom import Alignments, align

ALPHA: Final = 0.05
"""Q-value below which a filter counts as matching."""


class FilterState(StrEnum):
    """Whether a filter has a motif that can be compared."""

    COMPARED = "compared"
    NEVER_FIRES = "never fires"
    FEW_SUBSEQUENCES = "few sites"  # the spelling of stored tables
    NEAR_UNIFORM = "near-uniform"


@dataclass(frozen=True, kw_only=True)
class ComparisonRule:
    """Which filters are compared.

    Raises
    ------
    ValueError
        A field is out of its range.
    """

    min_subsequences: int = 20
    """Fewest activating subsequences."""
    min_information_bits: float = 3.0
    """Least information of all positions together, in bits. A uniform filter has 0; profiles of
    JASPAR have 5 and more."""

    def __post_init__(self) -> None:
        if self.min_subsequences < 1 or self.min_information_bits < 0:
            raise ValueError("min_subsequences must be 1 or more, min_information_bits 0 or more")


@dataclass(frozen=True, kw_only=True)
class Match:
    """A filter's motif beside one of the database."""

    motif: Motif
    """The one of the database."""
    p_value: float
    q_value: float
    offset: int
    """Where in the profile, as oriented, the filter's first position lies."""
    overlap: int
    """Positions that overlap."""
    orientation: str
    """`+`, or `-` where the profile's reverse complement fits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MotifMatches:
    """All filters compared with all motifs of a database."""

    database: MotifDatabase
    states: tuple[FilterState, ...]
    """By filter."""
    alignments: Alignments
    """Alignments of the filters compared, shape (M, K)."""
    q_values: NDArray[np.float64]
    """Over all comparisons, shape (M, K)."""

    @cached_property
    def compared(self) -> NDArray[np.intp]:
        """Which filters were compared, shape (M,)."""
        return np.flatnonzero([state is FilterState.COMPARED for state in self.states])

    def best(self, index: int) -> Match | None:
        """Best match of a filter, by p-value and then score; None if it was not compared."""
        row = self._row(index)
        if row is None or not len(self.database):
            return None
        found = self.alignments
        column = int(np.lexsort((-found.scores[row], found.p_values[row]))[0])
        return Match(
            motif=self.database.motifs[column],
            p_value=float(found.p_values[row, column]),
            q_value=float(self.q_values[row, column]),
            offset=int(found.offsets[row, column]),
            overlap=int(found.overlaps[row, column]),
            orientation="-" if found.reverse[row, column] else "+",
        )

    def num_matched(self, alpha: float = ALPHA) -> int:
        """Filters with a q-value below `alpha`."""
        return int((self.q_values.min(axis=1, initial=1.0) < alpha).sum())

    def _row(self, index: int) -> int | None:
        if self.states[index] is not FilterState.COMPARED:
            return None
        return int(np.searchsorted(self.compared, index))


def match_filters(
    counts: NDArray[np.int64], database: MotifDatabase, rule: ComparisonRule | None = None
) -> MotifMatches:
    """Compare filters with a database.

    The pseudocount of JASPAR's profiles is added to the filters' counts too.

    Parameters
    ----------
    counts
        Activating subsequences by filter, base and position, shape (F, 4, W).
    rule
        Which filters are compared; the defaults if None.
    """
    rule = rule or ComparisonRule()
    num_subsequences = counts[:, :, 0].sum(axis=1)
    smoothed = (counts + PSEUDOCOUNT) / (num_subsequences + 4 * PSEUDOCOUNT)[:, None, None]
    bits = information_bits(smoothed).sum(axis=1)
    states = tuple(
        _state(int(number), float(information), rule)
        for number, information in zip(num_subsequences, bits, strict=True)
    )
    queries = [
        smoothed[index] for index, state in enumerate(states) if state is FilterState.COMPARED
    ]
    found = align(queries, [motif.probabilities for motif in database.motifs])
    p_values = found.p_values
    q_values = false_discovery_control(p_values.ravel()) if p_values.size else p_values
    return MotifMatches(
        database=database,
        states=states,
        alignments=found,
        q_values=q_values.reshape(p_values.shape),
    )


def _state(num_subsequences: int, information_bits: float, rule: ComparisonRule) -> FilterState:
    if num_subsequences == 0:
        return FilterState.NEVER_FIRES
    if num_subsequences < rule.min_subsequences:
        return FilterState.FEW_SUBSEQUENCES
    if information_bits < rule.min_information_bits:
        return FilterState.NEAR_UNIFORM
    return FilterState.COMPARED
