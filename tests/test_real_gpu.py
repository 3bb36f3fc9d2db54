"""What only a machine with an NVIDIA GPU can show; without one all of it is skipped.

`tests.helpers.pretend_gpu` shows elsewhere that no tensor is on the wrong device.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from model.network import build_network
from model.network_config import NetworkConfig, published
from model.prediction import every_logit, predict
from model.training import replay
from model.training.data_parallel import ALONE, DataParallel, Parallel
from model.training.loop import Epoch, Examples, TrainingConfig, TrainingContext, train
from model.training.replay import Capture, Captured, Step, cuda_graph
from model.training.stacked import train_stacked
from orchestrator.backends.precision import check_precision
from orchestrator.workspace import Workspace
from tests.conftest import Bindgrid

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
    pytest.mark.xdist_group("ray"),
]

NETWORK: Final = NetworkConfig(
    num_tfs=2, conv_filters=(16, 16, 16), dense_units=(32, 32), dropout=0.0
)
CONFIG: Final = TrainingConfig(lr=0.0005, batch_size=32, max_epochs=3)


def examples(num: int, seed: int, num_tfs: int = 2) -> Examples:
    """Regions of which the bound ones have a base more often; of two TFs, with unresolved cells."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(1 - num_tfs, 2, (num, num_tfs)).astype(np.int8)
    sequences = rng.integers(0, 256, (num, 50), dtype=np.uint8)
    sequences[labels[:, 0] == 1] &= 0b11110011
    return Examples(sequences, labels)


def trained(
    device: str, config: TrainingConfig = CONFIG, parallel: Parallel = ALONE
) -> tuple[list[float], np.ndarray[Any, Any]]:
    """Losses of each epoch, training and validation, and logits afterwards."""
    network = build_network(NETWORK, seed=0)
    history: list[Epoch] = []
    context = TrainingContext(device=device, on_epoch=history.append, parallel=parallel)
    val_set = examples(80, 2)
    train(network, examples(300, 1), val_set, config, seed=0, context=context)
    assert {weight.device.type for weight in network.parameters()} == {"cpu"}
    losses = [loss for epoch in history for loss in (epoch.train_loss, epoch.val_loss)]
    return losses, predict(network, val_set.sequences, both_strands=True, device=device)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"random_strand": True, "averaging": 0.9, "keep": "last"},
        {"weight_decay": 0.01},
        {"frozen": ("conv1", "conv2"), "fixed_norm": True},
        {"probe": 1.0},
    ],
)
def test_a_gpu_trains_what_the_cpu_trains(changes: dict[str, Any]) -> None:
    config = replace(CONFIG, **changes)
    losses, predictions = trained("cuda", config)
    expected, predicted = trained("cpu", config)
    np.testing.assert_allclose(losses, expected, rtol=0.01)
    assert np.abs(predictions - predicted).mean() < 0.01


def test_a_training_on_a_gpu_is_repeated_to_float_tolerance() -> None:
    first, second = trained("cuda"), trained("cuda")
    np.testing.assert_allclose(first[0], second[0], rtol=1e-3)


@pytest.mark.parametrize("network", ["paper", "danq"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_replayed_step_trains_what_the_step_itself_trains(
    network: str, precision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = published("danq", num_tfs=2) if network == "danq" else replace(NETWORK, dropout=0.3)
    config = replace(CONFIG, precision=precision, averaging=0.9, max_epochs=4)
    found: list[tuple[list[float], dict[str, torch.Tensor]]] = []
    captured: list[int] = []
    for fewest in (1, 10**9):
        monkeypatch.setattr(replay, "FEWEST", fewest)
        monkeypatch.setattr(replay, "cuda_graph", _counted(captured, cuda_graph))
        trained_network = build_network(made, seed=0)
        # 620 steps are 19 batches of 32 and one of 12, which is not replayed
        result = train(
            *(trained_network, examples(310, 1), examples(80, 2), config),
            seed=0,
            context=TrainingContext(device="cuda"),
        )
        losses = [loss for epoch in result.history for loss in (epoch.train_loss, epoch.val_loss)]
        found.append((losses, trained_network.state_dict()))
    assert len(captured) == 1
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-3)
    for name, tensor in found[0][1].items():
        torch.testing.assert_close(tensor, found[1][1][name], rtol=0.02, atol=2e-3, msg=name)


def _counted(calls: list[int], original: Capture) -> Capture:
    def capture(step: Step, rows: torch.Tensor) -> Captured:
        calls.append(len(rows))
        return original(step, rows)

    return capture


def test_bfloat16_learns_on_a_gpu_what_float32_learns() -> None:
    losses, _ = trained("cuda", replace(CONFIG, precision="bfloat16"))
    expected, _ = trained("cuda")
    np.testing.assert_allclose(losses, expected, rtol=0.03)


def test_a_gpu_predicts_what_the_cpu_predicts() -> None:
    network, sequences = build_network(NETWORK, seed=0), examples(500, 3).sequences
    expected = every_logit(network, sequences, [0, 1])
    found = every_logit(network.to("cuda"), sequences, [0, 1])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_stacked_networks_are_trained_on_a_gpu_as_each_alone_on_the_cpu() -> None:
    one = replace(NETWORK, num_tfs=1)
    train_sets = [examples(120, seed, 1) for seed in range(3)]
    val_sets = [examples(40, 10 + seed, 1) for seed in range(3)]
    networks: list[nn.Module] = [build_network(one, seed=seed) for seed in range(3)]
    together = train_stacked(networks, train_sets, val_sets, CONFIG, seeds=range(3), device="cuda")
    for seed, result in enumerate(together):
        alone = build_network(one, seed=seed)
        expected = train(alone, train_sets[seed], val_sets[seed], CONFIG, seed=seed)
        assert result.best_val_loss == pytest.approx(expected.best_val_loss, rel=0.01)


def test_a_group_that_talks_by_nccl_trains_what_one_process_trains(tmp_path: Path) -> None:
    dist.init_process_group("nccl", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        parallel = DataParallel(device="cuda:0")
        assert parallel.from_first(b"of the first") == b"of the first"
        losses, _ = trained("cuda:0", parallel=parallel)
    finally:
        dist.destroy_process_group()
    np.testing.assert_allclose(losses, trained("cuda")[0], rtol=0.01)


def test_precision_is_checked_on_the_gpu() -> None:
    choice = check_precision(device="cuda")
    assert choice.processor == torch.cuda.get_device_name()
    assert choice.measured is not None
    assert choice.measured.loss_float32 < choice.measured.loss_constant
    print(choice)


@pytest.mark.parametrize(
    "more",
    [
        ("--backend", "local"),
        ("--backend", "ray", "--runs-per-gpu", "3"),
        ("--backend", "ray", "--pretrain-workers", "1"),
        ("--backend", "ray", "--precision", "auto"),
    ],
)
def test_a_study_is_trained_on_the_gpu(
    bindgrid: Bindgrid, workspace: Workspace, more: tuple[str, ...]
) -> None:
    code, out, err = bindgrid(
        *("run", "transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--device", "gpu"),
        *("--epochs", "2", "--pretrain-epochs", "2", "-w", workspace.root, *more),
    )
    assert code == 0, err
    runs = [json.loads(path.read_text()) for path in workspace.runs.glob("*/metrics.json")]
    assert len(runs) == 3
    assert "failed" not in out + err
