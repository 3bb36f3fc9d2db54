"""What a computation borrows of a process and its device, and gives back as found."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def borrowed(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Have the network on a device; give back where it was and each module's mode."""
    weight = next(network.parameters(), None)
    home = device if weight is None else weight.device
    modes = {module: module.training for module in network.modules()}
    network.to(device)
    try:
        with held_cudnn(device):
            yield
    finally:
        network.to(home)
        for module, training in modes.items():
            module.training = training


@contextmanager
def held_cudnn(device: torch.device) -> Iterator[None]:
    """On a GPU, have cuDNN compute whole float32 products, by deterministic algorithms."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: same bits on every backend, and two such runs beat one on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
