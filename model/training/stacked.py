"""Networks of equal shape trained in one process, their weights stacked: for a GPU.

A network of one TF is small beside a GPU, which spends most of a step on starting its operations.
Here each operation computes all K networks at once, each of them on examples, an order and masks of
its own, so that they train as they would alone:

- a convolution is a batched matrix product (`bmm`) of the stacked filters and the unfolded inputs.
  A convolution of K groups computes the same, but training by it is slow;
- batch norm takes its statistics by network and channel, K F of them, and updates the running ones;
- the loss is the sum of the networks' losses, so that each has its own gradients, and Adam works
  value by value.

A network stops as it would alone: the weights kept are those of its own best epoch before its own
end. Weights differ from those of a training alone by rounding, as with several processes
(`model.training.data_parallel`).

No run is trained like this; `benchmarks/gpu.py` measures whether it is faster than several
processes that share a GPU.

Legend: B batch, F filters or units, K networks, L base pairs, n examples, P positions, T TFs, U
units, W width.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.device import held_cudnn
from model.errors import ModelError
from model.network import BindingNetwork
from model.seeds import seeded, stream_seed
from model.training.batches import Batches, Examples, batch_bounds, shuffled_rows
from model.training.config import Strands, TrainingConfig
from model.training.data_parallel import ALONE
from model.training.epoch import Epoch
from model.training.loop import EVAL_BATCH, TrainingResult, make_optimizer

_STATISTICS: Final = ("running_mean", "running_var")


class StackedNetwork(nn.Module):
    """K networks of the paper's kind as one, tensors by the networks' names, each (K, ...).

    Parameters
    ----------
    networks
        Networks of one config, without LSTMs and motif terms; they are copied.
    masks
        A random generator for each network, which draws the masks of dropout that the network
        would draw alone on a CPU. By default all masks are drawn at once by torch's global one.

    Raises
    ------
    ModelError
        The networks cannot be stacked.
    """

    def __init__(
        self, networks: Sequence[nn.Module], masks: Sequence[torch.Generator] | None = None
    ) -> None:
        super().__init__()
        first = networks[0] if networks else None
        if not isinstance(first, BindingNetwork):
            raise ModelError("only networks of this program can be stacked, one or more")
        if any(
            not isinstance(one, BindingNetwork) or one.config != first.config for one in networks
        ):
            raise ModelError("networks that are stacked have one config; give equal ones")
        config = first.config
        if config.lstm_units or config.motif_width or config.conv_dropout or not config.batch_norm:
            raise ModelError(
                f"network {config.name} has LSTMs, motif terms, dropout of convolutions or no "
                "batch norm, which cannot be stacked"
            )
        self.config = config
        self.num_networks = len(networks)
        self._masks = masks
        states = [one.state_dict() for one in networks]
        for name in states[0]:
            if name.endswith("num_batches_tracked"):
                continue
            made = torch.stack([state[name].detach().contiguous() for state in states])
            own = name.replace(".", "_")
            if name.endswith(_STATISTICS):
                self.register_buffer(own, made)
            else:
                self.register_parameter(own, nn.Parameter(made))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (K, B, T) of one-hot sequences (K, 4, B, L), channels before the batch."""
        hidden = inputs
        for number, width in enumerate(self.config.conv_widths, start=1):
            hidden = self._conv(f"conv{number}", hidden, width)
        # units before the batch, as channels: (K, F P, B)
        hidden = hidden.permute(0, 1, 3, 2).flatten(1, 2)
        for number in range(1, len(self.config.dense_units) + 1):
            hidden = self._dense(f"dense{number}", hidden)
        return self._product("output", hidden).transpose(1, 2)

    def stacked(self) -> dict[str, Tensor]:
        """Give all weights and statistics, each (K, ...), by name."""
        return dict(self.state_dict())

    @torch.no_grad()
    def write_to(self, networks: Sequence[nn.Module], stacked: Mapping[str, Tensor]) -> None:
        """Give networks the weights and statistics of a stack."""
        for number, network in enumerate(networks):
            for name, tensor in network.state_dict().items():
                if (made := stacked.get(name.replace(".", "_"))) is not None:
                    tensor.copy_(made[number])

    def _conv(self, block: str, inputs: Tensor, width: int) -> Tensor:
        """Convolution, batch norm, max pooling, ReLU: (K, F_in, B, P) to (K, F, B, P')."""
        num, channels, batch, _ = inputs.shape
        windows = inputs.unfold(3, width, 1)
        positions = windows.shape[3]
        columns = windows.permute(0, 1, 4, 2, 3).reshape(num, channels * width, batch * positions)
        mapped = self._norm(block, self._product(f"{block}_conv", columns))
        pooled = F.max_pool1d(mapped.view(-1, batch, positions), self.config.pool_width)
        return F.relu(pooled.view(num, -1, batch, pooled.shape[2]))

    def _dense(self, block: str, inputs: Tensor) -> Tensor:
        """Dense layer, batch norm, ReLU, dropout: (K, F, B) to (K, U, B)."""
        hidden = F.relu(self._norm(block, self._product(f"{block}_dense", inputs)))
        if not self.training or not self.config.dropout:
            return hidden
        if self._masks is None:
            return F.dropout(hidden, self.config.dropout)
        kept = 1.0 - self.config.dropout
        shape = hidden.shape[2], hidden.shape[1]  # as a network draws alone
        masks = [torch.empty(shape).bernoulli_(kept, generator=one).T for one in self._masks]
        return hidden * (torch.stack(masks) / kept).to(hidden)

    def _product(self, layer: str, columns: Tensor) -> Tensor:
        """Product of the networks' weights and columns: (K, C, N) to (K, F, N)."""
        weight = getattr(self, f"{layer}_weight").flatten(2)
        return torch.baddbmm(getattr(self, f"{layer}_bias")[:, :, None], weight, columns)

    def _norm(self, block: str, values: Tensor) -> Tensor:
        """Batch norm by network and channel, of values (K, F, N)."""
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, var, weight, bias = (getattr(self, f"{block}_norm_{name}").view(-1) for name in parts)
        flat = values.reshape(1, -1, values.shape[2])
        return F.batch_norm(flat, mean, var, weight, bias, self.training).view(values.shape)


class StackedExamples:
    """As many examples of each of K networks, on a device.

    Parameters
    ----------
    examples
        Those of each network.
    strands
        Which strands are read.
    device
        Where they lie.

    Raises
    ------
    ModelError
        The networks have different numbers of examples, or some labels are not resolved.
    """

    def __init__(
        self, examples: Sequence[Examples], strands: Strands, device: torch.device
    ) -> None:
        self._num_regions = len(examples[0].labels)
        if any(len(one.labels) != self._num_regions for one in examples):
            raise ModelError("networks that are stacked have as many examples each; give as many")
        if any(not (one.labels >= 0).all() for one in examples):
            raise ModelError("networks that are stacked learn from resolved labels only")
        together = examples[0]
        for one in examples[1:]:
            together = together.and_also(one)
        self.strands = strands
        self._batches = Batches(
            together, "training", batch_size=1, strands=strands, device=device, parallel=ALONE
        )
        self.device = device
        self._num_all = len(together.labels)
        offsets = self._num_regions * torch.arange(len(examples))
        self._offsets = offsets.to(device)[:, None]

    def __len__(self) -> int:
        """Give the number of examples of an epoch of one network."""
        return self._num_regions * (2 if self.strands == "both" else 1)

    def shuffled(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Rows of an epoch of each network in random order, int64 (K, len), on the device."""
        orders = [shuffled_rows(self._num_regions, self.strands, one) for one in generators]
        return torch.stack(orders).to(self._batches.device)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give inputs (K, 4, B, L) and labels, float32 (K, B, T), of rows, int64 (K, B)."""
        strand = torch.div(rows, self._num_regions, rounding_mode="floor")
        found = strand * self._num_all + rows % self._num_regions + self._offsets
        inputs, labels = self._batches.inputs_and_labels(found.flatten())
        num, batch = rows.shape
        one_hot = inputs.unflatten(0, (num, batch)).transpose(1, 2)
        return one_hot, labels.unflatten(0, (num, batch)).float()


@dataclass
class _Course:
    """The progress of the training of one network."""

    history: list[Epoch] = field(default_factory=list)
    kept_epoch: int = 0
    kept_loss: float = math.inf
    best_epoch: int = 0
    best_loss: float = math.inf
    is_over: bool = False

    def add(self, epoch: Epoch, config: TrainingConfig, num_epochs: int) -> bool:
        """Add an epoch, unless the training is over; whether its weights are to be kept."""
        if self.is_over:
            return False
        self.history.append(epoch)
        is_best = epoch.val_loss < self.best_loss
        if is_best:
            self.best_epoch, self.best_loss = epoch.epoch, epoch.val_loss
        is_kept = is_best or config.keep == "last"
        if is_kept:
            self.kept_epoch, self.kept_loss = epoch.epoch, epoch.val_loss
        waited = len(self.history) - self.best_epoch
        too_long = config.patience is not None and waited >= config.patience
        self.is_over = too_long or len(self.history) >= num_epochs
        return is_kept

    def result(self, seconds: float) -> TrainingResult:
        """Give the result of the training, which took some seconds."""
        return TrainingResult(
            history=tuple(self.history),
            best_epoch=self.kept_epoch,
            best_val_loss=self.kept_loss,
            seconds=seconds,
        )


class StackedTraining:
    """The steps and epochs of K networks.

    Parameters
    ----------
    stack
        The networks, on their device.
    learning, validating
        Their examples, on the same device.
    config
        How all are trained.
    seeds
        Seed of the shuffling of each.
    """

    def __init__(
        self,
        stack: StackedNetwork,
        learning: StackedExamples,
        validating: StackedExamples,
        config: TrainingConfig,
        seeds: Sequence[int],
    ) -> None:
        self.stack = stack
        self.learning = learning
        self.validating = validating
        self.config = config
        self.optimizer = make_optimizer(stack, config)
        self.bounds = batch_bounds(len(learning), config.batch_size)
        self._shuffling = [
            torch.Generator().manual_seed(stream_seed(seed, "shuffling")) for seed in seeds
        ]

    def step(self, rows: Tensor) -> Tensor:
        """Take a step on rows, int64 (K, B); the loss of each network, (K,)."""
        losses = self._losses(self.learning, rows)
        self.optimizer.zero_grad()
        losses.sum().backward()
        self.optimizer.step()
        return losses.detach()

    def train_epoch(self) -> Tensor:
        """Take a step for each batch of the shuffled examples; mean losses (K,)."""
        self.stack.train()
        order = self.learning.shuffled(self._shuffling)
        total = torch.zeros(len(order), dtype=torch.float64).to(order.device)
        for start, stop in self.bounds:
            total += self.step(order[:, start:stop]) * (stop - start)
        return total / len(self.learning)

    @torch.no_grad()
    def validate(self) -> Tensor:
        """Mean losses in eval mode, (K,)."""
        self.stack.eval()
        every = torch.arange(len(self.validating)).repeat(self.stack.num_networks, 1)
        every = every.to(self.validating.device)
        total = torch.zeros(len(every), dtype=torch.float64).to(every.device)
        for rows in every.split(EVAL_BATCH, dim=1):
            total += self._losses(self.validating, rows) * rows.shape[1]
        return total / len(self.validating)

    def _losses(self, examples: StackedExamples, rows: Tensor) -> Tensor:
        inputs, labels = examples.batch(rows)
        enabled = self.config.precision == "bfloat16"
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=enabled):
            logits = self.stack(inputs).float()
        losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        return losses.flatten(1).mean(dim=1)


def train_stacked(
    networks: Sequence[nn.Module],
    train: Sequence[Examples],
    val: Sequence[Examples],
    config: TrainingConfig,
    *,
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
) -> list[TrainingResult]:
    """Train networks in place, all at once, each as `model.training.loop.train` would alone.

    On a CPU each network drops the units that it would drop alone. On a GPU the masks of all are
    drawn at once, from the first seed.

    Parameters
    ----------
    networks
        K networks of one config, on the CPU.
    train, val
        The examples of each, as many for each, all labels resolved.
    config
        How all are trained, for one epoch or more. Frozen layers, averaged weights, a probe and
        fixed norms are not supported here.
    seeds
        Seed of the shuffling and dropout of each network.
    device
        Where to train; the CPU by default.

    Returns
    -------
    list of TrainingResult
        One for each network; the seconds are those of all.

    Raises
    ------
    ModelError
        The networks or examples cannot be stacked, the config asks for something that is not
        supported here, or a loss is not finite.
    """
    if config.frozen or config.averaging or config.probe is not None or config.fixed_norm:
        raise ModelError("frozen layers, averages, probes and fixed norms cannot be stacked")
    began = time.perf_counter()
    device = torch.device(device)
    masks = [torch.Generator().manual_seed(stream_seed(one, "dropout")) for one in seeds]
    stack = StackedNetwork(networks, masks if device.type == "cpu" else None).to(device)
    training = StackedTraining(
        stack,
        StackedExamples(train, config.train_strands, device),
        StackedExamples(val, config.val_strands, device),
        config,
        seeds,
    )
    with held_cudnn(device), seeded(seeds[0], "dropout", device):
        courses = _run(training, networks)
    seconds = time.perf_counter() - began
    return [course.result(seconds) for course in courses]


def _run(training: StackedTraining, networks: Sequence[nn.Module]) -> list[_Course]:
    """Train until every network is at its end, and give each the weights that it keeps."""
    config = training.config
    num_epochs = config.num_epochs(len(training.bounds))
    courses = [_Course() for _ in networks]
    kept = {name: tensor.clone() for name, tensor in training.stack.stacked().items()}
    while not all(course.is_over for course in courses):
        began = time.perf_counter()
        number = max(len(course.history) for course in courses) + 1
        train_losses, val_losses = training.train_epoch().tolist(), training.validate().tolist()
        if not all(map(math.isfinite, (*train_losses, *val_losses))):
            raise ModelError(f"epoch {number}: a loss is not finite at lr {config.lr}")
        seconds = time.perf_counter() - began
        better = [
            course.add(
                Epoch(epoch=number, train_loss=one, val_loss=other, seconds=seconds),
                config,
                num_epochs,
            )
            for course, one, other in zip(courses, train_losses, val_losses, strict=True)
        ]
        chosen = torch.tensor(better)
        for name, tensor in training.stack.stacked().items():
            where = chosen.to(tensor.device).view(-1, *[1] * (tensor.dim() - 1))
            kept[name] = torch.where(where, tensor, kept[name])
    training.stack.write_to(networks, kept)
    return courses
