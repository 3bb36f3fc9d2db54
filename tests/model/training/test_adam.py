"""The optimizer beside torch's own: the same bits, without torch's compiler."""

import subprocess
import sys

import pytest
import torch

from model.network import build_network
from model.network_config import NetworkConfig
from model.training.adam import Adam

TRAINING_STEPS = """
import sys, torch
from model.network import build_network
from model.network_config import NetworkConfig
from model.training.config import TrainingConfig
from model.training.loop import make_optimizer
network = build_network(NetworkConfig(num_tfs=1, conv_filters=(4, 4, 4), dense_units=(4,)), seed=0)
optimizer = make_optimizer(network, TrainingConfig(lr=0.003))
for _ in range(2):
    optimizer.zero_grad()
    network(torch.rand(3, 4, 200)).sum().backward()
    optimizer.step()
sys.exit("torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_steps_are_torchs_own_to_the_bit(weight_decay: float) -> None:
    config = NetworkConfig(num_tfs=2, conv_filters=(4, 4, 4), dense_units=(4,))
    ours, theirs = (build_network(config, seed=0).train() for _ in range(2))
    optimizers: list[Adam | torch.optim.Adam] = [
        Adam(ours.parameters(), lr=0.003, weight_decay=weight_decay),
        torch.optim.Adam(theirs.parameters(), lr=0.003, weight_decay=weight_decay, fused=True),
    ]
    for seed in range(4):
        batch = torch.rand(5, 4, 200, generator=torch.Generator().manual_seed(seed))
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            torch.manual_seed(seed)
            optimizer.zero_grad()
            network(batch).square().sum().backward()
            if seed == 2:  # a weight without a gradient stays, and so do its moments
                next(network.parameters()).grad = None
            optimizer.step()
    moments = [list(optimizer.state.values()) for optimizer in optimizers]
    for our_moments, their_moments in zip(*moments, strict=True):
        assert list(our_moments) == list(their_moments)
        for name, tensor in our_moments.items():
            assert torch.equal(tensor, their_moments[name]), name
    for ours_, theirs_ in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(ours_, theirs_)


def test_no_gradient_at_all_changes_nothing() -> None:
    weight = torch.ones(3, requires_grad=True)
    optimizer = Adam([weight], lr=1.0, weight_decay=1.0)
    optimizer.step()
    assert weight.tolist() == [1, 1, 1]
    assert optimizer.state[weight]["step"] == 0


@pytest.mark.slow
def test_training_does_not_import_torchs_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINING_STEPS], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
