"""Whether a genome is the one that a dataset was built from: by bases, which the dataset holds.

Assemblies share the names of chromosomes, and one file may take the place of another, so that
names and paths tell nothing.
"""

import re
from pathlib import Path
from typing import Final

import numpy as np

from data.dataset.region_table import RegionTable
from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.packing import UNKNOWN, unpack
from data.schema import REGION_WIDTH_BP
from data.sources.genome import Genome

_NUM_COMPARED: Final = 100
_FASTA: Final = re.compile(r"\.(fa|fasta|fna|fas)(\.b?gz)?")


def check_genome(dataset: Dataset, regions: RegionTable, genome: Genome) -> None:
    """Compare some regions of a dataset, evenly spaced, with a genome.

    Regions on chromosomes that the genome lacks and those with N are not compared, nor are bases
    that the genome gives as N or another ambiguous letter: files of one assembly differ in these.

    Parameters
    ----------
    regions
        The dataset's.

    Raises
    ------
    DataError
        If a region has other bases in the genome, or reaches beyond its chromosome's end.
    """
    # what is called otherwise is told where peaks are read
    named = [genome.chromosomes.named(name, dataset.path, LeftOut()) for name in regions.chroms]
    lengths_bp = np.array([genome.lengths_bp.get(name, 0) for name in named], dtype=np.int64)
    rows = np.flatnonzero((lengths_bp[regions.chrom] > 0) & (regions.num_unknown == 0))
    if not len(rows):
        return
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, _NUM_COMPARED, dtype=np.int64))]
    chrom = regions.chrom[rows]
    bases = genome.excerpts(
        np.array(named, dtype=object)[chrom], regions.start[rows], REGION_WIDTH_BP
    )
    differs = (bases != unpack(regions.sequences[rows])) & (bases != UNKNOWN)
    is_other = differs.any(axis=1) | (regions.end[rows] > lengths_bp[chrom])
    if is_other.any():
        place = regions.place(int(rows[is_other.argmax()]))
        raise DataError(
            f"{genome.path}: is not the genome that {dataset.path} was built from, whose bases at "
            f"{place} are others; {_remedy(dataset, genome)}"
        )


def _remedy(dataset: Dataset, genome: Genome) -> str:
    own = dataset.manifest.own_regions
    files = [one.file for one in dataset.manifest.sources] if own is None else [own.genome]
    named = next((file for file in files if own or _FASTA.search(Path(file).name)), "")
    if not named:
        return "give that genome by --genome"
    if Path(named) == genome.path.resolve():
        return "the file has changed since; put the one that it was back, or give it by --genome"
    return f"give that genome: --genome {named}"
