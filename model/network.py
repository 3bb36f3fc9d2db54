"""The paper's convolutional network, for any number of TFs.

Input: one-hot DNA, float32 (B, 4, L), channels A, C, G, T. Output: logits (B, T). Three blocks
of convolution (no padding), batch norm, ReLU and max pooling; two dense blocks with batch
norm, ReLU and dropout; a dense layer to the TFs, `output`, the one layer that transfer leaves
out. 200 bp become 182, pooled 60; 54, pooled 18; 15, pooled 5 (Novakovsky et al. 2021, Genome
Biology 22:280, Methods).

Departures from the authors' code: ReLU follows the pooling. ReLU is monotone, so outputs and
gradients are the same, on a third of the values. Convolutions are two-dimensional over a height
of 1, in channels-last memory: the same sums, on a CPU 1.36 times as fast a training step as
`Conv1d`, `BatchNorm1d` and `MaxPool1d` (benchmarks/RESULTS.md). Layer names are ours.

Legend: B batch, L base pairs, F filters, T TFs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from model.encoding import NUM_CHANNELS
from model.seeds import seeded

OUTPUT_LAYER: Final = "output"


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Architecture of a network; the defaults are the paper's.

    Raises
    ------
    ValueError
        A field is out of its range, or the sequence is too short for the convolutions.
    """

    num_tfs: int
    """Outputs, one a TF. Paper: 50 and 5 for multi-models, 1 for individual models."""
    name: str = "paper"
    """Which network of `NETWORKS`."""
    length_bp: int = 200
    """Length of the sequences in base pairs. Paper: 200."""
    conv_filters: tuple[int, ...] = (100, 200, 200)
    """Filters of each convolution. Paper: 100, 200, 200."""
    conv_widths: tuple[int, ...] = (19, 7, 4)
    """Widths of the convolutions, in positions of their input. Paper: 19, 7, 4."""
    pool_width: int = 3
    """Width and stride of each max pooling. Paper: 3."""
    dense_units: tuple[int, ...] = (1000, 1000)
    """Units of each dense block. Paper: 1000, 1000."""
    dropout: float = 0.3
    """Fraction of units that a dense block drops in training. Paper: 0.3."""

    def __post_init__(self) -> None:
        for field in ("conv_filters", "conv_widths", "dense_units"):
            # a list when read from JSON
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if self.name not in NETWORKS:
            raise ValueError(f"no network is named {self.name!r}; there are: {', '.join(NETWORKS)}")
        sizes = (*self.conv_filters, *self.conv_widths, *self.dense_units, self.pool_width)
        if min(self.num_tfs, *sizes) < 1:
            raise ValueError(f"num_tfs and every size of a layer must be 1 or more: {self}")
        if len(self.conv_filters) != len(self.conv_widths):
            raise ValueError(
                f"conv_filters {self.conv_filters} and conv_widths {self.conv_widths} differ in"
                " length; give one of each for every convolution"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout}; give a fraction from 0 to below 1")
        if min(size for pair in self.layer_lengths() for size in pair) < 1:
            raise ValueError(
                f"length_bp {self.length_bp} is too short for convolutions {self.conv_widths}"
                f" pooled by {self.pool_width}; positions left: {self.layer_lengths()}"
            )

    def layer_lengths(self) -> tuple[tuple[int, int], ...]:
        """Positions after each convolution and after its pooling: (182, 60), (54, 18), (15, 5)."""
        lengths = []
        length = self.length_bp
        for width in self.conv_widths:
            convolved = length - width + 1
            length = convolved // self.pool_width
            lengths.append((convolved, length))
        return tuple(lengths)


class ConvBlock(nn.Module):
    """Convolution without padding, batch norm, max pooling, ReLU.

    Takes (B, F_in, 1, L) and returns (B, F, 1, (L - width + 1) // pool_width). The convolution's
    weight has shape (F, F_in, 1, width).
    """

    def __init__(self, in_channels: int, filters: int, *, width: int, pool_width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, filters, (1, width))
        # as the convolution wants it, or it would be laid out anew at every step
        weight = self.conv.weight.detach().contiguous(memory_format=torch.channels_last)
        self.conv.weight = nn.Parameter(weight)
        self.norm = nn.BatchNorm2d(filters)
        self.pool = nn.MaxPool2d((1, pool_width))
        self.relu = nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        """Pooled activations."""
        return self.relu(self.pool(self.norm(self.conv(inputs))))

    def activations(self, inputs: Tensor) -> Tensor:
        """Activations at every position, before pooling, shape (B, F, 1, L - width + 1)."""
        return self.relu(self.norm(self.conv(inputs)))


class DenseBlock(nn.Module):
    """Dense layer, batch norm, ReLU, dropout: (B, in_features) to (B, units)."""

    def __init__(self, in_features: int, units: int, *, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, units)
        self.norm = nn.BatchNorm1d(units)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Activations, with some dropped in training."""
        return self.dropout(self.relu(self.norm(self.dense(inputs))))


class BindingNetwork(nn.Module):
    """The paper's network; layers `conv1`..., `dense1`..., `output` in this order.

    Parameters
    ----------
    config
        Its sizes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self._hidden: list[str] = []
        features = NUM_CHANNELS
        sizes = zip(config.conv_filters, config.conv_widths, strict=True)
        for number, (filters, width) in enumerate(sizes, start=1):
            block = ConvBlock(features, filters, width=width, pool_width=config.pool_width)
            self._add(f"conv{number}", block)
            features = filters
        lengths = config.layer_lengths()
        features *= lengths[-1][1] if lengths else config.length_bp
        for number, units in enumerate(config.dense_units, start=1):
            self._add(f"dense{number}", DenseBlock(features, units, dropout=config.dropout))
            features = units
        self.output = nn.Linear(features, config.num_tfs)

    def _add(self, name: str, block: nn.Module) -> None:
        self.add_module(name, block)
        self._hidden.append(name)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, T) of one-hot sequences (B, 4, L)."""
        # no copy where the batch is laid out by position, as model.encoding makes it
        hidden = inputs.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        for name in self._hidden:
            block = self.get_submodule(name)
            if isinstance(block, DenseBlock):
                hidden = hidden.flatten(1)
            hidden = block(hidden)
        return self.output(hidden.flatten(1))


NETWORKS: Final[dict[str, Callable[[NetworkConfig], nn.Module]]] = {"paper": BindingNetwork}
"""Networks by name. Another one takes a `NetworkConfig`, maps (B, 4, L) to logits (B, T) and
calls its last layer `output`."""


def build_network(config: NetworkConfig, *, seed: int) -> nn.Module:
    """Network with random weights that depend on `config` and `seed` alone.

    torch's global random state is left as it was found.

    Parameters
    ----------
    config
        Which network and its sizes.
    seed
        0 or more.
    """
    with seeded(seed, "initialization"), torch.device("cpu"):
        return NETWORKS[config.name](config)
