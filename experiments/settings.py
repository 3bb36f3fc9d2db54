"""The settings of the paper's trainings, and how an experiment builds specs from them.

Departures from Novakovsky et al. 2021: early stopping of multi-models has a patience of
`MULTI_PATIENCE` epochs, which the paper does not state.
"""

from dataclasses import dataclass, replace
from typing import Final

from data.sampling import Sampling
from data.store import Dataset
from model.network import NetworkConfig
from model.training import TrainingConfig
from orchestrator.spec import RegionSpec, RunSpec

MULTI_PATIENCE: Final = 4

MULTI_TRAINING: Final = TrainingConfig(lr=0.003, max_epochs=15, patience=MULTI_PATIENCE)
"""The paper: Adam, lr 0.003, batches of 100, at most 15 epochs."""
SCRATCH_TRAINING: Final = TrainingConfig(lr=0.003, max_epochs=10)
"""The paper: lr 0.003, 10 epochs."""
TRANSFER_TRAINING: Final = TrainingConfig(lr=0.0003, max_epochs=10)
"""The paper: lr 0.0003, 10 epochs."""


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """How each kind of model is trained; the defaults are the paper's."""

    multi: TrainingConfig = MULTI_TRAINING
    scratch: TrainingConfig = SCRATCH_TRAINING
    transfer: TrainingConfig = TRANSFER_TRAINING

    def with_epochs(self, *, multi: int, individual: int) -> "Trainings":
        """Set how many epochs a multi-model and an individual model train at most."""
        return Trainings(
            multi=replace(self.multi, max_epochs=multi),
            scratch=replace(self.scratch, max_epochs=individual),
            transfer=replace(self.transfer, max_epochs=individual),
        )


@dataclass(frozen=True, kw_only=True)
class SpecBuilder:
    """Makes the specs of multi-models and of individual models on one dataset."""

    dataset: Dataset
    trainings: Trainings
    sampling: Sampling
    """Of individual models; a multi-model takes all of its regions by the same split."""

    def multi(self, tfs: tuple[str, ...], *, seed: int) -> RunSpec:
        """Spec of a multi-model trained from scratch on some TFs."""
        return RunSpec(
            regions=RegionSpec(
                tfs=tfs,
                view="less-sparse",
                sampling=self._sampling(seed, num_bound=None),
                dataset=self.dataset.fingerprint(tfs),
            ),
            network=NetworkConfig(num_tfs=len(tfs)),
            training=self.trainings.multi,
            seed=seed,
        )

    def scratch(self, tf: str, *, multi: RunSpec, seed: int) -> RunSpec:
        """Spec of an individual model from scratch, on the regions of its transfer twin."""
        return RunSpec(
            regions=self._individual_regions(tf, multi, seed),
            network=NetworkConfig(num_tfs=1),
            training=self.trainings.scratch,
            seed=seed,
        )

    def transfer(self, tf: str, *, multi: RunSpec, seed: int) -> RunSpec:
        """Spec of an individual model that starts from a multi-model's hidden layers."""
        return RunSpec(
            regions=self._individual_regions(tf, multi, seed),
            network=NetworkConfig(num_tfs=1),
            training=self.trainings.transfer,
            seed=seed,
            start=multi,
        )

    def scored_multi(self, tf: str, *, multi: RunSpec, seed: int) -> RunSpec:
        """Spec of scoring a multi-model on the test regions of one of its TFs."""
        return RunSpec(
            regions=self._individual_regions(tf, multi, seed),
            network=multi.network,
            training=None,
            seed=seed,
            start=multi,
            layers="all",
        )

    def _individual_regions(self, tf: str, multi: RunSpec, seed: int) -> RegionSpec:
        return RegionSpec(
            tfs=(tf,),
            view="sparse",
            sampling=self._sampling(seed, num_bound=self.sampling.num_bound),
            dataset=self.dataset.fingerprint([tf]),
            excluded=multi.regions,
        )

    def _sampling(self, seed: int, *, num_bound: int | None) -> Sampling:
        return replace(self.sampling, seed=seed, num_bound=num_bound)
