"""The settings of a study, which every experiment gets.

An experiment is a function of a loaded dataset and a :class:`Study` that gives a
:class:`PlannedStudy`. Its sizes come from a :class:`Scale`: the paper's, or a laptop's.
"""

from dataclasses import dataclass, field, replace

from data.dataset.sampling import Sampling
from data.dataset.store import Dataset
from data.relations.binding_modes import BindingModes, load_modes
from data.relations.string_links import StringLinks
from experiments.study.pretraining import Pretraining, WantedTFs
from experiments.study.scale import Scale
from experiments.study.specs import SpecBuilder
from experiments.study.trainings import Trainings
from model.network_config import published


@dataclass(frozen=True, kw_only=True)
class Study:
    """What to run; the defaults are the paper's."""

    tfs: tuple[str, ...] = ()
    """Target TFs; empty takes each experiment's own."""
    pretrain_tfs: WantedTFs = 50
    """TFs of the multi-model: names, or how many of those with most resolved regions; None: all."""
    pretraining: Pretraining = field(default_factory=Pretraining)
    """Which regions the multi-model learns from, and which TFs are left out of it."""
    seed: int = 0
    """The first replicate's seed; the next one's is one more."""
    sampling: Sampling = field(default_factory=Sampling)
    """How regions are split; the numbers come from the scale."""
    scale: Scale = field(default_factory=Scale)
    """How many regions, replicates and multi-models each experiment has."""
    trainings: Trainings = field(default_factory=Trainings)
    """How models are trained."""
    modes: BindingModes = field(default_factory=load_modes)
    """Binding modes of the TFs."""
    links: StringLinks | None = None
    """STRING's links; None leaves out the sets of STRING partners."""
    network: str = "paper"
    """Which network, of `model.network_config.NETWORKS`. With any other than the paper's, the names
    of pre-training sets say so, which keeps the results apart."""
    motif: bool = False
    """Whether transfer from a masked multi-model is tried with the TF's motif as a term of the
    logits too, in `transfer`, `downsampling` and `binding-modes`; beyond the paper."""
    chosen_motifs: bool = False
    """Whether the regions choose the motifs of the terms, in place of the motif of the TF's name;
    `peaks-needed` then has the arms that hide the TF's motifs too."""
    many_motifs: bool | None = None
    """Whether many of the motifs that the regions choose from are a further term, where
    there are few enough regions to fit the output layer alone; `peaks-needed` then has an arm
    more. None lets `own-tf` decide by the number of regions; no other experiment has them then."""
    gapped_kmers: bool = False
    """Whether gapped k-mers are a term wherever many motifs are one in `own-tf`; the other
    experiments that have many motifs then have an arm more."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give 0 or more")
        published(self.network, num_tfs=1)
        if self.many_motifs and not self.chosen_motifs:
            raise ValueError("many motifs are a term where the regions choose motifs")
        if isinstance(self.pretrain_tfs, int) and self.pretrain_tfs < 1:
            raise ValueError(f"pretrain_tfs is {self.pretrain_tfs}; give 1 or more")

    def multi_model_tfs(self, dataset: Dataset) -> tuple[str, ...]:
        """TFs of the multi-model.

        Raises
        ------
        DataError
            If a TF is unknown.
        RunError
            If there are fewer TFs than wanted, or none.
        """
        return self.pretraining.tfs(dataset, self.pretrain_tfs, self.modes)

    def set_name(self, tfs: tuple[str, ...]) -> str:
        """Name of the multi-model's TFs for tags and tables."""
        return self.pretraining.name(self.pretrain_tfs, tfs)

    def builder(self, dataset: Dataset) -> SpecBuilder:
        """Give what makes specs of the study's settings."""
        return SpecBuilder(
            dataset=dataset,
            trainings=self.trainings,
            sampling=self.sampling,
            rows=self.pretraining.rows,
            network=self.network,
        )

    def about(self, tfs: tuple[str, ...]) -> "Study":
        """The same study on other target TFs."""
        return replace(self, tfs=tfs)
