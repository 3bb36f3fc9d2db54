"""Filters to motifs: two compiled passes beside the authors' loops over filters and regions.

    python -m benchmarks.filters [--workspace DIR] [--regions 40000] [--sample 2000] [--rounds 3]

- *ours*: `model.interpretation.filters.count_subsequences`, from packed regions to counts, all of
  the regions; with all threads and with one. Compiled before it is timed.
- *authors' way*: the activations of the first layer, both strands, in batches of 100, all of them
  kept; then for each filter and each region NumPy's `where`, a slice for each place found, the
  slices stacked and summed. From a sample of the regions, scaled to all: 40,000 would take 6 GB for
  the activations alone. Written by us after their rule.
- *forward pass*: predicting all the regions once, for a sense of scale.

The counts of the sample must equal those of the loops on activations in double precision; how many
subsequences single precision decides otherwise is reported.

With a workspace, the newest finished multi-model and the regions of its dataset are taken;
otherwise a network with random weights and random regions.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import Row, describe, table
from model.checkpoint import load
from model.encoding import encode_one_hot, reverse_complement
from model.interpretation.filter_motifs import FilterMotifs
from model.interpretation.filters import count_subsequences
from model.network import build_network
from model.network_config import NetworkConfig
from model.prediction import predict
from orchestrator.runs.find_run import trained_arm
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace

LOADER_BATCH = 100
ACTIVATIONS = "authors' way: activations"
LOOPS = "authors' way: loops"


@dataclass(frozen=True)
class Cost:
    """What something cost."""

    wall_s: float
    cpu_s: float
    """Seconds of all threads: what other work on the machine changes least."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()  # before there is load of our own
    network, regions, told = load_inputs(options.workspace, options.regions)
    num_threads = torch.get_num_threads()
    sample = regions[: options.sample]
    scale = len(regions) / len(sample)
    count_subsequences(network, regions[:10])

    times: dict[str, list[Cost]] = {}
    for _ in range(options.rounds):
        timed(times, f"ours, {num_threads} threads", lambda: count_subsequences(network, regions))
        torch.set_num_threads(1)
        timed(times, "ours, 1 thread", lambda: count_subsequences(network, regions))
        torch.set_num_threads(num_threads)
        kept = timed(times, ACTIVATIONS, partial(stored_activations, network, sample), scale)
        timed(times, LOOPS, partial(looped, *kept), scale)
        del kept
        timed(times, "one forward pass, for scale", lambda: predict(network, sample), scale)
    pairs = zip(times[ACTIVATIONS], times[LOOPS], strict=True)
    authors = [one + two for one, two in pairs]
    times["authors' way, both"] = authors

    ours = count_subsequences(network, sample)
    single = looped(*stored_activations(network, sample))
    double = looped(*stored_activations(copy.deepcopy(network).double(), sample))
    check(ours, double)
    print(machine)
    print(f"{told}; {options.rounds} rounds in turn; the authors' way from {len(sample):,}\n")
    slowest = median(authors)
    rows: list[Row] = [
        (
            name,
            f"{median(costs).wall_s:.2f}",
            f"{min(c.wall_s for c in costs):.2f} to {max(c.wall_s for c in costs):.2f}",
            f"{slowest.wall_s / median(costs).wall_s:.0f}",
            f"{median(costs).cpu_s:.2f}",
            f"{slowest.cpu_s / median(costs).cpu_s:.0f}",
        )
        for name, costs in times.items()
    ]
    heads = ("filters to counts", "seconds", "range", "times their speed", "CPU s", "times less")
    print(table(heads, rows))
    moved = int(np.abs(single.sum(axis=(1, 2)) - double.sum(axis=(1, 2))).sum()) // ours.width_bp
    print(
        f"\nequal in all {ours.num_subsequences.sum():,} subsequences of the sample to the loops in"
        f" double precision; single precision decides {moved} of them otherwise"
    )
    return rows


def timed(
    times: dict[str, list[Cost]], name: str, work: Callable[[], Any], scale: float = 1.0
) -> Any:
    """Do something, record its cost times `scale`, and give the result."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    result = work()
    cost = Cost(time.perf_counter() - wall_s, time.process_time() - cpu_s)
    times.setdefault(name, []).append(Cost(cost.wall_s * scale, cost.cpu_s * scale))
    return result


def median(costs: list[Cost]) -> Cost:
    """Median of each."""
    return Cost(
        statistics.median(cost.wall_s for cost in costs),
        statistics.median(cost.cpu_s for cost in costs),
    )


def stored_activations(
    network: Any, regions: NDArray[np.uint8]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Activations (N, F, P) and one-hot codes (N, 4, L) of both strands of regions."""
    packed = torch.from_numpy(regions)
    one_hot = encode_one_hot(torch.cat([packed, reverse_complement(packed)]))
    kept: list[NDArray[Any]] = []
    network.eval()
    with torch.inference_mode():
        for batch in one_hot.to(network.conv1.conv.weight.dtype).split(LOADER_BATCH):
            kept.extend(network.conv1.activations(batch.unsqueeze(2)).squeeze(2).numpy())
    return np.array(kept), np.ascontiguousarray(one_hot.numpy())


def looped(activations: NDArray[Any], one_hot: NDArray[np.float32]) -> NDArray[np.float64]:
    """Counts by filter, base and position, by the authors' nested loops."""
    thresholds = 0.5 * activations.max(axis=(0, 2))
    width = one_hot.shape[2] - activations.shape[2] + 1
    counts = np.zeros((activations.shape[1], 4, width))
    for index in range(activations.shape[1]):
        found = []
        for region in range(len(activations)):
            places = np.where(activations[region, index] > thresholds[index])
            for start in places[0]:
                found.append(one_hot[region, :, start : start + width])
        if found:
            counts[index] = np.stack(found).sum(axis=0)
    return counts


def check(ours: FilterMotifs, counts: NDArray[np.float64]) -> None:
    """Both ways must give the same motifs."""
    np.testing.assert_array_equal(ours.counts, counts)
    theirs = counts / np.maximum(counts[:, :, :1].sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(ours.frequencies, theirs, atol=1e-6)


def load_inputs(workspace: Path | None, num: int) -> tuple[Any, NDArray[np.uint8], str]:
    """Network, packed regions, and what they are, in words."""
    rng = np.random.default_rng(0)
    if workspace is None:
        network = build_network(NetworkConfig(num_tfs=50), seed=0)
        regions = rng.integers(0, 256, (num, 50)).astype(np.uint8)
        return network, regions, f"random network, {num:,} random regions (no --workspace given)"
    place = Workspace(workspace)
    multi = [run for run in RunStore(place).completed() if trained_arm(run) == "multi"][-1]
    sequences = load_dataset(place).regions.sequences
    rows = np.sort(rng.choice(len(sequences), min(num, len(sequences)), replace=False))
    told = f"{multi.planned.name}, {len(rows):,} real regions, both strands, 100 filters"
    return load(multi.path), sequences[rows], told


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, help="workspace whose multi-model to read")
    parser.add_argument("--regions", type=int, default=40_000, help="regions (default: 40000)")
    parser.add_argument("--sample", type=int, default=2000, help="of the loops (default: 2000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
