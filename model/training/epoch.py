"""Losses and time of an epoch; without torch, so that finished runs are read at once."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Losses and time of one epoch."""

    epoch: int
    """Number of the epoch, counted from 1."""
    train_loss: float
    """Mean over the epoch's examples, each with the weights before its step."""
    val_loss: float
    """Mean over the validation examples at the end of the epoch."""
    seconds: float
    """Wall time, validation included."""
