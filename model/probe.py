"""The output layer alone, fitted to the features of a network that stays as it is.

A logistic regression with an L2 penalty on the last hidden layer's activations, mean of both
strands, is what a few hundred regions can decide: Kumar et al. 2022 (arXiv:2202.10054) show why
fine-tuning all layers on few examples distorts good features. It is a convex problem, so there is
neither a rate nor an epoch to choose, and it takes a second.

Legend: n examples, F features, T TFs.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from model.batches import Examples, to_tensor
from model.encoding import OneHotEncoder, reverse_complement
from model.errors import ModelError
from model.labels import resolved_cells

BATCH: Final = 500
"""Sequences encoded at a time; only memory and speed depend on it."""
MAX_STEPS: Final = 2000
"""Of L-BFGS, which needs some tens."""


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
        Where to compute the features.

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
    for number in range(examples.labels.shape[1]):
        labels = examples.labels[:, number]
        resolved = resolved_cells(labels)
        weight, bias = _regression(features[resolved], labels[resolved] == 1, strength)
        with torch.no_grad():
            output.weight[number] = torch.from_numpy(weight)
            output.bias[number] = bias


@torch.inference_mode()
def hidden_features(
    network: nn.Module, sequences: NDArray[np.uint8], *, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """What the output layer sees of sequences, in eval mode, mean of both strands.

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


def _regression(
    features: NDArray[np.float32], bound: NDArray[np.bool_], strength: float
) -> tuple[NDArray[np.float32], float]:
    """Weights (F,) and bias of the logistic regression, on the features as they are."""
    if bound.all() or not bound.any():
        raise ModelError(
            f"{int(bound.sum())} bound and {int((~bound).sum())} unbound regions to fit the output "
            "to; both are needed"
        )
    center = features.mean(axis=0, dtype=np.float64)
    scale = float((features - center).std()) or 1.0
    fitted = LogisticRegression(C=strength, max_iter=MAX_STEPS).fit(
        (features - center) / scale, bound
    )
    weight = fitted.coef_[0] / scale
    return weight.astype(np.float32), float(fitted.intercept_[0] - center @ weight)
