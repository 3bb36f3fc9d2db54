"""What a computation asks of a process, a device or a network, and mostly restores at its end."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

import torch
from torch import nn

ON_CPU: Final = 200
"""Sequences of a forward pass on a CPU: of the paper's network, a layer's activations are below
`KEPT_BLOCK_BYTES`."""
ON_GPU: Final = 1000
"""Sequences of a forward pass on a GPU."""
KEPT_BLOCK_BYTES: Final = 32 * 2**20
"""Size from which glibc takes each block of memory from the system anew; it allows no more."""
KEPT_BYTES: Final = 256 * 2**20
"""Freed memory from which glibc gives some back to the system."""


def forward_batch(device: torch.device | str) -> int:
    """Sequences of a forward pass on a device; only memory and speed depend on it."""
    return ON_CPU if torch.device(device).type == "cpu" else ON_GPU


@cache
def keep_freed_memory() -> None:
    """Have this process keep memory that is freed: a forward pass needs it again at once.

    To give each layer's back, and to take it anew, took a third of the time of predictions. C
    libraries other than glibc are left as they are.
    """
    trim_threshold, mmap_threshold = -1, -3  # as glibc's malloc.h numbers them
    with suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(mmap_threshold, KEPT_BLOCK_BYTES)
        library.mallopt(trim_threshold, KEPT_BYTES)


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
