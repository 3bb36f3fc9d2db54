"""The dataset on disk: one folder of Parquet files, whole or absent.

::

    dataset/
      manifest.json             schema version, sources with checksums, what was left out
      regions.parquet           the region table, sequences packed
      regions.<n>.parquet       regions that were added later, see `data.own_tf.new_regions`
      accessibility.parquet     a bool column per biosample (absent where it is not known)
      accessibility.<n>.parquet the same, once regions were added to a lab's own regions
      evidence/<TF>.parquet     one uint8 column; counts and content hash in its footer, and for a
                            TF that was added to the dataset what it was made from

Adding a TF writes one file; reading five TFs reads five. Every file is written beside its place
and moved in, and a new dataset becomes visible in one rename. Columns: see `data.schema`.

Regions that are added stand after those that are there, and the manifest lists the versions of the
table. A file of evidence or accessibility that has fewer rows than the table was written for an
earlier version: the regions after it are unresolved, or not accessible.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data import schema
from data.atomic import whole_file, whole_folder
from data.dataset.added import OwnRegions
from data.dataset.evidence_file import TFSummary, evidence_path, read_summary, write_evidence
from data.dataset.manifest import Manifest, Origin, TableVersion
from data.dataset.region_table import RegionTable, read_regions, read_rows, write_regions
from data.errors import DataError
from data.near_names import near_names
from data.records import RecordError, from_json, to_json
from data.schema import Evidence

if TYPE_CHECKING:
    from data.motifs.database import Jaspar

DROPPED_WITH_N = "regions: with N, left out of every training and test"
"""The reason under which a manifest counts regions with N."""


_NO_ORIGIN: Final = Origin()


class Dataset:
    """An opened dataset. Tables are read when first asked for."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> "Dataset":
        """Open the dataset in a folder.

        Raises
        ------
        DataError
            If there is none, it is not whole, or a newer bindgrid wrote it.
        """
        manifest_path = path / "manifest.json"
        if not manifest_path.is_file():
            raise DataError(
                f"{path}: no dataset here; make one with `bindgrid data build`, "
                "`bindgrid data import` or name another --workspace"
            )
        try:
            manifest = from_json(
                manifest_path.read_bytes(), Manifest, {"schema_version": schema.SCHEMA_VERSION}
            )
        except (OSError, RecordError) as error:
            raise DataError(
                f"{manifest_path}: damaged, or of another bindgrid ({error}); build the "
                "dataset again"
            ) from None
        if manifest.schema_version != schema.SCHEMA_VERSION:
            raise DataError(
                f"{manifest_path}: schema version {manifest.schema_version}, this bindgrid reads "
                f"{schema.SCHEMA_VERSION}; build the dataset again"
            )
        return cls(path, manifest)

    def reopened(self) -> "Dataset":
        """Open the dataset again, before anything is written to it.

        Raises
        ------
        DataError
            If its manifest is no longer the one that was read: what was computed is of other
            regions.
        """
        there = Dataset.open(self.path)
        if there.manifest != self.manifest:
            raise DataError(
                f"{self.path}: was changed by another process meanwhile, and nothing is written "
                "to it; run this command again"
            )
        return there

    @property
    def num_regions(self) -> int:
        """Number of regions."""
        return self.manifest.num_regions

    @cached_property
    def jaspar(self) -> "Jaspar":
        """Part of JASPAR that goes with the TFs.

        Raises
        ------
        DataError
            If the installed `pyjaspar` lacks it.
        """
        from data.motifs.database import Jaspar  # takes a while to import

        return Jaspar.called(self.manifest.jaspar)

    @cached_property
    def tfs(self) -> tuple[str, ...]:
        """Names of all TFs, sorted."""
        return tuple(sorted(unquote(p.stem) for p in (self.path / "evidence").glob("*.parquet")))

    @cached_property
    def biosamples(self) -> tuple[str, ...]:
        """Names of the biosamples whose accessibility is known."""
        path = self._accessibility_path
        return tuple(pq.read_schema(path).names) if path.is_file() else ()

    @property
    def versions(self) -> dict[int, str]:
        """Fingerprint of the region table by its number of regions, from the build on."""
        earlier = [(one.num_regions, one.fingerprint) for one in self.manifest.versions]
        return dict([*earlier, (self.num_regions, self.manifest.regions_fingerprint)])

    def regions(self) -> RegionTable:
        """Read the region table."""
        sizes = list(self.versions)
        regions = read_regions(self.path / "regions.parquet", sizes[0])
        for number in range(1, len(sizes)):
            num_rows = sizes[number] - sizes[number - 1]
            regions = regions.extended(read_regions(_added_path(self.path, number), num_rows))
        return regions

    def evidence(self, tfs: Sequence[str]) -> NDArray[np.uint8]:
        """Evidence codes of some TFs, shape (N, T), reading no other TF's file."""
        codes = np.empty((self.num_regions, len(tfs)), dtype=np.uint8, order="F")
        for column, tf in enumerate(tfs):
            table = read_rows(self._evidence_path(tf), *self.versions)
            codes[: table.num_rows, column] = table.column(schema.EVIDENCE).to_numpy()
            codes[table.num_rows :, column] = Evidence.UNMATCHED
        return codes

    def accessibility(self, biosample: str) -> NDArray[np.bool_]:
        """Whether each region is accessible in a biosample, shape (N,)."""
        if biosample not in self.biosamples:
            raise DataError(_unknown("biosample", biosample, self.biosamples, self.path))
        table = read_rows(self._accessibility_path, *self.versions, columns=[biosample])
        accessible = np.zeros(self.num_regions, dtype=bool)
        accessible[: table.num_rows] = table.column(biosample).to_numpy()
        return accessible

    def open_in(self) -> NDArray[np.bool_]:
        """Whether each region is accessible in each biosample, shape (N, B).

        Raises
        ------
        DataError
            If the dataset knows of no biosample.
        """
        if not self.biosamples:
            raise DataError(f"{self.path}: says of no biosample where regions are open")
        return np.column_stack([self.accessibility(one) for one in self.biosamples])

    def summary(self, tf: str) -> TFSummary:
        """Counts and content hash of a TF's evidence, without reading it."""
        return read_summary(self._evidence_path(tf), tf)

    def summaries(self) -> tuple[TFSummary, ...]:
        """Summaries of all TFs, sorted by name."""
        return tuple(self.summary(tf) for tf in self.tfs)

    def fingerprint(self, tfs: Sequence[str]) -> str:
        """Hash of the regions and of some TFs' evidence: what a run on them depends on.

        Another TF that is added or removed does not change it, nor do regions that are added
        where nothing is known of these TFs.
        """
        summaries = [self.summary(tf) for tf in sorted(set(tfs))]
        versions = self.versions
        num_regions = max((one.num_regions for one in summaries), default=min(versions))
        if num_regions not in versions:
            raise DataError(f"{self.path}: the evidence of {', '.join(tfs)} is of another dataset")
        digest = hashlib.blake2b(versions[num_regions].encode(), digest_size=16)
        for one in summaries:
            digest.update(f"{one.tf}={one.fingerprint};".encode())
        return digest.hexdigest()

    @property
    def _accessibility_path(self) -> Path:
        """File of the newest version of the region table that has one."""
        numbers = range(len(self.versions) - 1, 0, -1)
        paths = (_accessibility_path(self.path, number) for number in numbers)
        first = _accessibility_path(self.path, 0)
        return next((path for path in paths if path.is_file()), first)

    def _evidence_path(self, tf: str) -> Path:
        if tf not in self.tfs:
            raise DataError(_unknown("TF", tf, self.tfs, self.path))
        return evidence_path(self.path, tf)


def write_dataset(
    path: Path,
    *,
    regions: RegionTable,
    evidence: Mapping[str, NDArray[np.uint8]],
    accessibility: Mapping[str, NDArray[np.bool_]] | None,
    origin: Origin = _NO_ORIGIN,
    replace: bool = False,
) -> Dataset:
    """Write a dataset; it appears at `path` in one rename, or not at all.

    Parameters
    ----------
    evidence
        Evidence codes by TF, each of shape (N,).
    accessibility
        By biosample, each of shape (N,); None where it is not known.
    origin
        What the dataset is made from; by default nothing is recorded of it.
    replace
        Whether an existing dataset is replaced; by default it is an error.

    Raises
    ------
    DataError
        If a dataset is there and `replace` is false, or the disk is full.
    """
    refuse_existing(path, replace=replace)
    try:
        with whole_folder(path, replace=True) as partial:
            (partial / "evidence").mkdir()
            write_regions(partial / "regions.parquet", regions)
            for tf, codes in evidence.items():
                records = {"added": origin.added.get(tf), "built_from": origin.built_from.get(tf)}
                write_evidence(evidence_path(partial, tf), codes, **records)
            if accessibility is not None:
                table = pa.table(dict(accessibility))
                pq.write_table(table, _accessibility_path(partial, 0))
            manifest = Manifest(
                schema_version=schema.SCHEMA_VERSION,
                num_regions=len(regions),
                regions_fingerprint=regions.fingerprint,
                sources=tuple(origin.sources),
                dropped=dict(origin.dropped),
                jaspar=origin.jaspar,
                own_regions=origin.own_regions,
            )
            (partial / "manifest.json").write_text(to_json(manifest))
    except OSError as error:
        raise DataError(f"{path}: cannot write ({error.strerror}); free space or rights") from error
    return Dataset.open(path)


def add_regions(
    dataset: Dataset,
    more: RegionTable,
    accessibility: Mapping[str, NDArray[np.bool_]] | None = None,
    own_regions: OwnRegions | None = None,
) -> Dataset:
    """Add regions after those of a dataset, as a new version of its table.

    They are there when the manifest says so, in one rename. Evidence that is there stays as it is.

    Parameters
    ----------
    more
        The regions, see `data.own_tf.new_regions` and `data.own_tf.own_regions`.
    accessibility
        Accessibility of all regions, old and new, by biosample. By default new ones are accessible
        in none.
    own_regions
        How a lab's own regions were made, now that these are added. By default what the manifest
        says of it stays.

    Returns
    -------
    Dataset
        The dataset, opened again.

    Raises
    ------
    DataError
        If it is no longer the dataset that was opened.
    """
    dataset.reopened()
    extended = dataset.regions().extended(more)
    number = len(dataset.versions)
    with whole_file(_added_path(dataset.path, number)) as partial:
        write_regions(partial, more)
    if accessibility is not None:
        with whole_file(_accessibility_path(dataset.path, number)) as partial:
            pq.write_table(pa.table(dict(accessibility)), partial)
    manifest = changed(
        dataset.manifest,
        own_regions=own_regions or dataset.manifest.own_regions,
        num_regions=len(extended),
        regions_fingerprint=extended.fingerprint,
        versions=tuple(
            TableVersion(num_regions=num, fingerprint=fingerprint)
            for num, fingerprint in dataset.versions.items()
        ),
    )
    with whole_file(dataset.path / "manifest.json") as partial:
        partial.write_text(to_json(manifest))
    return Dataset.open(dataset.path)


def refuse_existing(path: Path, *, replace: bool) -> None:
    """Refuse to write over a dataset unless asked to, before any work is done.

    Raises
    ------
    DataError
        If something is at `path` and `replace` is false, or it is no dataset.
    """
    if not path.exists():
        return
    if not replace:
        raise DataError(f"{path}: a dataset is here already; pass --replace to build it again")
    if any(path.iterdir()) and not (path / "manifest.json").is_file():
        raise DataError(f"{path}: not a dataset, will not replace it; name another --workspace")


def _added_path(dataset: Path, number: int) -> Path:
    return dataset / f"regions.{number}.parquet"


def _accessibility_path(dataset: Path, number: int) -> Path:
    return dataset / (f"accessibility.{number}.parquet" if number else "accessibility.parquet")


def _unknown(kind: str, name: str, known: Sequence[str], where: Path) -> str:
    near = near_names(name, known)
    hint = f"near: {', '.join(near)}" if near else "`bindgrid data show` lists them"
    return f"{where}: no {kind} named {name!r}; {hint}"
