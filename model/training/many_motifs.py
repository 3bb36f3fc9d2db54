"""The best hits of many motifs, and gapped k-mers, as terms of a network's logits, beside others.

A regression on the best hits of the motifs of a database knows what features and a few chosen
motifs do not, the more the more regions it has. Of all motifs it takes the `NUM_MOTIFS` that tell
bound from unbound regions best, the same or the other way round. Gapped k-mers, by a linear support
vector machine, know what no database has. All kinds of logits are joined by those of held-out
regions, each of which other regions chose and fitted: no weight falls below 0, and all are pulled
to the network as it is and nothing else, so that a few regions change little.

Legend: n examples, M motifs, K of them in the term.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from model.gapped_kmers import MAX_SPAN
from model.network import BindingNetwork
from model.rivals import Linear, logistic_regression
from model.seeds import stream_seed
from model.training.batches import Examples
from model.training.kmer_scores import fit_kmers
from model.training.motif_choice import (
    ChosenTerms,
    Logits,
    Scanned,
    auroc_of,
    balanced_folds,
    held_out_logits,
    losses_of,
)

NUM_MOTIFS: Final = 100
"""Motifs of the term at most: all 746 of JASPAR gain nothing more and take seven times as long."""
STRENGTH: Final = 0.01
"""Inverse strength of the penalty on the hits, each of which has a standard deviation of 1."""
PULLED_TO: Final = (1.0, 0.0, 0.0)
"""Weights of the network's logits, of the motifs' and of the k-mers' where regions say nothing."""
PULL: Final = 3.0
"""Loss, in nats over all regions, of a weight that is 1 away from where it is pulled."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ManyMotifs:
    """The term of many motifs, and how it is joined with the rest of a network's logits."""

    names: tuple[str, ...]
    """The motifs of the term, K."""
    log_odds: tuple[NDArray[np.float32], ...]
    """Bits over a uniform background, K of shape (4, W)."""
    weights: NDArray[np.float32]
    """What a bit of each motif's best hit adds to the logits, shape (K,)."""
    importance: NDArray[np.float32]
    """What a standard deviation of it adds, shape (K,)."""
    network_weight: float
    """What the logits of features and chosen motifs are multiplied by."""
    motifs_weight: float
    """What the logits of the regression on many motifs are multiplied by; part of `weights`."""
    kmer_table: NDArray[np.float32] | None
    """What each span of bases adds to the logits, shape (4^`MAX_SPAN`, 1); None without k-mers."""
    kmers_weight: float
    """What the score of gapped k-mers is multiplied by, part of the table; 0 without them."""
    bias: float
    """What is added to all logits."""
    loss_before: float
    """Loss on held-out regions without these terms, in nats a region."""
    loss: float
    """Loss on held-out regions with them."""


def join_many_motifs(
    network: BindingNetwork,
    known: Examples,
    chosen: ChosenTerms,
    *,
    seed: int,
) -> ManyMotifs:
    """Give a network the term of many motifs, and weight it and what the network has already.

    Gapped k-mers are a further term where they were asked for.

    Parameters
    ----------
    network
        Its output layer and the terms of its chosen motifs are fitted to `known`.
    known
        Regions of the network's one TF.
    chosen
        What was chosen by them, with the same seed.
    seed
        As for :func:`model.training.motif_choice.choose_motifs`.
    """
    bound = known.labels[:, 0] == 1
    # those by which the motifs have their held-out scores
    folds = balanced_folds(bound, stream_seed(seed, "motif folds"))
    logits = held_out_logits(chosen.components, chosen.held_out, bound, folds, chosen.strength)
    sequences = known.sequences if chosen.gapped_kmers else None
    found = fit_many_motifs(chosen.scanned, bound, logits, folds, sequences)
    with torch.no_grad():
        network.output.weight.mul_(found.network_weight)
        network.output.bias.mul_(found.network_weight).add_(found.bias)
        for term in network.motif_terms:
            term.weight.mul_(found.network_weight)
    network.set_many_motifs(found.log_odds, found.weights[None])
    if found.kmer_table is not None:
        network.set_gapped_kmers(found.kmer_table, MAX_SPAN)
    return found


def fit_many_motifs(
    scanned: Scanned,
    bound: NDArray[np.bool_],
    logits: Logits,
    folds: NDArray[np.int64],
    sequences: NDArray[np.uint8] | None = None,
) -> ManyMotifs:
    """Choose and weight many motifs, and join them with held-out logits of a network.

    Parameters
    ----------
    scanned
        All M motifs and the bits of their best hits, (n, M).
    bound
        Labels, shape (n,).
    logits
        Held-out logits of the network, shape (n,).
    folds
        Fold of each region, shape (n,).
    sequences
        Packed bases, shape (n, L / 4), where gapped k-mers are a term too.
    """
    hits = scanned.scores
    held_out = np.empty(len(bound))
    for fold in np.unique(folds):
        out = folds == fold
        kept, fitted = _fitted(hits[~out], bound[~out])
        held_out[out] = fitted.logits(hits[out][:, kept])
    kept, whole = _fitted(hits, bound)
    kinds = [logits, held_out]
    kmers = None
    if sequences is not None:
        kmers, held_out = fit_kmers(sequences, bound, folds)
        kinds.append(held_out)
    each = np.column_stack(kinds)
    of_kinds, bias = joined(each, bound)
    network_weight, motifs_weight = map(float, of_kinds[:2])
    weights = (motifs_weight * whole.weights).astype(np.float32)
    after = each @ of_kinds + bias
    bias += motifs_weight * whole.bias
    kmers_weight, kmer_table = 0.0, None
    if kmers is not None:
        kmers_weight = float(of_kinds[2])
        bias += kmers_weight * kmers.bias
        kmer_table = (kmers_weight * kmers.table).astype(np.float32)[:, None]
    return ManyMotifs(
        names=tuple(scanned.profiles[number].name for number in kept),
        log_odds=tuple(scanned.profiles[number].log_odds for number in kept),
        weights=weights,
        importance=weights * hits[:, kept].std(axis=0),
        network_weight=network_weight,
        motifs_weight=motifs_weight,
        kmer_table=kmer_table,
        kmers_weight=kmers_weight,
        bias=bias,
        loss_before=float(losses_of(logits, bound).mean()),
        loss=float(losses_of(after, bound).mean()),
    )


def joined(
    logits: NDArray[np.float64], bound: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Weights of K kinds of held-out logits, (n, K), pulled to `PULLED_TO`, (K,); and the bias."""
    # here, since most commands join nothing and are to start at once
    from scipy.optimize import minimize

    num = logits.shape[1]
    target = np.array(PULLED_TO[:num])

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        away = values[:num] - target
        z = logits @ values[:num] + values[num]
        off = 0.5 + 0.5 * np.tanh(0.5 * z) - bound
        total = (np.logaddexp(0.0, z) - bound * z).sum() + PULL * (away**2).sum()
        return float(total), np.append(logits.T @ off + 2 * PULL * away, off.sum())

    bounds = [*[(0.0, None)] * num, (None, None)]
    start = np.append(target, 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:num], float(found[num])


def _fitted(
    hits: NDArray[np.float32], bound: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Linear]:
    """The motifs that tell regions apart best, (K,), and a regression on their best hits."""
    told = np.abs(auroc_of(hits, bound) - 0.5)
    kept = np.argsort(-told, kind="stable")[:NUM_MOTIFS]
    return kept, logistic_regression(hits[:, kept], bound, strength=STRENGTH)
