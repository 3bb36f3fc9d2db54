"""Experiment `transfer` (Fig. 1A): transfer from a multi-model beside training from scratch.

Per replicate one multi-model; for each TF an individual model from scratch and one by transfer,
on the very same regions, of which the multi-model has seen none; and where the multi-model
was trained on the TF, the multi-model itself on the same test regions.
"""

from dataclasses import replace
from typing import Final

from data.errors import DataError
from experiments.study.planner import Draft, PlannedStudy, multi_role
from experiments.study.study import Study
from orchestrator.role import SampleSize
from orchestrator.runs.loaded_dataset import LoadedDataset

NAME: Final = "transfer"


def transfer(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan the experiment; by default its targets are the TFs of the multi-model.

    A TF with too few regions is left out, unless it was asked for by name.

    Raises
    ------
    DataError
        If a TF asked for is unknown or has too few regions, or the multi-model has too few.
    """
    draft = Draft(NAME, loaded, study)
    scale = study.scale
    pretrain_tfs = study.multi_model_tfs(loaded.dataset)
    size = SampleSize(scale.transfer_bound, scale.at_most)
    for replicate in range(1, scale.replicates + 1):
        seed = study.seed + replicate - 1
        multi = draft.builder.multi(pretrain_tfs, seed=seed)
        of_multi = replace(multi_role(study, pretrain_tfs, replicate), size=size)
        draft.add(multi, of_multi)
        for tf in study.tfs or pretrain_tfs:
            regions = draft.transfer_regions(tf, multi=multi)
            try:
                draft.add_pair(regions, multi=multi, role=replace(of_multi, arm="transfer", tf=tf))
            except DataError as error:
                draft.leave_out_or_raise(tf, error)
                continue
            if tf in pretrain_tfs:
                scored = draft.builder.scored_multi(regions, multi=multi)
                draft.add(scored, replace(of_multi, tf=tf))
    return draft.done()
