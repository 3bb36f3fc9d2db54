"""Adam, to the bit as `torch.optim.Adam(fused=True)` computes it, without torch's compiler.

torch's own class imports that compiler with its first step: two seconds of a processor in each
process that trains, as long as torch itself takes, although nothing here is compiled.
"""

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor

BETAS: Final = (0.9, 0.999)
EPS: Final = 1e-8


class Adam:
    """Adam (Kingma and Ba 2014) in its fused form: one pass over the weights a step.

    Parameters
    ----------
    weights
        What is trained, of one device and dtype.
    lr
        Learning rate.
    weight_decay
        L2 penalty; 0 for none.
    """

    def __init__(self, weights: Iterable[Tensor], *, lr: float, weight_decay: float) -> None:
        self.weights = list(weights)
        self.state = {weight: _no_moments(weight) for weight in self.weights}
        """Moments of each weight and its number of steps, by the names that torch gives them."""
        self._lr = lr
        self._weight_decay = weight_decay

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by their gradients; a weight without one stays as it is."""
        weights = [weight for weight in self.weights if weight.grad is not None]
        if not weights:
            return
        states = [self.state[weight] for weight in weights]
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            lr=self._lr,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self._weight_decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )


def _no_moments(weight: Tensor) -> dict[str, Tensor]:
    """Moments before the first step, with the weight's memory layout."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=weight.device),
        "exp_avg": torch.zeros_like(weight, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(weight, memory_format=torch.preserve_format),
    }
