"""Which precision trains faster on this machine without a loss of quality: float32 or bfloat16.

Where runs train on GPUs, a GPU is checked in the same way. bfloat16 is chosen if all of the
following holds, and float32 otherwise:

- the processor has instructions for bfloat16 (AVX-512 BF16 or AMX), or the GPU has them (NVIDIA's
  from Ampere on); others emulate it slowly;
- it takes at most `MAX_TIME_RATIO` of float32's time to train the paper's network: of a CPU's
  processor time, of a GPU's wall time;
- on a small problem, simulated sequences with motifs of JASPAR planted, its best validation loss
  is at most `LOSS_TOLERANCE` above float32's, after a training that has learnt something
  (`LEARNT`).

The check takes up to a minute. A workspace is checked once and keeps the answer, with what was
measured, in `precision.json`: precision is part of a run's key, so with another answer a finished
study would be run again. The answer also applies on another machine or device and after an update
of torch; to check again, remove the file. On a cluster each node is checked
(`orchestrator.backends.ray.precision`), and bfloat16 is chosen only if every node chooses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from data.atomic import whole_file
from data.motifs.database import jaspar_motifs
from data.motifs.motif import sample_instances
from data.packing import pack
from data.records import RecordError, from_json, to_json
from model.device import one_thread
from model.labels import UNRESOLVED
from model.network import build_network
from model.network_config import NetworkConfig
from model.training.loop import Examples, Precision, TrainingConfig, TrainingContext, train
from orchestrator.errors import RunError
from orchestrator.gpus import require_gpu
from orchestrator.workspace import Workspace

MAX_TIME_RATIO: Final = 0.9
"""Highest processor time in bfloat16, as a fraction of that in float32."""
LOSS_TOLERANCE: Final = 0.25
"""Largest allowed excess of bfloat16's validation loss over float32's, as a fraction of it. Two
trainings that differ in rounding alone end up to 0.14 apart (seven pairs, benchmarks/RESULTS.md),
and one that bfloat16 breaks near the loss of a constant, at about twice float32's."""
LEARNT: Final = 0.8
"""Highest validation loss, as a fraction of that of a constant prediction."""

_TFS: Final = ("SPI1", "GATA1", "CEBPB")
_BOUND: Final = 0.4
_UNRESOLVED: Final = 0.2
_ROUNDS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Times and losses of the trainings of a check."""

    time_ratio: float
    """Time of a training in bfloat16 over that in float32."""
    loss_float32: float
    """Best validation loss."""
    loss_bfloat16: float
    """Best validation loss."""
    loss_constant: float
    """Validation loss if every prediction is the fraction of bound cells."""


@dataclass(frozen=True, kw_only=True)
class PrecisionChoice:
    """Which precision was chosen, why, and on which machine."""

    precision: Precision
    reason: str
    """Why, for people."""
    processor: str
    """Processor of the machine that was checked, or its GPU where that was checked."""
    torch: str
    """Version of torch there."""
    measured: Measured | None = None
    """None if the processor or GPU decided, so that nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a check trains."""

    network: NetworkConfig = NetworkConfig(num_tfs=len(_TFS))  # noqa: RUF009 - frozen
    training: TrainingConfig = TrainingConfig(lr=0.003, max_epochs=20, random_strand=True)  # noqa: RUF009 - frozen
    num_train: int = 2000
    num_val: int = 500
    seed: int = 0


def processor(device: str = "cpu") -> str:
    """Name of this machine's processor, or of its GPU for "cuda", according to torch."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return str(torch.cpu.get_capabilities().get("cpu_name", "unknown processor"))


def multiplies_bfloat16(device: str = "cpu") -> bool:
    """Whether the processor, or for "cuda" the GPU, has instructions that multiply bfloat16."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def check_precision(problem: Problem | None = None, device: str = "cpu") -> PrecisionChoice:
    """Choose a precision for this machine; takes a minute if its processor has bfloat16.

    Parameters
    ----------
    problem
        What to train; the standard problem by default.
    device
        Where runs train, "cpu" (the default) or "cuda".

    Raises
    ------
    RunError
        There is no such device.
    """
    if device == "cuda":
        require_gpu()
    if not multiplies_bfloat16(device):
        return _choice("float32", f"{processor(device)} does not multiply bfloat16", device)
    return choose(measure(problem or Problem(), device), device)


def choose(measured: Measured, device: str = "cpu") -> PrecisionChoice:
    """Choose a precision from what was measured on a device."""
    ratio = f"{1 / measured.time_ratio:.2f} times as fast as float32"
    losses = f"{measured.loss_bfloat16:.4f} and {measured.loss_float32:.4f}"
    if not measured.time_ratio <= MAX_TIME_RATIO:
        return _choice("float32", f"bfloat16 is {ratio}", device, measured)
    if not measured.loss_float32 <= LEARNT * measured.loss_constant:
        reason = "the check has learnt too little to compare"
        return _choice("float32", reason, device, measured)
    if not measured.loss_bfloat16 - measured.loss_float32 <= LOSS_TOLERANCE * measured.loss_float32:
        return _choice("float32", f"validation losses differ, {losses}", device, measured)
    return _choice("bfloat16", f"{ratio}, validation losses {losses}", device, measured)


def measure(problem: Problem, device: str = "cpu") -> Measured:
    """Train a problem in both precisions on a device, on one thread as runs do."""
    # what a GPU computes takes no time of this process
    clock = time.process_time if device == "cpu" else time.perf_counter
    rng = np.random.default_rng(problem.seed)
    train_set, val_set = (simulated(num, rng) for num in (problem.num_train, problem.num_val))

    def fit(precision: Precision, examples: Examples, max_epochs: int) -> tuple[float, float]:
        """Seconds and best validation loss."""
        network = build_network(problem.network, seed=problem.seed)
        config = replace(problem.training, precision=precision, max_epochs=max_epochs)
        context = TrainingContext(device=device)
        began = clock()
        result = train(network, examples, val_set, config, seed=problem.seed, context=context)
        return clock() - began, result.best_val_loss

    few = Examples(train_set.sequences[:200], train_set.labels[:200])
    # a GPU repeats a step by itself only in a training that is long enough
    timed, num_epochs = (few, 2) if device == "cpu" else (train_set, problem.training.max_epochs)
    names: tuple[Precision, ...] = get_args(Precision)
    with one_thread():
        for name in names:
            fit(name, few, max_epochs=1)  # the first one also warms up
        rounds = [{name: fit(name, timed, num_epochs)[0] for name in names} for _ in range(_ROUNDS)]
        losses = {name: fit(name, train_set, problem.training.max_epochs)[1] for name in names}
    bound = val_set.labels[val_set.labels != UNRESOLVED].mean()
    constant = -(bound * np.log(bound) + (1 - bound) * np.log(1 - bound))
    return Measured(
        time_ratio=median(seconds["bfloat16"] / seconds["float32"] for seconds in rounds),
        loss_float32=losses["float32"],
        loss_bfloat16=losses["bfloat16"],
        loss_constant=float(constant),
    )


def simulated(num: int, rng: np.random.Generator) -> Examples:
    """Draw sequences in which planted motifs decide which TFs bind; some cells are unresolved."""
    length = NetworkConfig(num_tfs=1).length_bp
    bases = rng.integers(0, 4, (num, length), dtype=np.uint8)
    labels: NDArray[np.int8] = (rng.random((num, len(_TFS))) < _BOUND).astype(np.int8)
    for column, tf in enumerate(_TFS):
        motif = jaspar_motifs()[tf][0]
        rows = np.flatnonzero(labels[:, column])
        # each TF's motif in its own third of the sequence, so that they do not overlap
        room = length // len(_TFS)
        start = column * room + rng.integers(0, room - motif.length_bp + 1, len(rows))
        at = start[:, None] + np.arange(motif.length_bp)
        bases[rows[:, None], at] = sample_instances(motif, len(rows), 4.0, rng)
    labels[rng.random(labels.shape) < _UNRESOLVED] = UNRESOLVED
    return Examples(pack(bases), labels)


def agreed(choices: Sequence[PrecisionChoice]) -> PrecisionChoice:
    """Give the choice for all machines: the first float32, or else the first one.

    A single machine that trains slowly in bfloat16, or to another loss, decides for all, since the
    precision is part of a run's key and any machine may be given any run.

    Raises
    ------
    ValueError
        There is no choice.
    """
    if not choices:
        raise ValueError("no machine was checked; give one choice or more")
    return next((choice for choice in choices if choice.precision == "float32"), choices[0])


def settle(
    workspace: Workspace, ask: Callable[[], Sequence[PrecisionChoice]] = lambda: [check_precision()]
) -> tuple[PrecisionChoice, bool]:
    """Give the workspace's choice; if it has none, ask for one and keep it.

    Parameters
    ----------
    workspace
        Whose runs are to be trained.
    ask
        Checks the machines that train, this one by default; the choice is bfloat16 only if it is
        bfloat16 on each of them.

    Returns
    -------
    tuple of PrecisionChoice and bool
        The choice, and whether it was made just now.

    Raises
    ------
    RunError
        The file of the choice cannot be read or written.
    """
    path = workspace.precision
    if path.exists():
        try:
            return from_json(path.read_bytes(), PrecisionChoice), False
        except (OSError, RecordError) as error:
            raise RunError(
                f"{path}: cannot be read as a choice of precision ({error}); remove it to check "
                "again, or give --precision"
            ) from error
    choice = agreed(ask())
    try:
        with whole_file(path) as partial:
            partial.write_text(to_json(choice))
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror}); free space or check rights"
        ) from error
    return choice, True


def _choice(
    precision: Precision, reason: str, device: str, measured: Measured | None = None
) -> PrecisionChoice:
    return PrecisionChoice(
        precision=precision,
        reason=reason,
        processor=processor(device),
        torch=torch.__version__,
        measured=measured,
    )
