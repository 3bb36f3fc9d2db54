"""Pre-training at full size: one masked multi-model on the whole machine, way by way.

    python -m benchmarks.pretraining [--workspace DIR] [--regions 150000] [--tfs 148] [--rounds 3]
        [--only TEXT]

Every way trains the paper's network on the same regions and TFs (packed sequences, int8 labels of
which some are unresolved, one strand of each region at random), in processes that are started and
warm before its clock runs. The ways take turns (A B C A B C ...), `--samples` samples a turn:

- *authors' way*: float one-hot in a `TensorDataset`, `DataLoader` with four worker processes,
  `Conv1d`, Adam as torch gives it, the loss read at every step, all of torch's threads;
- *bare*: forward, backward and step on one-hot batches that are ready in memory, one thread;
- *one process* of one thread (as `bindgrid run` trains) and of two;
- *two processes, one network*: `model.training.data_parallel` over gloo, as `--pretrain-workers 2`;
- *two networks*: two processes of one thread, each for itself.

Samples a second of wall time mean little while other work runs; samples a second of CPU time (of
all processes of a way, without the loaders) are reported too. Peak memory is that of the largest
process, torch included. Without a workspace regions are random and 45 % of the cells resolved.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.machine import Row, describe, table
from benchmarks.training import authors_network
from data.dataset.store import Dataset
from data.schema import NULL_LABEL, view_labels
from model.network import build_network
from model.network_config import published
from model.training.batches import Batches, mean_loss
from model.training.data_parallel import ALONE, DataParallel
from model.training.loop import (
    Examples,
    Precision,
    TrainingConfig,
    TrainingContext,
    _Training,
    make_optimizer,
)

BATCH = 100
READY_BATCHES = 50
LOADER_WORKERS = 4
WARM_UP_BATCHES = 5


@dataclass(frozen=True, kw_only=True)
class Way:
    """How to train."""

    kind: str
    """`ours`, `bare` or `authors`."""
    precision: Precision = "float32"
    num_processes: int = 1
    num_threads: int = 1
    together: bool = False
    """Whether the processes train one network."""


def ways(cores: int) -> dict[str, Way]:
    """All ways by name; the first is what the others are compared with."""
    found = {"authors' way, all threads, 4 loaders": Way(kind="authors", num_threads=cores)}
    for precision in ("float32", "bfloat16"):
        chosen: Precision = "float32" if precision == "float32" else "bfloat16"
        found |= {
            f"bare, 1 thread, {precision}": Way(kind="bare", precision=chosen),
            f"one process, 1 thread, {precision}": Way(kind="ours", precision=chosen),
            f"one process, 2 threads, {precision}": Way(
                kind="ours", precision=chosen, num_threads=2
            ),
            f"2 processes, one network, {precision}": Way(
                kind="ours", precision=chosen, num_processes=2, together=True
            ),
            f"2 processes, two networks, {precision}": Way(
                kind="ours", precision=chosen, num_processes=2
            ),
        }
    return found


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    found = ways(os.cpu_count() or 1)
    crews = {name: Crew(way, options) for name, way in found.items() if options.only in name}
    turns: dict[str, list[Turn]] = {name: [] for name in crews}
    for number in range(options.rounds + 1):
        for name, crew in crews.items():
            turn = crew.run()
            if number:
                turns[name].append(turn)
    print(
        f"{crews[next(iter(crews))].told}; {options.rounds} rounds of {options.samples} samples\n"
    )
    for crew in crews.values():
        crew.stop()
    base = [turn.per_second for turn in next(iter(turns.values()))]
    rows: list[Row] = []
    for name, taken in turns.items():
        speeds = [turn.per_second for turn in taken]
        ratio = statistics.median(b / a for a, b in zip(base, speeds, strict=True))
        per_cpu = statistics.median(turn.per_cpu_second for turn in taken)
        rows.append(
            (
                name,
                f"{statistics.median(speeds):,.0f}",
                f"{min(speeds):,.0f} to {max(speeds):,.0f}",
                f"{ratio:.2f}",
                f"{per_cpu:,.0f}",
                f"{max(turn.peak_gib for turn in taken):.2f}",
            )
        )
    header = ("way", "samples/s", "range", "/ first", "per CPU second", "peak GiB a process")
    print(table(header, rows))
    return rows


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one turn of a way cost."""

    per_second: float
    """Samples a second of wall time, of all processes."""
    per_cpu_second: float
    """Samples a second of CPU time, of all processes."""
    peak_gib: float
    """Largest resident memory of a process so far."""


class Crew:
    """The processes of a way; they wait between turns."""

    def __init__(self, way: Way, options: argparse.Namespace) -> None:
        context = multiprocessing.get_context("spawn")
        self._way, self._samples = way, options.samples
        self._meeting = tempfile.mkdtemp()
        self._ends: list[Connection] = []
        self._processes = []
        for rank in range(way.num_processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(way, rank, theirs, options, self._meeting)
            )
            process.start()
            self._ends.append(ours)
            self._processes.append(process)
        self.told: str = next(iter([end.recv() for end in self._ends]))

    def run(self) -> Turn:
        """Train a turn."""
        began = time.perf_counter()
        for end in self._ends:
            end.send("go")
        done = [end.recv() for end in self._ends]
        seconds = time.perf_counter() - began
        trained = self._samples * (1 if self._way.together else self._way.num_processes)
        return Turn(
            per_second=trained / seconds,
            per_cpu_second=trained / sum(cpu for cpu, _ in done),
            peak_gib=max(peak for _, peak in done),
        )

    def stop(self) -> None:
        """End the processes."""
        for end in self._ends:
            end.send("stop")
        for process in self._processes:
            process.join()


def _work(way: Way, rank: int, end: Connection, options: argparse.Namespace, meeting: str) -> None:
    """Be one process of a way."""
    torch.set_num_threads(way.num_threads)
    examples, told = load_examples(options.workspace, options.regions, options.tfs)
    if way.together:
        init = f"file://{meeting}/meeting"
        dist.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    makers = {"ours": _ours, "bare": _bare, "authors": _authors}
    turn = makers[way.kind](way, examples)
    turn(WARM_UP_BATCHES)
    end.send(told)
    while end.recv() == "go":
        began = time.process_time()
        turn(options.samples // BATCH)
        end.send((time.process_time() - began, _peak_gib()))


def _ours(way: Way, examples: Examples) -> Callable[[int], None]:
    config = TrainingConfig(lr=0.003, random_strand=True, averaging=0.9995, precision=way.precision)
    parallel = DataParallel() if way.together else ALONE
    batches = Batches(
        examples,
        "training",
        batch_size=BATCH,
        strands="random",
        device=torch.device("cpu"),
        parallel=parallel,
    )
    network = build_network(published("paper", num_tfs=examples.labels.shape[1]), seed=0)
    training = _Training(network, batches, batches, config, 0, TrainingContext(parallel=parallel))
    whole_epoch = batches.bounds

    def turn(num_batches: int) -> None:
        # the order of a whole epoch, of which a turn trains the first batches
        batches.bounds = whole_epoch[:num_batches]
        with parallel.joined(network):
            training.train_epoch()

    return turn


def _bare(way: Way, examples: Examples) -> Callable[[int], None]:
    batches = Batches(
        examples, "training", batch_size=BATCH, strands="forward", device=torch.device("cpu")
    )
    bounds = batches.bounds[:READY_BATCHES]
    made = [batches.inputs_and_labels(torch.arange(start, stop)) for start, stop in bounds]
    ready = [
        (inputs, torch.where(labels >= 0, labels, 0).float(), (labels >= 0).float())
        for inputs, labels in made
    ]
    network = build_network(published("paper", num_tfs=examples.labels.shape[1]), seed=0).train()
    optimizer = make_optimizer(network, TrainingConfig(lr=0.003))

    def turn(num_batches: int) -> None:
        for _, (inputs, labels, weight) in zip(range(num_batches), cycle(ready), strict=False):
            with torch.autocast("cpu", torch.bfloat16, enabled=way.precision == "bfloat16"):
                logits = network(inputs)
            loss = F.binary_cross_entropy_with_logits(logits.float(), labels, weight=weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return turn


def _authors(_: Way, examples: Examples) -> Callable[[int], None]:
    batches = Batches(
        examples, "training", batch_size=BATCH, strands="forward", device=torch.device("cpu")
    )
    inputs, labels = batches.inputs_and_labels(torch.arange(len(batches)))
    network: nn.Module = authors_network()
    network[-1] = nn.Linear(1000, labels.shape[1])  # type: ignore[operator]
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)

    def epochs() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        loader = DataLoader(
            TensorDataset(inputs.contiguous(), labels),
            batch_size=BATCH,
            shuffle=True,
            num_workers=LOADER_WORKERS,
        )
        while True:
            yield from loader

    with warnings.catch_warnings():
        # torch advises against more workers than cores; they are what is measured
        warnings.simplefilter("ignore", UserWarning)
        stream = epochs()
        next(stream)

    def turn(num_batches: int) -> None:
        for _, (sequences, targets) in zip(range(num_batches), stream, strict=False):
            optimizer.zero_grad()
            loss, _count = mean_loss(network(sequences), targets)
            loss.backward()
            optimizer.step()
            loss.item()

    return turn


def load_examples(workspace: Path | None, num_regions: int, num_tfs: int) -> tuple[Examples, str]:
    """Regions resolved for one TF at least with int8 labels, or random ones; told in words."""
    rng = np.random.default_rng(0)
    if workspace is None:
        labels = (rng.random((num_regions, num_tfs), dtype=np.float32) < 0.1).astype(np.int8)
        labels[rng.random(labels.shape, dtype=np.float32) > 0.45] = -1
        sequences = rng.integers(0, 256, (num_regions, 50), dtype=np.uint8)
        told = f"{num_regions:,} random regions"
    else:
        dataset = Dataset.open(workspace / "dataset")
        tfs = dataset.tfs[:num_tfs]
        labels = view_labels(dataset.evidence(tfs), "less-sparse")
        rows = np.flatnonzero((labels != NULL_LABEL).any(axis=1))
        rows = np.sort(rng.permutation(rows)[:num_regions])
        sequences, labels = dataset.regions().sequences[rows], labels[rows]
        told = f"{len(rows):,} regions of the dataset"
    resolved = (labels >= 0).mean()
    return Examples(sequences, labels), (
        f"{told}, {labels.shape[1]} TFs, {100 * resolved:.0f} % of the cells resolved"
    )


def _peak_gib() -> float:
    """Largest resident memory of this process so far, in GiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    return float("nan")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, help="workspace whose dataset to use")
    parser.add_argument("--regions", type=int, default=150_000, help="regions (default: 150000)")
    parser.add_argument("--tfs", type=int, default=148, help="TFs (default: 148)")
    parser.add_argument("--only", default="", help="only ways whose name has this text")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--samples", type=int, default=5000, help="samples a turn (default: 5000)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
