"""Which multi-model a TF should start from, and why.

Kinds of start, in the order of the paper's results (Novakovsky et al. 2021, Fig. 2B) with what goes
beyond it first:

==============  ==================================================================================
masked          every resolved cell of all TFs with enough bound regions; one serves every TF that
                is added
same-mode       five TFs of the target's binding mode, with the most similar labels
cofactors       five TFs of other modes, with the most similar labels
string          five TFs of other modes, with the highest scores of STRING
complete        the TFs with most resolved regions, on the regions resolved for all (the paper's)
base            the base that comes with bindgrid (`orchestrator.prediction.base`), a masked one
==============  ==================================================================================

A masked multi-model that is finished comes first, then the base, so that there is no waiting. Among
the others, kinds that this workspace's finished runs have compared with scratch come first, by
their mean gain; then the order above.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from data.dataset.sampling import RowRule
from data.errors import DataError
from data.motifs.database import jaspar_motifs
from data.motifs.enrichment import enriched_motifs
from data.motifs.motif import Motif
from data.own_tf.record import added_motif
from data.relations.binding_modes import BindingModes
from data.relations.groups import GroupKind, Relations, choose_group, read_relations
from data.words import counted
from experiments.study.pretraining import MIN_BOUND, Pretraining
from experiments.study.study import Study
from model.checkpoint import load_config
from orchestrator.errors import RunError
from orchestrator.plan import PlannedRun
from orchestrator.prediction.base import require_base
from orchestrator.prediction.base_fit import seen_chroms
from orchestrator.report.finished import FinishedRuns, read_finished
from orchestrator.report.pairs import each_row, scored_runs
from orchestrator.role import CONTROLS, SetKind
from orchestrator.runs.loaded_dataset import LoadedDataset
from orchestrator.runs.store import RunStore
from orchestrator.spec import BaseStart, RunSpec

KINDS: Final = (
    SetKind.MASKED,
    SetKind.SAME_MODE,
    SetKind.COFACTORS,
    SetKind.STRING,
    SetKind.COMPLETE,
    SetKind.BASE,
)
"""Order of suggestions where nothing else is known."""
MIN_SHARE: Final = 0.8
"""Share of a masked multi-model's possible TFs that a finished one needs to be reused."""
SURE_AUROC: Final = 0.6
"""AUROC below which a motif says nothing about the binding mode."""


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A TF's binding mode, and what it was found by."""

    modes: frozenset[str]
    how: str


@dataclass(frozen=True, kw_only=True)
class KindResult:
    """The gain of transfer from a kind of multi-model in this workspace."""

    mean_gain: float
    """MCC of transfer less that of scratch on the same test regions, mean over TFs."""
    num_tfs: int


@dataclass(frozen=True, kw_only=True)
class Start:
    """A multi-model to start from."""

    kind: SetKind
    spec: RunSpec | BaseStart
    """The run of the multi-model, or the base."""
    reason: str
    """Why these TFs, for people."""
    is_finished: bool
    result: KindResult | None = None
    """What the kind has gained here; None where nothing is known."""

    @property
    def tfs(self) -> tuple[str, ...]:
        """TFs that it is trained on."""
        return self.spec.tfs if isinstance(self.spec, BaseStart) else self.spec.regions.tfs

    @property
    def run(self) -> RunSpec | None:
        """The run of the multi-model; None where it is the base."""
        return None if isinstance(self.spec, BaseStart) else self.spec

    @property
    def rows(self) -> RowRule:
        """Which regions the multi-model learnt from; the base is a masked one."""
        return "resolved" if self.run is None else self.run.regions.rows

    @property
    def name(self) -> str:
        """Name of the pre-training set for tags and tables."""
        if isinstance(self.spec, BaseStart):
            return self.spec.name
        if self.kind in (SetKind.MASKED, SetKind.MASKED_APART):
            return f"{counted(len(self.tfs), 'TF')}, {SetKind.MASKED}"
        if self.kind is SetKind.COMPLETE:
            return f"{counted(len(self.tfs), 'TF')}, {self.kind}"
        return "+".join(self.tfs)


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a TF could start from, best first."""

    tf: str
    mode: Mode
    starts: tuple[Start, ...]
    left_out: Mapping[str, str]
    """Kinds that cannot be had, and why."""


def suggest(loaded: LoadedDataset, study: Study, store: RunStore, tf: str) -> Suggestion:
    """Suggest what a TF of the dataset starts from.

    Parameters
    ----------
    study
        Its seed, sampling, network, modes, STRING links and trainings are those of the starts.

    Raises
    ------
    DataError
        If the TF is unknown.
    """
    summary = loaded.dataset.summary(tf)
    mode = mode_of(loaded, study.modes, tf)
    left_out: dict[str, str] = {}
    if study.links is None:
        left_out[SetKind.STRING] = "no STRING file; give one by --string FILE"
    modes = replace(study.modes, modes_of_tf={**study.modes.modes_of_tf, tf.upper(): mode.modes})
    relations = read_relations(loaded.dataset, modes, study.links)
    target = () if summary.added is not None else (tf,)
    results = results_by_kind(store)
    starts = []
    for kind in KINDS:
        if kind in left_out:
            continue
        try:
            if kind is SetKind.BASE:
                start = start_from_base(loaded, study, tf)
            else:
                spec, reason = (
                    _masked(loaded, study, store, tf, target)
                    if kind is SetKind.MASKED
                    else _start(kind, loaded, study, tf, target, relations)
                )
                loaded.select(spec.regions)
                finished = store.is_complete(spec.key)
                start = Start(kind=kind, spec=spec, reason=reason, is_finished=finished)
        except (DataError, RunError) as error:
            left_out[kind] = str(error)
            continue
        starts.append(replace(start, result=results.get(kind)))
    if not starts:
        raise RunError(f"{tf}: no TFs to pre-train on; {'; '.join(left_out.values())}")
    return Suggestion(tf=tf, mode=mode, starts=tuple(_ranked(starts)), left_out=left_out)


def start_from_tfs(
    loaded: LoadedDataset, study: Study, store: RunStore, tfs: Sequence[str]
) -> Start:
    """Give a start from a complete multi-model of TFs that the user names.

    Raises
    ------
    DataError
        If a TF is unknown, or too few regions are resolved for all.
    """
    spec = replace(study.builder(loaded.dataset), rows="complete").multi(
        tuple(tfs), seed=study.seed
    )
    loaded.select(spec.regions)
    return Start(
        kind=SetKind.NAMED, spec=spec, reason="as named", is_finished=store.is_complete(spec.key)
    )


def start_from_base(loaded: LoadedDataset, study: Study, tf: str) -> Start:
    """Give a start from the base.

    Raises
    ------
    RunError
        If there is no base, it is damaged, or of another network than the study's.
    ModelError
        If its network cannot be read.
    """
    base = require_base()
    network = load_config(base.folder / base.card.replicates[0].folder).name
    if network != study.network:
        raise RunError(f"{base.card.name} is of the network {network}, not {study.network}")
    known = base.known_as(tf)
    knows = f"; it was trained on {known}, so results are optimistic" if known else ""
    return Start(
        kind=SetKind.BASE,
        spec=base.start(seen_chroms(base, loaded.dataset)),
        reason=f"{base.card.name}, ready at once: {counted(len(base.tfs), 'TF')}{knows}",
        is_finished=True,
    )


def start_from_run(loaded: LoadedDataset, store: RunStore, key: str, tf: str) -> Start:
    """Give a start from a finished multi-model.

    Raises
    ------
    RunError
        If there is no such run, it is no multi-model, it was trained on the TF, or the dataset has
        changed.
    """
    planned = multi_model(store, key, tf)
    spec = planned.spec
    if not _is_current(loaded, spec):
        raise RunError(f"{loaded.dataset.path} has changed since run {key}; name another")
    return Start(kind=planned.role.set_kind, spec=spec, reason="as named", is_finished=True)


def multi_model(store: RunStore, key: str, tf: str) -> PlannedRun:
    """Give a finished multi-model that a TF may start from.

    Raises
    ------
    RunError
        If there is no such run, it is no multi-model, or it was trained on the TF.
    """
    planned = store.open(key).planned
    spec = planned.spec
    if spec.training is None or spec.regions.view != "less-sparse":
        raise RunError(f"run {key} is no multi-model that was trained; name one by --pretrain-run")
    if tf in spec.regions.tfs:
        raise RunError(f"run {key} was trained on {tf} already; name one that was not")
    return planned


def mode_of(loaded: LoadedDataset, modes: BindingModes, tf: str) -> Mode:
    """Binding mode of a TF: by its name, its motif, or the motif that its regions are rich in."""
    if modes.of(tf):
        return Mode(modes=modes.of(tf), how="by its name")
    motif = added_motif(loaded.dataset, tf)
    if motif is not None and modes.of(motif.tf):
        return Mode(modes=modes.of(motif.tf), how=f"by its motif {motif.matrix_id} of {motif.tf}")
    known = [one for name in loaded.dataset.tfs if modes.of(name) for one in _first_motif(name)]
    found = enriched_motifs(loaded.regions, loaded.column(tf), known)
    if not found or found[0].auroc < SURE_AUROC:
        return Mode(modes=frozenset(), how="no motif is enriched in its regions")
    best = found[0]
    return Mode(
        modes=modes.of(best.motif.tf),
        how=f"its regions are richest in {best.motif.matrix_id} of {best.motif.tf}, AUROC "
        f"{best.auroc:.2f}",
    )


def results_by_kind(store: RunStore) -> dict[SetKind, KindResult]:
    """The gain of transfer from each kind of multi-model over scratch, in finished runs."""
    runs = read_finished(store)
    if runs.table.empty:
        return {}
    found = pd.DataFrame(_gains(runs), columns=["kind", "tf", "gain"])
    by_tf = found.groupby(["kind", "tf"], as_index=False)["gain"].mean()
    return {
        SetKind(str(kind)): KindResult(mean_gain=float(own["gain"].mean()), num_tfs=len(own))
        for kind, own in by_tf.groupby("kind")
    }


def _gains(runs: FinishedRuns) -> Iterator[tuple[SetKind, str, float]]:
    """Kind, TF and gain of every transfer run that has a twin from scratch."""
    table = scored_runs(runs.table)
    is_step = {
        key: runs.specs[key].regions.sampling.train_fraction is not None for key in table["key"]
    }
    table = table[~table["key"].map(is_step).astype(bool) & ~table["variant"].isin(CONTROLS)]
    twin = ["tf", "replicate", "test_regions", "num_bound", "network"]
    scratch = table[table["arm"] == "scratch"]
    scratch = scratch.drop_duplicates(twin, keep="last")[[*twin, "mcc"]]
    pairs = table[table["arm"] == "transfer"].merge(scratch, on=twin, suffixes=("", "_scratch"))
    for row in each_row(pairs.drop_duplicates("key")):
        if row.set_kind in KINDS:
            yield SetKind(row.set_kind), row.tf, row.mcc - row.mcc_scratch


def _start(
    kind: SetKind,
    loaded: LoadedDataset,
    study: Study,
    tf: str,
    left_out: tuple[str, ...],
    relations: Relations,
) -> tuple[RunSpec, str]:
    """Spec of the multi-model of a kind on complete rows, and why it has its TFs."""
    builder = replace(study.builder(loaded.dataset), rows="complete")
    if kind is SetKind.COMPLETE:
        pretraining = Pretraining(leave_out=left_out)
        num_tfs = len([one for one in loaded.dataset.summaries() if one.added is None])
        wanted = min(50, num_tfs - len(left_out))
        tfs = pretraining.tfs(loaded.dataset, wanted, study.modes)
        reason = f"the {counted(len(tfs), 'TF')} with most regions"
        return builder.multi(tfs, seed=study.seed), reason
    group = choose_group(GroupKind(kind), tf, relations, with_target=False)
    if not group.tfs:
        raise RunError(group.note)
    words = [
        name if score != score else f"{name} {score:.2f}"
        for name, score in zip(group.tfs, group.scores, strict=True)
    ]
    reason = ", ".join(words) + (f" ({group.note})" if group.note else "")
    most = study.scale.set_regions
    return builder.multi(tuple(sorted(group.tfs)), seed=study.seed, max_regions=most), reason


def _masked(
    loaded: LoadedDataset, study: Study, store: RunStore, tf: str, left_out: tuple[str, ...]
) -> tuple[RunSpec, str]:
    pretraining = Pretraining(rows="resolved", min_bound=MIN_BOUND, leave_out=left_out)
    tfs = pretraining.tfs(loaded.dataset, None, study.modes)
    spec = replace(study.builder(loaded.dataset), rows="resolved").multi(tfs, seed=study.seed)
    found = [
        other
        for other in (run.planned.spec for run in store.completed())
        if _fits(other, spec, loaded)
        and tf not in other.regions.tfs
        and len(other.regions.tfs) >= MIN_SHARE * len(tfs)
    ]
    if found and not store.is_complete(spec.key):
        spec = max(reversed(found), key=lambda one: len(one.regions.tfs))
    return spec, f"every resolved cell of {counted(len(spec.regions.tfs), 'TF')}"


def _fits(other: RunSpec, wanted: RunSpec, loaded: LoadedDataset) -> bool:
    """Whether a finished run is a masked multi-model that keeps the same regions back."""
    ours, theirs = wanted.regions.sampling, other.regions.sampling
    return (
        other.training is not None
        and other.regions.is_masked
        and other.network.name == wanted.network.name
        and theirs.split == ours.split
        and set(theirs.test_chroms) == set(ours.test_chroms)
        and set(theirs.val_chroms) == set(ours.val_chroms)
        and (ours.split == "chromosome" or theirs == ours)
        and _is_current(loaded, other)
    )


def _is_current(loaded: LoadedDataset, spec: RunSpec) -> bool:
    try:
        return loaded.dataset.fingerprint(spec.regions.tfs) == spec.regions.dataset
    except DataError:
        return False


def _first_motif(tf: str) -> tuple[Motif, ...]:
    return jaspar_motifs().get(tf.upper(), ())[:1]


def _ranked(starts: list[Start]) -> list[Start]:
    """Starts in the order of the module's docstring."""

    def rank(start: Start) -> tuple[bool, bool, float, int]:
        finished_masked = start.kind is SetKind.MASKED and start.is_finished
        gain = start.result.mean_gain if start.result is not None else float("-inf")
        is_base = start.kind is SetKind.BASE
        return (not finished_masked, not is_base, -gain, KINDS.index(start.kind))

    return sorted(starts, key=rank)
