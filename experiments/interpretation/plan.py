"""Experiment `interpretation` (Fig. 3B): how fine-tuning a multi-model changes its filters.

Per replicate the multi-model of `transfer`, and for each target, HNF4A by default, an individual
model from scratch and one by transfer. These are runs of `transfer` too, and are run only
once. Their filters are read, matched and followed by the report
(`orchestrator.interpretation.following`).
"""

from dataclasses import replace
from typing import Final

from data.errors import DataError
from experiments.study.planner import Draft, PlannedStudy, multi_role
from experiments.study.study import Study
from orchestrator.role import SampleSize
from orchestrator.runs.loaded_dataset import LoadedDataset

NAME: Final = "interpretation"
TARGETS: Final = ("HNF4A",)
"""The paper's."""


def interpretation(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan the experiment.

    A target with too few regions is left out, unless it was asked for by name.

    Raises
    ------
    DataError
        If a target is unknown, or was asked for and has too few regions.
    """
    # its question is what the filters find without the motif's help
    draft = Draft(NAME, loaded, replace(study, motif=False))
    scale = study.scale
    pretrain_tfs = study.multi_model_tfs(loaded.dataset)
    targets = study.tfs or TARGETS
    loaded.dataset.fingerprint(targets)  # names an unknown TF
    size = SampleSize(scale.transfer_bound, scale.at_most)
    for replicate in range(1, scale.replicates + 1):
        seed = study.seed + replicate - 1
        multi = draft.builder.multi(pretrain_tfs, seed=seed)
        of_multi = multi_role(study, pretrain_tfs, replicate)
        draft.add(multi, of_multi)
        for target in targets:
            regions = draft.transfer_regions(target, multi=multi)
            role = replace(of_multi, arm="transfer", tf=target, target=target, size=size)
            try:
                draft.add_pair(regions, multi=multi, role=role)
            except DataError as error:
                draft.leave_out_or_raise(target, error)
    return draft.done()
