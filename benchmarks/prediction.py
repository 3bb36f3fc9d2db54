"""`bindgrid predict`'s own path beside the bare forward pass of the same networks.

    python -m benchmarks.prediction [--base TF] [--genome FASTA] [--regions 4000] [--rounds 5]

- *bare*: the networks' forward passes over sequences that are one-hot coded already, both strands,
  batches of 2,000, and nothing else.
- *regions*: rows of a BED file, read from the genome, encoded, predicted, averaged, calibrated and
  written as text, or as Parquet.
- *tiles*: as many windows every 50 bases, written as a bigWig.

One thread, one process, the ways in turn within a round; medians of the ratio to the bare pass of
the same round. Without a genome, one of random bases is made.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import Row, describe, table
from data.output import output_named
from data.packing import pack
from data.queries.windows import Windows, bed_windows, tiled_windows
from data.sources.genome import Genome
from model.calibration import Calibration
from model.encoding import encode_one_hot, reverse_complement, to_tensor
from model.ensemble import Member
from model.network import build_network
from model.network_config import published
from orchestrator.prediction.base import require_base
from orchestrator.prediction.predict import predict_windows
from orchestrator.prediction.writers import PREDICTION_FORMATS, writing

LENGTH_BP = 200
STRIDE_BP = 50
BATCH = 2000
MIN_KNOWN = 0.9
"""Least share of regions without an N, which alone are predicted."""


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    machine = describe()  # before there is load of our own
    torch.set_num_threads(1)
    members = _members(options)
    with tempfile.TemporaryDirectory() as folder:
        genome = Genome(options.genome or _random_genome(Path(folder), options.bases))
        bed, tiles = _write_beds(genome, options.regions, Path(folder))
        codes = np.concatenate([one.codes for one in bed_windows(bed, genome, LENGTH_BP)])
        known = codes[(codes < 4).all(axis=1)]
        if len(known) < MIN_KNOWN * len(codes):
            raise SystemExit(
                f"{genome.path}: {len(known):,} of {len(codes):,} regions have no N; those with it "
                "are not predicted, so that the ways would look fast; leave --genome out"
            )
        packed = to_tensor(pack(known))
        forward = encode_one_hot(packed)
        both = torch.cat([forward, encode_one_hot(reverse_complement(packed))])

        def write(name: str, batches: Callable[[], Iterator[Windows]]) -> Callable[[], int]:
            def run() -> int:
                output = output_named(Path(folder) / name, PREDICTION_FORMATS)
                with writing(output, genome.lengths_bp) as writer:
                    return predict_windows(members, batches(), writer).num

            return run

        def regions() -> Iterator[Windows]:
            return bed_windows(bed, genome, LENGTH_BP)

        ways = {
            "regions to text": write("out.tsv", regions),
            "regions to Parquet": write("out.parquet", regions),
            f"tiles of {STRIDE_BP} bp to bigWig": write(
                "out.bw", lambda: tiled_windows(genome, LENGTH_BP, STRIDE_BP, tiles)
            ),
        }
        rates: dict[str, list[float]] = {name: [] for name in ("bare", *ways)}
        for number in range(options.rounds + 1):
            measured = {"bare": _rate(lambda: _bare(members, both))}
            measured |= {name: _rate(run) for name, run in ways.items()}
            if number:  # the first one warms up
                for name, rate in measured.items():
                    rates[name].append(rate)
    print(machine)
    print(f"{options.regions:,} sequences, {len(members)} replicates, both strands")
    rows: list[Row] = []
    for name, own in rates.items():
        ratios = [one / bare for one, bare in zip(own, rates["bare"], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        rows.append(
            (name, f"{statistics.median(own):,.0f}", f"{statistics.median(ratios):.2f}", spread)
        )
    print(table(("way", "sequences/s", "of bare", "least to most"), rows))
    return rows


def _members(options: argparse.Namespace) -> tuple[Member, ...]:
    """Networks with random weights, or those of the base for one of its TFs."""
    if options.base:
        return require_base().predictor(options.base).members()
    config = published("paper", num_tfs=1)
    return tuple(
        Member(
            network=build_network(config, seed=seed).eval(),
            length_bp=config.length_bp,
            calibration=Calibration(slope=1.1, intercept=0.1),
        )
        for seed in range(options.replicates)
    )


@torch.inference_mode()
def _bare(members: tuple[Member, ...], both: torch.Tensor) -> int:
    for member in members:
        for part in both.split(BATCH):
            member.network(part)
    return len(both) // 2


def _rate(run: Callable[[], int]) -> float:
    """Sequences per second."""
    began = time.perf_counter()
    num = run()
    return num / (time.perf_counter() - began)


def _random_genome(folder: Path, num_bases: int) -> Path:
    bases = np.frombuffer(b"ACGT", dtype=np.uint8)
    path = folder / "genome.fa"
    with path.open("wb") as file:
        for seed in range(2):
            drawn = bases[np.random.default_rng(seed).integers(0, 4, num_bases)].tobytes()
            file.write(f">chr{seed + 1}\n".encode())
            file.writelines(drawn[i : i + 100] + b"\n" for i in range(0, len(drawn), 100))
    return path


def _write_beds(genome: Genome, num: int, folder: Path) -> tuple[Path, Path]:
    """Write regions spread over the largest chromosome, and one stretch of as many tiles."""
    chrom = max(genome.lengths_bp, key=lambda name: genome.lengths_bp[name])
    length = genome.lengths_bp[chrom]
    starts = np.sort(np.random.default_rng(0).integers(1000, length - 1000, num))
    regions, tiles = folder / "regions.bed", folder / "tiles.bed"
    regions.write_text("".join(f"{chrom}\t{start}\t{start + 200}\n" for start in starts))
    middle = length // 2 // STRIDE_BP * STRIDE_BP
    tiles.write_text(f"{chrom}\t{middle}\t{middle + num * STRIDE_BP}\n")
    return regions, tiles


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--genome", type=Path, help="FASTA (default: random bases)")
    parser.add_argument(
        "--bases", type=int, default=5_000_000, help="of two random chromosomes each (5,000,000)"
    )
    parser.add_argument("--base", default="", help="TF of the base, in place of random weights")
    parser.add_argument("--regions", type=int, default=4000, help="regions (default: 4000)")
    parser.add_argument("--replicates", type=int, default=3, help="replicates (default: 3)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
