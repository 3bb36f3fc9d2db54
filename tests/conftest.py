import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from experiments.transfer.plan import transfer
from orchestrator.backends.local import run_plan
from orchestrator.interpretation import run_motifs as motifs
from orchestrator.plan import Plan
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.workspace import Workspace
from tests.helpers.tiny import tiny_dataset

# Ray gives its workers niceness 15 by default: beside the other half of the tests they would starve
os.environ.setdefault("RAY_worker_niceness", "0")

Bindgrid = Callable[..., tuple[int, str, str]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process of pytest-xdist, and all that start Ray in another.

    Tests that start Ray mostly wait; two Rays at once would starve each other.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a tiny dataset."""
    place = Workspace(tmp_path / "workspace")
    tiny_dataset(place.dataset)
    return place


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
    """A workspace with a multi-model that knows SPI1, and SPI1 in both arms; tests add to it."""
    place = Workspace(tmp_path_factory.mktemp("trained") / "workspace")
    tiny_dataset(place.dataset)
    study = Study(
        tfs=("SPI1",),
        pretrain_tfs=("ELF1", "SPI1"),
        trainings=Trainings().with_epochs(multi=2, individual=1),
    )
    plan = Plan(transfer(load_dataset(place), study).runs)
    run_plan(plan, place, on_done=lambda outcome: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(motifs, "IMPORTANCE_REGIONS", 10)
        yield place
