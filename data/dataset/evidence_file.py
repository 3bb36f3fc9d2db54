"""The evidence of one TF on disk: a Parquet file of one column, with a summary in its footer."""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data import schema
from data.atomic import whole_file
from data.dataset.added import AddedTF
from data.errors import DataError
from data.records import IF_SET, RecordError, from_json, to_json
from data.schema import Evidence

_FOOTER_KEY = b"bindgrid"


@dataclass(frozen=True, kw_only=True)
class _Footer:
    """What the footer of an evidence file holds."""

    counts: tuple[int, ...]
    fingerprint: str
    added: AddedTF | None = field(default=None, metadata=IF_SET)
    built_from: AddedTF | None = field(default=None, metadata=IF_SET)


@dataclass(frozen=True, kw_only=True)
class TFSummary:
    """What an evidence file holds, read from its footer."""

    tf: str
    counts: tuple[int, ...]
    """Number of regions by evidence code."""
    fingerprint: str
    """Hash of the evidence."""
    added: AddedTF | None = None
    """What a TF that was added to the dataset was made from; None for one of the build."""
    built_from: AddedTF | None = None
    """What a TF of a sample sheet was built from; None for every other one."""

    @property
    def made_from(self) -> AddedTF | None:
        """What a TF was made from that was added or stood in a sample sheet; else None."""
        return self.added or self.built_from

    @property
    def is_by_peaks_alone(self) -> bool:
        """Whether a region is bound without a site; sources and the release ask for both."""
        return self.made_from is not None and self.made_from.sites == "none"

    def count(self, code: Evidence) -> int:
        """Number of regions with an evidence code."""
        return self.counts[code]

    @property
    def num_regions(self) -> int:
        """Number of regions of the table that the evidence was written for."""
        return sum(self.counts)

    @property
    def num_resolved(self) -> int:
        """Number of regions with a label in the less sparse view."""
        return sum(self.counts) - self.count(Evidence.UNMATCHED)


def read_summary(path: Path, tf: str) -> TFSummary:
    """Read the footer of the evidence file of a TF.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        there = path.stat()
        footer = _read_footer(path, there.st_ino, there.st_mtime_ns, there.st_size)
    except (OSError, KeyError, TypeError, RecordError, pa.ArrowException) as error:
        raise DataError(f"{path}: damaged ({error}); build the dataset again") from None
    return TFSummary(
        tf=tf,
        counts=footer.counts,
        fingerprint=footer.fingerprint,
        added=footer.added,
        built_from=footer.built_from,
    )


@lru_cache(maxsize=4096)
def _read_footer(path: Path, _inode: int, _mtime_ns: int, _size: int) -> _Footer:
    """Read a footer, once as long as the file is the same: a plan asks for each many times."""
    return from_json(pq.read_metadata(path).metadata[_FOOTER_KEY], _Footer)


def write_evidence(
    path: Path,
    codes: NDArray[np.uint8],
    added: AddedTF | None = None,
    built_from: AddedTF | None = None,
) -> None:
    """Write one TF's evidence, shape (N,), beside its place and move it in.

    Parameters
    ----------
    added
        What a TF was made from that was added to the dataset; None, the default, for one of the
        build.
    built_from
        What a TF of a sample sheet was built from; None, the default, for every other one.
    """
    footer = _Footer(
        counts=tuple(np.bincount(codes, minlength=len(Evidence)).tolist()),
        fingerprint=hashlib.blake2b(codes.tobytes(), digest_size=16).hexdigest(),
        added=added,
        built_from=built_from,
    )
    table = pa.table({schema.EVIDENCE: codes})
    table = table.replace_schema_metadata({_FOOTER_KEY: to_json(footer)})
    with whole_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def evidence_path(dataset: Path, tf: str) -> Path:
    """Where the evidence of a TF lies in a dataset folder."""
    return dataset / "evidence" / f"{quote(tf, safe='')}.parquet"
