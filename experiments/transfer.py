"""Experiment `transfer` (Fig. 1A): transfer from a multi-model beside training from scratch.

Per replicate one multi-model; for each TF an individual model from scratch and one by transfer,
on the very same regions, of which the multi-model has seen none; and where the multi-model
knows the TF, the multi-model itself on the same test regions.
"""

from dataclasses import dataclass, field

from data.errors import DataError
from data.sampling import Sampling
from data.store import Dataset
from experiments.settings import SpecBuilder, Trainings
from orchestrator.errors import RunError
from orchestrator.execute import LoadedDataset
from orchestrator.plan import Arm, PlannedRun
from orchestrator.spec import RunSpec

NAME = "transfer"


@dataclass(frozen=True, kw_only=True)
class TransferStudy:
    """What to run; the defaults are the paper's."""

    tfs: tuple[str, ...] = ()
    """Target TFs; empty takes those of the multi-model."""
    pretrain_tfs: int | tuple[str, ...] = 50
    """TFs of the multi-model: names, or how many of those with most resolved regions."""
    replicates: int = 1
    """Each with its own multi-model, regions and initialization."""
    seed: int = 0
    """The first replicate's seed; the next one's is one more."""
    sampling: Sampling = field(default_factory=Sampling)
    """Of the individual models; the seed in it is not used."""
    trainings: Trainings = field(default_factory=Trainings)

    def __post_init__(self) -> None:
        if self.replicates < 1:
            raise ValueError(f"replicates is {self.replicates}; give 1 or more")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give 0 or more")
        if isinstance(self.pretrain_tfs, int) and self.pretrain_tfs < 1:
            raise ValueError(f"pretrain_tfs is {self.pretrain_tfs}; give 1 or more")


@dataclass(frozen=True, kw_only=True)
class PlannedStudy:
    """An experiment's runs, and the TFs that it had to leave out."""

    runs: tuple[PlannedRun, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    """Why, by TF."""


def transfer(loaded: LoadedDataset, study: TransferStudy) -> PlannedStudy:
    """Plan the experiment on a dataset.

    A TF with too few regions is left out, unless it was asked for by name.

    Raises
    ------
    DataError
        If a TF asked for is unknown or has too few regions, or the multi-model has too few.
    """
    dataset = loaded.dataset
    builder = SpecBuilder(dataset=dataset, trainings=study.trainings, sampling=study.sampling)
    pretrain_tfs = most_resolved(dataset, study.pretrain_tfs)
    set_name = pretraining_set_name(study.pretrain_tfs, pretrain_tfs)
    runs: list[PlannedRun] = []
    left_out: dict[str, str] = {}

    for replicate in range(1, study.replicates + 1):
        seed = study.seed + replicate - 1
        multi = builder.multi(pretrain_tfs, seed=seed)
        loaded.select(multi.regions)  # too few regions are told now, not after hours

        def planned(
            spec: RunSpec, arm: Arm, tf: str = "", replicate: int = replicate
        ) -> PlannedRun:
            return PlannedRun(
                spec=spec,
                experiment=NAME,
                arm=arm,
                tf=tf,
                replicate=replicate,
                pretraining_set="" if arm == "scratch" else set_name,
                group=_group(study.sampling),
            )

        runs.append(planned(multi, "multi"))
        for tf in study.tfs or pretrain_tfs:
            scratch = builder.scratch(tf, multi=multi, seed=seed)
            try:
                loaded.select(scratch.regions)
            except DataError as error:
                if study.tfs:
                    raise
                left_out[tf] = str(error)
                continue
            runs.append(planned(scratch, "scratch", tf))
            runs.append(planned(builder.transfer(tf, multi=multi, seed=seed), "transfer", tf))
            if tf in pretrain_tfs:
                scored = builder.scored_multi(tf, multi=multi, seed=seed)
                runs.append(planned(scored, "multi", tf))
    return PlannedStudy(runs=tuple(runs), left_out=left_out)


def most_resolved(dataset: Dataset, wanted: int | tuple[str, ...]) -> tuple[str, ...]:
    """Names of the TFs with most resolved regions (less sparse view), or the names given.

    Raises
    ------
    DataError
        If a TF is unknown.
    RunError
        If there are fewer TFs than wanted.
    """
    if not isinstance(wanted, int):
        dataset.fingerprint(wanted)  # names an unknown TF
        return wanted
    summaries = sorted(dataset.summaries(), key=lambda s: (-s.num_resolved, s.tf))
    if len(summaries) < wanted:
        raise RunError(
            f"{dataset.path} has {len(summaries)} TFs, {wanted} are to be pre-trained on; "
            f"pass --pretrain-tfs {len(summaries)} or fewer"
        )
    return tuple(summary.tf for summary in summaries[:wanted])


def pretraining_set_name(wanted: int | tuple[str, ...], tfs: tuple[str, ...]) -> str:
    """Name of a pre-training set for tags and tables."""
    return f"{wanted} most resolved TFs" if isinstance(wanted, int) else "+".join(tfs)


def _group(sampling: Sampling) -> str:
    return "all regions" if sampling.num_bound is None else f"{sampling.num_bound} bound"
