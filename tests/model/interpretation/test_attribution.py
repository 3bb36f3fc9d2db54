"""Contributions of bases: a linear network by hand, and the sum that DeepLIFT promises."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from data.packing import unpack
from model.encoding import encode_one_hot
from model.errors import ModelError
from model.interpretation.attribution import attribute
from tests.model.interpretation.test_filters import random_network, random_regions


class Linear(nn.Module):
    """A logit that is a sum over bases."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(4 * 20, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.output(inputs.flatten(1))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, batch_first=True)
        self.output = nn.Linear(3, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.output(self.lstm(inputs.transpose(1, 2))[0][:, -1])


def test_mutagenesis_of_a_linear_network_by_hand():
    torch.manual_seed(0)
    network, regions = Linear(), random_regions(3, 5)
    found = attribute(network, regions, method="mutagenesis")
    weights = network.output.weight.detach().view(4, 20).numpy()
    codes = unpack(regions)
    own = weights[codes, np.arange(20)]
    expected = own - (weights.sum(axis=0) - own) / 3
    np.testing.assert_allclose(found.contributions, expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(found.max_error)


@pytest.mark.slow
def test_mutagenesis_of_a_recurrent_network():
    torch.manual_seed(0)
    network, regions = Recurrent().train(), random_regions(2, 5)
    found = attribute(network, regions, method="mutagenesis")
    assert network.training
    inputs = encode_one_hot(torch.from_numpy(regions)).contiguous()
    base = unpack(regions)[1, 7]
    with torch.no_grad():
        logits = []
        for other in set(range(4)) - {int(base)}:
            mutant = inputs[1:].clone()
            mutant[0, :, 7] = 0
            mutant[0, other, 7] = 1
            logits.append(float(network(mutant)))
        own = float(network(inputs[1:]))
    assert found.logits[1] == pytest.approx(own, abs=1e-6)
    assert found.contributions[1, 7] == pytest.approx(own - np.mean(logits), abs=1e-6)
    with pytest.raises(ModelError, match="choose in-silico mutagenesis"):
        attribute(network, regions)


def test_deeplift_sums_to_the_difference_from_its_references():
    pytest.importorskip("tangermeme")
    network: Any = random_network()
    regions = random_regions(4, 15)
    with torch.no_grad():
        logits = network(encode_one_hot(torch.from_numpy(regions)))
    for target in range(2):
        found = attribute(network, regions, target=target)
        assert found.contributions.shape == (4, 60)
        np.testing.assert_allclose(found.logits, logits[:, target], rtol=1e-5)
        assert np.abs(found.contributions).max() > 1e-3
        assert found.max_error < 1e-5
    again = attribute(network, regions, target=1)
    np.testing.assert_array_equal(again.contributions, found.contributions)
    other = attribute(network, regions, target=1, seed=7)
    assert not np.array_equal(other.contributions, found.contributions)


def test_nothing_to_explain():
    with pytest.raises(ModelError, match="no region to explain"):
        attribute(Linear(), random_regions(1, 5)[:0])
