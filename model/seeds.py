"""Independent random streams from one seed, with the caller's random state left alone.

Initialization, dropout and shuffling of a run each have their own stream: with one shared seed
the first dropout mask would be made from the very numbers that made the first filters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

import numpy as np
import torch

Stream = Literal["initialization", "dropout", "shuffling", "motif folds"]
_STREAMS: Final[dict[Stream, int]] = {
    "initialization": 0,
    "dropout": 1,
    "shuffling": 2,
    "motif folds": 3,
}


def stream_seed(seed: int, stream: Stream) -> int:
    """Seed of one stream, a function of `seed` (0 or more) and the stream's name alone."""
    if seed < 0:
        raise ValueError(f"seed is {seed}; give 0 or more")
    sequence = np.random.SeedSequence([seed, _STREAMS[stream]])
    # torch takes 64 bits; 63 are safe in signed integers too
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def seeded(seed: int, stream: Stream, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's global generators in a block; afterwards they are as they were before."""
    devices = []
    if device is not None and device.type == "cuda":
        devices = [torch.cuda.current_device() if device.index is None else device.index]
    with torch.random.fork_rng(devices=devices):
        # not torch.manual_seed, which seeds every GPU: fork_rng restores only those named
        torch.default_generator.manual_seed(stream_seed(seed, stream))
        for index in devices:
            with torch.cuda.device(index):
                torch.cuda.manual_seed(stream_seed(seed, stream))
        yield
