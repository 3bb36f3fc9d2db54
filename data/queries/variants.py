"""Variants of a VCF file as pairs of sequences: reference and alternative.

SNVs and insertions, deletions and replacements of at most `MAX_LENGTH_BP` bases; an alternative
allele is a row of its own. Both sequences begin at the same base, with the variant in the middle;
after an insertion or deletion the alternative one ends at another base of the genome. Left out, and
counted: symbolic alleles (`<DEL>`, `*`, breakends), longer ones, and variants that lie on a
chromosome that the genome lacks, or beyond or too near to the end of one. VCF counts from 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import LeftOut, is_other_assembly
from data.motifs.motif import Motif
from data.motifs.scan import best_hits, score_tail
from data.packing import UNKNOWN, encode
from data.sources.fitting import BEYOND, LACKING, NEAR_END, other_spelling
from data.sources.genome import Genome
from data.text import all_lines

MAX_LENGTH_BP: Final = 50
"""Longest allele."""
HIT_P_VALUE: Final = 1e-3
"""A hit of the motif at which a variant counts as touching it."""
_BATCH: Final = 100_000
_BASES: Final = frozenset("ACGT")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One alternative allele."""

    chrom: str
    position: int
    """First base of the reference allele, counted from 0."""
    name: str
    reference: str
    alternative: str
    row: int
    """Line of the file."""


@dataclass(frozen=True, kw_only=True)
class VariantBatch:
    """Some variants with their sequences; n of them."""

    variants: tuple[Variant, ...]
    reference: NDArray[np.uint8]
    """Base codes of the genome, shape (n, L)."""
    alternative: NDArray[np.uint8]
    """Base codes with the alternative allele, shape (n, L)."""
    place: NDArray[np.int64]
    """Where in both sequences the variant begins, shape (n,)."""
    mismatch: NDArray[np.bool_]
    """The reference allele is not the genome's, shape (n,)."""

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Alleles as the genome has them, and no unknown base, shape (n,)."""
        known = (self.reference != UNKNOWN).all(axis=1) & (self.alternative != UNKNOWN).all(axis=1)
        return known & ~self.mismatch


@dataclass(frozen=True, kw_only=True)
class TouchedMotif:
    """The best hits of a motif that variants lie in; n variants."""

    touched: NDArray[np.bool_]
    """Whether the reference or the alternative has a hit there, shape (n,)."""
    reference_bits: NDArray[np.float32]
    """Best score of a place that overlaps the variant, shape (n,)."""
    alternative_bits: NDArray[np.float32]
    first: NDArray[np.int64]
    """First position of the motif that the variant touches, counted from 1, shape (n,)."""
    last: NDArray[np.int64]
    reverse: NDArray[np.bool_]
    """The motif reads on the reverse strand, shape (n,)."""


class VcfReader:
    """Variants of a file, with what was left out of it.

    Raises
    ------
    DataError
        While reading: if a row is no VCF row, or the two files name chromosomes differently.
    """

    def __init__(
        self, path: Path, genome: Genome, length_bp: int, left_out: LeftOut | None = None
    ) -> None:
        self._path = path
        self._genome = genome
        self._length_bp = length_bp
        self.left_out = LeftOut() if left_out is None else left_out
        """Alleles that were left out, by row and reason; complete when all batches are read."""

    def check_references(self) -> int:
        """Compare every reference allele with the genome; gives how many differ.

        Raises
        ------
        DataError
            If so many differ, or lie beyond the ends of chromosomes, that the file is of another
            assembly, or if no variant is left.
        """
        num, num_differ, first = 0, 0, None
        for batch in self.batches():
            num += len(batch.variants)
            num_differ += int(batch.mismatch.sum())
            if first is None and batch.mismatch.any():
                first = batch.variants[int(batch.mismatch.argmax())]
        if not num:
            why = self.left_out.why(self._path)
            raise DataError(f"{self._path}: no variant that can be predicted ({why})")
        num_beyond = self.left_out.of(self._path).get(BEYOND, 0)
        if is_other_assembly(num_beyond, num + num_beyond):
            raise DataError(
                f"{self._path}: {num_beyond:,} variants lie beyond the ends of chromosomes in "
                f"{self._genome.path}; give files of the same assembly"
            )
        if first is not None and (2 * num_differ > num or is_other_assembly(num_differ, num)):
            raise DataError(
                f"{self._path}: row {first.row}: {num_differ:,} of {num:,} reference alleles are "
                f"not what {self._genome.path} has, this one first ({first.reference} at "
                f"{first.chrom}:{first.position + 1}); give files of the same assembly"
            )
        return num_differ

    def batches(self) -> Iterator[VariantBatch]:
        """Yield the variants with their sequences, in the file's order."""
        self.left_out.forget(self._path)
        kept: list[Variant] = []
        for variant in self._variants():
            if reason := self._why_not(variant):
                self.left_out.add(self._path, variant.row, reason)
                continue
            kept.append(variant)
            if len(kept) == _BATCH:
                yield self._with_sequences(kept)
                kept = []
        if kept:
            yield self._with_sequences(kept)

    def _variants(self) -> Iterator[Variant]:
        for row, line in all_lines(self._path):
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.split("\t")
            if len(fields) < 5 or not fields[1].isdigit() or int(fields[1]) < 1:
                raise DataError(
                    f"{self._path}: row {row}: no VCF row; give CHROM POS ID REF ALT, by tabs"
                )
            chrom, position, name, reference, alternatives = fields[:5]
            self._check_spelling(chrom, row)
            for alternative in alternatives.upper().split(","):
                yield Variant(
                    chrom=chrom,
                    position=int(position) - 1,
                    name=name,
                    reference=reference.upper(),
                    alternative=alternative,
                    row=row,
                )

    def _check_spelling(self, chrom: str, row: int) -> None:
        other = other_spelling(chrom)
        if chrom not in self._genome.lengths_bp and other in self._genome.lengths_bp:
            raise DataError(
                f"{self._path}: row {row}: {self._genome.path} has no {chrom!r}; it names them "
                f"like {other!r}: rename them in one of the two"
            )

    def _why_not(self, variant: Variant) -> str | None:
        """Why an allele is left out; None if it is not."""
        alleles = variant.reference + variant.alternative
        if not variant.alternative or not _BASES.issuperset(alleles):
            return "alleles that are no sequence of A, C, G and T"
        if max(len(variant.reference), len(variant.alternative)) > MAX_LENGTH_BP:
            return f"alleles of more than {MAX_LENGTH_BP} bp"
        limit = self._genome.lengths_bp.get(variant.chrom)
        if limit is None:
            return LACKING
        if variant.position + len(variant.reference) > limit:
            return BEYOND
        start = self._start(variant)
        if start < 0 or start + self._length_bp + MAX_LENGTH_BP > limit:
            return NEAR_END
        return None

    def _start(self, variant: Variant) -> int:
        return variant.position + len(variant.reference) // 2 - self._length_bp // 2

    def _with_sequences(self, variants: list[Variant]) -> VariantBatch:
        length = self._length_bp
        start = np.array([self._start(variant) for variant in variants], dtype=np.int32)
        chrom = np.array([variant.chrom for variant in variants], dtype=object)
        bases = self._genome.sequences(chrom, start, length + MAX_LENGTH_BP)
        place = np.array([v.position for v in variants], dtype=np.int64) - start
        alternative = np.empty((len(variants), length), dtype=np.uint8)
        mismatch = np.zeros(len(variants), dtype=bool)
        for i, variant in enumerate(variants):
            at = int(place[i])
            after = at + len(variant.reference)
            own = _codes(variant.alternative)
            there = bases[i, at:after]
            mismatch[i] = bool(((there != _codes(variant.reference)) & (there != UNKNOWN)).any())
            alternative[i, :at] = bases[i, :at]
            alternative[i, at : at + len(own)] = own
            rest = length - at - len(own)
            alternative[i, at + len(own) :] = bases[i, after : after + rest]
        return VariantBatch(
            variants=tuple(variants),
            reference=bases[:, :length],
            alternative=alternative,
            place=place,
            mismatch=mismatch,
        )


def touched_motif(batch: VariantBatch, motif: Motif) -> TouchedMotif:
    """Find the best hit of a motif that each variant lies in, of the reference and alternative."""
    width = motif.length_bp
    hits = []
    for codes, allele in (
        (batch.reference, [len(variant.reference) for variant in batch.variants]),
        (batch.alternative, [len(variant.alternative) for variant in batch.variants]),
    ):
        end = batch.place + np.array(allele)
        column = np.arange(codes.shape[1])
        far = (column < (batch.place - width + 1)[:, None]) | (column >= (end + width - 1)[:, None])
        hits.append((best_hits(np.where(far, np.uint8(UNKNOWN), codes), motif), end))
    (reference, _), (alternative, _) = hits
    in_alternative = alternative.score > reference.score
    score, start, reverse, end = (
        np.where(in_alternative, ours, theirs)
        for ours, theirs in (
            (alternative.score, reference.score),
            (alternative.start, reference.start),
            (alternative.reverse, reference.reverse),
            (hits[1][1], hits[0][1]),
        )
    )
    low = np.maximum(batch.place, start) - start
    high = np.minimum(end, start + width) - 1 - start
    return TouchedMotif(
        touched=score_tail(motif).p_values(score) <= HIT_P_VALUE,
        reference_bits=reference.score,
        alternative_bits=alternative.score,
        first=np.where(reverse, width - 1 - high, low) + 1,
        last=np.where(reverse, width - 1 - low, high) + 1,
        reverse=reverse,
    )


def _codes(bases: str) -> NDArray[np.uint8]:
    return encode(np.frombuffer(bases.encode(), dtype=np.uint8))
