"""One training step on a thread of a CPU: what it could gain, try by try, and where its limit is.

    python -m benchmarks.steps [--precision float32,bfloat16] [--tfs 148] [--examples 2000]
        [--rounds 5] [--only TEXT] [--compiled]

Every try takes the same examples forward, backward and through the optimizer, in batches that are
ready in memory, with one thread of computation; they take turns (A B C A B C ...). A part left out
says at most what a faster way of it could win:

- *no step of the optimizer*, *no batch norm*: left out altogether;
- *batches of 200, 400*: fewer steps of the optimizer for the same examples;
- *filters padded*: 112 and 208, or 128 and 256, for 100 and 200; the same function, where the
  further filters stay at 0;
- *first layer by tables*: its convolution as sums of rows of tables, one row for each piece of
  5 bp (`EmbeddingBag`); the tables are made of the weights at each step;
- *weights' gradients as products*: of unfolded inputs, in the second and third layer;
- *convolutions in bfloat16 inside*: torch's `fp32_precision`;
- *no denormals*: the processor takes such numbers as 0;
- with --compiled, `torch.compile` as it is, and with `max-autotune`.

The last column is the arithmetic of the step as a share of what the same thread does in a product
of two matrices, in turn with the others: a step at 1 could only be faster by computing less.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from benchmarks.machine import Row, describe, table
from benchmarks.training import interleaved
from model.encoding import NUM_CHANNELS, encode_one_hot
from model.network import BindingNetwork, ConvBlock, build_network
from model.network_config import NetworkConfig
from model.training.config import Precision, TrainingConfig
from model.training.loop import make_optimizer

HEADER: Final = ("try", "examples/s", "range", "/ as it is", "/ product")
BATCH: Final = 100
PIECE_BP: Final = 5
"""Base pairs of a piece that a table has a row for."""
PRODUCT: Final = 2048
"""Rows and columns of the matrices whose product is the limit."""


@dataclass(frozen=True, kw_only=True)
class Try:
    """A way to take a step."""

    filters: tuple[int, ...] = NetworkConfig(num_tfs=1).conv_filters
    batch: int = BATCH
    change: Callable[[BindingNetwork], Any] = lambda network: network
    """Changes the network that was built."""
    has_optimizer: bool = True
    within: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Makes what its steps run in."""


def tries(*, compiled: bool) -> dict[str, Try]:
    """All tries by name; the first is what the others are compared with."""
    found = {
        "as it is": Try(),
        "no step of the optimizer": Try(has_optimizer=False),
        "no batch norm": Try(change=_without_batch_norm),
        "batches of 200": Try(batch=2 * BATCH),
        "batches of 400": Try(batch=4 * BATCH),
        "filters padded to 112 and 208": Try(filters=(112, 208, 208)),
        "filters padded to 128 and 256": Try(filters=(128, 256, 256)),
        "first layer by tables": Try(change=_with_tables),
        "weights' gradients as products": Try(change=_with_products),
        "convolutions in bfloat16 inside": Try(within=_bfloat16_inside),
        "no denormals": Try(within=_no_denormals),
    }
    if compiled:
        found |= {
            "compiled": Try(change=torch.compile),
            "compiled, max-autotune": Try(change=partial(torch.compile, mode="max-autotune")),
        }
    return found


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Time the tries."""
    options = _options(arguments)
    torch.set_num_threads(1)
    print(describe() + "\n", flush=True)
    rows: list[Row] = []
    found = tries(compiled=options.compiled)
    first = next(iter(found))
    for precision in options.precision.split(","):
        ways = {
            name: _turn(way, precision, options)
            for name, way in found.items()
            if options.only in name or name == first
        }
        seconds = interleaved(ways | {"product": partial(_product, precision)}, options.rounds)
        rows += _rows(seconds, precision, options)
    print(table(HEADER, rows))
    return rows


def _rows(
    seconds: dict[str, list[float]], precision: Precision, options: argparse.Namespace
) -> list[Row]:
    products = [2 * PRODUCT**3 / taken for taken in seconds.pop("product")]
    base = next(iter(seconds.values()))
    rows: list[Row] = []
    for name, taken in seconds.items():
        speeds = [options.examples / second for second in taken]
        # by round, so that what else the machine did then falls on both
        ratios = [one / own for one, own in zip(base, taken, strict=True)]
        shares = [
            _operations(options.tfs) * speed / product
            for speed, product in zip(speeds, products, strict=True)
        ]
        rows.append(
            (
                f"{name}, {precision}",
                f"{statistics.median(speeds):,.0f}",
                f"{min(speeds):,.0f} to {max(speeds):,.0f}",
                f"{statistics.median(ratios):.2f}",
                f"{statistics.median(shares):.2f}",
            )
        )
    return rows


def _operations(num_tfs: int) -> int:
    """Multiplications and additions of one example in a step of the paper's network.

    Those of products alone, forward and for both gradients; the first layer needs none of its
    inputs.
    """
    config = NetworkConfig(num_tfs=num_tfs)
    features, forward = NUM_CHANNELS, []
    for filters, width, (mapped, _) in zip(
        config.conv_filters, config.conv_widths, config.layer_lengths(), strict=True
    ):
        forward.append(2 * mapped * features * width * filters)
        features = filters
    sizes = (features * config.layer_lengths()[-1][1], *config.dense_units, num_tfs)
    forward += [2 * before * after for before, after in pairwise(sizes)]
    return 3 * sum(forward) - forward[0]


def _turn(way: Try, precision: Precision, options: argparse.Namespace) -> Callable[[], float]:
    """Prepare a try; gives what takes its steps once and says how long that took, in seconds."""
    generator = torch.Generator().manual_seed(0)
    config = NetworkConfig(num_tfs=options.tfs, conv_filters=way.filters)
    built = build_network(config, seed=0)
    assert isinstance(built, BindingNetwork)
    network = way.change(built.train())
    optimizer = make_optimizer(network, TrainingConfig(lr=0.003))
    ready = []
    for _ in range(options.examples // way.batch):  # a whole number, see `_options`
        packed = torch.randint(
            256, (way.batch, config.length_bp // 4), generator=generator, dtype=torch.uint8
        )
        labels = torch.randint(2, (way.batch, options.tfs), generator=generator).float()
        ready.append((encode_one_hot(packed), labels))

    def turn() -> float:
        with way.within():
            began = time.perf_counter()
            for inputs, labels in ready:
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                    logits = network(inputs)
                loss = F.binary_cross_entropy_with_logits(logits.float(), labels)
                optimizer.zero_grad()
                loss.backward()
                if way.has_optimizer:
                    optimizer.step()
            return time.perf_counter() - began

    return turn


def _product(precision: Precision) -> float:
    """Seconds of a product of two matrices."""
    left = torch.ones(PRODUCT, PRODUCT, dtype=getattr(torch, precision))
    began = time.perf_counter()
    left @ left
    return time.perf_counter() - began


def _without_batch_norm(network: BindingNetwork) -> nn.Module:
    for block in network.children():
        if hasattr(block, "norm"):
            block.norm = nn.Identity()
    return network


def _with_tables(network: BindingNetwork) -> nn.Module:
    first = network.conv1
    assert isinstance(first, ConvBlock)
    first.conv = _ByTables(first.conv)  # type: ignore[assignment]
    return network


def _with_products(network: BindingNetwork) -> nn.Module:
    for block in (network.conv2, network.conv3):
        assert isinstance(block, ConvBlock)
        block.conv = _ByProducts(block.conv)  # type: ignore[assignment]
    return network


class _ByTables(nn.Module):
    """A convolution of one-hot sequences (B, 4, 1, L), as sums of rows of tables."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        self.weight, self.bias = conv.weight, conv.bias
        width = conv.kernel_size[1]
        ends = [*range(0, width, PIECE_BP), width]
        self.pieces = list(pairwise(ends))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, F, 1, L - W + 1)."""
        bases = inputs.squeeze(2).argmax(dim=1)
        positions = bases.shape[1] - self.weight.shape[3] + 1
        tables, rows, first = [], [], 0
        for start, stop in self.pieces:
            size = stop - start
            kmers = torch.cartesian_prod(*[torch.arange(4)] * size).view(-1, size)
            part = self.weight[:, :, 0, start:stop].permute(2, 1, 0)
            tables.append(part[torch.arange(size), kmers].sum(dim=1))
            places = 4 ** torch.arange(size - 1, -1, -1)
            codes = (bases.unfold(1, size, 1) * places).sum(dim=2)
            rows.append(first + codes[:, start : start + positions])
            first += 4**size
        numbers = torch.stack(rows, dim=2).reshape(-1, len(self.pieces))
        mapped = F.embedding_bag(numbers, torch.cat(tables), mode="sum") + self.bias
        return mapped.view(len(bases), 1, positions, -1).permute(0, 3, 1, 2)


class _ByProducts(nn.Module):
    """A convolution whose weights' and bias' gradients are products of unfolded inputs."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, F, 1, P - W + 1)."""
        if torch.is_autocast_enabled("cpu"):
            return _Products.apply(inputs.bfloat16(), self.weight.bfloat16(), self.bias.bfloat16())
        return _Products.apply(inputs, self.weight, self.bias)


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return F.conv2d(inputs, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        inputs, weight = ctx.saved_tensors
        gradient = gradients[0]
        of_inputs = conv2d_input(inputs.shape, weight, gradient)
        by_position = inputs.squeeze(2).transpose(1, 2)  # (B, P, C), as it lies in memory
        unfolded = by_position.unfold(1, weight.shape[3], 1).flatten(0, 1).flatten(1)
        rows = gradient.squeeze(2).transpose(1, 2).flatten(0, 1)
        of_weight = (rows.T @ unfolded).view(weight.shape[0], weight.shape[1], 1, -1)
        return of_inputs, of_weight, rows.sum(dim=0)


@contextmanager
def _bfloat16_inside() -> Iterator[None]:
    convolutions: Any = torch.backends.mkldnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "bf16"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


@contextmanager
def _no_denormals() -> Iterator[None]:
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--precision", default="float32,bfloat16", help="separated by commas")
    parser.add_argument("--tfs", type=int, default=148, help="TFs (default: 148)")
    parser.add_argument("--examples", type=int, default=2000, help="of a turn (default: 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--only", default="", help="only tries whose name has this text")
    parser.add_argument("--compiled", action="store_true", help="try torch.compile too")
    options = parser.parse_args(arguments)
    if options.examples % (4 * BATCH):
        parser.error(f"--examples {options.examples}: give a multiple of {4 * BATCH}")
    return options


if __name__ == "__main__":
    main()
