"""The motifs that a card shows: the TF's own or those that its peaks chose, and its filters'."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from data.motifs.motif import Motif
from data.motifs.pwm import consensus
from data.records import IF_SET
from orchestrator.interpretation.run_motifs import FilterMatches
from orchestrator.runs.filter_files import filter_name
from orchestrator.runs.motif_terms import TermRecord

NUM_FILTERS: Final = 4
"""Filters that are shown, those that match best."""
CHOSEN_WORDS: Final = {
    "own": "of the TF's matrices the one that its peaks chose",
    "enriched": "most enriched in its peaks",
    "de novo": "learnt from its peaks",
}
"""What a motif is that the peaks chose, by its kind."""


@dataclass(frozen=True, kw_only=True)
class ShownMotif:
    """A motif to draw."""

    title: str
    probabilities: tuple[tuple[float, ...], ...]
    """By position and base, in the orientation of the TF's own motif."""
    start: int = 0
    """Where its first position lies, in positions of the TF's own motif."""
    role: Literal["own", "chosen", "filter"] = field(default="own", metadata=IF_SET)
    """The TF's own motif, one that its peaks chose, or a filter that matches the TF's motif."""

    @property
    def consensus(self) -> str:
        """Its consensus in IUPAC letters."""
        return consensus(self.frequencies)

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Shape (4, W)."""
        return np.array(self.probabilities, dtype=np.float64).T


def own_motif(motif: Motif) -> ShownMotif:
    """Give the TF's motif as it is shown."""
    source = f", {motif.source}" if motif.source else ""
    named = motif.name or motif.tf
    title = motif.matrix_id if named in ("", motif.matrix_id) else f"{motif.matrix_id} {named}"
    return ShownMotif(title=f"{title}{source}", probabilities=_rows(motif.probabilities))


def chosen_motif(record: TermRecord, motif: Motif) -> ShownMotif:
    """Give a motif that the TF's peaks chose as it is shown: what it is, and what it is like."""
    named = " ".join(dict.fromkeys((record.motif, record.name)))
    like = f", most like {record.like}" if record.like else ""
    title = f"{named}, {CHOSEN_WORDS[record.kind]}{like}"
    return ShownMotif(title=title, probabilities=_rows(motif.probabilities), role="chosen")


def matching_filters(
    stored: FilterMatches, motif: Motif, filters: Iterable[int]
) -> tuple[ShownMotif, ...]:
    """Give some filters beside a motif of JASPAR, aligned with it as TOMTOM does.

    Parameters
    ----------
    filters
        The filters that match, the best first.
    """
    found = stored.matches[stored.matches["matrix_id"] == motif.matrix_id]
    aligned = {int(row["filter"]): row for row in found.to_dict("records")}
    shown = []
    for index in list(filters)[:NUM_FILTERS]:
        frequencies, start = stored.motifs.frequencies[index], 0
        if index in aligned:
            row = aligned[index]
            start = int(row["offset"])
            if row["orientation"] == "-":
                # the offset counts in the motif's reverse complement
                start = motif.length_bp - start - frequencies.shape[1]
                frequencies = frequencies[::-1, ::-1]
        rows = _rows(frequencies)
        named = ShownMotif(title=filter_name(index), probabilities=rows, start=start, role="filter")
        shown.append(named)
    return tuple(shown)


def motifs_caption(motifs: Sequence[ShownMotif], *, are_compared: bool) -> str:
    """Say what the motifs of a card are.

    Parameters
    ----------
    are_compared
        Whether filters were read, and compared with motifs of the TF.
    """
    roles = {motif.role for motif in motifs}
    first = "The motifs that the TF's peaks chose" if "chosen" in roles else "The TF's motif"
    if "filter" in roles:
        return f"{first}, and the filters that match the TF's motif best."
    return f"{first}. No filter matches the TF's motif." if are_compared else f"{first}."


def _rows(frequencies: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, np.round(frequencies.T, 4).tolist()))
