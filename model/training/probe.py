"""The output layer alone, fitted to the features of a network that is otherwise unchanged.

A few hundred regions are enough for a logistic regression with an L2 penalty on the last hidden
layer's activations, mean of both strands: Kumar et al. 2022 (arXiv:2202.10054) show why fine-tuning
all layers on few examples distorts good features. It is a convex problem, so neither a learning
rate nor an epoch has to be chosen, and it takes a second. If the network has a motif's term
(`model.motif_term`), its weight is fitted with the others, almost without a penalty, and never
below 0, since with 25 regions a site may seem to prevent binding by chance.

Legend: n examples, F features, T TFs.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.encoding import OneHotEncoder, reverse_complement, to_tensor
from model.errors import ModelError
from model.labels import resolved_cells
from model.motif_term import MotifTerm
from model.network import BindingNetwork
from model.training.batches import Examples

BATCH: Final = 500
"""Sequences encoded at a time; only memory and speed depend on it."""
MAX_STEPS: Final = 2000
"""Highest number of steps of L-BFGS, which needs some tens."""

MOTIF_SCALE: Final = 30.0
"""Factor of a motif's standardized score beside the features, by which the penalty hardly affects
its weight: from 10 to 30 it gained 0.01 MCC, from 30 to 100 nothing (benchmarks/RESULTS.md)."""


def fit_output_layer(
    network: nn.Module, examples: Examples, strength: float, *, device: torch.device | str = "cpu"
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
    term = _standardized(network, examples, device)
    motif = None if term is None else term[1]
    for number in range(examples.labels.shape[1]):
        labels = examples.labels[:, number]
        resolved = resolved_cells(labels)
        fitted = _regression(
            features[resolved],
            labels[resolved] == 1,
            strength,
            None if motif is None else motif[resolved],
        )
        with torch.no_grad():
            output.weight[number] = torch.from_numpy(fitted.weight)
            output.bias[number] = fitted.bias
            if term is not None:
                term[0].weight[number] = fitted.motif_weight


def fit_motif_term(
    network: nn.Module, examples: Examples, *, device: torch.device | str = "cpu"
) -> None:
    """Fit the weight of a network's motif term, and the output's bias, by the motif alone.

    A training that follows then learns what the motif does not explain. A network without such a
    term is left as it is.

    Raises
    ------
    ModelError
        A TF has regions of one class only.
    """
    found = _standardized(network, examples, device)
    if found is None:
        return
    term, motif = found
    output = network.get_submodule("output")
    assert isinstance(output, nn.Linear)
    nothing = np.zeros((len(motif), 0), dtype=np.float32)
    for number in range(examples.labels.shape[1]):
        labels = examples.labels[:, number]
        resolved = resolved_cells(labels)
        fitted = _regression(nothing[resolved], labels[resolved] == 1, 1.0, motif[resolved])
        with torch.no_grad():
            term.weight[number] = fitted.motif_weight
            output.bias[number] = fitted.bias


@torch.inference_mode()
def _standardized(
    network: nn.Module, examples: Examples, device: torch.device | str
) -> tuple[MotifTerm, NDArray[np.float32]] | None:
    """Standardize a network's motif term by some regions; give it and their scores, shape (n,)."""
    term = network.motif_term if isinstance(network, BindingNetwork) else None
    if term is None:
        return None
    encode = OneHotEncoder(device)
    packed = to_tensor(examples.sequences).to(device)
    scores = torch.cat([term.scores(encode(part)) for part in packed.split(BATCH)]).cpu().numpy()
    term.standardize(scores)
    return term, ((scores - float(term.center)) / float(term.spread)).astype(np.float32)


@torch.inference_mode()
def hidden_features(
    network: nn.Module, sequences: NDArray[np.uint8], *, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Compute the inputs of the output layer, in eval mode, mean of both strands.

    Parameters
    ----------
    sequences
        Packed bases, shape (n, L / 4).

    Returns
    -------
    ndarray of float32
        Shape (n, F).
    """
    device = torch.device(device)
    network.eval()
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
            for part in strand.split(BATCH):
                network(encode(part))
            strands.append(torch.cat(seen))
    finally:
        hook.remove()
    mean: NDArray[np.float32] = (sum(strands[1:], strands[0]) / len(strands)).numpy()
    return mean


class _Fitted(NamedTuple):
    """A logistic regression, its weights on the features as they are."""

    weight: NDArray[np.float32]
    """Shape (F,)."""
    motif_weight: float
    bias: float


def _regression(
    features: NDArray[np.float32],
    bound: NDArray[np.bool_],
    strength: float,
    motif: NDArray[np.float32] | None,
) -> _Fitted:
    if bound.all() or not bound.any():
        raise ModelError(
            f"{int(bound.sum())} bound and {int((~bound).sum())} unbound regions to fit the output "
            "to; both are needed"
        )
    num_features = features.shape[1]
    center = features.mean(axis=0, dtype=np.float64)
    scale = (float((features - center).std()) if num_features else 0.0) or 1.0
    columns = [(features - center) / scale]
    if motif is not None:
        columns.append(MOTIF_SCALE * motif[:, None])
    # here, since most commands fit no probe and are to start at once
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=strength, max_iter=MAX_STEPS).fit(np.hstack(columns), bound)
    if motif is not None and fitted.coef_[0][-1] < 0:
        # the loss is convex, so its minimum at 0 or more then lies at 0
        return _regression(features, bound, strength, np.zeros_like(motif))
    weight = fitted.coef_[0][:num_features] / scale
    return _Fitted(
        weight=weight.astype(np.float32),
        motif_weight=0.0 if motif is None else float(fitted.coef_[0][-1]) * MOTIF_SCALE,
        bias=float(fitted.intercept_[0] - center @ weight),
    )
