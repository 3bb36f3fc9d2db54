"""Predictions of regions and variants, batch by batch, to a file that appears whole or not at all.

Told by the file's name: `.parquet`, `.bw` or `.bigwig` (tiles only), `.bed`, and tab-separated text
for any other. A sequence with a base other than A, C, G and T has no prediction: null in Parquet,
`NA` in text, no value in a bigWig, left out of BED.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.motifs import Motif
from data.sequence import pack
from data.variants import VariantBatch, touched_motif
from data.whole import whole_file
from data.windows import Windows
from model.ensemble import Member, Prediction, predict_ensemble
from orchestrator.errors import RunError
from orchestrator.execute import one_thread

_AT_ONCE: Final = 10_000
"""Sequences predicted between two notes on the progress."""
BIGWIG: Final = frozenset({".bw", ".bigwig"})
OnProgress = Callable[[int], None]


class Writer(Protocol):
    """Takes tables one after another."""

    def write(self, table: pd.DataFrame) -> None:
        """Append a table."""


@dataclass(frozen=True)
class Counts:
    """What became of the sequences."""

    num: int
    num_unknown: int
    """With a base other than A, C, G and T: without a prediction."""


def predict_codes(
    members: Sequence[Member], codes: NDArray[np.uint8], usable: NDArray[np.bool_]
) -> Prediction:
    """Predict some of n sequences; the others' values are NaN.

    Parameters
    ----------
    codes
        Base codes, shape (n, L).
    usable
        Those to predict, shape (n,); they hold no unknown base.
    """
    found = predict_ensemble(members, pack(codes[usable]))
    filled = []
    for values in (found.probability, found.spread, found.logit):
        column = np.full(len(codes), np.nan, dtype=np.float32)
        column[usable] = values
        filled.append(column)
    return Prediction(probability=filled[0], spread=filled[1], logit=filled[2])


def predict_windows(
    members: Sequence[Member],
    batches: Iterable[Windows],
    writer: Writer,
    on_progress: OnProgress = lambda num: None,
) -> Counts:
    """Predict windows and write them as they come."""
    num = num_unknown = 0
    with one_thread():
        for windows in batches:
            for first in range(0, len(windows.codes), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                known = windows.known[part]
                found = predict_codes(members, windows.codes[part], known)
                writer.write(_window_table(windows, part, found))
                num += len(known)
                num_unknown += int((~known).sum())
                on_progress(len(known))
    return Counts(num, num_unknown)


def predict_variants(
    members: Sequence[Member],
    batches: Iterable[VariantBatch],
    writer: Writer,
    motif: Motif | None,
    on_progress: OnProgress = lambda num: None,
) -> Counts:
    """Predict both alleles of variants and write them as they come."""
    num = num_unknown = 0
    with one_thread():
        for batch in batches:
            usable = batch.usable
            reference, alternative = (
                predict_codes(members, codes, usable)
                for codes in (batch.reference, batch.alternative)
            )
            writer.write(_variant_table(batch, reference, alternative, motif))
            num += len(usable)
            num_unknown += int((~usable).sum())
            on_progress(len(usable))
    return Counts(num, num_unknown)


@contextmanager
def writing(path: Path | None, sizes: dict[str, int] | None) -> Iterator[Writer]:
    """Give a writer; the file is moved in when the block ends well, and is not there otherwise.

    Parameters
    ----------
    path
        Where to; None writes tab-separated text to standard output.
    sizes
        Lengths of chromosomes, for a bigWig.

    Raises
    ------
    RunError
        If a bigWig is asked for of what has no places.
    """
    if path is None:
        import sys

        yield _Text(sys.stdout)
        return
    with whole_file(path) as partial:
        if path.suffix.lower() == ".parquet":
            with _Parquet(partial).opened() as writer:
                yield writer
        elif path.suffix.lower() in BIGWIG:
            if sizes is None:
                raise RunError(f"{path}: a bigWig needs places on a genome; pass --genome")
            with _bigwig(partial, sizes) as writer:
                yield writer
        else:
            with partial.open("w", encoding="utf-8") as file:
                yield _Bed(file) if path.suffix.lower() == ".bed" else _Text(file)


class _Text:
    """Tab-separated text with a header."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._header = True

    def write(self, table: pd.DataFrame) -> None:
        table.to_csv(
            self._file,
            sep="\t",
            index=False,
            header=self._header,
            na_rep="NA",
            float_format="%.5g",
            lineterminator="\n",
        )
        self._header = False


class _Bed:
    """BED6, the score a thousand times the probability, then probability and spread."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, table: pd.DataFrame) -> None:
        if "chrom" not in table or "probability" not in table:
            raise RunError("BED needs places on a genome; write .tsv or .parquet")
        table = table[table["probability"].notna()]
        rows = table[["chrom", "start", "end", "name"]].copy()
        rows["score"] = (table["probability"] * 1000).round().astype(int)
        rows["strand"] = "."
        rows["probability"], rows["spread"] = table["probability"], table["spread"]
        rows.to_csv(
            self._file,
            sep="\t",
            index=False,
            header=False,
            float_format="%.5g",
            lineterminator="\n",
        )


class _Parquet:
    """A row group a table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pd.DataFrame) -> None:
        found = pa.Table.from_pandas(table, preserve_index=False)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, found.schema, compression="zstd")
        self._writer.write_table(found)

    @contextmanager
    def opened(self) -> Iterator["_Parquet"]:
        try:
            yield self
        finally:
            if self._writer is not None:
                self._writer.close()


class _BigWig:
    """A value a tile."""

    def __init__(self, writer: object) -> None:
        self._writer = writer

    def write(self, table: pd.DataFrame) -> None:
        table = table[table["probability"].notna()]
        if len(table):
            self._writer.write(  # type: ignore[attr-defined]
                table["chrom"].astype(str).tolist(),
                table["start"].to_numpy(),
                table["probability"].to_numpy(),
                ends=table["end"].to_numpy(),
            )


@contextmanager
def _bigwig(path: Path, sizes: dict[str, int]) -> Iterator[_BigWig]:
    # here, since it loads a compiler
    from figwig import BigWigWriter

    with BigWigWriter(str(path), sizes) as writer:
        yield _BigWig(writer)


def _window_table(windows: Windows, part: slice, found: Prediction) -> pd.DataFrame:
    columns: dict[str, object] = {}
    if windows.chrom is not None and windows.start is not None and windows.end is not None:
        columns = {
            "chrom": windows.chrom[part],
            "start": windows.start[part],
            "end": windows.end[part],
        }
    columns |= {
        "name": windows.name[part],
        "probability": found.probability,
        "spread": found.spread,
    }
    return pd.DataFrame(columns)


def _variant_table(
    batch: VariantBatch, reference: Prediction, alternative: Prediction, motif: Motif | None
) -> pd.DataFrame:
    variants = batch.variants
    columns: dict[str, object] = {
        "chrom": [variant.chrom for variant in variants],
        "position": [variant.position + 1 for variant in variants],
        "id": [variant.name for variant in variants],
        "ref": [variant.reference for variant in variants],
        "alt": [variant.alternative for variant in variants],
        "ref_matches": ~batch.mismatch,
        "ref_probability": reference.probability,
        "alt_probability": alternative.probability,
        "effect": alternative.probability - reference.probability,
        "logit_effect": alternative.logit - reference.logit,
        "spread": np.maximum(reference.spread, alternative.spread),
    }
    if motif is not None:
        hit = touched_motif(batch, motif)
        spans = [
            f"{first}-{last}{'-' if reverse else '+'}" if touched else ""
            for first, last, reverse, touched in zip(
                hit.first, hit.last, hit.reverse, hit.touched, strict=True
            )
        ]
        columns |= {
            "motif": np.where(hit.touched, motif.matrix_id, ""),
            "motif_positions": spans,
            "motif_bits_change": np.where(
                hit.touched & np.isfinite(hit.reference_bits) & np.isfinite(hit.alternative_bits),
                hit.alternative_bits - hit.reference_bits,
                np.nan,
            ),
        }
    return pd.DataFrame(columns)
