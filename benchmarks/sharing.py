"""Memory and start of a worker: the dataset shared by Ray, beside one read by each worker.

    python -m benchmarks.sharing [--regions 1800000] [--tfs 163] [--workers 2]

On a made-up dataset of the full study's size, real Ray workers draw the regions that a study's runs
need: those of a multi-model of 50 TFs, then those of an individual model of every TF. What is
reported of a worker is the memory that it has for itself (USS), before and after, and the seconds
until it has the multi-model's regions, that is, until its first run could start to train.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import ray

from benchmarks.machine import Row, describe, table
from data.dataset.region_table import RegionTable
from data.dataset.sampling import Sampling
from data.dataset.store import write_dataset
from data.errors import DataError
from data.packing import gc_fraction, unpack
from data.schema import Evidence
from orchestrator.backends.ray.session import session
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.spec import RegionSpec
from orchestrator.workspace import Workspace

NUM_MULTI = 50


class Worker:
    """What a worker of the Ray backend does with the dataset, without the training."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)

    def draw(self, shared: list[Any], multi: RegionSpec, singles: list[RegionSpec]) -> list[float]:
        """MiB of its own before and after, seconds to the first and to the last selection."""
        before = own_mib()
        began = time.perf_counter()
        tables = ray.get(shared[0]) if shared else None
        loaded = load_dataset(self.workspace, tables)
        loaded.select(multi)
        first = time.perf_counter() - began
        for spec in singles:
            try:
                loaded.select(spec)
            except DataError:
                continue  # too few regions outside the multi-model
        return [before, own_mib(), first, time.perf_counter() - began]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        tfs = make_dataset(workspace, options.regions, options.tfs)
        loaded = load_dataset(workspace)

        def spec(names: tuple[str, ...], view: Any) -> RegionSpec:
            fingerprint = loaded.dataset.fingerprint(names)
            return RegionSpec(tfs=names, view=view, sampling=Sampling(), dataset=fingerprint)

        multi = spec(tfs[:NUM_MULTI], "less-sparse")
        singles = [replace(spec((tf,), "sparse"), excluded=multi) for tf in tfs]
        began = time.perf_counter()
        tables = loaded.share(tfs)
        read_s = time.perf_counter() - began
        with session(options.workers, None, tables.num_bytes):
            began = time.perf_counter()
            ref = ray.put(tables)
            put_s = time.perf_counter() - began
            ways: dict[str, list[Any]] = {"each reads its own": [], "shared": [ref]}
            rows: list[Row] = [
                measured(way, shared, workspace, options.workers, multi, singles)
                for way, shared in ways.items()
            ]
    print(machine)
    print(
        f"{options.regions:,} made-up regions, {len(tfs)} TFs: {tables.num_bytes / 2**20:.0f} MiB; "
        f"the driver reads them in {read_s:.1f} s and puts them into the object store in "
        f"{put_s:.1f} s; means of {options.workers} workers at once\n"
    )
    header = ("a worker", "MiB at start", "MiB after all runs", "difference")
    print(table((*header, "s to the first run", "s for all"), rows))
    return rows


def measured(
    way: str,
    shared: list[Any],
    workspace: Workspace,
    num_workers: int,
    multi: RegionSpec,
    singles: list[RegionSpec],
) -> list[str]:
    """Row of the table for fresh workers, all at work at once."""
    actor: Any = ray.remote(Worker)
    workers = [actor.remote(workspace.root) for _ in range(num_workers)]
    told = ray.get([worker.draw.remote(shared, multi, singles) for worker in workers])
    for worker in workers:
        ray.kill(worker)
    before, after, first, last = (statistics.mean(numbers) for numbers in zip(*told, strict=True))
    return [
        way,
        f"{before:.0f}",
        f"{after:.0f}",
        f"{after - before:.0f}",
        f"{first:.2f}",
        f"{last:.1f}",
    ]


def own_mib() -> float:
    """Memory that only this process has, in MiB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def make_dataset(workspace: Workspace, num_regions: int, num_tfs: int) -> tuple[str, ...]:
    """Write random regions; a twentieth of them is resolved for all TFs. Names of the TFs."""
    rng = np.random.default_rng(0)
    sequences = rng.integers(0, 256, (num_regions, 50), dtype=np.uint8)
    start = np.arange(num_regions, dtype=np.int32)
    parts = np.array_split(sequences, 1 + num_regions // 100_000)
    regions = RegionTable(
        chroms=tuple(f"chr{number}" for number in range(1, 25)),
        chrom=(24 * np.arange(num_regions) // num_regions).astype(np.uint16),
        start=start,
        end=start + 200,
        gc=np.concatenate([gc_fraction(unpack(part)) for part in parts]),
        sequences=sequences,
        num_unknown=np.zeros(num_regions, dtype=np.uint8),
    )
    everywhere = rng.random(num_regions) < 0.05
    codes = np.array([Evidence.UNMATCHED, Evidence.UNBOUND, Evidence.BOUND], dtype=np.uint8)
    evidence = {}
    for number in range(num_tfs):
        column = rng.choice(codes, num_regions, p=[0.6, 0.35, 0.05])
        column[everywhere & (column == Evidence.UNMATCHED)] = Evidence.UNBOUND
        evidence[f"TF{number:03}"] = column
    write_dataset(
        workspace.dataset,
        regions=regions,
        evidence=evidence,
        accessibility=None,
    )
    return tuple(evidence)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--regions", type=int, default=1_800_000, help="regions (1,800,000)")
    parser.add_argument("--tfs", type=int, default=163, help="TFs (163)")
    parser.add_argument("--workers", type=int, default=2, help="workers at once (2)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
