"""Silencing a filter: equal to a network in which it is cut out, whatever follows it."""

import numpy as np
import pytest
import torch
from torch import nn

from model.encoding import encode_one_hot
from model.errors import ModelError
from model.interpretation.importance import filter_importance
from tests.model.interpretation.test_filters import random_network, random_regions


def silenced_logits(network, inputs, layer, index):
    """Logits when a hook sets a filter's activation to 0."""

    def cut(_module, _arguments, output):
        output = output.clone()
        output[:, index] = 0
        return output

    handle = network.get_submodule(f"conv{layer}.relu").register_forward_hook(cut)
    try:
        with torch.no_grad():
            return network(inputs)
    finally:
        handle.remove()


@pytest.mark.parametrize("layer", [1, 2])
def test_equals_a_network_in_which_the_filter_is_cut_out(layer):
    network, regions = random_network(), random_regions(70, 15)
    inputs = encode_one_hot(torch.from_numpy(regions))
    with torch.no_grad():
        logits = network(inputs)
    found = filter_importance(network, regions, layer=layer)
    num_filters = network.config.conv_filters[layer - 1]
    assert found.squared_change.shape == found.logit_change.shape == (num_filters, 2)
    assert found.num_regions == 70
    for index in range(num_filters):
        others = silenced_logits(network, inputs, layer, index)
        np.testing.assert_allclose(
            found.logit_change[index], (logits - others).mean(0), rtol=1e-3, atol=1e-6
        )
        squared = (logits.sigmoid() - others.sigmoid()).square().mean(0)
        np.testing.assert_allclose(found.squared_change[index], squared, rtol=1e-3, atol=1e-9)
    assert np.abs(found.logit_change).max() > 1e-3


def test_a_filter_that_nothing_reads_has_no_importance():
    network, regions = random_network(), random_regions(20, 15)
    with torch.no_grad():
        network.conv2.conv.weight[:, 3] = 0
    found = filter_importance(network.train(), regions)
    assert network.training
    # a processor's matrix product may round otherwise in another batch, far below any real change
    np.testing.assert_allclose(found.squared_change[3], 0, atol=1e-12)
    np.testing.assert_allclose(found.logit_change[3], 0, atol=1e-6)
    assert (found.squared_change > 1e-10).any(axis=1).sum() >= 4


def test_what_cannot_be_silenced_is_refused():
    network, regions = random_network(), random_regions(10, 15)
    with pytest.raises(ModelError, match="no convolution 3; the network has 2"):
        filter_importance(network, regions, layer=3)
    with pytest.raises(ModelError, match="no region"):
        filter_importance(network, regions[:0])
    with pytest.raises(ModelError, match="Sequential cannot be silenced"):
        filter_importance(nn.Sequential(nn.Flatten(), nn.Linear(240, 1)), regions)
