"""Averaged weights: the sum written out, what is kept, and resuming after an end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from model.network import build_network
from model.network_config import NetworkConfig
from model.training.averaging import AveragedWeights
from model.training.batches import Examples
from model.training.loop import Epoch, StateFile, TrainingConfig, TrainingContext, train

CONFIG = TrainingConfig(lr=0.01, batch_size=10, max_epochs=3, keep="last", averaging=0.9)


def small() -> Any:
    config = NetworkConfig(num_tfs=1, conv_filters=(8, 8, 8), dense_units=(16, 16))
    return build_network(config, seed=0)


def examples(num: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (num, 1)).astype(np.int8)
    return Examples(rng.integers(0, 256, (num, 50), dtype=np.uint8), labels)


def test_the_average_is_that_of_the_recurrence_and_is_taken_back() -> None:
    layer = nn.Linear(1, 1, bias=False)
    averaged = AveragedWeights(layer, 0.5)
    expected = float(layer.weight.detach())
    for step, value in enumerate((1.0, 5.0, -3.0, 2.0, 8.0), start=1):
        with torch.no_grad():
            layer.weight.fill_(value)
        averaged.add()
        decay = min(0.5, step / (9 + step))
        expected = decay * expected + (1 - decay) * value
    with averaged.in_place():
        assert float(layer.weight.detach()) == pytest.approx(expected)
    assert float(layer.weight.detach()) == 8.0


def test_averages_are_kept_and_change_neither_steps_nor_training_losses() -> None:
    plain, averaged = small(), small()
    known, val = examples(40, 0), examples(10, 1)
    without = train(plain, known, val, replace(CONFIG, averaging=0.0), seed=0)
    result = train(averaged, known, val, CONFIG, seed=0)
    assert [epoch.train_loss for epoch in result.history] == [
        epoch.train_loss for epoch in without.history
    ]
    assert [e.val_loss for e in result.history] != [e.val_loss for e in without.history]
    assert not torch.equal(plain.output.weight, averaged.output.weight)
    assert int(averaged.conv1.norm.num_batches_tracked) == 24


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_averages(tmp_path: Path) -> None:
    known, val = examples(40, 0), examples(10, 1)
    whole, resumed = small(), small()
    expected = train(whole, known, val, CONFIG, seed=0)
    file = StateFile(path=tmp_path / "run.safetensors", every_seconds=0)

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            small(),
            known,
            val,
            CONFIG,
            seed=0,
            context=TrainingContext(on_epoch=stop, state_file=file),
        )
    result = train(resumed, known, val, CONFIG, seed=0, context=TrainingContext(state_file=file))
    assert [e.val_loss for e in result.history] == [e.val_loss for e in expected.history]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name])


def test_fixed_norm_keeps_the_statistics_of_the_start() -> None:
    network = small()
    before = network.conv1.norm.running_mean.clone()
    config = replace(CONFIG, averaging=0.0, fixed_norm=True)
    weight = network.conv1.norm.weight.clone()
    train(network, examples(40, 0), examples(10, 1), config, seed=0)
    assert torch.equal(network.conv1.norm.running_mean, before)
    assert not torch.equal(network.conv1.norm.weight, weight)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="averaging is"):
        replace(CONFIG, averaging=decay)
