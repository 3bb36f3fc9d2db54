"""How large a study is: the paper's size, or a laptop's; `trainings` says how models train."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from data.dataset.sampling import Sampling


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large a study is; the defaults are the paper's."""

    transfer_bound: int | None = None
    """Bound regions of an individual model in `transfer`; None takes all (the paper)."""
    at_most: bool = False
    """Whether in `transfer` a TF with fewer bound regions takes part with all that it has; it is
    left out otherwise."""
    sizes: tuple[int | None, ...] = (None, 1000, 500)
    """Bound regions of each step of `downsampling`; None is all."""
    peak_sizes: tuple[int | None, ...] = (25, 50, 100, 250, 500, 1000)
    """Bound regions of each step of `peaks-needed`; None is all."""
    exact_sizes: bool = False
    """Whether the sizes of `peaks-needed` are the bound regions to train and validate on; otherwise
    they are sampled before the split, and count those to test on too."""
    mode_models: int | None = None
    """Multi-models of `peaks-needed` that lack the binding modes of some of its targets; None takes
    one for each target, 0 leaves that arm out."""
    num_bound: int = 1000
    """Bound regions of an individual model in `binding-modes` and `pretraining-sets`."""
    set_regions: int | None = 70_000
    """Most regions of a multi-model in `pretraining-sets`, so that sets differ in their TFs
    alone; the authors' scripts take 70,000 of 1.8 million."""
    replicates: int = 1
    """Replicates of the experiments on all TFs: `transfer`, `binding-modes`, `interpretation`."""
    target_replicates: int = 5
    """Replicates of the experiments on a few targets: `downsampling`, `pretraining-sets` (the paper
    has 5 of both), `peaks-needed` and `own-tf`."""

    def __post_init__(self) -> None:
        fewest = min(self.replicates, self.target_replicates)
        if fewest < 1:
            raise ValueError(f"replicates is {fewest}; give 1 or more")
        for num_bound in (self.transfer_bound, self.num_bound, *self.sizes, *self.peak_sizes):
            Sampling(num_bound=num_bound)
        Sampling(max_multi_regions=self.set_regions)
        if not self.sizes or not self.peak_sizes:
            raise ValueError("no sizes; give at least one")
        if self.mode_models is not None and self.mode_models < 0:
            raise ValueError(f"mode_models is {self.mode_models}; give 0 or more")

    def with_replicates(self, number: int) -> "Scale":
        """Give every experiment so many replicates."""
        return replace(self, replicates=number, target_replicates=number)


SCALES: Final[Mapping[str, Scale]] = {
    "paper": Scale(),
    "laptop": Scale(
        transfer_bound=1000,
        at_most=True,
        mode_models=2,
        set_regions=20_000,
        target_replicates=2,
    ),
}
"""`laptop` takes a night on two cores with the paper's TFs on nine chromosomes."""
