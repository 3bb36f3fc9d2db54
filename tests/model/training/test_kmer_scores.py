"""Gapped k-mers as a term of the logits: fitted, stored, explained, and left out of transfers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from data.packing import pack
from model.checkpoint import load, save
from model.device import one_thread
from model.encoding import encode_one_hot, to_tensor
from model.errors import ModelError
from model.gapped_kmers import MAX_SPAN
from model.interpretation.attribution import attribute
from model.kmer_term import GappedKmersTerm
from model.network import BindingNetwork, build_network
from model.network_config import NetworkConfig
from model.prediction import predict
from model.training.batches import Examples
from model.training.kept_features import hidden_digest
from model.training.kmer_scores import fit_kmers
from model.training.loop import TrainingConfig, TrainingContext, TrainingResult, train
from model.training.motif_choice import MotifLibrary, Profile, balanced_folds
from model.transfer import transfer_hidden_layers

SMALL = NetworkConfig(num_tfs=1, conv_filters=(8, 8, 8), dense_units=(16, 16))
PROBE = TrainingConfig(lr=0.001, max_epochs=0, probe=0.001)
SITE = "CACNNGTG"


@pytest.fixture(autouse=True)
def _single_thread() -> Iterator[None]:
    with one_thread():
        yield


def regions(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed regions; a bound one has five sites with two free bases, of either strand."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (num, 200)).astype(np.uint8)
    bound = np.arange(num) % 2 == 0
    for row in np.flatnonzero(bound):
        for number in range(5):
            at = 40 * number + rng.integers(0, 30)
            for offset, base in enumerate(SITE):
                if base != "N":
                    codes[row, at + offset] = "ACGT".index(base)
    return pack(codes), bound


def network_with_term(num_tfs: int = 1) -> tuple[BindingNetwork, np.ndarray]:
    network = build_network(NetworkConfig(**{**vars(SMALL), "num_tfs": num_tfs}), seed=0)
    assert isinstance(network, BindingNetwork)
    table = np.random.default_rng(0).normal(scale=0.1, size=(4**6, num_tfs)).astype(np.float32)
    network.set_gapped_kmers(table, 6)
    return network.eval(), table


def trained(*, gapped_kmers: bool) -> tuple[BindingNetwork, TrainingResult]:
    network = build_network(SMALL, seed=0)
    assert isinstance(network, BindingNetwork)
    packed, bound = regions(300, seed=1)
    known = Examples(packed, bound[:, None].astype(np.int8))
    val = Examples(packed[:40], bound[:40, None].astype(np.int8))
    odds = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)
    others = (Profile(name="of no use", log_odds=odds),)
    library = MotifLibrary(own=(), others=others, many=True, gapped_kmers=gapped_kmers)
    result = train(network, known, val, PROBE, seed=0, context=TrainingContext(motifs=library))
    return network.eval(), result


def test_the_term_sums_what_the_table_has_for_each_place():
    network, table = network_with_term(num_tfs=2)
    packed, _ = regions(3, seed=2)
    term = network.kmers_term
    assert term is not None
    one_hot = encode_one_hot(to_tensor(packed))
    bases = one_hot.argmax(dim=1).numpy()
    expected = np.zeros((3, 2))
    for row in range(3):
        for place in range(195):
            number = int("".join(map(str, bases[row, place : place + 6])), 4)
            expected[row] += table[number]
    with torch.no_grad():
        np.testing.assert_allclose(term(one_hot).numpy(), expected, atol=1e-4)


def test_contributions_of_the_term_add_up_and_lie_where_sequences_differ():
    network, _ = network_with_term()
    term = network.kmers_term
    assert term is not None
    packed, _ = regions(2, seed=2)
    here = encode_one_hot(to_tensor(packed)).contiguous()
    there = here.clone()
    there[:, :, 50:53] = here[:, :, 50:53].flip(1)  # complements: all three bases differ
    with torch.no_grad():
        difference = (term(here) - term(there))[:, 0]
    found = term.contributions(here, there, 0)
    torch.testing.assert_close(found.sum(dim=1), difference, atol=1e-4, rtol=1e-4)
    assert (found[:, 50:53] != 0).all()
    assert not found[:, :50].any()
    assert not found[:, 53:].any()


def test_a_network_with_the_term_is_stored_explained_and_lends_its_layers(tmp_path: Path):
    network, _ = network_with_term()
    packed, _ = regions(4, seed=3)
    save(tmp_path, network, network.config)
    np.testing.assert_array_equal(predict(load(tmp_path), packed), predict(network, packed))
    explained = attribute(network, packed[:2], num_references=3)
    assert explained.max_error < 1e-3
    assert isinstance(network.kmers_term, GappedKmersTerm)
    plain = build_network(SMALL, seed=0).eval()
    without = attribute(plain, packed[:2], num_references=3)
    assert not np.allclose(explained.contributions, without.contributions)
    transfer_hidden_layers(network.state_dict(), plain)
    assert hidden_digest(plain) == hidden_digest(network)


@pytest.mark.slow
def test_held_out_scores_are_of_regions_that_nothing_was_fitted_to():
    packed, bound = regions(200, seed=4)
    folds = balanced_folds(bound, seed=0)
    whole, held_out = fit_kmers(packed, bound, folds)
    assert whole.table.shape == (4**MAX_SPAN,)
    assert ((held_out > 0) == bound).mean() > 0.7
    others, is_bound = regions(200, seed=5)
    assert ((whole.of(others) > 0) == is_bound).mean() > 0.7
    # shuffled labels are learnt by heart, and held-out scores say so
    shuffled = np.random.default_rng(0).permutation(bound)
    whole, held_out = fit_kmers(packed, shuffled, folds)
    assert ((whole.of(packed) > 0) == shuffled).mean() > 0.95
    assert ((held_out > 0) == shuffled).mean() < 0.65
    with pytest.raises(ModelError, match="both are needed"):
        fit_kmers(packed, np.ones(200, dtype=np.bool_), folds)


@pytest.mark.slow
def test_gapped_k_mers_know_what_no_motif_of_the_library_does():
    network, result = trained(gapped_kmers=True)
    plain, without = trained(gapped_kmers=False)
    assert plain.kmers_term is None
    found, alone = result.many_motifs, without.many_motifs
    assert found is not None
    assert alone is not None
    assert alone.kmer_table is None
    assert alone.kmers_weight == 0
    assert found.kmers_weight > 0.5
    assert found.loss < 0.8 * alone.loss
    packed, bound = regions(300, seed=9)
    right = [((predict(one, packed)[:, 0] >= 0.5) == bound).mean() for one in (network, plain)]
    assert right[0] > right[1]


@pytest.mark.parametrize("span", [-1, 13, 1.5])
def test_an_impossible_span_is_told(span: int):
    with pytest.raises(ValueError, match=r"kmer_span|whole number"):
        NetworkConfig(num_tfs=1, kmer_span=span)
