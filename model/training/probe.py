"""The output layer alone, fitted to the features of a network that is otherwise unchanged.

A few hundred regions are enough for a logistic regression with an L2 penalty on the last hidden
layer's activations, mean of both strands: Kumar et al. 2022 (arXiv:2202.10054) show why fine-tuning
all layers on few examples distorts good features. It is a convex problem, so neither a learning
rate nor an epoch has to be chosen, and it takes a second. If the network has motifs' terms
(`model.motif_term`), their weights are fitted with the others, almost without a penalty, and never
below 0, since with 25 regions a site may by chance seem to prevent binding.

The weight of a motif that was chosen or learnt on the same regions is fitted to its held-out scores
(`model.training.motif_choice`): those of the choice itself would make it too large.

Legend: n examples, F features, T TFs, K motifs.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.device import forward_batch
from model.encoding import OneHotEncoder, reverse_complement, to_tensor
from model.errors import ModelError
from model.labels import resolved_cells
from model.motif_term import MotifTerm
from model.network import BindingNetwork
from model.training.batches import Examples
from model.training.kept_features import KeptFeatures

Scores = NDArray[np.float32]

MAX_STEPS: Final = 2000
"""Highest number of steps of L-BFGS, which needs some tens."""

MOTIF_SCALE: Final = 30.0
"""Factor of a motif's standardized score beside the features, by which the penalty hardly affects
its weight: from 10 to 30 it gained 0.01 MCC, from 30 to 100 nothing (benchmarks/RESULTS.md)."""

_KEPT: Final = KeptFeatures()


class Regression(NamedTuple):
    """A logistic regression, its weights on the features as they are."""

    weight: NDArray[np.float32]
    """Shape (F,)."""
    motif_weights: Scores
    """Shape (K,)."""
    bias: float

    def logits(self, features: NDArray[np.float32], motifs: Scores) -> NDArray[np.float64]:
        """Logits of some regions, shape (n,), by their features and their motifs' scores."""
        return (features @ self.weight + motifs @ self.motif_weights + self.bias).astype(np.float64)


def regression(
    features: NDArray[np.float32], bound: NDArray[np.bool_], strength: float, motifs: Scores
) -> Regression:
    """Fit a penalized logistic regression to features and standardized scores of motifs.

    Parameters
    ----------
    features
        Shape (n, F).
    bound
        Labels, shape (n,).
    strength
        As for :func:`fit_output_layer`.
    motifs
        Shape (n, K). No weight of them falls below 0.

    Raises
    ------
    ModelError
        There are regions of one class only.
    """
    if bound.all() or not bound.any():
        raise ModelError(
            f"{int(bound.sum())} bound and {int((~bound).sum())} unbound regions to fit the output "
            "to; both are needed"
        )
    num_features = features.shape[1]
    center = features.mean(axis=0, dtype=np.float64)
    scale = (float((features - center).std()) if num_features else 0.0) or 1.0
    columns = np.hstack([(features - center) / scale, MOTIF_SCALE * motifs])
    # imported here, so that commands that fit no probe start quickly
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=strength, max_iter=MAX_STEPS).fit(columns, bound)
    of_motifs = fitted.coef_[0][num_features:]
    if (of_motifs < 0).any():
        # the loss is convex, so its minimum at 0 or more then lies at 0
        without = motifs.copy()
        without[:, int(of_motifs.argmin())] = 0
        return regression(features, bound, strength, without)
    weight = fitted.coef_[0][:num_features] / scale
    return Regression(
        weight=weight.astype(np.float32),
        motif_weights=(of_motifs * MOTIF_SCALE).astype(np.float32),
        bias=float(fitted.intercept_[0] - center @ weight),
    )


def fit_output_layer(
    network: nn.Module,
    examples: Examples,
    strength: float,
    *,
    held_out: Scores | None = None,
    device: torch.device | str = "cpu",
) -> None:
    """Fit a network's output layer in place, each TF's output to its resolved examples.

    The network is in eval mode afterwards.

    Parameters
    ----------
    network
        Takes (B, 4, L), returns logits (B, T); its last layer is `output`, linear.
    examples
        Regions of both classes for each TF.
    strength
        Inverse strength C of the penalty, above 0: features are centred and scaled to a common
        standard deviation of 1, and the penalty is half the squared norm over C.
    held_out
        Scores to fit the weights of the motifs' terms to, standardized, shape (n, K); by default
        the scores of the terms.
    device
        Where to compute the features; the CPU by default.

    Raises
    ------
    ModelError
        A TF has regions of one class only, or a feature is not finite.
    """
    output = network.get_submodule("output")
    assert isinstance(output, nn.Linear)
    features = hidden_features(network, examples.sequences, device=device)
    if not np.isfinite(features).all():
        raise ModelError("a feature of the network is not finite; start from other weights")
    terms, scores = standardized_terms(network, examples, device)
    motifs = scores if held_out is None else held_out
    for number in range(examples.labels.shape[1]):
        labels = examples.labels[:, number]
        resolved = resolved_cells(labels)
        fitted = regression(features[resolved], labels[resolved] == 1, strength, motifs[resolved])
        _take(output, terms, number, fitted)


def fit_motif_terms(
    network: nn.Module,
    examples: Examples,
    *,
    held_out: Scores | None = None,
    device: torch.device | str = "cpu",
) -> None:
    """Fit the weights of a network's motif terms, and the output's bias, by the motifs alone.

    A training that follows then learns what the motifs do not explain. A network without such a
    term is left as it is.

    Parameters
    ----------
    held_out
        As for :func:`fit_output_layer`.

    Raises
    ------
    ModelError
        A TF has regions of one class only.
    """
    terms, scores = standardized_terms(network, examples, device)
    if not terms:
        return
    motifs = scores if held_out is None else held_out
    output = network.get_submodule("output")
    assert isinstance(output, nn.Linear)
    nothing = np.zeros((len(motifs), 0), dtype=np.float32)
    for number in range(examples.labels.shape[1]):
        labels = examples.labels[:, number]
        resolved = resolved_cells(labels)
        fitted = regression(nothing[resolved], labels[resolved] == 1, 1.0, motifs[resolved])
        _take(output, terms, number, fitted)


@torch.no_grad()
def _take(output: nn.Linear, terms: Sequence[MotifTerm], number: int, fitted: Regression) -> None:
    """Give a TF's output and its weights of the motifs what was fitted; no feature, no weight."""
    if len(fitted.weight):
        output.weight[number] = torch.from_numpy(fitted.weight)
    output.bias[number] = fitted.bias
    for term, weight in zip(terms, fitted.motif_weights, strict=True):
        term.weight[number] = float(weight)


@torch.inference_mode()
def standardized_terms(
    network: nn.Module, examples: Examples, device: torch.device | str
) -> tuple[tuple[MotifTerm, ...], Scores]:
    """Standardize a network's motif terms by some regions; give them and their scores, (n, K)."""
    terms = network.motif_terms if isinstance(network, BindingNetwork) else ()
    encode = OneHotEncoder(device)
    packed = to_tensor(examples.sequences).to(device)
    columns = np.zeros((len(examples.sequences), len(terms)), dtype=np.float32)
    for number, term in enumerate(terms):
        scores = [term.scores(encode(part)) for part in packed.split(forward_batch(device))]
        found = torch.cat(scores).cpu().numpy()
        term.standardize(found)
        columns[:, number] = (found - float(term.center)) / float(term.spread)
    return terms, columns


def hidden_features(
    network: nn.Module, sequences: NDArray[np.uint8], *, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Give the inputs of the output layer, in eval mode, mean of both strands.

    Those of the last network's hidden layers are kept (`model.training.kept_features`).

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).

    Returns
    -------
    ndarray of float32
        Shape (n, F).
    """
    network.eval()
    return _KEPT.of(network, sequences, lambda some: _features(network, some, device))


@torch.inference_mode()
def _features(
    network: nn.Module, sequences: NDArray[np.uint8], device: torch.device | str
) -> NDArray[np.float32]:
    device = torch.device(device)
    seen: list[Tensor] = []
    hook = network.get_submodule("output").register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].float().cpu())
    )
    encode = OneHotEncoder(device)
    forward = to_tensor(sequences).to(device)
    strands = []
    try:
        for strand in (forward, reverse_complement(forward)):
            seen.clear()
            for part in strand.split(forward_batch(device)):
                network(encode(part))
            strands.append(torch.cat(seen))
    finally:
        hook.remove()
    mean: NDArray[np.float32] = (sum(strands[1:], strands[0]) / len(strands)).numpy()
    return mean
