"""Training and prediction on packed examples.

Examples are packed sequences (`model.encoding`) and labels (`model.labels`): bound, unbound or
unresolved. The loss is the mean binary cross-entropy of logits over the resolved cells of a batch;
over an epoch, the mean over all of its cells. With both strands an epoch trains on every example
and its reverse complement, 2n examples shuffled together; the validation set is doubled alike.
Prediction reads the forward strand only (Novakovsky et al. 2021, Methods). With one strand drawn
at random for each example and epoch, an epoch is half as long and validation reads the forward one.

Same network, examples, config and seed: bitwise the same weights on a CPU with one thread. On a
GPU cuDNN is held to deterministic algorithms and to products of whole float32 (its default, TF32,
has 10 bits of mantissa), which makes a rerun agree to float tolerance; the same bits are not
promised. Dropout draws its masks on the GPU, so that a CPU's training is another sample of the same
distribution, as one of another seed is.

Legend: B batch, L base pairs, n examples, T TFs.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from model.device import borrowed
from model.errors import ModelError
from model.prediction import predict
from model.seeds import seeded, stream_seed
from model.training.averaging import AveragedWeights
from model.training.batches import Batches, Examples
from model.training.config import Keep, Precision, TrainingConfig
from model.training.data_parallel import ALONE, OneProcess
from model.training.probe import fit_motif_term, fit_output_layer
from model.training.state import Epoch, StateFile, TrainingState

__all__ = [
    "Epoch",
    "Examples",
    "Keep",
    "Precision",
    "StateFile",
    "TrainingConfig",
    "TrainingResult",
    "make_optimizer",
    "predict",
    "train",
    "validation_loss",
]

EVAL_BATCH: Final = 500
"""Examples of a validation batch."""


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
    state_file: StateFile | None = None,
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
        with the same arguments (`model.training.data_parallel`).
    state_file
        Where the state is kept after epochs, and gone on from if it is there; the caller removes
        it. None keeps none.

    Raises
    ------
    ModelError
        There are too few examples or no resolved labels, a loss is not finite, or a layer to be
        frozen does not exist, or all are frozen.
    """
    began = time.perf_counter()
    device = torch.device(device)
    frozen = _layers(network, config.frozen)
    still = frozen if not config.fixed_norm else (*frozen, *_norms(network))
    learning = Batches(
        train,
        "training",
        batch_size=config.batch_size,
        strands=config.train_strands,
        device=device,
        parallel=parallel,
    )
    validating = _validation_batches(val, config, device, parallel)
    if len(learning) < 2:
        raise ModelError(
            f"{len(learning)} training example; batch norm needs 2 or more, give more regions"
        )
    with (
        borrowed(network, device),
        _without_gradients(frozen),
        seeded(seed, "dropout", device),
        parallel.joined(network),
    ):
        if config.probe is not None:
            known = train.and_also(val) if config.learns_from_val else train
            fit_output_layer(network, known, config.probe, device=device)
        else:
            fit_motif_term(network, train, device=device)
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
        state = TrainingState(network, optimizer, shuffling, device, config)
        if state_file is not None:
            # by one process for all: a leftover of a killed command may still write states
            state.restore(parallel.from_first(state_file.read() if parallel.rank == 0 else b""))
        earlier = sum(epoch.seconds for epoch in state.history)
        while not _is_over(state, config, len(learning.bounds)):
            epoch_began = time.perf_counter()
            number = len(state.history) + 1
            train_loss = _train_epoch(
                network, still, optimizer, learning, shuffling, state.averaged, config.precision
            )
            _check_finite(train_loss, "training", number, config)
            with state.averaged.in_place():
                val_loss = _validation_loss(network, validating, config.precision)
                _check_finite(val_loss, "validation", number, config)
                epoch = Epoch(
                    epoch=number,
                    train_loss=train_loss,
                    val_loss=val_loss,
                    seconds=time.perf_counter() - epoch_began,
                )
                state.add(epoch)
            if state_file is not None and parallel.rank == 0:
                state.write(state_file)
            if on_epoch is not None:
                on_epoch(epoch)
        state.kept.restore()
    return TrainingResult(
        history=tuple(state.history),
        best_epoch=state.kept.epoch,
        best_val_loss=state.kept.loss,
        seconds=earlier + time.perf_counter() - began,
    )


def validation_loss(
    network: nn.Module,
    examples: Examples,
    config: TrainingConfig,
    *,
    device: torch.device | str = "cpu",
) -> float:
    """Mean loss over the resolved cells of some examples, of the weights as they are.

    The network's device and mode are given back as found.

    Parameters
    ----------
    config
        Says which strands are read, and the precision.

    Raises
    ------
    ModelError
        There are no examples, or none of their labels is resolved.
    """
    device = torch.device(device)
    batches = _validation_batches(examples, config, device, ALONE)
    with borrowed(network, device):
        return _validation_loss(network, batches, config.precision)


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


def _is_over(state: TrainingState, config: TrainingConfig, num_steps: int) -> bool:
    if len(state.history) >= config.num_epochs(num_steps):
        return True
    return config.patience is not None and state.epochs_without_gain() >= config.patience


def _layers(network: nn.Module, names: tuple[str, ...]) -> tuple[nn.Module, ...]:
    """Top-level layers by name."""
    layers = dict(network.named_children())
    for name in names:
        if name not in layers:
            there = ", ".join(layers)
            raise ModelError(f"no layer to freeze is named {name!r}; there are: {there}")
    return tuple(layers[name] for name in names)


def _norms(network: nn.Module) -> tuple[nn.Module, ...]:
    """Batch norms of a network."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return tuple(module for module in network.modules() if isinstance(module, kinds))


def _train_epoch(
    network: nn.Module,
    still: tuple[nn.Module, ...],
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    shuffling: torch.Generator,
    averaged: AveragedWeights,
    precision: Precision,
) -> float:
    """One pass over the shuffled examples; their mean loss."""
    network.train()
    for layer in still:
        layer.eval()  # or batch norm would go on averaging what passes through
    order = batches.shuffled(shuffling)
    # sums stay tensors: reading a number at each step would wait for the device
    total, count = torch.zeros(2, dtype=torch.float64, device=batches.device)
    for start, stop in batches.bounds:
        with _products_in(precision, batches.device):
            loss, cells = batches.loss(network, order[start:stop])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        batches.parallel.add_up_gradients(network.parameters())
        optimizer.step()
        averaged.add()
        total += loss.detach() * cells
        count += cells
    batches.parallel.add_up(total)
    return float(total / count)


def _validation_batches(
    examples: Examples, config: TrainingConfig, device: torch.device, parallel: OneProcess
) -> Batches:
    return Batches(
        examples,
        "validation",
        batch_size=config.batch_size,
        strands=config.val_strands,
        device=device,
        parallel=parallel,
    )


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
