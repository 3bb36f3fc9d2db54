"""Writers of predictions: text, BED, Parquet and bigWig, a table at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.atomic import whole_file
from orchestrator.errors import RunError

BIGWIG: Final = frozenset({".bw", ".bigwig"})


class Writer(Protocol):
    """Writes tables one after another."""

    def write(self, table: pd.DataFrame) -> None:
        """Append a table."""


@contextmanager
def writing(path: Path | None, sizes: dict[str, int] | None) -> Iterator[Writer]:
    """Give a writer of a file that is written atomically: if the block raises, there is no file.

    Parameters
    ----------
    path
        File to write; None writes tab-separated text to standard output.
    sizes
        Lengths of chromosomes, for a bigWig; None if sequences have no positions on a genome.

    Raises
    ------
    RunError
        If a bigWig is requested of sequences that have no positions.
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
    """BED6 whose score is a thousand times the probability, then probability and spread."""

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
    """Parquet with a row group per table."""

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
    """A bigWig with a value per tile."""

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
