"""Names for people, made from a run's role: what tables, figures and MLflow show.

These names are stored beside the role, so those of one role never change; nothing is read back
from them, except by `orchestrator.role_records` for runs that an older bindgrid stored.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from data.dataset.sampling import RowRule, Split, UnboundMatch
from data.relations.groups import GroupKind
from model.network_config import NETWORKS
from orchestrator.role import Arm, ModeRelation, RunRole, RunVariant, SampleSize

ALL_REGIONS: Final = "all regions"
HELD_BACK_WORDS: Final[dict[Split, str]] = {"random": "at random", "chromosome": "by chromosome"}
VARIANT_WORDS: Final = {
    RunVariant.WITH_MOTIF: "with the motif",
    RunVariant.CHOSEN_MOTIFS: "with chosen motifs",
    RunVariant.MANY_MOTIFS: "with chosen and many motifs",
    RunVariant.GAPPED_KMERS: "with motifs and gapped k-mers",
    RunVariant.OWN_HIDDEN: "with chosen motifs, its own hidden",
    RunVariant.SIMILAR_HIDDEN: "with chosen motifs, similar ones hidden",
    RunVariant.WITHOUT_MOTIF: "without the motif",
    RunVariant.TRANSFER_RATE: "at the transfer rate",
}
MATCH_WORDS: Final[dict[UnboundMatch, str]] = {"gc": "", "gc-and-openness": "openness matched"}
TERMS: Final = frozenset(
    {
        RunVariant.WITH_MOTIF,
        RunVariant.CHOSEN_MOTIFS,
        RunVariant.MANY_MOTIFS,
        RunVariant.GAPPED_KMERS,
        RunVariant.OWN_HIDDEN,
        RunVariant.SIMILAR_HIDDEN,
    }
)
"""Variants that are named with the pre-training set."""
RIVAL_WORDS: Final[dict[Arm, str]] = {
    "all-motifs": "all motifs",
    "k-mers": "k-mers",
    "gkm-svm": "gkm-SVM",
    "ls-gkm": "LS-GKM",
    "openness": "GC and openness",
}
"""Arms without a network, in figures and tables."""
MODE_WORDS: Final = {
    ModeRelation.SHARED: "shared mode",
    ModeRelation.OTHER: "other mode",
    ModeRelation.UNKNOWN: "no mode known",
}
TESTED_ON_WORDS: Final[dict[RowRule, str]] = {
    "complete": "on complete rows",
    "resolved": "on all rows",
}
_GROUP_KINDS: Final = frozenset(kind.value for kind in GroupKind)


def size_name(size: SampleSize) -> str:
    """Name of a number of regions, such as `1000 bound`."""
    if size.num_bound is None:
        return ALL_REGIONS
    if size.exact:
        return f"{size.num_bound} bound to train"
    return f"at most {size.num_bound} bound" if size.at_most else f"{size.num_bound} bound"


def step_name(fraction: float) -> str:
    """Name of a step of a learning curve, such as `1/8`."""
    return str(Fraction(fraction).limit_denominator(1000))


def group_name(role: RunRole) -> str:
    """Name of what distinguishes the runs of an experiment besides TF, arm and pre-training set."""
    fold = "" if role.fold is None else f"fold {role.fold}"
    return ", ".join(filter(None, (_group_of_folds(role), MATCH_WORDS[role.unbound_match], fold)))


def _group_of_folds(role: RunRole) -> str:
    """Name of the group, the same for all folds of a cross-validation and their model."""
    if role.label:
        return role.label
    if role.is_control:
        return VARIANT_WORDS[role.variant]
    if role.step is not None:
        return step_name(role.step)
    if role.mode is not None:
        return MODE_WORDS[role.mode]
    if role.tested_on is not None:
        return TESTED_ON_WORDS[role.tested_on]
    if role.size is not None:
        by_chromosome = role.held_back == "chromosome"
        end = f", {HELD_BACK_WORDS['chromosome']}" if by_chromosome else ""
        return size_name(role.size) + end
    # a set that was made for a target is named by what relates it to the target
    return role.set_kind.value if role.target and role.set_kind in _GROUP_KINDS else ""


def set_name(role: RunRole) -> str:
    """Name of the pre-training set, with the motif's term and the network where they are special.

    Empty where no multi-model is involved in the run.
    """
    if not role.set_label:
        return ""
    words = [role.set_label]
    if role.variant in TERMS:
        words.append(VARIANT_WORDS[role.variant])
    if role.network != NETWORKS[0]:
        words.append(role.network)
    return ", ".join(words)


def run_name(role: RunRole, num_tfs: int) -> str:
    """Name of a run, such as `SPI1 transfer r1`; parameters as for :func:`replicates_name`."""
    return f"{replicates_name(role, num_tfs)} r{role.replicate}"


def replicates_name(role: RunRole, num_tfs: int) -> str:
    """Name of all replicates of a run, such as `SPI1 transfer`.

    Parameters
    ----------
    num_tfs
        TFs that the run is on: a multi-model that serves no target is named by their number.
    """
    group = group_name(role)
    words = [role.tf, role.arm] if role.tf else ["multi-model"]
    if role.target:
        words += [group] if role.tf else [role.target, group]
        words += ["with target"] if role.with_target else []
    elif not role.tf:
        words.append(f"{num_tfs} TFs")
    return " ".join(filter(None, words))


def shortened(names: Sequence[str], length: int = 24) -> dict[str, str]:
    """Shorten long names by leaving out their middle, so that all are still different.

    Parameters
    ----------
    names
        Names, as they are.
    length
        Characters that a name has at most, 24 by default; more where two would look the same.
    """
    several = set(names)
    for room in range(length, max(map(len, several), default=0) + 1):
        short = {name: _middle_left_out(name, room) for name in several}
        if len(set(short.values())) == len(several):
            return short
    return {name: name for name in several}


def _middle_left_out(name: str, length: int) -> str:
    if len(name) <= length:
        return name
    tail = (length - 1) // 2
    return f"{name[: length - 1 - tail]}…{name[-tail:]}"
