"""Twins of runs, gains and what is missing, on tables of a few rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.pretraining_sets.findings import _smaller_sets, missing_sets
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.calls import Calls
from orchestrator.report.gains import difference, gains, mean_mcc
from orchestrator.report.missing import (
    missing_pairs,
    missing_runs,
    missing_table,
    seen_before,
    single_replicates,
    undefined_scores,
    without_models,
)
from orchestrator.report.pairs import pair
from orchestrator.role_records import RoleNames
from orchestrator.runs.store import UnfinishedRun


def table(*rows):
    """Rows of (key, tf, arm, replicate, mcc, test regions), the later ones finished later."""
    names = ["key", "tf", "arm", "replicate", "mcc", "test_regions"]
    made = pd.DataFrame(rows, columns=names)
    made["pretraining_set"] = np.where(made["arm"] == "scratch", "", "50 TFs")
    return made.assign(
        group="500 bound",
        size=500.0,
        set_kind="",
        with_target=False,
        target="",
        num_bound=450,
        num_test_regions=100,
        num_seen=0,
        finished_at=np.arange(float(len(made))),
        network="paper",
    )


def calls_of(wrong, regions="r"):
    """Calls on 100 regions, half of them bound, of which some are wrong."""
    bound = np.arange(100) < 50
    return Calls(
        region_ids=np.arange(100, dtype=np.int32) + {"r": 0, "elsewhere": 1000}[regions],
        bound=bound,
        called=bound ^ np.isin(np.arange(100), wrong),
        regions=regions,
    )


def test_twins_have_their_test_regions_in_common():
    pairs = pair(
        table(
            ("s1", "A", "scratch", 1, 0.1, "r1"),
            ("t1", "A", "transfer", 1, 0.3, "r1"),
            ("m1", "A", "multi", 1, 0.2, "r1"),
            ("s2", "A", "scratch", 2, 0.1, "r2"),
            ("t2", "A", "transfer", 2, 0.4, "r2"),
            ("multi", "", "multi", 1, 0.5, ""),
        )
    )
    chosen = pairs.table[["replicate", "key_scratch", "key_transfer", "mcc_scratch"]]
    assert chosen.to_numpy().tolist() == [[1, "s1", "t1", 0.1], [2, "s2", "t2", 0.1]]
    assert pairs.table["mcc_multi"].tolist() == pytest.approx([0.2, np.nan], nan_ok=True)
    assert pairs.single.empty
    assert pairs.num_set_aside == 0


def test_what_has_no_twin_is_told():
    pairs = pair(
        table(
            ("s1", "A", "scratch", 1, 0.1, "r1"),
            ("t1", "A", "transfer", 1, 0.3, "other"),
            ("s2", "B", "scratch", 1, 0.1, "r2"),
            ("s3", "C", "scratch", 1, np.nan, "r3"),
        )
    )
    assert pairs.table.empty
    assert pairs.single[["tf", "arms"]].to_numpy().tolist() == [
        ["A", "scratch and transfer"],
        ["B", "scratch"],
    ]
    [alone, apart] = missing_pairs(pairs)
    assert alone.startswith("Left out, only one arm is finished: 1 set")
    assert "B 500 bound r1: scratch" in alone
    assert apart.startswith("Left out, no two arms share test regions: 1 set")
    assert "A 500 bound r1: scratch and transfer" in apart


def test_of_runs_that_stand_for_the_same_the_last_counts():
    pairs = pair(
        table(
            ("s1", "A", "scratch", 1, 0.1, "r"),
            ("t1", "A", "transfer", 1, 0.3, "r"),
            ("s2", "A", "scratch", 1, 0.2, "r"),
            ("t2", "A", "transfer", 1, 0.4, "r"),
        )
    )
    assert pairs.table[["key_scratch", "key_transfer"]].to_numpy().tolist() == [["s2", "t2"]]
    assert pairs.num_set_aside == 2
    assert missing_pairs(pairs)[-1].startswith("2 older runs not used")


def test_gains_by_hand():
    pairs = pair(
        table(
            ("s1", "A", "scratch", 1, 0.0, "r"),
            ("t1", "A", "transfer", 1, 1.0, "r"),
            ("s2", "A", "scratch", 2, 0.5, "r"),
            ("t2", "A", "transfer", 2, 1.0, "r"),
            ("m2", "A", "multi", 2, 0.5, "r"),
        )
    )
    right, half = calls_of([]), calls_of(range(0, 100, 4))
    calls = {"s1": half, "t1": right, "s2": half, "t2": right, "m2": half}
    found = gains(pairs.table, ["tf"], calls, Bootstrap())
    [row] = found.table.to_dict("records")
    assert (row["scratch"], row["transfer"], row["gain"], row["multi"]) == (0.25, 1, 0.75, 0.5)
    assert (row["transfer_low"], row["transfer_high"]) == (1, 1)
    assert row["gain_low"] < 0.5 < row["gain_high"]
    assert row["multi_low"] < 0.5 < row["multi_high"]
    assert (row["num_replicates"], row["num_bound"]) == (2, 450)
    assert found.draws.shape == (1, Bootstrap().num_draws)


def test_a_mean_and_a_difference_by_hand():
    runs = pd.DataFrame({"key": ["a", "b"], "replicate": [1, 2], "mcc": [0.2, 0.4]})
    others = pd.DataFrame({"key": ["c"], "replicate": [2], "mcc": [0.1]})
    same = calls_of(range(0, 100, 4))
    calls = dict.fromkeys("abc", same)
    mean, ends = mean_mcc(runs, calls, Bootstrap())
    assert mean == pytest.approx(0.3)
    assert ends.low < 0.5 < ends.high
    paired = difference(runs, others, calls, Bootstrap())
    assert paired is not None
    assert paired[0] == pytest.approx(0.3)
    # the same calls on the same regions: no noise is left in their difference
    assert (paired[1].low, paired[1].high) == (0, 0)
    apart = difference(
        runs, others, calls | {"c": calls_of(range(0, 100, 4), "elsewhere")}, Bootstrap()
    )
    assert apart is not None
    assert apart[1].low < -0.1 < 0.1 < apart[1].high
    assert difference(runs[:1], others, calls, Bootstrap()) is None


def test_missing_runs_are_named_with_their_reason():
    names = RoleNames(experiment="transfer", tf="A", arm="scratch", replicate=1)
    transfer = replace(names, arm="transfer", with_target=True)
    multi = replace(names, tf="", arm="multi", target="A")
    missing = missing_table(
        [
            UnfinishedRun(key="k1", names=names, error="A has 5 bound regions"),
            UnfinishedRun(key="k2", names=transfer, error=""),
            UnfinishedRun(key="k3", names=multi, error=""),
        ]
    )
    assert missing_runs(missing) == [
        "1 run failed (A has 5 bound regions): A scratch r1.",
        "2 runs planned but not complete: multi-model for A r1 and A transfer with the target r1.",
    ]
    assert missing_runs(missing_table([])) == []


def test_fewer_replicates_and_tfs_without_models_are_told():
    rows = [
        (f"{arm}{tf}{replicate}", tf, arm, replicate, 0.1, f"{tf}{replicate}")
        for tf, count in (("A", 3), ("B", 1))
        for replicate in range(1, count + 1)
        for arm in ("scratch", "transfer")
    ]
    pairs = pair(table(*rows))
    assert missing_pairs(pairs) == ["Fewer replicates than other TFs: B 500 bound (1 of 3)."]
    [line] = without_models(pairs, [("A", "C"), ("B", "D")])
    assert line.startswith("2 TFs of the multi-model")
    assert line.endswith(": C and D.")
    assert without_models(pairs, [("A", "B")]) == []


def test_sets_that_were_not_run_are_told():
    runs = pd.concat(
        [table(("k1", "A", "transfer", r, 0.1, "r")).assign(set_kind="string") for r in (1, 2)]
        + [
            table(("k2", "A", "transfer", 1, 0.1, "r")).assign(set_kind="string", with_target=True),
            table(("k3", "A", "scratch", 1, 0.1, "r")).assign(set_kind=""),
        ]
    )
    assert missing_sets(runs, ["string", "random"]) == [
        "No run yet, or no such set: A random without the target and A random with the target.",
        "Fewer replicates than others: A string with the target (1 of 2).",
    ]


def test_one_replicate_is_warned_of():
    one = table(("k1", "A", "transfer", 1, 0.1, "r"), ("k2", "A", "scratch", 2, 0.1, "r"))
    assert "There is one replicate only" in single_replicates(one)[0]
    assert single_replicates(one.assign(arm="scratch")) == []
    two = table(("k1", "A", "transfer", 1, 0.1, "r"), ("k2", "B", "transfer", 2, 0.1, "r"))
    assert single_replicates(two) == []


def test_scores_that_mislead_are_told():
    runs = table(("k1", "A", "scratch", 1, np.nan, "r"), ("k2", "A", "transfer", 1, 0.9, "r"))
    assert undefined_scores(runs) == ["Left out, since the MCC is not defined: 1 run."]
    assert seen_before(runs) == []
    [line] = seen_before(runs.assign(num_seen=[0, 30]))
    assert "1 run tested on regions that the multi-model had seen" in line
    assert "up to 30 of 100" in line


def test_sets_are_called_small_beside_larger_ones_only() -> None:
    def means(first: tuple[str, ...]) -> pd.DataFrame:
        columns = ["target", "group", "with_target", "pretraining_tfs"]
        rows = [("SPI1", "string", False, (first,)), ("SPI1", "random", True, (("C", "D"),))]
        return pd.DataFrame(rows, columns=columns)

    assert _smaller_sets(means(("A", "B"))) == []
    [sentence] = _smaller_sets(means(("A",)))
    assert sentence == (
        "Sets of fewer than 2 TFs, for too few candidates: SPI1 string without the target (1)."
    )
