"""Import of the authors' released matrices: `bindgrid data import`.

A folder as Novakovsky et al. 2021 released it (doi 10.5281/zenodo.5283416):

==============================================  ===================================================
file                                            content
==============================================  ===================================================
`sequences.200bp.<CHROM>.fa.gz`                 FASTA, headers `>ID::CHROM:START-END`; ID is the
                                                region's index in the arrays. Only regions with a
                                                sequence are imported
`tfs_idx.pickle.gz`, `samples_idx.pickle.gz`    name -> position in the arrays
`matrix2d.<TF>.ReMap+UniBind.<VIEW>.npz`        samples x regions, float64 of 0, 1 and NaN
`matrix2d.ReMap+UniBind.<VIEW>.npz`             TFs x regions, or regions x TFs
==============================================  ===================================================

VIEW is `sparse` and `less-sparse`; both are needed. An array's axis of names is the one that is
as long as the index. Arrays per sample (`matrix2d.<SAMPLE>.ReMap+UniBind...`) are skipped.

Evidence per cell: sparse 1 is bound, sparse 0 is unbound, null in sparse and 0 in less sparse
is one source, null in both is unmatched. The matrices do not say which source it was: it becomes
`Evidence.PEAK`. Arrays per TF are turned to evidence sample by sample and then give their
maximum, as in a build from the sources. The collapsed matrix was collapsed view by view: a
region unbound in one sample and with one source in another reads unbound there. Where a TF has
both, its own arrays are used.
"""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.dataset.manifest import Origin, source_record
from data.dataset.region_table import RegionTable, chrom_sort_key
from data.dataset.store import DROPPED_WITH_N, Dataset, refuse_existing, write_dataset
from data.errors import DataError
from data.packing import encode
from data.release.matrices import ReleasedCalls, read_matrix
from data.release.pickles import read_index
from data.schema import NULL_LABEL, REGION_WIDTH_BP, VIEWS, Evidence, ViewName
from data.steps import OnStep, silent
from data.text import UNPACK_ERRORS, open_binary

_FASTA_PATTERN: Final = f"sequences.{REGION_WIDTH_BP}bp.*.fa*"
_HEADER: Final = re.compile(rb">(\d{1,18})::([^:\s]+):(\d{1,10})-(\d{1,10})\s*")
_ARRAY_NAME: Final = re.compile(r"matrix2d\.(?:(.+)\.)?ReMap\+UniBind\.(sparse|less-sparse)\.npz")
_COLLAPSED: Final = ""
"""Stands for the collapsed matrix where a TF's name would be."""
_RELEASE: Final = "take it from the authors' release (doi 10.5281/zenodo.5283416)"

_Arrays = Mapping[ViewName, Path]


@dataclass(frozen=True, kw_only=True)
class _Release:
    """The files of a release folder."""

    fastas: tuple[Path, ...]
    arrays: Mapping[str, _Arrays]
    """Both views by TF; the collapsed ones under `_COLLAPSED`."""
    tfs: Mapping[str, int]
    samples: Mapping[str, int]
    indexes: tuple[Path, ...]

    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        arrays = [path for views in self.arrays.values() for path in views.values()]
        return (*self.fastas, *self.indexes, *sorted(arrays))


@dataclass(frozen=True, eq=False)
class _FastaRegions:
    """Regions as the FASTA files have them, N records."""

    ids: NDArray[np.int64]
    chrom: NDArray[np.object_]
    start: NDArray[np.int32]
    codes: NDArray[np.uint8]
    """Base codes, shape (N, 200)."""


def is_release(directory: Path) -> bool:
    """Whether a folder has sequences and arrays that are named as the authors named theirs."""
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    has_arrays = any(_ARRAY_NAME.fullmatch(name) for name in names)
    return has_arrays and any(fnmatch(name, _FASTA_PATTERN) for name in names)


def check_release(directory: Path) -> tuple[str, ...]:
    """Check that the files of a release are there; gives the TFs that it has arrays of.

    TFs of a matrix of all TFs are given too. What the files hold is not looked at.

    Raises
    ------
    DataError
        If one is missing, or files do not fit together.
    """
    release = _find(directory)
    return tuple(sorted(release.tfs if _COLLAPSED in release.arrays else release.arrays))


def import_authors(
    directory: Path,
    path: Path,
    *,
    replace: bool = False,
    on_step: OnStep = silent,
) -> Dataset:
    """Import a folder of the authors' release and write it to `path` as a dataset.

    Regions are sorted and numbered again, as by a build. Which biosample a region is
    accessible in is not known to these files.

    Parameters
    ----------
    replace
        Whether an existing dataset is replaced; by default it is an error.
    on_step
        Called with each step before it begins.

    Raises
    ------
    DataError
        If a file is missing, damaged or refused, or files do not fit together; nothing is
        written then.
    """
    refuse_existing(path, replace=replace)
    release = _find(directory)
    on_step("reading sequences")
    fasta = _read_fastas(release.fastas)
    first_of, group = _sort_regions(fasta)
    evidence = _evidence(release, fasta.ids, group, on_step)
    on_step("writing the dataset")
    table = RegionTable.from_bases(
        fasta.chrom[first_of], fasta.start[first_of], fasta.codes[first_of]
    )
    if table.num_with_n == len(table):
        raise DataError(f"{directory}: every region holds an N; give unmasked sequences")
    return write_dataset(
        path,
        regions=table,
        evidence=evidence,
        accessibility=None,
        origin=Origin(
            sources=[source_record(file) for file in release.files()],
            dropped={
                "sequences: duplicates": len(fasta.ids) - len(first_of),
                DROPPED_WITH_N: table.num_with_n,
            },
        ),
        replace=replace,
    )


def _evidence(
    release: _Release,
    ids: NDArray[np.int64],
    region: NDArray[np.int64],
    on_step: OnStep,
) -> dict[str, NDArray[np.uint8]]:
    """Read the evidence of each TF; `region` is the region of each record of the FASTA files."""
    evidence: dict[str, NDArray[np.uint8]] = {}
    num_regions: dict[Path, int] = {}
    # the collapsed matrix first, so that a TF's own arrays take its place
    for done, name in enumerate(sorted(release.arrays), start=1):
        on_step(f"reading arrays: {done} of {len(release.arrays)} ({name or 'collapsed'})")
        codes = _read_arrays(release, name, ids, num_regions)
        merged = np.zeros((len(codes), int(region.max()) + 1), dtype=np.uint8)
        for row, source in zip(merged, codes, strict=True):
            np.maximum.at(row, region, source)
        if name == _COLLAPSED:
            evidence |= {tf: merged[position] for tf, position in release.tfs.items()}
        else:
            evidence[name] = merged[0]
    return evidence


def _find(directory: Path) -> _Release:
    if not directory.is_dir():
        raise DataError(f"{directory}: no such folder; give the folder of the authors' files")
    fastas = tuple(sorted(directory.glob(_FASTA_PATTERN)))
    fastas = tuple(file for file in fastas if file.name.endswith((".fa", ".fa.gz")))
    if not fastas:
        raise DataError(f"{directory}: no {_FASTA_PATTERN[:-1]}.gz; {_RELEASE}")
    found: dict[str, dict[ViewName, Path]] = {}
    for file in sorted(directory.iterdir()):
        match = _ARRAY_NAME.fullmatch(file.name)
        if match:
            view: ViewName = "sparse" if match[2] == "sparse" else "less-sparse"
            found.setdefault(match[1] or _COLLAPSED, {})[view] = file
    if not found:
        raise DataError(f"{directory}: no matrix2d.*.ReMap+UniBind.*.npz; {_RELEASE}")

    tfs_path, samples_path = directory / "tfs_idx.pickle.gz", directory / "samples_idx.pickle.gz"
    tfs = read_index(tfs_path)
    indexes, samples = [tfs_path], {}
    if set(found) - {_COLLAPSED}:
        samples = read_index(samples_path)
        indexes.append(samples_path)
    as_file_names = {re.sub(r"[^\w-]", "_", sample) for sample in samples}
    arrays = {name: views for name, views in found.items() if name not in as_file_names}
    if not arrays:
        raise DataError(f"{directory}: has arrays of samples only, none of TFs; {_RELEASE}")
    for name, views in arrays.items():
        here = next(iter(views.values()))
        if name != _COLLAPSED and name not in tfs:
            raise DataError(f"{here}: {name} is not in {tfs_path.name}; take both from one release")
        for view in VIEWS:
            if view not in views:
                raise DataError(f"{here}: the {view} array beside it is missing; {_RELEASE}")
    return _Release(fastas=fastas, arrays=arrays, tfs=tfs, samples=samples, indexes=tuple(indexes))


def _read_fastas(paths: tuple[Path, ...]) -> _FastaRegions:
    ids: list[int] = []
    chroms: list[str] = []
    starts: list[int] = []
    codes: list[NDArray[np.uint8]] = []
    where: dict[int, tuple[str, int]] = {}
    for path in paths:
        num_before, bases = len(ids), []
        for line_number, header, sequence in _records(path):
            match = _HEADER.fullmatch(header)
            if match is None:
                raise DataError(
                    f"{path}: line {line_number}: {header[:60].decode(errors='replace')!r} is not "
                    f">ID::CHROM:START-END; {_RELEASE}"
                )
            number, start, end = int(match[1]), int(match[3]), int(match[4])
            if end - start != REGION_WIDTH_BP or len(sequence) != REGION_WIDTH_BP:
                raise DataError(
                    f"{path}: line {line_number}: a region of {end - start} bp with "
                    f"{len(sequence)} bases, not {REGION_WIDTH_BP}; {_RELEASE}"
                )
            place = (match[2].decode(), start)
            if where.setdefault(number, place) != place:
                raise DataError(
                    f"{path}: line {line_number}: region {number} was at "
                    f"{where[number][0]}:{where[number][1]} before; {_RELEASE}"
                )
            ids.append(number)
            chroms.append(place[0])
            starts.append(start)
            bases.append(sequence)
        if len(ids) == num_before:
            raise DataError(f"{path}: holds no sequence; {_RELEASE}")
        ascii_bases = np.frombuffer(b"".join(bases), dtype=np.uint8)
        codes.append(encode(ascii_bases).reshape(-1, REGION_WIDTH_BP))
    return _FastaRegions(
        np.array(ids, dtype=np.int64),
        np.array(chroms, dtype=object),
        np.array(starts, dtype=np.int32),
        np.concatenate(codes),
    )


def _records(path: Path) -> list[tuple[int, bytes, bytes]]:
    """Records of a FASTA: (line of the header, header, sequence on however many lines)."""
    try:
        with open_binary(path) as file:
            lines = file.read().splitlines()
    except (*UNPACK_ERRORS, OSError) as error:
        raise DataError(f"{path}: damaged ({error}); fetch the file again") from None
    headers = [i for i, line in enumerate(lines) if line.startswith(b">")]
    if not headers or headers[0] != 0:
        raise DataError(f"{path}: line 1: no FASTA header; {_RELEASE}")
    ends = [*headers[1:], len(lines)]
    return [
        (i + 1, lines[i], b"".join(lines[i + 1 : end]).replace(b" ", b""))
        for i, end in zip(headers, ends, strict=True)
    ]


def _sort_regions(fasta: _FastaRegions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Record of each region in the order of the dataset, and region of each record."""
    names = sorted(set(fasta.chrom), key=chrom_sort_key)
    rank = {name: i for i, name in enumerate(names)}
    ranks = np.array([rank[name] for name in fasta.chrom], dtype=np.int64)
    _, first_of, group = np.unique(
        (ranks << 32) | fasta.start, return_index=True, return_inverse=True
    )
    return first_of, group


def _read_arrays(
    release: _Release, name: str, ids: NDArray[np.int64], num_regions: dict[Path, int]
) -> NDArray[np.uint8]:
    """Evidence from a pair of arrays: shape (TFs, N) if collapsed, (1, N) of a TF."""
    views = release.arrays[name]
    kind, index = ("TFs", release.tfs) if name == _COLLAPSED else ("samples", release.samples)

    def read(path: Path) -> ReleasedCalls:
        return read_matrix(path, len(index), kind, ids)

    paths = (views["sparse"], views["less-sparse"])
    with ThreadPoolExecutor(max_workers=2) as pool:  # unpacking releases the GIL
        sparse, less_sparse = pool.map(read, paths)
    for path, calls in zip(paths, (sparse, less_sparse), strict=True):
        num_regions[path] = calls.num_regions
        first = next(iter(num_regions))
        if calls.num_regions != num_regions[first]:
            raise DataError(
                f"{path}: has {calls.num_regions:,} regions, {first.name} has "
                f"{num_regions[first]:,}; take all arrays from one release"
            )
    codes = evidence_of_views(sparse.values, less_sparse.values, paths[0])
    return codes if name == _COLLAPSED else codes.max(axis=0, keepdims=True)


def evidence_of_views(
    sparse: NDArray[np.int8], less_sparse: NDArray[np.int8], path: Path
) -> NDArray[np.uint8]:
    """Evidence codes from the labels in both views, any shape.

    Raises
    ------
    DataError
        If the views contradict each other; the message names `path`.
    """
    resolved = sparse != NULL_LABEL
    wrong = np.where(resolved, less_sparse != sparse, less_sparse == 1)
    if wrong.any():
        raise DataError(
            f"{path}: contradicts the less sparse array in {wrong.sum():,} cells; "
            "take both from one release"
        )
    codes = np.full(sparse.shape, Evidence.UNMATCHED, dtype=np.uint8)
    codes[less_sparse == 0] = Evidence.PEAK
    codes[sparse == 0] = Evidence.UNBOUND
    codes[sparse == 1] = Evidence.BOUND
    return codes
