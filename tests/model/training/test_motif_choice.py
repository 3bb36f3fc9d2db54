"""Motifs that regions choose for the terms of a network's logits."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch

from data.motifs.database import jaspar_matrices
from data.motifs.scan import best_hits
from data.packing import pack, unpack
from model.device import one_thread
from model.errors import ModelError
from model.motif_scan import best_scores
from model.network import BindingNetwork, build_network
from model.network_config import NetworkConfig
from model.prediction import predict
from model.training.batches import Examples
from model.training.loop import TrainingConfig, TrainingContext, TrainingResult, train
from model.training.motif_choice import (
    ChosenTerms,
    LabelledRegions,
    MotifLibrary,
    Profile,
    auroc_of,
    balanced_folds,
    choose_motifs,
    held_out_logits,
    rotated,
)
from model.training.motif_search import search_motif

SMALL = NetworkConfig(num_tfs=1, conv_filters=(8, 8, 8), dense_units=(16, 16))
PROBE = TrainingConfig(lr=0.001, max_epochs=0, probe=0.001)
SITE = "TGACGTCATC"
OTHERS = ("GGGCGGGGCC", "CACGTGACTA", "AAACCACAAA", "CCATATTAGG", "TTGCGCAATT")


@pytest.fixture(autouse=True)
def _single_thread() -> Iterator[None]:
    with one_thread():
        yield


def profile(site: str, name: str = "", sharpness: float = 0.9) -> Profile:
    codes = ["ACGT".index(base) for base in site]
    chances = np.full((4, len(site)), (1 - sharpness) / 3)
    chances[codes, np.arange(len(site))] = sharpness
    return Profile(name=name or site, log_odds=np.log2(4 * chances).astype(np.float32))


def regions(num: int, seed: int, site: str = SITE) -> tuple[np.ndarray, np.ndarray]:
    """Packed regions, four of five bound ones with a site on either strand; labels."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (num, 200)).astype(np.uint8)
    bound = np.arange(num) % 2 == 0
    bases = np.array(["ACGT".index(base) for base in site], dtype=np.uint8)
    for row in np.flatnonzero(bound):
        if rng.random() < 0.8:
            at = rng.integers(0, 200 - len(bases))
            codes[row, at : at + len(bases)] = bases if rng.random() < 0.5 else 3 - bases[::-1]
    return pack(codes), bound


def regions_of(num: int, seed: int = 0, site: str = SITE) -> LabelledRegions:
    """Regions whose features say nothing."""
    packed, bound = regions(num, seed, site)
    features = np.random.default_rng(seed).normal(size=(num, 30)).astype(np.float32)
    return LabelledRegions(sequences=packed, bound=bound, features=features)


def chosen(given: LabelledRegions, library: MotifLibrary) -> ChosenTerms:
    return choose_motifs(given, library, strength=0.001, seed=0)


def library(own: tuple[str, ...], others: tuple[str, ...] = OTHERS) -> MotifLibrary:
    return MotifLibrary(own=tuple(map(profile, own)), others=tuple(map(profile, others)))


@pytest.mark.slow
def test_all_profiles_at_once_score_as_one_after_the_other():
    packed, _ = regions(20, seed=3)
    motifs = jaspar_matrices()[:40]
    found = best_scores(packed, [motif.log_odds for motif in motifs])
    for column, motif in zip(found.T, motifs, strict=True):
        np.testing.assert_allclose(column, best_hits(unpack(packed), motif).score, atol=1e-3)


@pytest.mark.slow
def test_of_its_own_motifs_a_tf_takes_the_one_that_tells_its_regions_apart():
    found = chosen(regions_of(120), library((OTHERS[0], SITE), OTHERS[1:]))
    assert [one.kind for one in found.motifs][:1] == ["own"]
    assert found.motifs[0].name == SITE
    assert found.motifs[0].auroc > 0.8


@pytest.mark.slow
def test_without_a_motif_of_its_own_the_most_enriched_profile_is_taken():
    found = chosen(regions_of(120), library((), (*OTHERS, SITE)))
    assert (found.motifs[0].kind, found.motifs[0].name) == ("enriched", SITE)
    assert found.motifs[0].loss < found.motifs[0].loss_before - 0.1


@pytest.mark.slow
def test_where_nothing_like_it_is_known_a_motif_is_learnt():
    given = regions_of(300)
    found = chosen(given, library(()))
    [learnt] = [one for one in found.motifs if one.kind == "de novo"]
    assert learnt.name == ""
    assert learnt.like in OTHERS
    elsewhere, bound = regions(300, seed=9)
    assert auroc_of(best_scores(elsewhere, [learnt.log_odds]), bound)[0] > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_where_no_motif_tells_regions_apart_none_becomes_a_term(seed: int):
    given = regions_of(120, seed)
    at_random = np.random.default_rng(seed + 10).permutation(given.bound)
    found = chosen(replace(given, bound=at_random), library((), (*OTHERS, SITE)))
    assert found.motifs == ()
    assert found.held_out.shape == (120, 0)


def test_held_out_scores_of_a_chosen_motif_are_worse_than_those_that_chose_it():
    rng = np.random.default_rng(0)
    packed, bound = pack(rng.integers(0, 4, (80, 200)).astype(np.uint8)), np.arange(80) % 2 == 0
    sites = ["".join(rng.choice(list("ACGT"), 8)) for _ in range(200)]
    every = [profile(site).log_odds for site in sites]
    best = auroc_of(best_scores(packed, every), bound).max()
    own = library(tuple(sites), ())
    given = LabelledRegions(sequences=packed, bound=bound, features=np.zeros((80, 5), np.float32))
    found = chosen(given, own)
    assert best > 0.65
    assert found.motifs[0].auroc < best - 0.1


@pytest.mark.slow
def test_a_choice_is_the_same_each_time_and_another_seed_has_other_folds():
    given = regions_of(120)
    one, same = chosen(given, library(())), chosen(given, library(()))
    np.testing.assert_array_equal(one.held_out, same.held_out)
    assert (balanced_folds(given.bound, 1) != balanced_folds(given.bound, 2)).any()
    for label in (True, False):
        sizes = np.bincount(balanced_folds(given.bound, 1)[given.bound == label])
        assert np.ptp(sizes) == 0


def test_rotated_features_give_the_same_held_out_logits():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(40, 100)).astype(np.float32)
    bound = features[:, 0] > 0
    folds, none = balanced_folds(bound, 0), np.zeros((40, 0), np.float32)
    few, factor = rotated(features)
    assert few.shape == (40, 40)
    plain = held_out_logits(features, none, bound, folds, 0.01)
    found = held_out_logits(few, none, bound, folds, 0.01 * factor)
    np.testing.assert_allclose(found, plain, atol=0.02)


@pytest.mark.parametrize("num", [30, 300])
def test_main_components_are_those_of_the_singular_values(num: int):
    features = np.random.default_rng(2).normal(size=(num, 100)).astype(np.float32)
    found, factor = rotated(features)
    assert found.dtype == np.float32
    assert factor == pytest.approx(100 / min(num, 100))
    left, scale, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(abs(found), abs(left * scale), atol=2e-4)


def trained(
    motifs: MotifLibrary | None, config: TrainingConfig
) -> tuple[BindingNetwork, TrainingResult]:
    network = build_network(SMALL, seed=0)
    assert isinstance(network, BindingNetwork)
    packed, bound = regions(120, seed=1)
    examples = Examples(packed, bound[:, None].astype(np.int8))
    val = Examples(packed[:40], bound[:40, None].astype(np.int8))
    context = TrainingContext(motifs=motifs)
    return network, train(network, examples, val, config, seed=0, context=context)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [PROBE, TrainingConfig(lr=0.0003, max_epochs=1)], ids=["probe", "all layers"]
)
def test_a_training_gives_the_network_the_terms_that_its_regions_choose(config: TrainingConfig):
    network, result = trained(library((SITE,)), config)
    assert result.chosen is not None
    assert network.config.motif_widths == tuple(
        one.log_odds.shape[1] for one in result.chosen.motifs
    )
    assert network.config.motif_width == len(SITE)
    assert all(float(term.weight.detach()) >= 0 for term in network.motif_terms)
    elsewhere, bound = regions(200, seed=7)
    plain, none = trained(None, config)
    assert none.chosen is None
    right = [((predict(one, elsewhere)[:, 0] >= 0.5) == bound).mean() for one in (network, plain)]
    assert right[0] > 0.75
    assert right[0] > right[1] + 0.1


def test_terms_of_a_network_are_replaced_and_weigh_nothing_at_first():
    network = build_network(replace(SMALL, motif_width=6, further_motif_widths=(7,)), seed=0)
    assert isinstance(network, BindingNetwork)
    with torch.no_grad():
        before = network.output(torch.ones(1, 16))
    network.set_motifs([profile(SITE).log_odds])
    assert [name for name, _ in network.named_children()][-2:] == ["output", "motif"]
    assert network.config == replace(SMALL, motif_width=10)
    with torch.no_grad():
        assert torch.equal(network.output(torch.ones(1, 16)), before)
        assert float(network.motif_terms[0](torch.zeros(1, 4, 200))) == 0
    network.set_motifs([])
    assert network.config == SMALL


def test_a_search_without_bound_regions_in_common_finds_nothing():
    packed, bound = regions(4, seed=0)
    assert search_motif(packed, bound, np.zeros(4)) is None


def test_main_components_are_found_again_where_lapack_did_not_converge_by_chance(monkeypatch):
    features = np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32)
    usual, factor = rotated(features)
    eigh: Callable[..., object] = scipy.linalg.eigh
    failures = [0]

    def failing(matrix: np.ndarray, **options: str) -> object:
        failures[0] -= 1
        if failures[0] >= 0:
            raise np.linalg.LinAlgError("did not converge")
        return eigh(matrix, **options)

    monkeypatch.setattr(scipy.linalg, "eigh", failing)
    failures[0] = 1
    again, same = rotated(features)
    # a vector's sign is anyone's choice
    np.testing.assert_allclose(abs(again), abs(usual), atol=1e-5)
    assert same == pytest.approx(factor)
    failures[0] = 9
    with pytest.raises(ModelError, match="main components"):
        rotated(features)
