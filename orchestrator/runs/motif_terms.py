"""Motifs that a run's own regions choose: the library that they are chosen from, and the files.

`motifs.json` says which motifs became terms of the network's logits, of what kind, and what each
gained on held-out regions; `motifs.meme` has their matrices. A motif of kind `enriched` is the
most enriched profile of JASPAR and one of kind `de novo` was learnt from the regions: neither is
the TF's motif because a run chose it.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from data.dataset.store import Dataset
from data.errors import DataError
from data.motifs.database import DEFAULT, Jaspar, jaspar_matrices, jaspar_matrix
from data.motifs.files import read_motifs
from data.motifs.meme import write_meme
from data.motifs.motif import Motif
from data.motifs.pwm import consensus
from data.own_tf.record import added_motif
from data.records import RecordError, from_json, to_json
from data.relations.binding_modes import load_modes
from model.network import BindingNetwork
from model.training.motif_choice import ChosenMotif, ChosenTerms, MotifLibrary, Profile
from orchestrator.errors import RunError
from orchestrator.spec import MotifChoice, RunSpec

TERMS_FILE: Final = "motifs.json"
TERMS_MEME_FILE: Final = "motifs.meme"
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


def check_choice(choice: MotifChoice, jaspar: Jaspar) -> None:
    """Check that a part of JASPAR can be chosen from.

    Raises
    ------
    DataError
        If similar motifs are to be hidden and the binding modes of that taxon are not known.
    """
    if choice is MotifChoice.SIMILAR_HIDDEN and jaspar.taxon != DEFAULT.taxon:
        raise DataError(
            f"binding modes are known of {DEFAULT.taxon} and not of {jaspar.taxon}, so that "
            "similar motifs cannot be hidden"
        )


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
    check_choice(choice, jaspar)
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
    return MotifLibrary(own=tuple(map(_profile, own)), others=tuple(map(_profile, others)))


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


def read_terms(folder: Path) -> tuple[TermRecord, ...]:
    """Read which motifs became terms of a run's network; none if the run chose none.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = folder / TERMS_FILE
    if not path.exists():
        return ()
    try:
        return from_json(path.read_bytes(), tuple[TermRecord, ...])
    except (OSError, RecordError) as error:
        raise RunError(f"{path}: damaged ({error}); remove {folder} and run again") from None


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
        known = jaspar_matrix(one.name)
        motif, name = one.name, "" if known is None else known.name
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


def _probabilities(one: ChosenMotif) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    odds = np.exp2(one.log_odds.astype(np.float64))
    return odds / odds.sum(axis=0)
