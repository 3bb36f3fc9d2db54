"""What a computation changes in a process, a device or a network, and restores at its end."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def device_of(network: nn.Module) -> torch.device:
    """Give the device that a network's weights are on; the CPU if it has none."""
    weight = next(network.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device


@contextmanager
def borrowed(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Move a network to a device for the duration of a block, then restore its device and modes."""
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
    """On a GPU, restrict cuDNN to full float32 products and deterministic algorithms."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that every backend gives the same bits.

    Two such runs side by side are faster than one after the other on two threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
