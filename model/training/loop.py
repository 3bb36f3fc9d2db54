"""Training on packed examples: epochs, validation, early stopping and the weights that are kept.

Examples are packed sequences (`model.encoding`) and labels (`model.labels`): bound, unbound or
unresolved. The loss is the mean binary cross-entropy of the logits over the resolved cells of a
batch; over an epoch, the mean over all of its cells. With both strands an epoch trains on every
example and its reverse complement, 2n examples shuffled together, and the validation set is doubled
in the same way (Novakovsky et al. 2021, Methods). With one strand drawn at random for each example
and epoch, an epoch is half as long and validation reads the forward strand.

The same network, examples, config and seed give bitwise the same weights on a CPU with one thread.
On a GPU, cuDNN is restricted to deterministic algorithms and full float32 products (its default,
TF32, has 10 bits of mantissa): a rerun agrees to float tolerance, but not necessarily bit by bit.
Dropout draws its masks on the GPU, so a training there is another sample of the same distribution
as a training on a CPU, as if its seed were another.

Legend: B batch, L base pairs, n examples, T TFs.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal

import torch
from torch import Tensor, nn

from model.device import borrowed
from model.errors import ModelError
from model.network import BindingNetwork
from model.seeds import seeded, stream_seed
from model.training.adam import Adam
from model.training.batches import Batches, Examples
from model.training.config import Keep, Precision, TrainingConfig
from model.training.data_parallel import ALONE, Parallel
from model.training.epoch import Epoch
from model.training.many_motifs import ManyMotifs, join_many_motifs
from model.training.motif_choice import ChosenTerms, MotifLibrary, choose_terms
from model.training.probe import fit_motif_terms, fit_output_layer
from model.training.replay import ReplayedStep, StepLoss, is_worth_it
from model.training.state import StateFile, TrainingState

__all__ = [
    "Epoch",
    "Examples",
    "Keep",
    "OnEpoch",
    "Precision",
    "StateFile",
    "TrainingConfig",
    "TrainingContext",
    "TrainingResult",
    "make_optimizer",
    "train",
    "validation_loss",
]

EVAL_BATCH: Final = 500
"""Examples in a validation batch."""

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """Where a training happens, and what it keeps and reports on the way."""

    device: torch.device | str = "cpu"
    """Where to train; the examples go there packed."""
    parallel: Parallel = ALONE
    """This process's part where several train the network together, each calling `train` with the
    same arguments (`model.training.data_parallel`). By default this process trains alone."""
    on_epoch: OnEpoch | None = None
    """Called after each epoch; an exception that it raises ends the training."""
    state_file: StateFile | None = None
    """Checkpoint from which an interrupted training resumes, and to which it is written between
    epochs; the caller removes it. None keeps none."""
    motifs: MotifLibrary | None = None
    """Motifs of which the regions choose those that become terms of the network's logits, in place
    of terms that it may have. None leaves its terms as they are."""


_ALONE_ON_CPU: Final = TrainingContext()


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """How a training went, and which of its weights the network now has."""

    history: tuple[Epoch, ...]
    """All epochs in order, including those after the one whose weights are kept."""
    best_epoch: int
    """Epoch whose weights the network has; 0 if none was trained."""
    best_val_loss: float
    """Validation loss of these weights."""
    seconds: float
    """Wall time, including that of the epochs before a training was resumed."""
    chosen: ChosenTerms | None = None
    """The motifs that became terms of the network's logits; None where none were to be chosen."""
    many_motifs: ManyMotifs | None = None
    """The term of many motifs; None where there is none."""


def train(
    network: nn.Module,
    train: Examples,
    val: Examples,
    config: TrainingConfig,
    *,
    seed: int,
    context: TrainingContext = _ALONE_ON_CPU,
) -> TrainingResult:
    """Train a network in place and leave it with the weights that `config.keep` names.

    The network's device, train or eval mode and `requires_grad` flags, and torch's global
    random state, are given back as found.

    Parameters
    ----------
    network
        Takes (B, 4, L), returns logits (B, T).
    train, val
        Examples to learn from, and to choose the epoch by.
    config
        With `max_epochs=0` no epoch is trained, and `best_val_loss` is that of the weights given.
    seed
        Seed of shuffling and dropout, 0 or more.
    context
        Device, processes, callback and checkpoint; by default this process trains alone on the CPU.

    Raises
    ------
    ModelError
        There are too few examples or no resolved labels, a loss is not finite, or a layer to be
        frozen does not exist, or all are frozen.
    """
    began = time.perf_counter()
    device = torch.device(context.device)
    frozen = _layers(network, config.frozen)
    learning = _batches(train, "training", config, context)
    validating = _batches(val, "validation", config, context)
    if len(learning) < 2:
        raise ModelError(
            f"{len(learning)} training example; batch norm needs 2 or more, give more regions"
        )
    with (
        borrowed(network, device),
        _without_gradients(frozen),
        seeded(seed, "dropout", device),
        context.parallel.joined(network),
    ):
        known = train.and_also(val) if config.learns_from_val else train
        chosen = _choose_terms(network, known, config, seed, context)
        many_motifs = _fit_output(network, known, config, chosen, seed, device)
        if config.max_epochs == 0:
            loss = _validation_loss(network, validating, config.precision)
            fitted = TrainingResult(history=(), best_epoch=0, best_val_loss=loss, seconds=0.0)
        else:
            fitted = _Training(network, learning, validating, config, seed, context).run()
    seconds = fitted.seconds + time.perf_counter() - began
    return replace(fitted, seconds=seconds, chosen=chosen, many_motifs=many_motifs)


class _Training:
    """The epochs of a training: the network, its batches, and the state that epochs change.

    The state is that of the context's checkpoint, where there is one that fits.
    """

    def __init__(
        self,
        network: nn.Module,
        learning: Batches,
        validating: Batches,
        config: TrainingConfig,
        seed: int,
        context: TrainingContext,
    ) -> None:
        self._network = network
        self._learning = learning
        self._validating = validating
        self._config = config
        self._context = context
        self._in_eval = _layers(network, config.frozen)
        if config.fixed_norm:
            self._in_eval += _norms(network)
        self._optimizer = make_optimizer(network, config)
        self._shuffling = torch.Generator().manual_seed(stream_seed(seed, "shuffling"))
        self.state = TrainingState(
            network, self._optimizer, self._shuffling, learning.device, config
        )
        self._replayed = self._replayed_step()
        parallel, file = context.parallel, context.state_file
        if file is not None:
            # the first process reads it for all: a worker of a killed command, which still runs,
            # may write another one in between
            self.state.restore(parallel.from_first(file.read() if parallel.rank == 0 else b""))

    def run(self) -> TrainingResult:
        """Train all epochs that are left, then give the network the weights that are kept.

        Returns
        -------
        TrainingResult
            Its seconds are those of the epochs before the training was resumed.
        """
        earlier = sum(epoch.seconds for epoch in self.state.history)
        while not self._is_over():
            epoch = self._epoch()
            if self._context.state_file is not None and self._context.parallel.rank == 0:
                self.state.write(self._context.state_file)
            if self._context.on_epoch is not None:
                self._context.on_epoch(epoch)
        self.state.kept.restore()
        return TrainingResult(
            history=tuple(self.state.history),
            best_epoch=self.state.kept.epoch,
            best_val_loss=self.state.kept.loss,
            seconds=earlier,
        )

    def _is_over(self) -> bool:
        """Whether there were enough epochs, or early stopping ends the training."""
        if len(self.state.history) >= self._config.num_epochs(len(self._learning.bounds)):
            return True
        patience = self._config.patience
        return patience is not None and self.state.epochs_without_gain() >= patience

    def _epoch(self) -> Epoch:
        """Train and validate one epoch, and add it to the state."""
        began = time.perf_counter()
        number = len(self.state.history) + 1
        train_loss = self.train_epoch()
        self._check_finite(train_loss, "training", number)
        with self.state.averaged.in_place():
            val_loss = _validation_loss(self._network, self._validating, self._config.precision)
            self._check_finite(val_loss, "validation", number)
            epoch = Epoch(
                epoch=number,
                train_loss=train_loss,
                val_loss=val_loss,
                seconds=time.perf_counter() - began,
            )
            self.state.add(epoch)
        return epoch

    def train_epoch(self) -> float:
        """Take a step for each batch of the shuffled examples; their mean loss."""
        batches = self._learning
        self._network.train()
        for layer in self._in_eval:
            layer.eval()  # in train mode batch norm would update its running statistics
        order = batches.shuffled(self._shuffling)
        # sums stay tensors: reading a number at each step would wait for the device
        total, count = torch.zeros(2, dtype=torch.float64, device=batches.device)
        for start, stop in batches.bounds:
            rows = order[start:stop]
            replayed = self._replayed
            loss, cells = self._step(rows) if replayed is None else replayed.take(self._step, rows)
            self.state.averaged.add()
            total += loss * cells
            count += cells
        batches.parallel.add_up(total)
        return float(total / count)

    def _replayed_step(self) -> ReplayedStep | None:
        """Let a GPU repeat the step by itself, where it trains a network alone for long enough."""
        bounds, config = self._learning.bounds, self._config
        full = sum(stop - start == config.batch_size for start, stop in bounds)
        num_steps = full * config.num_epochs(len(bounds))
        alone = self._context.parallel is ALONE
        if not (alone and is_worth_it(self._learning.device, num_steps)):
            return None
        return ReplayedStep(config.batch_size)

    def _step(self, rows: Tensor) -> StepLoss:
        """Change the weights by a batch, of which `rows`, int64 (B,), are the rows."""
        batches = self._learning
        with _products_in(self._config.precision, batches.device):
            loss, cells = batches.loss(self._network, rows)
        self._optimizer.zero_grad()
        loss.backward()
        batches.parallel.add_up_gradients(self._network.parameters())
        self._optimizer.step()
        return StepLoss(loss.detach(), cells)

    def _check_finite(self, loss: float, role: str, epoch: int) -> None:
        if not math.isfinite(loss):
            raise ModelError(
                f"epoch {epoch}: the {role} loss is {loss} at lr {self._config.lr}; give a lower "
                "lr, and finite starting weights"
            )


def validation_loss(
    network: nn.Module,
    examples: Examples,
    config: TrainingConfig,
    *,
    device: torch.device | str = "cpu",
) -> float:
    """Mean loss over the resolved cells of some examples, with the weights as they are.

    The network's device and mode are given back as found.

    Parameters
    ----------
    config
        Names the strands that are read, and the precision.
    device
        Where to compute; the CPU by default.

    Raises
    ------
    ModelError
        There are no examples, or none of their labels is resolved.
    """
    batches = _batches(examples, "validation", config, TrainingContext(device=device))
    with borrowed(network, batches.device):
        return _validation_loss(network, batches, config.precision)


def make_optimizer(network: nn.Module, config: TrainingConfig) -> Adam:
    """Adam over the weights that are not frozen.

    Raises
    ------
    ModelError
        Every weight is frozen.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if not weights:
        raise ModelError("every layer is frozen; leave one to train, or set max_epochs=0")
    return Adam(weights, lr=config.lr, weight_decay=config.weight_decay)


def _choose_terms(
    network: nn.Module, known: Examples, config: TrainingConfig, seed: int, context: TrainingContext
) -> ChosenTerms | None:
    """Give a network terms for the motifs that some regions choose, if they are to choose any."""
    if context.motifs is None:
        return None
    if not isinstance(network, BindingNetwork) or known.labels.shape[1] != 1:
        raise ModelError("motifs are chosen for a network of one TF")
    return choose_terms(
        network, known, context.motifs, strength=config.probe, seed=seed, device=context.device
    )


def _fit_output(
    network: nn.Module,
    known: Examples,
    config: TrainingConfig,
    chosen: ChosenTerms | None,
    seed: int,
    device: torch.device,
) -> ManyMotifs | None:
    """Fit what is fitted before the first epoch: the output layer, or weights of motif terms.

    The term of many motifs is given, where there is to be one.
    """
    held_out = None if chosen is None else chosen.held_out
    if config.probe is None:
        fit_motif_terms(network, known, held_out=held_out, device=device)
    else:
        fit_output_layer(network, known, config.probe, held_out=held_out, device=device)
    if chosen is None or not chosen.many:
        return None
    if not config.learns_from_val or config.probe is None:
        raise ModelError("many motifs are joined with an output layer that alone is fitted")
    assert isinstance(network, BindingNetwork)
    return join_many_motifs(network, known, chosen, seed=seed)


def _layers(network: nn.Module, names: tuple[str, ...]) -> tuple[nn.Module, ...]:
    """Find top-level layers by name."""
    layers = dict(network.named_children())
    for name in names:
        if name not in layers:
            there = ", ".join(layers)
            raise ModelError(f"no layer to freeze is named {name!r}; there are: {there}")
    return tuple(layers[name] for name in names)


def _norms(network: nn.Module) -> tuple[nn.Module, ...]:
    """Find the batch-norm layers of a network."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return tuple(module for module in network.modules() if isinstance(module, kinds))


def _batches(
    examples: Examples,
    role: Literal["training", "validation"],
    config: TrainingConfig,
    context: TrainingContext,
) -> Batches:
    return Batches(
        examples,
        role,
        batch_size=config.batch_size,
        strands=config.train_strands if role == "training" else config.val_strands,
        device=torch.device(context.device),
        parallel=context.parallel,
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
    """Give a context in which matrix products and convolutions are computed in a precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def _without_gradients(layers: tuple[nn.Module, ...]) -> Iterator[None]:
    """Freeze the weights of some layers for the duration of a block, then restore their flags."""
    weights = [weight for layer in layers for weight in layer.parameters()]
    flags = [weight.requires_grad for weight in weights]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight, flag in zip(weights, flags, strict=True):
            weight.requires_grad_(flag)
