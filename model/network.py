"""The paper's convolutional network and DanQ, for any number of TFs.

Input: one-hot DNA, float32 (B, 4, L), channels A, C, G, T. Output: logits (B, T). A chain of
blocks: convolutions `conv1`..., LSTMs `lstm1`..., dense layers `dense1`..., and a dense layer to
the TFs, `output`, the one layer that transfer leaves out; beyond the paper the best hits of motifs
may be further terms of the logits, `motif`, `motif2`... The config says how many of each a
network has; :func:`published` gives the two of the paper.

``paper``: three blocks of convolution (no padding), batch norm, ReLU and max pooling; two dense
blocks with batch norm, ReLU and dropout. 200 bp become 182, pooled 60; 54, pooled 18; 15, pooled 5
(Novakovsky et al. 2021, Genome Biology 22:280, Methods).

``danq``: one block of convolution, ReLU, max pooling and dropout, two bidirectional LSTMs with
dropout between them, a dense block with ReLU; no batch norm. 200 bp become 175, pooled 13. It is
DanQ (Quang and Xie 2016, Nucleic Acids Research 44:e107) as the authors of the paper trained it:
two LSTMs for one, and dropout between the two in place of that before the dense layer.

Departures from the authors' code: ReLU follows the pooling. ReLU is monotone, so outputs and
gradients are the same, on a third of the values. Convolutions are two-dimensional over a height
of 1, in channels-last memory: the same sums, on a CPU 1.36 times as fast a training step as
`Conv1d`, `BatchNorm1d` and `MaxPool1d` (benchmarks/RESULTS.md). The LSTMs are blocks of their own,
so that the dropout between them is a layer that several processes can share. Layer names are ours.

Legend: B batch, L base pairs, F filters, P positions, U units, T TFs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.encoding import NUM_CHANNELS
from model.motif_term import (
    MANY_MOTIFS_LAYER,
    ManyMotifsTerm,
    MotifTerm,
    count_widths,
    is_motif_layer,
    motif_layer,
)
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
    """Which network of `NETWORKS` the sizes are from."""
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
    batch_norm: bool = field(default=True, metadata={"late": True})
    """Whether convolutions and dense layers are followed by batch norm. Paper: yes; DanQ: no."""
    conv_dropout: float = field(default=0.0, metadata={"late": True})
    """Fraction of values that a convolution block drops in training. Paper: 0; DanQ: 0.2."""
    lstm_units: tuple[int, ...] = field(default=(), metadata={"late": True})
    """Units of each bidirectional LSTM, in either direction. Paper: none; DanQ: 320, 320."""
    lstm_dropout: float = field(default=0.0, metadata={"late": True})
    """Fraction of values dropped between LSTMs in training. DanQ: 0.5."""
    motif_width: int = field(default=0, metadata={"late": True})
    """Base pairs of the motif whose best hit is a term of the logits (`model.motif_term`); 0: none.
    Paper: none."""
    further_motif_widths: tuple[int, ...] = field(default=(), metadata={"late": True})
    """Base pairs of the motifs of further terms, where the peaks choose them; by default none."""
    many_motif_counts: tuple[int, ...] = field(default=(), metadata={"late": True})
    """Number of motifs of each width, that of 0 bp first, whose best hits are one term of the
    logits (`model.training.many_motifs`); by default none."""

    def __post_init__(self) -> None:
        for name in _LISTS:
            # a list when read from JSON
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.name not in NETWORKS:
            raise ValueError(f"no network is named {self.name!r}; there are: {', '.join(NETWORKS)}")
        sizes = (*self.conv_filters, *self.conv_widths, *self.dense_units, *self.lstm_units)
        sizes = (self.num_tfs, self.pool_width, *sizes)
        numbers = (*sizes, self.length_bp, self.motif_width, *self.further_motif_widths)
        if not all(isinstance(number, Integral) for number in numbers):
            raise ValueError(f"every size must be a whole number: {self}")
        if not isinstance(self.batch_norm, bool):
            raise ValueError(f"batch_norm is {self.batch_norm!r}; give true or false")
        if min(sizes) < 1:
            raise ValueError(f"num_tfs and every size of a layer must be 1 or more: {self}")
        if len(self.conv_filters) != len(self.conv_widths):
            raise ValueError(
                f"conv_filters {self.conv_filters} and conv_widths {self.conv_widths} differ in"
                " length; give one of each for every convolution"
            )
        if not 0 <= self.motif_width <= self.length_bp:
            raise ValueError(f"motif_width is {self.motif_width}; give 0 to {self.length_bp}")
        if self.further_motif_widths and not self.motif_width:
            raise ValueError("further_motif_widths follow a motif_width above 0")
        for width in self.further_motif_widths:
            if not 1 <= width <= self.length_bp:
                raise ValueError(f"a further motif's width is {width}; give 1 to {self.length_bp}")
        counts = self.many_motif_counts
        if not all(isinstance(count, Integral) and count >= 0 for count in counts):
            raise ValueError(f"many_motif_counts is {counts}; give whole numbers of 0 or more")
        if any(counts[:1]) or len(counts) > self.length_bp + 1:
            raise ValueError(
                f"motifs are 1 to {self.length_bp} bp wide: many_motif_counts {counts}"
            )
        for name in ("dropout", "conv_dropout", "lstm_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; give a fraction from 0 to below 1"
                )
        if min(size for pair in self.layer_lengths() for size in pair) < 1:
            raise ValueError(
                f"length_bp {self.length_bp} is too short for convolutions {self.conv_widths}"
                f" pooled by {self.pool_width}; positions left: {self.layer_lengths()}"
            )

    @property
    def motif_widths(self) -> tuple[int, ...]:
        """Base pairs of the motifs of all terms, in order."""
        return (self.motif_width, *self.further_motif_widths) if self.motif_width else ()

    def layer_lengths(self) -> tuple[tuple[int, int], ...]:
        """Positions after each convolution and after its pooling: (182, 60), (54, 18), (15, 5)."""
        lengths = []
        length = self.length_bp
        for width in self.conv_widths:
            convolved = length - width + 1
            length = convolved // self.pool_width
            lengths.append((convolved, length))
        return tuple(lengths)

    def hidden_layers(self) -> tuple[str, ...]:
        """Names of all layers but the output one, in order: ``("conv1", ..., "dense2")``."""
        counts = {"conv": self.conv_filters, "lstm": self.lstm_units, "dense": self.dense_units}
        return tuple(
            f"{kind}{number}"
            for kind, sizes in counts.items()
            for number in range(1, len(sizes) + 1)
        )


_LISTS: Final = (
    "conv_filters",
    "conv_widths",
    "dense_units",
    "lstm_units",
    "further_motif_widths",
    "many_motif_counts",
)

NETWORKS: Final[tuple[str, ...]] = ("paper", "danq")
"""Networks by name."""


def published(name: str, *, num_tfs: int) -> NetworkConfig:
    """Config of a network with the sizes that the paper's authors gave it.

    Raises
    ------
    ValueError
        There is no such network.
    """
    config = NetworkConfig(num_tfs=num_tfs, name=name)
    if name == "paper":
        return config
    return replace(
        config,
        conv_filters=(320,),
        conv_widths=(26,),
        pool_width=13,
        dense_units=(925,),
        dropout=0.0,
        batch_norm=False,
        conv_dropout=0.2,
        lstm_units=(320, 320),
        lstm_dropout=0.5,
    )


class ConvBlock(nn.Module):
    """Convolution without padding, batch norm, max pooling, ReLU, dropout.

    Takes (B, F_in, 1, L) and returns (B, F, 1, (L - width + 1) // pool_width). The convolution's
    weight has shape (F, F_in, 1, width). Batch norm and dropout are there if the config has them.
    """

    def __init__(self, in_channels: int, filters: int, width: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, filters, (1, width))
        # in the layout of the convolution, or it would be copied at every step
        weight = self.conv.weight.detach().contiguous(memory_format=torch.channels_last)
        self.conv.weight = nn.Parameter(weight)
        self.norm = nn.BatchNorm2d(filters) if config.batch_norm else nn.Identity()
        self.pool = nn.MaxPool2d((1, config.pool_width))
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(config.conv_dropout) if config.conv_dropout else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Pooled activations, with some dropped in training."""
        return self.finish(self.conv(inputs))

    def finish(self, mapped: Tensor) -> Tensor:
        """What follows the convolution."""
        hidden: Tensor = self.relu(self.pool(self.norm(mapped)))
        # dropout draws in the order of memory, in which a process' slice is part of the batch
        return hidden if self.dropout is None else self.dropout(hidden.contiguous())

    def activations(self, inputs: Tensor) -> Tensor:
        """Activations at every position, before pooling, shape (B, F, 1, L - width + 1)."""
        return self.relu(self.norm(self.conv(inputs)))


class RecurrentBlock(nn.Module):
    """Bidirectional LSTM, dropout: (B, F, 1, P) to (B, 2 U, 1, P)."""

    def __init__(self, in_features: int, units: int, *, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(in_features, units, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs of both directions at each position, with some dropped in training."""
        hidden, _ = self.lstm(inputs.squeeze(2).transpose(1, 2))
        # contiguous as in `ConvBlock`
        return self.dropout(hidden.contiguous()).transpose(1, 2).unsqueeze(2)


class DenseBlock(nn.Module):
    """Dense layer, batch norm, ReLU, dropout: (B, in_features) to (B, units)."""

    def __init__(self, in_features: int, units: int, config: NetworkConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, units)
        self.norm = nn.BatchNorm1d(units) if config.batch_norm else nn.Identity()
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Activations, with some dropped in training."""
        return self.finish(self.dense(inputs))

    def finish(self, mapped: Tensor) -> Tensor:
        """What follows the dense layer."""
        return self.dropout(self.relu(self.norm(mapped)))


class BindingNetwork(nn.Module):
    """A chain of blocks; layers `conv1`..., `lstm1`..., `dense1`..., `output` in this order.

    Parameters
    ----------
    config
        Which blocks, and their sizes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        features = NUM_CHANNELS
        sizes = zip(config.conv_filters, config.conv_widths, strict=True)
        for number, (filters, width) in enumerate(sizes, start=1):
            self.add_module(f"conv{number}", ConvBlock(features, filters, width, config))
            features = filters
        for number, units in enumerate(config.lstm_units, start=1):
            is_last = number == len(config.lstm_units)
            dropout = 0.0 if is_last else config.lstm_dropout
            self.add_module(f"lstm{number}", RecurrentBlock(features, units, dropout=dropout))
            features = 2 * units
        lengths = config.layer_lengths()
        features *= lengths[-1][1] if lengths else config.length_bp
        for number, units in enumerate(config.dense_units, start=1):
            self.add_module(f"dense{number}", DenseBlock(features, units, config))
            features = units
        self.output = nn.Linear(features, config.num_tfs)
        for number, width in enumerate(config.motif_widths):
            term = MotifTerm(width, config.length_bp, config.num_tfs)
            self.add_module(motif_layer(number), term)
        if config.many_motif_counts:
            self.add_module(MANY_MOTIFS_LAYER, self._many_motifs_term())

    def blocks(self) -> list[nn.Module]:
        """The chain of blocks, `output` the last."""
        return [block for name, block in self.named_children() if not is_motif_layer(name)]

    @property
    def terms(self) -> tuple[nn.Module, ...]:
        """All terms of the logits beside the chain of blocks: (B, 4, L) to (B, T) each."""
        return tuple(block for name, block in self.named_children() if is_motif_layer(name))

    @property
    def motif_terms(self) -> tuple[MotifTerm, ...]:
        """The motifs' terms of the logits, as many as the network has."""
        return tuple(block for block in self.children() if isinstance(block, MotifTerm))

    def set_motifs(self, motifs: Sequence[NDArray[np.float32]]) -> None:
        """Give the network terms of these motifs, and of no others; their weights are 0.

        Parameters
        ----------
        motifs
            Bits over a uniform background, each of shape (4, W), rows A C G T.
        """
        for number in range(len(self.motif_terms)):
            delattr(self, motif_layer(number))
        first, *further = [motif.shape[1] for motif in motifs] or [0]
        self.config = replace(self.config, motif_width=first, further_motif_widths=tuple(further))
        for number, motif in enumerate(motifs):
            term = MotifTerm(motif.shape[1], self.config.length_bp, self.config.num_tfs)
            term.set_motif(motif)
            self.add_module(motif_layer(number), term.to(self.output.weight.device))

    def set_many_motifs(
        self, motifs: Sequence[NDArray[np.float32]], weights: NDArray[np.float32]
    ) -> None:
        """Give the network a term of the best hits of many motifs.

        Parameters
        ----------
        motifs, weights
            As for :meth:`model.motif_term.ManyMotifsTerm.set_motifs`.
        """
        self.config = replace(self.config, many_motif_counts=count_widths(motifs))
        term = self._many_motifs_term()
        term.set_motifs(motifs, weights)
        self.add_module(MANY_MOTIFS_LAYER, term.to(self.output.weight.device))

    def _many_motifs_term(self) -> ManyMotifsTerm:
        config = self.config
        return ManyMotifsTerm(config.many_motif_counts, config.length_bp, config.num_tfs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B, T) of one-hot sequences (B, 4, L)."""
        # no copy where the batch is laid out by position, as model.encoding makes it
        hidden = inputs.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        logits = through(self.blocks(), hidden)
        for term in self.terms:
            logits = logits + term(inputs)
        return logits


def through(blocks: Sequence[nn.Module], hidden: Tensor) -> Tensor:
    """Send values through blocks of a network, in order; dense layers see them flat.

    Parameters
    ----------
    hidden
        As the first block takes it, (B, F, 1, P) or (B, F).
    """
    for block in blocks:
        is_spatial = isinstance(block, ConvBlock | RecurrentBlock)
        hidden = block(hidden if is_spatial else hidden.flatten(1))
    return hidden


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
        return BindingNetwork(config)
