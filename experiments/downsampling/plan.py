"""Experiment `downsampling` (Fig. 1B): how many bound regions a target needs in either arm.

Per replicate the multi-model of `transfer`; for the target, SPI1 by default, an individual model
from scratch and one by transfer at each size of the scale: all regions, 1,000 bound and 500 bound
with as many unbound ones.
"""

from dataclasses import replace
from typing import Final

from data.errors import DataError
from experiments.study.planner import Draft, PlannedStudy, multi_role
from experiments.study.study import Study
from orchestrator.role import SampleSize
from orchestrator.role_names import size_name
from orchestrator.runs.loaded_dataset import LoadedDataset

NAME: Final = "downsampling"
TARGETS: Final = ("SPI1",)
"""The paper's."""


def downsampling(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan the experiment.

    A size that the target does not reach is left out, unless the target was asked for by name.

    Raises
    ------
    DataError
        If a target is unknown or asked for and has too few regions.
    """
    draft = Draft(NAME, loaded, study)
    pretrain_tfs = study.multi_model_tfs(loaded.dataset)
    targets = study.tfs or TARGETS
    loaded.dataset.fingerprint(targets)  # names an unknown TF
    for replicate in range(1, study.scale.target_replicates + 1):
        seed = study.seed + replicate - 1
        multi = draft.builder.multi(pretrain_tfs, seed=seed)
        of_multi = multi_role(study, pretrain_tfs, replicate)
        draft.add(multi, of_multi)
        for target in targets:
            role = replace(of_multi, arm="transfer", tf=target, target=target)
            for size in map(SampleSize, study.scale.sizes):
                regions = draft.builder.individual_regions(
                    target, seed=seed, num_bound=size.num_bound, multi=multi
                )
                try:
                    draft.add_pair(regions, multi=multi, role=replace(role, size=size))
                except DataError as error:
                    if target in study.tfs:
                        raise
                    draft.leave_out(f"{target} with {size_name(size)}", str(error))
    return draft.done()
