"""The region table: coordinates, GC and packed sequences, as arrays and as Parquet."""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data import schema
from data.errors import DataError
from data.packing import UNKNOWN, gc_fraction, pack


def chrom_sort_key(chrom: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key of natural order: chr2 before chr10, numbers before letters."""
    parts = re.findall(r"\d+|\D+", chrom)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


@dataclass(frozen=True, kw_only=True)
class RegionTable:
    """Regions, sorted by chromosome (natural order) and start, added ones after; N rows.

    All columns are plain arrays of numbers, which processes can share without copies.
    """

    chroms: tuple[str, ...]
    """Names of the chromosomes, in the table's order."""
    chrom: NDArray[np.uint16]
    """Indices into `chroms`, shape (N,)."""
    start: NDArray[np.int32]
    """First bases, 0-based, shape (N,)."""
    end: NDArray[np.int32]
    """One past the last bases, shape (N,)."""
    gc: NDArray[np.float32]
    """Fractions of G and C, shape (N,)."""
    sequences: NDArray[np.uint8]
    """Packed sequences, shape (N, 50), see `data.packing`."""
    num_unknown: NDArray[np.uint8]
    """Numbers of bases other than A, C, G and T, shape (N,). They are packed as A; a region
    with any keeps its evidence and is left out of every selection."""
    num_added: int = 0
    """Regions, the last ones, that were added after the build."""

    @classmethod
    def from_bases(
        cls, chrom: NDArray[np.object_], start: NDArray[np.int32], bases: NDArray[np.uint8]
    ) -> "RegionTable":
        """Make the table of sorted regions.

        Parameters
        ----------
        chrom
            Names of chromosomes, shape (N,).
        bases
            Base codes, shape (N, 200).
        """
        unknown = bases == UNKNOWN
        chroms, codes = _coded(pa.array(chrom, type=pa.string()).dictionary_encode())
        return cls(
            chroms=chroms,
            chrom=codes,
            start=start,
            end=start + np.int32(schema.REGION_WIDTH_BP),
            gc=gc_fraction(bases),
            sequences=pack(np.where(unknown, np.uint8(0), bases)),
            num_unknown=unknown.sum(axis=1, dtype=np.uint8),
        )

    @classmethod
    def empty(cls) -> "RegionTable":
        """Make a table without regions."""
        return cls.from_bases(
            np.empty(0, dtype=object),
            np.empty(0, dtype=np.int32),
            np.empty((0, schema.REGION_WIDTH_BP), dtype=np.uint8),
        )

    def for_chroms(self, chroms: Sequence[str]) -> "RegionTable":
        """Give the table with further chromosomes, without regions so far, after its own."""
        return replace_fields(self, chroms=tuple(dict.fromkeys((*self.chroms, *chroms))))

    def __len__(self) -> int:
        return len(self.start)

    @property
    def built(self) -> "RegionTable":
        """The regions of the build."""
        if not self.num_added:
            return self
        num = len(self) - self.num_added
        columns: dict[str, Any] = {name: own[:num] for name, own in self._columns().items()}
        return replace_fields(self, num_added=0, **columns)

    def extended(self, more: "RegionTable") -> "RegionTable":
        """The table with others after its own; chromosomes that it lacks come after its own."""
        chroms = tuple(dict.fromkeys((*self.chroms, *more.chroms)))
        codes = np.array([chroms.index(name) for name in more.chroms], dtype=np.uint16)
        others = more._columns() | {"chrom": codes[more.chrom]}
        columns: dict[str, Any] = {
            name: np.concatenate([own, others[name]]) for name, own in self._columns().items()
        }
        num_added = self.num_added + len(more)
        return replace_fields(self, chroms=chroms, num_added=num_added, **columns)

    def _columns(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def chromosomes(self, ids: NDArray[np.int64] | None = None) -> dict[str, int]:
        """Number of regions by chromosome, in the table's order, of all or of some rows."""
        chrom = self.chrom if ids is None else self.chrom[ids]
        counts = np.bincount(chrom, minlength=len(self.chroms)).tolist()
        return {name: num for name, num in zip(self.chroms, counts, strict=True) if num}

    def place(self, row: int) -> str:
        """Name a region by where it is, such as `chr1:100-300`, counted from 0 as in BED."""
        return f"{self.chroms[self.chrom[row]]}:{self.start[row]}-{self.end[row]}"

    @property
    def chrom_names(self) -> NDArray[np.object_]:
        """Name of each region's chromosome, shape (N,)."""
        return np.array(self.chroms, dtype=object)[self.chrom]

    def lies_on(
        self, chroms: Collection[str], ids: NDArray[np.int64] | None = None
    ) -> NDArray[np.bool_]:
        """Say of regions, all or those of some rows, whether they lie on one of some chromosomes.

        Returns
        -------
        NDArray
            Shape (N,), or that of `ids`.
        """
        codes = [code for code, name in enumerate(self.chroms) if name in chroms]
        return np.isin(self.chrom if ids is None else self.chrom[ids], codes)

    @property
    def num_with_n(self) -> int:
        """Number of regions with a base other than A, C, G and T."""
        return int((self.num_unknown > 0).sum())

    @property
    def fingerprint(self) -> str:
        """Hash of the coordinates and sequences."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps(self.chromosomes()).encode())
        for column in (self.start, self.sequences, self.num_unknown):
            digest.update(column.tobytes())
        return digest.hexdigest()


def write_regions(path: Path, regions: RegionTable) -> None:
    """Write a region table as Parquet, not atomically: the caller moves the file into place."""
    packed = np.ascontiguousarray(regions.sequences)
    sequences = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(schema.PACKED_BYTES), len(regions), [None, pa.py_buffer(packed)]
    )
    table = pa.table(
        {
            schema.ID: np.arange(len(regions), dtype=np.int32),
            schema.CHROM: pa.DictionaryArray.from_arrays(
                pa.array(regions.chrom, type=pa.int32()), list(regions.chroms)
            ),
            schema.START: regions.start,
            schema.END: regions.end,
            schema.GC: regions.gc,
            schema.NUM_UNKNOWN: regions.num_unknown,
            schema.SEQUENCE: sequences,
        }
    )
    # sequences neither repeat nor compress: plain and uncompressed, they are read as they lie
    others = [name for name in table.column_names if name != schema.SEQUENCE]
    codecs = dict.fromkeys(others, "zstd") | {schema.SEQUENCE: "none"}
    pq.write_table(table, path, compression=codecs, use_dictionary=[schema.CHROM])


def read_regions(path: Path, num_rows: int) -> RegionTable:
    """Read a region table.

    Raises
    ------
    DataError
        If it cannot be read, or has another number of rows.
    """
    table = read_rows(path, num_rows)
    packed = table.column(schema.SEQUENCE).combine_chunks()
    sequences = np.frombuffer(packed.buffers()[1], dtype=np.uint8)
    chroms, codes = _coded(table.column(schema.CHROM).unify_dictionaries().combine_chunks())
    return RegionTable(
        chroms=chroms,
        chrom=codes,
        start=table.column(schema.START).to_numpy(),
        end=table.column(schema.END).to_numpy(),
        gc=table.column(schema.GC).to_numpy(),
        num_unknown=table.column(schema.NUM_UNKNOWN).to_numpy(),
        sequences=sequences.reshape(num_rows, schema.PACKED_BYTES),
    )


def read_rows(path: Path, *num_rows: int, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet table that has as many rows as one of the versions of the region table.

    Raises
    ------
    DataError
        If it cannot be read, or has another number of rows.
    """
    try:
        table = pq.read_table(path, columns=columns, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read ({first_line}); build the dataset again") from None
    if table.num_rows not in num_rows:
        raise DataError(
            f"{path}: {table.num_rows:,} rows where the dataset has {max(num_rows):,} regions; "
            "it belongs to another dataset, build this one again"
        )
    return table


def _coded(names: pa.DictionaryArray) -> tuple[tuple[str, ...], NDArray[np.uint16]]:
    """Distinct names, and each one's index."""
    return tuple(names.dictionary.to_pylist()), names.indices.to_numpy().astype(np.uint16)
