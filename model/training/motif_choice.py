"""Which motifs become terms of a network's logits, chosen by the regions that it is trained on.

At most one of each kind, in this order:

- `own`: of the TF's own matrices, monomers and dimers, the one whose best hits tell bound from
  unbound regions best (AUROC);
- `enriched`: of all other profiles of the database, the one that does so best. It is the most
  enriched profile of any TF, and says nothing about this one;
- `de novo`: a motif learnt from what features and the motifs before it leave unexplained
  (`model.training.motif_search`).

A motif that was chosen among hundreds, or learnt, fits the regions that chose it better than it
fits others. So each has held-out scores: those of a region are the scores of the motif that the
other folds choose. The weights of the terms are fitted to them. And a motif that is not the TF's
own becomes a term only if it makes the loss on held-out regions lower.

Legend: n examples, L base pairs, F features, M motifs, W width of a motif.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from model.errors import ModelError
from model.motif_scan import best_scores
from model.network import BindingNetwork
from model.seeds import stream_seed
from model.training.batches import Examples
from model.training.motif_search import search_motif
from model.training.probe import Scores, hidden_features, regression

NUM_FOLDS: Final = 5
"""Folds of the held-out scores."""
SEARCH_FOLDS: Final = 3
"""Folds of those of a de novo motif, each of which costs a search."""
MIN_ERRORS: Final = 1.0
"""A motif becomes a term if it lowers the held-out loss by at least this many standard errors."""
MAX_COMPONENTS: Final = 200
"""Main components of the features by which motifs are chosen: five times as fast as by all."""
_STRENGTH: Final = 0.001
"""Inverse strength of the penalty on features where the training has no probe."""

Kind = Literal["own", "enriched", "de novo"]
Logits = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """A motif that is known."""

    name: str
    """Such as JASPAR's identifier."""
    log_odds: NDArray[np.float32]
    """Bits over a uniform background, shape (4, W), rows A C G T."""


@dataclass(frozen=True, kw_only=True)
class MotifLibrary:
    """The motifs to choose from."""

    own: tuple[Profile, ...]
    """Motifs of the TF; none where none is known."""
    others: tuple[Profile, ...]
    """Motifs of other TFs."""
    many: bool = False
    """Whether the best hits of many of them are a further term (`model.training.many_motifs`)."""
    gapped_kmers: bool = False
    """Whether gapped k-mers are a term beside those."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenMotif:
    """A motif that became a term."""

    kind: Kind
    name: str
    """As in the library; empty for a de novo motif."""
    log_odds: NDArray[np.float32]
    """Bits over a uniform background, shape (4, W)."""
    auroc: float
    """How well its held-out scores tell bound from unbound regions; 0.5: not at all."""
    loss_before: float
    """Loss on held-out regions without it, in nats a region."""
    loss: float
    """Loss on held-out regions with it."""
    held_out: Scores
    """Held-out scores, standardized, shape (n,)."""
    like: str = ""
    """The profile whose best hits correlate most with those of a de novo motif."""
    like_correlation: float = 0.0
    """Correlation of both motifs' best hits over the regions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scanned:
    """Profiles and the bits of their best hits, shape (n, M)."""

    profiles: tuple[Profile, ...]
    scores: Scores

    @classmethod
    def of(cls, profiles: tuple[Profile, ...], sequences: NDArray[np.uint8]) -> "Scanned":
        """Scan sequences for profiles."""
        scores = best_scores(sequences, [one.log_odds for one in profiles])
        return cls(profiles=profiles, scores=scores)

    def __add__(self, other: "Scanned") -> "Scanned":
        """Both profiles and scores, in this order."""
        return Scanned(
            profiles=(*self.profiles, *other.profiles),
            scores=np.hstack([self.scores, other.scores]),
        )

    def most_alike(self, scores: Scores) -> tuple[str, float]:
        """Name and correlation of the profile whose best hits correlate most with some scores."""
        if not self.profiles:
            return "", 0.0
        mine = _standardized(scores, np.ones(len(scores), dtype=np.bool_))
        spread = self.scores.std(axis=0)
        correlations = (self.scores - self.scores.mean(axis=0)).T @ mine / len(mine)
        correlations /= np.where(spread > 0, spread, 1)
        best = int(correlations.argmax())
        return self.profiles[best].name, float(correlations[best])


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenTerms:
    """The motifs that became terms, in the order of the network's terms."""

    motifs: tuple[ChosenMotif, ...]
    num_examples: int
    """n."""
    scanned: Scanned
    """All motifs that there were to choose from, and their best hits in the examples."""
    components: NDArray[np.float32]
    """Main components of the network's features of the examples, shape (n, C)."""
    strength: float
    """Inverse strength of the penalty on these, as :func:`held_out_logits` takes it."""
    many: bool = False
    """Whether the best hits of many of them are to be a further term."""
    gapped_kmers: bool = False
    """Whether gapped k-mers are to be one beside those."""

    @property
    def held_out(self) -> Scores:
        """Held-out scores of all motifs, shape (n, K)."""
        empty = np.zeros((self.num_examples, 0), dtype=np.float32)
        return np.column_stack([empty, *(one.held_out for one in self.motifs)])


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledRegions:
    """What motifs are chosen by: regions, their labels, and a network's features of them."""

    sequences: NDArray[np.uint8]
    """Packed bases, shape (n, L / 4)."""
    bound: NDArray[np.bool_]
    """Labels, shape (n,)."""
    features: NDArray[np.float32]
    """Features that the network computes of them, shape (n, F)."""


def choose_terms(
    network: BindingNetwork,
    known: Examples,
    library: MotifLibrary,
    *,
    strength: float | None,
    seed: int,
    device: torch.device | str = "cpu",
) -> ChosenTerms:
    """Choose motifs by some regions, and give a network their terms in place of those it has.

    Parameters
    ----------
    known
        Regions of the network's one TF.
    strength, seed
        As for :func:`choose_motifs`.
    """
    regions = LabelledRegions(
        sequences=known.sequences,
        bound=known.labels[:, 0] == 1,
        features=hidden_features(network, known.sequences, device=device),
    )
    chosen = choose_motifs(regions, library, strength=strength, seed=seed)
    network.set_motifs([one.log_odds for one in chosen.motifs])
    return chosen


def choose_motifs(
    regions: LabelledRegions, library: MotifLibrary, *, strength: float | None, seed: int
) -> ChosenTerms:
    """Choose the motifs of a TF's terms.

    Parameters
    ----------
    strength
        Inverse strength of the penalty on features, as `model.training.probe` takes it; None where
        all layers are trained.
    seed
        Seed of the folds, 0 or more.
    """
    bound, num = regions.bound, len(regions.bound)
    seed = stream_seed(seed, "motif folds")
    folds = balanced_folds(bound, seed)
    features, factor = rotated(regions.features)
    strength = factor * (_STRENGTH if strength is None else strength)
    nothing = np.zeros((num, 0), dtype=np.float32)
    found: list[ChosenMotif] = []
    logits = held_out_logits(features, nothing, bound, folds, strength)
    of_tf = Scanned.of(library.own, regions.sequences)
    if library.own:
        own = _best(of_tf, bound, "own", folds)
        column = own.held_out[:, None]
        before, logits = logits, held_out_logits(features, column, bound, folds, strength)
        found.append(_measured(own, bound, before, logits))
    others = Scanned.of(library.others, regions.sequences)
    of_search = balanced_folds(bound, seed, SEARCH_FOLDS)
    candidates: tuple[Callable[[Logits], _Candidate | None], ...] = (
        lambda _: _best(others, bound, "enriched", folds) if others.profiles else None,
        lambda known: _learnt(regions, known, of_search, others),
    )
    for candidate in candidates:
        more = candidate(logits)
        if more is None:
            continue
        before = stacked(logits, nothing, bound, folds)
        after = stacked(logits, more.held_out[:, None], bound, folds)
        measured = _measured(more, bound, before, after)
        if _is_lower(after, before, bound):
            found.append(measured)
            logits = after
    return ChosenTerms(
        motifs=tuple(found),
        num_examples=num,
        scanned=of_tf + others,
        components=features,
        strength=strength,
        many=library.many,
        gapped_kmers=library.gapped_kmers,
    )


def auroc_of(scores: NDArray[np.floating], bound: NDArray[np.bool_]) -> NDArray[np.float64]:
    """AUROC of each column of some scores, ties half: (n, M) to (M,)."""
    # imported here, as below, so that commands that choose no motifs start quickly
    from scipy.stats import rankdata

    num_bound = int(bound.sum())
    ranks = rankdata(scores, axis=0)[bound].sum(axis=0)
    pairs = num_bound * (len(bound) - num_bound)
    found: NDArray[np.float64] = (ranks - num_bound * (num_bound + 1) / 2) / pairs
    return found


def balanced_folds(
    bound: NDArray[np.bool_], seed: int, num_folds: int = NUM_FOLDS
) -> NDArray[np.int64]:
    """Fold of each region, shape (n,), with as many of either class in each."""
    rng = np.random.default_rng(seed)
    folds = np.empty(len(bound), dtype=np.int64)
    for label in (True, False):
        rows = rng.permutation(np.flatnonzero(bound == label))
        folds[rows] = np.arange(len(rows)) % num_folds
    return folds


def rotated(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Give the main components of features, and the factor of the strength that goes with them.

    A strong penalty leaves hardly any weight to other components. A regression scales what it gets
    to a common deviation of 1; times the factor, the penalty is that of all features.

    Raises
    ------
    ModelError
        A feature is not finite, or the components are not found.
    """
    if not np.isfinite(features).all():
        raise ModelError("a feature of the network is not finite; start from other weights")
    centred = (features - features.mean(axis=0)).astype(np.float64)
    num, num_features = centred.shape
    # of the smaller of the two matrices of products: a fifth of the time of singular values
    are_few = num <= num_features
    products = centred @ centred.T if are_few else centred.T @ centred
    squares, vectors = _largest(products)
    scale = np.sqrt(squares)
    total = float((centred**2).sum())
    share = float(squares.sum()) / total if total else 1.0
    components = vectors * scale if are_few else centred @ vectors
    return components.astype(np.float32), share * num_features / max(len(scale), 1)


def _largest(
    products: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest eigenvalues of a symmetric matrix, at most `MAX_COMPONENTS`, and their vectors.

    LAPACK may not converge on what it converges on by another way.
    """
    from scipy.linalg import LinAlgError, eigh

    for driver in ("evd", "evr"):
        with suppress(LinAlgError):
            values, vectors = eigh(products, driver=driver)
            order = slice(None, -MAX_COMPONENTS - 1, -1)
            return np.maximum(values[order], 0), vectors[:, order]
    raise ModelError("the main components of the network's features were not found; run again")


def held_out_logits(
    features: NDArray[np.float32],
    columns: Scores,
    bound: NDArray[np.bool_],
    folds: NDArray[np.int64],
    strength: float,
) -> Logits:
    """Logits of each fold's regions by a regression that the other folds were fitted to."""
    logits = np.empty(len(bound))
    for fold in np.unique(folds):
        out = folds == fold
        fitted = regression(features[~out], bound[~out], strength, columns[~out])
        logits[out] = fitted.logits(features[out], columns[out])
    return logits


def stacked(
    logits: Logits,
    columns: NDArray[np.floating],
    bound: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> Logits:
    """Held-out logits of a regression on held-out logits and one column at most, shape (n,).

    The column's weight does not fall below 0.
    """
    from sklearn.linear_model import LogisticRegression

    found = np.empty(len(bound))
    for fold in np.unique(folds):
        out = folds == fold
        for inputs in (np.column_stack([logits, columns]), logits[:, None]):
            fitted = LogisticRegression(C=100.0).fit(inputs[~out], bound[~out])
            found[out] = fitted.decision_function(inputs[out])
            if (fitted.coef_[0][1:] >= 0).all():
                break
    return found


def losses_of(logits: Logits, bound: NDArray[np.bool_]) -> Logits:
    """Cross-entropy of each logit, in nats, shape (n,)."""
    losses: Logits = np.logaddexp(0, np.where(bound, -logits, logits))
    return losses


def _is_lower(after: Logits, before: Logits, bound: NDArray[np.bool_]) -> bool:
    """Whether a loss fell by more than chance explains."""
    gain = losses_of(before, bound) - losses_of(after, bound)
    return bool(gain.mean() > MIN_ERRORS * gain.std() / np.sqrt(len(gain)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    """A motif that may become a term, as :class:`ChosenMotif` has it."""

    kind: Kind
    log_odds: NDArray[np.float32]
    held_out: Scores
    name: str = ""
    like: str = ""
    like_correlation: float = 0.0


def _best(
    scanned: Scanned, bound: NDArray[np.bool_], kind: Kind, folds: NDArray[np.int64]
) -> _Candidate:
    """The profile that tells bound from unbound regions best, and its held-out scores."""
    scores = scanned.scores
    held_out = np.empty(len(bound), dtype=np.float32)
    for fold in np.unique(folds):
        out = folds == fold
        column = scores[:, int(auroc_of(scores[~out], bound[~out]).argmax())]
        held_out[out] = _standardized(column, ~out)[out]
    best = scanned.profiles[int(auroc_of(scores, bound).argmax())]
    return _Candidate(kind=kind, name=best.name, log_odds=best.log_odds, held_out=held_out)


def _learnt(
    regions: LabelledRegions, logits: Logits, folds: NDArray[np.int64], scanned: Scanned
) -> _Candidate | None:
    """The motif that is learnt beside some logits, and its held-out scores."""
    sequences, bound = regions.sequences, regions.bound
    held_out = np.empty(len(bound), dtype=np.float32)
    for fold in np.unique(folds):
        out = folds == fold
        learnt = search_motif(sequences[~out], bound[~out], logits[~out])
        if learnt is None:
            return None
        scores = best_scores(sequences, [learnt])[:, 0]
        held_out[out] = _standardized(scores, ~out)[out]
    whole = search_motif(sequences, bound, logits)
    if whole is None:
        return None
    like, correlation = scanned.most_alike(best_scores(sequences, [whole])[:, 0])
    return _Candidate(
        kind="de novo",
        log_odds=whole,
        held_out=held_out,
        like=like,
        like_correlation=correlation,
    )


def _standardized(scores: Scores, rows: NDArray[np.bool_]) -> Scores:
    """Scores of which those of some rows have mean 0 and standard deviation 1."""
    return (scores - scores[rows].mean()) / (scores[rows].std() or np.float32(1))


def _measured(
    candidate: _Candidate, bound: NDArray[np.bool_], before: Logits, after: Logits
) -> ChosenMotif:
    """Measure the gain of a motif, by held-out logits without it and with it."""
    return ChosenMotif(
        kind=candidate.kind,
        name=candidate.name,
        log_odds=candidate.log_odds,
        auroc=float(auroc_of(candidate.held_out[:, None], bound)[0]),
        loss_before=float(losses_of(before, bound).mean()),
        loss=float(losses_of(after, bound).mean()),
        held_out=candidate.held_out,
        like=candidate.like,
        like_correlation=candidate.like_correlation,
    )
