"""Predictions of a network: strands, and the state in which the network is left."""

import numpy as np
import pytest
import torch

from model.encoding import OneHotEncoder, reverse_complement, to_tensor
from model.network import build_network
from model.network_config import NetworkConfig
from model.prediction import both_strand_logits, predict

CONFIG = NetworkConfig(num_tfs=2, conv_filters=(8, 8, 8), dense_units=(16, 16))


def sequences(num: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, 50), dtype=np.uint8)


@pytest.mark.slow
def test_strands_are_averaged_as_probabilities_or_as_logits() -> None:
    network, packed = build_network(CONFIG, seed=0), sequences(7)
    forward = to_tensor(packed)
    network.eval()
    with torch.inference_mode():
        encode = OneHotEncoder()
        strands = [network(encode(one)) for one in (forward, reverse_complement(forward))]
    logits = torch.stack(strands)
    torch.testing.assert_close(
        torch.from_numpy(predict(network, packed, both_strands=True)), logits.sigmoid().mean(0)
    )
    torch.testing.assert_close(
        torch.from_numpy(both_strand_logits(network, packed, output=1)), logits.mean(0)[:, 1]
    )
    torch.testing.assert_close(torch.from_numpy(predict(network, packed)), logits[0].sigmoid())


def test_predictions_of_nothing_have_the_networks_outputs() -> None:
    network = build_network(CONFIG, seed=0)
    assert predict(network, sequences(0)).shape == (0, 2)
    assert predict(network, sequences(0), both_strands=True).shape == (0, 2)
    assert both_strand_logits(network, sequences(0)).shape == (0,)


def test_the_mode_of_a_network_is_given_back_as_found() -> None:
    network = build_network(CONFIG, seed=0).train()
    network.conv1.eval()  # type: ignore[union-attr]
    before = [module.training for module in network.modules()]
    predict(network, sequences(3), both_strands=True)
    both_strand_logits(network, sequences(3))
    assert [module.training for module in network.modules()] == before
