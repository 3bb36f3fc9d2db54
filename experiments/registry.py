"""The experiments by name, and `paper`, the union of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Final

from data.near_names import near_names
from experiments.binding_modes import plan as binding_modes
from experiments.downsampling import plan as downsampling
from experiments.interpretation import plan as interpretation
from experiments.peaks_needed import plan as peaks_needed
from experiments.pretraining_sets import plan as pretraining_sets
from experiments.study.planner import PlannedStudy
from experiments.study.study import Study
from experiments.transfer import plan as transfer
from orchestrator.errors import RunError
from orchestrator.runs.loaded_dataset import LoadedDataset

Experiment = Callable[[LoadedDataset, Study], PlannedStudy]


def paper(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan all that the paper trained, each run once.

    Target TFs that were asked for go to `transfer` where the multi-model knows them and to
    `binding-modes` where it does not, and to both experiments that are about a target. Of
    `interpretation` the union has what `transfer` trains anyway: the paper's target, if it is one
    of the multi-model's TFs.

    Raises
    ------
    DataError, RunError
        What the experiments raise.
    """
    known = study.multi_model_tfs(loaded.dataset)
    of_multi = tuple(tf for tf in study.tfs if tf in known)
    others = tuple(tf for tf in study.tfs if tf not in known)
    parts = []
    if of_multi or not study.tfs:
        parts.append(transfer.transfer(loaded, study.about(of_multi)))
        if set(interpretation.TARGETS) <= set(of_multi or known):
            # named only if the user named it: otherwise it is left out where regions are too few
            followed = study.about(interpretation.TARGETS) if of_multi else study
            parts.append(interpretation.interpretation(loaded, followed))
    parts.append(downsampling.downsampling(loaded, study))
    if others or not study.tfs:
        parts.append(binding_modes.binding_modes(loaded, study.about(others)))
    parts.append(pretraining_sets.pretraining_sets(loaded, study))
    return reduce(add, parts)


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    transfer.NAME: transfer.transfer,
    downsampling.NAME: downsampling.downsampling,
    binding_modes.NAME: binding_modes.binding_modes,
    pretraining_sets.NAME: pretraining_sets.pretraining_sets,
    interpretation.NAME: interpretation.interpretation,
    peaks_needed.NAME: peaks_needed.peaks_needed,
    "paper": paper,
}


def plan_experiments(names: Sequence[str], loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan some experiments, in their order.

    Raises
    ------
    RunError
        If there is no experiment of a name.
    DataError
        If an experiment lacks TFs or regions.
    """
    for name in names:
        if name not in EXPERIMENTS:
            near = near_names(name, EXPERIMENTS)
            hint = f"; near: {', '.join(near)}" if near else ""
            raise RunError(
                f"no experiment is named {name!r}{hint}; there are: {', '.join(EXPERIMENTS)}"
            )
    return reduce(add, (EXPERIMENTS[name](loaded, study) for name in names))
