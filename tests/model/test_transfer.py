"""Transfer copies every layer but the output one."""

from typing import Any

import pytest
import torch
from torch import nn

from model.errors import ModelError
from model.network import build_network
from model.network_config import NetworkConfig
from model.transfer import transfer_hidden_layers


def small(num_tfs: int, seed: int, **fields: Any) -> Any:
    sizes: dict[str, Any] = {"conv_filters": (6, 6, 6), "dense_units": (12, 12), **fields}
    return build_network(NetworkConfig(num_tfs=num_tfs, **sizes), seed=seed)


def copies(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_layers_are_equal_the_output_is_new_and_the_source_untouched() -> None:
    source, target = small(5, seed=0), small(1, seed=1)
    source(torch.rand(4, 4, 200))  # moves the batch-norm statistics off their start
    source_before, target_before = copies(source), copies(target)
    layers = transfer_hidden_layers(source.state_dict(), target)
    assert layers == ["conv1", "conv2", "conv3", "dense1", "dense2"]
    for name, tensor in target.state_dict().items():
        expected = target_before if name.startswith("output.") else source_before
        assert torch.equal(tensor, expected[name]), name
    assert target.conv1.norm.num_batches_tracked == 1
    with torch.no_grad():
        for weight in target.parameters():
            weight.add_(1.0)
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, source_before[name]), name


def test_a_misfit_names_the_layer_and_both_shapes_and_copies_nothing() -> None:
    source, target = small(5, seed=0), small(1, seed=1, conv_filters=(6, 7, 6))
    before = copies(target)
    with pytest.raises(ModelError, match=r"conv2\.conv\.weight .*\(6, 6, 1, 7\).*\(7, 6, 1, 7\)"):
        transfer_hidden_layers(source.state_dict(), target)
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_layer_of_one_side_only_is_named() -> None:
    deep, shallow = small(1, seed=0), small(1, seed=0, dense_units=(12,))
    with pytest.raises(ModelError, match=r"dense2\.dense\.weight .* in the source only"):
        transfer_hidden_layers(deep.state_dict(), shallow)
    with pytest.raises(ModelError, match=r"dense2\.dense\.weight .* in the network only"):
        transfer_hidden_layers(shallow.state_dict(), deep)


def test_a_source_without_layers_is_refused() -> None:
    with pytest.raises(ModelError, match="no layer"):
        transfer_hidden_layers({}, small(1, seed=0))
