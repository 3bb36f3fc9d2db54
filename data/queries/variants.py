"""Variants of a VCF file as pairs of sequences: reference and alternative.

SNVs and insertions, deletions and replacements of at most `MAX_LENGTH_BP` bases; an alternative
allele is a variant of its own. Alleles are first brought to their shortest spelling, as far left as
they go (`data.queries.alleles`), so that all spellings of a variant give the same sequences. Both
sequences begin at the same base, with the variant in the middle; after an insertion or deletion the
alternative one ends at another base of the genome.

A variant that cannot be predicted stays in its place, with the reason: symbolic alleles (`<DEL>`,
`*`, breakends), longer ones, those whose reference allele is not the genome's, and variants that
lie on a chromosome that the genome lacks, or beyond or too near to the end of one. A row that is no
VCF row holds no variant; it is noted as left out.

A variant is *swapped* where the genome has its alternative allele in place of its reference allele,
as tables of association studies often have it. It can be read as it is: its reference sequence is
then the changed one, and its alternative sequence is the genome's.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import DataError
from data.left_out import LeftOut, is_other_assembly
from data.packing import encode
from data.queries.alleles import Change, shifted_left, trimmed
from data.queries.vcf import MISSING, VcfRow, vcf_rows
from data.sources.fitting import BEYOND, LACKING, NEAR_END
from data.sources.genome import Genome

MAX_LENGTH_BP: Final = 50
"""Longest allele, without the bases that both alleles share."""
NO_SEQUENCE: Final = "alleles that are no sequence of A, C, G and T"
NO_CHANGE: Final = "both alleles are the same"
TOO_LONG: Final = f"alleles of more than {MAX_LENGTH_BP} bp"
NOT_PASSED: Final = "FILTER is not PASS"
SWAPPED: Final = "reference and alternative allele are swapped"
OTHER_REFERENCE: Final = "the reference allele is not the genome's"
UNKNOWN_BASE: Final = "the genome has an unknown base there"
_BATCH: Final = 100_000
_CONTEXT_BP: Final = 100
"""Bases before a variant through which it may move to the left before more are looked up."""
_BASES: Final = frozenset("ACGT")
_LETTERS: Final = np.frombuffer(b"ACGTN", dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One alternative allele, as the file spells it."""

    chrom: str
    position: int
    """First base of the reference allele, counted from 0."""
    name: str
    reference: str
    alternative: str
    filter: str
    """What the column FILTER says of its row."""
    row: int
    """Line of the file."""


@dataclass(frozen=True, kw_only=True)
class VariantBatch:
    """Some variants with their sequences, all alleles of a row in one batch; n of them."""

    variants: tuple[Variant, ...]
    reason: tuple[str, ...]
    """Why each cannot be predicted; empty where it can."""
    reference_matches: tuple[bool | None, ...]
    """Whether the reference allele is the genome's; None where it was not compared."""
    swapped: NDArray[np.bool_]
    """The alternative allele is the genome's, and the reference allele is not, shape (n,)."""
    reference: NDArray[np.uint8]
    """Base codes with the reference allele, shape (n, L); unknown where there is a reason."""
    alternative: NDArray[np.uint8]
    """Base codes with the alternative allele, shape (n, L); unknown where there is a reason."""
    place: NDArray[np.int64]
    """Where in both sequences the first base is that differs, shape (n,)."""
    reference_bp: NDArray[np.int64]
    """Bases of the reference allele that differ, 0 for an insertion, shape (n,)."""
    alternative_bp: NDArray[np.int64]
    """Bases of the alternative allele that differ, 0 for a deletion, shape (n,)."""

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which variants can be predicted, shape (n,)."""
        return np.array([not reason for reason in self.reason], dtype=bool)


class _Draft:
    """A variant while its sequences are made."""

    def __init__(self, variant: Variant, chrom: str, reason: str, change: Change) -> None:
        self.variant = variant
        self.chrom = chrom
        """The genome's name of its chromosome."""
        self.reason = reason
        self.change = change
        """From the genome's allele to the other one."""
        self.matches: bool | None = None
        self.swapped = False
        self.place = 0
        self.sequences: tuple[str, str] | None = None
        """The genome's sequence and the changed one."""


class VcfReader:
    """Variants of a file, with what cannot be predicted of it.

    Parameters
    ----------
    path
        The VCF file.
    genome
        The genome that its positions are counted on.
    length_bp
        Length of the sequences.
    left_out
        Where variants that cannot be predicted are noted; by default only here.
    swap_reference
        Whether swapped variants are read as they are. By default they cannot be predicted.
    pass_only
        Whether rows whose FILTER is neither PASS nor missing cannot be predicted. By default FILTER
        is not looked at.

    Raises
    ------
    DataError
        While reading: if no row is a VCF row.
    """

    def __init__(
        self,
        path: Path,
        genome: Genome,
        length_bp: int,
        left_out: LeftOut | None = None,
        *,
        swap_reference: bool = False,
        pass_only: bool = False,
    ) -> None:
        self._path = path
        self._genome = genome
        self._length_bp = length_bp
        self._swap_reference = swap_reference
        self._pass_only = pass_only
        self.left_out = LeftOut() if left_out is None else left_out
        """Alleles that cannot be predicted, by row and reason; complete when all are read."""

    def check_references(self) -> int:
        """Compare every reference allele with the genome; gives how many are swapped.

        Raises
        ------
        DataError
            If so many differ, or lie beyond the ends of chromosomes, that the file is of another
            assembly, or if no variant can be predicted.
        """
        num_compared, num_swapped, num_usable, num_other = 0, 0, 0, 0
        first: Variant | None = None
        for batch in self.batches():
            num_compared += sum(matches is not None for matches in batch.reference_matches)
            num_swapped += int(batch.swapped.sum())
            num_usable += int(batch.usable.sum())
            other = [i for i, reason in enumerate(batch.reason) if reason == OTHER_REFERENCE]
            num_other += len(other)
            if first is None and other:
                first = batch.variants[other[0]]
        num_beyond = self.left_out.of(self._path).get(BEYOND, 0)
        if is_other_assembly(num_beyond, num_compared + num_beyond):
            raise DataError(
                f"{self._path}: {num_beyond:,} variants lie beyond the ends of chromosomes in "
                f"{self._genome.path}; give files of the same assembly"
            )
        # of another assembly's alleles a third look swapped: those alone say nothing
        num_most = max(num_compared - num_swapped - num_other, num_swapped)
        if first is not None and (
            num_other > num_most or is_other_assembly(num_other, num_compared)
        ):
            raise DataError(
                f"{self._path}: row {first.row}: {num_other:,} of {num_compared:,} reference "
                f"alleles are not what {self._genome.path} has, this one first "
                f"({first.reference} at {first.chrom}:{first.position + 1}); give files of the "
                "same assembly"
            )
        if not num_usable:
            why = self.left_out.why(self._path)
            remedy = "; --swap-reference takes swapped ones" if num_swapped else ""
            raise DataError(f"{self._path}: no variant that can be predicted ({why}){remedy}")
        return num_swapped

    def batches(self) -> Iterator[VariantBatch]:
        """Yield the variants with their sequences, in the file's order."""
        self.left_out.forget(self._path)
        drafts: list[_Draft] = []
        for row in vcf_rows(self._path, self.left_out):
            drafts += [self._draft(row, alternative) for alternative in row.alternatives]
            if len(drafts) >= _BATCH:
                yield self._finished(drafts)
                drafts = []
        if drafts:
            yield self._finished(drafts)

    def _draft(self, row: VcfRow, alternative: str) -> _Draft:
        """Take one allele of a row, in its shortest spelling, and check what needs no genome."""
        variant = Variant(
            chrom=row.chrom,
            position=row.position,
            name=row.name,
            reference=row.reference,
            alternative=alternative,
            filter=row.filter,
            row=row.row,
        )
        change = trimmed(row.position, row.reference.upper(), alternative.upper())
        chrom = self._genome.chromosomes.named(row.chrom, self._path, self.left_out)
        reason = self._why_not(variant, chrom, change)
        return _Draft(variant, chrom, reason, change)

    def _why_not(self, variant: Variant, chrom: str, change: Change) -> str:
        """Why a variant cannot be predicted, if that is known without the genome's bases."""
        if self._pass_only and variant.filter not in ("PASS", MISSING, ""):
            return NOT_PASSED
        alleles = (variant.reference.upper(), variant.alternative.upper())
        if not all(allele and _BASES.issuperset(allele) for allele in alleles):
            return NO_SEQUENCE
        if not (change.reference or change.alternative):
            return NO_CHANGE
        if max(len(change.reference), len(change.alternative)) > MAX_LENGTH_BP:
            return TOO_LONG
        limit_bp = self._genome.lengths_bp.get(chrom)
        if limit_bp is None:
            return LACKING
        is_within = 0 <= variant.position <= limit_bp - len(variant.reference)
        return "" if is_within else BEYOND

    def _finished(self, drafts: Sequence[_Draft]) -> VariantBatch:
        """Give variants their sequences, and note which have none."""
        pending = [draft for draft in drafts if not draft.reason]
        context_bp = _CONTEXT_BP
        while pending:
            before_bp = self._length_bp // 2 + context_bp
            width_bp = context_bp + self._length_bp + 2 * MAX_LENGTH_BP
            chrom = np.array([draft.chrom for draft in pending], dtype=object)
            start = np.array([draft.change.position for draft in pending], np.int32) - before_bp
            bases = _LETTERS[self._genome.sequences(chrom, start, width_bp)]
            pending = [
                draft
                for draft, around, first in zip(pending, bases, start.tolist(), strict=True)
                if not self._settle(draft, around.tobytes().decode(), first, context_bp)
            ]
            # in a long repeat
            context_bp *= 2
        self._note(drafts)
        return self._batch(drafts)

    def _settle(self, draft: _Draft, around: str, first: int, context_bp: int) -> bool:
        """Compare a variant with the genome around it, move it to the left, and make its sequences.

        Parameters
        ----------
        draft
            The variant.
        around
            The genome around it, N where a base is unknown.
        first
            Position of the first of them; may be negative.
        context_bp
            Bases by which it may move at most.

        Returns
        -------
        bool
            False if it has moved so far that the bases before these are needed.
        """
        if draft.matches is None:
            self._compare(draft, around, first)
        change = draft.change
        if draft.reason:
            return True
        if change.is_indel:
            at = change.position - first
            draft.change = shifted_left(change, around[at - context_bp : at])
            if draft.change.position == change.position - context_bp:
                return False
        self._make_sequences(draft, around, first)
        return True

    def _compare(self, draft: _Draft, around: str, first: int) -> None:
        """Find which of a variant's alleles is the genome's."""
        variant = draft.variant
        at = variant.position - first
        reference, alternative = variant.reference.upper(), variant.alternative.upper()
        draft.matches = _is_there(reference, around, at)
        draft.swapped = not draft.matches and _is_there(alternative, around, at)
        if draft.swapped and self._swap_reference:
            draft.change = trimmed(variant.position, alternative, reference)
        elif not draft.matches:
            draft.reason = SWAPPED if draft.swapped else OTHER_REFERENCE

    def _make_sequences(self, draft: _Draft, around: str, first: int) -> None:
        change, length_bp = draft.change, self._length_bp
        # the middle of the alleles as VCF has them: with the base before an insertion or deletion
        shared = int(change.is_indel)
        middle = change.position - shared + (len(change.reference) + shared) // 2
        start = middle - length_bp // 2
        limit_bp = self._genome.lengths_bp[draft.chrom]
        if start < 0 or start + length_bp + MAX_LENGTH_BP > limit_bp:
            draft.reason = NEAR_END
            return
        at = change.position - first
        after = around[at + len(change.reference) :]
        changed = (around[start - first : at] + change.alternative + after)[:length_bp]
        genome = around[start - first :][:length_bp]
        draft.place = change.position - start
        draft.sequences = genome, changed
        if "N" in genome or "N" in changed:
            draft.reason = UNKNOWN_BASE

    def _note(self, drafts: Sequence[_Draft]) -> None:
        rows: dict[str, list[int]] = defaultdict(list)
        for draft in drafts:
            if draft.reason:
                rows[draft.reason].append(draft.variant.row)
        for reason, lines in rows.items():
            self.left_out.add(self._path, np.array(lines, dtype=np.int32), reason)

    def _batch(self, drafts: Sequence[_Draft]) -> VariantBatch:
        swapped = np.array([draft.swapped for draft in drafts], dtype=bool)
        nothing = ("N" * self._length_bp,) * 2
        texts = [nothing if draft.reason else draft.sequences or nothing for draft in drafts]
        genome, changed = (
            encode(np.frombuffer("".join(one).encode(), dtype=np.uint8)).reshape(len(drafts), -1)
            for one in zip(*texts, strict=True)
        )
        own_bp = np.array([len(draft.change.reference) for draft in drafts], dtype=np.int64)
        other_bp = np.array([len(draft.change.alternative) for draft in drafts], dtype=np.int64)
        return VariantBatch(
            variants=tuple(draft.variant for draft in drafts),
            reason=tuple(draft.reason for draft in drafts),
            reference_matches=tuple(draft.matches for draft in drafts),
            swapped=swapped,
            reference=np.where(swapped[:, None], changed, genome),
            alternative=np.where(swapped[:, None], genome, changed),
            place=np.array([draft.place for draft in drafts], dtype=np.int64),
            reference_bp=np.where(swapped, other_bp, own_bp),
            alternative_bp=np.where(swapped, own_bp, other_bp),
        )


def _is_there(allele: str, around: str, at: int) -> bool:
    """Whether the genome has an allele at a place, as far as its bases were read and are known.

    Long alleles that other variants of the row share were read in part only.
    """
    start = max(at, 0)
    there = around[start : at + len(allele)]
    own = allele[start - at : start - at + len(there)]
    return there == own or all(base in (one, "N") for one, base in zip(own, there, strict=True))
