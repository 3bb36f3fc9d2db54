"""Training speed: our loop, its limit, and the authors' way, side by side.

    python -m benchmarks.training [--workspace DIR] [--tf SPI1] [--regions 2000] [--rounds 5]

One core, one thread of computation each, in turn (A B C A B C ...):

- *ours*: `model.training.loop.train`, one epoch, everything that it does included;
- *limit*: forward, backward and step with the same network and optimizer, on one-hot batches
  that are ready in memory;
- *authors' way*: float one-hot of both strands in a `TensorDataset`, `DataLoader` with batches of
  100, shuffling and four worker processes (they run beside the one thread), `Conv1d`, batch norm,
  ReLU, max pooling, Adam as torch gives it, the loss read at every step.

Then the whole machine: as many of our loops as there are cores, one thread each, against one
authors' loop with all of torch's threads and its four workers.

Examples are regions of a TF in the workspace's dataset; without a dataset they are random.
"""

import argparse
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.machine import Row, describe, table
from data.dataset.sampling import Sampling
from data.dataset.selection import select_individual
from data.dataset.store import Dataset
from model.network import build_network
from model.network_config import NetworkConfig
from model.training.batches import Batches
from model.training.loop import Examples, TrainingConfig, make_optimizer, train

CONFIG = TrainingConfig(lr=0.003, max_epochs=1)
SIZES = NetworkConfig(num_tfs=1)
AUTHORS_WORKERS = 4


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    torch.set_num_threads(1)
    examples, told = load_examples(options.workspace, options.tf, options.regions)
    num_samples = 2 * len(examples.sequences)
    print(describe())
    print(f"{told}; both strands: {num_samples} samples an epoch; {options.rounds} rounds\n")

    ready = ready_batches(examples)
    one_hot, labels = authors_tensors(examples)
    seconds = interleaved(
        {
            "ours": lambda: ours(examples),
            "limit: bare steps on ready one-hot": lambda: bare(ready),
            "authors' way, 4 loader workers": lambda: authors(one_hot, labels),
        },
        options.rounds,
    )
    one_thread = _compared(seconds, num_samples)
    print(_speeds("one thread of computation", one_thread))

    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    with Crew(examples, cores) as crew:
        seconds = interleaved(
            {
                f"ours, {cores} processes of one thread": crew.run,
                f"authors' way, {cores} threads, 4 loader workers": lambda: authors(
                    one_hot, labels
                ),
            },
            max(3, options.rounds // 2),
        )
    whole = _compared(seconds, num_samples * cores, num_samples)
    print("\n" + _speeds("the whole machine", whole))
    return one_thread + whole


def load_examples(workspace: Path | None, tf: str, num_regions: int) -> tuple[Examples, str]:
    """Bound and GC-matched unbound regions of a TF, or random ones; and what they are, in words."""
    rng = np.random.default_rng(0)
    if workspace is None:
        sequences = rng.integers(0, 256, (num_regions, 50), dtype=np.uint8)
        labels = rng.integers(0, 2, (num_regions, 1), dtype=np.int8)
        return Examples(sequences, labels), f"{num_regions} random regions (no --workspace given)"
    dataset = Dataset.open(workspace / "dataset")
    regions = dataset.regions()
    evidence = dataset.evidence([tf])[:, 0]
    selection = select_individual(regions, evidence, Sampling(seed=0), name=tf)
    rows = np.sort(rng.permutation(len(selection.region_ids))[:num_regions])
    sequences = regions.sequences[selection.region_ids[rows]]
    told = f"{len(rows)} real regions of {tf}, bound and GC-matched unbound"
    return Examples(sequences, selection.labels[rows]), told


def ours(examples: Examples) -> float:
    """Seconds of one epoch by `train`; one validation region, as only training is compared."""
    network = build_network(SIZES, seed=0)
    val = Examples(examples.sequences[:1], examples.labels[:1])
    began = time.perf_counter()
    train(network, examples, val, CONFIG, seed=0)
    return time.perf_counter() - began


Ready = list[tuple[torch.Tensor, torch.Tensor]]


def ready_batches(examples: Examples) -> Ready:
    """Shuffled batches of both strands, one-hot, as the network gets them in `train`."""
    batches = Batches(
        examples,
        "training",
        batch_size=CONFIG.batch_size,
        strands="both",
        device=torch.device("cpu"),
    )
    order = torch.randperm(len(batches), generator=torch.Generator().manual_seed(0))
    made = (batches.inputs_and_labels(order[start:stop]) for start, stop in batches.bounds)
    return [(inputs, labels.float()) for inputs, labels in made]


def bare(ready: Ready) -> float:
    """Seconds of forward, backward and step over ready batches."""
    network = build_network(SIZES, seed=0).train()
    optimizer = make_optimizer(network, CONFIG)
    began = time.perf_counter()
    for inputs, labels in ready:
        loss = F.binary_cross_entropy_with_logits(network(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def authors_tensors(examples: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    """Float one-hot tensors of both strands, (2n, 4, 200) in the usual layout, and labels."""
    batches = Batches(
        examples, "training", batch_size=100, strands="both", device=torch.device("cpu")
    )
    inputs, labels = batches.inputs_and_labels(torch.arange(len(batches)))
    return inputs.contiguous(), labels.float()


def authors_network() -> nn.Module:
    """Build the paper's network as a plain sequence of one-dimensional layers."""
    layers: list[nn.Module] = []
    for before, filters, width in ((4, 100, 19), (100, 200, 7), (200, 200, 4)):
        layers += [nn.Conv1d(before, filters, width), nn.BatchNorm1d(filters), nn.ReLU()]
        layers.append(nn.MaxPool1d(3))
    layers.append(nn.Flatten())
    for _ in range(2):
        layers += [nn.Linear(1000, 1000), nn.BatchNorm1d(1000), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(1000, 1))


def authors(one_hot: torch.Tensor, labels: torch.Tensor) -> float:
    """Seconds of one epoch through a `DataLoader`, the loss read at each step."""
    network = authors_network().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=CONFIG.lr)
    with warnings.catch_warnings():
        # torch advises against more workers than cores; they are what is measured
        warnings.simplefilter("ignore", UserWarning)
        loader = DataLoader(
            TensorDataset(one_hot, labels),
            batch_size=100,
            shuffle=True,
            num_workers=AUTHORS_WORKERS,
        )
        losses = []
        began = time.perf_counter()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(network(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return time.perf_counter() - began


class Crew:
    """Processes that train the same epoch at once, started and warm before the clock runs."""

    def __init__(self, examples: Examples, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._barrier = context.Barrier(size + 1)
        self._stop = context.Event()
        self._processes = [
            context.Process(
                target=_crew_member, args=(examples, self._barrier, self._stop), daemon=True
            )
            for _ in range(size)
        ]

    def __enter__(self) -> "Crew":
        for process in self._processes:
            process.start()
        self._barrier.wait(timeout=120)
        return self

    def run(self) -> float:
        """Seconds until the last of them has trained its epoch."""
        self._barrier.wait(timeout=120)
        began = time.perf_counter()
        self._barrier.wait(timeout=600)
        return time.perf_counter() - began

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._barrier.wait(timeout=120)
        for process in self._processes:
            process.join()


def _crew_member(examples: Examples, barrier: Barrier, stop: Event) -> None:
    torch.set_num_threads(1)
    ours(Examples(examples.sequences[:200], examples.labels[:200]))
    barrier.wait(timeout=120)
    while True:
        barrier.wait(timeout=600)
        if stop.is_set():
            return
        ours(examples)
        barrier.wait(timeout=600)


def interleaved(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way by round; each goes once before, uncounted, and then in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            taken = way()
            if number:
                seconds[name].append(taken)
    return seconds


def _speeds(title: str, rows: list[Row]) -> str:
    return table((title, "samples/s", "range", "ours / this"), rows)


def _compared(seconds: dict[str, list[float]], *samples: int) -> list[Row]:
    """Rows of samples a second (median, range) and of the ratio of ours to each."""
    counts = samples if len(samples) == len(seconds) else samples * len(seconds)
    speeds = {
        name: [count / second for second in taken]
        for (name, taken), count in zip(seconds.items(), counts, strict=True)
    }
    first = next(iter(speeds.values()))
    rows: list[Row] = []
    for name, values in speeds.items():
        # by round, so that what else the machine did then falls on both
        ratio = statistics.median(a / b for a, b in zip(first, values, strict=True))
        rows.append(
            (
                name,
                f"{statistics.median(values):,.0f}",
                f"{min(values):,.0f} to {max(values):,.0f}",
                f"{ratio:.2f}",
            )
        )
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, help="workspace whose dataset to use")
    parser.add_argument("--tf", default="SPI1", help="TF whose regions to use (default: SPI1)")
    parser.add_argument("--regions", type=int, default=2000, help="regions (default: 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
