"""What a GPU gains, and by what: one command for a machine with a GPU.

    python -m benchmarks.gpu [--regions 1000] [--models 16] [--processes 4] [--seconds 8]

Individual models of the paper's network and sizes are trained on random regions, in batches of 100.
Every way is reported as training steps of one model per second, with the baseline of its section:

- *step*: `model.training.loop` on one thread of the CPU (the baseline of all), and on the GPU;
- *precision*: bfloat16 beside float32;
- *stacked*: K models in one process (`model.training.stacked`) beside one model, for several K;
- *graph*: the same steps replayed as a CUDA graph (`model.training.replay`), of one model, as
  trainings do, and of K stacked ones, in float32 and in bfloat16;
- *processes*: as many processes as runs share a GPU (`--runs-per-gpu`), each training a model,
  in turn and by NVIDIA's Multi-Process Service, which is started for it if it is there; with the
  service, replayed as well, in float32 and in bfloat16;
- *prediction*: sequences per second and network, both strands.

On a CPU seconds are those of the process, so that other work does not matter. What needs CUDA says
"no GPU" on a machine without one; the rest is measured there too. Rows are those of a table in
Markdown. Each row takes `--seconds` and a warm-up: all of it less than ten minutes.
"""

import argparse
import itertools
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any, Final, get_args
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import Row, describe, table
from model.device import held_cudnn
from model.network import build_network
from model.network_config import NetworkConfig
from model.prediction import every_logit
from model.training.batches import Batches
from model.training.config import Precision, TrainingConfig
from model.training.loop import Examples, make_optimizer
from model.training.replay import ReplayedStep, Step, StepLoss
from model.training.stacked import StackedExamples, StackedNetwork, StackedTraining

CONFIG: Final = TrainingConfig(lr=0.003)
HEADER: Final = ("section", "way", "device", "per second", "times its baseline")
NO_GPU: Final = "no GPU"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all sections measure with."""

    network: NetworkConfig
    device: torch.device
    regions: int
    seconds: float

    def on(self, device: str) -> "Setting":
        """Give the same on another device."""
        return replace(self, device=torch.device(device))

    @property
    def on_gpu(self) -> bool:
        """Whether this is about a GPU."""
        return self.device.type == "cuda"


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    torch.set_num_threads(1)
    sizes: dict[str, Any] = (
        {"conv_filters": (4, 4, 4), "dense_units": (8, 8)} if options.tiny else {}
    )
    setting = Setting(
        network=NetworkConfig(num_tfs=1, **sizes),
        device=torch.device("cpu"),
        regions=options.regions,
        seconds=options.seconds,
    )
    print(describe())
    if torch.cuda.is_available():
        print(f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")
    print(flush=True)
    rows: list[Row] = []
    for row in sections(setting, options.models, options.processes):
        rows.append(row)
        print(" ".join(row), flush=True)  # so that it is kept if this is interrupted
    print("\n" + table(HEADER, rows))
    return rows


def sections(setting: Setting, most_models: int, processes: int) -> Iterator[Row]:
    """Measure all sections, a row each."""
    cpu, gpu = setting.on("cpu"), setting.on("cuda") if torch.cuda.is_available() else None
    base = single_rate(cpu, "float32")
    yield row("step", "one model, loop", cpu, base, base)
    one = base if gpu is None else single_rate(gpu, "float32")
    yield row("step", "one model, loop", gpu, one, base)
    bfloat16 = None if gpu is None else single_rate(gpu, "bfloat16")
    yield row("precision", "one model, bfloat16", gpu, bfloat16, one)

    where = gpu or cpu
    for models in _doubled(most_models):
        stacked = stacked_rate(where, models, "float32")
        yield row("stacked", f"{models} models", where, stacked, one)
    halved = None if gpu is None else stacked_rate(gpu, most_models, "bfloat16")
    yield row("stacked", f"{most_models} models, bfloat16", gpu, halved, one)
    for precision in get_args(Precision):
        replayed = None if gpu is None else single_rate(gpu, precision, replayed=True)
        yield row("graph", f"one model, replayed, {precision}", gpu, replayed, one)
        both = None if gpu is None else stacked_rate(gpu, most_models, precision, replayed=True)
        yield row("graph", f"{most_models} models, replayed, {precision}", gpu, both, one)
    for number in _doubled(processes):
        shared = shared_rate(where, number)
        yield row("processes", f"{number} processes", where, shared, one)
    with multi_process_service() as started:
        for number, replayed_in in itertools.product(
            _doubled(processes), (None, *get_args(Precision))
        ):
            served = shared_rate(gpu, number, replayed_in) if gpu and started else None
            way = f"{number} processes, MPS" + (f", replayed, {replayed_in}" if replayed_in else "")
            yield row("processes", way, gpu, served, one)

    predicted = prediction_rate(cpu)
    yield row("prediction", "both strands", cpu, predicted, predicted)
    there = None if gpu is None else prediction_rate(gpu)
    yield row("prediction", "both strands", gpu, there, predicted)


def row(section: str, way: str, where: Setting | None, rate: float | None, base: float) -> Row:
    """Cells of a line; without a GPU, that it is not there."""
    if where is None or rate is None:
        return section, way, "cuda", NO_GPU, NO_GPU
    return section, way, where.device.type, f"{rate:,.1f}", f"{rate / base:.2f}"


def single_rate(setting: Setting, precision: Precision, *, replayed: bool = False) -> float:
    """Steps per second of one model, as `model.training.loop` takes them, replayed or not."""
    batches, order = _batches(setting)
    network = build_network(setting.network, seed=0).to(setting.device).train()
    optimizer = make_optimizer(network, CONFIG)
    bounds = batches.bounds

    def whole_step(rows: Tensor) -> StepLoss:
        enabled = precision == "bfloat16"
        with torch.autocast(setting.device.type, torch.bfloat16, enabled=enabled):
            loss, cells = batches.loss(network, rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return StepLoss(loss.detach(), cells)

    take = _taking(whole_step, replayed=replayed)

    def step(number: int) -> None:
        start, stop = bounds[number % len(bounds)]
        take(order[start:stop])

    return rate_of(step, setting)


def stacked_rate(
    setting: Setting, models: int, precision: Precision, *, replayed: bool = False
) -> float:
    """Steps per second of a model, of K models trained at once, replayed or not."""
    training = _stacked(setting, models, replace(CONFIG, precision=precision))
    training.stack.train()
    order = training.learning.shuffled(_generators(models))

    def whole_step(rows: Tensor) -> StepLoss:
        return StepLoss(training.step(rows.T), 0)

    take = _taking(whole_step, replayed=replayed)

    def step(number: int) -> None:
        start, stop = training.bounds[number % len(training.bounds)]
        take(order[:, start:stop].T)

    return models * rate_of(step, setting)


def _taking(step: Step, *, replayed: bool) -> Step:
    """Take a step as it is, or replay it for whole batches."""
    return partial(ReplayedStep(CONFIG.batch_size).take, step) if replayed else step


def shared_rate(setting: Setting, number: int, replayed_in: Precision | None = None) -> float:
    """Steps per second of all models together that as many processes train at once.

    In float32 and not replayed, or replayed in a precision.
    """
    context = multiprocessing.get_context("spawn")
    barrier, rates = context.Barrier(number), context.Queue()
    crew = [
        context.Process(target=_one_of_crew, args=(setting, barrier, rates, replayed_in))
        for _ in range(number)
    ]
    for process in crew:
        process.start()
    total = sum(rates.get(timeout=300.0) for _ in crew)
    for process in crew:
        process.join()
    return float(total)


@contextmanager
def multi_process_service() -> Iterator[bool]:
    """Run NVIDIA's Multi-Process Service for a block, in a folder of its own; tells whether."""
    control = shutil.which("nvidia-cuda-mps-control")
    if control is None:
        yield False
        return
    names = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, dict.fromkeys(names, folder)),
    ):
        subprocess.run([control, "-d"], check=True)
        try:
            yield True
        finally:
            subprocess.run([control], input="quit\n", text=True, check=True)


def prediction_rate(setting: Setting) -> float:
    """Sequences per second of one network, both strands of each."""
    network = build_network(setting.network, seed=0).to(setting.device)
    sequences = _examples(10 * setting.regions, 0).sequences

    def step(_: int) -> None:
        every_logit(network, sequences, [0])

    return len(sequences) * rate_of(step, setting)


def rate_of(step: Callable[[int], None], setting: Setting) -> float:
    """Steps per second, after a warm-up: of the wall for a GPU, of a CPU's own time."""
    clock = time.perf_counter if setting.on_gpu else time.process_time
    with held_cudnn(setting.device):
        for number in range(3):
            step(number)
        _wait(setting)
        began, done = clock(), 0
        while not done or clock() - began < setting.seconds:
            for _ in range(10 if setting.on_gpu else 1):
                step(done)
                done += 1
            _wait(setting)
        return done / (clock() - began)


def _wait(setting: Setting) -> None:
    if setting.on_gpu:
        torch.cuda.synchronize()


def _one_of_crew(
    setting: Setting,
    barrier: Barrier,
    rates: "multiprocessing.Queue[float]",
    replayed_in: Precision | None,
) -> None:
    torch.set_num_threads(1)
    single_rate(replace(setting, seconds=0.0), "float32")  # starts the device
    barrier.wait()
    rates.put(single_rate(setting, replayed_in or "float32", replayed=replayed_in is not None))


def _examples(num: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    sequences = rng.integers(0, 256, (num, 50), dtype=np.uint8)
    return Examples(sequences, rng.integers(0, 2, (num, 1), dtype=np.int8))


def _batches(setting: Setting) -> tuple[Batches, Tensor]:
    batches = Batches(
        _examples(setting.regions, 0),
        "training",
        batch_size=CONFIG.batch_size,
        strands="both",
        device=setting.device,
    )
    return batches, batches.shuffled(torch.Generator().manual_seed(0))


def _stacked(setting: Setting, models: int, config: TrainingConfig) -> StackedTraining:
    networks: list[nn.Module] = [build_network(setting.network, seed=one) for one in range(models)]
    learning = StackedExamples(
        [_examples(setting.regions, one) for one in range(models)], "both", setting.device
    )
    stack = StackedNetwork(networks).to(setting.device)
    return StackedTraining(stack, learning, learning, config, range(models))


def _generators(models: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(one) for one in range(models)]


def _doubled(most: int) -> list[int]:
    """Give 1, 2, 4 and so on, `most` the last."""
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regions", type=int, default=1000, help="of each model")
    parser.add_argument("--models", type=int, default=16, help="most that are stacked")
    parser.add_argument("--processes", type=int, default=4, help="most that share the device")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each row")
    parser.add_argument("--tiny", action="store_true", help="networks of a few filters")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
