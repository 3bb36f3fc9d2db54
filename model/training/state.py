"""The state of a training, and a checkpoint of it from which an interrupted training resumes.

The checkpoint is a safetensors file with the current weights, the weights that are kept, the
optimizer's moments and the states of the random generators; its header has, as JSON, the epochs so
far and which one is kept. It is written atomically after an epoch. A training that resumes from it
ends with the same bits as one that was never interrupted.
"""

import contextlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from model.training.adam import Adam
from model.training.averaging import AveragedWeights
from model.training.config import Keep, TrainingConfig
from model.training.epoch import Epoch

STATE_VERSION: Final = 1
"""Increase it when a training cannot resume from older checkpoints."""


@dataclass(frozen=True, kw_only=True)
class StateFile:
    """The checkpoint of a training, kept until the training ends."""

    path: Path
    every_seconds: float = 60.0
    """Shortest time between two checkpoints, 60 s by default: short trainings write none."""

    def read(self) -> bytes:
        """Give the content for :meth:`TrainingState.restore`; empty if it cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError:
            return b""

    def remove(self) -> None:
        """Remove it, once the trained network is stored elsewhere."""
        self.path.unlink(missing_ok=True)


class TrainingState:
    """Weights, optimizer, random generators and epochs of a training.

    Parameters
    ----------
    network, optimizer
        The network and the optimizer that trains it.
    shuffling
        Generator of the order of examples; dropout draws from torch's global generator.
    device
        Where the network is.
    config
        Decides which epoch's weights are kept, and whether weights are averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Adam,
        shuffling: torch.Generator,
        device: torch.device,
        config: TrainingConfig,
    ) -> None:
        self.history: list[Epoch] = []
        self.kept = KeptWeights(network, config.keep)
        self.averaged = AveragedWeights(network, config.averaging)
        self._live = {name: tensor.detach() for name, tensor in network.state_dict().items()}
        self._optimizer = optimizer
        self._shuffling = shuffling
        self._device = device
        self._written_at = time.monotonic()

    def add(self, epoch: Epoch) -> None:
        """Add an epoch to the history, and keep its weights if they are the best or last ones."""
        self.history.append(epoch)
        self.kept.offer(epoch.epoch, epoch.val_loss)

    def epochs_without_gain(self) -> int:
        """Count the epochs since the best validation loss."""
        return len(self.history) - self.kept.best_epoch

    def write(self, file: StateFile) -> None:
        """Write a checkpoint, unless the last one is recent; training continues if it cannot be."""
        if time.monotonic() - self._written_at < file.every_seconds:
            return
        record = {
            "version": STATE_VERSION,
            "history": [asdict(epoch) for epoch in self.history],
            "kept": self.kept.record(),
            "averaged_steps": self.averaged.num_steps,
        }
        partial = file.path.with_name(f".{file.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError, SafetensorError):
            try:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                tensors = {name: tensor.cpu().contiguous() for name, tensor in self._tensors()}
                save_file(tensors, partial, metadata={"state": json.dumps(record)})
                os.replace(partial, file.path)
            finally:
                partial.unlink(missing_ok=True)
        self._written_at = time.monotonic()

    def restore(self, content: bytes) -> None:
        """Resume from a checkpoint; one that is empty, damaged or of another network is ignored."""
        try:
            header = int.from_bytes(content[:8], "little")
            metadata = json.loads(content[8 : 8 + header])["__metadata__"]
            record = json.loads(metadata["state"])
            tensors = load(content)
        except (SafetensorError, ValueError, KeyError, TypeError):
            return
        targets = dict(self._tensors())
        shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in targets.items()}
        found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
        if record.get("version") != STATE_VERSION or found != shapes:
            return
        for name, tensor in tensors.items():
            if not name.startswith("random."):
                targets[name].copy_(tensor)
        self._shuffling.set_state(tensors["random.shuffling"])
        torch.set_rng_state(tensors["random.cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self._device)
        self.history = [Epoch(**epoch) for epoch in record["history"]]
        self.kept.restore_record(record["kept"])
        self.averaged.num_steps = record.get("averaged_steps", 0)

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all tensors of the state by name; those of random generators are copies."""
        for name, tensor in self._live.items():
            yield f"weights.{name}", tensor
        for name, tensor in self.kept.tensors.items():
            yield f"kept.{name}", tensor
        for name, tensor in self.averaged.tensors.items():
            yield f"averaged.{name}", tensor
        for number, moments in enumerate(self._optimizer.state.values()):
            for name, moment in moments.items():
                yield f"optimizer.{number}.{name}", moment
        yield "random.shuffling", self._shuffling.get_state()
        yield "random.cpu", torch.get_rng_state()
        if self._device.type == "cuda":
            yield "random.cuda", torch.cuda.get_rng_state(self._device)


class KeptWeights:
    """Copy of the weights, in memory, at the epoch that is kept so far."""

    def __init__(self, network: nn.Module, keep: Keep) -> None:
        self.epoch = 0
        self.loss = math.inf
        self.best_epoch = 0
        self._best_loss = math.inf
        self._keep = keep
        self._live = {name: tensor.detach() for name, tensor in network.state_dict().items()}
        self.tensors = {name: tensor.clone() for name, tensor in self._live.items()}

    def offer(self, epoch: int, loss: float) -> None:
        """Keep the current weights if they are the best so far, or if the last ones are kept."""
        is_best = loss < self._best_loss
        if is_best:
            self.best_epoch, self._best_loss = epoch, loss
        if is_best or self._keep == "last":
            self.epoch, self.loss = epoch, loss
            for name, tensor in self._live.items():
                self.tensors[name].copy_(tensor)

    def restore(self) -> None:
        """Give the network the weights that are kept."""
        for name, tensor in self.tensors.items():
            self._live[name].copy_(tensor)

    def record(self) -> dict[str, Any]:
        """Give the epoch that is kept and the best one, as JSON types."""
        return {
            "epoch": self.epoch,
            "loss": self.loss,
            "best_epoch": self.best_epoch,
            "best_loss": self._best_loss,
        }

    def restore_record(self, record: dict[str, Any]) -> None:
        """Undo :meth:`record`."""
        self.epoch, self.loss = record["epoch"], record["loss"]
        self.best_epoch, self._best_loss = record["best_epoch"], record["best_loss"]
