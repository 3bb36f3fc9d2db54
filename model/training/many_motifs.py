"""The best hits of many motifs as one term of a network's logits, beside its other terms.

A regression on the best hits of the motifs of a database knows what features and a few chosen
motifs do not, the more the more regions it has. Of all motifs it takes the `NUM_MOTIFS` that tell
bound from unbound regions best, the same or the other way round. Both kinds of logits are joined by
those of held-out regions, each of which other regions chose and fitted: neither weight falls below
0, and both are pulled to the network as it is and no motifs, so that a few regions change little.

Legend: n examples, M motifs, K of them in the term.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from model.network import BindingNetwork
from model.rivals import Linear, logistic_regression
from model.seeds import stream_seed
from model.training.batches import Examples
from model.training.motif_choice import (
    ChosenTerms,
    Logits,
    Scanned,
    auroc_of,
    balanced_folds,
    held_out_logits,
    losses_of,
    rotated,
)
from model.training.probe import hidden_features

NUM_MOTIFS: Final = 100
"""Motifs of the term at most: all 746 of JASPAR gain nothing more and take seven times as long."""
STRENGTH: Final = 0.01
"""Inverse strength of the penalty on the hits, each of which has a standard deviation of 1."""
PULLED_TO: Final = (1.0, 0.0)
"""Weights of the network's logits and of the motifs' where regions say nothing."""
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
    bias: float
    """What is added to all logits."""
    loss_before: float
    """Loss on held-out regions without the term, in nats a region."""
    loss: float
    """Loss on held-out regions with it."""


def join_many_motifs(
    network: BindingNetwork,
    known: Examples,
    chosen: ChosenTerms,
    *,
    strength: float,
    seed: int,
    device: torch.device | str = "cpu",
) -> ManyMotifs:
    """Give a network the term of many motifs, and weight it and what the network has already.

    Parameters
    ----------
    network
        Its output layer and the terms of its chosen motifs are fitted to `known`.
    known
        Regions of the network's one TF.
    chosen
        What was chosen by them.
    strength, seed
        As for :func:`model.training.motif_choice.choose_motifs`.
    """
    bound = known.labels[:, 0] == 1
    # those by which the motifs have their held-out scores
    folds = balanced_folds(bound, stream_seed(seed, "motif folds"))
    features, factor = rotated(hidden_features(network, known.sequences, device=device))
    logits = held_out_logits(features, chosen.held_out, bound, folds, factor * strength)
    found = fit_many_motifs(chosen.scanned, bound, logits, folds)
    with torch.no_grad():
        network.output.weight.mul_(found.network_weight)
        network.output.bias.mul_(found.network_weight).add_(found.bias)
        for term in network.motif_terms:
            term.weight.mul_(found.network_weight)
    network.set_many_motifs(found.log_odds, found.weights[None])
    return found


def fit_many_motifs(
    scanned: Scanned, bound: NDArray[np.bool_], logits: Logits, folds: NDArray[np.int64]
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
    """
    hits = scanned.scores
    held_out = np.empty(len(bound))
    for fold in np.unique(folds):
        out = folds == fold
        kept, fitted = _fitted(hits[~out], bound[~out])
        held_out[out] = fitted.logits(hits[out][:, kept])
    kept, whole = _fitted(hits, bound)
    both = np.column_stack([logits, held_out])
    network_weight, motifs_weight, bias = joined(both, bound)
    weights = (motifs_weight * whole.weights).astype(np.float32)
    after = both @ np.array([network_weight, motifs_weight]) + bias
    return ManyMotifs(
        names=tuple(scanned.profiles[number].name for number in kept),
        log_odds=tuple(scanned.profiles[number].log_odds for number in kept),
        weights=weights,
        importance=weights * hits[:, kept].std(axis=0),
        network_weight=network_weight,
        motifs_weight=motifs_weight,
        bias=bias + motifs_weight * whole.bias,
        loss_before=float(losses_of(logits, bound).mean()),
        loss=float(losses_of(after, bound).mean()),
    )


def joined(logits: NDArray[np.float64], bound: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Weights of two kinds of held-out logits, (n, 2), pulled to `PULLED_TO`; and the bias."""
    # here, since most commands join nothing and are to start at once
    from scipy.optimize import minimize

    target = np.array(PULLED_TO)

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        away = values[:2] - target
        z = logits @ values[:2] + values[2]
        off = 0.5 + 0.5 * np.tanh(0.5 * z) - bound
        total = (np.logaddexp(0.0, z) - bound * z).sum() + PULL * (away**2).sum()
        return float(total), np.append(logits.T @ off + 2 * PULL * away, off.sum())

    bounds = [(0.0, None), (0.0, None), (None, None)]
    start = np.append(target, 0.0)
    first, second, bias = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(first), float(second), float(bias)


def _fitted(
    hits: NDArray[np.float32], bound: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], Linear]:
    """The motifs that tell regions apart best, (K,), and a regression on their best hits."""
    told = np.abs(auroc_of(hits, bound) - 0.5)
    kept = np.argsort(-told, kind="stable")[:NUM_MOTIFS]
    return kept, logistic_regression(hits[:, kept], bound, strength=STRENGTH)
