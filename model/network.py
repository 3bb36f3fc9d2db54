"""The paper's convolutional network and DanQ, for any number of TFs.

Input: one-hot DNA, float32 (B, 4, L), channels A, C, G, T. Output: logits (B, T). A chain of
blocks: convolutions `conv1`..., LSTMs `lstm1`..., dense layers `dense1`..., and a dense layer to
the TFs, `output`, the one layer that transfer leaves out; beyond the paper the best hits of motifs
may be further terms of the logits, `motif`, `motif2`... The config says how many of each a
network has (`model.network_config`).

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
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.device import keep_freed_memory
from model.encoding import NUM_CHANNELS
from model.kmer_term import KMERS_LAYER, GappedKmersTerm
from model.motif_term import (
    MANY_MOTIFS_LAYER,
    ManyMotifsTerm,
    MotifTerm,
    count_widths,
    is_term_layer,
    motif_layer,
)
from model.network_config import NetworkConfig
from model.seeds import seeded

OUTPUT_LAYER: Final = "output"


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
        if config.kmer_span:
            self.add_module(KMERS_LAYER, GappedKmersTerm(config.kmer_span, config.num_tfs))

    def blocks(self) -> list[nn.Module]:
        """The chain of blocks, `output` the last."""
        return [block for name, block in self.named_children() if not is_term_layer(name)]

    @property
    def terms(self) -> tuple[nn.Module, ...]:
        """All terms of the logits beside the chain of blocks: (B, 4, L) to (B, T) each."""
        return tuple(block for name, block in self.named_children() if is_term_layer(name))

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

    def set_gapped_kmers(self, table: NDArray[np.float32], span: int) -> None:
        """Give the network a term of gapped k-mers.

        Parameters
        ----------
        table
            What each span of bases adds to the logits, shape (4^span, T).
        span
            Its base pairs.
        """
        self.config = replace(self.config, kmer_span=span)
        term = GappedKmersTerm(span, self.config.num_tfs)
        term.set_table(table)
        self.add_module(KMERS_LAYER, term.to(self.output.weight.device))

    @property
    def kmers_term(self) -> GappedKmersTerm | None:
        """The term of gapped k-mers; None where the network has none."""
        term = getattr(self, KMERS_LAYER, None)
        return term if isinstance(term, GappedKmersTerm) else None

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

    torch's global random state is left as it was found; this process keeps memory that is freed
    (:func:`model.device.keep_freed_memory`).

    Parameters
    ----------
    config
        Which network and its sizes.
    seed
        0 or more.
    """
    keep_freed_memory()
    with seeded(seed, "initialization"), torch.device("cpu"):
        return BindingNetwork(config)
