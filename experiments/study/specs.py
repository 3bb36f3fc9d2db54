"""How an experiment builds the specs of its multi-models and individual models."""

from dataclasses import dataclass, replace

from data.dataset.sampling import RowRule, Sampling
from data.dataset.store import Dataset
from data.motifs.motif import Motif
from data.schema import Evidence
from experiments.study.trainings import ModelKind, Trainings
from model.network_config import NetworkConfig, published
from orchestrator.runs.motif_baseline import motif_name
from orchestrator.spec import BaseStart, MotifChoice, RegionSpec, Rival, RunSpec


@dataclass(frozen=True, kw_only=True)
class SpecBuilder:
    """Makes the specs of multi-models and of individual models on one dataset."""

    dataset: Dataset
    trainings: Trainings
    sampling: Sampling
    """How regions are split; number and seed are given for each spec."""
    rows: RowRule = "complete"
    """Regions of multi-models: those resolved for all of their TFs, or for one at least."""
    average_strands: bool = False
    """Whether individual models predict both strands of their test regions."""
    network: str = "paper"
    """Which network, of `model.network_config.NETWORKS`."""

    @property
    def is_masked(self) -> bool:
        """Whether multi-models learn from every resolved cell."""
        return self.rows == "resolved"

    def multi(
        self,
        tfs: tuple[str, ...],
        *,
        seed: int,
        max_regions: int | None = None,
        apart_from: RegionSpec | None = None,
    ) -> RunSpec:
        """Spec of a multi-model trained from scratch on some TFs.

        Parameters
        ----------
        tfs
            TFs, in the order of the outputs.
        seed
            Seed of the regions, the initialization and the training.
        max_regions
            Most regions to learn from; None takes all that are resolved for the TFs.
        apart_from
            The individual model's regions that it must not see; None where the individual model
            avoids the multi-model's regions instead.
        """
        return RunSpec(
            regions=RegionSpec(
                tfs=tfs,
                view="less-sparse",
                sampling=replace(
                    self.sampling,
                    seed=seed,
                    num_bound=None,
                    max_multi_regions=max_regions,
                    unbound_match="gc",  # a multi-model draws no unbound regions
                ),
                dataset=self.dataset.fingerprint(tfs),
                excluded=apart_from,
                rows=self.rows,
            ),
            network=published(self.network, num_tfs=len(tfs)),
            training=self.trainings.training_for(
                ModelKind.MASKED_MULTI if self.is_masked else ModelKind.MULTI
            ),
            seed=seed,
        )

    def individual_regions(
        self, tf: str, *, seed: int, num_bound: int | None, multi: RunSpec | None = None
    ) -> RegionSpec:
        """Regions of an individual model; it is tested on none that the multi-model has seen.

        Where regions are held back from all multi-models, the individual model takes only those.
        In a split by chromosome it may train on the chromosomes that a masked multi-model trained
        on, by the labels of other TFs: there are hardly any others.
        """
        masked_chroms = self.is_masked and self.sampling.split == "chromosome"
        apart = self.sampling.held_back is None and not masked_chroms
        return RegionSpec(
            tfs=(tf,),
            view="sparse",
            sampling=replace(self.sampling, seed=seed, num_bound=num_bound),
            dataset=self.dataset.fingerprint([tf]),
            excluded=multi.regions if multi is not None and apart else None,
        )

    def scratch(self, regions: RegionSpec) -> RunSpec:
        """Spec of an individual model from scratch."""
        return RunSpec(
            regions=regions,
            network=published(self.network, num_tfs=1),
            training=self.trainings.training_for(ModelKind.SCRATCH),
            seed=regions.sampling.seed,
            average_strands=self.average_strands,
        )

    def transfer(
        self,
        regions: RegionSpec,
        *,
        multi: RunSpec | BaseStart,
        motif: Motif | MotifChoice | None = None,
        many_motifs: bool = False,
    ) -> RunSpec:
        """Spec of an individual model that starts from a multi-model's hidden layers.

        Parameters
        ----------
        multi
            The run of the multi-model, or a base, which is a masked one.
        motif
            The motif whose best hit is a term of the logits, or how the regions choose motifs;
            None adds no term (paper).
        many_motifs
            Whether many motifs are a further term, beside those that the regions choose. It is left
            out where there are too many regions to fit the output layer alone. By default it is
            not there.
        """
        masked = isinstance(multi, BaseStart) or multi.regions.is_masked
        kind = ModelKind.MASKED_TRANSFER if masked else ModelKind.TRANSFER
        trainings = self.trainings.fitting_output() if many_motifs else self.trainings
        training = trainings.training_for(kind, self._num_bound(regions))
        network = published(self.network, num_tfs=1)
        name = jaspar = ""
        if isinstance(motif, MotifChoice):
            name, jaspar = motif.value, self.dataset.jaspar.recorded
        elif motif is not None:
            name, network = motif_name(motif), replace(network, motif_width=motif.length_bp)
        return RunSpec(
            regions=regions,
            network=network,
            motif=name,
            jaspar=jaspar,
            many_motifs=many_motifs and training.learns_from_val,
            training=training,
            seed=regions.sampling.seed,
            start=multi,
            average_strands=self.average_strands,
        )

    def motif_alone(self, regions: RegionSpec, matrix_id: str) -> RunSpec:
        """Spec of scoring the best hit of a motif, with nothing to train but a threshold."""
        return RunSpec(
            regions=regions,
            network=NetworkConfig(num_tfs=1),
            training=None,
            seed=regions.sampling.seed,
            motif=matrix_id,
        )

    def rival(self, regions: RegionSpec, rival: Rival) -> RunSpec:
        """Spec of a rival: a way to predict binding without a network, on the same regions."""
        return RunSpec(
            regions=regions,
            network=NetworkConfig(num_tfs=1),
            training=None,
            seed=regions.sampling.seed,
            rival=rival.value,
            jaspar=self.dataset.jaspar.recorded if rival is Rival.ALL_MOTIFS else "",
        )

    def scored_multi(self, regions: RegionSpec, *, multi: RunSpec) -> RunSpec:
        """Spec of scoring a multi-model on the test regions of some of its TFs."""
        return RunSpec(
            regions=regions,
            network=multi.network,
            training=None,
            seed=regions.sampling.seed,
            start=multi,
            layers="all",
        )

    def _num_bound(self, regions: RegionSpec) -> int:
        """Bound regions that an individual model is given, including those to test on."""
        if regions.sampling.train_bound is not None:
            return regions.sampling.train_bound
        num_bound = regions.sampling.num_bound
        if num_bound is None:
            num_bound = self.dataset.summary(regions.tfs[0]).count(Evidence.BOUND)
        return round(num_bound * (regions.sampling.train_fraction or 1))
