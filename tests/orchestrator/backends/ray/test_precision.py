"""`--precision auto` on a cluster: every node is asked, and what they say is agreed on."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import ray
import torch

from model.network_config import NetworkConfig
from model.training.loop import TrainingConfig
from orchestrator.backends.precision import (
    PrecisionChoice,
    Problem,
    agreed,
    multiplies_bfloat16,
    processor,
)
from orchestrator.backends.ray import precision as ray_precision
from orchestrator.backends.ray.precision import check_nodes
from orchestrator.backends.ray.session import session
from orchestrator.errors import RunError

pytestmark = pytest.mark.xdist_group("ray")

SIZES: dict[str, Any] = {"conv_filters": (4,), "conv_widths": (9,), "dense_units": (4,)}
SMALL = Problem(
    network=NetworkConfig(num_tfs=3, pool_width=50, **SIZES),
    training=TrainingConfig(lr=0.001, max_epochs=1),
    num_train=200,
    num_val=50,
)
FAST = PrecisionChoice(precision="bfloat16", reason="fast", processor="new", torch="1")
SLOW = replace(FAST, precision="float32", reason="slow", processor="old")


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([FAST], FAST),
        ([FAST, replace(FAST, reason="faster")], FAST),
        ([FAST, SLOW, FAST], SLOW),
        ([SLOW, replace(SLOW, reason="slower")], SLOW),
    ],
)
def test_one_node_that_wants_float32_decides_for_all(
    choices: list[PrecisionChoice], expected: PrecisionChoice
) -> None:
    assert agreed(choices) == expected


def test_nothing_is_agreed_on_by_nobody() -> None:
    with pytest.raises(ValueError, match="no machine was checked"):
        agreed([])


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[dict[str, Any]]]:
    """Nodes of a Ray that runs: one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with session(2, None):
            yield ray.nodes()


def test_every_node_that_trains_checks_itself(
    nodes: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [node] = nodes
    without = [{**node, "Alive": False}, {**node, "Resources": {"memory": 1.0}}]
    monkeypatch.setattr(ray, "nodes", lambda: [node, *without, node])
    choices = check_nodes(None, SMALL)
    assert [choice.processor for choice in choices] == [processor()] * 2
    assert [choice.torch for choice in choices] == [torch.__version__] * 2
    for choice in choices:
        if multiplies_bfloat16():
            assert choice.measured is not None
            assert choice.measured.time_ratio > 0
        else:
            assert choice.precision == "float32"
    monkeypatch.setattr(ray, "nodes", lambda: without)
    with pytest.raises(RunError, match="no node of the Ray cluster has a CPU"):
        check_nodes(None, SMALL)


def test_it_is_the_node_that_checks_and_what_it_cannot_is_one_line(
    nodes: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def where(problem: Problem | None, device: str) -> PrecisionChoice:
        if problem is None:
            raise RuntimeError("no room\nfor torch")
        return replace(FAST, reason=str(os.getpid()))

    monkeypatch.setattr(ray_precision, "check_precision", where)
    [choice] = check_nodes(None, SMALL)
    assert choice == replace(FAST, reason=choice.reason)
    assert choice.reason != str(os.getpid())
    with pytest.raises(RunError) as caught:
        check_nodes(None)
    message = "a node cannot check its precision (for torch): give --precision float32"
    assert str(caught.value) == message


def test_a_node_whose_cpus_are_taken_is_named_and_not_waited_for_without_end(
    nodes: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder: Any = ray.remote(num_cpus=2)(Holder)
    holder = holder.remote()
    ray.get(holder.hold.remote())
    monkeypatch.setattr(ray_precision, "ANSWER_SECONDS", 1.0)
    try:
        with pytest.raises(RunError) as caught:
            check_nodes(None, SMALL)
    finally:
        ray.kill(holder)
    address = nodes[0]["NodeManagerAddress"]
    assert str(caught.value).startswith(f"node {address} has not checked its precision in 1 s")


class Holder:
    """Takes CPUs as long as it lives."""

    def hold(self) -> None:
        """Say that it has them."""
