"""The keys of runs on simulated data stay what they were before files moved and settings changed hands.

A key that changes makes every finished run of users' workspaces worthless. The constants were made
by commit 36e0cc0; none of them may be made anew to let a change pass.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from data.simulation.config import SimulationConfig
from data.simulation.simulate import simulate
from data.sources.build import build_dataset
from orchestrator.backends.cost import Rates
from orchestrator.workspace import Workspace


class Keys(NamedTuple):
    """The keys of a plan."""

    number: int
    digest: str
    first: str
    last: str


MASKED: Final = "--pretrain masked --min-bound 20 --motif"
TRANSFER: Final = f"run transfer --tfs ELF1,MNT {MASKED}"
SHORT: Final = "--pretrain-epochs 3 --epochs 2 --precision bfloat16 --sizes all,50,30 --sample 30"
PEAKS: Final = "run peaks-needed --pretrain-tfs 5"
TRAIN: Final = "tf train ELF1 --precision float32 --yes"
STEP: Final = {"lr": 0.001, "max_epochs": 7, "batch_size": 50}
PROBED: Final = {**STEP, "probe": 0.01, "min_steps": 120}

PLANS: Final = {
    "run paper --pretrain-tfs 6": None,
    "run paper --pretrain-tfs 6 --scale laptop": None,
    "run paper --pretrain-tfs 6 --sample 30 --sizes all,60,30 --set-regions 300 --replicates 2": None,
    f"{TRANSFER}": None,
    f"{TRANSFER} --split chromosome --pretrain-keep last --leave-out-mode": None,
    f"{TRANSFER} downsampling binding-modes {SHORT} --freeze conv": None,
    f"{TRANSFER} --fine-tuning STEP": None,
    f"{TRANSFER} --fine-tuning PROBED": None,
    f"{PEAKS} --tfs ELF1,MNT --fine-tuning PROBED --sizes 25,60 --replicates 1": None,
    "run transfer --network danq --pretrain-tfs 6 --seed 3 --sample 50": None,
    f"{PEAKS} --tfs ELF1,MNT --sizes 25,60,300,all --replicates 2 --mode-models 1": None,
    f"{PEAKS} --scale laptop": None,
    f"{PEAKS} --tfs ELF1 --sizes 25,60 --split chromosome --freeze conv1": None,
    f"{TRAIN} --split random": None,
    f"{TRAIN} --pretrain-set complete --sample 150 --replicates 2": None,
    f"{TRAIN} --pretrain-set JUND,SP1 --pretrain-epochs 5": None,
    "tune --tf ELF1 --pretrain-tfs 6 --sample 50": None,
    f"tune --tf ELF1,MNT {MASKED} --sample 40 --pretrain-keep last --pretrain-epochs 4": None,
}
"""Keys by command line."""


class _Planned(Exception):
    """The command has planned, which is all that is wanted of it."""


def keys_of(keys: Iterable[str]) -> Keys:
    """Give what is compared of a plan's keys."""
    own = list(keys)
    digest = hashlib.sha256("\n".join(sorted(own)).encode()).hexdigest()[:16]
    return Keys(len(own), digest, own[0], own[-1])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("frozen")
    place = Workspace(root / "workspace")
    sources = simulate(root / "sources", SimulationConfig(num_regions=2400))
    build_dataset(sources, place.dataset)
    for name, training in (("STEP", STEP), ("PROBED", PROBED)):
        (root / name).write_text(json.dumps({"training": training}))
    return place


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of what a command would run; it ends once it has planned."""
    keys: list[str] = []

    def drive(plan: Any, *_: object, **__: object) -> None:
        keys.extend(run.key for run in plan)
        raise _Planned

    class Study:
        def __init__(self, tuning: Any, *_: object) -> None:
            keys.append(tuning.key)
            raise _Planned

    rates = Rates(train=1000.0, predict=3000.0)
    monkeypatch.setattr("orchestrator.backends.cost.calibrate", lambda *_: rates)
    monkeypatch.setattr("experiments.cli.tf_train.drive", drive)
    monkeypatch.setattr("experiments.cli.run.drive", drive)
    monkeypatch.setattr("orchestrator.tuning.trials.TuningStudy", Study)
    return keys


@pytest.mark.parametrize("command", PLANS)
def test_keys_of_plans_are_what_they_always_were(
    command: str,
    simulated: Workspace,
    planned: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from experiments.cli.main import app

    monkeypatch.chdir(Path(simulated.root).parent)  # the files of settings are there
    with pytest.raises(_Planned):
        app([*command.split(), "-w", str(simulated.root)], standalone_mode=False)
    assert keys_of(planned) == PLANS[command]
