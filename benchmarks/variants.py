"""Power and false discoveries of effects of variants, on simulated sites.

    python -m benchmarks.variants WORKSPACE SOURCES TF [--variants 2000] [--in-sites 0.1]

WORKSPACE has a model of the TF, and SOURCES the simulated files of its dataset (`bindgrid data
simulate`, `make demo`). Some variants take 4 bits or more from the motif of a planted site of the
TF, the others lie in regions too but 30 bp or more from any site of any TF. `bindgrid variants`
predicts all of them in one file. It reports, for several rates of false discoveries, how many of
the former are found, and which fraction of what is found is wrong; and how many of the latter have
a p-value of 0.05 at most, which should be 5 %.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.machine import Row, describe, table
from data.motifs.database import DEFAULT
from data.packing import UNKNOWN
from data.sources.genome import Genome
from orchestrator.runs.motif_baseline import motif_of

LOST_BITS = 4.0
APART_BP = 30
MARGIN_BP = 200
RATES = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Substitution:
    """A substitution, its position counted from 0."""

    chrom: str
    position: int
    reference: int
    alternative: int


def places(path: Path) -> pd.DataFrame:
    """Read the first four columns of a BED file."""
    return pd.read_csv(path, sep="\t", header=None, usecols=range(4), names=list("cseN"))


def in_sites(
    genome: Genome, sites: pd.DataFrame, tf: str, num: int, rng: np.random.Generator
) -> list[Substitution]:
    """Draw substitutions that take bits from the motif of the TF's sites, one a site at most."""
    motif = motif_of(tf, DEFAULT)
    own = sites[sites["N"].str.endswith(f".{tf}") & (sites["e"] - sites["s"] == motif.length_bp)]
    own = own.drop_duplicates(["c", "s"]).sample(frac=1, random_state=int(rng.integers(2**31)))
    chrom, start = own["c"].to_numpy(dtype=object), own["s"].to_numpy(dtype=np.int32)
    found = []
    for name, first, codes in zip(
        chrom, start, genome.sequences(chrom, start, motif.length_bp), strict=True
    ):
        if (codes == UNKNOWN).any():
            continue
        bits = max((motif.log_odds, motif.log_odds[::-1, ::-1]), key=lambda own: score(own, codes))
        lost = bits[codes, np.arange(len(codes))] - bits
        base, place = np.nonzero(lost >= LOST_BITS)
        if len(base):
            at = rng.integers(len(base))
            position, alternative = int(first + place[at]), int(base[at])
            found.append(Substitution(str(name), position, int(codes[place[at]]), alternative))
        if len(found) == num:
            break
    return found


def score(bits: NDArray[np.float32], codes: NDArray[np.uint8]) -> float:
    """Score a sequence as long as a motif."""
    return float(bits[codes, np.arange(len(codes))].sum())


def beside_sites(
    genome: Genome, sources: Path, sites: pd.DataFrame, num: int, rng: np.random.Generator
) -> list[Substitution]:
    """Draw substitutions in regions, away from all sites and from the ends of chromosomes."""
    regions = places(sources / "dhs.bed.gz")
    free = {chrom: np.zeros(length, dtype=bool) for chrom, length in genome.lengths_bp.items()}
    for chrom, start, end in regions[["c", "s", "e"]].itertuples(index=False):
        free[chrom][start:end] = True
    for chrom, start, end in sites[["c", "s", "e"]].itertuples(index=False):
        free[chrom][max(0, start - APART_BP) : end + APART_BP] = False
    for mask in free.values():
        mask[:MARGIN_BP] = mask[-MARGIN_BP:] = False
    all_places = [(chrom, at) for chrom, mask in free.items() for at in np.flatnonzero(mask)]
    drawn = [all_places[i] for i in rng.choice(len(all_places), num, replace=False)]
    chrom = np.array([name for name, _ in drawn], dtype=object)
    position = np.array([at for _, at in drawn], dtype=np.int32)
    bases = genome.sequences(chrom, position, 1)[:, 0]
    return [
        Substitution(str(name), int(at), int(base), int(base + rng.integers(1, 4)) % 4)
        for name, at, base in zip(chrom, position, bases, strict=True)
        if base != UNKNOWN
    ]


def predicted(
    workspace: Path, genome: Path, tf: str, lists: Sequence[Sequence[Substitution]]
) -> list[pd.DataFrame]:
    """Let `bindgrid variants` predict lists of variants in one file, and part them again."""
    rows = [(name, one) for name, own in enumerate(lists) for one in own]
    with tempfile.TemporaryDirectory() as name:
        vcf, out = Path(name) / "variants.vcf", Path(name) / "effects.parquet"
        lines = (
            f"{one.chrom}\t{one.position + 1}\t{of}\t{'ACGT'[one.reference]}\t"
            f"{'ACGT'[one.alternative]}\n"
            for of, one in rows
        )
        vcf.write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(lines))
        command = [sys.executable, "-m", "experiments.cli.main", "variants", tf, "-w", workspace]
        command += ["--vcf", vcf, "--genome", genome, "--out", out]
        subprocess.run(list(map(str, command)), check=True)
        found = pd.read_parquet(out)
    return [found[found["id"] == str(of)] for of in range(len(lists))]


def rates(true: pd.DataFrame, null: pd.DataFrame) -> list[Row]:
    """Give a row for each rate of false discoveries, and one for p-values of the null."""
    bound = true["ref_probability"] >= 0.5
    rows: list[Row] = []
    for rate in RATES:
        hit, wrong = true["q_value"] <= rate, null["q_value"] <= rate
        num = int(hit.sum() + wrong.sum())
        false = f"{wrong.sum() / num:.3f}" if num else "none found"
        power, of_bound = hit.mean(), hit[bound].mean() if bound.any() else np.nan
        rows.append([f"q of {rate} at most", str(num), f"{power:.3f}", f"{of_bound:.3f}", false])
    share, of_true = ((own["p_value"] <= 0.05).mean() for own in (null, true))
    of_bound = (true["p_value"][bound] <= 0.05).mean() if bound.any() else np.nan
    rows.append(["p of 0.05 at most", "", f"{of_true:.3f}", f"{of_bound:.3f}", f"{share:.3f}"])
    return rows


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Predict both kinds of variants and print the table."""
    options = _options(arguments)
    print(describe())
    rng = np.random.default_rng(options.seed)
    genome = Genome(options.sources / "genome.fa")
    sites = places(options.sources / "unibind_tfbs.bed.gz")
    num = round(options.variants * options.in_sites)
    lists = (
        in_sites(genome, sites, options.tf, num, rng),
        beside_sites(genome, options.sources, sites, options.variants - num, rng),
    )
    true, null = predicted(options.workspace, genome.path, options.tf, lists)
    quantile = true["ref_quantile"].median()
    print(
        f"{options.tf}: {len(true)} in sites (median quantile of the reference {quantile:.2f}), "
        f"{len(null)} beside sites"
    )
    rows = rates(true, null)
    header = ("", "called", "of those in sites", "of these, if bound", "wrong, or of those beside")
    print(table(header, rows))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("workspace", type=Path, help="workspace with a model of the TF")
    add("sources", type=Path, help="folder of the simulated sources")
    add("tf", help="the TF, with a motif in JASPAR")
    add("--variants", type=int, default=2000, help="variants in all (default 2000)")
    add("--in-sites", type=float, default=0.1, help="fraction of them in sites (default 0.1)")
    add("--seed", type=int, default=0, help="seed of the draw of variants (default 0)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
