"""Sequences to predict, a batch at a time: around a BED file's rows, of a FASTA file, tiled.

A window is as wide as the network's input and centred on what it stands for. A base other than A,
C, G and T is code 4, and so is what lies beyond a chromosome's end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import LeftOut
from data.packing import UNKNOWN, encode
from data.peaks.formats import format_of
from data.peaks.reading import name_column, names_of, start_and_summit
from data.queries.tiled_rows import TiledRows, tiled_rows
from data.rows.bed import iterate_bed
from data.rows.head import read_head
from data.schema import CHROM, END
from data.sources.blacklist import Blacklist
from data.sources.fitting import NEAR_END, Fitting
from data.sources.genome import Genome
from data.text import filled_lines
from data.words import counted, listed

_TOLD: Final = 3
"""Most names of sequences that a message lists."""
_BATCH: Final = 10_000
"""Sequences of a FASTA file at a time."""
_BASES: Final = frozenset("ACGT")
_SPAN_BP: Final = 1_000_000
"""Bases tiled at a time, of one row or of many."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Some sequences, and the regions or records that they stand for; n of them."""

    name: NDArray[np.object_]
    """Name of each, shape (n,)."""
    codes: NDArray[np.uint8]
    """Base codes 0 to 4, shape (n, L)."""
    chrom: NDArray[np.object_] | None = None
    """Chromosomes, shape (n,); None of a FASTA file."""
    start: NDArray[np.int32] | None = None
    """Start of the region that was asked for, shape (n,)."""
    end: NDArray[np.int32] | None = None
    """One past its last base, shape (n,)."""
    read_chrom: NDArray[np.object_] | None = None
    """The genome's own name of the chromosome, shape (n,); None of what is not of a BED file."""
    read_start: NDArray[np.int32] | None = None
    """Where the sequence that is read begins, shape (n,); None of what is not of a BED file."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether each sequence is free of unknown bases, shape (n,)."""
        return (self.codes != UNKNOWN).all(axis=1)


@dataclass(frozen=True, kw_only=True)
class Flanks:
    """Bases around sequences that are shorter than the network reads, as in a reporter plasmid.

    Raises
    ------
    ValueError
        A base is none of A, C, G and T.
    """

    before: str = ""
    """Before the sequence, on its 5' side."""
    behind: str = ""
    """Behind it, on its 3' side."""

    def __post_init__(self) -> None:
        for option, bases in (("--flank5", self.before), ("--flank3", self.behind)):
            if odd := next((base for base in bases if base not in "ACGT"), ""):
                raise ValueError(f"{option} holds {odd!r}; give bases A, C, G and T")


def bed_windows(
    path: Path,
    genome: Genome,
    length_bp: int,
    left_out: LeftOut | None = None,
    exclude: Blacklist | None = None,
) -> Iterator[Windows]:
    """Yield windows on the summits or the middles of a BED file's rows, in its order.

    The format, and with it whether rows have summits, is recognized as for the peaks of your own
    TF.

    Parameters
    ----------
    left_out
        Where rows are noted that do not fit the genome, or lie so near to a chromosome's end that
        the sequence would be shorter than the network's input; also how the file was read.
    exclude
        Places to leave out: rows that overlap them are left out. By default there are none.

    Raises
    ------
    DataError
        If a row cannot be read, no row is left, or the file is of another assembly.
    """
    left_out = LeftOut() if left_out is None else left_out
    head = read_head(path)
    shape = format_of(head, path)
    name = name_column(shape, head.num_columns)
    fitting = Fitting(path, genome.chromosomes, left_out, exclude)
    num = num_rows = num_lacking = 0
    for batch in iterate_bed(path, shape.bed_format([] if name is None else [name]), left_out):
        start, summit, lacks = start_and_summit(batch, shape)
        num_rows += len(batch)
        num_lacking += int(lacks.sum())
        fitted = fitting.fit(batch, start, batch.integers(END))
        chrom = fitted.batch.names(CHROM)
        first_base = (summit - np.int32(length_bp // 2))[fitted.rows]
        limit = np.array([genome.lengths_bp[name] for name in chrom], dtype=np.int64)
        whole = (first_base >= 0) & (first_base + length_bp <= limit)
        left_out.add(path, batch.line[fitted.rows[~whole]], NEAR_END)
        if whole.any():
            num += int(whole.sum())
            yield Windows(
                name=names_of(fitted.batch, shape, name)[whole],
                codes=genome.sequences(chrom[whole], first_base[whole], length_bp),
                chrom=batch.names(CHROM)[fitted.rows[whole]],
                start=fitted.start[whole],
                end=fitted.end[whole],
                read_chrom=chrom[whole],
                read_start=first_base[whole],
            )
    if shape.summit is not None:
        left_out.notes.append(_around_summits(path, shape.name, num_lacking, num_rows))
    fitting.check()
    if not num:
        raise DataError(f"{path}: no region that can be predicted ({left_out.why(path)})")


def _around_summits(path: Path, name: str, num_lacking: int, num_rows: int) -> str:
    """Say that sequences around summits are read, and how many rows have none."""
    lacking = f"; {num_lacking:,} of {num_rows:,} rows have none" if num_lacking else ""
    around = "; their middle is read" if num_lacking else ""
    return (
        f"{path}: read as {name}: the sequence around each summit is predicted, not around the "
        f"middle of its row{lacking}{around}"
    )


def fasta_windows(
    path: Path,
    length_bp: int,
    left_out: LeftOut | None = None,
    flanks: Flanks | None = None,
) -> Iterator[Windows]:
    """Yield the sequences of a FASTA file: the middle of longer ones, shorter ones with flanks.

    Parameters
    ----------
    left_out
        Where sequences are noted that are shorter than the network's input, or too short even
        with their flanks, since the network was not trained on padded sequences.
    flanks
        Bases around shorter sequences, which stand in the middle. By default there are none.

    Raises
    ------
    DataError
        If the file cannot be read, no sequence is left, or all of them hold other letters than
        those of the four bases.
    """
    odd: set[str] = set()
    odd_rows = LeftOut() if left_out is None else left_out
    found = _sequences(path, length_bp, odd_rows, flanks or Flanks(), odd)
    waiting: list[Windows] = []
    for windows in found:
        # nothing is given before it is sure that something can be predicted
        waiting.append(windows)
        if windows.known.any():
            yield from waiting
            yield from found
            return
    is_rna = "U" in odd and odd <= set("NU")
    raise DataError(
        f"{path}: no sequence that can be predicted (all hold letters other than A, C, G and T: "
        f"{listed(sorted(odd))})" + ("; this is RNA: write T for U" if is_rna else "")
    )


def _sequences(
    path: Path, length_bp: int, left_out: LeftOut, flanks: Flanks, odd: set[str]
) -> Iterator[Windows]:
    """Yield the sequences of a FASTA file as `fasta_windows` does, whatever letters they hold.

    Letters other than those of the four bases are added to `odd`.
    """
    before, behind = _encoded(flanks.before), _encoded(flanks.behind)
    short: list[tuple[str, int, int]] = []
    names: list[str] = []
    rows: list[NDArray[np.uint8]] = []
    num = 0
    for name, row, text in _records(path):
        codes = _encoded(text)
        if len(codes) < length_bp:
            num_before = (length_bp - len(codes)) // 2
            num_behind = length_bp - len(codes) - num_before
            lacks = max(num_before - len(before), 0), max(num_behind - len(behind), 0)
            if any(lacks):
                has_flanks = len(before) + len(behind) > 0
                short += [(name, *lacks)] if has_flanks else []
                reason = f"shorter than the {length_bp} bp that the network reads"
                left_out.add(path, row, reason + (", also with the flanks" if has_flanks else ""))
                continue
            own_before = before[len(before) - num_before :]
            codes = np.concatenate([own_before, codes, behind[:num_behind]])
        skipped = (len(codes) - length_bp) // 2
        odd.update(set(text.upper()) - _BASES)
        names.append(name)
        rows.append(codes[skipped : skipped + length_bp])
        num += 1
        if len(rows) == _BATCH:
            yield Windows(name=np.array(names, dtype=object), codes=np.stack(rows))
            names, rows = [], []
    if rows:
        yield Windows(name=np.array(names, dtype=object), codes=np.stack(rows))
    told = _flanks_lacking(short)
    if not num:
        why = left_out.why(path) + told
        raise DataError(f"{path}: no sequence that can be predicted ({why})")
    if told:
        left_out.notes.append(f"{path}: {counted(len(short), 'sequence')} too short{told}")


def _encoded(text: str) -> NDArray[np.uint8]:
    return encode(np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8))


def _flanks_lacking(short: list[tuple[str, int, int]]) -> str:
    """Say by how many bases flanks are too short, and for which sequences; empty where none is."""
    if not short:
        return ""
    told = [f"{name} ({before} and {behind})" for name, before, behind in short[:_TOLD]]
    more = f", and {len(short) - _TOLD:,} more" if len(short) > _TOLD else ""
    before, behind = (max(one[i] for one in short) for i in (1, 2))
    names = ", ".join(told) + more
    return f"; --flank5 lacks up to {before} bases and --flank3 up to {behind}: {names}"


def tiled_windows(
    genome: Genome,
    length_bp: int,
    stride_bp: int,
    within: Path | None = None,
    left_out: LeftOut | None = None,
    exclude: Blacklist | None = None,
) -> Iterator[Windows]:
    """Yield windows every `stride_bp` bases of the genome, or of a BED file's rows, in order.

    Each stands for the `stride_bp` bases in its middle; windows past an end are left out. It is
    named by the rows of the BED file that these bases overlap, or else by its chromosome.

    Parameters
    ----------
    left_out
        Where rows of the BED file that do not fit the genome are noted.
    exclude
        Places to leave out: tiles that overlap them have no window. By default there are none.

    Raises
    ------
    DataError
        If the file cannot be read or does not fit the genome.
    """
    spans = {chrom: [(0, length)] for chrom, length in genome.lengths_bp.items()}
    left_out = LeftOut() if left_out is None else left_out
    rows = {} if within is None else tiled_rows(within, genome, left_out)
    if within is not None:
        spans = {chrom: own.spans() for chrom, own in rows.items()}
    num_excluded = 0
    before = np.int32((length_bp - stride_bp) // 2)
    at_once = max(_SPAN_BP // stride_bp, 1)
    waiting: list[tuple[NDArray[np.object_], NDArray[np.int32]]] = []
    num_waiting = 0
    for chrom, own in spans.items():
        for bins in _bins(own, stride_bp):
            first_base = bins - before
            is_whole = (first_base >= 0) & (first_base <= genome.lengths_bp[chrom] - length_bp)
            kept = bins[is_whole]
            if exclude is not None:
                code = np.zeros(len(kept), dtype=np.int32)
                odd = exclude.overlaps(code, [chrom], kept, kept + np.int32(stride_bp))
                num_excluded += int(odd.sum())
                kept = kept[~odd]
            for first in range(0, len(kept), at_once):
                part = kept[first : first + at_once]
                if num_waiting + len(part) > at_once:
                    yield _tiles(genome, waiting, length_bp, stride_bp, rows)
                    waiting, num_waiting = [], 0
                waiting.append((np.full(len(part), chrom, dtype=object), part))
                num_waiting += len(part)
    if waiting:
        yield _tiles(genome, waiting, length_bp, stride_bp, rows)
    if num_excluded:
        tiles = counted(num_excluded, "tile")
        left_out.notes.append(f"left out {tiles}: overlapping a region of --exclude")


def _bins(spans: list[tuple[int, int]], stride_bp: int) -> Iterator[NDArray[np.int32]]:
    """Yield starts of the tiles of each span of a chromosome, each tile once."""
    done = -1
    for low, high in spans:
        bins = np.arange(low - low % stride_bp, high, stride_bp, dtype=np.int32)
        bins = bins[bins > done]  # two rows may end and begin in one
        done = max(done, int(bins[-1])) if len(bins) else done
        yield bins


def _tiles(
    genome: Genome,
    waiting: list[tuple[NDArray[np.object_], NDArray[np.int32]]],
    length_bp: int,
    stride_bp: int,
    rows: Mapping[str, TiledRows],
) -> Windows:
    """Read the windows of many spans at once: each reading goes through the chromosomes anew."""
    chroms = np.concatenate([chrom for chrom, _ in waiting])
    names = [
        rows[chrom[0]].names(bins, stride_bp) if chrom[0] in rows else chrom
        for chrom, bins in waiting
    ]
    start = np.concatenate([bins for _, bins in waiting])
    return Windows(
        name=np.concatenate(names),
        codes=genome.sequences(chroms, start - np.int32((length_bp - stride_bp) // 2), length_bp),
        chrom=chroms,
        start=start,
        end=start + np.int32(stride_bp),
    )


def _records(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yield (name, row of its header, sequence) of a FASTA file."""
    name, header_row = "", 0
    parts: list[str] = []
    for row, line in filled_lines(path):
        if line.startswith(">"):
            if header_row:
                yield name, header_row, "".join(parts)
            name, header_row, parts = (line[1:].split() or [""])[0], row, []
        else:
            if not header_row:
                raise DataError(f"{path}: row {row}: no `>` line above it; give a FASTA file")
            parts.append(line.strip())
    if not header_row:
        raise DataError(f"{path}: no sequence; check that the file arrived whole")
    yield name, header_row, "".join(parts)
