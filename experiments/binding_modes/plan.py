"""Experiment `binding-modes` (Fig. 2A): whether pre-training on the same binding mode helps.

Per replicate the multi-model of `transfer`; for every other TF with enough bound regions an
individual model from scratch and one by transfer, on 1,000 bound regions and as many unbound
ones. The role of a run says whether the TF shares a binding mode with a TF of the multi-model.
"""

from dataclasses import replace
from typing import Final

from data.errors import DataError
from data.relations.binding_modes import BindingModes
from experiments.study.planner import Draft, PlannedStudy, multi_role
from experiments.study.study import Study
from orchestrator.errors import RunError
from orchestrator.role import ModeRelation
from orchestrator.runs.loaded_dataset import LoadedDataset

NAME: Final = "binding-modes"


def binding_modes(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan the experiment; by default its targets are all TFs that the multi-model lacks.

    A TF with too few bound regions is left out, unless it was asked for by name.

    Raises
    ------
    DataError
        If a TF asked for is unknown or has too few regions, or the multi-model has too few.
    RunError
        If a TF asked for is one of the multi-model's, or the multi-model has them all.
    """
    draft = Draft(NAME, loaded, study)
    pretrain_tfs = study.multi_model_tfs(loaded.dataset)
    targets = study.tfs or tuple(tf for tf in loaded.dataset.tfs if tf not in pretrain_tfs)
    known = [tf for tf in targets if tf in pretrain_tfs]
    if known:
        raise RunError(f"{known[0]} is one of the multi-model's TFs; {NAME} is about the others")
    if not targets:
        raise RunError(f"the multi-model has all TFs; pass fewer by --pretrain-tfs for {NAME}")
    for replicate in range(1, study.scale.replicates + 1):
        seed = study.seed + replicate - 1
        multi = draft.builder.multi(pretrain_tfs, seed=seed)
        of_multi = multi_role(study, pretrain_tfs, replicate)
        draft.add(multi, of_multi)
        for tf in targets:
            regions = draft.builder.individual_regions(
                tf, seed=seed, num_bound=study.scale.num_bound, multi=multi
            )
            mode = _relation(tf, pretrain_tfs, study.modes)
            try:
                draft.add_pair(
                    regions,
                    multi=multi,
                    role=replace(of_multi, arm="transfer", tf=tf, mode=mode),
                )
            except DataError as error:
                draft.leave_out_or_raise(tf, error)
    return draft.done()


def _relation(tf: str, pretrain_tfs: tuple[str, ...], modes: BindingModes) -> ModeRelation:
    if not modes.of(tf):
        return ModeRelation.UNKNOWN
    shares = modes.of(tf) & modes.among(pretrain_tfs)
    return ModeRelation.SHARED if shares else ModeRelation.OTHER
