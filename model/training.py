"""Training and prediction on packed examples.

Examples are packed sequences (`model.encoding`) and labels, 1 bound, 0 unbound, NaN unresolved.
The loss is the mean binary cross-entropy of logits over the resolved cells of a batch; over an
epoch, the mean over all of its cells. With both strands an epoch trains on every example and
its reverse complement, 2n examples shuffled together; the validation set is doubled alike.
Prediction reads the forward strand only (Novakovsky et al. 2021, Methods).

Same network, examples, config and seed: bitwise the same weights on a CPU with one thread.

Legend: B batch, L base pairs, n examples, T TFs.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.batches import Batches, Examples, check_sequences, to_tensor
from model.data_parallel import ALONE, OneProcess
from model.encoding import OneHotEncoder
from model.errors import ModelError
from model.seeds import seeded, stream_seed

__all__ = [
    "Epoch",
    "Examples",
    "TrainingConfig",
    "TrainingResult",
    "make_optimizer",
    "predict",
    "train",
]

EVAL_BATCH: Final = 500
"""Examples of a validation batch."""


Keep = Literal["best", "last"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a network is trained; the defaults are the paper's.

    Raises
    ------
    ValueError
        A field is out of its range.
    """

    lr: float
    """Learning rate of Adam. Paper: 0.003; 0.0003 after transfer."""
    batch_size: int = 100
    """Examples a step. Paper: 100."""
    max_epochs: int = 10
    """Epochs at most. Paper: 15 for multi-models, 10 for individual models."""
    patience: int | None = None
    """Stop after so many epochs in a row without a better validation loss; None: never."""
    frozen: tuple[str, ...] = field(default=(), metadata={"late": True})
    """Layers that stay as they are, such as `conv1`: weights and batch-norm statistics, and no
    dropout in them. The authors' scripts freeze the weights only. Paper: none."""
    both_strands: bool = True
    """Train and validate on the reverse complements as well. Paper: yes."""
    weight_decay: float = 0.0
    """L2 penalty of Adam. Paper: 0."""
    keep: Keep = field(default="best", metadata={"late": True})
    """Which epoch's weights are kept: those of the best validation loss (paper) or the last."""

    precision: Precision = field(default="float32", metadata={"late": True})
    """Of the products of training and validation; weights, losses and predictions are float32.
    bfloat16 trains 1.8 times as fast on a processor with AMX. Paper: float32."""

    def __post_init__(self) -> None:
        if isinstance(self.frozen, str):
            raise ValueError(f"frozen is {self.frozen!r}; give a list of names of layers")
        # a list when read from JSON
        object.__setattr__(self, "frozen", tuple(self.frozen))
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr is {self.lr}; give a number above 0")
        if self.batch_size < 2:
            raise ValueError(f"batch_size is {self.batch_size}; batch norm needs 2 or more")
        if self.max_epochs < 0:
            raise ValueError(f"max_epochs is {self.max_epochs}; give 0 or more")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience is {self.patience}; give 1 or more, or None for no limit")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(f"weight_decay is {self.weight_decay}; give 0 or more")
        if self.precision not in get_args(Precision):
            raise ValueError(
                f"precision is {self.precision!r}; give one of {', '.join(get_args(Precision))}"
            )
        if self.keep not in get_args(Keep):
            raise ValueError(f"keep is {self.keep!r}; give one of {', '.join(get_args(Keep))}")


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch came to."""

    epoch: int
    """Number, the first is 1."""
    train_loss: float
    """Mean over the epoch's examples, each at the weights that its step began with."""
    val_loss: float
    """Mean over the validation examples at the epoch's end."""
    seconds: float
    """Wall time, validation included."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What a training came to."""

    history: tuple[Epoch, ...]
    """Epochs in order, those after the one kept too."""
    best_epoch: int
    """Epoch whose weights the network has; 0 if none was trained."""
    best_val_loss: float
    """Validation loss of these weights."""
    seconds: float
    """Wall time."""


def train(
    network: nn.Module,
    train: Examples,
    val: Examples,
    config: TrainingConfig,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    on_epoch: Callable[[Epoch], None] | None = None,
    parallel: OneProcess = ALONE,
) -> TrainingResult:
    """Train a network in place and leave it with the weights that `config.keep` names.

    The network's device, train or eval mode and `requires_grad` flags, and torch's global
    random state, are given back as found.

    Parameters
    ----------
    network
        Takes (B, 4, L), returns logits (B, T).
    train, val
        Examples to learn from and to choose the epoch by.
    config
        With `max_epochs=0` nothing is trained, and `best_val_loss` is that of the weights given.
    seed
        Of shuffling and dropout; 0 or more.
    device
        Where to train; examples go there packed.
    on_epoch
        Called after each epoch; what it raises ends the training.
    parallel
        This process' part where several train the network together, each calling this function
        with the same arguments (`model.data_parallel`).

    Raises
    ------
    ModelError
        There are too few examples or no resolved labels, a loss is not finite, or a layer to be
        frozen does not exist, or all are frozen.
    """
    began = time.perf_counter()
    device = torch.device(device)
    frozen = _layers(network, config.frozen)
    learning = Batches(
        train,
        "training",
        batch_size=config.batch_size,
        both_strands=config.both_strands,
        device=device,
        parallel=parallel,
    )
    validating = Batches(
        val,
        "validation",
        batch_size=config.batch_size,
        both_strands=config.both_strands,
        device=device,
        parallel=parallel,
    )
    if len(learning) < 2:
        raise ModelError(
            f"{len(learning)} training example; batch norm needs 2 or more, give more regions"
        )
    with (
        _borrowed(network, device),
        _without_gradients(frozen),
        seeded(seed, "dropout", device),
        parallel.joined(network),
    ):
        if config.max_epochs == 0:
            loss = _validation_loss(network, validating, config.precision)
            return TrainingResult(
                history=(),
                best_epoch=0,
                best_val_loss=loss,
                seconds=time.perf_counter() - began,
            )
        optimizer = make_optimizer(network, config)
        shuffling = torch.Generator().manual_seed(stream_seed(seed, "shuffling"))
        kept = _KeptWeights(network, config.keep)
        history: list[Epoch] = []
        for number in range(1, config.max_epochs + 1):
            epoch_began = time.perf_counter()
            train_loss = _train_epoch(
                network, frozen, optimizer, learning, shuffling, config.precision
            )
            _check_finite(train_loss, "training", number, config)
            val_loss = _validation_loss(network, validating, config.precision)
            _check_finite(val_loss, "validation", number, config)
            epoch = Epoch(
                epoch=number,
                train_loss=train_loss,
                val_loss=val_loss,
                seconds=time.perf_counter() - epoch_began,
            )
            history.append(epoch)
            kept.offer(number, val_loss)
            if on_epoch is not None:
                on_epoch(epoch)
            if config.patience is not None and number - kept.best_epoch >= config.patience:
                break
        kept.restore()
    return TrainingResult(
        history=tuple(history),
        best_epoch=kept.epoch,
        best_val_loss=kept.loss,
        seconds=time.perf_counter() - began,
    )


def predict(
    network: nn.Module,
    sequences: NDArray[np.uint8],
    *,
    batch_size: int = 1000,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """Probabilities of binding of the forward strand, in eval mode.

    The network's device and mode are given back as found.

    Parameters
    ----------
    network
        Takes (B, 4, L), returns logits (B, T).
    sequences
        Packed bases, shape (n, L / 4).
    batch_size
        Sequences encoded at a time; only memory and speed depend on it.
    device
        Where to compute.

    Returns
    -------
    ndarray of float32
        Shape (n, T).
    """
    check_sequences(sequences)
    device = torch.device(device)
    packed = to_tensor(sequences).to(device)
    encode = OneHotEncoder(device)
    with _borrowed(network, device), torch.inference_mode():
        network.eval()
        # an empty input is one empty batch, which still says T
        parts = [network(encode(part)) for part in packed.split(batch_size)] or [
            network(encode(packed))
        ]
        return torch.sigmoid(torch.cat(parts)).cpu().numpy()


def make_optimizer(network: nn.Module, config: TrainingConfig) -> torch.optim.Adam:
    """Adam over the weights that are not frozen, in its fused form (one pass over the weights).

    Raises
    ------
    ModelError
        Every weight is frozen.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if not weights:
        raise ModelError("every layer is frozen; leave one to train, or set max_epochs=0")
    return torch.optim.Adam(weights, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def _layers(network: nn.Module, names: tuple[str, ...]) -> tuple[nn.Module, ...]:
    """Top-level layers by name."""
    layers = dict(network.named_children())
    for name in names:
        if name not in layers:
            there = ", ".join(layers)
            raise ModelError(f"no layer to freeze is named {name!r}; there are: {there}")
    return tuple(layers[name] for name in names)


def _train_epoch(
    network: nn.Module,
    frozen: tuple[nn.Module, ...],
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    shuffling: torch.Generator,
    precision: Precision,
) -> float:
    """One pass over the shuffled examples; their mean loss."""
    network.train()
    for layer in frozen:
        layer.eval()  # or batch norm would go on averaging what passes through
    order = torch.randperm(len(batches), generator=shuffling).to(batches.device)
    # sums stay tensors: reading a number at each step would wait for the device
    total, count = torch.zeros(2, dtype=torch.float64, device=batches.device)
    for start, stop in batches.bounds:
        with _products_in(precision, batches.device):
            loss, cells = batches.loss(network, order[start:stop])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        batches.parallel.add_up_gradients(network.parameters())
        optimizer.step()
        total += loss.detach() * cells
        count += cells
    batches.parallel.add_up(total)
    return float(total / count)


@torch.inference_mode()
def _validation_loss(network: nn.Module, batches: Batches, precision: Precision) -> float:
    """Mean loss over all examples in eval mode."""
    network.eval()
    total, count = torch.zeros(2, dtype=torch.float64, device=batches.device)
    for rows in torch.arange(len(batches), device=batches.device).split(EVAL_BATCH):
        with _products_in(precision, batches.device):
            loss, cells = batches.loss(network, rows)
        total += loss * cells
        count += cells
    batches.parallel.add_up(total)
    return float(total / count)


def _products_in(precision: Precision, device: torch.device) -> torch.autocast:
    """Context in which matrix products and convolutions are computed in a precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


class _KeptWeights:
    """Copy of the weights, in memory, at the epoch that is to be kept so far."""

    def __init__(self, network: nn.Module, keep: Keep) -> None:
        self.epoch = 0
        self.loss = math.inf
        self.best_epoch = 0
        self._best_loss = math.inf
        self._keep = keep
        self._live = {name: tensor.detach() for name, tensor in network.state_dict().items()}
        self._kept = {name: tensor.clone() for name, tensor in self._live.items()}

    def offer(self, epoch: int, loss: float) -> None:
        """Keep the weights as they are now if they are wanted."""
        is_best = loss < self._best_loss
        if is_best:
            self.best_epoch, self._best_loss = epoch, loss
        if is_best or self._keep == "last":
            self.epoch, self.loss = epoch, loss
            for name, tensor in self._live.items():
                self._kept[name].copy_(tensor)

    def restore(self) -> None:
        """Give the network the weights kept."""
        for name, tensor in self._kept.items():
            self._live[name].copy_(tensor)


@contextmanager
def _borrowed(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Have the network on a device; give back where it was and each module's mode."""
    weight = next(network.parameters(), None)
    home = device if weight is None else weight.device
    modes = {module: module.training for module in network.modules()}
    network.to(device)
    try:
        yield
    finally:
        network.to(home)
        for module, training in modes.items():
            module.training = training


@contextmanager
def _without_gradients(layers: tuple[nn.Module, ...]) -> Iterator[None]:
    """Freeze the weights of some layers; give back each one's flag."""
    weights = [weight for layer in layers for weight in layer.parameters()]
    flags = [weight.requires_grad for weight in weights]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight, flag in zip(weights, flags, strict=True):
            weight.requires_grad_(flag)


def _check_finite(loss: float, role: str, epoch: int, config: TrainingConfig) -> None:
    if not math.isfinite(loss):
        raise ModelError(
            f"epoch {epoch}: the {role} loss is {loss} at lr {config.lr}; give a lower lr, and"
            " finite starting weights"
        )
