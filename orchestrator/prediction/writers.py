"""Writers of predictions: text, BED, bedGraph, Parquet and bigWig, one table after another."""

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.output import Format, Output, output_file, text_output
from orchestrator.errors import RunError

PREDICTION_FORMATS: Final = (
    Format.TSV,
    Format.CSV,
    Format.BED,
    Format.BEDGRAPH,
    Format.PARQUET,
    Format.BIGWIG,
)
"""Formats of predictions of regions, the usual one first."""
VARIANT_FORMATS: Final = (Format.TSV, Format.CSV, Format.VCF, Format.PARQUET)
"""Formats of effects of variants; a VCF is written by `orchestrator.prediction.annotated_vcf`."""
TABLE_FORMATS: Final = (Format.TSV, Format.CSV, Format.PARQUET)
"""Formats of any other table, such as one with a column for each of several TFs."""
PLACED: Final = frozenset({Format.BED, Format.BEDGRAPH, Format.BIGWIG})
"""Formats that need places on a genome."""


class Writer(Protocol):
    """Takes tables one after another."""

    def write(self, table: pd.DataFrame) -> None:
        """Append a table."""


@contextmanager
def writing(output: Output, sizes: Mapping[str, int] | None) -> Iterator[Writer]:
    """Give a writer; a file is moved in when the block ends well, and is not there otherwise.

    Parameters
    ----------
    output
        Where to write, and in which format.
    sizes
        Lengths of chromosomes, which a bigWig needs; None where there is no genome.

    Raises
    ------
    RunError
        If a format with places on a genome is asked for where there is none.
    """
    if output.format in PLACED and sizes is None:
        raise RunError(
            f"{output.path}: {output.format} needs places on a genome; pass --genome with --bed or "
            f"--stride, or write .tsv, .csv or .parquet"
        )
    if output.format is Format.PARQUET:
        with output_file(output.path) as path, _Parquet(path).opened() as writer:
            yield writer
    elif output.format is Format.BIGWIG:
        assert sizes is not None
        with output_file(output.path) as path, bigwig_writer(path, sizes) as bigwig:
            yield bigwig
    else:
        with text_output(output) as file:
            yield _TEXT_WRITERS[output.format](file)


class _Text:
    """Delimited text with a header."""

    def __init__(self, file: IO[str], separator: str) -> None:
        self._file = file
        self._separator = separator
        self._header = True

    def write(self, table: pd.DataFrame) -> None:
        text = table.to_csv(
            sep=self._separator,
            index=False,
            header=self._header,
            na_rep="NA",
            float_format="%.5g",
            lineterminator="\n",
        )
        self._file.write(text)
        self._header = False


class _Rows:
    """Rows without a header, of the regions that have a prediction."""

    def __init__(self, file: IO[str], columns: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self._file = file
        self._columns = columns

    def write(self, table: pd.DataFrame) -> None:
        rows = self._columns(table[table["probability"].notna()])
        text = rows.to_csv(
            sep="\t",
            index=False,
            header=False,
            float_format="%.5g",
            lineterminator="\n",
            quoting=csv.QUOTE_NONE,  # BED has none, and no name has a tab
        )
        self._file.write(text)


def _bed_columns(table: pd.DataFrame) -> pd.DataFrame:
    """BED6, the score a thousand times the probability, then probability, spread and openness."""
    rows = table[["chrom", "start", "end", "name"]].copy()
    rows["score"] = (table["probability"] * 1000).round().astype(int)
    rows["strand"] = "."
    rows["probability"], rows["spread"] = table["probability"], table["spread"]
    if "open_in" in table:
        rows["open_in"] = table["open_in"]
    return rows


def _bedgraph_columns(table: pd.DataFrame) -> pd.DataFrame:
    return table[["chrom", "start", "end", "probability"]]


_TEXT_WRITERS: Final[Mapping[Format, Callable[[IO[str]], Writer]]] = {
    Format.TSV: partial(_Text, separator="\t"),
    Format.CSV: partial(_Text, separator=","),
    Format.BED: partial(_Rows, columns=_bed_columns),
    Format.BEDGRAPH: partial(_Rows, columns=_bedgraph_columns),
}


class _Parquet:
    """Writes one row group per table."""

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
    """Writes one value per tile."""

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
def bigwig_writer(path: Path, sizes: Mapping[str, int]) -> Iterator[Writer]:
    """Give a writer of a bigWig file, of tables with `probability`.

    Parameters
    ----------
    path
        The file.
    sizes
        Lengths of chromosomes.
    """
    # here, since it loads a compiler
    from figwig import BigWigWriter

    with BigWigWriter(str(path), dict(sizes)) as writer:
        yield _BigWig(writer)
