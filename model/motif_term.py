"""A motif's best hit as a term of a network's logits, in addition to what its layers compute.

A multi-model that was not trained on a TF has no filter for what tells its sites from those of its
relatives, and a few hundred regions are too few to learn one. A known motif provides it. The term
is linear in the score of the best hit on either strand, in bits, so attributions of bases hold for
it as for any pooling.

A term can also weight the best hits of many motifs at once.

Legend: B batch, L base pairs, W width of a motif, M motifs, T TFs.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.encoding import NUM_CHANNELS
from model.kmer_term import KMERS_LAYER

_LAYER: Final = "motif"
MANY_MOTIFS_LAYER: Final = f"{_LAYER}s"
"""Name of the layer of many motifs' term."""


def motif_layer(number: int) -> str:
    """Name of the layer of a motif's term, counted from 0: `motif`, `motif2` and so on."""
    return f"{_LAYER}{number + 1}" if number else _LAYER


def is_term_layer(name: str) -> bool:
    """Whether a layer's name is that of a term of the logits: a motif's, many motifs', k-mers'."""
    return name.startswith((_LAYER, KMERS_LAYER))


class MotifTerm(nn.Module):
    """Weight, per TF, of a motif's best hit, standardized: (B, 4, L) to (B, T).

    Parameters
    ----------
    width
        Width of the motif in base pairs.
    length_bp
        Length of the sequences in base pairs.
    num_tfs
        T. The weights are 0, and so is the term, until they are fitted or learnt.
    """

    def __init__(self, width: int, length_bp: int, num_tfs: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d((2, length_bp - width + 1))
        self.weight = nn.Parameter(torch.zeros(num_tfs))
        self.kernel: Tensor
        self.center: Tensor
        self.spread: Tensor
        self.register_buffer("kernel", torch.zeros(2, NUM_CHANNELS, 1, width))
        self.register_buffer("center", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))

    @torch.no_grad()
    def set_motif(self, log_odds: NDArray[np.float32]) -> None:
        """Take a motif: bits over a uniform background, shape (4, W), rows A C G T."""
        self.kernel.copy_(both_strands([log_odds]))

    def standardize(self, scores: NDArray[np.float32]) -> None:
        """Let scores of some regions have mean 0 and standard deviation 1."""
        self.center.fill_(float(scores.mean()))
        self.spread.fill_(float(scores.std()) or 1.0)

    def scores(self, inputs: Tensor) -> Tensor:
        """Bits of the best hit, shape (B,), of one-hot sequences (B, 4, L)."""
        # bits are sums of many terms: bfloat16 would round them to eighths
        with torch.autocast(inputs.device.type, enabled=False):
            places = nn.functional.conv2d(inputs.float().unsqueeze(2), self.kernel)
            best: Tensor = self.pool(places.transpose(1, 2))
        return best.flatten()

    def forward(self, inputs: Tensor) -> Tensor:
        """What the motif adds to the logits, (B, T)."""
        standardized = (self.scores(inputs) - self.center) / self.spread
        return standardized.unsqueeze(1) * self.weight


class ManyMotifsTerm(nn.Module):
    """Weights, per TF, of the best hits of many motifs, in bits: (B, 4, L) to (B, T).

    Parameters
    ----------
    counts
        Number of motifs of each width, that of 0 bp first (:func:`count_widths`). Motifs are
        ordered by their widths.
    length_bp
        Length of the sequences in base pairs.
    num_tfs
        T. The weights are 0 until they are set.
    """

    def __init__(self, counts: Sequence[int], length_bp: int, num_tfs: int) -> None:
        super().__init__()
        self._widths = [width for width, count in enumerate(counts) if count]
        for width in self._widths:
            kernel = torch.zeros(2 * counts[width], NUM_CHANNELS, 1, width)
            self.register_buffer(f"kernel{width}", kernel)
            self.add_module(f"pool{width}", nn.MaxPool2d((2, length_bp - width + 1)))
        self.weight = nn.Parameter(torch.zeros(num_tfs, sum(counts)))

    @torch.no_grad()
    def set_motifs(
        self, log_odds: Sequence[NDArray[np.float32]], weights: NDArray[np.float32]
    ) -> None:
        """Take motifs, and their weights for each TF.

        Parameters
        ----------
        log_odds
            Bits over a uniform background, M of shape (4, W), as many of each width as there are
            places.
        weights
            What a bit of each adds to the logits, shape (T, M).
        """
        order = sorted(range(len(log_odds)), key=lambda number: log_odds[number].shape[1])
        for width in self._widths:
            own = [log_odds[number] for number in order if log_odds[number].shape[1] == width]
            self.get_buffer(f"kernel{width}").copy_(both_strands(own))
        self.weight.copy_(torch.from_numpy(weights[:, order]))

    def forward(self, inputs: Tensor) -> Tensor:
        """What the motifs add to the logits, (B, T)."""
        hits = []
        # bits are sums of many terms: bfloat16 would round them to eighths
        with torch.autocast(inputs.device.type, enabled=False):
            one_hot = inputs.float().unsqueeze(2)
            for width in self._widths:
                places = nn.functional.conv2d(one_hot, self.get_buffer(f"kernel{width}")).squeeze(2)
                if torch.is_grad_enabled():  # DeepLIFT follows the layer
                    strands = places.unflatten(1, (2, -1)).transpose(1, 2)
                    hits.append(self.get_submodule(f"pool{width}")(strands).flatten(1))
                else:  # the same, three times as fast
                    hits.append(places.contiguous().amax(2).unflatten(1, (2, -1)).amax(1))
            terms: Tensor = nn.functional.linear(torch.cat(hits, dim=1), self.weight)
        return terms


def count_widths(log_odds: Sequence[NDArray[np.float32]]) -> tuple[int, ...]:
    """Count the motifs of each width, that of 0 bp first."""
    found = Counter(one.shape[1] for one in log_odds)
    return tuple(found[width] for width in range(max(found, default=-1) + 1))


def both_strands(log_odds: Sequence[NDArray[np.float32]]) -> Tensor:
    """Filters (2 M, 4, 1, W) of motifs of one width, then of their reverse complements."""
    forward = torch.from_numpy(np.stack(log_odds).astype(np.float32))
    return torch.cat([forward, forward.flip(1, 2)]).unsqueeze(2)
