"""Alleles in their shortest spelling, shifted to the left as far as possible.

One variant can be spelled in many ways: with bases that both alleles share (`CAG>TAG` is `C>T`),
and an insertion or deletion within a repeat at any place of it. Of all spellings this one is
unique (Tan et al. 2015, doi:10.1093/bioinformatics/btv112), and it is that of `bcftools norm` and
`vt normalize`, except that the base before an insertion or deletion, which VCF adds, is left out.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Change:
    """What differs between two alleles."""

    position: int
    """First base that differs, counted from 0; an insertion is before it."""
    reference: str
    """Bases that are replaced; none for an insertion."""
    alternative: str
    """Bases that replace them; none for a deletion."""

    @property
    def is_indel(self) -> bool:
        """Whether one of the alleles has no base that differs: the change may have other places."""
        return not (self.reference and self.alternative)


def trimmed(position: int, reference: str, alternative: str) -> Change:
    """Leave out the bases at both ends that two alleles share, those at the right end first.

    Parameters
    ----------
    position
        First base of the reference allele, counted from 0.
    reference, alternative
        The alleles, in upper case.
    """
    shorter = min(len(reference), len(alternative))
    right = 0
    while right < shorter and reference[-1 - right] == alternative[-1 - right]:
        right += 1
    left = 0
    while left < shorter - right and reference[left] == alternative[left]:
        left += 1
    return Change(
        position=position + left,
        reference=reference[left : len(reference) - right],
        alternative=alternative[left : len(alternative) - right],
    )


def shifted_left(change: Change, before: str) -> Change:
    """Move an insertion or deletion to the left as far as the sequence stays the same.

    Parameters
    ----------
    change
        An insertion or deletion.
    before
        The genome before it, in upper case. Where the change moves by all of it, it may be able to
        move further.
    """
    allele = change.reference or change.alternative
    text = before + allele
    num = 0
    while num < len(before) and text[len(before) - 1 - num] == text[len(text) - 1 - num]:
        num += 1
    first = len(before) - num
    moved = text[first : first + len(allele)]
    return Change(
        position=change.position - num,
        reference=moved if change.reference else "",
        alternative=moved if change.alternative else "",
    )
