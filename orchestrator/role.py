"""What a run is for in a study: the facts by which runs are compared, each with its type.

A role has no influence on a run's result; that is decided by `orchestrator.spec`. Names for people
are made from it by `orchestrator.role_names`; it is stored and read back by
`orchestrator.role_records`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, get_args

from data.dataset.sampling import RowRule, Split, UnboundMatch
from data.records import IF_SET
from data.relations.groups import GroupKind

Arm = Literal[
    "scratch",
    "transfer",
    "multi",
    "motif",
    "all-motifs",
    "k-mers",
    "gkm-svm",
    "ls-gkm",
    "openness",
]
RIVALS: Final[tuple[Arm, ...]] = ("all-motifs", "k-mers", "gkm-svm", "ls-gkm", "openness")
"""Arms without a network, named as `orchestrator.spec.Rival`."""


class SetKind(StrEnum):
    """How the TFs of a pre-training set were chosen."""

    NONE = ""
    """There is no pre-training set."""
    COMPLETE = "complete"
    """The TFs with most resolved regions, on the regions resolved for all of them."""
    MASKED = "masked"
    """Every resolved cell of all TFs with enough bound regions."""
    MASKED_APART = "masked-apart"
    """As `MASKED`, without any TF of the target's binding modes."""
    BASE = "base"
    """The base that comes with bindgrid, which no run here has trained."""
    NAMED = "named"
    """TFs that the user named."""
    SAME_MODE = GroupKind.SAME_MODE.value
    COFACTORS = GroupKind.COFACTORS.value
    STRING = GroupKind.STRING.value
    UNCORRELATED = GroupKind.UNCORRELATED.value
    RANDOM = GroupKind.RANDOM.value
    """Five TFs by what relates them to the target, see `data.relations.groups`."""


class ModeRelation(StrEnum):
    """Whether a TF has a binding mode in common with a TF of the multi-model."""

    SHARED = "shared"
    OTHER = "other"
    UNKNOWN = "unknown"
    """The TF has no known binding mode."""


class RunVariant(StrEnum):
    """How a run differs from the plain model of its experiment."""

    PLAIN = ""
    WITH_MOTIF = "with-motif"
    """The TF's motif is a term of its logits, where the plain model has none."""
    CHOSEN_MOTIFS = "chosen-motifs"
    """The terms are of the motifs that its regions choose."""
    MANY_MOTIFS = "chosen-and-many-motifs"
    """The same, and the best hits of many motifs are a further term."""
    GAPPED_KMERS = "motifs-and-gapped-k-mers"
    """The same, and gapped k-mers are a term too."""
    OWN_HIDDEN = "own-motif-hidden"
    """The terms are of chosen motifs without the TF's own, as for a new TF of a known family."""
    SIMILAR_HIDDEN = "similar-motifs-hidden"
    """The same without similar motifs either, as for a new TF of an unknown family."""
    WITHOUT_MOTIF = "without-motif"
    """It lacks the term of the motif that the plain model has: a control."""
    TRANSFER_RATE = "transfer-rate"
    """It is trained from scratch as transfer is: a control."""


CONTROLS = frozenset({RunVariant.WITHOUT_MOTIF, RunVariant.TRANSFER_RATE})
"""Variants that are compared with a TF's model, and are not models of the TF themselves."""


@dataclass(frozen=True)
class SampleSize:
    """How many bound regions an individual model is asked to take, and as many unbound ones."""

    num_bound: int | None = None
    """None takes all."""
    at_most: bool = False
    """Whether a TF with fewer bound regions takes all that it has; it is left out otherwise."""
    exact: bool = field(default=False, metadata=IF_SET)
    """Whether the number is of regions to train and validate on; it counts those to test on too
    otherwise."""


@dataclass(frozen=True, kw_only=True)
class RunRole:
    """What a run is for in a study."""

    experiment: str
    """Name of the experiment."""
    arm: Arm
    """`multi`: a multi-model, trained, or scored on one TF's test regions; `motif`: the TF's motif
    alone; those of `RIVALS`: another way to predict binding, without a network."""
    tf: str
    """The TF that the run is about; empty for the training of a multi-model."""
    replicate: int
    """Counted from 1."""
    target: str = ""
    """The TF that the experiment or the pre-training set is for; empty where it is for many."""
    with_target: bool = False
    """Whether the pre-training set, made for a target, has the target in it."""
    set_kind: SetKind = SetKind.NONE
    """Kind of the multi-model's set of TFs; none where no multi-model is involved in the run."""
    set_label: str = ""
    """The study's name for the set of TFs: it tells sets apart and is shown; nothing is read from
    it."""
    network: str = "paper"
    """Which network, of `model.network_config.NETWORKS`."""
    size: SampleSize | None = None
    """Bound regions asked for; None where the experiment does not tell its runs apart by them."""
    held_back: Split | None = None
    """How regions are held back; None where the experiment does it in one way only."""
    unbound_match: UnboundMatch = "gc"
    """What the unbound regions have in common with the bound ones; other than by GC alone, the run
    belongs to a control of its experiment."""
    step: float | None = None
    """Fraction of the regions that a step of a learning curve trains on; None for all."""
    fold: int | None = None
    """Which fold of a cross-validation the run tests, counted from 1; None for a model."""
    variant: RunVariant = RunVariant.PLAIN
    """How the run differs from the plain model of its experiment."""
    mode: ModeRelation | None = None
    """How the TF's binding mode relates to the multi-model; None where that does not matter."""
    tested_on: RowRule | None = None
    """On which regions a multi-model is tested; None where the experiment has one way only."""
    label: str = ""
    """What else distinguishes the runs of an experiment: it is shown; nothing is read from it."""

    def __post_init__(self) -> None:
        if self.arm not in get_args(Arm):
            raise ValueError(f"no arm is named {self.arm!r}")

    @property
    def is_control(self) -> bool:
        """Whether the run is compared with its TF's model and is no such model itself."""
        return self.variant in CONTROLS
