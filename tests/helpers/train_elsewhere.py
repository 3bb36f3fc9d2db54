"""Train on the CPU and on a pretended GPU; print as JSON how they compare.

A process of its own, see `tests.helpers.pretend_gpu`.
"""

import contextlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from model.network import BindingNetwork, build_network
from model.network_config import NetworkConfig
from model.prediction import every_logit, predict
from model.training.data_parallel import ALONE, DataParallel, Parallel
from model.training.loop import (
    Epoch,
    Examples,
    OnEpoch,
    StateFile,
    TrainingConfig,
    TrainingContext,
    train,
)
from tests.helpers.pretend_gpu import DEVICE, PretendGpu, reads

NETWORK = NetworkConfig(num_tfs=2, conv_filters=(8, 8, 8), dense_units=(16, 16))
CONFIG = TrainingConfig(lr=0.01, batch_size=16, max_epochs=2)
SLOW = replace(CONFIG, lr=0.001)
CASES: dict[str, tuple[NetworkConfig, TrainingConfig]] = {
    "plain": (NETWORK, CONFIG),
    "averaged, one strand at random": (
        NETWORK,
        replace(CONFIG, averaging=0.9, random_strand=True, keep="last"),
    ),
    "frozen layers": (NETWORK, replace(CONFIG, frozen=("conv1", "conv2"), fixed_norm=True)),
    "output layer fitted first": (NETWORK, replace(CONFIG, probe=1.0)),
    "a motif's term": (replace(NETWORK, motif_width=8), CONFIG),
    "a motif's term, output layer fitted first": (
        replace(NETWORK, motif_width=8),
        replace(CONFIG, probe=1.0),
    ),
    "nothing trained": (NETWORK, replace(CONFIG, max_epochs=0)),
}


def examples(num: int, seed: int) -> Examples:
    """Regions of which some cells are unresolved."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (num, 2)).astype(np.int8)
    return Examples(rng.integers(0, 256, (num, 50), dtype=np.uint8), labels)


def result(
    network_config: NetworkConfig,
    config: TrainingConfig,
    device: torch.device,
    state_file: StateFile | None = None,
    on_epoch: OnEpoch | None = None,
    parallel: Parallel = ALONE,
) -> tuple[dict[str, Tensor], Any, Any]:
    """Weights, losses and predictions after a training on a device."""
    network = build_network(network_config, seed=0)
    terms = network.motif_terms if isinstance(network, BindingNetwork) else ()
    for term in terms:
        term.set_motif(np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32))
    train_set, val_set = examples(60, 1), examples(20, 2)
    trained = train(
        network,
        train_set,
        val_set,
        config,
        seed=0,
        context=TrainingContext(
            device=device, state_file=state_file, on_epoch=on_epoch, parallel=parallel
        ),
    )
    losses = [trained.best_val_loss, *(epoch.train_loss for epoch in trained.history)]
    probabilities = predict(network, val_set.sequences, both_strands=True, device=device)
    return network.state_dict(), losses, probabilities.tolist()


def compared(cpu: tuple[Any, Any, Any], elsewhere: tuple[Any, Any, Any]) -> str:
    """What differs, or `same`."""
    if {tensor.device.type for tensor in elsewhere[0].values()} != {"cpu"}:
        return "the network was not given back"
    if not all(torch.equal(tensor, elsewhere[0][name]) for name, tensor in cpu[0].items()):
        return "weights differ"
    return "same" if cpu[1:] == elsewhere[1:] else "losses or predictions differ"


def told(case: Callable[[], str]) -> str:
    """What a case comes to, an error too."""
    try:
        return case()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def trains_alike(network: NetworkConfig, config: TrainingConfig) -> str:
    """Compare a training on the CPU with one elsewhere."""
    with PretendGpu():
        elsewhere = result(network, config, DEVICE)
    return compared(result(network, config, torch.device("cpu")), elsewhere)


def goes_on() -> str:
    """Compare a training with one that is interrupted and resumes from its state."""
    config = replace(CONFIG, averaging=0.9)

    def interrupt(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder, PretendGpu():
        state = StateFile(path=Path(folder) / "state", every_seconds=0.0)
        with contextlib.suppress(KeyboardInterrupt):
            result(NETWORK, config, DEVICE, state, interrupt)
        epochs: list[int] = []
        elsewhere = result(NETWORK, config, DEVICE, state, lambda e: epochs.append(e.epoch))
    if epochs != [2]:
        return f"it trained epochs {epochs}"
    return compared(result(NETWORK, config, torch.device("cpu")), elsewhere)


def trains_as_two() -> str:
    """Compare a training by two processes, each on the device, with one on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(
            train_as_one_of_two, (folder,), nprocs=2, start_method="fork"
        )
        both = [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(2)]
    _, (val_loss, *losses), probabilities = result(NETWORK, SLOW, torch.device("cpu"))
    if both[0] != both[1]:
        return "the processes differ"
    (their_val_loss, *their_losses), their_probabilities = both[0]
    # biases before batch norm have gradients of rounding alone, which Adam makes steps of
    close = np.allclose(their_losses, losses, rtol=1e-5)
    close &= np.allclose(their_val_loss, val_loss, rtol=1e-3)
    close &= np.allclose(their_probabilities, probabilities, atol=0.01)
    return "close" if close else f"{both[0]} and not {losses}, {probabilities}"


def train_as_one_of_two(rank: int, folder: str) -> None:
    """Train on the device together with another process, and write losses and predictions."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    with PretendGpu():
        parallel = DataParallel(device=DEVICE)
        found = parallel.from_first(b"of the first" if rank == 0 else b"")
        _, losses, probabilities = result(NETWORK, SLOW, DEVICE, parallel=parallel)
    assert found == b"of the first"
    (Path(folder) / f"{rank}.json").write_text(json.dumps([losses, probabilities]))
    dist.destroy_process_group()


def num_reads() -> str:
    """Numbers read from the device in two epochs, of 8 and of 2 steps each."""
    counts = []
    for batch_size in (16, 64):
        reads.clear()
        with PretendGpu():
            result(NETWORK, replace(CONFIG, batch_size=batch_size), DEVICE)
        counts.append(sum(reads.values()))
    return f"{counts[0] - counts[1]} more, {'some' if counts[0] else 'none'}"


def logits() -> str:
    """Compare logits on the CPU with those of a network that was put on the device."""
    network, sequences = build_network(NETWORK, seed=0), examples(7, 3).sequences
    expected = every_logit(network, sequences, [1, 0])
    with PretendGpu():
        network.to(DEVICE)
        reads.clear()
        found = every_logit(network, sequences, [1, 0])
    if sum(reads.values()):
        return "numbers were read"
    return "same" if np.array_equal(expected, found) else "logits differ"


def mixes() -> str:
    """Add up tensors of both places."""
    with PretendGpu():
        torch.zeros(3, device=DEVICE) + torch.zeros(3)
    return "nothing was raised"


if __name__ == "__main__":
    torch.set_num_threads(1)
    # first: what has trained has threads that a fork would lack, and a fork need not import torch
    found = {"group": told(trains_as_two)}
    found |= {name: told(partial(trains_alike, *case)) for name, case in CASES.items()}
    found |= {"goes on": told(goes_on), "reads": told(num_reads), "mixes": told(mixes)}
    found["logits"] = told(logits)
    print(json.dumps(found))
