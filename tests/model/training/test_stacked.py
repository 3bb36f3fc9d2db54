"""Networks trained at once with stacked weights: each as it would be trained alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from model.errors import ModelError
from model.labels import UNRESOLVED
from model.network import build_network
from model.network_config import NetworkConfig, published
from model.training.loop import Examples, TrainingConfig, train
from model.training.stacked import StackedNetwork, train_stacked

SIZES: dict[str, Any] = {"conv_filters": (6, 8, 8), "dense_units": (12, 10)}
NETWORK = NetworkConfig(num_tfs=1, **SIZES)
CONFIG = TrainingConfig(lr=0.0005, batch_size=16, max_epochs=3)
SEEDS = (0, 3, 7)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def examples(num: int, seed: int) -> Examples:
    """Regions of which the bound ones have a base more often."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (num, 1)).astype(np.int8)
    sequences = rng.integers(0, 256, (num, 50), dtype=np.uint8)
    sequences[labels[:, 0] == 1] &= 0b11110011
    return Examples(sequences, labels)


def networks(config: NetworkConfig = NETWORK) -> list[nn.Module]:
    return [build_network(config, seed=seed) for seed in SEEDS]


def parts() -> tuple[list[Examples], list[Examples]]:
    train_sets = [examples(41, seed) for seed in SEEDS]
    return train_sets, [examples(15, 100 + seed) for seed in SEEDS]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"random_strand": True, "keep": "last"},
        {"both_strands": False, "weight_decay": 0.01},
        {"max_epochs": 8, "patience": 1},
        {"min_steps": 25},
    ],
)
def test_each_network_is_trained_as_it_would_be_alone(changes: dict[str, Any]) -> None:
    config = replace(CONFIG, **changes)
    alone, together = networks(), networks()
    train_sets, val_sets = parts()
    expected = [
        train(network, learn, check, config, seed=seed)
        for network, learn, check, seed in zip(alone, train_sets, val_sets, SEEDS, strict=True)
    ]
    found = train_stacked(together, train_sets, val_sets, config, seeds=SEEDS)
    for ours, theirs in zip(found, expected, strict=True):
        assert [e.epoch for e in ours.history] == [e.epoch for e in theirs.history]
        assert ours.best_epoch == theirs.best_epoch
        for name in ("train_loss", "val_loss"):
            np.testing.assert_allclose(
                [getattr(epoch, name) for epoch in ours.history],
                [getattr(epoch, name) for epoch in theirs.history],
                rtol=2e-3,
            )
    for one, other in zip(together, alone, strict=True):
        for name, tensor in other.state_dict().items():
            if not name.endswith("num_batches_tracked") and "conv.bias" not in name:
                torch.testing.assert_close(
                    one.state_dict()[name], tensor, rtol=0.02, atol=0.02, msg=name
                )
    if config.patience:
        assert len({len(one.history) for one in found}) > 1  # each ends when it would alone


def test_the_first_step_differs_by_rounding_alone() -> None:
    train_sets, val_sets = parts()
    config = replace(CONFIG, batch_size=100, max_epochs=1, lr=1e-6)
    alone = [
        train(network, learn, check, config, seed=seed).history[0]
        for network, learn, check, seed in zip(networks(), train_sets, val_sets, SEEDS, strict=True)
    ]
    together = train_stacked(networks(), train_sets, val_sets, config, seeds=SEEDS)
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.history[0].train_loss == pytest.approx(theirs.train_loss, rel=1e-6)
        assert ours.history[0].val_loss == pytest.approx(theirs.val_loss, rel=1e-5)


def test_the_networks_do_not_see_each_other() -> None:
    train_sets, val_sets = parts()
    together = networks()
    train_stacked(together, train_sets, val_sets, CONFIG, seeds=SEEDS)
    other_sets = [train_sets[0], examples(41, 55), examples(41, 56)]
    others = [networks()[0], *(build_network(NETWORK, seed=seed) for seed in (8, 9))]
    train_stacked(others, other_sets, val_sets, CONFIG, seeds=(SEEDS[0], 8, 9))
    for name, tensor in together[0].state_dict().items():
        torch.testing.assert_close(others[0].state_dict()[name], tensor, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "words"),
    [(published("danq", num_tfs=1), "cannot be stacked"), (replace(NETWORK, num_tfs=2), "")],
)
def test_logits_are_those_of_each_network_or_it_is_refused(
    config: NetworkConfig, words: str
) -> None:
    made = networks(config)
    if words:
        with pytest.raises(ModelError, match=words):
            StackedNetwork(made)
        return
    inputs = torch.randn(len(SEEDS), 5, 4, 200)
    stack = StackedNetwork(made).eval()
    expected = [one.eval()(rows) for one, rows in zip(made, inputs, strict=True)]
    torch.testing.assert_close(stack(inputs.transpose(1, 2)), torch.stack(expected))


def test_what_cannot_be_stacked_is_refused() -> None:
    train_sets, val_sets = parts()
    with pytest.raises(ModelError, match="one config"):
        StackedNetwork([*networks(), build_network(replace(NETWORK, num_tfs=2), seed=0)])
    with pytest.raises(ModelError, match="as many examples each"):
        train_stacked(networks(), [*train_sets[:2], examples(40, 1)], val_sets, CONFIG, seeds=SEEDS)
    with pytest.raises(ModelError, match="cannot be stacked"):
        frozen = replace(CONFIG, frozen=("conv1",))
        train_stacked(networks(), train_sets, val_sets, frozen, seeds=SEEDS)
    train_sets[0].labels[0] = UNRESOLVED
    with pytest.raises(ModelError, match="resolved labels only"):
        train_stacked(networks(), train_sets, val_sets, CONFIG, seeds=SEEDS)
