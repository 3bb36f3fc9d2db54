"""What `bindgrid results` prints of a table of runs."""

import pandas as pd
import pytest

from experiments.cli import results
from experiments.cli.results import print_comparison


def runs(sets: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "experiment": "e",
            "tf": "A",
            "group": "g",
            "with_target": False,
            "arm": "transfer",
            "pretraining_set": sets,
            "mcc": [0.1 * (number + 1) for number in range(len(sets))],
            "auroc": 0.5,
            "average_precision": 0.5,
            "seconds": 1.0,
            "network": "paper",
            "replicate": range(1, len(sets) + 1),
            "num_bound": 90,
            "settings": "0123456789",
        }
    )


def test_several_pretraining_sets_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(runs(["p", "m"]))
    out = capsys.readouterr().out
    assert "0.100" in out and "0.200" in out and "0.150" not in out
    assert "pre-" in out


def test_long_names_of_sets_are_shortened_and_told_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results.out, "width", 200)
    long = "all TFs, masked, without GATA1+SPI1+MNT+MAX+JUND"
    print_comparison(runs([long, f"{long}, with the motif"]))
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if "transfer" in line]
    assert len(shown) == 2
    assert all("…" in line for line in shown)
    assert "with the motif"[-8:] in shown[1] and "with the motif"[-8:] not in shown[0]
    assert len(lines) <= 7


def test_one_pretraining_set_has_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(runs(["p", "p"]))
    out = capsys.readouterr().out
    assert "0.150" in out and "pre-" not in out


def test_several_networks_have_a_line_each_in_every_arm(capsys: pytest.CaptureFixture[str]) -> None:
    table = runs(["", ""]).assign(arm="scratch", network=["paper", "danq"])
    print_comparison(table)
    out = capsys.readouterr().out
    assert "0.100" in out and "0.200" in out and "0.150" not in out
    assert "paper" in out and "danq" in out


def test_runs_of_other_settings_are_no_replicates(capsys: pytest.CaptureFixture[str]) -> None:
    table = runs(["p", "p", "p"]).assign(
        replicate=[1, 1, 2], num_bound=[40, 90, 92], settings=["abcdef9", "0123456", "0123456"]
    )
    print_comparison(pd.concat([table, runs(["p"]).assign(tf="B")]))
    out = capsys.readouterr().out
    [few, many, other] = [line for line in out.splitlines() if "transfer" in line]
    assert "40 bound, abcdef" in few and "0.100" in few
    assert "91 bound, 012345" in many and "0.250" in many
    assert "bound" not in other
