"""What an experiment collects its runs in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from data.dataset.sampling import Part
from data.dataset.selection import individual_pools
from data.errors import DataError
from data.motifs.motif import Motif
from data.own_tf.record import added_motif
from experiments.study.specs import SpecBuilder
from experiments.study.study import Study
from orchestrator.backends.cost import RunSize
from orchestrator.plan import PlannedRun, Remark
from orchestrator.role import RunRole, RunVariant, SetKind
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.motif_baseline import motif_of
from orchestrator.spec import MotifChoice, RegionSpec, Rival, RunSpec


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """An experiment's runs, and what it had to leave out."""

    runs: tuple[PlannedRun, ...]
    sizes: dict[str, RunSize] = field(default_factory=dict)
    """By run key."""
    remarks: tuple[Remark, ...] = ()
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
        self._remarks: dict[str, Remark] = {}

    def add(self, spec: RunSpec, role: RunRole) -> None:
        """Add a run, after its folds; its role gets the experiment and the network from here.

        Raises
        ------
        DataError
            If there are too few regions, which is reported now and not after hours.
        """
        for number, fold in enumerate(spec.folds, start=1):
            self.add(fold, replace(role, fold=number))
        selection = self.loaded.select(spec.regions)
        train, val, test = (len(selection.rows(part)) for part in Part)
        if spec.training is None:
            train = val = 0
        self._sizes[spec.key] = RunSize(num_train=train, num_val=val, num_test=test)
        role = replace(
            role,
            experiment=self._experiment,
            network=spec.network.name,
            unbound_match=spec.regions.sampling.unbound_match,
        )
        self._runs.append(PlannedRun(spec=spec, role=role))

    def leave_out(self, what: str, reason: str) -> None:
        """Note what is not planned, and why; of its replicates the first is noted."""
        self.remark(f"left out {what}", reason)

    def remark(self, what: str, text: str) -> None:
        """Note a remark once."""
        remark = Remark(experiment=self._experiment, text=f"{what}: {text}")
        self._remarks.setdefault(what, remark)

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

    def add_pair(self, regions: RegionSpec, *, multi: RunSpec, role: RunRole) -> None:
        """Add an individual model from scratch and one by transfer, on the same regions.

        If the study wants the motif, a second one by transfer has its term, or those of the motifs
        that the regions choose; a TF without a known motif has none by name, which is noted.

        Parameters
        ----------
        role
            Role of the run by transfer.
        """
        self.add(self.builder.scratch(regions), from_scratch(role))
        self.add(self.builder.transfer(regions, multi=multi), role)
        if self.study.motif and multi.regions.is_masked:
            motif: Motif | MotifChoice | None = MotifChoice.AUTO
            variant = RunVariant.CHOSEN_MOTIFS
            if not self.study.chosen_motifs:
                motif, variant = self.motif(regions.tfs[0]), RunVariant.WITH_MOTIF
            if motif is not None:
                beside = self.builder.transfer(regions, multi=multi, motif=motif)
                self.add(beside, replace(role, variant=variant))
            if self.study.many_motifs:
                self.add_many_motifs(self.builder, regions, multi, role)

    def add_many_motifs(
        self, builder: SpecBuilder, regions: RegionSpec, multi: RunSpec, role: RunRole
    ) -> None:
        """Add a model by transfer with the motifs that its regions choose, and many more.

        And one with gapped k-mers beside them, where the study has them. Where there are too many
        regions, both are left out, and noted.
        """
        spec = builder.transfer(regions, multi=multi, motif=MotifChoice.AUTO, many_motifs=True)
        if not spec.many_motifs:
            self.leave_out(
                f"many motifs of {role.tf}", "its regions are enough to train all layers"
            )
            return
        self.add(spec, replace(role, variant=RunVariant.MANY_MOTIFS))
        if self.study.gapped_kmers:
            beside = replace(spec, gapped_kmers=True)
            self.add(beside, replace(role, variant=RunVariant.GAPPED_KMERS))

    def motif(self, tf: str) -> Motif | None:
        """Motif that a TF was added by, or else JASPAR's of its name; None, noted, without one."""
        try:
            dataset = self.loaded.dataset
            return added_motif(dataset, tf) or motif_of(tf, dataset.jaspar)
        except DataError as error:
            self.leave_out(f"the motif of {tf}", str(error))
            return None

    def add_rivals(self, regions: RegionSpec, role: RunRole, rivals: Sequence[Rival]) -> None:
        """Add rivals on some regions; one that the dataset does not allow is left out, and noted.

        Parameters
        ----------
        role
            Of the run from scratch on the same regions.
        """
        for rival in rivals:
            if rival is Rival.OPENNESS and not self.loaded.dataset.biosamples:
                self.leave_out(
                    f"the rival {rival}", "the dataset says of no biosample where regions are open"
                )
                continue
            self.add(self.builder.rival(regions, rival), replace(role, arm=rival.value))

    def done(self) -> PlannedStudy:
        """Give what was collected."""
        return PlannedStudy(
            runs=tuple(self._runs), sizes=self._sizes, remarks=tuple(self._remarks.values())
        )


def multi_role(study: Study, tfs: tuple[str, ...], replicate: int) -> RunRole:
    """Role of the training of the study's multi-model on some TFs."""
    kind = SetKind.NAMED if isinstance(study.pretrain_tfs, tuple) else SetKind.COMPLETE
    return RunRole(
        experiment="",
        arm="multi",
        tf="",
        replicate=replicate,
        set_kind=SetKind.MASKED if study.pretraining.is_masked else kind,
        set_label=study.set_name(tfs),
    )


def from_scratch(role: RunRole) -> RunRole:
    """Role of the run from scratch beside a run by transfer."""
    return replace(role, arm="scratch", set_kind=SetKind.NONE, set_label="", with_target=False)
