"""Motifs that a run's own regions choose: the library that they are chosen from, and the files.

`motifs.json` says which motifs became terms of the network's logits, of what kind, and what each
gained on held-out regions; `motifs.meme` has their matrices. A motif of kind `enriched` is the
most enriched profile of JASPAR and one of kind `de novo` was learnt from the regions: neither is
the TF's motif because a run chose it.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from data.dataset.store import Dataset
from data.motifs.database import Jaspar, jaspar_matrices, jaspar_matrix
from data.motifs.files import read_motifs
from data.motifs.meme import write_meme
from data.motifs.motif import Motif
from data.motifs.pwm import consensus
from data.own_tf.record import added_motif
from data.records import IF_SET, RecordError, from_json, to_json
from data.relations.binding_modes import check_modes_known, load_modes
from model.network import BindingNetwork
from model.training.many_motifs import ManyMotifs
from model.training.motif_choice import ChosenMotif, ChosenTerms, MotifLibrary, Profile
from orchestrator.errors import RunError
from orchestrator.spec import MotifChoice, RunSpec

TERMS_FILE: Final = "motifs.json"
TERMS_MEME_FILE: Final = "motifs.meme"
MANY_MOTIFS_FILE: Final = "many_motifs.json"
T = TypeVar("T")
NUM_STRONGEST: Final = 20
"""Motifs that `many_motifs.json` names."""
DE_NOVO_NAME: Final = "de-novo"
"""Identifier of a de novo motif."""


@dataclass(frozen=True, kw_only=True)
class TermRecord:
    """What `motifs.json` says of a motif."""

    kind: str
    """`own`, `enriched` or `de novo`."""
    motif: str
    """Identifier; `de-novo` for a de novo motif."""
    name: str
    """Name in the database, or the consensus of a de novo motif."""
    weight: float
    """What a standard deviation of its best hit adds to the logit."""
    auroc: float
    """How well its held-out scores tell bound from unbound regions."""
    loss_before: float
    """Loss on held-out regions without it, in nats a region."""
    loss: float
    """Loss on held-out regions with it."""
    like: str
    """The profile of the database whose best hits correlate most with those of a de novo motif;
    empty for other motifs."""
    like_correlation: float
    """Correlation of both motifs' best hits over the regions; 0 for other motifs."""


@dataclass(frozen=True, kw_only=True)
class StrongMotif:
    """A motif that weighs much in the term of many motifs."""

    motif: str
    """Identifier."""
    name: str
    """Name in the database."""
    importance: float
    """What a standard deviation of its best hit adds to the logit; below 0 it takes away."""


@dataclass(frozen=True, kw_only=True)
class ManyMotifsRecord:
    """What `many_motifs.json` says."""

    num_motifs: int
    """Motifs of the term."""
    network_weight: float
    """What the logits of features and chosen motifs are multiplied by."""
    motifs_weight: float
    """What the logits of the regression on many motifs are multiplied by."""
    loss_before: float
    """Loss on held-out regions without the term, in nats a region."""
    loss: float
    """Loss on held-out regions with it, and with gapped k-mers where they are a term."""
    strongest: tuple[StrongMotif, ...]
    """The `NUM_STRONGEST` motifs that add or take away most, the strongest first."""
    kmers_weight: float | None = field(default=None, metadata=IF_SET)
    """What the score of gapped k-mers is multiplied by; None where they are no term."""


def motif_library(spec: RunSpec, dataset: Dataset) -> MotifLibrary | None:
    """Give the motifs that the regions of a run choose from; None where they choose none.

    They are all of a part of JASPAR. The TF's own are those of its name, dimers included, and the
    motif that it was added with. They, or all of its binding modes, are hidden where the spec says
    so.

    Raises
    ------
    DataError
        If the installed `pyjaspar` lacks that part, or the binding modes that are to be hidden
        are not known.
    """
    choice, tf = spec.motif_choice, spec.regions.tfs[0]
    if choice is None:
        return None
    jaspar = Jaspar.called(spec.jaspar)
    if choice is MotifChoice.SIMILAR_HIDDEN:
        check_modes_known(jaspar)
    every = jaspar_matrices(jaspar)
    is_own = [tf.upper() in motif.tfs for motif in every]
    own = [motif for motif, mine in zip(every, is_own, strict=True) if mine]
    others = [motif for motif, mine in zip(every, is_own, strict=True) if not mine]
    added = added_motif(dataset, tf)
    if added is not None and added.digest not in {motif.digest for motif in own}:
        own.insert(0, added)
    if choice is not MotifChoice.AUTO:
        # the name of an added TF may not be JASPAR's, so its motif decides too
        names = {tf.upper(), *(name for motif in own for name in motif.tfs)}
        own = []
        if choice is MotifChoice.SIMILAR_HIDDEN:
            modes = load_modes()
            known = modes.among(names)
            others = [one for one in others if modes.among(one.tfs).isdisjoint(known)]
            others = [one for one in others if names.isdisjoint(one.tfs)]
    return MotifLibrary(
        own=tuple(map(_profile, own)),
        others=tuple(map(_profile, others)),
        many=spec.many_motifs,
        gapped_kmers=spec.gapped_kmers,
    )


@cache
def _profile(motif: Motif) -> Profile:
    return Profile(name=motif.matrix_id, log_odds=motif.log_odds)


def write_terms(folder: Path, chosen: ChosenTerms, network: BindingNetwork) -> None:
    """Write which motifs a run's regions chose."""
    records = tuple(
        _record(one, float(term.weight.detach()[0]))
        for one, term in zip(chosen.motifs, network.motif_terms, strict=True)
    )
    (folder / TERMS_FILE).write_text(to_json(records))
    if chosen.motifs:
        matrices = [
            Motif(
                tf="",
                matrix_id=record.motif,
                name=record.name,
                probabilities=_probabilities(one),
            )
            for record, one in zip(records, chosen.motifs, strict=True)
        ]
        write_meme(folder / TERMS_MEME_FILE, matrices)


def write_many_motifs(folder: Path, term: ManyMotifs) -> None:
    """Write what the term of many motifs is worth, and which weigh most."""
    order = np.argsort(-np.abs(term.importance), kind="stable")[:NUM_STRONGEST]
    strongest = tuple(
        StrongMotif(
            motif=term.names[number],
            name=_known_name(term.names[number]),
            importance=float(term.importance[number]),
        )
        for number in order
    )
    record = ManyMotifsRecord(
        num_motifs=len(term.names),
        network_weight=term.network_weight,
        motifs_weight=term.motifs_weight,
        loss_before=term.loss_before,
        loss=term.loss,
        strongest=strongest,
        kmers_weight=None if term.kmer_table is None else term.kmers_weight,
    )
    (folder / MANY_MOTIFS_FILE).write_text(to_json(record))


def read_many_motifs(folder: Path) -> ManyMotifsRecord | None:
    """Read what the term of many motifs of a run's network is worth; None where it has none.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = folder / MANY_MOTIFS_FILE
    return _read(path, ManyMotifsRecord) if path.exists() else None


def read_terms(folder: Path) -> tuple[TermRecord, ...]:
    """Read which motifs became terms of a run's network; none if the run chose none.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = folder / TERMS_FILE
    return _read(path, tuple[TermRecord, ...]) if path.exists() else ()


def _read(path: Path, kind: type[T]) -> T:
    try:
        return from_json(path.read_bytes(), kind)
    except (OSError, RecordError) as error:
        raise RunError(f"{path}: damaged ({error}); remove {path.parent} and run again") from None


def term_motifs(folder: Path) -> tuple[tuple[TermRecord, Motif], ...]:
    """Read the motifs that became terms of a run's network, each with its record.

    Raises
    ------
    DataError, RunError
        If a file is damaged.
    """
    terms = read_terms(folder)
    motifs = read_motifs(folder / TERMS_MEME_FILE) if terms else ()
    return tuple(zip(terms, motifs, strict=True))


def _record(one: ChosenMotif, weight: float) -> TermRecord:
    if one.kind == "de novo":
        motif, name = DE_NOVO_NAME, consensus(_probabilities(one))
    else:
        motif, name = one.name, _known_name(one.name)
    return TermRecord(
        kind=one.kind,
        motif=motif,
        name=name,
        weight=weight,
        auroc=one.auroc,
        loss_before=one.loss_before,
        loss=one.loss,
        like=one.like,
        like_correlation=one.like_correlation,
    )


def _known_name(matrix_id: str) -> str:
    known = jaspar_matrix(matrix_id)
    return "" if known is None else known.name


def _probabilities(one: ChosenMotif) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    odds = np.exp2(one.log_odds.astype(np.float64))
    return odds / odds.sum(axis=0)
