"""Label similarity of every pair of TFs: matrix products beside a loop over pairs.

    python -m benchmarks.groups [--workspace DIR] [--pairs 40] [--rounds 3]

- *ours*: `data.relations.similarity.label_similarity`, all pairs at once.
- *loop over pairs*: for a sample of pairs the less sparse labels of both, the regions resolved for
  both, the cosine of what is left, with NumPy; its time is scaled to all pairs. The sample's
  values must equal ours.

Both use one thread.

Reading the evidence from Parquet is reported separately. The regions are those of the workspace's
dataset; without one, random ones.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.machine import Row, describe, table
from data.dataset.store import Dataset
from data.relations.similarity import label_similarity
from data.schema import NULL_LABEL, view_labels


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()  # before there is load of our own
    evidence, told = load_evidence(options.workspace, options.regions, options.tfs)
    num_tfs = evidence.shape[1]
    num_pairs = num_tfs * (num_tfs - 1) // 2
    rng = np.random.default_rng(0)
    sample = [
        (int(i), int(j))
        for i, j in (rng.choice(num_tfs, 2, replace=False) for _ in range(options.pairs))
    ]
    ours_s: list[float] = []
    loop_s: list[float] = []
    for _ in range(options.rounds):
        began = time.perf_counter()
        similarity = label_similarity(evidence)
        ours_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        with threadpool_limits(1, user_api="blas"):
            looped = [pair_cosine(evidence[:, i], evidence[:, j]) for i, j in sample]
        loop_s.append((time.perf_counter() - began) / len(sample) * num_pairs)
    ours = [similarity.cosine[i, j] for i, j in sample]
    np.testing.assert_allclose(ours, looped, rtol=1e-9)

    print(machine)
    print(f"{told}; {num_pairs:,} pairs; {options.rounds} rounds in turn\n")
    slowest = statistics.median(loop_s)
    rows: list[Row] = [
        (
            name,
            f"{statistics.median(taken):.2f}",
            f"{min(taken):.2f} to {max(taken):.2f}",
            f"{slowest / statistics.median(taken):.0f}",
        )
        for name, taken in (
            ("ours, all pairs", ours_s),
            (f"loop over pairs, from {len(sample)}", loop_s),
        )
    ]
    print(table(("similarity of all pairs", "seconds", "range", "times the loop's speed"), rows))
    return rows


def load_evidence(
    workspace: Path | None, num_regions: int, num_tfs: int
) -> tuple[NDArray[np.uint8], str]:
    """Evidence codes, and what they are, in words."""
    if workspace is None:
        rng = np.random.default_rng(0)
        codes = rng.choice(
            np.array([0, 1, 2, 4], dtype=np.uint8), (num_regions, num_tfs), p=[0.3, 0.6, 0.05, 0.05]
        )
        return np.asfortranarray(codes), (
            f"{num_tfs} TFs x {num_regions:,} random regions (no --workspace given)"
        )
    dataset = Dataset.open(workspace / "dataset")
    began = time.perf_counter()
    evidence = dataset.evidence(dataset.tfs)
    read_s = time.perf_counter() - began
    num_regions, num_tfs = evidence.shape
    return evidence, (
        f"{num_tfs} TFs x {num_regions:,} real regions (read from Parquet in {read_s:.2f} s)"
    )


def pair_cosine(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Cosine similarity of two TFs' less sparse labels over jointly resolved regions."""
    a, b = (view_labels(codes, "less-sparse") for codes in (one, two))
    joint = (a != NULL_LABEL) & (b != NULL_LABEL)
    x, y = a[joint].astype(np.float64), b[joint].astype(np.float64)
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norms if norms else float("nan")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, help="workspace whose dataset to use")
    parser.add_argument("--regions", type=int, default=100_000, help="random (default: 100000)")
    parser.add_argument("--tfs", type=int, default=100, help="random (default: 100)")
    parser.add_argument("--pairs", type=int, default=40, help="pairs to loop over (default: 40)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
