"""What each filter contributes to a prediction: the change when the filter is silenced.

A filter is silenced by setting its activation to 0 everywhere, as if it never fired (the authors'
scripts, after Basset, put its mean over the batch everywhere). Two measures, both means over
regions, forward strand, in eval mode:

- the squared change of the probability, the authors' measure (Novakovsky et al. 2021);
- the change of the logit, with its sign: positive where the filter argues for binding.

What follows a convolution begins with a linear map, so a silenced filter's share is subtracted from
its result, for many filters at once; only what comes after is computed again for each filter. An
LSTM that follows is computed again as a whole, for the filters that fire in a region.

Legend: B batch, F filters, G filters at a time, P positions, T TFs, n regions.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model.encoding import check_sequences, encode_one_hot, to_tensor
from model.errors import ModelError
from model.interpretation.filters import conv_blocks
from model.network import BindingNetwork, ConvBlock, DenseBlock, RecurrentBlock, through

_BATCH: Final = 25
_FILTERS: Final = 20
"""Filters silenced at a time: 500 rows with the batch, some 40 MB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterImportance:
    """Mean change of the prediction when a filter is silenced."""

    squared_change: NDArray[np.float64]
    """Change of the probability, squared, shape (F, T)."""
    logit_change: NDArray[np.float64]
    """Logit with the filter less logit without, shape (F, T)."""
    num_regions: int
    """Regions that these are the means of."""


def filter_importance(
    network: nn.Module, sequences: NDArray[np.uint8], *, layer: int = 1
) -> FilterImportance:
    """Silence each filter of a convolution in turn.

    Parameters
    ----------
    network
        A :class:`BindingNetwork`; it is left as it is.
    sequences
        Packed bases, shape (n, L / 4).
    layer
        Which convolution, from 1.

    Raises
    ------
    ModelError
        It is another network, there is no such layer, or no region.
    """
    check_sequences(sequences)
    if not isinstance(network, BindingNetwork):
        raise ModelError(f"filters of a {type(network).__name__} cannot be silenced one by one")
    num_layers = len(conv_blocks(network))
    if not 1 <= layer <= num_layers:
        raise ModelError(f"there is no convolution {layer}; the network has {num_layers}")
    if not len(sequences):
        raise ModelError("there is no region to silence filters on")
    network = copy.deepcopy(network).cpu().eval()
    modules, terms = network.blocks(), network.terms
    before, following = modules[:layer], modules[layer:]
    silenced = _recomputed if isinstance(following[0], RecurrentBlock) else _less_shares
    num_filters = network.config.conv_filters[layer - 1]
    squared = torch.zeros(num_filters, network.config.num_tfs, dtype=torch.float64)
    signed = torch.zeros_like(squared)
    with torch.inference_mode():
        for packed in to_tensor(sequences).split(_BATCH):
            one_hot = encode_one_hot(packed)
            hidden = through(before, one_hot.unsqueeze(2))
            logits = through(following, hidden)
            # no filter changes it, but probabilities depend on it
            of_motif = torch.zeros_like(logits)
            for term in terms:
                of_motif += term(one_hot)
            for rows, others in silenced(following, hidden, logits):
                change = logits.unsqueeze(1) - others
                signed[rows] += change.double().sum(0)
                probability = (logits + of_motif).sigmoid().unsqueeze(1)
                probability_change = probability - (others + of_motif.unsqueeze(1)).sigmoid()
                squared[rows] += probability_change.double().square().sum(0)
    return FilterImportance(
        squared_change=(squared / len(sequences)).numpy(),
        logit_change=(signed / len(sequences)).numpy(),
        num_regions=len(sequences),
    )


def _less_shares(
    following: Sequence[nn.Module], hidden: Tensor, logits: Tensor
) -> Iterator[tuple[slice, Tensor]]:
    """Logits (B, G, T) without each filter, some filters at a time; a linear map follows."""
    first, after = following[0], following[1:]
    mapped = _linear(first, hidden)
    for rows, shares in _shares(first, hidden):
        silenced = (mapped.unsqueeze(1) - shares).flatten(0, 1)
        others = through(after, _finish(first, silenced))
        yield rows, others.unflatten(0, (len(logits), -1))


def _recomputed(
    following: Sequence[nn.Module], hidden: Tensor, logits: Tensor
) -> Iterator[tuple[slice, Tensor]]:
    """Logits (B, G, T) without each filter, some filters at a time; anything may follow."""
    for rows in _slices(hidden.shape[1]):
        others = logits.unsqueeze(1).repeat(1, rows.stop - rows.start, 1)
        # without a filter that does not fire, nothing changes
        regions, filters = hidden[:, rows].flatten(2).any(2).nonzero(as_tuple=True)
        if len(regions):
            silenced = hidden[regions]
            silenced[torch.arange(len(regions)), filters + rows.start] = 0.0
            others[regions, filters] = through(following, silenced)
        yield rows, others


def _linear(module: nn.Module, hidden: Tensor) -> Tensor:
    """What the linear map at the start of a module makes of (B, F, 1, P)."""
    if isinstance(module, ConvBlock):
        return module.conv(hidden)
    return _dense(module)(hidden.flatten(1))


def _shares(module: nn.Module, hidden: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Share of each filter in the linear map's result, (B, G, ...), some filters at a time."""
    num_filters = hidden.shape[1]
    for rows in _slices(num_filters):
        inputs = hidden[:, rows]
        if isinstance(module, ConvBlock):
            # one group a filter: (O, G, 1, width) to (G * O, 1, 1, width)
            weight = module.conv.weight[:, rows].transpose(0, 1).flatten(0, 1).unsqueeze(1)
            found = F.conv2d(inputs, weight, groups=inputs.shape[1])
            yield rows, found.unflatten(1, (inputs.shape[1], -1))
        else:
            weight = _dense(module).weight.unflatten(1, (num_filters, -1))[:, rows]
            yield rows, torch.einsum("bgp,ugp->bgu", inputs.squeeze(2), weight)


def _slices(num_filters: int) -> Iterator[slice]:
    """Filters to silence at a time."""
    for first in range(0, num_filters, _FILTERS):
        yield slice(first, min(first + _FILTERS, num_filters))


def _dense(module: nn.Module) -> nn.Linear:
    return cast(nn.Linear, module.dense if isinstance(module, DenseBlock) else module)


def _finish(module: nn.Module, mapped: Tensor) -> Tensor:
    """What a module makes of its linear map's result."""
    return module.finish(mapped) if isinstance(module, ConvBlock | DenseBlock) else mapped
