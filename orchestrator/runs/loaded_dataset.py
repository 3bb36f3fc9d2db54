"""A dataset whose tables are read once per process, and tables to share with other processes."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.dataset.openness_matching import openness_strata
from data.dataset.region_table import RegionTable
from data.dataset.sampling import Sampling
from data.dataset.selection import (
    Selection,
    individual_pools,
    select_individual,
    select_multi,
)
from data.dataset.store import Dataset
from data.errors import DataError
from data.schema import Evidence
from orchestrator.errors import RunError
from orchestrator.spec import RegionSpec, RunSpec
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedTables:
    """Tables of a dataset, for other processes to use instead of reading their own.

    All arrays are contiguous, so that a shared-memory store such as Ray's can give them to many
    processes read-only and without a copy.
    """

    regions_fingerprint: str
    """Fingerprint of `regions` in the dataset's manifest."""
    regions: RegionTable
    evidence: Mapping[tuple[str, str], NDArray[np.uint8]]
    """Evidence codes, shape (N,), by TF and the content's hash."""

    @property
    def num_bytes(self) -> int:
        """Number of bytes of all arrays."""
        columns = [getattr(self.regions, column.name) for column in fields(self.regions)]
        arrays = [*columns, *self.evidence.values()]
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


class LoadedDataset:
    """A dataset whose tables are read once per process and kept.

    Parameters
    ----------
    path
        The dataset.
    tables
        Tables to use instead of reading them, as long as they have the dataset's content; the rest
        is read. None reads everything.
    """

    def __init__(self, path: Path, tables: SharedTables | None = None) -> None:
        self.dataset = Dataset.open(path)
        self._regions_fingerprint: str = self.dataset.manifest.regions_fingerprint
        same = tables is not None and tables.regions_fingerprint == self._regions_fingerprint
        self._tables = tables if same else None
        self.regions = self._tables.regions if self._tables else self.dataset.regions()
        self._column = lru_cache(maxsize=256)(self._read_column)
        self._resolved = lru_cache(maxsize=256)(self._pack_resolved)
        self._openness = lru_cache(maxsize=64)(self._read_openness)
        self.select = lru_cache(maxsize=8)(self._select)

    def _read_column(self, tf: str, fingerprint: str) -> NDArray[np.uint8]:
        if self._tables is not None and (tf, fingerprint) in self._tables.evidence:
            return self._tables.evidence[tf, fingerprint]
        return self.dataset.evidence([tf])[:, 0]

    def column(self, tf: str) -> NDArray[np.uint8]:
        """Evidence codes of a TF, shape (N,)."""
        return self._column(tf, self.dataset.summary(tf).fingerprint)

    def evidence(self, tfs: Sequence[str]) -> NDArray[np.uint8]:
        """Evidence codes, shape (N, T), a copy in which a column lies together."""
        return np.stack([self.column(tf) for tf in tfs]).T

    def num_resolved(self, tfs: Sequence[str]) -> int:
        """Count the regions that are resolved for all of some TFs, one or more."""
        bits = (self._resolved(tf, self.dataset.summary(tf).fingerprint) for tf in tfs)
        return int(np.bitwise_count(reduce(np.bitwise_and, bits)).sum(dtype=np.int64))

    def _pack_resolved(self, tf: str, fingerprint: str) -> NDArray[np.uint8]:
        """Say of each region whether it is resolved for a TF, a bit each, those of no region 0."""
        return np.packbits(self._column(tf, fingerprint) != Evidence.UNMATCHED)

    def share(self, tfs: Iterable[str]) -> SharedTables:
        """Give the tables that are needed for some TFs.

        A TF that cannot be read is left out; the run that needs it fails with the reason.
        """
        evidence = {}
        for tf in sorted(set(tfs)):
            with suppress(DataError):
                fingerprint = self.dataset.summary(tf).fingerprint
                evidence[tf, fingerprint] = self._column(tf, fingerprint)
        return SharedTables(
            regions_fingerprint=self._regions_fingerprint, regions=self.regions, evidence=evidence
        )

    def _select(self, spec: RegionSpec) -> Selection:
        """Draw the regions of a spec.

        Raises
        ------
        RunError
            If the dataset is not the one that the spec was made for.
        DataError
            If it has too few regions.
        """
        if self.dataset.fingerprint(spec.tfs) != spec.dataset:
            raise RunError(
                f"{self.dataset.path} has changed since this run was planned; plan it again"
            )
        if spec.view == "less-sparse":
            return select_multi(
                self.regions,
                [self.column(tf) for tf in spec.tfs],
                spec.sampling,
                excluded=self.excluded(spec),
                rows=spec.rows,
            )
        tf = spec.tfs[0]
        by_gc = spec.sampling.unbound_match == "gc"
        return select_individual(
            self.regions,
            self.column(tf),
            spec.sampling,
            excluded=self.excluded(spec),
            openness=None if by_gc else self._openness(tf, self.dataset.summary(tf).fingerprint),
            name=tf,
        )

    def _read_openness(self, tf: str, _fingerprint: str) -> NDArray[np.int64]:
        """Give the stratum of openness of each region, shape (N,), see `openness_strata`.

        Raises
        ------
        DataError
            If the dataset does not say where regions are open.
        """
        bound, unbound = individual_pools(self.regions, self.column(tf), Sampling())
        return openness_strata(self.dataset.open_in(), bound, unbound)

    def excluded(self, spec: RegionSpec) -> NDArray[np.int64] | None:
        """Find the regions that a spec excludes because another model is trained on them."""
        if spec.excluded is None:
            return None
        other = self.select(spec.excluded)
        return other.region_ids if spec.view == "less-sparse" else other.seen_in_training()


@lru_cache(maxsize=2)
def _loaded(path: Path, tables: SharedTables | None, _manifest_mtime_ns: int) -> LoadedDataset:
    return LoadedDataset(path, tables)


def load_dataset(workspace: Workspace, tables: SharedTables | None = None) -> LoadedDataset:
    """Load the workspace's dataset, once per process as long as it stays the same.

    Parameters
    ----------
    workspace
        Has the dataset.
    tables
        Tables that need not be read again; None reads all.
    """
    manifest = workspace.dataset / "manifest.json"
    mtime_ns = manifest.stat().st_mtime_ns if manifest.exists() else 0
    return _loaded(workspace.dataset, tables, mtime_ns)


def tfs_needed(spec: RunSpec) -> set[str]:
    """Find the TFs whose evidence decides the regions and labels of a run."""
    tfs: set[str] = set()
    regions: RegionSpec | None = spec.regions
    while regions is not None:
        tfs.update(regions.tfs)
        regions = regions.excluded
    return tfs if spec.start_run is None else tfs | tfs_needed(spec.start_run)
