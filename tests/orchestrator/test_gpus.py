"""Runs on GPUs: how they share them, what is refused, and what Ray gives its actors.

No GPU is needed: Ray takes the number that it is told, and the actors here train on the CPU.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.train.torch import TorchConfig

from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.transfer.plan import transfer
from model.training.loop import TrainingContext
from orchestrator.backends import local as local_backend
from orchestrator.backends.local import LocalOptions
from orchestrator.backends.ray import group as ray_group
from orchestrator.backends.ray import run_plan as ray_backend
from orchestrator.backends.ray import session as ray_session
from orchestrator.backends.ray.group import attempt_by_group, device_of_worker, make_group
from orchestrator.backends.ray.run_plan import RayOptions, run_plan
from orchestrator.backends.ray.session import SLOT
from orchestrator.backends.ray.worker import RunTrainable
from orchestrator.errors import RunError
from orchestrator.gpus import (
    GROUP_SHARE,
    MAX_RUNS_PER_GPU,
    check_sharing,
    gpu_room,
    require_gpu,
    share_of_gpu,
)
from orchestrator.plan import Plan, RunOutcome
from orchestrator.runs import execute as execute_module
from orchestrator.runs.context import RunContext
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.tuning import folds
from orchestrator.tuning.space import SearchSpace
from orchestrator.workspace import Workspace
from tests.orchestrator.backends.ray.test_run_plan import (
    individual_spec,
    make_dataset,
    planned,
    twin_workspaces,
)
from tests.orchestrator.runs.test_execute import contents

pytestmark = pytest.mark.xdist_group("ray")


def test_a_share_fits_a_gpu_exactly_as_often_as_was_asked() -> None:
    assert (share_of_gpu(1), share_of_gpu(4)) == (1.0, 0.25)
    for runs_per_gpu in range(1, MAX_RUNS_PER_GPU + 1):
        parts = round(10_000 * share_of_gpu(runs_per_gpu))
        assert 10_000 // parts == runs_per_gpu


@pytest.mark.parametrize(
    ("nodes", "runs_per_gpu", "room"),
    [
        ([{"CPU": 16.0, "GPU": 1.0}], 4, 4),
        ([{"CPU": 16.0, "GPU": 2.0}], 4, 8),
        ([{"CPU": 3.0, "GPU": 1.0}], 4, 3),
        # a CPU serves a GPU of its own node only
        ([{"CPU": 2.0, "GPU": 1.0}, {"CPU": 64.0}], 4, 2),
        ([{"CPU": 64.0}, {"GPU": 8.0}], 4, 0),
        ([], 4, 0),
    ],
)
def test_room_is_counted_node_by_node(
    nodes: list[dict[str, float]], runs_per_gpu: int, room: int
) -> None:
    assert gpu_room(nodes, runs_per_gpu) == room


@pytest.mark.parametrize("runs_per_gpu", [0, -1, MAX_RUNS_PER_GPU + 1])
def test_so_many_cannot_share_a_gpu(runs_per_gpu: int) -> None:
    with pytest.raises(RunError, match="give --runs-per-gpu from 1 to 100"):
        check_sharing(runs_per_gpu)


def test_a_process_of_a_group_leaves_runs_their_shares_and_another_process_no_room() -> None:
    assert 2 * GROUP_SHARE > 1
    for runs_per_gpu in range(1, MAX_RUNS_PER_GPU + 1):
        parts = round(10_000 * share_of_gpu(runs_per_gpu, GROUP_SHARE))
        left = 10_000 - round(10_000 * GROUP_SHARE)
        assert left // parts >= runs_per_gpu
        if runs_per_gpu <= 64:
            assert left // parts == runs_per_gpu


def test_a_group_on_gpus_needs_one_for_each_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"CPU": 2.0, "GPU": 2.0}
    monkeypatch.setattr(ray, "cluster_resources", lambda: there)
    group = make_group(2, 2, tmp_path, on_gpus=True)
    assert (group.num_cpus, group.share_of_gpu) == (0, GROUP_SHARE)
    with pytest.raises(RunError, match=r"3 workers for pre-training need a GPU each, .* has 2: "):
        make_group(3, 16, tmp_path, on_gpus=True)
    there[SLOT] = 1e6
    group = make_group(2, 2, tmp_path, on_gpus=True)
    assert (dict(group.resources), group.share_of_gpu) == ({SLOT: 1.0}, 0.0)


def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_machine_without_a_gpu_is_told_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_gpu(monkeypatch)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    workspace = Workspace(tmp_path)
    make_dataset(workspace)
    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was started"))
    plan = Plan([planned(individual_spec(1))])
    with pytest.raises(RunError, match=r"finds no GPU .*--device cpu"):
        run_plan(plan, workspace, on_done=lambda _: None, options=RayOptions(runs_per_gpu=4))
    with pytest.raises(RunError, match=r"finds no GPU .*--device cpu"):
        local_backend.run_plan(
            plan, workspace, on_done=lambda _: None, options=LocalOptions(device="cuda")
        )
    assert not workspace.ray_results.exists()


def test_a_run_that_is_given_a_gpu_that_torch_does_not_see_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_gpu(monkeypatch)
    run = planned(individual_spec(1))
    outcome = execute_module.attempt(run, RunContext(workspace=workspace, device="cuda"))
    assert outcome.status == "failed"
    assert "finds no GPU on this machine" in str(outcome.error)
    with pytest.raises(RunError):
        require_gpu()


def test_the_device_reaches_training_and_prediction_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs, plan = twin_workspaces(tmp_path)
    local_backend.run_plan(plan, theirs, on_done=lambda _: None)
    given: list[tuple[str, Any]] = []

    def spied(name: str, real: Any) -> Any:
        def spy(*args: Any, **kwargs: Any) -> Any:
            if name == "train":
                given.append((name, kwargs["context"].device))
                kwargs["context"] = replace(kwargs["context"], device="cpu")
            else:
                given.append((name, kwargs.pop("device")))
            return real(*args, **kwargs)

        return spy

    for name in ("train", "predict"):
        monkeypatch.setattr(execute_module, name, spied(name, getattr(execute_module, name)))
    for module in (execute_module, local_backend):
        monkeypatch.setattr(module, "require_gpu", lambda: None)
    local_backend.run_plan(plan, ours, on_done=lambda _: None, options=LocalOptions(device="cuda"))
    assert given == 2 * [("train", "cuda"), ("predict", "cuda")]
    assert contents(ours) == contents(theirs)


class Pretending(RunTrainable):
    """Writes down what Ray gave it, and trains on the CPU."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        given = {
            "device": self._context.device,
            "gpus": ray.get_gpu_ids(),
            "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "assigned": ray.get_runtime_context().get_assigned_resources(),
        }
        (self._context.workspace.root / f"given-{os.getpid()}.json").write_text(json.dumps(given))
        self._context = replace(self._context, device="cpu")


def test_actors_have_shares_of_the_gpus_and_the_backends_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_ADDRESS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = Workspace(tmp_path / "ray"), Workspace(tmp_path / "local")
    _, one = make_dataset(ours)
    theirs.root.mkdir()
    theirs.dataset.symlink_to(ours.dataset)
    plan = Plan([planned(individual_spec(seed, one), replicate=seed) for seed in range(1, 5)])
    local_backend.run_plan(plan, theirs, on_done=lambda _: None)

    monkeypatch.setattr(ray_backend, "RunTrainable", Pretending)
    monkeypatch.setattr(ray_session, "require_gpu", lambda: None)
    monkeypatch.setattr(ray_session, "count_gpus", lambda: 1)
    outcomes: list[RunOutcome] = []
    up: list[int] = []
    run_plan(
        plan,
        ours,
        on_done=outcomes.append,
        options=RayOptions(
            num_workers=4, runs_per_gpu=3, on_ready=lambda number, _: up.append(number)
        ),
    )
    assert [outcome.status for outcome in outcomes] == ["completed"] * 4
    assert up == [3]
    assert contents(ours) == contents(theirs)
    given = [json.loads(path.read_text()) for path in ours.root.glob("given-*.json")]
    assert len(given) == 3
    for actor in given:
        assert (actor["device"], actor["gpus"], actor["visible"]) == ("cuda", [0], "0")
        assert actor["assigned"]["GPU"] == pytest.approx(0.3333)
        assert actor["assigned"]["CPU"] == 1


def test_a_ray_without_gpus_trains_nothing_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    workspace = Workspace(tmp_path)
    _, one = make_dataset(workspace)
    monkeypatch.setattr(ray_session, "require_gpu", lambda: None)
    monkeypatch.setattr(ray_session, "count_gpus", lambda: 0)
    with pytest.raises(RunError, match=r"no node of this Ray has a GPU .*--device cpu"):
        run_plan(
            Plan([planned(individual_spec(1, one))]),
            workspace,
            on_done=lambda _: pytest.fail("a run was run"),
            options=RayOptions(num_workers=1, runs_per_gpu=2),
        )
    assert RunStore(workspace).completed() == []


def write_what_a_worker_is_given(config: dict[str, Any]) -> None:
    """Take the place of a training; runs in a worker of a group."""
    given = {
        "device": str(device_of_worker()),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "on_gpus": config["on_gpus"],
        "resources": ray.get_runtime_context().get_assigned_resources(),
    }
    rank = ray.train.get_context().get_world_rank()
    (config["workspace"].root / f"given-{rank}.json").write_text(json.dumps(given))


@pytest.fixture(scope="module")
def two_gpus() -> Iterator[None]:
    """A Ray that was told of two GPUs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_ADDRESS", "CUDA_VISIBLE_DEVICES"):
            patch.delenv(name, raising=False)
        patch.setattr(ray_session, "require_gpu", lambda: None)
        patch.setattr(ray_session, "count_gpus", lambda: 2)
        with ray_session.session(2, None, with_gpus=True):
            yield


@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")
@pytest.mark.parametrize("in_cluster", [False, True])
def test_each_process_of_a_group_has_a_gpu_of_its_own(
    two_gpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_cluster: bool
) -> None:
    workspace = Workspace(tmp_path)
    _, one = make_dataset(workspace)
    if in_cluster:  # a cluster has no slots
        monkeypatch.setattr(ray_group, "SLOT", "none")
    asked: list[str] = []

    def config(backend: str) -> TorchConfig:
        asked.append(backend)
        return TorchConfig(backend="gloo")  # nccl wants real GPUs

    monkeypatch.setattr(ray_group, "TorchConfig", config)
    monkeypatch.setattr(ray_group, "_train_in_group", write_what_a_worker_is_given)
    group = make_group(2, 2, tmp_path / "ray", on_gpus=True)
    run = planned(individual_spec(1, one))
    tables = ray.put(load_dataset(workspace).share({"A"}))
    outcome = attempt_by_group(run, RunContext(workspace=workspace), tables, group)
    assert outcome is not None
    assert (outcome.status, asked) == ("completed", ["nccl"])
    given = [json.loads((workspace.root / f"given-{rank}.json").read_text()) for rank in range(2)]
    assert all(worker["on_gpus"] for worker in given)
    assert {worker["device"] for worker in given} == {"cuda:0", "cuda:1"}
    if in_cluster:
        assert [worker["resources"]["GPU"] for worker in given] == [GROUP_SHARE] * 2
        assert {worker["visible"] for worker in given} == {"0,1"}
    else:  # nothing hides the GPUs from them
        assert {worker["visible"] for worker in given} == {None}


def test_trials_are_trained_and_judged_on_the_device(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, str]] = []

    def trained(*_: Any, context: TrainingContext, **__: Any) -> None:
        given.append(("train", str(context.device)))

    def judged(*_: Any, device: str) -> float:
        given.append(("validation_loss", device))
        return 0.5

    monkeypatch.setattr(folds, "starting_network", lambda *_: None)
    monkeypatch.setattr(folds, "train", trained)
    monkeypatch.setattr(folds, "validation_loss", judged)
    loaded = load_dataset(workspace)
    study = Study(tfs=("SPI1",), pretrain_tfs=("ELF1", "SPI1"), scale=Scale(transfer_bound=40))
    runs = [run.spec for run in transfer(loaded, study).runs if run.arm == "transfer"]
    tuning = folds.Tuning(runs=tuple(runs[:1]), space=SearchSpace(), num_folds=2)
    losses = folds.cross_validate(tuning, tuning.first, workspace, device="cuda")
    assert losses == (0.5, 0.5)
    assert given == 2 * [("train", "cuda"), ("validation_loss", "cuda")]
