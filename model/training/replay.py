"""A training step that a GPU repeats by itself: captured once as a CUDA graph, then replayed.

A step of the paper's network is some hundred small kernels, which a GPU computes sooner than
Python launches them. A CUDA graph launches all of them at once: the same kernels in the same order
on the same memory, so the same numbers. What changes from step to step, the rows of the batch, is
copied into the memory that the captured step reads.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor

WARM_UP: Final = 3
"""Steps before the capture, in which libraries set up what may not be set up in one."""
FEWEST: Final = 50
"""Equal steps in a training from which a capture, which takes as long as some tens of steps, is
worth it."""


class StepLoss(NamedTuple):
    """What a step returns."""

    loss: Tensor
    """Mean loss over the resolved cells of the batch, before the step; a scalar."""
    cells: Tensor | int
    """Number of these cells."""


Step = Callable[[Tensor], StepLoss]
"""Changes the weights by a batch, given its rows, int64 (B,), on the device."""


class Captured(NamedTuple):
    """A captured step."""

    replay: Callable[[], None]
    """Takes the step on the rows that the captured memory holds now."""
    result: StepLoss
    """Memory that each replay writes its result into."""


Capture = Callable[[Step, Tensor], Captured]
"""Captures a step that reads its rows from a tensor, without taking it."""


class ReplayedStep:
    """A training step that is captured once, and replayed for all batches of one size.

    Batches of other sizes, and the first ones, take the step itself. The result of a step is
    overwritten by the next one.

    Parameters
    ----------
    num_rows
        Size of the batches that are replayed.
    capture
        How a step is captured; by default as a CUDA graph.
    """

    def __init__(self, num_rows: int, capture: Capture | None = None) -> None:
        self._num_rows = num_rows
        self._capture = cuda_graph if capture is None else capture
        self._num_taken = 0
        self._held: tuple[Tensor, Captured] | None = None

    def take(self, step: Step, rows: Tensor) -> StepLoss:
        """Take a step on a batch: the same step in all calls, which reads no number of the GPU."""
        if len(rows) != self._num_rows:
            return step(rows)
        if self._num_taken < WARM_UP:
            self._num_taken += 1
            return step(rows)
        if self._held is None:
            read = rows.clone()
            self._held = read, self._capture(step, read)
        read, captured = self._held
        read.copy_(rows)
        captured.replay()
        return captured.result


def cuda_graph(step: Step, rows: Tensor) -> Captured:
    """Capture a step as a CUDA graph, on the device of its rows.

    Only this thread is watched for what a capture does not allow: others may use the GPU.
    """
    with torch.cuda.device(rows.device):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = step(rows)
    return Captured(replay=graph.replay, result=result)


def is_worth_it(device: torch.device, num_steps: int) -> bool:
    """Whether a training on a device, of a number of steps of equal size, is worth a capture."""
    return device.type == "cuda" and num_steps >= FEWEST
