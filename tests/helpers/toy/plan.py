"""Experiment `toy`: a TF from scratch on few and on many regions, told apart by its own words."""

from typing import Final

from experiments.study.planner import Draft, PlannedStudy
from experiments.study.study import Study
from orchestrator.role import RunRole
from orchestrator.runs.loaded_dataset import LoadedDataset

NAME: Final = "toy"
SIZES: Final = {"few": 20, "many": 40}


def toy(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan the experiment."""
    draft = Draft(NAME, loaded, study)
    for tf in study.tfs:
        for label, num_bound in SIZES.items():
            regions = draft.builder.individual_regions(tf, seed=study.seed, num_bound=num_bound)
            role = RunRole(experiment=NAME, arm="scratch", tf=tf, replicate=1, label=label)
            draft.add(draft.builder.scratch(regions), role)
    draft.remark("toy", "it says nothing of biology")
    return draft.done()
