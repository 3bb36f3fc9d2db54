"""A motif's best hit as a term of a network's logits, in addition to what its layers compute.

A multi-model that was not trained on a TF has no filter for what tells its sites from those of its
relatives, and a few hundred regions are too few to learn one. A known motif provides it. The term
is linear in the score of the best hit on either strand, in bits, so attributions of bases hold for
it as for any pooling.

Legend: B batch, L base pairs, W width of the motif, T TFs.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.encoding import NUM_CHANNELS

_LAYER: Final = "motif"


def motif_layer(number: int) -> str:
    """Name of the layer of a motif's term, counted from 0: `motif`, `motif2` and so on."""
    return f"{_LAYER}{number + 1}" if number else _LAYER


def is_motif_layer(name: str) -> bool:
    """Whether a layer's name is that of a motif's term."""
    return name.startswith(_LAYER)


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
        forward = torch.from_numpy(np.ascontiguousarray(log_odds, dtype=np.float32))
        both = torch.stack([forward, forward.flip(0, 1)])  # complement and order reversed
        self.kernel.copy_(both.unsqueeze(2))

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
