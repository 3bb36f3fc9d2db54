"""A known motif set as a filter by hand is found again; what has no motif is not compared."""

from typing import Any

import numpy as np
import pytest
import torch

from data.motifs.database import MotifDatabase, jaspar_database
from data.motifs.matches import ComparisonRule, FilterState, match_filters
from model.interpretation.filters import count_subsequences
from model.network import build_network
from model.network_config import NetworkConfig

WIDTH = 19


def profile_of(database: MotifDatabase, matrix_id: str) -> Any:
    return next(p for p in database.motifs if p.matrix_id == matrix_id)


def log_odds(probabilities: np.ndarray, offset: int) -> torch.Tensor:
    """Weights of a filter that scores a motif from a position on, float32 (4, 1, W)."""
    weights = np.zeros((4, WIDTH))
    weights[:, offset : offset + probabilities.shape[1]] = np.log2(probabilities * 4)
    return torch.from_numpy(weights).float().unsqueeze(1)


@pytest.fixture(scope="module")
def planted() -> Any:
    """Network with SPI1's motif in filter 0, CTCF's reversed in 1; filter 2 is dead."""
    database = jaspar_database()
    network: Any = build_network(
        NetworkConfig(num_tfs=1, conv_filters=(3,), conv_widths=(WIDTH,), dense_units=()), seed=0
    )
    spi1, ctcf = (profile_of(database, name).probabilities for name in ("MA0080.5", "MA0139.1"))
    with torch.no_grad():
        conv = network.conv1.conv
        conv.weight[0] = log_odds(spi1[:, 2:16], offset=3)
        conv.weight[1] = log_odds(ctcf[::-1, ::-1].copy(), offset=0)
        conv.weight[2] = 0
        conv.bias[:] = torch.tensor([0.0, 0.0, -1.0])
    return network


def test_a_planted_motif_is_found_again(planted):
    database = jaspar_database()
    rng = np.random.default_rng(0)
    regions = rng.integers(0, 256, (3000, 50)).astype(np.uint8)
    matches = match_filters(count_subsequences(planted, regions).counts, database)
    assert matches.states == (FilterState.COMPARED, FilterState.COMPARED, FilterState.NEVER_FIRES)
    spi1, ctcf = matches.best(0), matches.best(1)
    assert spi1 is not None
    assert ctcf is not None
    assert matches.best(2) is None
    # SPI1 and its kin have one motif
    assert spi1.motif.name in {"SPI1", "SPIB", "SPIC"}
    assert matches.q_values[0, database.rows_of("SPI1")].min() < 1e-6
    assert ctcf.motif.matrix_id == "MA0139.1"
    assert (ctcf.orientation, ctcf.offset, ctcf.overlap) == ("-", 0, 19)
    assert ctcf.q_value < 1e-10
    assert matches.num_matched() == 2


def counts_of(frequencies: np.ndarray, num_subsequences: int) -> np.ndarray:
    return np.rint(frequencies * num_subsequences).astype(np.int64)


def test_what_has_no_motif_is_named_and_not_compared():
    database = jaspar_database()
    spi1 = profile_of(database, "MA0080.5").probabilities[:, :12]
    counts = np.stack(
        [
            np.zeros((4, 12), dtype=np.int64),
            counts_of(np.full((4, 12), 0.25), 1000),
            counts_of(np.eye(4)[:, np.arange(12) % 4], 19),
            counts_of(spi1, 10_000),
        ]
    )
    matches = match_filters(counts, database)
    assert matches.states == (
        FilterState.NEVER_FIRES,
        FilterState.NEAR_UNIFORM,
        FilterState.FEW_SUBSEQUENCES,
        FilterState.COMPARED,
    )
    assert matches.q_values.shape == (1, 746)
    best = matches.best(3)
    assert best is not None
    assert best.motif.matrix_id == "MA0080.5"
    assert (best.orientation, best.offset) == ("+", 0)
    nothing = match_filters(counts[:2], database)
    assert nothing.num_matched() == 0
    assert nothing.best(0) is None


def test_the_offset_is_where_the_filter_begins_in_the_other_motif():
    database = jaspar_database()
    ctcf = profile_of(database, "MA0139.1").probabilities
    inner = counts_of(ctcf[:, 3:15], 10_000)
    ahead = counts_of(np.concatenate([np.full((4, 4), 0.25), ctcf[:, :8]], axis=1), 10_000)
    # columns must sum to the number of sites
    for counts in (inner, ahead):
        counts[0] += 10_000 - counts.sum(axis=0)
    matches = match_filters(np.stack([inner, ahead]), database)
    found = [matches.best(i) for i in range(2)]
    assert [(m.motif.matrix_id, m.offset, m.overlap) for m in found if m] == [
        ("MA0139.1", 3, 12),
        ("MA0139.1", -4, 8),
    ]


def test_q_values_are_over_all_comparisons():
    database = jaspar_database()
    motifs = [profile_of(database, name).probabilities for name in ("MA0080.5", "MA0139.1")]
    counts = np.stack([counts_of(motif[:, :13], 10_000) for motif in motifs])
    matches = match_filters(counts, database)
    p = np.sort(matches.alignments.p_values.ravel())
    ranks = np.arange(1, p.size + 1)
    expected = np.minimum(np.minimum.accumulate((p * p.size / ranks)[::-1])[::-1], 1)
    np.testing.assert_allclose(np.sort(matches.q_values.ravel()), expected, rtol=1e-12)


def test_a_rule_out_of_range_is_refused():
    with pytest.raises(ValueError, match="min_subsequences"):
        ComparisonRule(min_subsequences=0)
