"""The settings of the paper's trainings, and how an experiment builds specs from them.

Departures from Novakovsky et al. 2021: early stopping of multi-models has a patience of
`MULTI_PATIENCE` epochs, which the paper does not state.
"""

from dataclasses import dataclass, replace

from data.dataset.sampling import RowRule, Sampling
from data.dataset.store import Dataset
from data.motifs.motif import Motif
from data.schema import Evidence
from experiments.study.trainings import Trainings
from model.network import NetworkConfig, published
from model.training.loop import TrainingConfig
from orchestrator.runs.motif_baseline import motif_name
from orchestrator.spec import RegionSpec, RunSpec


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
    """Which network, of `model.network.NETWORKS`."""

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
            Of regions, initialization and training.
        max_regions
            Most regions; None takes all that are resolved for the TFs.
        apart_from
            The individual model's regions that it must not see; None where the individual model
            keeps apart from the multi-model instead.
        """
        return RunSpec(
            regions=RegionSpec(
                tfs=tfs,
                view="less-sparse",
                sampling=replace(
                    self.sampling, seed=seed, num_bound=None, max_multi_regions=max_regions
                ),
                dataset=self.dataset.fingerprint(tfs),
                excluded=apart_from,
                rows=self.rows,
            ),
            network=published(self.network, num_tfs=len(tfs)),
            training=self.trainings.multi if self.rows == "complete" else self.trainings.masked,
            seed=seed,
        )

    def individual_regions(
        self, tf: str, *, seed: int, num_bound: int | None, multi: RunSpec | None = None
    ) -> RegionSpec:
        """Regions of an individual model; none to test on that a multi-model, if given, has seen.

        Where regions are held back from all multi-models, all of them are of these. Of a masked
        multi-model's chromosomes the individual model may train on those that the multi-model
        trained on, by the labels of other TFs: there are hardly any others.
        """
        masked_chroms = self.rows == "resolved" and self.sampling.split == "chromosome"
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
            training=self.trainings.scratch,
            seed=regions.sampling.seed,
            average_strands=self.average_strands,
        )

    def transfer(
        self, regions: RegionSpec, *, multi: RunSpec, motif: Motif | None = None
    ) -> RunSpec:
        """Spec of an individual model that starts from a multi-model's hidden layers.

        Parameters
        ----------
        motif
            Whose best hit is a term of the logits; None for none (paper).
        """
        network = published(self.network, num_tfs=1)
        if motif is not None:
            network = replace(network, motif_width=motif.length_bp)
        return RunSpec(
            regions=regions,
            network=network,
            motif="" if motif is None else motif_name(motif),
            training=self._transfer_training(regions, multi),
            seed=regions.sampling.seed,
            start=multi,
            average_strands=self.average_strands,
        )

    def _transfer_training(self, regions: RegionSpec, multi: RunSpec) -> TrainingConfig:
        if multi.regions.rows != "resolved":
            return self.trainings.transfer
        num_bound = regions.sampling.num_bound
        if num_bound is None:
            num_bound = self.dataset.summary(regions.tfs[0]).count(Evidence.BOUND)
        return self.trainings.from_masked(round(num_bound * (regions.sampling.train_fraction or 1)))

    def motif_alone(self, regions: RegionSpec, matrix_id: str) -> RunSpec:
        """Spec of scoring the best hit of a motif, with nothing to train but a threshold."""
        return RunSpec(
            regions=regions,
            network=NetworkConfig(num_tfs=1),
            training=None,
            seed=regions.sampling.seed,
            motif=matrix_id,
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
