"""A step that is captured once and replayed: which batches are replayed, and what they give.

Without a GPU there is no capture: here it is a function that takes the step when it is replayed.
`tests.test_real_gpu` has the CUDA graph.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from model.network import build_network
from model.network_config import NetworkConfig
from model.training import loop, replay
from model.training.batches import Examples
from model.training.config import TrainingConfig
from model.training.loop import train
from model.training.replay import WARM_UP, Captured, ReplayedStep, Step, StepLoss, is_worth_it

CONFIG = TrainingConfig(lr=0.01, batch_size=8, max_epochs=3, averaging=0.9)


class Pretended:
    """Captures that take the step when they are replayed."""

    def __init__(self) -> None:
        self.captures = 0
        self.replays = 0

    def __call__(self, step: Step, rows: Tensor) -> Captured:
        """Capture a step without taking it."""
        self.captures += 1
        result = StepLoss(torch.zeros(()), torch.zeros((), dtype=torch.int64))

        def take() -> None:
            self.replays += 1
            loss, cells = step(rows)
            result.loss.copy_(loss)
            torch.as_tensor(result.cells).copy_(torch.as_tensor(cells))

        return Captured(replay=take, result=result)


def test_batches_of_the_size_are_replayed_after_the_first_ones() -> None:
    pretended, seen = Pretended(), []

    def step(rows: Tensor) -> StepLoss:
        seen.append(rows.tolist())
        return StepLoss(rows.double().mean(), len(rows))

    replayed = ReplayedStep(2, pretended)
    batches = [[number, number + 1] for number in range(6)]
    batches.insert(4, [10, 11, 12])
    for batch in batches:
        loss, cells = replayed.take(step, torch.tensor(batch))
        assert float(loss) == np.mean(batch)
        assert cells == len(batch)
    assert seen == batches
    assert pretended.captures == 1
    assert pretended.replays == 6 - WARM_UP


@pytest.mark.slow
@pytest.mark.parametrize("unresolved", [False, True])
def test_a_training_that_replays_its_step_gives_the_same_bits(
    unresolved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(-1 if unresolved else 0, 2, (30, 2)).astype(np.int8)
    examples = Examples(rng.integers(0, 256, (30, 50), dtype=np.uint8), labels)
    pretended = Pretended()
    found = []
    for worth in (False, True):
        monkeypatch.setattr(loop, "is_worth_it", lambda *_, worth=worth: worth)
        monkeypatch.setattr(replay, "cuda_graph", pretended)
        network = build_network(
            NetworkConfig(num_tfs=2, conv_filters=(4, 4, 4), dense_units=(8, 8)), seed=0
        )
        result = train(network, examples, examples, CONFIG, seed=0)
        losses = [(epoch.train_loss, epoch.val_loss) for epoch in result.history]
        found.append((losses, network.state_dict()))
    # 60 examples, both strands: 7 batches of 8 and one of 4, in three epochs
    assert pretended.captures == 1
    assert pretended.replays == 3 * 7 - WARM_UP
    assert found[0][0] == found[1][0]
    assert all(torch.equal(found[0][1][name], tensor) for name, tensor in found[1][1].items())
    assert all(math.isfinite(loss) for epoch in found[0][0] for loss in epoch)


def test_a_capture_is_for_gpus_and_for_many_steps() -> None:
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert is_worth_it(gpu, 1000)
    assert not is_worth_it(gpu, 10)
    assert not is_worth_it(cpu, 1000)
