"""The output layer alone: logistic regression on features, beside torch's own minimum of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from model.encoding import encode_one_hot, reverse_complement
from model.errors import ModelError
from model.network import build_network
from model.network_config import NetworkConfig
from model.training.batches import Examples
from model.training.loop import TrainingConfig, train
from model.training.probe import fit_output_layer, hidden_features

PROBE = TrainingConfig(lr=0.001, max_epochs=0, probe=0.1)


def small(num_tfs: int = 1) -> Any:
    config = NetworkConfig(num_tfs=num_tfs, conv_filters=(8, 8, 8), dense_units=(16, 16))
    return build_network(config, seed=0)


def examples(num: int, num_tfs: int = 1, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (num, num_tfs)).astype(np.int8)
    labels[:2] = [[0], [1]]
    return Examples(rng.integers(0, 256, (num, 50), dtype=np.uint8), labels)


def test_features_are_what_the_output_layer_sees_of_both_strands() -> None:
    network = small().eval()
    sequences = examples(7).sequences
    features = torch.from_numpy(hidden_features(network, sequences))
    packed = torch.from_numpy(sequences)
    with torch.no_grad():
        of_strands = [
            network(encode_one_hot(strand)) for strand in (packed, reverse_complement(packed))
        ]
        expected = (of_strands[0] + of_strands[1]) / 2
        torch.testing.assert_close(network.output(features), expected, rtol=1e-4, atol=1e-5)


def test_the_fit_is_the_minimum_of_the_penalized_loss() -> None:
    network, known = small(), examples(60)
    fit_output_layer(network, known, 0.1)
    features = torch.from_numpy(hidden_features(network, known.sequences)).double()
    center = features.mean(0)
    scale = (features - center).std(unbiased=False)
    scaled = (features - center) / scale
    labels = torch.from_numpy(known.labels[:, 0]).double()
    weight = (network.output.weight.detach()[0].double() * scale).requires_grad_()
    bias = (network.output.bias.detach()[0].double() + weight.detach() / scale @ center).clone()
    bias.requires_grad_()
    loss = F.binary_cross_entropy_with_logits(scaled @ weight + bias, labels, reduction="sum")
    (loss + weight.square().sum() / 2 / 0.1).backward()
    assert weight.grad is not None and weight.grad.abs().max() < 0.01
    assert bias.grad is not None and abs(float(bias.grad)) < 0.01


def test_hidden_layers_stay_and_the_validation_regions_are_learnt_from() -> None:
    network, fewer = small(), small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    result = train(network, examples(40), examples(10, seed=1), PROBE, seed=0)
    assert result.history == () and result.best_epoch == 0
    after = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"output.weight", "output.bias"}
    fit_output_layer(fewer, examples(40), 0.1)
    assert not torch.equal(fewer.output.weight, network.output.weight)
    fit_output_layer(fewer, examples(40).and_also(examples(10, seed=1)), 0.1)
    assert torch.equal(fewer.output.weight, network.output.weight)


def test_epochs_after_the_probe_go_on_from_it_without_the_validation_regions() -> None:
    network, probed = small(), small()
    config = replace(PROBE, max_epochs=1, lr=1e-12, batch_size=20, fixed_norm=True)
    train(network, examples(40), examples(10, seed=1), config, seed=0)
    fit_output_layer(probed, examples(40), 0.1)
    torch.testing.assert_close(network.output.weight, probed.output.weight, rtol=1e-5, atol=1e-8)


def test_unresolved_cells_have_no_part_in_the_fit() -> None:
    known = examples(40, num_tfs=2)
    labels = known.labels.copy()
    labels[20:, 0] = -1
    both, first = small(2), small()
    fit_output_layer(both, Examples(known.sequences, labels), 0.1)
    first.load_state_dict(
        {name: t[:1] if name.startswith("output") else t for name, t in both.state_dict().items()}
    )
    expected = both.output.weight[0].clone()
    fit_output_layer(first, Examples(known.sequences[:20], labels[:20, :1]), 0.1)
    torch.testing.assert_close(first.output.weight[0], expected, rtol=1e-4, atol=1e-6)


def test_one_class_is_refused() -> None:
    known = examples(5)
    with pytest.raises(ModelError, match="5 bound and 0 unbound regions to fit"):
        fit_output_layer(small(), Examples(known.sequences, np.ones((5, 1), dtype=np.int8)), 0.1)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="probe is"):
        replace(PROBE, probe=strength)
