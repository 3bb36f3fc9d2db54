"""What a plan will cost on this machine, from a short calibration.

A run's seconds are estimated from the number of sequences that it trains on and predicts, and from
the number of each per second on this machine, with as many workers at once as will run. Early
stopping, the start of Ray and other work on the machine are not taken into account.
"""

import heapq
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from model.network_config import published
from model.training.config import Precision, TrainingConfig
from orchestrator.backends.children import end_with_parent, interrupts_blocked
from orchestrator.errors import RunError
from orchestrator.plan import Plan, PlannedRun

_NUM_EXAMPLES: Final = 200
"""Sequences trained on, then predicted, at a time: four steps."""
_NUM_WARM_UP: Final = 50
"""Sequences trained on before: one step."""
SECONDS: float = 1.0
"""How long training is measured, and then prediction."""


@dataclass(frozen=True, kw_only=True)
class RunSize:
    """How many regions a run trains, validates and is tested on."""

    num_train: int
    """Regions trained on; 0 if a run only scores a network."""
    num_val: int
    """Regions validated on."""
    num_test: int
    """Regions predicted at the end."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Sequences per second and worker, with several workers at once."""

    train: float
    """In training: forward, backward, and the optimizer's step."""
    predict: float
    """In prediction: forward only."""


def calibrate(num_workers: int, precision: Precision = "float32", network: str = "paper") -> Rates:
    """Measure a network with several workers at once; takes seconds.

    Each worker is a process with one thread, as runs are.

    Parameters
    ----------
    num_workers
        Workers at once.
    precision
        Precision of the matrix products in training, float32 by default.
    network
        Name in `model.network_config.NETWORKS`; the paper's by default.

    Raises
    ------
    RunError
        If one of these processes is lost.
    """
    context = multiprocessing.get_context("spawn")
    try:
        with (
            ProcessPoolExecutor(num_workers, context, initializer=end_with_parent) as pool,
            _ended_by_interrupt(),
        ):
            with interrupts_blocked():  # a Ctrl-C meanwhile comes at the end of this block
                measured = pool.map(
                    partial(_measure, precision, network, SECONDS), range(num_workers)
                )
            rates = list(measured)
    except BrokenProcessPool:
        raise RunError(
            "a process that measured this machine has ended (killed, or out of memory); run the "
            "same command again"
        ) from None
    return Rates(
        train=float(np.mean([rate.train for rate in rates])),
        predict=float(np.mean([rate.predict for rate in rates])),
    )


@contextmanager
def _ended_by_interrupt() -> Iterator[None]:
    """End the processes of a pool at Ctrl-C; it would wait for what they measure."""
    try:
        yield
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise


def run_seconds(run: PlannedRun, size: RunSize, rates: Rates) -> float:
    """Estimate the seconds of a run that trains all of its epochs."""
    training = run.spec.training
    seconds = (1 + run.spec.average_strands) * size.num_test / rates.predict
    if training is not None:
        num_train = size.num_train * (2 if training.train_strands == "both" else 1)
        num_val = size.num_val * (2 if training.val_strands == "both" else 1)
        epoch = num_train / rates.train + num_val / rates.predict
        seconds += training.num_epochs(math.ceil(num_train / training.batch_size)) * epoch
    return seconds


def plan_seconds(plan: Plan, seconds: Mapping[str, float], num_workers: int) -> float:
    """Estimate the wall seconds of a plan, whose runs start in order as soon as they can.

    Parameters
    ----------
    plan
        The runs.
    seconds
        Seconds by run key; a run that has none is complete.
    num_workers
        Runs at once.
    """
    remaining = plan.without(run.key for run in plan if run.key not in seconds)
    running: list[tuple[float, str]] = []
    now = 0.0
    while True:
        while len(running) < num_workers and (run := remaining.next_ready()) is not None:
            heapq.heappush(running, (now + seconds[run.key], run.key))
        if not running:
            return now
        now, key = heapq.heappop(running)
        remaining.complete(key)


def _measure(precision: Precision, name: str, seconds: float, seed: int) -> Rates:
    """Measure training and prediction on random sequences."""
    # imported here, so that a plan is made without torch
    import torch

    from model.network import build_network
    from model.prediction import predict
    from model.training.loop import Examples, train

    torch.set_num_threads(1)
    config = published(name, num_tfs=1)
    network = build_network(config, seed=seed)
    rng = np.random.default_rng(seed)
    examples = Examples(
        sequences=rng.integers(0, 256, (_NUM_EXAMPLES, config.length_bp // 4), dtype=np.uint8),
        labels=rng.integers(0, 2, (_NUM_EXAMPLES, 1)).astype(np.float32),
    )
    some, few = (
        Examples(sequences=examples.sequences[:num], labels=examples.labels[:num])
        for num in (_NUM_WARM_UP, 10)
    )
    training = TrainingConfig(lr=0.001, max_epochs=1, precision=precision)

    def train_on(examples: Examples) -> None:
        train(network, examples, few, training, seed=seed)

    def predict_all() -> None:
        predict(network, examples.sequences)

    train_on(some)  # the first one also warms up
    return Rates(
        train=2 * _NUM_EXAMPLES * _per_second(lambda: train_on(examples), seconds),
        predict=_NUM_EXAMPLES * _per_second(predict_all, seconds),
    )


def _per_second(work: Callable[[], None], seconds: float) -> float:
    began = time.perf_counter()
    times = 0
    while (elapsed := time.perf_counter() - began) < seconds:
        work()
        times += 1
    return times / elapsed
