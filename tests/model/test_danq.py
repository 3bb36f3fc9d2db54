"""DanQ: the authors' second network, and all that is done with networks, on it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from model.checkpoint import load, save
from model.encoding import encode_one_hot
from model.errors import ModelError
from model.interpretation.attribution import attribute
from model.interpretation.filters import count_subsequences
from model.interpretation.importance import filter_importance
from model.network import build_network
from model.network_config import published
from model.training.loop import Examples, TrainingConfig, train
from model.transfer import transfer_hidden_layers
from tests.model.interpretation.test_filters import both_strands, random_regions

SMALL = replace(
    published("danq", num_tfs=2),
    length_bp=60,
    conv_filters=(6,),
    conv_widths=(7,),
    pool_width=6,
    lstm_units=(5, 4),
    dense_units=(8,),
)
LAYERS = ("conv1", "lstm1", "lstm2", "dense1")


def small(num_tfs: int = 2, seed: int = 0) -> Any:
    return build_network(replace(SMALL, num_tfs=num_tfs), seed=seed).eval()


def test_layers_have_the_sizes_of_the_authors() -> None:
    config = published("danq", num_tfs=50)
    assert config.layer_lengths() == ((175, 13),)
    assert config.hidden_layers() == LAYERS
    network: Any = build_network(config, seed=0)
    convolution = 4 * 26 * 320 + 320
    # in each direction four gates, with two biases each
    first, second = (2 * 4 * 320 * (size + 320 + 2) for size in (320, 640))
    dense = 13 * 640 * 925 + 925 + 925 * 50 + 50
    assert sum(w.numel() for w in network.parameters()) == convolution + first + second + dense
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.5, 0.0, 0.0]
    assert not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in network.modules())


@pytest.mark.slow
def test_equals_the_authors_network_written_in_one_dimension() -> None:
    config = replace(SMALL, lstm_units=(5, 5))
    ours: Any = build_network(config, seed=0).eval()
    theirs = nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for number, block in enumerate((ours.lstm1, ours.lstm2)):
            for name, weight in block.lstm.named_parameters():
                getattr(theirs, name.replace("_l0", f"_l{number}")).copy_(weight)
        inputs = torch.rand(3, 4, 60)
        conv = ours.conv1.conv
        hidden = F.max_pool1d(F.relu(F.conv1d(inputs, conv.weight.squeeze(2), conv.bias)), 6)
        hidden, _ = theirs(hidden.transpose(1, 2))
        # the authors flatten positions first, we units first
        hidden = F.relu(ours.dense1.dense(hidden.transpose(1, 2).flatten(1)))
        torch.testing.assert_close(ours(inputs), ours.output(hidden), rtol=1e-4, atol=1e-5)


def test_all_layers_but_the_output_are_transferred(tmp_path: Path) -> None:
    source, target = small(5), small(1, seed=1)
    assert tuple(transfer_hidden_layers(source.state_dict(), target)) == LAYERS
    for name, tensor in target.state_dict().items():
        if not name.startswith("output."):
            assert torch.equal(tensor, source.state_dict()[name])
    save(tmp_path, target, replace(SMALL, num_tfs=1))
    inputs = torch.rand(3, 4, 60)
    assert torch.equal(load(tmp_path)(inputs), target(inputs))
    with pytest.raises(ModelError, match=r"layer conv1\.conv\.weight has shape \(6, 4, 1, 7\)"):
        transfer_hidden_layers(
            source.state_dict(), build_network(published("paper", num_tfs=1), seed=0)
        )


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_learns_the_same_twice_and_leaves_frozen_layers(precision: Any) -> None:
    rng = np.random.default_rng(0)
    bound = rng.random((60, 1)) < 0.5
    bits = rng.integers(0, 2, (60, 15, 4))
    bases = np.where(bound[:, :, None], 1 + bits, 3 * bits)  # of C and G, or of A and T
    regions = (bases << np.array([0, 2, 4, 6])).sum(axis=2).astype(np.uint8)
    examples = Examples(regions, bound.astype(np.float32))
    config = TrainingConfig(
        lr=0.02, batch_size=20, max_epochs=6, precision=precision, frozen=("conv1",), keep="last"
    )
    states = []
    for _ in range(2):
        network = small(1)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        result = train(network, examples, examples, config, seed=0)
        losses = [epoch.val_loss for epoch in result.history]
        assert losses[-1] < losses[0] / 2
        states.append(network.state_dict())
        for name, tensor in states[-1].items():
            assert torch.equal(tensor, before[name]) == name.startswith("conv1.")
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_its_filters_are_read_as_they_fire() -> None:
    network, regions = small(), random_regions(40, 15)
    found = count_subsequences(network, regions)
    with torch.no_grad():
        hidden = both_strands(regions).flatten(0, 1).unsqueeze(2)
        activations = network.conv1.activations(hidden)[:, :, 0].double().numpy()
    highest = activations.max(axis=(0, 2))
    np.testing.assert_allclose(found.max_activation, highest, rtol=1e-5)
    active = activations > highest[:, None] / 2
    assert found.num_subsequences.tolist() == active.sum(axis=(0, 2)).tolist()
    assert found.width_bp == 7
    with pytest.raises(ModelError, match="no convolution 2; the network has 1"):
        count_subsequences(network, regions, layer=2)


def test_importance_equals_a_network_in_which_the_filter_is_cut_out() -> None:
    network, regions = small(), random_regions(30, 15)
    with torch.no_grad():
        network.conv1.conv.bias[1] = -10.0  # never fires
        inputs = encode_one_hot(torch.from_numpy(regions))
        logits = network(inputs)
    found = filter_importance(network, regions)
    for index in range(6):
        with torch.no_grad():
            hidden = network.conv1(inputs.unsqueeze(2))
            hidden[:, index] = 0
            hidden = network.lstm2(network.lstm1(hidden)).flatten(1)
            others = network.output(network.dense1(hidden))
        np.testing.assert_allclose(
            found.logit_change[index], (logits - others).mean(0), rtol=1e-3, atol=1e-7
        )
    assert not found.logit_change[1].any()
    assert (np.abs(found.logit_change[[0, 2, 3, 4, 5]]) > 1e-6).all()


def test_bases_contribute_by_mutagenesis_and_deeplift_says_why_not() -> None:
    network, regions = small(), random_regions(2, 15)
    found = attribute(network, regions, method="mutagenesis")
    assert np.abs(found.contributions).max() > 1e-4
    with pytest.raises(ModelError, match=r"not exact on a recurrent network.*\(method mutagenesis"):
        attribute(network, regions)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"lstm_units": (4, 0)}, "1 or more"),
        ({"conv_dropout": 1.0}, "conv_dropout is 1.0"),
        ({"lstm_dropout": -0.1}, "lstm_dropout is -0.1"),
    ],
)
def test_a_config_out_of_range_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(SMALL, **fields)


def test_no_other_network_is_published() -> None:
    with pytest.raises(ValueError, match="'basset'; there are: paper, danq"):
        published("basset", num_tfs=1)
