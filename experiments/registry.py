"""The experiments, one record each, and `paper`, the union of those that the paper has.

A new experiment is a folder with `plan.py`, `findings.py` and `figures.py`, and a record
here. That is enough for it to be planned, run, logged to MLflow and reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from operator import add
from typing import TYPE_CHECKING, Final

from data.near_names import near_hint
from experiments.binding_modes import plan as binding_modes
from experiments.downsampling import plan as downsampling
from experiments.interpretation import plan as interpretation
from experiments.own_tf import NAME as OWN_TF
from experiments.peaks_needed import plan as peaks_needed
from experiments.pretraining_sets import plan as pretraining_sets
from experiments.study.planner import PlannedStudy
from experiments.study.study import Study
from experiments.transfer import plan as transfer
from orchestrator.errors import RunError
from orchestrator.runs.loaded_dataset import LoadedDataset

if TYPE_CHECKING:
    from orchestrator.report.sections import SectionFindings, SectionInput

MakePlan = Callable[[LoadedDataset, Study], PlannedStudy]
MakeFindings = Callable[["SectionInput"], "SectionFindings"]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that the rest of the program needs to know of an experiment."""

    name: str
    """Name on the command line, in MLflow and in the run store."""
    title: str
    """Title of its section in the report, without the figure."""
    figure: str = ""
    """Figure of Novakovsky et al. 2021, such as `Fig. 1A`; empty for what the paper does not
    have."""
    plan: MakePlan
    """Plans its runs."""
    findings: MakeFindings
    """Says what its finished runs show, and what is missing."""
    lack: str = "no two arms on the same test regions"
    """Why there is no finding, in the report's words, where there is none."""

    @property
    def heading(self) -> str:
        """Title with the figure."""
        return f"{self.title} ({self.figure or 'beyond the paper'})"


def _findings_in(folder: str) -> MakeFindings:
    """Give the function of an experiment's `findings.py`, which is imported when it is called.

    A plan needs neither it nor what it imports: matplotlib, pandas and scipy.
    """

    def findings(given: "SectionInput") -> "SectionFindings":
        found: SectionFindings = import_module(f"experiments.{folder}.findings").findings(given)
        return found

    return findings


_ALL: Final = (
    Experiment(
        name=transfer.NAME,
        title="Transfer beside scratch, TF by TF",
        figure="Fig. 1A",
        plan=transfer.transfer,
        findings=_findings_in("transfer"),
    ),
    Experiment(
        name=downsampling.NAME,
        title="How few regions are enough",
        figure="Fig. 1B",
        plan=downsampling.downsampling,
        findings=_findings_in("downsampling"),
    ),
    Experiment(
        name=binding_modes.NAME,
        title="A shared binding mode",
        figure="Fig. 2A",
        plan=binding_modes.binding_modes,
        findings=_findings_in("binding_modes"),
    ),
    Experiment(
        name=pretraining_sets.NAME,
        title="Which TFs to pre-train on",
        figure="Fig. 2B",
        plan=pretraining_sets.pretraining_sets,
        findings=_findings_in("pretraining_sets"),
    ),
    Experiment(
        name=interpretation.NAME,
        title="Filters followed through fine-tuning",
        figure="Fig. 3B",
        plan=interpretation.interpretation,
        findings=_findings_in("interpretation"),
        lack="no filters were read",
    ),
    Experiment(
        name=peaks_needed.NAME,
        title="How many peaks a good model takes",
        plan=peaks_needed.peaks_needed,
        findings=_findings_in("peaks_needed"),
    ),
)
EXPERIMENTS: Final[dict[str, Experiment]] = {one.name: one for one in _ALL}
"""By name, in the order of the report's sections."""
PAPER: Final = "paper"
"""Name of the union of the paper's experiments."""
ON_CARDS: Final = frozenset({OWN_TF})
"""Experiments that `bindgrid run` does not know, and whose results stand on cards of their own."""


def paper(loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan all that the paper trained, each run once.

    Target TFs that were asked for go to `transfer` where they are among the multi-model's
    and to `binding-modes` where they are not, and to both experiments that are about a target. From
    `interpretation` the union takes what `transfer` trains anyway: the paper's target, if it is
    one of the multi-model's TFs.

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


def paper_figures() -> dict[str, str]:
    """Figure of the paper that an experiment is about, by the experiment's name."""
    return {one.name: one.figure for one in EXPERIMENTS.values() if one.figure}


def plan_experiments(names: Sequence[str], loaded: LoadedDataset, study: Study) -> PlannedStudy:
    """Plan some experiments, in the order of their names.

    Raises
    ------
    RunError
        If there is no experiment of a name.
    DataError
        If an experiment lacks TFs or regions.
    """
    plans: dict[str, MakePlan] = {one.name: one.plan for one in EXPERIMENTS.values()}
    plans[PAPER] = paper
    for name in names:
        if name not in plans:
            hint = near_hint(name, plans)
            raise RunError(f"no experiment is named {name!r}{hint}; there are: {', '.join(plans)}")
    return reduce(add, (plans[name](loaded, study) for name in names))
