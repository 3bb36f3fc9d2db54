"""One network trained by several processes, each on its slice of every batch.

All processes call `model.training.loop.train` with the same network, examples, config and seed, in
a process group of `torch.distributed`, and compute what one process computes, to float tolerance:

- a batch is split into as many slices as there are processes, in the order of its rows;
- the loss is the mean over the resolved cells of the whole batch, and its gradients are summed;
- batch norm takes mean and variance over the whole batch, so that the running statistics are
  those of one process (torch's `SyncBatchNorm` does so on GPUs alone);
- dropout draws the masks of the whole batch in every process, from the stream of random numbers
  that one process draws from, and uses its slice of them;
- losses are summed over the processes, so that all choose the same epoch and stop after the same.

The processes hold equal weights at all times and never send them. Their weights differ from those
of one process by rounding, as those of one process on two threads differ from those on one. The
difference grows where rounding decides a ReLU or a maximum, and in Adam where a gradient is zero
except for rounding.

Legend: B batch, F filters or units, N processes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Final, final

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from model.errors import ModelError, ProcessLostError

_LARGE_WEIGHT: Final = 100_000
"""Values of a weight whose gradient is worth a message of its own."""
_BatchNormLayer = nn.BatchNorm1d | nn.BatchNorm2d


class Parallel(ABC):
    """A process's part in a training, by itself or together with others."""

    rank: int
    """Which of the processes this is, counted from 0."""

    @abstractmethod
    def slice_of(self, rows: Tensor) -> Tensor:
        """Rows that this process computes on, of the rows of a batch, shape (B,)."""

    @abstractmethod
    def joined(self, network: nn.Module) -> AbstractContextManager[None]:
        """Let the network's layers see whole batches, for the duration of a block."""

    @abstractmethod
    def from_first(self, content: bytes) -> bytes:
        """Give what the first process has, so that all of them decide alike."""

    @abstractmethod
    def add_up(self, *tensors: Tensor) -> None:
        """Replace tensors by their sums over the processes."""

    @abstractmethod
    def add_up_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Replace the gradients of a network's weights by their sums over the processes."""


@final
class OneProcess(Parallel):
    """A training by this process alone: its slice is the whole batch."""

    rank = 0

    def slice_of(self, rows: Tensor) -> Tensor:
        """Give all rows."""
        return rows

    def joined(self, network: nn.Module) -> AbstractContextManager[None]:
        """Leave the layers as they are."""
        return nullcontext()

    def from_first(self, content: bytes) -> bytes:
        """Give the content back."""
        return content

    def add_up(self, *tensors: Tensor) -> None:
        """Leave the tensors as they are."""

    def add_up_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Leave the gradients as they are."""


ALONE: Final = OneProcess()


@final
class DataParallel(Parallel):
    """A process's part in a training by all processes of a group.

    Parameters
    ----------
    group
        A process group that is initialized; None takes torch's default group.
    device
        Where this process trains, and where tensors must lie that the group sends: nccl works with
        GPUs only. The CPU by default.
    """

    def __init__(
        self, group: dist.ProcessGroup | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self._group = group
        self._device = torch.device(device)
        self.rank = dist.get_rank(group)
        self.num_processes = dist.get_world_size(group)
        self._bounds = [0] * (self.num_processes + 1)
        self._sizes = torch.zeros(self.num_processes)
        self._sent: list[tuple[Tensor, Any]] = []

    def slice_of(self, rows: Tensor) -> Tensor:
        """Rows that this process computes on; the layers expect these in their next forward."""
        self._bounds = [
            len(rows) * rank // self.num_processes for rank in range(self.num_processes + 1)
        ]
        # to the device once a batch, not once a layer
        self._sizes = torch.tensor(self._bounds, dtype=torch.float64).diff().to(self._device)
        return rows[self._slice]

    @contextmanager
    def joined(self, network: nn.Module) -> Iterator[None]:
        """Let batch norm and dropout see whole batches, for the duration of a block.

        The layers and their weights stay in place: only what they compute is replaced.

        Raises
        ------
        ModelError
            A layer depends on whole batches in a way that is not supported here.
        """
        changed: list[nn.Module] = []
        hooks = [
            weight.register_post_accumulate_grad_hook(self._send)
            for weight in network.parameters()
            if weight.requires_grad and weight.numel() >= _LARGE_WEIGHT
        ]
        try:
            for name, layer in network.named_modules():
                forward = self._whole_batch_forward(name, layer)
                if forward is not None:
                    layer.forward = forward
                    changed.append(layer)
            yield
        finally:
            for layer in changed:
                del layer.forward
            for hook in hooks:
                hook.remove()

    def from_first(self, content: bytes) -> bytes:
        """Give what the first process has, so that all of them decide alike.

        Raises
        ------
        ProcessLostError
            As for :meth:`add_up`.
        """
        first = dist.get_process_group_ranks(self._group)[0]
        size = torch.tensor([len(content)]).to(self._device)
        with _lost_processes_named():
            dist.broadcast(size, first, group=self._group)
            sent = torch.empty(int(size), dtype=torch.uint8)
            if self.rank == 0:
                sent.numpy()[:] = np.frombuffer(content, dtype=np.uint8)
            sent = sent.to(self._device)
            if len(sent):
                dist.broadcast(sent, first, group=self._group)
        return sent.cpu().numpy().tobytes()

    def add_up(self, *tensors: Tensor) -> None:
        """Replace tensors, all of one type, by their sums over the processes, in one message.

        Raises
        ------
        ProcessLostError
            Another process has died or given up, so that training cannot continue.
        """
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _lost_processes_named():
            dist.all_reduce(flat, group=self._group)
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, total in zip(tensors, flat.split(sizes), strict=True):
            tensor.copy_(total.view(tensor.shape))

    def add_up_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their sums; those of large weights are on their way already.

        Raises
        ------
        ProcessLostError
            As for :meth:`add_up`.
        """
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        sent = {id(gradient) for gradient, _ in self._sent}
        self.add_up(*(gradient for gradient in gradients if id(gradient) not in sent))
        with _lost_processes_named():
            for _, work in self._sent:
                work.wait()
        self._sent.clear()

    def _send(self, weight: Tensor) -> None:
        """Start to add up the gradient of a weight while those before it are computed."""
        if weight.grad is not None and weight.grad.is_contiguous():
            with _lost_processes_named():
                work = dist.all_reduce(weight.grad, group=self._group, async_op=True)
            self._sent.append((weight.grad, work))

    def _whole_batch_forward(
        self, name: str, layer: nn.Module
    ) -> Callable[[Tensor], Tensor] | None:
        if isinstance(layer, _BatchNormLayer):
            return partial(self._batch_norm, layer)
        if isinstance(layer, nn.Dropout):
            return partial(self._dropout, layer)
        if isinstance(layer, nn.modules.dropout._DropoutNd | nn.modules.batchnorm._BatchNorm):
            raise ModelError(
                f"layer {name} is a {type(layer).__name__}, which several processes cannot compute"
                " together; train with one"
            )
        return None

    @property
    def _slice(self) -> slice:
        return slice(self._bounds[self.rank], self._bounds[self.rank + 1])

    def _dropout(self, layer: nn.Dropout, inputs: Tensor) -> Tensor:
        # inputs are contiguous: one process draws its mask in their order in memory
        if not layer.training:
            return inputs
        whole = F.dropout(inputs.new_ones(self._bounds[-1], *inputs.shape[1:]), layer.p)
        return inputs * whole[self._slice]

    def _batch_norm(self, layer: nn.BatchNorm1d | nn.BatchNorm2d, inputs: Tensor) -> Tensor:
        if not layer.training:
            return type(layer).forward(layer, inputs)
        mean, var = self._mean_and_var(inputs.detach())
        num_values = self._bounds[-1] * inputs.shape[2:].numel()
        _track(layer, mean, var * (num_values / (num_values - 1)))
        normed: Tensor = _BatchNorm.apply(
            inputs, layer.weight, layer.bias, mean, var, layer.eps, num_values, self
        )
        return normed

    def _mean_and_var(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance over the whole batch, each (F,), of slices (b, F, ...)."""
        # of products in bfloat16 too, statistics are float32
        dtype = torch.promote_types(inputs.dtype, torch.float32)
        mine = inputs.new_zeros(2, inputs.shape[1], dtype=dtype)
        if len(inputs):
            mine = torch.stack(torch.batch_norm_update_stats(inputs, mine[0], mine[1], 0.0))
        gathered = [torch.empty_like(mine) for _ in range(self.num_processes)]
        with _lost_processes_named():
            dist.all_gather(gathered, mine, group=self._group)
        means, variances = torch.stack(gathered, dim=1)
        weights = (self._sizes.to(mine.dtype) / self._bounds[-1])[:, None]
        mean = (weights * means).sum(0)
        # the variance within the slices and that between them
        return mean, (weights * (variances + (means - mean) ** 2)).sum(0)


@contextmanager
def _lost_processes_named() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # gloo's or nccl's: a connection was closed or timed out
        raise ProcessLostError("another process of this training is gone") from error


@torch.no_grad()
def _track(layer: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, var: Tensor) -> None:
    """Move the running statistics towards a batch's, as torch does."""
    if layer.running_mean is None or layer.running_var is None:
        return
    momentum = layer.momentum
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked += 1
        if momentum is None:  # torch then takes the mean of all batches
            momentum = 1.0 / float(layer.num_batches_tracked)
    layer.running_mean.lerp_(mean, momentum or 0.0)
    layer.running_var.lerp_(var, momentum or 0.0)


class _BatchNorm(torch.autograd.Function):
    """Normalization of a slice by the statistics of the whole batch.

    The statistics depend on every value of the batch, so the gradient of a value has a part that
    goes through them: Ioffe and Szegedy 2015 (arXiv:1502.03167), section 3, whose sums over the
    batch are here sums over the processes. The gradients of weight and bias stay the slice's, as
    those of all other weights do until they are summed.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        var: Tensor,
        eps: float,
        num_values: int,
        parallel: DataParallel,
    ) -> Tensor:
        """Normalized inputs, shape (b, F, ...)."""
        ctx.save_for_backward(inputs, weight, mean, var)
        ctx.rest = eps, num_values, parallel
        return F.batch_norm(inputs, mean, var, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of inputs, weight and bias."""
        inputs, weight, mean, var = ctx.saved_tensors
        eps, num_values, parallel = ctx.rest
        if len(inputs):
            # first as if the statistics were constants; CUDA refuses None for what was not saved
            none = mean.new_empty(0)
            grad_inputs, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
                grad, inputs, weight, mean, var, none, none, False, eps, [True, True, True]
            )
        else:  # torch divides by zero here
            grad_inputs, grad_weight, grad_bias = map(torch.zeros_like, (grad, weight, weight))
        sums = torch.stack([grad_weight, grad_bias])
        parallel.add_up(sums)
        inverse_sd = torch.rsqrt(var + eps)
        scale = weight * inverse_sd / num_values
        slope = scale * inverse_sd * sums[0]
        offset = scale * sums[1] - slope * mean
        shape = (1, -1) + (1,) * (inputs.dim() - 2)
        grad_inputs.addcmul_(inputs, slope.view(shape), value=-1).sub_(offset.view(shape))
        return grad_inputs, grad_weight, grad_bias, None, None, None, None, None
