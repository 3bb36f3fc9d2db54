"""Transfer of weights: every layer but the output one (Novakovsky et al. 2021, Methods)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.errors import ModelError
from model.motif_term import is_term_layer
from model.network import OUTPUT_LAYER


def transfer_hidden_layers(source_state: Mapping[str, Tensor], network: nn.Module) -> list[str]:
    """Copy all layers of a trained network but its output layer, batch-norm statistics included.

    Nothing is copied unless everything fits. The source is left untouched and shares no memory
    with the network afterwards.

    Parameters
    ----------
    source_state
        State dict of the pre-trained network.
    network
        Changed in place; its output layer stays as it is.

    Returns
    -------
    list of str
        Names of the copied layers, in order, such as ``["conv1", ..., "dense2"]``.

    Raises
    ------
    ModelError
        A layer is in one of the two networks only, or differs in shape; names it, and both shapes.
    """
    target = _hidden_tensors(network.state_dict())
    source = _hidden_tensors(source_state)
    if not source:
        raise ModelError("the source has no layer to transfer; give a trained network's state")
    for name in [*target, *(name for name in source if name not in target)]:
        if name not in source or name not in target:
            where = "network" if name in target else "source"
            raise ModelError(
                f"cannot transfer: layer {name} (shape {_shape({**source, **target}[name])}) is in"
                f" the {where} only; build the network with the source's sizes"
            )
        if source[name].shape != target[name].shape:
            raise ModelError(
                f"cannot transfer: layer {name} has shape {_shape(source[name])} in the source and"
                f" {_shape(target[name])} in the network; build it with the source's sizes"
            )
    with torch.no_grad():
        for name, tensor in target.items():
            tensor.copy_(source[name])
    return list(dict.fromkeys(name.split(".")[0] for name in target))


def _hidden_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor
        for name, tensor in state.items()
        if not (name.startswith(f"{OUTPUT_LAYER}.") or is_term_layer(name))
    }


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
