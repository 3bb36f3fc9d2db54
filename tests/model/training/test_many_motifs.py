"""The best hits of many motifs as a term: its value, its weights, and what goes on as before."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from data.packing import pack
from model.checkpoint import load, save
from model.device import one_thread
from model.encoding import encode_one_hot, reverse_complement, to_tensor
from model.errors import ModelError
from model.interpretation.attribution import attribute
from model.interpretation.importance import filter_importance
from model.motif_scan import best_scores
from model.motif_term import count_widths
from model.network import BindingNetwork, build_network
from model.network_config import NetworkConfig
from model.prediction import predict
from model.training.batches import Examples
from model.training.kept_features import hidden_digest
from model.training.loop import TrainingConfig, TrainingContext, TrainingResult, train
from model.training.many_motifs import PULLED_TO, joined
from model.training.motif_choice import MotifLibrary, Profile
from model.transfer import transfer_hidden_layers

SMALL = NetworkConfig(num_tfs=1, conv_filters=(8, 8, 8), dense_units=(16, 16))
PROBE = TrainingConfig(lr=0.001, max_epochs=0, probe=0.001)
SITES = ("TGACGTCATC", "GGGCGGGG", "CACGTGACTA", "AAACCACAAA", "CCATATTAGGT", "TTGCGCAAT")


@pytest.fixture(autouse=True)
def _single_thread() -> Iterator[None]:
    with one_thread():
        yield


def profile(site: str) -> Profile:
    chances = np.full((4, len(site)), 0.1 / 3)
    chances[["ACGT".index(base) for base in site], np.arange(len(site))] = 0.9
    return Profile(name=site, log_odds=np.log2(4 * chances).astype(np.float32))


def regions(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed regions; a bound one has two of the six sites, an unbound one hardly ever any."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (num, 200)).astype(np.uint8)
    bound = np.arange(num) % 2 == 0
    for row in np.flatnonzero(bound):
        for place, number in enumerate(rng.choice(len(SITES), 2, replace=False)):
            bases = np.array(["ACGT".index(base) for base in SITES[number]], dtype=np.uint8)
            at = 100 * place + rng.integers(0, 80)
            codes[row, at : at + len(bases)] = bases if rng.random() < 0.5 else 3 - bases[::-1]
    return pack(codes), bound


def network_with_term() -> tuple[BindingNetwork, list[np.ndarray], np.ndarray]:
    network = build_network(SMALL, seed=0)
    assert isinstance(network, BindingNetwork)
    motifs = [profile(site).log_odds for site in SITES]
    weights = np.linspace(-0.2, 0.3, len(SITES), dtype=np.float32)
    network.set_many_motifs(motifs, weights[None])
    return network.eval(), motifs, weights


@cache
def trained(*, many: bool, config: TrainingConfig = PROBE) -> tuple[BindingNetwork, TrainingResult]:
    network = build_network(SMALL, seed=0)
    assert isinstance(network, BindingNetwork)
    packed, bound = regions(160, seed=1)
    known = Examples(packed, bound[:, None].astype(np.int8))
    val = Examples(packed[:40], bound[:40, None].astype(np.int8))
    others = tuple(map(profile, SITES[1:]))
    library = MotifLibrary(own=(profile(SITES[0]),), others=others, many=many)
    context = TrainingContext(motifs=library)
    result = train(network, known, val, config, seed=0, context=context)
    return network.eval(), result


def test_the_term_is_the_weighted_sum_of_the_best_hits_on_either_strand():
    network, motifs, weights = network_with_term()
    packed, _ = regions(30, seed=2)
    expected = best_scores(packed, motifs) @ weights
    [term] = network.terms
    for strand in (to_tensor(packed), reverse_complement(to_tensor(packed))):
        with torch.no_grad():
            found = term(encode_one_hot(strand)).numpy()
        np.testing.assert_allclose(found[:, 0], expected, atol=1e-4)
    assert network.config.many_motif_counts == (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 3, 1)
    assert count_widths([]) == ()


def test_the_term_is_the_same_bits_with_gradients_and_without():
    network, _, _ = network_with_term()
    inputs = encode_one_hot(to_tensor(regions(6, seed=2)[0]))
    with torch.enable_grad():
        followed = network(inputs)
    with torch.inference_mode():
        assert torch.equal(network(inputs), followed)


def test_a_network_with_the_term_is_stored_explained_and_lends_its_layers(tmp_path: Path):
    network, _, _ = network_with_term()
    packed, _ = regions(6, seed=3)
    save(tmp_path, network, network.config)
    loaded = load(tmp_path)
    np.testing.assert_array_equal(predict(loaded, packed), predict(network, packed))
    explained = attribute(network, packed[:2], num_references=3)
    assert explained.max_error < 1e-3
    plain = build_network(SMALL, seed=0)
    transfer_hidden_layers(network.state_dict(), plain)
    assert hidden_digest(plain) == hidden_digest(network)
    # a filter is silenced in a network whose probabilities the term takes part in
    with_term = filter_importance(network, packed).squared_change
    assert not np.allclose(with_term, filter_importance(plain, packed).squared_change)


@pytest.mark.slow
def test_many_motifs_that_each_say_little_tell_held_out_regions_apart():
    network, result = trained(many=True)
    plain, alone = trained(many=False)
    assert alone.many_motifs is None
    assert result.many_motifs is not None
    assert result.many_motifs.loss < result.many_motifs.loss_before
    assert set(result.many_motifs.names) == set(SITES)
    assert (result.many_motifs.importance > 0).all()
    packed, bound = regions(300, seed=9)
    right = [((predict(one, packed)[:, 0] >= 0.5) == bound).mean() for one in (network, plain)]
    assert right[0] > right[1] + 0.03


def test_the_logits_are_those_of_the_network_and_of_the_regression_by_their_weights():
    network, result = trained(many=True)
    plain, _ = trained(many=False)
    many = result.many_motifs
    assert many is not None
    packed, _ = regions(20, seed=4)
    one_hot = encode_one_hot(to_tensor(packed))
    with torch.no_grad():
        before, after = (one(one_hot).numpy()[:, 0] for one in (plain, network))
    added = best_scores(packed, many.log_odds) @ many.weights + many.bias
    np.testing.assert_allclose(after, many.network_weight * before + added, atol=1e-3)


@pytest.mark.slow
def test_a_training_is_the_same_each_time_and_all_layers_cannot_be_trained():
    (one, _), (same, _) = trained(many=True), trained.__wrapped__(many=True)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name]), name
    with pytest.raises(ModelError, match="output layer that alone is fitted"):
        trained(many=True, config=replace(PROBE, max_epochs=1))


def test_weights_of_both_logits_stay_where_they_are_pulled_and_do_not_fall_below_0():
    bound = np.arange(200) % 2 == 0
    weights, bias = joined(np.zeros((200, 3)), bound)
    assert weights == pytest.approx(PULLED_TO, abs=1e-4)
    assert bias == pytest.approx(0, abs=1e-3)
    signal = np.where(bound, 1.0, -1.0) * np.linspace(0.5, 1, 200)
    (first, second), _ = joined(np.column_stack([signal, -5 * signal]), bound)
    assert second == 0
    assert first > PULLED_TO[0]


@pytest.mark.parametrize("counts", [(1,), (0, -1), (0, 1.5), (0,) * 201 + (1,)])
def test_a_config_of_impossible_motifs_is_told(counts: tuple[int, ...]):
    with pytest.raises(ValueError, match="many_motif_counts"):
        replace(SMALL, many_motif_counts=counts)
