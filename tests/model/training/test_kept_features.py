"""Features that are kept for other trainings from the same weights."""

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import BindingNetwork
from model.network_config import NetworkConfig
from model.training import kept_features
from model.training.kept_features import KeptFeatures, hidden_digest

SMALL = NetworkConfig(num_tfs=1, conv_filters=(4, 4, 4), dense_units=(8, 8), motif_width=7)


def sequences(num: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (num, 50), dtype=np.uint8)


class Computed:
    """Computes features, and notes how many sequences it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, some: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked.append(len(some))
        return some[:, :3].astype(np.float32)


def test_features_are_computed_once_for_each_sequence_and_come_in_the_order_asked_for() -> None:
    network, kept, compute = BindingNetwork(SMALL), KeptFeatures(), Computed()
    every = sequences(10)
    for rows in ([0, 1, 2, 1], [2, 0], [9, 1, 3]):
        found = kept.of(network, every[rows], compute)
        np.testing.assert_array_equal(found, every[rows, :3])
        found[:] = -1  # what a caller does to them changes nothing that is kept
    assert compute.asked == [3, 2]


def test_other_hidden_weights_have_other_features_and_the_output_layer_has_none() -> None:
    network, kept, compute = BindingNetwork(SMALL), KeptFeatures(), Computed()
    kept.of(network, sequences(5), compute)
    before = hidden_digest(network)
    with torch.no_grad():
        network.output.weight.add_(1)
        network.motif_terms[0].weight.add_(1)
    assert hidden_digest(network) == before
    kept.of(network, sequences(5), compute)
    network.get_buffer("conv1.norm.running_mean").add_(1)
    assert hidden_digest(network) != before
    kept.of(network, sequences(5), compute)
    assert compute.asked == [5, 5]


def test_more_sequences_than_are_kept_are_computed_and_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(kept_features, "MOST", 6)
    network, kept, compute = BindingNetwork(SMALL), KeptFeatures(), Computed()
    kept.of(network, sequences(4), compute)
    np.testing.assert_array_equal(kept.of(network, sequences(8), compute), sequences(8)[:, :3])
    kept.of(network, sequences(4), compute)
    assert compute.asked == [4, 8]
