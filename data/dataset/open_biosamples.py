"""In how many of a dataset's biosamples regions are open: of its regions, and of any place.

Legend: N regions of the dataset, n places.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.dataset.region_table import RegionTable
from data.dataset.store import Dataset
from data.errors import DataError
from data.left_out import LeftOut
from data.schema import REGION_WIDTH_BP
from data.sources.chromosomes import Chromosomes


class OpenBiosamples:
    """Numbers of biosamples in which places are open.

    Parameters
    ----------
    dataset
        Says in which of its biosamples each region is open.
    regions
        Its regions.

    Raises
    ------
    DataError
        If it knows of fewer than two biosamples: a region of it is then as open as any other.
    """

    def __init__(self, dataset: Dataset, regions: RegionTable) -> None:
        if len(dataset.biosamples) < 2:
            known = "has one biosample" if dataset.biosamples else "names no biosample"
            raise DataError(
                f"{dataset.path}: {known}, and openness is the number of biosamples in which a "
                "region is open: it takes two or more; leave out --openness"
            )
        self.of_regions: NDArray[np.int64] = dataset.open_in().sum(axis=1, dtype=np.int64)
        """By region, shape (N,)."""
        self._path = dataset.path
        self._codes = {name: code for code, name in enumerate(regions.chroms)}
        self._names = Chromosomes(dataset.path, regions.chroms, None)
        keys = _keys(regions.chrom.astype(np.int64), regions.start.astype(np.int64))
        order = np.argsort(keys, kind="stable")
        self._keys, self._number = keys[order], self.of_regions[order]

    def check_chromosomes(self, chroms: Collection[str], file: Path) -> None:
        """Refuse places of another genome.

        Parameters
        ----------
        chroms
            All chromosomes of the genome that places are of.
        file
            It, for messages.

        Raises
        ------
        DataError
            If it has no chromosome of the dataset.
        """
        if not any(self._code_of(chrom) >= 0 for chrom in chroms):
            raise DataError(
                f"{self._path}: has no chromosome of {file}, such as {next(iter(chroms), '')!r}; "
                "--openness takes the genome that the dataset was built from"
            )

    def _code_of(self, chrom: str) -> int:
        """Give the dataset's index of a chromosome, by its name or one alike; -1 without one."""
        # what is renamed was told when the places were read
        return self._codes.get(self._names.named(chrom, self._path, LeftOut()), -1)

    def at(self, chrom: NDArray[np.object_], position: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the number of each place, shape (n,); 0 where the dataset has no region.

        Where regions overlap, that of the most open one is taken.

        Parameters
        ----------
        chrom
            Chromosomes; names that differ from the dataset's only by `chr` are taken as the same.
        position
            0-based bases.
        """
        names, where = np.unique(chrom.astype(str), return_inverse=True)
        codes = np.array([self._code_of(name) for name in names.tolist()], dtype=np.int64)
        key = _keys(codes[where], position)
        first = np.searchsorted(self._keys, key - REGION_WIDTH_BP, side="right")
        last = np.searchsorted(self._keys, key, side="right")
        found = np.zeros(len(chrom), dtype=np.int64)
        for step in range(int((last - first).max(initial=0))):
            there = first + step < last
            number = self._number[first[there] + step]
            found[there] = np.maximum(found[there], number)
        found[codes[where] < 0] = 0
        return found


def _keys(chrom: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Numbers in the order of the genome; no region reaches into another chromosome's."""
    return (chrom << 32) + position
