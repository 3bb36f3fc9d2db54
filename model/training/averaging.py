"""Weights averaged over the steps of a training.

The average is exponential: with each further step the contribution of earlier weights is multiplied
by `decay` (Polyak and Juditsky 1992; in this form Tan and Le 2019, arXiv:1905.11946). In the first
steps the decay is smaller, so that the random initial weights do not remain in the average. Batch
norm's running statistics are averaged with the weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """Average of a network's weights over the steps so far.

    Parameters
    ----------
    network
        Network whose weights change in place.
    decay
        From 0 to below 1; 0 takes no average.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.num_steps = 0
        self._decay = decay
        live = {name: tensor.detach() for name, tensor in network.state_dict().items()}
        # counts, such as batch norm's number of batches, are not averaged
        self._live = {name: tensor for name, tensor in live.items() if tensor.is_floating_point()}
        self.tensors: dict[str, Tensor] = {}
        if decay:
            self.tensors = {name: tensor.clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def add(self) -> None:
        """Add the weights after a step to the average."""
        if not self._decay:
            return
        self.num_steps += 1
        decay = min(self._decay, self.num_steps / (9 + self.num_steps))
        torch._foreach_lerp_(
            list(self.tensors.values()), list(self._live.values()), weight=1 - decay
        )

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the network the averaged weights for the duration of a block."""
        if not self._decay:
            yield
            return
        held = {name: tensor.clone() for name, tensor in self._live.items()}
        self._give(self.tensors)
        try:
            yield
        finally:
            self._give(held)

    @torch.no_grad()
    def _give(self, tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            self._live[name].copy_(tensor)
