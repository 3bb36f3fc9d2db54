"""Which TFs the multi-model of a study is trained on, and what it is called.

The paper's multi-model has the 50 TFs with most resolved regions and learns from the regions
resolved for all of them. A masked one learns from every resolved cell, so that more TFs give it
more regions and not fewer: it takes all TFs with enough bound regions, without the targets, for
which a model is made as if their data had come later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from data.dataset.evidence_file import TFSummary
from data.dataset.sampling import RowRule
from data.dataset.store import Dataset
from data.relations.binding_modes import BindingModes
from data.schema import Evidence
from data.words import counted
from orchestrator.errors import RunError

MIN_BOUND: Final = 100
"""Bound regions that a TF of a masked multi-model has at least."""

HELD_BACK: Final = 0.3
"""Fraction of the regions that a masked multi-model leaves to individual models."""

WantedTFs = int | tuple[str, ...] | None
"""Names, or how many of the TFs with most resolved regions; None takes all."""


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How the multi-model of a study is made; the defaults are the paper's."""

    rows: RowRule = "complete"
    """Regions resolved for all of its TFs (paper), or for one at least (masked)."""
    min_bound: int = 0
    """Bound regions that a TF must have that was not asked for by name."""
    leave_out: tuple[str, ...] = ()
    """TFs that the multi-model must not be trained on."""
    modes_of: tuple[str, ...] = ()
    """TFs, among those left out, with which no TF of the multi-model may share a binding mode."""

    def __post_init__(self) -> None:
        if self.min_bound < 0:
            raise ValueError(f"min_bound is {self.min_bound}; give 0 or more")
        if not set(self.modes_of) <= set(self.leave_out):
            raise ValueError(f"modes_of is {self.modes_of}; give TFs that are left out themselves")

    @property
    def is_masked(self) -> bool:
        """Whether the multi-model learns from every resolved cell."""
        return self.rows == "resolved"

    def tfs(self, dataset: Dataset, wanted: WantedTFs, modes: BindingModes) -> tuple[str, ...]:
        """TFs of the multi-model: names given as they are, others with most regions first.

        Raises
        ------
        DataError
            If a TF is unknown.
        RunError
            If there are fewer TFs than wanted, or none.
        """
        dataset.fingerprint(self.leave_out)  # names an unknown TF
        if isinstance(wanted, tuple):
            dataset.fingerprint(wanted)
            chosen = [tf for tf in wanted if self._admits(tf, modes)]
        else:
            # one that was added changes no plan unless it is named
            of_build = [one for one in dataset.summaries() if one.added is None]
            ranked = sorted(of_build, key=lambda s: (-s.num_resolved, s.tf))
            chosen = [
                one.tf for one in ranked if self._is_large(one) and self._admits(one.tf, modes)
            ]
            if wanted is not None and len(chosen) < wanted:
                raise RunError(
                    f"{dataset.path} has {counted(len(chosen), 'TF')}{self._in_words()}, {wanted} "
                    f"are to be pre-trained on; pass --pretrain-tfs {len(chosen)} or fewer"
                )
            chosen = chosen[:wanted]
        if not chosen:
            if not self.leave_out and not self.modes_of:
                raise RunError(
                    f"{dataset.path} has no TF{self._in_words()} to pre-train on; those that were "
                    "added by `bindgrid tf add` count where they are named alone"
                )
            raise RunError(f"no TF is left to pre-train on{self._in_words()}; leave out fewer")
        return tuple(chosen)

    def name(self, wanted: WantedTFs, tfs: Sequence[str]) -> str:
        """Name of the pre-training set for tags and tables."""
        words = ["all TFs" if wanted is None else f"{wanted} most resolved TFs"]
        if isinstance(wanted, tuple):
            words = ["+".join(tfs)]
        if self.is_masked:
            words.append("masked")
        if self.leave_out != self.modes_of:
            words.append(f"without {'+'.join(self.leave_out)}")
        if self.modes_of:
            words.append(f"without the modes of {'+'.join(self.modes_of)}")
        return ", ".join(words)

    def _is_large(self, summary: TFSummary) -> bool:
        return summary.count(Evidence.BOUND) >= self.min_bound

    def _admits(self, tf: str, modes: BindingModes) -> bool:
        return tf not in self.leave_out and not any(modes.share(tf, out) for out in self.modes_of)

    def _in_words(self) -> str:
        words = [f" with {self.min_bound} bound regions"] if self.min_bound else []
        if self.leave_out:
            words.append(f" without {', '.join(self.leave_out)}")
        if self.modes_of:
            words.append(f" and the binding modes of {', '.join(self.modes_of)}")
        return "".join(words)
