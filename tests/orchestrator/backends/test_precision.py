"""What `--precision auto` stands for: how it is chosen, kept and told."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from experiments.cli.options.choices import Precision
from experiments.cli.options.training import settled
from model.network_config import NetworkConfig
from model.training.loop import TrainingConfig
from orchestrator.backends import precision as precision_module
from orchestrator.backends.precision import (
    LOSS_TOLERANCE,
    MAX_TIME_RATIO,
    Measured,
    PrecisionChoice,
    Problem,
    check_precision,
    choose,
    measure,
    settle,
    simulated,
)
from orchestrator.errors import RunError
from orchestrator.workspace import Workspace
from tests.conftest import Bindgrid

GOOD = Measured(time_ratio=0.5, loss_float32=0.3, loss_bfloat16=0.302, loss_constant=0.67)


@pytest.mark.parametrize(
    ("changes", "precision", "reason"),
    [
        ({}, "bfloat16", "2.00 times as fast as float32"),
        ({"time_ratio": MAX_TIME_RATIO + 0.01}, "float32", "times as fast"),
        ({"time_ratio": float("nan")}, "float32", "times as fast"),
        ({"loss_bfloat16": 0.3 * (1 + LOSS_TOLERANCE) + 1e-6}, "float32", "losses differ"),
        ({"loss_bfloat16": 0.3 * (1 - LOSS_TOLERANCE) - 1e-6}, "bfloat16", "times as fast"),
        ({"loss_bfloat16": float("nan")}, "float32", "losses differ"),
        ({"loss_constant": 0.31}, "float32", "learnt too little"),
    ],
)
def test_bfloat16_is_chosen_where_it_is_faster_and_as_good(
    changes: dict[str, float], precision: str, reason: str
) -> None:
    choice = choose(replace(GOOD, **changes))
    assert choice.precision == precision
    assert reason in choice.reason


def test_a_processor_that_only_emulates_it_is_not_asked_to_train(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision_module, "multiplies_bfloat16", lambda *_: False)
    monkeypatch.setattr(precision_module, "measure", None)
    choice = check_precision()
    assert (choice.precision, choice.measured) == ("float32", None)
    assert "does not multiply bfloat16" in choice.reason


def test_a_gpu_is_checked_where_runs_train_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RunError, match="finds no GPU on this machine"):
        check_precision(device="cuda")
    asked: list[str] = []
    monkeypatch.setattr(precision_module, "require_gpu", lambda: None)

    def measured(problem: Problem, device: str) -> Measured:
        asked.append(device)
        return GOOD

    monkeypatch.setattr(precision_module, "measure", measured)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "H0")
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: False)
    choice = check_precision(device="cuda")
    assert (choice.precision, choice.processor, asked) == ("float32", "H0", [])
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    choice = check_precision(device="cuda")
    assert (choice.precision, choice.processor, asked) == ("bfloat16", "H0", ["cuda"])


def test_both_precisions_are_trained_on_what_can_be_learnt() -> None:
    sizes: dict[str, Any] = {"conv_filters": (4,), "conv_widths": (9,), "dense_units": (4,)}
    network = NetworkConfig(num_tfs=3, pool_width=50, **sizes)
    problem = Problem(
        network=network,
        training=TrainingConfig(lr=0.001, max_epochs=1),
        num_train=200,
        num_val=50,
    )
    measured = measure(problem)
    assert measured.time_ratio > 0
    assert measured.loss_float32 != measured.loss_bfloat16  # products are of another precision
    assert measured.loss_bfloat16 == pytest.approx(measured.loss_float32, rel=0.05)
    assert 0.6 < measured.loss_constant < 0.7  # about 40 % are bound
    assert measure(problem).loss_bfloat16 == measured.loss_bfloat16
    examples = simulated(500, np.random.default_rng(0))
    assert set(np.unique(examples.labels)) == {-1, 0, 1}


def answering(*precisions: Any) -> Callable[[], list[PrecisionChoice]]:
    return lambda: [
        PrecisionChoice(precision=p, reason=f"node {n}", processor="X", torch="1", measured=GOOD)
        for n, p in enumerate(precisions)
    ]


def test_a_workspace_keeps_its_choice_whatever_a_later_check_says(workspace: Workspace) -> None:
    choice, is_new = settle(workspace, answering("bfloat16"))
    assert (choice.precision, is_new) == ("bfloat16", True)
    assert settle(workspace, answering("float32")) == (choice, False)
    workspace.precision.unlink()
    assert settle(workspace, answering("float32"))[0].precision == "float32"


def test_a_cluster_has_the_precision_that_all_of_its_nodes_have(workspace: Workspace) -> None:
    choice, _ = settle(workspace, answering("bfloat16", "float32", "bfloat16"))
    assert (choice.precision, choice.reason) == ("float32", "node 1")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"measured": null, "precision": "half"}'])
def test_a_choice_that_cannot_be_read_is_told(workspace: Workspace, content: str) -> None:
    workspace.precision.write_text(content)
    with pytest.raises(RunError, match=r"precision\.json: cannot be read .* remove it"):
        settle(workspace)


def test_a_run_says_in_a_line_what_auto_stands_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, bindgrid: Bindgrid
) -> None:
    settle(workspace, answering("bfloat16"))
    monkeypatch.setattr("orchestrator.backends.cost.calibrate", None)
    monkeypatch.setattr(
        "experiments.cli.run._print_plan", lambda plan, *_, **__: print(*keys(plan))
    )
    plan = ("run", "transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--dry-run")
    found = {}
    for name in ("auto", "bfloat16", "float32"):
        code, out, err = bindgrid(*plan, "--precision", name, "-w", workspace.root)
        assert code == 0, err
        found[name] = out
        assert ("--precision auto: bfloat16 (node 0; X, torch 1; chosen before" in err) is (
            name == "auto"
        )
    assert found["auto"] == found["bfloat16"] != found["float32"]


def keys(plan: Any) -> list[str]:
    return [run.key for run in plan]


def test_who_trains_elsewhere_in_bfloat16_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(workspace, answering("bfloat16"))
    assert json.loads(workspace.precision.read_text())["measured"]["time_ratio"] == 0.5
    monkeypatch.setattr(precision_module, "multiplies_bfloat16", lambda *_: False)
    assert settled(Precision.AUTO, workspace) == "bfloat16"
    assert "does not multiply bfloat16 and will be slow" in capsys.readouterr().err
