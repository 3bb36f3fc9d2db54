"""A tiny set of source files in the sources' own formats, small enough to label by hand."""

import gzip
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset.region_table import RegionTable
from data.dataset.store import Dataset, write_dataset
from data.packing import encode
from data.schema import Evidence
from data.sources.tables import SourceFiles

CHROM_LENGTH_BP = 3000


def random_bases(seed: int, length: int = CHROM_LENGTH_BP) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


@dataclass
class TinySources:
    """Text of the source files; tests change a line and write them."""

    dhs: list[str] = field(
        default_factory=lambda: [
            "chr1\t100\t300\t1\t500\t2\t0,1,",
            "chr1\t1000\t1200\t1\t500\t1\t0,",
            "chr1\t1100\t1300\t1\t500\t2\t0,1,",
            "chr2\t500\t700\t1\t500\t2\t1,2,",
        ]
    )
    peaks: list[str] = field(
        default_factory=lambda: [
            "chr1\t150\t250\tE1.SPI1.K562\t9\t.\t200\t201\t0,0,0",
            "chr2\t550\t650\tE2.SPI1.HepG2\t9\t.\t600\t601\t0,0,0",
        ]
    )
    sites: list[str] = field(default_factory=lambda: ["chr1\t195\t205\tE1.K562.SPI1\t0\t+"])
    experiments: list[str] = field(
        default_factory=lambda: [
            "experiment\ttf\tbiotype",
            "E1\tSPI1\tK562",
            "E2\tSPI1\tHepG2",
            "E3\tMAX\tK562",
        ]
    )
    samples: list[str] = field(
        default_factory=lambda: [
            "source_id\tdhs_sample\tbiotype",
            "0\tK562\tK562",
            "1\tHepG2\tHepG2",
            "2\tfibroblast\t",
        ]
    )
    genome: dict[str, str] = field(
        default_factory=lambda: {"chr1": random_bases(1), "chr2": random_bases(2)}
    )

    def write(self, folder: Path, *, compress: bool = False) -> SourceFiles:
        folder.mkdir(parents=True, exist_ok=True)
        paths: dict[str, Any] = {}
        for name in ("dhs", "peaks", "sites", "experiments", "samples"):
            text = "".join(f"{line}\n" for line in getattr(self, name))
            path = folder / f"{name}.{'tsv' if name in ('experiments', 'samples') else 'bed'}"
            if compress:
                path = path.with_name(path.name + ".gz")
                path.write_bytes(gzip.compress(text.encode()))
            else:
                path.write_text(text)
            paths[name] = path
        genome = folder / "genome.fa"
        genome.write_text(
            "".join(
                f">{chrom}\n" + "".join(f"{seq[i : i + 60]}\n" for i in range(0, len(seq), 60))
                for chrom, seq in self.genome.items()
            )
        )
        genome.with_name("genome.fa.fai").unlink(missing_ok=True)
        return SourceFiles(genome=genome, **paths)


def build_arguments(sources: SourceFiles) -> list[str]:
    """Options of `bindgrid data build`."""
    given = {f.name: getattr(sources, f.name) for f in fields(sources) if f.name != "exclude"}
    names = {name.replace("_", "-"): path for name, path in given.items() if path is not None}
    pairs = [(f"--{name}", str(path)) for name, path in names.items()]
    pairs += [("--exclude", str(path)) for path in sources.exclude]
    return [word for pair in pairs for word in pair]


TFS = ("ELF1", "GABPA", "SPI1")
MOTIF = "AAAGCGGAAGTG"


def tiny_dataset(path: Path, num_regions: int = 400, *, opened: bool = False) -> Dataset:
    """Write a dataset in which a motif in the middle of a region decides the binding.

    ELF1 and GABPA are resolved in the first half of the regions, SPI1 in all. If it says where
    regions are `opened`, bound ones are open in more of four biosamples.
    """
    rng = np.random.default_rng(5)
    bases = rng.integers(0, 4, (num_regions, 200)).astype(np.uint8)
    bound = rng.random(num_regions) < 0.4
    motif = encode(np.frombuffer(MOTIF.encode(), dtype=np.uint8))
    bases[bound, 94 : 94 + len(motif)] = motif
    chrom = np.array([f"chr{1 + 4 * i // num_regions}" for i in range(num_regions)], dtype=object)
    codes = np.where(bound, Evidence.BOUND, Evidence.UNBOUND).astype(np.uint8)
    half = np.where(np.arange(num_regions) < num_regions // 2, codes, Evidence.UNMATCHED)
    return write_dataset(
        path,
        regions=RegionTable.from_bases(chrom, np.arange(num_regions, dtype=np.int32) * 300, bases),
        evidence={"ELF1": half.astype(np.uint8), "GABPA": half.astype(np.uint8), "SPI1": codes},
        accessibility=_opened(bound) if opened else None,
    )


def _opened(bound: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    chance = np.where(bound, 0.7, 0.3)
    return {name: rng.random(len(bound)) < chance for name in ("A549", "BJ", "HepG2", "K562")}
