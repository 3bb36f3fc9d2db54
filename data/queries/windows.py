"""Sequences to predict, a batch at a time: around a BED file's rows, of a FASTA file, tiled.

A window is as wide as the network's input and centred on what it stands for. A base other than A,
C, G and T is code 4, and so is what lies beyond a chromosome's end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.packing import UNKNOWN, encode
from data.schema import CHROM, END, START
from data.sources.bed import BED3, BedBatch, BedFormat, all_lines, first_true, iterate_bed, read_bed
from data.sources.genome import Genome

_NAME: Final = "name"
_BED4: Final = BedFormat(
    title="BED rows",
    columns=(CHROM, START, END, _NAME),
    integers=(START, END),
    used=(CHROM, START, END, _NAME),
    remedy=BED3.remedy,
)
_BATCH: Final = 10_000
"""Sequences of a FASTA file at a time."""
_SPAN_BP: Final = 1_000_000
"""Bases tiled at a time."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Some sequences and what they are of; n of them."""

    name: NDArray[np.object_]
    """Name of each, shape (n,)."""
    codes: NDArray[np.uint8]
    """Base codes 0 to 4, shape (n, L)."""
    chrom: NDArray[np.object_] | None = None
    """Chromosomes, shape (n,); None of a FASTA file."""
    start: NDArray[np.int32] | None = None
    """Of the region that was asked for, shape (n,)."""
    end: NDArray[np.int32] | None = None
    """One past its last base, shape (n,)."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each sequence is free of unknown bases, shape (n,)."""
        return (self.codes != UNKNOWN).all(axis=1)


def bed_windows(path: Path, genome: Genome, length_bp: int) -> Iterator[Windows]:
    """Yield windows on the middles of a BED file's rows, in its order.

    Raises
    ------
    DataError
        If a row cannot be read, lies on a chromosome that the genome lacks, or past its end, or so
        near to it that the sequence would be shorter than the network's input.
    """
    first = next((line for _, line in all_lines(path) if line[:1].isalnum()), "")
    has_name = first.count("\t") >= 3
    for batch in iterate_bed(path, _BED4 if has_name else BED3):
        if (index := first_true(genome.lacks(batch))) is not None:
            codes, chroms = batch.text(CHROM)
            raise batch.error(
                index, f"{genome.path} has no {chroms[codes[index]]!r}", "drop the row"
            )
        start, end = batch.integers(START), batch.integers(END)
        chrom = _chroms(batch)
        first_base = start + (end - start) // 2 - np.int32(length_bp // 2)
        limit = np.array([genome.lengths_bp[name] for name in chrom])
        outside = (first_base < 0) | (first_base + length_bp > limit)
        if (index := first_true(outside)) is not None:
            raise batch.error(
                index,
                f"its middle lies less than {length_bp // 2} bp from an end of {chrom[index]}, so "
                f"there are not the {length_bp} bp that the network reads",
                "drop the row; a sequence filled up would be unlike any trained on",
            )
        yield Windows(
            name=_names(batch, has_name),
            codes=genome.sequences(chrom, first_base, length_bp),
            chrom=chrom,
            start=start,
            end=end,
        )


def fasta_windows(path: Path, length_bp: int) -> Iterator[Windows]:
    """Yield the sequences of a FASTA file, of longer ones the middle.

    Raises
    ------
    DataError
        If the file cannot be read, or a sequence is shorter than the network's input.
    """
    names: list[str] = []
    rows: list[NDArray[np.uint8]] = []
    for name, row, text in _records(path):
        codes = encode(np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8))
        if len(codes) < length_bp:
            raise DataError(
                f"{path}: row {row}: {name} has {len(codes)} bp, the network reads {length_bp}; "
                "give longer ones: a sequence filled up would be unlike any trained on"
            )
        skipped = (len(codes) - length_bp) // 2
        names.append(name)
        rows.append(codes[skipped : skipped + length_bp])
        if len(rows) == _BATCH:
            yield Windows(name=np.array(names, dtype=object), codes=np.stack(rows))
            names, rows = [], []
    if rows:
        yield Windows(name=np.array(names, dtype=object), codes=np.stack(rows))


def tiled_windows(
    genome: Genome, length_bp: int, stride_bp: int, within: Path | None = None
) -> Iterator[Windows]:
    """Yield windows every `stride_bp` bases of the genome, or of a BED file's rows, in order.

    Each stands for the `stride_bp` bases in its middle; windows past an end are left out.

    Raises
    ------
    DataError
        If the file cannot be read or does not fit the genome.
    """
    spans = {chrom: [(0, length)] for chrom, length in genome.lengths_bp.items()}
    if within is not None:
        spans = _united(read_bed(within, BED3), genome)
    before = (length_bp - stride_bp) // 2
    for chrom, own in spans.items():
        last_start = genome.lengths_bp[chrom] - length_bp
        done = -1
        for low, high in own:
            bins = np.arange(low - low % stride_bp, high, stride_bp, dtype=np.int32)
            bins = bins[bins > done]  # two rows may end and begin in one
            done = max(done, int(bins[-1])) if len(bins) else done
            first_base = bins - np.int32(before)
            bins = bins[(first_base >= 0) & (first_base <= last_start)]
            for first in range(0, len(bins), max(_SPAN_BP // stride_bp, 1)):
                part = bins[first : first + max(_SPAN_BP // stride_bp, 1)]
                width = int(part[-1] - part[0]) + length_bp
                origin = np.array([part[0] - before], dtype=np.int32)
                bases = genome.sequences(np.array([chrom], dtype=object), origin, width)[0]
                windows = np.lib.stride_tricks.sliding_window_view(bases, length_bp)
                chroms = np.full(len(part), chrom, dtype=object)
                yield Windows(
                    name=chroms,
                    codes=windows[part - part[0]],
                    chrom=chroms,
                    start=part,
                    end=part + np.int32(stride_bp),
                )


def _records(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yield (name, row of its header, sequence) of a FASTA file."""
    name, header_row = "", 0
    parts: list[str] = []
    for row, line in all_lines(path):
        if line.startswith(">"):
            if header_row:
                yield name, header_row, "".join(parts)
            name, header_row, parts = (line[1:].split() or [""])[0], row, []
        elif line.strip():
            if not header_row:
                raise DataError(f"{path}: row {row}: no `>` line above it; give a FASTA file")
            parts.append(line.strip())
    if not header_row:
        raise DataError(f"{path}: no sequence; check that the file arrived whole")
    yield name, header_row, "".join(parts)


def _chroms(batch: BedBatch) -> NDArray[np.object_]:
    codes, chroms = batch.text(CHROM)
    return np.array(chroms, dtype=object)[codes]


def _names(batch: BedBatch, has_name: bool) -> NDArray[np.object_]:
    if not has_name:
        return np.full(batch.rows.num_rows, ".", dtype=object)
    codes, names = batch.text(_NAME)
    return np.array(names, dtype=object)[codes]


def _united(batch: BedBatch, genome: Genome) -> dict[str, list[tuple[int, int]]]:
    """Rows of a BED file by chromosome in the genome's order, sorted, overlapping ones as one."""
    if (index := first_true(genome.lacks(batch))) is not None:
        raise batch.error(index, f"{genome.path} lacks its chromosome", "drop the row")
    chrom, start, end = _chroms(batch), batch.integers(START), batch.integers(END)
    spans: dict[str, list[tuple[int, int]]] = {}
    for name in genome.lengths_bp:
        rows = np.flatnonzero(chrom == name)
        for row in rows[np.argsort(start[rows], kind="stable")]:
            own = spans.setdefault(name, [])
            low, high = int(start[row]), int(end[row])
            if own and low <= own[-1][1]:
                own[-1] = (own[-1][0], max(own[-1][1], high))
            else:
                own.append((low, high))
    return spans
