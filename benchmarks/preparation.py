"""Preparation of one TF's examples: our way beside the authors', on the same regions.

    python -m benchmarks.preparation [--workspace DIR] [--tf SPI1] [--rounds 5]

Both start from tables in memory and select the TF's resolved regions, match the unbound ones'
GC to the bound ones', split 80/10/10, and make one-hot codes of the training and validation
regions on both strands and of the test regions forward.

- *ours*: `data.dataset.selection`, packed bases, `model.training.batches`. Given twice: up to the
  point where training can begin, which encodes batch by batch later; and with every batch encoded,
  which is what the authors' way has at its end.
- *authors' way*, rewritten: sequences are strings; GC counted, reverse complement taken and
  one-hot matrix filled sequence by sequence, the last base by base.

The regions are those of the workspace's dataset; without one, random ones.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import Row, describe, table
from data.dataset.region_table import RegionTable
from data.dataset.sampling import Part, Sampling
from data.dataset.selection import select_individual
from data.dataset.store import Dataset
from data.packing import unpack
from data.schema import REGION_WIDTH_BP, Evidence
from model.encoding import encode_one_hot
from model.training.batches import Batches
from model.training.loop import Examples

CPU = torch.device("cpu")
COMPLEMENT = str.maketrans("ACGT", "TGCA")
DIGITS = str.maketrans("ACGT", "0123")


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()  # before there is load of our own
    torch.set_num_threads(1)
    regions, evidence, told = load_tables(options.workspace, options.tf, options.regions)
    # the authors' files hold letters; unresolved cells are NaN
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[unpack(regions.sequences)]
    sequences = [row.tobytes().decode() for row in letters]
    labels = np.full(len(evidence), np.nan)
    labels[evidence == Evidence.UNBOUND] = 0
    labels[evidence == Evidence.BOUND] = 1
    labels[regions.num_unknown > 0] = np.nan

    ways: dict[str, Callable[[int], int]] = {
        "ours, every batch encoded": lambda seed: ours(regions, evidence, seed, encoded=True),
        "ours, ready to train": lambda seed: ours(regions, evidence, seed, encoded=False),
        "authors' way": lambda seed: authors(sequences, labels, seed),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    prepared: dict[str, int] = {}
    for number in range(options.rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            prepared[name] = way(number)
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)

    print(machine)
    print(f"{told}; one thread; {options.rounds} rounds in turn\n")
    slowest = statistics.median(seconds["authors' way"])
    rows: list[Row] = [
        (
            name,
            f"{prepared[name]:,}",
            f"{statistics.median(taken):.4f}",
            f"{min(taken):.4f} to {max(taken):.4f}",
            f"{slowest / statistics.median(taken):.0f}",
        )
        for name, taken in seconds.items()
    ]
    header = ("preparing one TF", "sequences made", "seconds", "range", "times the authors' speed")
    print(table(header, rows))
    return rows


def load_tables(
    workspace: Path | None, tf: str, num_regions: int
) -> tuple[RegionTable, NDArray[np.uint8], str]:
    """Regions, the TF's evidence codes, and what they are, in words."""
    if workspace is None:
        rng = np.random.default_rng(0)
        bases = rng.integers(0, 4, (num_regions, REGION_WIDTH_BP), dtype=np.uint8)
        start = np.arange(len(bases), dtype=np.int32) * 1000
        regions = RegionTable.from_bases(np.full(len(bases), "chr1", dtype=object), start, bases)
        known = np.array([0, 1, 2, 4], dtype=np.uint8)
        codes = rng.choice(known, len(bases), p=[0.3, 0.6, 0.05, 0.05])
        told = f"{num_regions:,} random regions, a twentieth bound (no --workspace given)"
        return regions, codes, told
    dataset = Dataset.open(workspace / "dataset")
    began = time.perf_counter()
    regions = dataset.regions()
    codes = dataset.evidence([tf])[:, 0]
    read = time.perf_counter() - began
    bound = int((codes == Evidence.BOUND).sum())
    told = (
        f"{len(codes):,} real regions, {bound:,} bound by {tf} (read from Parquet in {read:.3f} s)"
    )
    return regions, codes, told


def ours(regions: RegionTable, evidence: NDArray[np.uint8], seed: int, *, encoded: bool) -> int:
    """Prepare with the functions that a run uses; the number of sequences made."""
    selection = select_individual(regions, evidence, Sampling(seed=seed))
    made = 0
    for part in Part:
        rows = selection.rows(part)
        sequences = regions.sequences[selection.region_ids[rows]]
        if part is Part.TEST:
            made += len(sequences)
            if encoded:
                for packed in torch.from_numpy(sequences).split(1000):
                    encode_one_hot(packed)
            continue
        batches = Batches(
            Examples(sequences, selection.labels[rows]),
            part.name,
            batch_size=100,
            strands="both",
            device=CPU,
        )
        made += len(batches)
        if encoded:
            order = torch.randperm(len(batches))
            for start, stop in batches.bounds:
                batches.inputs_and_labels(order[start:stop])
    return made


def authors(sequences: list[str], labels: NDArray[np.float64], seed: int) -> int:
    """Prepare sequence by sequence; the number of sequences made."""
    rng = random.Random(seed)
    resolved = np.flatnonzero(~np.isnan(labels))
    bound = [int(i) for i in resolved if labels[i] == 1]
    unbound = [int(i) for i in resolved if labels[i] == 0]
    chosen = bound + match_gc(sequences, bound, unbound, rng)
    rng.shuffle(chosen)
    tenth = len(chosen) // 10
    parts = (chosen[2 * tenth :], chosen[:tenth], chosen[tenth : 2 * tenth])
    made = 0
    for number, ids in enumerate(parts):
        texts = [sequences[i] for i in ids]
        if number < 2:
            texts += [text.translate(COMPLEMENT)[::-1] for text in texts]
        made += len(np.array([one_hot_by_base(text) for text in texts], dtype=np.float32))
    return made


def match_gc(
    sequences: list[str], bound: list[int], unbound: list[int], rng: random.Random
) -> list[int]:
    """Draw unbound sequences to the bound ones' GC distribution, ten bins."""
    bins: list[tuple[list[int], list[int]]] = [([], []) for _ in range(11)]
    for which, ids in enumerate((bound, unbound)):
        for i in ids:
            text = sequences[i]
            fraction = (text.count("G") + text.count("C")) / len(text)
            bins[int(fraction * 10)][which].append(i)
    drawn: list[int] = []
    for wanted, there in bins:
        drawn += rng.sample(there, min(len(wanted), len(there)))
    return drawn


def one_hot_by_base(text: str) -> NDArray[np.float16]:
    """One-hot matrix (4, L) of one sequence: letters to digits, then a cell for each base."""
    digits = text.upper().translate(DIGITS)
    matrix = np.zeros((4, len(digits)), dtype=np.float16)
    for i in range(len(digits)):
        try:
            matrix[int(digits[i]), i] = 1
        except ValueError:  # not one of the four
            matrix[:, i] = 0.25
    return matrix


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, help="workspace whose dataset to use")
    parser.add_argument("--tf", default="SPI1", help="TF to prepare (default: SPI1)")
    parser.add_argument("--regions", type=int, default=100_000, help="random (default: 100000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
