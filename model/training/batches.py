"""Examples, packed, and the batches that a network is trained on.

A label is 1 bound, 0 unbound or unresolved (`model.labels`); an unresolved cell has no weight.
Batches are gathered from packed sequences and labels by row number, and decoded one at a time.

Legend: B batch, L base pairs, n examples, T TFs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from model.encoding import OneHotEncoder, check_sequences, reverse_complement, to_tensor
from model.errors import ModelError
from model.labels import Labels, check_labels, resolved_cells
from model.training.config import Strands
from model.training.data_parallel import ALONE, Parallel


@dataclass(frozen=True)
class Examples:
    """Sequences and their labels.

    Raises
    ------
    ModelError
        Shapes or types do not match, or a label is not 0, 1 or unresolved.
    """

    sequences: NDArray[np.uint8]
    """Packed bases, shape (n, L / 4)."""
    labels: Labels
    """1 bound, 0 unbound, NaN (float32) or -1 (int8) unresolved, shape (n, T)."""

    def __post_init__(self) -> None:
        check_sequences(self.sequences)
        if self.labels.ndim != 2 or len(self.labels) != len(self.sequences):
            raise ModelError(
                f"labels have shape {self.labels.shape}, sequences {self.sequences.shape}; give"
                " a row of labels for each sequence"
            )
        check_labels(self.labels)

    def and_also(self, others: "Examples") -> "Examples":
        """Concatenate these examples and others of the same TFs."""
        return Examples(
            sequences=np.concatenate([self.sequences, others.sequences]),
            labels=np.concatenate([self.labels, others.labels]),
        )


def mean_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy over the resolved cells.

    Parameters
    ----------
    logits, labels
        Shape (B, T); a label is 1, 0, or NaN or -1 for a cell without weight.

    Returns
    -------
    tuple of Tensor
        Mean loss (0 if no cell is resolved) and number of resolved cells, both scalars.
    """
    resolved = _resolved(labels)
    count = resolved.sum()
    total = F.binary_cross_entropy_with_logits(
        logits,
        torch.where(resolved, labels, 0).to(logits.dtype),
        weight=resolved.to(logits.dtype),
        reduction="sum",
    )
    return total / count.clamp(min=1), count


def batch_bounds(num_examples: int, batch_size: int) -> list[tuple[int, int]]:
    """Give the bounds of the batches of an epoch; every example is in one batch.

    If the last batch had a single example, for which batch norm has no variance, that example is
    added to the batch before it.
    """
    starts = list(range(0, num_examples, batch_size))
    if len(starts) > 1 and num_examples - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], num_examples], strict=True))


def shuffled_rows(num_regions: int, strands: Strands, generator: torch.Generator) -> Tensor:
    """Give the rows of an epoch in random order, int64 (len,); reverse strands follow the others.

    Parameters
    ----------
    num_regions
        Examples on one strand.
    strands
        Which strands are read.
    generator
        Decides the order, and the strands where they are drawn at random.
    """
    rows = torch.randperm(num_regions * (2 if strands == "both" else 1), generator=generator)
    if strands == "random":
        rows += torch.randint(2, (len(rows),), generator=generator) * num_regions
    return rows


class Batches:
    """Examples on a device, packed; encoded batch by batch.

    Parameters
    ----------
    examples
        Sequences and labels.
    role
        What the examples are for, named in errors.
    batch_size
        Examples in a batch.
    strands
        `both` has every reverse complement as a further example, `random` draws one strand of
        each example for each epoch, `forward` has no reverse complements.
    device
        Where the batches are wanted.
    parallel
        This process's part where several compute the losses together; by default it is alone.

    Raises
    ------
    ModelError
        There are no examples, or none of their labels is resolved.
    """

    def __init__(
        self,
        examples: Examples,
        role: str,
        *,
        batch_size: int,
        strands: Strands,
        device: torch.device,
        parallel: Parallel = ALONE,
    ) -> None:
        if len(examples.sequences) == 0:
            raise ModelError(f"there are no {role} examples; give more regions")
        resolved = resolved_cells(examples.labels)
        if not resolved.any():
            raise ModelError(f"no {role} label is resolved; give regions with labels")
        forward = to_tensor(examples.sequences)
        self.device = device
        self.parallel = parallel
        self._num_regions = len(forward)
        self._strands = strands
        self.bounds = batch_bounds(len(self), batch_size)
        both = [forward] if strands == "forward" else [forward, reverse_complement(forward)]
        self._sequences = torch.cat(both).to(device)
        self._labels = to_tensor(examples.labels).to(device)
        self._masked = not resolved.all()
        self._encode = OneHotEncoder(device)

    def __len__(self) -> int:
        """Give the number of examples of an epoch."""
        return self._num_regions * (2 if self._strands == "both" else 1)

    def shuffled(self, generator: torch.Generator) -> Tensor:
        """Rows of an epoch in random order, int64 (len,), on the device."""
        return shuffled_rows(self._num_regions, self._strands, generator).to(self.device)

    def inputs_and_labels(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give the one-hot inputs (B, 4, L) and labels (B, T) of some rows, int64 (B,)."""
        return self._encode(self._sequences.index_select(0, rows)), self._labels_of(rows)

    def loss(self, network: nn.Module, rows: Tensor) -> tuple[Tensor, Tensor | int]:
        """Compute the mean loss of a batch, and the number of cells that it is the mean over.

        Where several processes compute it, this process gives its part of the mean; the parts add
        up to the mean.
        """
        mine = self.parallel.slice_of(rows)
        inputs, labels = self.inputs_and_labels(mine)
        logits = network(inputs).float()  # products may be of less precision, sums are not
        if len(mine) < len(rows):
            loss, count = mean_loss(logits, labels)
            cells = self._num_cells(rows)
            return loss * (count / cells.clamp(min=1)), cells
        if self._masked:
            return mean_loss(logits, labels)
        return F.binary_cross_entropy_with_logits(logits, labels.float()), labels.numel()

    def _labels_of(self, rows: Tensor) -> Tensor:
        # both strands share one row of labels
        return self._labels.index_select(0, rows % self._num_regions)

    def _num_cells(self, rows: Tensor) -> Tensor:
        return _resolved(self._labels_of(rows)).sum()


def _resolved(labels: Tensor) -> Tensor:
    return labels >= 0  # neither NaN nor -1 is
