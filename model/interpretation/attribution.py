"""What each base of a region contributes to a prediction, in logits, forward strand.

`deeplift`: DeepLIFT/SHAP by `tangermeme` against dinucleotide-shuffled references (the authors:
captum's DeepLIFT, 10 shuffles of single bases; captum is wrong with max pooling). The contributions
of a region sum to its logit less the mean logit of its references; how far they miss is returned.
It holds for networks of convolutions, dense layers, ReLU and max pooling; what a term of gapped
k-mers contributes is added (:meth:`model.kmer_term.GappedKmersTerm.contributions`).

`mutagenesis`: in-silico saturation mutagenesis, for any network: logit of the region less the mean
logit of the region with each of the three other bases there.

Legend: n regions, L base pairs, R references.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from model.device import ON_CPU
from model.encoding import check_sequences, encode_one_hot, to_tensor
from model.errors import ModelError
from model.kmer_term import KMERS_LAYER, GappedKmersTerm
from model.network import BindingNetwork

Method = Literal["deeplift", "mutagenesis"]
NUM_REFERENCES: Final = 20
_RECURRENT: Final = (nn.RNNBase, nn.RNNCellBase)


@dataclass(frozen=True, kw_only=True, eq=False)
class Attributions:
    """Contributions of bases to the logit of one TF."""

    contributions: NDArray[np.float32]
    """Contribution of the base that is there, shape (n, L)."""
    logits: NDArray[np.float32]
    """Logits of the regions, shape (n,)."""
    max_error: float
    """Largest difference between the sum of a region's contributions and its logit less its
    references' mean logit; NaN for mutagenesis, whose contributions need not add up."""


def attribute(
    network: nn.Module,
    sequences: NDArray[np.uint8],
    *,
    target: int = 0,
    method: Method = "deeplift",
    num_references: int = NUM_REFERENCES,
    seed: int = 0,
) -> Attributions:
    """Contributions of every base of some regions.

    Parameters
    ----------
    network
        Maps (B, 4, L) to logits (B, T); it is left as it is.
    sequences
        Packed bases, shape (n, L / 4).
    target
        Which of its outputs.
    method
        `deeplift` or `mutagenesis`.
    num_references, seed
        Number and seed of the shuffled references (`deeplift` only).

    Raises
    ------
    ModelError
        There is no region, or the method does not fit the network.
    """
    check_sequences(sequences)
    if not len(sequences):
        raise ModelError("there is no region to explain")
    one_hot = encode_one_hot(to_tensor(sequences)).contiguous()
    logits = _logits(network, one_hot, target)
    if method == "mutagenesis":
        found = _mutated(network, one_hot, target, logits)
        return Attributions(
            contributions=found.numpy(), logits=logits.numpy(), max_error=float("nan")
        )
    if any(isinstance(module, _RECURRENT) for module in network.modules()):
        raise ModelError(
            "DeepLIFT is not exact on a recurrent network; choose in-silico mutagenesis"
            " (method mutagenesis)"
        )
    # here, since it loads a compiler
    from tangermeme.deep_lift_shap import deep_lift_shap
    from tangermeme.ersatz import dinucleotide_shuffle

    references = dinucleotide_shuffle(one_hot, n=num_references, random_state=seed).float()
    with _without_kmers(network) as kmers:
        found = deep_lift_shap(
            network, one_hot, target=target, references=references, device="cpu", batch_size=100
        )
    contributions = found.detach().sum(dim=1)
    if kmers is not None:
        each = one_hot.repeat_interleave(num_references, dim=0)
        added = kmers.contributions(each, references.flatten(0, 1), target)
        contributions += added.unflatten(0, (len(one_hot), -1)).mean(dim=1)
    baseline = _logits(network, references.flatten(0, 1), target).view(len(one_hot), -1).mean(1)
    error = (contributions.sum(dim=1) - (logits - baseline)).abs().max()
    return Attributions(
        contributions=contributions.numpy(), logits=logits.numpy(), max_error=float(error)
    )


@contextmanager
def _without_kmers(network: nn.Module) -> Iterator[GappedKmersTerm | None]:
    """Take the term of gapped k-mers, if there is one, out of a network for a while, and give it.

    DeepLIFT follows gradients, and lookups have none.
    """
    kmers = network.kmers_term if isinstance(network, BindingNetwork) else None
    if kmers is None:
        yield None
        return
    delattr(network, KMERS_LAYER)
    try:
        yield kmers
    finally:
        network.add_module(KMERS_LAYER, kmers)


def _logits(network: nn.Module, one_hot: torch.Tensor, target: int) -> torch.Tensor:
    """Logits of one output in eval mode, shape (n,)."""
    modes = {module: module.training for module in network.modules()}
    try:
        network.eval()
        with torch.inference_mode():
            parts = [network(part)[:, target] for part in one_hot.split(ON_CPU)]
    finally:
        for module, training in modes.items():
            module.training = training
    return torch.cat(parts).clone()


def _mutated(
    network: nn.Module, one_hot: torch.Tensor, target: int, logits: torch.Tensor
) -> torch.Tensor:
    """Logit less the mean of those with another base, shape (n, L)."""
    length = one_hot.shape[2]
    rows, channels = torch.arange(length).repeat_interleave(4), torch.arange(4).repeat(length)
    found = []
    for region, logit in zip(one_hot, logits, strict=True):
        mutants = region.repeat(4 * length, 1, 1)
        mutants[torch.arange(4 * length), :, rows] = 0.0
        mutants[torch.arange(4 * length), channels, rows] = 1.0
        # one of the four is the region itself, and adds its own logit
        others = (_logits(network, mutants, target).view(length, 4).sum(1) - logit) / 3
        found.append(logit - others)
    return torch.stack(found)
