"""GPUs: whether there is one, and how many runs train on each at once.

A network of a run is small beside a GPU, so several runs share one, each in a process of its own.
Ray gives shares out in ten-thousandths, and a GPU's memory is not divided: whoever
sets the number of runs must see that they fit.

Where several processes pre-train a network together, each of them has another GPU. In a cluster
such a process takes `GROUP_SHARE`, more than half of a GPU, so that no two of them are given the
same one; the runs share the rest, and train beside it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import torch

from orchestrator.errors import RunError

RUNS_PER_GPU: Final = 4
"""Runs that train on a GPU at once, by default."""
MAX_RUNS_PER_GPU: Final = 100
"""Largest number of runs whose shares, in whole ten-thousandths, fit a GPU exactly that often."""
GROUP_SHARE: Final = 0.51
"""Share of a GPU that Ray gives a process of a group."""
_PARTS: Final = 10_000


def count_gpus() -> int:
    """GPUs of this machine that torch can train on."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def gpu_name() -> str:
    """Name of the first GPU of this machine that torch can train on; empty if there is none."""
    return torch.cuda.get_device_name(0) if count_gpus() else ""


def require_gpu() -> None:
    """Raise `RunError` unless torch can train on a GPU of this machine."""
    if not count_gpus():
        raise RunError(
            f"torch {torch.__version__} finds no GPU on this machine: install a torch with CUDA, "
            "or use --device cpu"
        )


def check_sharing(runs_per_gpu: int) -> None:
    """Raise `RunError` unless so many runs can share a GPU."""
    if not 1 <= runs_per_gpu <= MAX_RUNS_PER_GPU:
        raise RunError(
            f"{runs_per_gpu} runs cannot share a GPU: give --runs-per-gpu from 1 to "
            f"{MAX_RUNS_PER_GPU}"
        )


def share_of_gpu(runs_per_gpu: int, taken: float = 0.0) -> float:
    """Give the share of a GPU that a run asks Ray for; it fits a GPU exactly `runs_per_gpu` times.

    Rounded down: a seventh, rounded by Ray to 0.1429, would fit six times only.

    Parameters
    ----------
    runs_per_gpu
        Runs that share a GPU.
    taken
        Share of the GPU that something else takes; by default nothing does.
    """
    return round(_PARTS * (1.0 - taken)) // runs_per_gpu / _PARTS


def gpu_room(nodes: Iterable[Mapping[str, float]], runs_per_gpu: int) -> int:
    """Give how many runs can train on GPUs at once, each with a CPU of the same node.

    Parameters
    ----------
    nodes
        What each node has, `CPU` and `GPU`.
    runs_per_gpu
        Runs that share a GPU.
    """
    return sum(
        min(int(node.get("CPU", 0)), int(node.get("GPU", 0)) * runs_per_gpu) for node in nodes
    )


def require_room(room: int) -> int:
    """Give the number of runs that fit back, or raise `RunError` if it is 0."""
    if not room:
        raise RunError(
            "no node of this Ray has a GPU and a CPU: start a node that has by `ray start "
            "--num-gpus N`, or use --device cpu"
        )
    return room
