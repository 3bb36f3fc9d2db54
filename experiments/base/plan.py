"""The runs of a base: one masked multi-model for each seed, with chromosomes held out."""

from dataclasses import dataclass

from experiments.study.planner import Draft, PlannedStudy, multi_role
from experiments.study.study import Study
from orchestrator.errors import RunError
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.spec import RunSpec

NAME = "base"


@dataclass(frozen=True, kw_only=True)
class PlannedBase:
    """The runs of a base."""

    study: PlannedStudy
    specs: tuple[RunSpec, ...]
    """One for each seed, in their order."""


def plan_base(loaded: LoadedDataset, study: Study, seeds: tuple[int, ...]) -> PlannedBase:
    """Plan the multi-models of a base.

    A multi-model with the same settings that another study has trained has the same key, and is
    not trained again.

    Parameters
    ----------
    loaded
        The dataset.
    study
        Has the pre-training, which is masked, and a split by chromosome.
    seeds
        Seeds of the networks, one or more, each once.

    Raises
    ------
    DataError
        If the dataset has too few regions.
    RunError
        If no TF is left, a chromosome is held out twice, or the seeds are none or repeated.
    """
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise RunError(f"seeds are {', '.join(map(str, seeds))}; give one or more, each once")
    draft = Draft(NAME, loaded, study)
    tfs = study.multi_model_tfs(loaded.dataset)
    specs = tuple(draft.builder.multi(tfs, seed=seed) for seed in seeds)
    for replicate, spec in enumerate(specs, start=1):
        draft.add(spec, multi_role(study, tfs, replicate))
    return PlannedBase(study=draft.done(), specs=specs)
