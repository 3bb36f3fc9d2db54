"""Time and peak memory of `bindgrid data build` beside bedtools doing one of its joins.

    python -m benchmarks.build SOURCES [--genome FASTA] [--scales 1,4,16] [--rounds 3]

SOURCES is a folder laid out as the paper's data (dhs.bed.gz, remap_peaks.bed.gz, ...). The
build does both joins, labels, sequences, checksums and Parquet; bedtools only
`intersect -sorted` of regions and peaks, from gzipped files that were sorted for it beforehand.
At 4x and 16x the peaks are repeated, each time moved by some bases. Every figure is of a whole
process; rounds alternate.
"""

import argparse
import gzip
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.machine import Row, describe, table

SHIFT_BP = 7
BUILD = (sys.executable, "-m", "experiments.cli.main", "data", "build")
"""The command of a build, without its options."""


@dataclass(frozen=True)
class Cost:
    """What a process cost."""

    seconds: float
    peak_mib: float
    cpu_seconds: float
    """Seconds of all its threads; it hardly depends on what else runs."""


def measure(command: list[str]) -> Cost:
    """Run a command without its output; gives seconds and peak resident memory."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(
        time.perf_counter() - began, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime
    )


def write_peaks(source: Path, path: Path, scale: int) -> int:
    """Write the peaks `scale` times, moved, sorted as bedtools wants them; number of rows."""
    peaks = pd.read_csv(source, sep="\t", header=None, names=[*"abcdefghi"])
    copies = []
    for copy in range(scale):
        moved = peaks.copy()
        moved[["b", "c", "g", "h"]] -= copy * SHIFT_BP
        copies.append(moved[moved["b"] >= 0])
    rows = pd.concat(copies).sort_values(["a", "b"], kind="stable")
    with gzip.open(path, "wt", compresslevel=1) as file:
        rows.to_csv(file, sep="\t", header=False, index=False)
    return len(rows)


def build_command(sources: Path, genome: Path, peaks: Path, workspace: Path) -> list[str]:
    """Make the build's command line."""
    options = {
        "--dhs": sources / "dhs.bed.gz",
        "--peaks": peaks,
        "--sites": sources / "unibind_tfbs.bed.gz",
        "--experiments": sources / "experiments.tsv",
        "--samples": sources / "samples.tsv",
        "--genome": genome,
        "--workspace": workspace,
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [*BUILD, "--replace", *words]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    print(describe())
    bedtools = shutil.which("bedtools")
    if bedtools is None:
        print("bedtools is not installed (Debian's package bedtools): its column is left out")
    rows: list[Row] = []
    genome = options.genome or options.sources / "genome" / "hg38.dhs.fa.gz"
    with tempfile.TemporaryDirectory() as scratch:
        for scale in map(int, options.scales.split(",")):
            peaks = Path(scratch) / f"peaks{scale}.bed.gz"
            # in a process of its own: a child's peak memory counts what its parent had at the fork
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                original = options.sources / "remap_peaks.bed.gz"
                num_peaks = pool.submit(write_peaks, original, peaks, scale).result()
            ours, theirs = [], []
            for _ in range(options.rounds):
                ours.append(
                    measure(build_command(options.sources, genome, peaks, Path(scratch) / "ws"))
                )
                if bedtools is not None:
                    dhs = str(options.sources / "dhs.bed.gz")
                    join = [bedtools, "intersect", "-sorted", "-wa", "-wb", "-a", dhs]
                    theirs.append(measure([*join, "-b", str(peaks)]))
            seconds = statistics.median(cost.seconds for cost in ours)
            row = [
                f"{scale}x",
                f"{num_peaks:,}",
                f"{seconds:.2f}",
                f"{max(cost.peak_mib for cost in ours):,.0f}",
            ]
            if theirs:
                join_seconds = statistics.median(cost.seconds for cost in theirs)
                ratios = [a.seconds / b.seconds for a, b in zip(ours, theirs, strict=True)]
                row += [f"{join_seconds:.2f}", f"{statistics.median(ratios):.1f}"]
            rows.append(row)
            peaks.unlink()
    header = ["peaks", "rows", "build s", "peak MiB"]
    print(table(header + (["bedtools join s", "build / join"] if bedtools else []), rows))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the sources")
    parser.add_argument("--genome", type=Path, help="FASTA (default: genome/hg38.dhs.fa.gz there)")
    parser.add_argument("--scales", default="1,4,16", help="times the peaks (default: 1,4,16)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
