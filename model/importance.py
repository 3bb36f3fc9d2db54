"""What the prediction owes to each filter: the change when the filter is silenced.

A filter is silenced by setting its activation to 0 everywhere, as if it never fired. Two measures,
both means over regions, forward strand, in eval mode:

- the squared change of the probability, which is the authors' (Novakovsky et al. 2021, and the
  Basset it follows);
- the change of the logit, with its sign: positive where the filter argues for binding.

What follows a convolution begins with a linear map, so a silenced filter's share is subtracted from
its result, for many filters at once; only what comes after is computed anew for each filter.

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

from model.batches import check_sequences, to_tensor
from model.encoding import encode_one_hot
from model.errors import ModelError
from model.filters import conv_blocks
from model.network import BindingNetwork, ConvBlock, DenseBlock

_BATCH: Final = 25
_FILTERS: Final = 20
"""Filters silenced at a time: 500 rows with the batch, some 40 MB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterImportance:
    """Mean change of the prediction when a filter is silenced."""

    squared_change: NDArray[np.float64]
    """Of the probability, squared, shape (F, T)."""
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
    modules = list(copy.deepcopy(network).cpu().eval().children())
    before, following, after = modules[:layer], modules[layer], modules[layer + 1 :]
    num_filters = network.config.conv_filters[layer - 1]
    squared = torch.zeros(num_filters, network.config.num_tfs, dtype=torch.float64)
    signed = torch.zeros_like(squared)
    with torch.inference_mode():
        for packed in to_tensor(sequences).split(_BATCH):
            hidden = encode_one_hot(packed).unsqueeze(2)
            for block in before:
                hidden = block(hidden)
            mapped = _linear(following, hidden)
            logits = _finish(following, after, mapped)
            for rows, shares in _shares(following, hidden):
                silenced = (mapped.unsqueeze(1) - shares).flatten(0, 1)
                others = _finish(following, after, silenced).unflatten(0, (len(packed), -1))
                change = logits.unsqueeze(1) - others
                signed[rows] += change.double().sum(0)
                probability_change = logits.sigmoid().unsqueeze(1) - others.sigmoid()
                squared[rows] += probability_change.double().square().sum(0)
    return FilterImportance(
        squared_change=(squared / len(sequences)).numpy(),
        logit_change=(signed / len(sequences)).numpy(),
        num_regions=len(sequences),
    )


def _linear(module: nn.Module, hidden: Tensor) -> Tensor:
    """What the linear map at the start of a module makes of (B, F, 1, P)."""
    if isinstance(module, ConvBlock):
        return module.conv(hidden)
    return _dense(module)(hidden.flatten(1))


def _shares(module: nn.Module, hidden: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Share of each filter in the linear map's result, (B, G, ...), some filters at a time."""
    num_filters = hidden.shape[1]
    for first in range(0, num_filters, _FILTERS):
        rows = slice(first, min(first + _FILTERS, num_filters))
        inputs = hidden[:, rows]
        if isinstance(module, ConvBlock):
            # one group a filter: (O, G, 1, width) to (G * O, 1, 1, width)
            weight = module.conv.weight[:, rows].transpose(0, 1).flatten(0, 1).unsqueeze(1)
            found = F.conv2d(inputs, weight, groups=inputs.shape[1])
            yield rows, found.unflatten(1, (inputs.shape[1], -1))
        else:
            weight = _dense(module).weight.unflatten(1, (num_filters, -1))[:, rows]
            yield rows, torch.einsum("bgp,ugp->bgu", inputs.squeeze(2), weight)


def _dense(module: nn.Module) -> nn.Linear:
    return cast(nn.Linear, module.dense if isinstance(module, DenseBlock) else module)


def _finish(module: nn.Module, after: Sequence[nn.Module], mapped: Tensor) -> Tensor:
    """Logits from the result of a module's linear map."""
    if isinstance(module, ConvBlock):
        hidden = module.relu(module.pool(module.norm(mapped)))
    elif isinstance(module, DenseBlock):
        hidden = module.relu(module.norm(mapped))
    else:
        hidden = mapped
    for block in after:
        hidden = block(hidden if isinstance(block, ConvBlock) else hidden.flatten(1))
    return hidden
