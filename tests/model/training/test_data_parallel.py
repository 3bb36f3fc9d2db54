"""Several processes that train one network compute what one computes."""

import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn
from torch.nn import functional as F

from model.errors import ModelError, ProcessLostError
from model.network import build_network
from model.network_config import NetworkConfig
from model.seeds import seeded
from model.training.data_parallel import ALONE, DataParallel, Parallel
from model.training.loop import (
    Epoch,
    Examples,
    StateFile,
    TrainingConfig,
    TrainingContext,
    TrainingResult,
    train,
)

NUM_TFS = 3
CONFIG = TrainingConfig(lr=0.003, batch_size=16, max_epochs=3)
BATCH_NORM_CASES = (
    (7, torch.float64),
    (2, torch.float64),  # one of three processes has no row
    (7, torch.bfloat16),  # as products may be; the layer itself is float32
)
DANQ: dict[str, Any] = {
    "name": "danq",
    "conv_filters": (8,),
    "conv_widths": (9,),
    "pool_width": 16,
    "dense_units": (12,),
    "batch_norm": False,
    "conv_dropout": 0.2,
    "lstm_units": (6, 5),
    "lstm_dropout": 0.5,
}
CASES: dict[str, dict[str, Any]] = {
    # both strands of n regions: 2n examples in batches of 16
    "plain": {"dropout": 0.0, "num": 40},
    "dropout": {"dropout": 0.3, "num": 40},
    "masked": {"dropout": 0.3, "num": 40, "masked": True},
    "last batch of two": {"dropout": 0.3, "num": 41},
    "odd last batch": {"dropout": 0.3, "num": 45, "both_strands": False},
    "masked last batch of two": {"dropout": 0.3, "num": 41, "masked": True},
    "recurrent": {"dropout": 0.0, "num": 41, "sizes": DANQ},
}


class InDouble(nn.Module):
    """A network computed in float64, so that rounding decides no ReLU and no maximum.

    The biases before batch norm are frozen: their gradient is zero but for rounding, out of
    which Adam makes steps of the learning rate.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()
        for name, weight in network.named_parameters():
            if name.endswith(("conv.bias", "dense.bias")):
                weight.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs.double())
        return logits


def make_examples(num: int, seed: int, *, masked: bool = False) -> Examples:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (num, NUM_TFS)).astype(np.float32)
    if masked:
        labels[rng.random(labels.shape) < 0.4] = np.nan
    return Examples(rng.integers(0, 256, (num, 50), dtype=np.uint8), labels)


def train_case(
    case: dict[str, Any], parallel: Parallel, **options: Any
) -> tuple[TrainingResult, Any]:
    sizes = {"conv_filters": (8, 8, 8), "dense_units": (16, 16)} | case.get("sizes", {})
    sizes["dropout"] = case["dropout"]
    network = InDouble(build_network(NetworkConfig(num_tfs=NUM_TFS, **sizes), seed=0))
    masked = case.get("masked", False)
    result = train(
        network,
        make_examples(case["num"], 1, masked=masked),
        make_examples(31, 2, masked=masked),
        replace(CONFIG, both_strands=case.get("both_strands", True)),
        seed=0,
        context=TrainingContext(parallel=parallel, **options),
    )
    return result, network.state_dict()


def interrupted_case(parallel: Parallel, folder: str) -> list[Tensor]:
    """Weights of a training that went on from a state that the first process alone can read."""
    file = StateFile(path=Path(folder, f"state-{parallel.rank}.safetensors"), every_seconds=0)

    def interrupt(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise InterruptedError

    with contextlib.suppress(InterruptedError):
        train_case(CASES["masked"], parallel, state_file=file, on_epoch=interrupt)
    result, state = train_case(CASES["masked"], parallel, state_file=file)
    assert len(result.history) == CONFIG.max_epochs
    return list(state.values())


def batch_norm_case(num_rows: int, dtype: torch.dtype, parallel: Parallel) -> dict[str, Tensor]:
    """Output, gradients and running statistics of batch norm on this process' rows."""
    torch.manual_seed(5)
    whole = (3.0 + 2.0 * torch.randn(num_rows, 4, 1, 5)).to(dtype)
    upstream = torch.randn_like(whole)
    layer = nn.BatchNorm2d(4).to(torch.promote_types(dtype, torch.float32))
    nn.init.uniform_(layer.weight)
    rows = parallel.slice_of(torch.arange(num_rows))
    inputs = whole[rows].requires_grad_(True)
    with parallel.joined(layer):
        outputs = layer(inputs)
        outputs.backward(upstream[rows])
    assert inputs.grad is not None
    parallel.add_up_gradients(layer.parameters())
    named = {"rows": rows, "outputs": outputs, "inputs": inputs.grad, **layer.state_dict()}
    return {**named, "weight gradient": layer.weight.grad, "bias gradient": layer.bias.grad}


def dropout_case(parallel: Parallel) -> Tensor:
    layer = nn.Dropout(0.5)
    rows = parallel.slice_of(torch.arange(7))
    with parallel.joined(layer), seeded(0, "dropout"):
        layer(torch.ones(len(rows), 9))
        dropped: Tensor = layer(torch.ones(len(rows), 9))
        return dropped


def work(rank: int, num_processes: int, folder: str) -> None:
    """Compute every case as one process of several, and save what came out."""
    torch.set_num_threads(1)
    init = f"file://{folder}/meeting-{num_processes}"
    dist.init_process_group("gloo", init_method=init, rank=rank, world_size=num_processes)
    parallel = DataParallel()
    found: dict[str, Any] = {
        "batch norm": {case: batch_norm_case(*case, parallel) for case in BATCH_NORM_CASES},
        "mask": dropout_case(parallel),
        "from first": [
            parallel.from_first(content)
            for content in (b"of %d" % rank, b"" if rank == 0 else b"1")
        ],
        "interrupted": interrupted_case(parallel, tempfile.mkdtemp(dir=folder)),
    }
    network = nn.Sequential(nn.BatchNorm1d(2), nn.AlphaDropout())
    try:
        with parallel.joined(network):
            pass
    except ModelError as error:
        found["error"] = str(error)
    found["changed"] = [name for name, layer in network.named_modules() if "forward" in vars(layer)]
    for name, case in CASES.items():
        result, state = train_case(case, parallel)
        found[name] = ([(e.train_loss, e.val_loss) for e in result.history], result, state)
    torch.save(found, Path(folder) / f"{num_processes}-{rank}.pt")
    dist.barrier()
    if rank == num_processes - 1:
        os._exit(0)  # dies; the others notice when they next need it
    try:
        parallel.add_up(torch.ones(1))
    except ProcessLostError as error:
        Path(folder, f"{num_processes}-{rank}.lost").write_text(str(error))
    os._exit(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two and three processes have left what they computed."""
    place = tmp_path_factory.mktemp("data-parallel")
    # torch is imported once, by the process that the others are forks of
    multiprocessing.set_forkserver_preload([__name__])
    for num_processes in (2, 3):
        multiprocessing.start_processes(
            work, (num_processes, str(place)), nprocs=num_processes, start_method="forkserver"
        )
    return place


@pytest.fixture(params=[pytest.param(number, marks=pytest.mark.slow) for number in (2, 3)])
def found(request: pytest.FixtureRequest, folder: Path) -> list[dict[str, Any]]:
    """What each of two, or three, processes has computed."""
    files = [folder / f"{request.param}-{rank}.pt" for rank in range(request.param)]
    return [torch.load(file, weights_only=False) for file in files]


@pytest.mark.parametrize("case", BATCH_NORM_CASES)
def test_batch_norm_and_its_gradients_are_those_of_the_whole_batch(
    found: list[dict[str, Any]], case: tuple[int, torch.dtype]
) -> None:
    expected = batch_norm_case(*case, ALONE)
    parts = [process["batch norm"][case] for process in found]
    close: dict[str, Any] = {"rtol": 0.02, "atol": 0.02} if case[1] is torch.bfloat16 else {}
    for name in ("rows", "outputs", "inputs"):
        torch.testing.assert_close(
            torch.cat([part[name] for part in parts]), expected[name], **close
        )
    for part in parts:
        for name in expected.keys() - {"rows", "outputs", "inputs"}:
            torch.testing.assert_close(part[name], expected[name], **close)


def test_masks_of_dropout_are_the_slices_of_one_process_masks(found: list[dict[str, Any]]) -> None:
    expected = dropout_case(ALONE)
    assert 0 < torch.count_nonzero(expected) < expected.numel()
    assert torch.equal(torch.cat([process["mask"] for process in found]), expected)


@pytest.mark.parametrize("name", CASES)
def test_the_loss_curve_and_the_weights_are_those_of_one_process(
    found: list[dict[str, Any]], name: str, one_thread: None
) -> None:
    result, state = train_case(CASES[name], ALONE)
    for losses, theirs, weights in (process[name] for process in found):
        expected = [(epoch.train_loss, epoch.val_loss) for epoch in result.history]
        np.testing.assert_allclose(losses, expected, rtol=1e-5)
        assert theirs.best_epoch == result.best_epoch
        assert theirs.best_val_loss == pytest.approx(result.best_val_loss, rel=1e-5)
        for key, tensor in state.items():
            torch.testing.assert_close(weights[key], tensor, rtol=1e-4, atol=1e-4, msg=key)
    assert result.history[0].train_loss != result.history[-1].train_loss


@pytest.mark.parametrize("name", CASES)
def test_all_processes_end_with_the_same_bits(found: list[dict[str, Any]], name: str) -> None:
    (losses, _, weights), *others = (process[name] for process in found)
    for their_losses, _, their_weights in others:
        assert their_losses == losses
        assert all(torch.equal(their_weights[key], tensor) for key, tensor in weights.items())


def test_all_processes_go_on_from_what_the_first_one_has(found: list[dict[str, Any]]) -> None:
    for process in found:
        assert process["from first"] == [b"of 0", b""]
        _, _, undisturbed = process["masked"]
        pairs = zip(process["interrupted"], undisturbed.values(), strict=True)
        assert all(torch.equal(tensor, expected) for tensor, expected in pairs)


def test_a_layer_that_is_not_known_is_refused_and_the_others_given_back(
    found: list[dict[str, Any]],
) -> None:
    for process in found:
        assert "layer 1 is a AlphaDropout" in process["error"]
        assert process["changed"] == []


@pytest.mark.slow
def test_a_process_that_is_gone_is_noticed(folder: Path) -> None:
    for name in ("2-0", "3-0", "3-1"):
        assert (folder / f"{name}.lost").read_text() == "another process of this training is gone"


@pytest.fixture
def one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_alone_changes_nothing() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)).eval()
    rows = torch.arange(5)
    assert ALONE.slice_of(rows) is rows
    tensor = torch.ones(2)
    ALONE.add_up(tensor)
    assert torch.equal(tensor, torch.ones(2))
    with ALONE.joined(network):
        assert torch.equal(network(torch.ones(3, 2)), F.batch_norm(torch.ones(3, 2), *stats()))


def stats() -> tuple[Tensor, Tensor]:
    return torch.zeros(2), torch.ones(2)
