"""Groups of TFs to pre-train on for a target TF, chosen by their relation to it.

The kinds of Novakovsky et al. 2021 (Fig. 2B; Methods, "Pre-training TFs"), five TFs each:

==============  =================================  ============================================
kind            candidates                         order
==============  =================================  ============================================
same-mode       share a binding mode with target   highest cosine similarity of labels
cofactors       other binding modes                highest cosine similarity of labels
string          other binding modes                highest combined score of STRING
uncorrelated    share a binding mode with target   lowest cosine similarity of labels
random          other binding modes                drawn by seed and target
==============  =================================  ============================================

*With the target*: it replaces the fifth TF, so that both variants are as large. Where there are
fewer candidates than asked for, a group is what there is, and its note says so; the target is
added if there is room.

Ties are broken by name (in a STRING list without scores: by its order). One choice that the
paper leaves open: it orders the TFs of the same mode by their correlation with the target; here
it is the cosine similarity, as for cofactors. A mode with fewer than twice as many TFs as a group
gives same-mode and uncorrelated groups with TFs in common; the note counts them.

A TF is no candidate if it has fewer bound regions than `min_bound`, if it has no binding mode
(so that it cannot be compared with the target's), or if it and the target are not compared
(they have no jointly resolved regions that each binds).

Legend: T TFs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.dataset.store import Dataset
from data.errors import DataError
from data.near_names import near_names
from data.relations.binding_modes import BindingModes
from data.relations.similarity import Similarity, label_similarity
from data.relations.string_links import StringLinks
from data.schema import Evidence


class GroupKind(StrEnum):
    """What relates the TFs of a group to the target."""

    SAME_MODE = "same-mode"
    COFACTORS = "cofactors"
    STRING = "string"
    UNCORRELATED = "uncorrelated"
    RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class GroupRule:
    """How groups are chosen."""

    size: int = 5
    """TFs in a group; the paper's is 5."""
    min_bound: int = 100
    """Fewest bound regions of a TF in a group, of all of the dataset; the target is not held to
    it. The paper names no number; with a handful of bound regions, a TF is unlike every other."""
    seed: int = 0
    """Decides random groups, together with the target's name."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size is {self.size}, a group has at least 1 TF")
        if self.min_bound < 0 or self.seed < 0:
            raise ValueError("min_bound and seed must not be negative")


@dataclass(frozen=True, kw_only=True)
class Group:
    """TFs to pre-train on for a target."""

    kind: GroupKind
    target: str
    with_target: bool
    """Whether the target is one of the TFs."""
    tfs: tuple[str, ...]
    """Best first; the target, where it is one of them, last."""
    scores: tuple[float, ...]
    """What put each TF there: cosine similarity (same-mode, cofactors, uncorrelated) or STRING's
    combined score, 0 to 1; NaN for random ones, a STRING list without scores and the target."""
    note: str
    """Remark on the group, such as too few candidates or TFs in common; empty without one."""


@dataclass(frozen=True, kw_only=True)
class Relations:
    """All that groups are chosen from."""

    tfs: tuple[str, ...]
    """The dataset's TFs, T of them."""
    num_bound: NDArray[np.int64]
    """Bound regions of each, shape (T,)."""
    similarity: Similarity
    """Label similarity of every pair of them."""
    modes: BindingModes
    """Their binding modes."""
    links: StringLinks | None = None
    """Their associations; None without a STRING file."""

    def kinds(self) -> tuple[GroupKind, ...]:
        """The kinds that are available: all, but no `string` without a STRING file."""
        return tuple(k for k in GroupKind if k is not GroupKind.STRING or self.links is not None)

    @cached_property
    def has_mode(self) -> NDArray[np.bool_]:
        """Whether each TF has a binding mode, shape (T,)."""
        return np.array([bool(self.modes.of(tf)) for tf in self.tfs])

    @cached_property
    def shares_mode(self) -> NDArray[np.bool_]:
        """Whether each pair of TFs has a mode in common, shape (T, T)."""
        return np.array([[self.modes.share(tf, other) for other in self.tfs] for tf in self.tfs])


def read_relations(
    dataset: Dataset,
    modes: BindingModes,
    links: StringLinks | None = None,
    evidence: NDArray[np.uint8] | None = None,
) -> Relations:
    """Compare the labels of all TFs: seconds for the paper's matrix.

    Parameters
    ----------
    evidence
        Evidence codes of all TFs, shape (N, T), where they are at hand. By default they are read.

    Raises
    ------
    DataError
        If none of the TFs has a binding mode.
    """
    tfs = dataset.tfs
    if len(modes.without(tfs)) == len(tfs):
        raise DataError(
            f"{modes.source}: none of the dataset's {len(tfs)} TFs has a mode; give a table of "
            "their modes, with names as the dataset has them, by --modes FILE"
        )
    return Relations(
        tfs=tfs,
        num_bound=np.array(
            [dataset.summary(tf).count(Evidence.BOUND) for tf in tfs], dtype=np.int64
        ),
        similarity=label_similarity(dataset.evidence(tfs) if evidence is None else evidence),
        modes=modes,
        links=links,
    )


def choose_group(
    kind: GroupKind,
    target: str,
    relations: Relations,
    *,
    with_target: bool,
    rule: GroupRule = GroupRule(),
) -> Group:
    """Choose the TFs of one group.

    Parameters
    ----------
    with_target
        Whether the target replaces the last TF.

    Raises
    ------
    DataError
        If the target is not in the dataset, or STRING partners are asked for without a file.
    """
    if target not in relations.tfs:
        near = near_names(target, relations.tfs)
        hint = f"near: {', '.join(near)}" if near else "`bindgrid data show` lists them"
        raise DataError(f"no TF named {target!r} in the dataset; {hint}")
    ranked = _ranked(kind, target, relations, rule)
    wanted = rule.size - with_target
    chosen = ranked[:wanted]
    notes = _notes(kind, target, relations, num_candidates=len(ranked), wanted=wanted)
    if with_target:
        chosen = [*chosen, (target, math.nan)]
    return Group(
        kind=kind,
        target=target,
        with_target=with_target,
        tfs=tuple(tf for tf, _ in chosen),
        scores=tuple(score for _, score in chosen),
        note="; ".join(notes),
    )


def _ranked(
    kind: GroupKind, target: str, relations: Relations, rule: GroupRule
) -> list[tuple[str, float]]:
    """All candidates of a kind with their scores, best first."""
    wants_same = kind in (GroupKind.SAME_MODE, GroupKind.UNCORRELATED)
    of_target = relations.tfs.index(target)
    is_candidate = (relations.num_bound >= rule.min_bound) & relations.has_mode
    is_candidate &= relations.shares_mode[of_target] == wants_same
    is_candidate[of_target] = False
    candidates = sorted(relations.tfs[number] for number in np.flatnonzero(is_candidate))
    if kind is GroupKind.RANDOM:
        rng = np.random.default_rng([rule.seed, *target.encode()])
        return [(candidates[i], math.nan) for i in rng.permutation(len(candidates))]
    if kind is GroupKind.STRING:
        return _partners(target, relations, candidates)
    row = relations.similarity.cosine[of_target]
    cosine = dict(zip(relations.tfs, row.tolist(), strict=True))
    sign = 1 if kind is GroupKind.UNCORRELATED else -1
    compared = [(tf, cosine[tf]) for tf in candidates if not math.isnan(cosine[tf])]
    return sorted(compared, key=lambda pair: (sign * pair[1], pair[0]))


def _partners(
    target: str, relations: Relations, candidates: Sequence[str]
) -> list[tuple[str, float]]:
    if relations.links is None:
        raise DataError("STRING partners need a file of STRING's links; give one by --string FILE")
    partners = relations.links.of(target)
    if all(math.isnan(score) for score in partners.values()):
        return [(tf, score) for tf, score in partners.items() if tf in candidates]
    found = [(tf, partners[tf]) for tf in candidates if tf in partners]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _notes(
    kind: GroupKind, target: str, relations: Relations, *, num_candidates: int, wanted: int
) -> list[str]:
    notes = []
    if not relations.modes.of(target):
        notes.append(f"{target} has no binding mode")
    if kind is GroupKind.STRING and relations.links and not relations.links.of(target):
        notes.append(f"STRING has no links of {target}")
    if num_candidates < wanted:
        notes.append(f"only {num_candidates} of {wanted}" if num_candidates else "no candidates")
    if kind is GroupKind.UNCORRELATED:
        num_common = 2 * min(wanted, num_candidates) - num_candidates
        if num_common > 0:
            notes.append(f"{num_common} in {GroupKind.SAME_MODE} too")
    return notes
