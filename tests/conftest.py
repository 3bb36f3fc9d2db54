import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.killing.command import small
from data.dataset.sampling import Sampling
from experiments.base.packaging import BaseSettings, package_base
from experiments.base.plan import plan_base
from experiments.cli.main import main
from experiments.study import specs
from experiments.study.pretraining import Pretraining
from experiments.study.study import Study
from experiments.study.trainings import Changes, Trainings
from experiments.transfer.plan import transfer
from model.network_config import published
from orchestrator.backends import cost
from orchestrator.backends.local import run_plan
from orchestrator.interpretation import run_motifs as motifs
from orchestrator.plan import Plan
from orchestrator.prediction import variant_null
from orchestrator.prediction.base import BASE_VARIABLE, Base, open_base
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.tracking import database
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset

# Ray gives its workers niceness 15 by default: beside the other half of the tests they would starve
os.environ.setdefault("RAY_worker_niceness", "0")
# a second thread of torch spins while another process has its core: the same test took 15 times the
# CPU time. Commands that tests start take the number from here
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

Bindgrid = Callable[..., tuple[int, str, str]]

RAY_GROUPS = ("ray", "ray-waiting")
PROCESSES_OF_TWO_CORES = 3


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect no garbage while test files are imported, and never look at all that again.

    Libraries and tests are a million objects, none of them garbage. To look through them again and
    again was half of what it took to find the tests, and most of what each `gc.collect` takes.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process of pytest-xdist, and all that start Ray in two others.

    Those of the group `ray-waiting` wait for a minute here and there, until processes of a killed
    Ray end; the other group computes meanwhile. Both take longest and come first, then the files
    with other slow tests, so that all processes end together. With more processes than two cores
    can use, each file that starts Ray has its own. Files with the fixture `trained` share a process
    too: its runs are trained once, and their filters read once.
    """
    on_trained = {item.path for item in items if "trained" in getattr(item, "fixturenames", ())}
    many = getattr(config, "workerinput", {}).get("workercount", 1) > PROCESSES_OF_TWO_CORES
    for item in items:
        if _group(item) in RAY_GROUPS:
            item.add_marker("slow")
            if many:
                # pytest-xdist joins the names of an item's groups
                item.add_marker(pytest.mark.xdist_group(item.path.name))
        elif not _group(item):
            name = "trained" if item.path in on_trained else item.path.name
            item.add_marker(pytest.mark.xdist_group(name))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (not _group(item).startswith("ray"), item.path not in slow))


def _group(item: pytest.Item) -> str:
    group = item.get_closest_marker("xdist_group")
    return "" if group is None else str(group.args[0])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a tiny dataset."""
    place = Workspace(tmp_path / "workspace")
    tiny_dataset(place.dataset)
    return place


@pytest.fixture(scope="session", autouse=True)
def small_networks() -> Iterator[None]:
    """Have plans ask for networks of a few filters and units; `papers_networks` is for the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specs, "published", small)
        yield


@pytest.fixture
def papers_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have plans ask for the networks that they ask for outside tests."""
    monkeypatch.setattr(specs, "published", published)


@pytest.fixture(scope="session", autouse=True)
def short_calibrations() -> Iterator[None]:
    """Measure this machine for a moment; `test_cost` looks at what is measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "SECONDS", 0.1)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_made_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have MLflow make its tables once, and copy them; `test_database` makes its own."""
    make = database.create_database
    made = Workspace(tmp_path_factory.mktemp("mlflow"))

    def copy(workspace: Workspace) -> None:
        make(made)
        if not workspace.mlflow_db.exists():
            workspace.root.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made.mlflow_db, workspace.mlflow_db)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "create_database", copy)
        yield


@pytest.fixture(scope="session", autouse=True)
def small_nulls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compare variants with few random ones, and keep nothing in this user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_null, "NUM_WINDOWS", 30)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def bindgrid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bindgrid:
    """Run the command line; gives (exit code, standard output, standard error)."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bindgrid", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        code = caught.value.code
        return (code if isinstance(code, int) else 0), out, err

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with a multi-model trained on SPI1, and SPI1 in both arms; tests add to it."""
    place = Workspace(tmp_path_factory.mktemp("trained") / "workspace")
    tiny_dataset(place.dataset)
    study = Study(
        tfs=("SPI1",),
        pretrain_tfs=("ELF1", "SPI1"),
        trainings=Trainings().with_epochs(multi=2, individual=1),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specs, "published", published)  # tests count their filters
        plan = Plan(transfer(load_dataset(place), study).runs)
    run_plan(plan, place, on_done=lambda outcome: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(motifs, "IMPORTANCE_REGIONS", 10)
        yield place


@pytest.fixture(scope="session")
def made_base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path]:
    """A workspace with a finished masked multi-model of the tiny TFs, and the base made of it."""
    place = Workspace(tmp_path_factory.mktemp("base") / "workspace")
    tiny_dataset(place.dataset)
    loaded = load_dataset(place)
    study = Study(
        pretrain_tfs=None,
        pretraining=Pretraining(rows="resolved", min_bound=1),
        sampling=Sampling(split="chromosome", val_chroms=("chr3",), test_chroms=("chr2",)),
        trainings=Trainings().with_multi(Changes(max_epochs=2)),
    )
    planned = plan_base(loaded, study, (0, 1))
    run_plan(Plan(planned.study.runs), place, on_done=lambda outcome: None)
    store = RunStore(place)
    folder = place.root.parent / "tiny-base"
    settings = BaseSettings(name="tiny-base", number_format="float16", min_bound=1, about=None)
    package_base(loaded, [store.open(spec.key) for spec in planned.specs], folder, settings)
    return place, folder


@pytest.fixture
def base(made_base: tuple[Workspace, Path], monkeypatch: pytest.MonkeyPatch) -> Base:
    """The tiny base of two networks, in place of the one that comes with bindgrid."""
    monkeypatch.setenv(BASE_VARIABLE, str(made_base[1]))
    return open_base(made_base[1])
