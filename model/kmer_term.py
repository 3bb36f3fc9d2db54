"""Gapped k-mers as a term of a network's logits: a table's numbers, summed over all places.

A linear classifier of gapped k-mers is a table with a number for any S base pairs
(:func:`model.gapped_kmers.span_table`), so that its score of a sequence is a sum of lookups.

Legend: B batch, L base pairs, S span, T TFs, P = L - S + 1 places.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

KMERS_LAYER: Final = "kmers"
"""Name of the layer of the term."""


class GappedKmersTerm(nn.Module):
    """Sum, per TF, of a table's numbers at all places: (B, 4, L) to (B, T).

    Parameters
    ----------
    span
        S.
    num_tfs
        T. The numbers are 0 until they are set.
    """

    def __init__(self, span: int, num_tfs: int) -> None:
        super().__init__()
        self.span = span
        self.weight = nn.Parameter(torch.zeros(4**span, num_tfs))

    @torch.no_grad()
    def set_table(self, table: NDArray[np.float32]) -> None:
        """Take what each span adds to the logits, shape (4^S, T)."""
        self.weight.copy_(torch.from_numpy(table))

    def forward(self, inputs: Tensor) -> Tensor:
        """What gapped k-mers add to the logits, (B, T), of one-hot sequences."""
        numbers = self._numbers(inputs.argmax(dim=1))
        return nn.functional.embedding_bag(numbers, self.weight, mode="sum")

    @torch.no_grad()
    def contributions(self, inputs: Tensor, others: Tensor, target: int) -> Tensor:
        """Contributions of each base to the term's difference between sequences and others.

        At each place the bases of the other sequence are replaced one by one, from either end; a
        base contributes what the number changes by with it, the mean of both. So the contributions
        of a sequence add up to the difference.

        Parameters
        ----------
        inputs, others
            One-hot, (B, 4, L) each.
        target
            Which TF.

        Returns
        -------
        Tensor
            Shape (B, L).
        """
        here, there = inputs.argmax(dim=1), others.argmax(dim=1)
        places = here.shape[1] - self.span + 1
        added = torch.zeros(here.shape)
        table = self.weight[:, target]
        for from_left in (True, False):
            # of all places, those numbers of which some bases are replaced already
            mixed = self._numbers(there)
            order = range(self.span) if from_left else reversed(range(self.span))
            before = table[mixed]
            for offset in order:
                step = 4 ** (self.span - 1 - offset)
                change = here[:, offset : offset + places] - there[:, offset : offset + places]
                mixed = mixed + step * change
                after = table[mixed]
                added[:, offset : offset + places] += (after - before) / 2
                before = after
        return added

    def _numbers(self, bases: Tensor) -> Tensor:
        """Numbers of the spans of bases (B, L), shape (B, P)."""
        places = bases.shape[1] - self.span + 1
        numbers = torch.zeros_like(bases[:, :places])
        for offset in range(self.span):
            numbers = 4 * numbers + bases[:, offset : offset + places]
        return numbers
