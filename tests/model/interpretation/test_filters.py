"""Subsequences that activate filters: by hand, and beside the rule written as plain loops."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from model.encoding import encode_one_hot, reverse_complement
from model.errors import ModelError
from model.interpretation.filters import conv_blocks, correctly_predicted, count_subsequences
from model.network import build_network
from model.network_config import NetworkConfig

BASES = "ACGT"


def packed(*sequences: str) -> np.ndarray:
    """Packed bases; lengths are multiples of 4."""
    codes = np.array([[BASES.index(base) for base in text] for text in sequences])
    by_byte = codes.reshape(len(codes), -1, 4)
    return (by_byte << np.array([0, 2, 4, 6])).sum(axis=2).astype(np.uint8)


def one_filter(words: str, length_bp: int = 12) -> Any:
    """Network of one convolution: filter i counts the bases that agree with word i."""
    filters = words.split()
    config = NetworkConfig(
        num_tfs=1,
        length_bp=length_bp,
        conv_filters=(len(filters),),
        conv_widths=(len(filters[0]),),
        dense_units=(),
    )
    network: Any = build_network(config, seed=0)
    conv, norm = network.conv1.conv, network.conv1.norm
    with torch.no_grad():
        conv.bias.zero_()
        conv.weight.zero_()
        for row, word in enumerate(filters):
            for position, base in enumerate(word):
                conv.weight[row, BASES.index(base), 0, position] = 1.0
    norm.eps = 0.0
    return network


def random_network(seed: int = 0) -> Any:
    config = NetworkConfig(
        num_tfs=2, length_bp=60, conv_filters=(6, 5), conv_widths=(7, 3), dense_units=(8,)
    )
    network: Any = build_network(config, seed=seed)
    torch.manual_seed(seed)
    for block in conv_blocks(network):
        state = block.norm.state_dict()
        for name, sd in (("weight", 1.0), ("bias", 0.5), ("running_mean", 0.1)):
            state[name].normal_(std=sd)
        state["running_var"].uniform_(0.05, 0.2)
    return network.eval()


def random_regions(num: int, num_bytes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num, num_bytes)).astype(np.uint8)


def by_loops(activations: np.ndarray, one_hot: np.ndarray, stride: int, width: int) -> tuple:
    """Counts by position and base, sites and regions; activations (2 strands, n, F, P)."""
    num_filters = activations.shape[2]
    counts = np.zeros((num_filters, 4, width), dtype=int)
    regions: list[set[int]] = [set() for _ in range(num_filters)]
    threshold = activations.max(axis=(0, 1, 3)) / 2
    for strand, region, f, position in np.argwhere(activations > threshold[:, None]).tolist():
        start = position * stride
        counts[f] += one_hot[strand, region, :, start : start + width].astype(int)
        regions[f].add(region)
    return counts, counts[:, :, 0].sum(axis=1), [len(found) for found in regions]


def both_strands(regions: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(regions)
    return torch.stack([encode_one_hot(x) for x in (tensor, reverse_complement(tensor))])


def test_a_filter_by_hand():
    # at most 4 bases agree, so windows with 3 count: GATT and GAAT, on both strands
    found = count_subsequences(
        one_filter("GATT"), packed("CCCCGATTCCCC", "CCCCAATCCCCC", "CCCCCCCCCCCC")
    )
    # GATT forwards and GAAT backwards in the first region, GATT backwards in the second
    assert found.max_activation.tolist() == [4.0]
    assert found.num_subsequences.tolist() == [3]
    assert found.num_regions.tolist() == [2]
    a, c, g, t = found.counts[0].tolist()
    assert (a, c, g, t) == ([0, 3, 1, 0], [0, 0, 0, 0], [3, 0, 0, 0], [0, 0, 2, 3])
    assert found.frequencies[0, 0].tolist() == pytest.approx([0, 1, 1 / 3, 0])
    assert (found.layer, found.width_bp, found.num_scanned) == (1, 4, 3)


def test_exactly_half_of_the_maximum_is_not_above_it():
    found = count_subsequences(one_filter("AAAA"), packed("AAAACCCCCCCC", "AACCCCCCCCCC"))
    # AAAA 4 and AAAC 3 in the first region; AACC 2 is half
    assert found.num_subsequences.tolist() == [2]
    assert found.num_regions.tolist() == [1]


def test_the_background_is_that_of_both_strands():
    found = count_subsequences(one_filter("AAAA"), packed("AAAACCCCCCCC"))
    assert found.background.tolist() == pytest.approx([1 / 6, 1 / 3, 1 / 3, 1 / 6])


def test_the_last_window_counts():
    found = count_subsequences(one_filter("GATTACA"), packed("CCCCCGATTACA"))
    assert found.num_subsequences.tolist() == [1]
    assert found.counts[0].argmax(axis=0).tolist() == [BASES.index(base) for base in "GATTACA"]


def test_a_filter_that_never_fires_and_one_turned_over():
    network = one_filter("ACGT ACGT")
    with torch.no_grad():
        network.conv1.norm.weight[:] = torch.tensor([1.0, -1.0])
        network.conv1.norm.bias[:] = torch.tensor([-5.0, 2.0])
    found = count_subsequences(network, packed("AAAAAAAAAAAA"))
    # at most 4 less 5; and 2 less the one base that agrees, in 9 windows a strand
    assert found.num_subsequences.tolist() == [0, 18]
    assert found.max_activation.tolist() == [0.0, 1.0]
    assert not found.counts[0].any()
    assert not found.frequencies[0].any()


@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_equals_the_papers_rule_in_plain_loops(num_threads):
    network, regions = random_network(), random_regions(40, 15)
    inputs = both_strands(regions)
    block = random_network().double().conv1
    with torch.no_grad():
        activations = block.activations(inputs.flatten(0, 1).double().unsqueeze(2)).squeeze(2)
    expected = by_loops(activations.unflatten(0, (2, -1)).numpy(), inputs.numpy(), 1, 7)
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        found = count_subsequences(network, regions)
    finally:
        torch.set_num_threads(before)
    for ours, theirs in zip(
        (found.counts, found.num_subsequences, found.num_regions), expected, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(
        found.max_activation, np.maximum(activations.numpy().max((0, 2)), 0), rtol=1e-12
    )
    assert found.num_subsequences.min() > 0
    assert found.num_subsequences.max() < 2000, "of 4320 windows"


def test_a_deeper_layer_counts_windows_of_its_receptive_field():
    network, regions = random_network(1), random_regions(700, 15)
    inputs = both_strands(regions)
    with torch.no_grad():
        hidden = network.conv1(inputs.flatten(0, 1).unsqueeze(2))
        activations = network.conv2.activations(hidden).squeeze(2)
    found = count_subsequences(network, regions, layer=2)
    # 7 bp, pooled by 3: 9; two more positions of 3 bp
    assert found.width_bp == 15
    expected = by_loops(activations.unflatten(0, (2, -1)).numpy(), inputs.numpy(), 3, 15)
    np.testing.assert_array_equal(found.counts, expected[0])
    np.testing.assert_array_equal(found.num_regions, expected[2])


def test_filters_longer_than_twenty_bases():
    network = one_filter("ACGTACGTACGTACGTACGTACGTA", length_bp=40)
    found = count_subsequences(network, random_regions(200, 10))
    inputs = both_strands(random_regions(200, 10))
    with torch.no_grad():
        activations = network.conv1.eval().activations(inputs.flatten(0, 1).unsqueeze(2)).squeeze(2)
    expected = by_loops(activations.unflatten(0, (2, -1)).numpy(), inputs.numpy(), 1, 25)
    np.testing.assert_array_equal(found.counts, expected[0])


def test_the_network_is_left_as_it_is():
    network = random_network().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for layer in (1, 2):
        count_subsequences(network, random_regions(10, 15), layer=layer)
    assert network.training
    assert network.conv1.norm.training
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])


def test_a_region_is_right_if_all_of_its_resolved_labels_are():
    labels = np.array([[1, 0], [1, 0], [1, np.nan], [np.nan, np.nan], [0, 0]], dtype=np.float32)
    predicted = np.array([[0.5, 0.4], [0.9, 0.5], [0.7, 0.9], [0.9, 0.9], [0.1, 0.2]], np.float32)
    assert correctly_predicted(predicted, labels).tolist() == [True, False, True, False, True]
    with pytest.raises(ModelError, match="column for each TF"):
        correctly_predicted(predicted[:, :1], labels)


def test_what_cannot_be_read_is_refused():
    network, regions = random_network(), random_regions(10, 15)
    with pytest.raises(ModelError, match="no convolution 3; the network has 2"):
        count_subsequences(network, regions, layer=3)
    with pytest.raises(ModelError, match="no region is predicted correctly"):
        count_subsequences(network, regions[:0])
    with pytest.raises(ModelError, match="does not begin with convolutions"):
        count_subsequences(nn.Sequential(nn.Flatten(), nn.Linear(240, 1)), regions)
