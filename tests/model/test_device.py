"""Training on a device that is not the CPU: nothing mixes, nothing waits, the same numbers.

The device is pretended (`tests.helpers.pretend_gpu`); what is CUDA's own, its random states and
cuDNN, is not tried here.
"""

import json
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from model.device import ON_CPU, held_cudnn, keep_freed_memory
from model.network import build_network
from model.network_config import NetworkConfig
from model.prediction import predict

ROOT = Path(__file__).parents[2]
PAGE_BYTES = resource.getpagesize()
CASES = (
    "plain",
    "averaged, one strand at random",
    "frozen layers",
    "output layer fitted first",
    "a motif's term",
    "a motif's term, output layer fitted first",
    "nothing trained",
)
"""Trainings of `tests.helpers.train_elsewhere`, which is not to be imported here."""


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.train_elsewhere"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    compared: dict[str, str] = json.loads(done.stdout)
    assert {*CASES, "goes on", "group", "logits", "reads", "mixes"} == set(compared)
    return compared


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_another_device_gives_what_the_cpu_gives(found: dict[str, str], case: str) -> None:
    assert found[case] == "same"


@pytest.mark.slow
def test_a_training_goes_on_from_a_state_on_the_device(found: dict[str, str]) -> None:
    assert found["goes on"] == "same"


@pytest.mark.slow
def test_two_processes_on_devices_compute_what_one_does_on_the_cpu(found: dict[str, str]) -> None:
    assert found["group"] == "close"


@pytest.mark.slow
def test_logits_come_from_where_the_network_is_in_one_piece(found: dict[str, str]) -> None:
    assert found["logits"] == "same"


@pytest.mark.slow
def test_no_step_reads_a_number_from_the_device(found: dict[str, str]) -> None:
    assert found["reads"] == "0 more, some"


@pytest.mark.slow
def test_a_mix_of_devices_would_be_found(found: dict[str, str]) -> None:
    assert found["mixes"].endswith("given tensors of the device and of the CPU")


@pytest.mark.slow
def test_freed_memory_is_kept_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer's activations are taken from the system once, and not again at each pass."""
    network = build_network(NetworkConfig(num_tfs=1), seed=0)
    sequences = np.random.default_rng(0).integers(0, 256, (3 * ON_CPU, 50), dtype=np.uint8)
    predict(network, sequences)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    predict(network, sequences)
    if platform.libc_ver()[0] == "glibc":
        taken = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * PAGE_BYTES
        first_layer = ON_CPU * 100 * 182 * 4
        assert taken < 3 * first_layer
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())  # a library without it
    keep_freed_memory.__wrapped__()


def test_cudnn_is_held_on_a_gpu_and_let_go() -> None:
    cudnn = torch.backends.cudnn
    before = (cudnn.deterministic, cudnn.allow_tf32)
    with held_cudnn(torch.device("cuda")):
        assert (cudnn.deterministic, cudnn.allow_tf32) == (True, False)
    assert (cudnn.deterministic, cudnn.allow_tf32) == before
    with held_cudnn(torch.device("cpu")):
        assert (cudnn.deterministic, cudnn.allow_tf32) == before
