"""What decides the result of a run, and nothing else: specs and their keys.

A spec's key is the hash of its canonical JSON. Same key, same result (to float tolerance across
machines and numbers of threads), so a finished key is never run again. A setting that came later
(a field with the metadata `late`) stands in the JSON only where it is not its default, so that
older keys stay what they are.
"""

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Literal, get_args

from data.dataset.sampling import RowRule, Sampling
from data.schema import VIEWS, ViewName
from model.network_config import NetworkConfig
from model.training.config import TrainingConfig

SPEC_VERSION: Final = 1
"""Increase it when the same spec comes to mean another computation."""


@dataclass(frozen=True, kw_only=True)
class RegionSpec:
    """Which regions and labels a run works on."""

    tfs: tuple[str, ...]
    """TFs, in the order of the network's outputs."""
    view: ViewName
    """`less-sparse` takes the regions resolved for the TFs (multi-models), `sparse` bound and
    GC-matched unbound regions of one TF (individual models)."""
    sampling: Sampling
    dataset: str
    """Fingerprint of the dataset's regions and of these TFs' evidence."""
    excluded: "RegionSpec | None" = None
    """Regions of another model that are left out: for an individual model those that its
    multi-model trains or validates on, for a multi-model all those of the individual model that
    it is made for."""
    rows: RowRule = field(default="complete", metadata={"late": True})
    """Regions of a multi-model: those resolved for all its TFs (paper), or for one at least, the
    cells of the others without weight."""

    def __post_init__(self) -> None:
        if not self.tfs:
            raise ValueError("a run needs a TF")
        if len(set(self.tfs)) != len(self.tfs):
            raise ValueError(f"a TF stands twice in {self.tfs}")
        if self.view not in VIEWS:
            raise ValueError(f"no view is named {self.view!r}; there are: {', '.join(VIEWS)}")
        if self.view == "sparse" and len(self.tfs) > 1:
            raise ValueError("an individual model has one TF")
        if self.rows not in get_args(RowRule):
            raise ValueError(f"rows is {self.rows!r}; give one of {', '.join(get_args(RowRule))}")
        if self.view == "sparse" and self.rows != "complete":
            raise ValueError("an individual model has one TF, which resolves its regions or not")

    @property
    def is_masked(self) -> bool:
        """Whether they are a masked multi-model's: every cell resolved for its TF counts."""
        return self.rows == "resolved"

    @property
    def is_fold(self) -> bool:
        """Whether they are those of one fold of a cross-validation."""
        return self.sampling.fold is not None

    @property
    def is_judged_by_folds(self) -> bool:
        """Whether a model learns from all of them, and others test them fold by fold."""
        return self.sampling.is_judged_by_folds


@dataclass(frozen=True, kw_only=True)
class BaseStart:
    """A base in place of a run to start from: a masked multi-model that comes with bindgrid."""

    name: str
    sha256: str
    """Checksum of the weights that are started from."""
    tfs: tuple[str, ...]
    """TFs that it was trained on."""
    seen_chroms: tuple[str, ...] = ()
    """Chromosomes of the dataset whose regions it was trained on; none of another species."""

    @property
    def key(self) -> str:
        """What names it where a run that is started from has its key."""
        return self.sha256[:16]


class MotifChoice(StrEnum):
    """How the regions of a run choose the motifs of its terms, in place of a motif's name."""

    AUTO = "auto"
    """From the TF's own matrices and all other profiles of JASPAR."""
    OWN_HIDDEN = "auto-own-hidden"
    """As `AUTO`, without the TF's own matrices: a control."""
    SIMILAR_HIDDEN = "auto-similar-hidden"
    """Also without any profile of its binding modes: a control."""


class Rival(StrEnum):
    """A way to predict binding without a network, see `orchestrator.runs.rivals`."""

    ALL_MOTIFS = "all-motifs"
    """Logistic regression on the best hits of all motifs of JASPAR, and GC."""
    K_MERS = "k-mers"
    """Linear support vector machine on the numbers of k-mers."""
    GKM_SVM = "gkm-svm"
    """Linear support vector machine on the numbers of gapped k-mers."""
    LS_GKM = "ls-gkm"
    """LS-GKM (Lee 2016, doi 10.1093/bioinformatics/btw142), a program of its own."""
    OPENNESS = "openness"
    """Logistic regression on GC and the number of biosamples in which a region is open."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training, or with `training=None` one scoring of a network, a motif or a rival."""

    regions: RegionSpec
    network: NetworkConfig
    training: TrainingConfig | None
    """None: the start's weights are scored as they are."""
    seed: int
    """Seed of initialization, shuffling and dropout."""
    start: "RunSpec | BaseStart | None" = None
    """The pre-training run, or the base, whose weights this one starts from; None: from scratch."""
    layers: Literal["hidden", "all"] = "hidden"
    """Which layers come from the start; the paper copies all but the output (`hidden`)."""
    average_strands: bool = field(default=False, metadata={"late": True})
    """Whether test regions are predicted on both strands, and the mean taken. Paper: forward."""
    motif: str = field(default="", metadata={"late": True})
    """Motif, such as JASPAR's MA0080.5, whose best hit is scored: in place of a network, or as a
    term of one that has a `motif_width`. A value of :class:`MotifChoice` lets the regions choose
    the motifs; the network of the finished run then has their widths."""
    rival: str = field(default="", metadata={"late": True})
    """A :class:`Rival` in place of a network, fitted to the regions that a network would be trained
    and validated on."""
    jaspar: str = field(default="", metadata={"late": True})
    """Part of JASPAR that the regions choose from, or that a rival takes all motifs of, such as
    `JASPAR2022 CORE plants`; empty for the paper's, 2020 and vertebrates, and where none is."""
    many_motifs: bool = field(default=False, metadata={"late": True})
    """Whether the best hits of many motifs, of all that the regions choose from, are a further
    term of the logits (`model.training.many_motifs`); for a training that fits the output layer
    alone."""
    gapped_kmers: bool = field(default=False, metadata={"late": True})
    """Whether gapped k-mers are a term beside many motifs."""

    def __post_init__(self) -> None:
        if self.rival:
            Rival(self.rival)
            if self.regions.view != "sparse" or self.training or self.start or self.motif:
                raise ValueError("a rival has the regions of one TF and nothing of a network")
            return
        if self.motif and self.regions.view != "sparse":
            raise ValueError("a motif is scored on the regions of one TF")
        if self.motif_choice is not None and (not self.training or self.network.motif_width):
            raise ValueError("motifs are chosen by a training, for a network without terms")
        if self.jaspar and self.motif_choice is None:
            raise ValueError("a part of JASPAR is named where the regions choose motifs of it")
        fits_output = self.training is not None and self.training.learns_from_val
        if self.many_motifs and (self.motif_choice is None or not fits_output):
            raise ValueError(
                "many motifs are a term where the regions choose motifs and the output layer alone "
                "is fitted"
            )
        if self.gapped_kmers and not self.many_motifs:
            raise ValueError("gapped k-mers are a term beside many motifs")
        named = self.motif and self.motif_choice is None
        if bool(named and self.training) != bool(self.network.motif_width):
            raise ValueError("a network has the motif's width if and only if it has its term")
        if self.motif and self.start and not self.training:
            raise ValueError("a motif is scored as it is, and starts from no network")
        needs_start = self.training is None and not self.motif
        if needs_start and (self.start is None or self.layers != "all"):
            raise ValueError("scoring needs a start and all of its layers")
        if isinstance(self.start, BaseStart) and self.layers == "all":
            raise ValueError("a base lends its hidden layers alone")
        if self.layers == "hidden" and self.network.num_tfs != len(self.regions.tfs):
            raise ValueError(
                f"the network has {self.network.num_tfs} outputs for {len(self.regions.tfs)} TFs"
            )

    @property
    def motif_choice(self) -> MotifChoice | None:
        """How the regions choose motifs; None where they do not."""
        return MotifChoice(self.motif) if self.motif in set(MotifChoice) else None

    @property
    def start_run(self) -> "RunSpec | None":
        """The run that it starts from; None from scratch or from a base."""
        return None if isinstance(self.start, BaseStart) else self.start

    @property
    def pretrained_on(self) -> tuple[str, ...]:
        """TFs of the multi-model that it starts from; none from scratch."""
        if isinstance(self.start, BaseStart):
            return self.start.tfs
        return () if self.start is None else self.start.regions.tfs

    @cached_property
    def key(self) -> str:
        """Hash of the canonical JSON, 16 hexadecimal digits."""
        canonical = json.dumps(
            {"version": SPEC_VERSION, **_canonical(self)}, sort_keys=True, separators=(",", ":")
        )
        return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()

    @cached_property
    def folds(self) -> "tuple[RunSpec, ...]":
        """Runs that test what this one learns from, a fold each; none where it tests itself.

        A rival is fitted in seconds, to each fold in the same run.
        """
        sampling = self.regions.sampling
        if not sampling.is_judged_by_folds or self.rival:
            return ()
        return tuple(
            replace(self, regions=replace(self.regions, sampling=sampling.of_fold(number)))
            for number in range(len(sampling.folds))
        )


def _canonical(value: Any) -> Any:
    """Dataclasses as dictionaries, without late fields that hold their default."""
    if not is_dataclass(value):
        return value
    return {
        one.name: _canonical(getattr(value, one.name))
        for one in fields(value)
        if not (one.metadata.get("late") and getattr(value, one.name) == one.default)
    }
