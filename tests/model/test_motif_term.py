"""A motif's best hit as a term of the logits: its value, its fit, and what works as before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.motifs.database import jaspar_motifs
from data.motifs.scan import best_hits
from data.packing import pack, unpack
from model.checkpoint import load, load_state, save
from model.encoding import encode_one_hot, reverse_complement, to_tensor
from model.interpretation.attribution import attribute
from model.interpretation.importance import filter_importance
from model.network import BindingNetwork, build_network
from model.network_config import NetworkConfig
from model.prediction import predict
from model.training.batches import Examples
from model.training.loop import TrainingConfig, train
from model.training.probe import fit_motif_terms, fit_output_layer
from model.transfer import transfer_hidden_layers
from tests.helpers.tiny import MOTIF

SPI1 = jaspar_motifs()["SPI1"][0]
SMALL = NetworkConfig(num_tfs=1, conv_filters=(8, 8, 8), dense_units=(16, 16))
WITH_TERM = replace(SMALL, motif_width=SPI1.length_bp)
PROBE = TrainingConfig(lr=0.001, max_epochs=0, probe=0.001)


def regions(num: int, seed: int = 0, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Packed regions, the bound ones with a site of SPI1 somewhere; labels."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (num, 200)).astype(np.uint8)
    bound = rng.random(num) < share
    site = np.array(["ACGT".index(base) for base in MOTIF], dtype=np.uint8)
    for row in np.flatnonzero(bound):
        at = rng.integers(0, 200 - len(site))
        codes[row, at : at + len(site)] = site if rng.random() < 0.5 else 3 - site[::-1]
    return pack(codes), bound


def examples(num: int, seed: int = 0) -> Examples:
    packed, bound = regions(num, seed)
    return Examples(packed, bound[:, None].astype(np.int8))


def network_of(config: NetworkConfig = WITH_TERM, seed: int = 0) -> BindingNetwork:
    network: Any = build_network(config, seed=seed)
    for term in network.motif_terms:
        term.set_motif(SPI1.log_odds)
    return network.eval()


def test_scores_are_those_of_the_best_hits_on_either_strand():
    packed, _ = regions(50)
    [term] = network_of().motif_terms
    expected = best_hits(unpack(packed), SPI1).score
    for strand in (to_tensor(packed), reverse_complement(to_tensor(packed))):
        with torch.no_grad():
            found = term.scores(encode_one_hot(strand)).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        same = term.scores(encode_one_hot(to_tensor(packed))).numpy()
    np.testing.assert_allclose(same, expected, rtol=1e-4, atol=1e-4)


def test_before_it_is_fitted_it_changes_nothing():
    packed, _ = regions(10)
    with_term, without = network_of(), network_of(SMALL)
    with_term.load_state_dict(without.state_dict(), strict=False)
    np.testing.assert_array_equal(predict(with_term, packed), predict(without, packed))


@pytest.mark.parametrize(
    "config",
    [PROBE, TrainingConfig(lr=0.0003, max_epochs=3), replace(PROBE, max_epochs=2, lr=0.0001)],
    ids=["probe", "all layers", "both"],
)
def test_few_regions_are_enough_where_the_motif_says_it(config: TrainingConfig):
    few, many = examples(60, seed=1), regions(300, seed=2)
    accuracy = {}
    for term in (WITH_TERM, SMALL):
        network = network_of(term)
        train(network, few, examples(20, seed=3), config, seed=0)
        accuracy[term] = ((predict(network, many[0])[:, 0] >= 0.5) == many[1]).mean()
    assert accuracy[WITH_TERM] > 0.85
    assert accuracy[WITH_TERM] > accuracy[SMALL] + 0.15


def test_the_weight_is_learnt_with_the_others():
    network = network_of()
    config = TrainingConfig(lr=0.003, max_epochs=2)
    fitted = network_of()
    none = replace(config, max_epochs=0)
    train(fitted, examples(60), examples(20), none, seed=0)
    train(network, examples(60), examples(20), config, seed=0)
    [of_fit], [learnt] = fitted.motif_terms, network.motif_terms
    assert float(of_fit.weight.detach()) > 0
    assert float(learnt.weight.detach()) != float(of_fit.weight.detach())
    assert torch.equal(learnt.kernel, of_fit.kernel)


def test_a_motif_that_unbound_regions_have_by_chance_does_not_count_against_binding():
    packed, bound = regions(60)
    swapped = Examples(packed, (~bound)[:, None].astype(np.int8))
    with_term, without = network_of(), network_of(SMALL)
    for network in (with_term, without):
        fit_output_layer(network, swapped, 0.001)
    assert float(with_term.motif_terms[0].weight.detach()) == 0
    np.testing.assert_allclose(predict(with_term, packed), predict(without, packed), atol=1e-4)
    alone = network_of()
    fit_motif_terms(alone, swapped)
    assert float(alone.motif_terms[0].weight.detach()) == 0


def fitted_network() -> BindingNetwork:
    network = network_of()
    train(network, examples(60), examples(20), PROBE, seed=0)
    return network


def test_what_is_saved_predicts_the_same_and_starts_a_network_without_the_term(tmp_path: Path):
    network, (packed, _) = fitted_network(), regions(10)
    save(tmp_path, network, WITH_TERM)
    np.testing.assert_array_equal(predict(load(tmp_path), packed), predict(network, packed))
    other = network_of(SMALL, seed=5)
    assert transfer_hidden_layers(load_state(tmp_path), other)[-1] == "dense2"
    third = network_of(seed=6)
    assert transfer_hidden_layers(other.state_dict(), third)[-1] == "dense2"


@pytest.mark.slow
def test_contributions_of_bases_still_sum_to_the_logit():
    found = attribute(fitted_network(), regions(4, share=1)[0], num_references=5)
    assert found.max_error < 1e-3
    assert np.abs(found.contributions).sum() > 0.1


@pytest.mark.slow
def test_importance_of_filters_is_that_of_the_whole_logit():
    network, (packed, _) = fitted_network(), regions(6)
    found = filter_importance(network, packed)
    silenced = fitted_network()
    silenced.load_state_dict(network.state_dict())
    with torch.no_grad():
        first: Any = silenced.conv1
        first.norm.weight[0], first.norm.bias[0] = 0.0, 0.0
    change = predict(network, packed)[:, 0] - predict(silenced, packed)[:, 0]
    assert found.squared_change[0, 0] == pytest.approx(np.mean(change**2), rel=1e-3, abs=1e-12)


def test_a_motif_longer_than_the_sequence_is_refused():
    with pytest.raises(ValueError, match="motif_width is 201"):
        replace(SMALL, motif_width=201)
