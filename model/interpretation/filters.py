"""What makes a convolution's filters fire: the subsequences, counted by position and base.

The paper's rule (Novakovsky et al. 2021, Genome Biology 22:280, Methods): a filter's motif is the
base counts of all subsequences that activate it above half of its maximum over the regions that
the model predicts correctly. Activations are those after batch norm and ReLU, before pooling. Both
strands are read, as in training. A region is predicted correctly if every resolved label of it is,
over all TFs of the model, at a threshold of 0.5: the authors' notebooks compare the rounded
prediction with the label and ask for all 50 TFs to agree.

Two passes, the first for the maxima and the second for the counts, each over packed sequences in
bounded memory. One pass would have to keep every subsequence above half of the maximum so far:
millions, and without bound for a filter that fires almost everywhere. Both passes together take
less than a CPU second for 40,000 regions (`model.interpretation.filter_scan`,
benchmarks/RESULTS.md).

A filter of a deeper layer counts windows of its receptive field, 39 and 72 bp in the paper's
network. Max pooling lets a motif move in them by some bases, which blurs the counts. Its
activations are the network's own, in single precision.

Legend: n regions, F filters, T TFs, W width in bp, C chunks of four bases.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import takewhile
from operator import add
from typing import Final, Protocol, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.device import ON_CPU
from model.encoding import (
    BASES_PER_BYTE,
    NUM_CHANNELS,
    OneHotEncoder,
    check_sequences,
    one_hot_table,
    reverse_complement,
    to_tensor,
)
from model.errors import ModelError
from model.interpretation.filter_motifs import FilterMotifs
from model.interpretation.filter_scan import Tables, Tally, count_given
from model.labels import Labels, resolved_cells
from model.metrics import THRESHOLD
from model.network import ConvBlock

Result = TypeVar("Result")

BATCH: Final = ON_CPU // 2
"""Regions whose activations are held at a time, of both strands, for a deeper layer."""


def correctly_predicted(probabilities: NDArray[np.float32], labels: Labels) -> NDArray[np.bool_]:
    """Regions of which every resolved label is predicted, and one is resolved; shape (n,).

    Parameters
    ----------
    probabilities
        From 0 to 1, shape (n, T).
    labels
        1 bound, 0 unbound, NaN or -1 unresolved, shape (n, T).

    Raises
    ------
    ModelError
        The shapes differ.
    """
    if probabilities.ndim != 2 or probabilities.shape != labels.shape:
        raise ModelError(
            f"probabilities have shape {probabilities.shape}, labels {labels.shape}; give a row"
            " for each region and a column for each TF"
        )
    resolved = resolved_cells(labels)
    right = (probabilities >= THRESHOLD) == (labels == 1)
    return (right | ~resolved).all(axis=1) & resolved.any(axis=1)


def count_subsequences(
    network: nn.Module, sequences: NDArray[np.uint8], *, layer: int = 1
) -> FilterMotifs:
    """Count the subsequences that activate each filter above half of its maximum.

    torch's number of threads is used.

    Parameters
    ----------
    network
        Any that begins with `ConvBlock`s; it is left as it is.
    sequences
        Packed bases of the regions predicted correctly, shape (n, L / 4).
    layer
        Which convolution, from 1.

    Raises
    ------
    ModelError
        There is no such layer, or no region.
    """
    check_sequences(sequences)
    blocks = conv_blocks(network)
    if not 1 <= layer <= len(blocks):
        raise ModelError(f"there is no convolution {layer}; the network has {len(blocks)}")
    if not len(sequences):
        raise ModelError("no region is predicted correctly, so no filter can be read")
    reader = _TableReader(blocks[0]) if layer == 1 else _BlockReader(blocks[:layer])
    maximum = reader.highest(sequences)
    tally = reader.count(sequences, maximum / 2)
    return FilterMotifs(
        layer=layer,
        counts=_by_base(tally.by_code)[:, :, : reader.width_bp],
        num_subsequences=tally.num_subsequences,
        num_regions=tally.num_regions,
        max_activation=maximum,
        background=_background(sequences),
        num_scanned=len(sequences),
    )


def conv_blocks(network: nn.Module) -> list[ConvBlock]:
    """Convolutions that the network's input goes through first, in order.

    Raises
    ------
    ModelError
        It does not begin with one.
    """
    blocks = list(takewhile(lambda child: isinstance(child, ConvBlock), network.children()))
    if not blocks:
        raise ModelError(
            f"{type(network).__name__} does not begin with convolutions; it has no filters to read"
        )
    return cast(list[ConvBlock], blocks)


class _Reader(Protocol):
    """Reads regions, on both strands, for the activations of a layer."""

    width_bp: int
    """Base pairs that a filter sees."""

    def highest(self, sequences: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Highest activation of each filter, shape (F,); at least 0."""
        ...

    def count(self, sequences: NDArray[np.uint8], threshold: NDArray[np.float64]) -> Tally:
        """Count the windows that activate a filter above its threshold, shape (F,)."""
        ...


class _TableReader(_Reader):
    """The first layer, by tables."""

    def __init__(self, block: ConvBlock) -> None:
        weight, bias = _folded(block)
        num_filters, _, self.width_bp = weight.shape
        num_chunks = -(-self.width_bp // BASES_PER_BYTE)
        padded = F.pad(weight, (0, num_chunks * BASES_PER_BYTE - self.width_bp))
        chunks = padded.view(num_filters, NUM_CHANNELS, num_chunks, BASES_PER_BYTE)
        chunks = chunks.permute(2, 3, 1, 0).reshape(num_chunks, -1, num_filters)
        exact = one_hot_table().double() @ chunks
        exact[0] += bias
        self._tables = Tables(exact=exact.numpy(), width_bp=self.width_bp)

    def highest(self, sequences: NDArray[np.uint8]) -> NDArray[np.float64]:
        return reduce(np.maximum, _in_threads(self._tables.highest, sequences))

    def count(self, sequences: NDArray[np.uint8], threshold: NDArray[np.float64]) -> Tally:
        def read(part: NDArray[np.uint8]) -> Tally:
            return self._tables.count(part, threshold)

        return reduce(add, _in_threads(read, sequences))


class _BlockReader(_Reader):
    """A deeper layer, by the network's own layers."""

    def __init__(self, blocks: Sequence[ConvBlock]) -> None:
        self._blocks = [copy.deepcopy(block).cpu().eval() for block in blocks]
        self._encode = OneHotEncoder()
        self._stride_bp, self.width_bp = 1, 1
        for block in self._blocks[:-1]:
            pool = _width(block.pool.kernel_size)
            self.width_bp += (_width(block.conv.kernel_size) - 1 + pool - 1) * self._stride_bp
            self._stride_bp *= pool
        self.width_bp += (_width(self._blocks[-1].conv.kernel_size) - 1) * self._stride_bp
        self._num_filters = self._blocks[-1].conv.out_channels

    def highest(self, sequences: NDArray[np.uint8]) -> NDArray[np.float64]:
        maximum = np.zeros(self._num_filters)
        for _, activations in self._batches(sequences):
            maximum = np.maximum(maximum, activations.max(axis=(0, 1, 2)))
        return maximum

    def count(self, sequences: NDArray[np.uint8], threshold: NDArray[np.float64]) -> Tally:
        tally = Tally.empty(self._num_filters, -(-self.width_bp // BASES_PER_BYTE))
        for part, activations in self._batches(sequences):
            count_given(
                part, activations, self._stride_bp, threshold, tally.by_code, tally.num_regions
            )
        return tally

    def _batches(
        self, sequences: NDArray[np.uint8]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Packed regions with their activations, shape (2 strands, B, P, F)."""
        for part in np.split(sequences, range(BATCH, len(sequences), BATCH)):
            packed = to_tensor(part)
            with torch.inference_mode():
                hidden = self._encode(torch.cat([packed, reverse_complement(packed)])).unsqueeze(2)
                for block in self._blocks[:-1]:
                    hidden = block(hidden)
                activations = self._blocks[-1].activations(hidden)[:, :, 0].transpose(1, 2)
            yield part, activations.unflatten(0, (2, -1)).contiguous().numpy()


def _in_threads(
    read: Callable[[NDArray[np.uint8]], Result], sequences: NDArray[np.uint8]
) -> list[Result]:
    """What `read` gives for each thread's part of the sequences."""
    num_threads = min(torch.get_num_threads(), len(sequences))
    with ThreadPoolExecutor(num_threads) as pool:
        return list(pool.map(read, np.array_split(sequences, num_threads)))


def _folded(block: ConvBlock) -> tuple[Tensor, Tensor]:
    """Weight (F, 4, W) and bias (F,) of convolution and batch norm, if any, as one, float64."""
    fused = copy.deepcopy(block.conv).cpu().double().eval()
    if isinstance(block.norm, nn.BatchNorm2d):
        fused = fuse_conv_bn_eval(fused, copy.deepcopy(block.norm).cpu().double().eval())
    assert fused.bias is not None
    return fused.weight.detach()[:, :, 0], fused.bias.detach()


def _width(size: int | tuple[int, ...]) -> int:
    """Width of a kernel over a height of 1."""
    return size if isinstance(size, int) else size[-1]


def _by_base(by_code: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts by filter, base and position, shape (F, 4, 4 C), of those by code, (C, 256, F)."""
    counts = one_hot_table().numpy().astype(np.int64).T @ by_code
    counts = counts.reshape(len(by_code) * BASES_PER_BYTE, NUM_CHANNELS, -1)
    return counts.transpose(2, 1, 0)


def _background(sequences: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Fractions of A, C, G and T in packed sequences and their reverse complements, shape (4,)."""
    bytes_ = np.bincount(sequences.ravel(), minlength=len(one_hot_table()))
    bases = (bytes_ @ one_hot_table().numpy().astype(np.int64)).reshape(-1, NUM_CHANNELS).sum(0)
    both = bases + bases[::-1]
    return both / both.sum()
