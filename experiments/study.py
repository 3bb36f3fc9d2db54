"""What every experiment is told, and how it collects its runs.

An experiment is a function of a loaded dataset and a :class:`Study` that gives a
:class:`PlannedStudy`. Its sizes come from a :class:`Scale`: the paper's, or a laptop's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from data.binding_modes import BindingModes, load_modes
from data.errors import DataError
from data.lab_tf import added_motif
from data.motifs import Motif
from data.sampling import Part, Sampling, individual_pools
from data.store import Dataset
from data.string_links import StringLinks
from experiments.pretraining import Pretraining, WantedTFs
from experiments.settings import SpecBuilder, Trainings
from model.network import published
from orchestrator.cost import RunSize
from orchestrator.loaded_dataset import LoadedDataset
from orchestrator.motif_scores import motif_of
from orchestrator.plan import Arm, PlannedRun
from orchestrator.spec import RegionSpec, RunSpec

WITH_MOTIF: Final = ", with the motif"
"""End of a pre-training set's name where the motif is a term of the individual model's logits."""


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
    mode_models: int | None = None
    """Multi-models of `peaks-needed` that lack the binding modes of some of its targets; None takes
    one for each target, 0 leaves that arm out."""
    num_bound: int = 1000
    """Bound regions of an individual model in `binding-modes` and `pretraining-sets`."""
    set_regions: int | None = 70_000
    """Most regions of a multi-model in `pretraining-sets`, so that sets differ in their TFs
    alone; the authors' scripts take 70,000 of 1.8 million."""
    replicates: int = 1
    """Of `transfer` and `binding-modes`."""
    repeats: int = 5
    """Replicates of `downsampling` and `pretraining-sets`; the paper has 5."""
    trainings: Trainings = field(default_factory=Trainings)

    def __post_init__(self) -> None:
        if min(self.replicates, self.repeats) < 1:
            raise ValueError(f"replicates is {min(self.replicates, self.repeats)}; give 1 or more")
        for num_bound in (self.transfer_bound, self.num_bound, *self.sizes, *self.peak_sizes):
            Sampling(num_bound=num_bound)
        Sampling(max_multi_regions=self.set_regions)
        if not self.sizes or not self.peak_sizes:
            raise ValueError("no sizes; give at least one")
        if self.mode_models is not None and self.mode_models < 0:
            raise ValueError(f"mode_models is {self.mode_models}; give 0 or more")


SCALES: Final[Mapping[str, Scale]] = {
    "paper": Scale(),
    "laptop": Scale(
        transfer_bound=1000,
        at_most=True,
        mode_models=2,
        set_regions=20_000,
        repeats=2,
        trainings=Trainings().with_epochs(multi=8),
    ),
}
"""`laptop` takes a night on two cores with the paper's TFs on nine chromosomes."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What to run; the defaults are the paper's."""

    tfs: tuple[str, ...] = ()
    """Target TFs; empty takes each experiment's own."""
    pretrain_tfs: WantedTFs = 50
    """TFs of the multi-model: names, or how many of those with most resolved regions; None: all."""
    pretraining: Pretraining = field(default_factory=Pretraining)
    """Which regions the multi-model learns from, and which TFs it must not know."""
    seed: int = 0
    """The first replicate's seed; the next one's is one more."""
    sampling: Sampling = field(default_factory=Sampling)
    """How regions are split; the numbers come from the scale."""
    scale: Scale = field(default_factory=Scale)
    modes: BindingModes = field(default_factory=load_modes)
    """Binding modes of the TFs."""
    links: StringLinks | None = None
    """STRING's links; None leaves out the sets of STRING partners."""
    network: str = "paper"
    """Which network, of `model.network.NETWORKS`. With another than the paper's, the names of
    pre-training sets say so, that results of both are told apart."""
    motif: bool = False
    """Whether transfer from a masked multi-model is tried with the TF's motif as a term of the
    logits too, in `transfer`, `downsampling` and `binding-modes`; beyond the paper."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give 0 or more")
        published(self.network, num_tfs=1)
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
            trainings=self.scale.trainings,
            sampling=self.sampling,
            rows=self.pretraining.rows,
            network=self.network,
        )

    def about(self, tfs: tuple[str, ...]) -> "Study":
        """The same study on other target TFs."""
        return replace(self, tfs=tfs)


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """An experiment's runs, and what it had to leave out."""

    runs: tuple[PlannedRun, ...]
    sizes: dict[str, RunSize] = field(default_factory=dict)
    """By run key."""
    remarks: tuple[str, ...] = ()
    """What is left out or smaller than asked for, and why; each once."""

    def __add__(self, other: "PlannedStudy") -> "PlannedStudy":
        """Both studies' runs, in this order; a `Plan` runs each once."""
        return PlannedStudy(
            runs=(*self.runs, *other.runs),
            sizes={**self.sizes, **other.sizes},
            remarks=tuple(dict.fromkeys((*self.remarks, *other.remarks))),
        )


class Draft:
    """Collects the runs of one experiment; each is checked to have its regions.

    Parameters
    ----------
    experiment
        Its name.
    loaded, study
        Dataset and settings.
    """

    def __init__(self, experiment: str, loaded: LoadedDataset, study: Study) -> None:
        self.loaded = loaded
        self.study = study
        self.builder = study.builder(loaded.dataset)
        self._experiment = experiment
        self._runs: list[PlannedRun] = []
        self._sizes: dict[str, RunSize] = {}
        self._remarks: dict[str, str] = {}

    def add(self, spec: RunSpec, arm: Arm, **role: Any) -> None:
        """Add a run; `role` is what `PlannedRun` calls it.

        Raises
        ------
        DataError
            If there are too few regions: told now, and not after hours.
        """
        selection = self.loaded.select(spec.regions)
        train, val, test = (len(selection.rows(part)) for part in Part)
        if spec.training is None:
            train = val = 0
        self._sizes[spec.key] = RunSize(num_train=train, num_val=val, num_test=test)
        if role.get("pretraining_set") and spec.network.name != "paper":
            role["pretraining_set"] += f", {spec.network.name}"
        self._runs.append(PlannedRun(spec=spec, experiment=self._experiment, arm=arm, **role))

    def leave_out(self, what: str, reason: str) -> None:
        """Note what is not planned, and why; of its replicates the first is noted."""
        self.remark(f"left out {what}", reason)

    def remark(self, what: str, text: str) -> None:
        """Note what there is to say of a thing, once."""
        self._remarks.setdefault(what, f"{self._experiment}: {what}: {text}")

    def leave_out_or_raise(self, tf: str, error: DataError) -> None:
        """Note that a TF has too few regions, unless the user asked for it by name."""
        if tf in self.study.tfs:
            raise error
        self.leave_out(tf, str(error))

    def num_bound(self, tf: str, multi: RunSpec, wanted: int | None) -> int | None:
        """Bound regions to sample: `wanted`, or None (all) where there are fewer."""
        everything = self.builder.individual_regions(
            tf, seed=multi.seed, num_bound=None, multi=multi
        )
        bound, _ = individual_pools(
            self.loaded.regions,
            self.loaded.column(tf),
            everything.sampling,
            excluded=self.loaded.excluded(everything),
        )
        return wanted if wanted is not None and wanted <= len(bound) else None

    def transfer_regions(self, tf: str, *, multi: RunSpec) -> RegionSpec:
        """Regions of an individual model of experiment `transfer`."""
        scale = self.study.scale
        num_bound = scale.transfer_bound
        if scale.at_most:
            num_bound = self.num_bound(tf, multi, num_bound)
        return self.builder.individual_regions(
            tf, seed=multi.seed, num_bound=num_bound, multi=multi
        )

    def add_pair(
        self, regions: RegionSpec, *, multi: RunSpec, pretraining_set: str, **role: Any
    ) -> None:
        """Add an individual model from scratch and one by transfer, on the same regions.

        If the study wants the motif, a second one by transfer has its term; of a TF without a
        known motif that is left out, and noted.
        """
        self.add(self.builder.scratch(regions), "scratch", **role)
        spec = self.builder.transfer(regions, multi=multi)
        self.add(spec, "transfer", pretraining_set=pretraining_set, **role)
        if self.study.motif and multi.regions.rows == "resolved":
            motif = self.motif(regions.tfs[0])
            if motif is not None:
                beside = self.builder.transfer(regions, multi=multi, motif=motif)
                set_name = pretraining_set + WITH_MOTIF
                self.add(beside, "transfer", pretraining_set=set_name, **role)

    def motif(self, tf: str) -> Motif | None:
        """Motif that a TF was added by, or else JASPAR's of its name; None, noted, without one."""
        try:
            return added_motif(self.loaded.dataset, tf) or motif_of(tf)
        except DataError as error:
            self.leave_out(f"the motif of {tf}", str(error))
            return None

    def done(self) -> PlannedStudy:
        """Give what was collected."""
        return PlannedStudy(
            runs=tuple(self._runs), sizes=self._sizes, remarks=tuple(self._remarks.values())
        )


def size_name(num_bound: int | None, *, at_most: bool = False) -> str:
    """Name of a number of regions for tags and tables."""
    if num_bound is None:
        return "all regions"
    return f"at most {num_bound} bound" if at_most else f"{num_bound} bound"
