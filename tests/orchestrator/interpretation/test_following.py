"""Filters followed through fine-tuning: hand-made matches, and a plan's own runs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.motifs.database import jaspar_database
from orchestrator.errors import RunError
from orchestrator.interpretation.following import COLUMNS, conv_weights, follow_filters, follow_runs
from orchestrator.interpretation.run_motifs import StoredMotifs
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore

A = [[9, 0, 1], [0, 9, 0], [0, 0, 8], [0, 0, 0]]
B = [[0, 9, 0], [9, 0, 0], [0, 0, 0], [0, 0, 9]]


def stored(folder: Path, counts: list, q_values: dict[tuple[int, str], float]) -> StoredMotifs:
    """Motifs of hand-made filters; `q_values` by filter and profile."""
    folder.mkdir()
    filters = [
        {
            "filter": index,
            "num_sites": sum(row[0] for row in c),
            "num_regions": 1,
            "max_activation": 1.0,
            "counts": c,
        }
        for index, c in enumerate(counts)
    ]
    info = {
        "version": 1,
        "run": "0" * 16,
        "name": "run",
        "tfs": ["A"],
        "rule": {"min_sites": 20, "min_information_bits": 3.0},
        "num_regions": 10,
        "num_matched_shuffled": 0,
        "num_importance_regions": 0,
        "layer": 1,
        "database": "four motifs",
        "num_correct": 9,
        "background": [0.25] * 4,
        "filters": filters,
    }
    (folder / "filters.json").write_text(json.dumps(info))
    matches = pd.DataFrame(
        [
            {
                "filter": f,
                "name": name,
                "matrix_id": name,
                "offset": -1,
                "orientation": "-",
                "q_value": q,
            }
            for (f, name), q in q_values.items()
        ]
    )
    matches.to_parquet(folder / "matches.parquet")
    best = matches.loc[matches.groupby("filter")["q_value"].idxmin()].set_index("filter")
    best = best.reindex(range(len(counts)))
    table = best.rename(columns={"name": "match_name"}).rename_axis("filter").reset_index()
    table.to_csv(folder / "filters.csv", index=False)
    return StoredMotifs(folder)


@pytest.fixture
def arms(tmp_path) -> dict[str, StoredMotifs]:
    dead = [[0] * 3] * 4
    multi = {(0, "HNF4A"): 0.5, (0, "SPI1"): 0.001, (1, "HNF4A"): 0.9, (1, "SPI1"): 0.8}
    transfer = {(0, "HNF4A"): 0.5, (0, "SPI1"): 0.01, (1, "Hnf4a(var.2)"): 0.02, (1, "SPI1"): 0.8}
    scratch = {(0, "HNF4A"): 0.049, (1, "Rxra::HNF4A"): 0.05}
    return {
        "multi": stored(tmp_path / "multi", [A, A, dead], multi),
        "transfer": stored(tmp_path / "transfer", [A, B, dead], transfer),
        "scratch": stored(tmp_path / "scratch", [A, B, dead], scratch),
    }


def test_what_became_of_each_filter(arms):
    weights = np.array([[1, 0], [1, 0], [1, 1]], dtype=np.float32)
    moved = np.array([[2, 0], [0, 3], [1, 0]], dtype=np.float32)
    found = follow_filters(arms, ["HNF4A"], weights=(weights, moved))
    table = found.table
    assert tuple(table.columns) == COLUMNS
    assert table["match_before"].tolist()[:2] == ["SPI1", "SPI1"]
    assert table["match_after"].tolist()[:2] == ["SPI1", "Hnf4a(var.2)"]
    assert table["target_q_before"].tolist() == [0.5, 0.9, 1.0]
    assert table["target_q_after"].tolist() == [0.5, 0.02, 1.0]
    assert table["target_like_before"].tolist() == [False, False, False]
    assert table["target_like_after"].tolist() == [False, True, False]
    assert table["pwm_distance"][0] == pytest.approx(0)
    assert table["pwm_distance"][1] > 0.5
    assert np.isnan(table["pwm_distance"][2])
    np.testing.assert_allclose(table["weight_distance"], [0, 1, 1 - 1 / np.sqrt(2)], atol=1e-7)
    # a dimer with the target counts; 0.05 is not below 0.05
    assert found.num_target_like == {"multi": 0, "transfer": 1, "scratch": 1}
    assert found.num_matched == {"multi": 1, "transfer": 2, "scratch": 1}


def test_a_wider_set_of_motifs_and_another_threshold(arms):
    weights = np.ones((3, 2), dtype=np.float32)
    found = follow_filters(arms, ["spi1", "HNF4A"], weights=(weights, weights), alpha=0.06)
    assert found.num_target_like == {"multi": 1, "transfer": 2, "scratch": 2}


def test_what_cannot_be_followed_is_refused(arms):
    weights = np.ones((3, 2), dtype=np.float32)
    with pytest.raises(RunError, match="four motifs has no motif of GATA1"):
        follow_filters(arms, ["GATA1"], weights=(weights, weights))
    with pytest.raises(RunError, match=r"shape \(3, 2\), the fine-tuned ones \(2, 2\)"):
        follow_filters(arms, ["HNF4A"], weights=(weights, weights[:2]))


@pytest.mark.slow
def test_the_runs_of_a_plan(trained):
    store = RunStore(trained)
    transfer, scratch = (find_run(store, "SPI1", arm) for arm in ("transfer", "scratch"))
    database = jaspar_database()
    found = follow_runs(transfer, scratch, trained, database)
    multi = find_run(store, "SPI1", "multi")
    moved = np.abs(conv_weights(transfer) - conv_weights(multi)).max(axis=(1, 2, 3)) > 0
    assert moved.any()
    assert (found.table["weight_distance"] < 0.5).all()
    assert len(found.table) == 100
    assert set(found.num_target_like) == {"multi", "transfer", "scratch"}
    with pytest.raises(RunError, match="started from no multi-model"):
        follow_runs(scratch, transfer, trained, database)
