"""The runs that a verdict on one TF rests on: both arms, controls and a learning curve.

Per replicate, all on the same regions: transfer, the TF's motif a term of its logits; transfer
without it; scratch; scratch trained as transfer is, which separates the share of the multi-model
from that of the training; the motif alone; the two best rivals, which need no network, and openness
where the dataset has several biosamples. Transfer is trained on fractions of the regions too and
tested on the same test regions. All replicates start from the same multi-model; they differ in the
unbound regions drawn and in the seed of training.

A TF with few bound regions on the chromosome that would be held out is judged by cross-validation
over chromosomes instead: every run has folds of whole chromosomes, which are the same for all arms
and replicates, and itself learns from all regions. Each run is then trained once more for each
fold.

Where chromosomes are held out, transfer from a masked multi-model of more than `FEW_BOUND` bound
regions, and up to `MOST_FITTED`, has many motifs as a term, and fits the output layer alone. That
is as good as a fine-tuning of all layers with the motif of the TF's name, for a quarter of
the processor time. With folds, each of which would choose motifs anew, the motif of the name it is.

With folds, or from a base with chromosomes held out, what is trained is chosen by what it costs
(benchmarks/RESULTS.md): scratch, transfer without the motif and the learning curve have one
replicate, which is compared with the same one of transfer, on the same test regions. Where transfer
fits the output layer alone, the verdict on 500 peaks takes less than a minute: a fit takes seconds;
it has no learning rate, so the control at the transfer rate is left out; and scratch, a training of
all layers, stops early.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from data.dataset.sampling import MIN_FOLDS, MIN_PER_CLASS, Part, Sampling, chromosome_folds
from data.dataset.selection import individual_pools
from data.motifs.motif import Motif
from experiments.own_tf import NAME
from experiments.own_tf.suggestion import Start
from experiments.study.planner import Draft, PlannedStudy, from_scratch
from experiments.study.specs import SpecBuilder
from experiments.study.study import Study
from experiments.study.trainings import FEW_BOUND, MANY_BOUND, ModelKind
from orchestrator.role import RunRole, RunVariant, SampleSize
from orchestrator.role_names import step_name
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.motif_baseline import motif_name
from orchestrator.spec import BaseStart, MotifChoice, RegionSpec, Rival

MAX_BOUND: Final = 5000
"""Bound regions that are sampled at most, by default: minutes on two cores."""
NUM_FOLDS: Final = 5
"""Folds of a cross-validation, by default."""
MIN_HELD_OUT: Final = 50
"""Bound regions on the chromosome to test on below which a TF is judged by cross-validation: the
95 % interval of the MCC then reaches further than 0.15 to either side (docs/labs.md)."""
RIVALS: Final = (Rival.ALL_MOTIFS, Rival.GKM_SVM)
"""The best rivals by TFs in development (benchmarks/RESULTS.md); each takes seconds."""
MOST_FITTED: Final = 5000
"""Bound regions up to which many motifs are a term by default, and the output layer alone is
fitted; with more, a fine-tuning of all layers was not compared with it."""
SCRATCH_PATIENCE: Final = 3
"""Epochs in a row without a better validation loss that end a training from scratch, where the
verdict is to cost little."""
FRACTIONS: Final = (1 / 8, 1 / 4, 1 / 2)
"""Fractions of the regions trained and validated on, for the learning curve's first steps."""


@dataclass(frozen=True, kw_only=True)
class _Regions:
    """The regions of a replicate."""

    whole: RegionSpec
    num_bound: int
    """Bound regions, including those to test on."""
    num_bound_train: int


def own_tf(
    loaded: LoadedDataset,
    study: Study,
    start: Start,
    tf: str,
    max_bound: int | None = MAX_BOUND,
    num_folds: int | None = None,
) -> PlannedStudy:
    """Plan the runs for a TF.

    Parameters
    ----------
    study
        How regions are split, how models are trained, and `scale.target_replicates` replicates.
    start
        The multi-model that transfer starts from.
    max_bound
        Bound regions to sample at most; None takes all.
    num_folds
        Folds of whole chromosomes to judge by; 0 holds chromosomes out. By default `NUM_FOLDS`
        where fewer than `MIN_HELD_OUT` bound regions would be held out, and none otherwise.

    Raises
    ------
    DataError
        If the TF is unknown or has too few regions.
    """
    sampling = _judged(loaded, study, tf, num_folds)
    draft = Draft(NAME, loaded, replace(study, sampling=sampling))
    if sampling.folds and num_folds is None:
        draft.remark(
            f"judged by cross-validation in {len(sampling.folds)} folds of whole chromosomes",
            f"fewer than {MIN_HELD_OUT} bound regions lie on "
            f"{', '.join(study.sampling.test_chroms)}",
        )
    of_multi = RunRole(
        experiment=NAME, arm="multi", tf="", replicate=1, set_kind=start.kind, set_label=start.name
    )
    if start.run is not None:
        draft.add(start.run, of_multi)
    by_replicate = {
        replicate: _regions(draft, tf, start, study.seed + replicate - 1, max_bound)
        for replicate in range(1, study.scale.target_replicates + 1)
    }
    motif = draft.motif(tf)
    fewest = min(regions.num_bound_train for regions in by_replicate.values())
    steps = _steps(draft, fewest)
    for replicate, regions in by_replicate.items():
        role = replace(
            of_multi, arm="transfer", tf=tf, target=tf, replicate=replicate, size=SampleSize()
        )
        of_replicate = _Replicate(draft, start, motif, regions, role)
        of_replicate.add_arms()
        for fraction in steps if of_replicate.is_compared else ():
            of_replicate.add_step(fraction)
    return draft.done()


def _steps(draft: Draft, num_bound: int) -> list[float]:
    """Steps of the learning curve that have enough of the bound regions that are trained on."""
    for fraction in FRACTIONS:
        if fraction * num_bound < MIN_PER_CLASS:
            step = f"{step_name(fraction)} of the regions"
            draft.leave_out(step, f"fewer than {MIN_PER_CLASS} bound regions to train on")
    return [fraction for fraction in FRACTIONS if fraction * num_bound >= MIN_PER_CLASS]


def _judged(loaded: LoadedDataset, study: Study, tf: str, num_folds: int | None) -> Sampling:
    """Decide how regions are split: held out as the study says, or in folds of chromosomes."""
    sampling, regions = study.sampling, loaded.regions
    if sampling.split == "random" or num_folds == 0:
        return sampling
    bound, _ = individual_pools(regions, loaded.column(tf), sampling)
    by_chrom = regions.chromosomes(bound)
    num_test = sum(by_chrom.get(chrom, 0) for chrom in sampling.test_chroms)
    if num_folds is None and (num_test >= MIN_HELD_OUT or len(by_chrom) < MIN_FOLDS):
        return sampling
    folds = chromosome_folds(by_chrom, regions.chromosomes(), num_folds or NUM_FOLDS)
    return sampling.in_folds(folds)


def _regions(draft: Draft, tf: str, start: Start, seed: int, max_bound: int | None) -> _Regions:
    # by chromosome, both keep the same chromosomes to test on; at random, what it has not seen
    is_random = draft.study.sampling.split == "random"
    multi = start.run if is_random else None
    sampling = replace(draft.study.sampling, held_back=None)
    builder = replace(draft.builder, rows=start.rows, sampling=sampling)
    everything = builder.individual_regions(tf, seed=seed, num_bound=None, multi=multi)
    bound, _ = individual_pools(
        draft.loaded.regions,
        draft.loaded.column(tf),
        everything.sampling,
        excluded=draft.loaded.excluded(everything),
    )
    capped = max_bound is not None and len(bound) > max_bound
    whole = (
        builder.individual_regions(tf, seed=seed, num_bound=max_bound, multi=multi)
        if capped
        else everything
    )
    if capped:
        draft.remark(
            f"{max_bound:,} of {len(bound):,} bound regions are used", "pass --sample all for more"
        )
    num_bound = max_bound if capped and max_bound is not None else len(bound)
    num_train = min(_num_trained(draft, tested) for tested in _tested(whole))
    return _Regions(whole=whole, num_bound=num_bound, num_bound_train=num_train)


def _tested(whole: RegionSpec) -> Iterator[RegionSpec]:
    """Regions of the models that are tested: those of the folds, or the regions themselves."""
    sampling = whole.sampling
    if not sampling.is_judged_by_folds:
        yield whole
    for number in range(len(sampling.folds)):
        yield replace(whole, sampling=sampling.of_fold(number))


def _num_trained(draft: Draft, regions: RegionSpec) -> int:
    """Count the bound regions that are trained on."""
    selection = draft.loaded.select(regions)
    return int((selection.labels[selection.rows(Part.TRAIN), 0] == 1).sum())


@dataclass(frozen=True)
class _Replicate:
    """A replicate."""

    draft: Draft
    start: Start
    motif: Motif | None
    regions: _Regions
    role: RunRole
    """Role of the run by transfer on all regions."""

    def add_arms(self) -> None:
        """Add both arms and the controls."""
        builder, whole, role = self._builder(1), self.regions.whole, from_scratch(self.role)
        self._add_transfer(builder, whole, self.role, self._terms)
        if self.is_compared:
            self._add_scratch(builder, role)
        if self.is_compared and self._terms is not None:
            control = replace(self.role, variant=RunVariant.WITHOUT_MOTIF)
            self._add_transfer(builder, whole, control, None)
        if self.motif is not None:
            alone = builder.motif_alone(whole, motif_name(self.motif))
            self.draft.add(alone, replace(role, arm="motif"))
        # one biosample in which all regions are open says nothing
        tells = len(self.draft.loaded.dataset.biosamples) > 1
        self.draft.add_rivals(whole, role, (*RIVALS, Rival.OPENNESS) if tells else RIVALS)

    def _add_scratch(self, builder: SpecBuilder, role: RunRole) -> None:
        """Add training from scratch and, where transfer has a learning rate, its control."""
        spec = builder.scratch(self.regions.whole)
        self.draft.add(spec, role)
        transfer = builder.transfer(self.regions.whole, multi=self.start.spec).training
        is_fit = self.costs_little or self._has_many_motifs
        if transfer is None or not is_fit or transfer.max_epochs:
            as_transfer = replace(spec, training=builder.trainings.training_for(ModelKind.TRANSFER))
            self.draft.add(as_transfer, replace(role, variant=RunVariant.TRANSFER_RATE))

    def add_step(self, fraction: float) -> None:
        """Add a step of the learning curve."""
        whole = self.regions.whole
        fewer = replace(whole, sampling=replace(whole.sampling, train_fraction=fraction))
        step = replace(self.role, step=fraction)
        self._add_transfer(self._builder(fraction), fewer, step, self._terms)

    @property
    def is_compared(self) -> bool:
        """Whether this replicate has the arms that cost much, and the learning curve."""
        return self.role.replicate == 1 or not (self._is_judged_by_folds or self._is_from_base)

    @property
    def costs_little(self) -> bool:
        """Whether transfer fits the output layer alone, and scratch stops early."""
        are_few = self.regions.num_bound <= (MOST_FITTED if self._has_many_motifs else MANY_BOUND)
        return self._is_judged_by_folds or (self._is_from_base and are_few)

    @property
    def _is_judged_by_folds(self) -> bool:
        return self.regions.whole.sampling.is_judged_by_folds

    @property
    def _holds_chromosomes_out(self) -> bool:
        by_chromosome = self.regions.whole.sampling.split == "chromosome"
        return by_chromosome and not self._is_judged_by_folds

    @property
    def _is_from_base(self) -> bool:
        """Whether it starts from a base, with chromosomes held out."""
        return isinstance(self.start.spec, BaseStart) and self._holds_chromosomes_out

    @property
    def _terms(self) -> Motif | MotifChoice | None:
        """The motif of the model's term, or how the regions choose the motifs of its terms."""
        is_chosen = self.draft.study.chosen_motifs or self._has_many_motifs
        return MotifChoice.AUTO if is_chosen and self._is_masked else self.motif

    @property
    def _is_masked(self) -> bool:
        start = self.start.spec
        return isinstance(start, BaseStart) or start.regions.is_masked

    @property
    def _has_many_motifs(self) -> bool:
        """Whether many motifs are a term: as the study says, or else by the number of regions."""
        wanted = self.draft.study.many_motifs
        if wanted is None:
            is_between = FEW_BOUND < self.regions.num_bound <= MOST_FITTED
            wanted = is_between and self._holds_chromosomes_out
        return wanted and self._is_masked

    def _builder(self, fraction: float) -> SpecBuilder:
        num_bound = round(fraction * self.regions.num_bound)
        trainings = self.draft.study.trainings.sized_for(num_bound)
        if self._has_many_motifs:
            # by the plan's own count: a spec's has bound regions too that cannot be taken
            are_few = self.regions.num_bound <= MOST_FITTED
            most = self.draft.loaded.dataset.num_regions if are_few else MOST_FITTED
            trainings = replace(trainings, many_bound=most).fitting_output()
        if self.costs_little:
            trainings = trainings.costing_little(SCRATCH_PATIENCE)
        return replace(self.draft.builder, trainings=trainings, average_strands=True)

    def _add_transfer(
        self,
        builder: SpecBuilder,
        regions: RegionSpec,
        role: RunRole,
        motif: Motif | MotifChoice | None,
    ) -> None:
        many = self._has_many_motifs and isinstance(motif, MotifChoice)
        spec = builder.transfer(regions, multi=self.start.spec, motif=motif, many_motifs=many)
        spec = replace(spec, gapped_kmers=spec.many_motifs and self.draft.study.gapped_kmers)
        if many and not spec.many_motifs:
            self.draft.leave_out(
                f"many motifs of {role.tf}", "its regions are enough to train all layers"
            )
        self.draft.add(spec, role)
