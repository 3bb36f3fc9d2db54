"""Shapes, layers and seeds of the paper's network."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from model.network import build_network
from model.network_config import NetworkConfig


def build(num_tfs: int = 1, seed: int = 0) -> Any:
    return build_network(NetworkConfig(num_tfs=num_tfs), seed=seed)


@pytest.mark.parametrize("num_tfs", [1, 5, 50])
def test_logits_have_a_column_for_each_tf(num_tfs: int) -> None:
    assert build(num_tfs)(torch.rand(3, 4, 200)).shape == (3, num_tfs)


def test_layers_have_the_sizes_of_the_paper() -> None:
    network = build()
    sizes: list[tuple[int, int]] = []
    hidden = torch.rand(2, 4, 1, 200)
    for number, filters in ((1, 100), (2, 200), (3, 200)):
        block = getattr(network, f"conv{number}")
        positions = block.activations(hidden)
        hidden = block(hidden)
        assert positions.shape[1] == hidden.shape[1] == filters
        sizes.append((positions.shape[3], hidden.shape[3]))
    assert sizes == [(182, 60), (54, 18), (15, 5)]
    assert NetworkConfig(num_tfs=1).layer_lengths() == tuple(sizes)
    assert network.dense1.dense.weight.shape == (1000, 1000)
    # weights and biases of the convolutions, dense layers and output; two a channel for norms
    convolutions = 4 * 19 * 100 + 100 + 100 * 7 * 200 + 200 + 200 * 4 * 200 + 200
    norms = 2 * (100 + 200 + 200 + 1000 + 1000)
    expected = convolutions + 2 * (1000 * 1000 + 1000) + 1000 + 1 + norms
    assert sum(weight.numel() for weight in network.parameters()) == expected


def test_equals_the_network_of_the_paper_written_in_one_dimension() -> None:
    ours = build(5)
    hidden = inputs = torch.rand(4, 4, 200)
    for number in (1, 2, 3):
        block = getattr(ours, f"conv{number}")
        hidden = F.conv1d(hidden, block.conv.weight.squeeze(2), block.conv.bias)
        hidden = F.batch_norm(hidden, None, None, block.norm.weight, block.norm.bias, training=True)
        hidden = F.max_pool1d(F.relu(hidden), 3)
    hidden = hidden.flatten(1)
    for number in (1, 2):
        block = getattr(ours, f"dense{number}")
        hidden = F.linear(hidden, block.dense.weight, block.dense.bias)
        hidden = F.batch_norm(hidden, None, None, block.norm.weight, block.norm.bias, training=True)
        hidden = F.relu(hidden)
        block.dropout.p = 0.0
    expected = ours.output(hidden)
    torch.testing.assert_close(ours(inputs), expected, rtol=1e-4, atol=1e-4)


def test_dropout_is_that_of_the_paper() -> None:
    dropouts = [module.p for module in build().modules() if isinstance(module, nn.Dropout)]
    assert dropouts == [0.3, 0.3]


def test_same_seed_same_weights_and_another_seed_others() -> None:
    first, again, other = build(seed=0), build(seed=0), build(seed=1)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(first.output.weight, other.output.weight)


def test_building_leaves_the_random_state_of_the_caller() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_any_number_of_layers() -> None:
    config = NetworkConfig(num_tfs=2, conv_filters=(6,), conv_widths=(9,), dense_units=())
    assert build_network(config, seed=0)(torch.rand(3, 4, 200)).shape == (3, 2)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"num_tfs": 0}, "num_tfs"),
        ({"name": "papr"}, "paper"),
        ({"dropout": 1.0}, "dropout"),
        ({"conv_filters": (10, 10)}, "differ in length"),
        ({"conv_widths": (19, 0, 4)}, "1 or more"),
        ({"length_bp": 60}, "too short"),
    ],
)
def test_a_config_out_of_range_is_refused(fields: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NetworkConfig(**{"num_tfs": 1, **fields})


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        build(seed=-1)
