"""The keys of plans on simulated data, as commit 36e0cc0 made them.

A run whose key changes is trained again in every workspace, so a change of the code must leave
these constants as they are. A new setting is a field that a key has only where it is used.
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
from orchestrator.plan import PlannedRun
from orchestrator.spec import Rival
from orchestrator.workspace import Workspace

pytestmark = pytest.mark.usefixtures("papers_networks")


class Keys(NamedTuple):
    """The keys of a plan."""

    number: int
    digest: str
    first: str
    last: str


MASKED: Final = "--pretrain masked --min-bound 20 --motif"
TRANSFER: Final = f"run transfer --tfs ELF1,MNT {MASKED}"
SHORT: Final = "--pretrain-epochs 3 --epochs 2 --precision bfloat16 --sizes all,50,30 --sample 30"
SMALL: Final = "--sample 30 --sizes all,60,30 --set-regions 300 --replicates 2"
PEAKS: Final = "run peaks-needed --pretrain-tfs 5"
TRAIN: Final = "tf train ELF1 --precision float32 --yes"
STEP: Final = {"lr": 0.001, "max_epochs": 7, "batch_size": 50}
PROBED: Final = {**STEP, "probe": 0.01, "min_steps": 120}

PLANS: Final = {
    "run paper --pretrain-tfs 6": Keys(
        31, "ab7f77c0f3174fd0", "121dc91869ebedf4", "ffba750ffd03f382"
    ),
    "run paper --pretrain-tfs 6 --scale laptop": Keys(
        22, "336042090d2ad043", "20808369d8cef5ba", "04d8b1648cac028e"
    ),
    f"run paper --pretrain-tfs 6 {SMALL}": Keys(
        196, "35bf65aba8ccefe9", "121dc91869ebedf4", "b789f22c18bfad02"
    ),
    f"{TRANSFER}": Keys(7, "0dc2997e0902ea07", "7f827b062732d419", "fe6d1926af92a53b"),
    f"{TRANSFER} --split chromosome --pretrain-keep last --leave-out-mode": Keys(
        7, "312f77f4c67f7036", "d284899ba14e44e6", "04814aa35bb649a7"
    ),
    f"{TRANSFER} downsampling binding-modes {SHORT} --freeze conv": Keys(
        95, "8ad059334e0485a2", "d6af4b08fcc86e5d", "902629681d8855ce"
    ),
    f"{TRANSFER} --fine-tuning STEP": Keys(
        7, "ad275821b2c71f18", "7f827b062732d419", "6ef2b212f404a0f6"
    ),
    f"{TRANSFER} --fine-tuning PROBED": Keys(
        7, "562481a0a67437a3", "7f827b062732d419", "7e0eedc079c08a4a"
    ),
    f"{PEAKS} --tfs ELF1,MNT --fine-tuning PROBED --sizes 25,60 --replicates 1": Keys(
        29, "3bf3fa9c3ee908f6", "ba12f0f7a630a10b", "c8e6d08fb98caabd"
    ),
    "run transfer --network danq --pretrain-tfs 6 --seed 3 --sample 50": Keys(
        19, "565d2b0054a5e100", "3eba46ee7c364996", "a0d1bd9c533b9802"
    ),
    f"{PEAKS} --tfs ELF1,MNT --sizes 25,60,300,all --replicates 2 --mode-models 1": Keys(
        74, "d1ef3faaf3d93ff7", "ba12f0f7a630a10b", "94a4c87a513eef05"
    ),
    f"{PEAKS} --scale laptop": Keys(
        196, "40a2f856098e36d4", "662cb475b77e278a", "57033593e636545b"
    ),
    f"{PEAKS} --tfs ELF1 --sizes 25,60 --split chromosome --freeze conv1": Keys(
        80, "98693ec2ef0d8f51", "4523824b2d4073c5", "71e134a76f4ac18d"
    ),
    f"{TRAIN} --split random --pretrain-set masked": Keys(
        22, "47f8ae718d3fbdf0", "f3506332ca2fb50e", "96eedbab6401413e"
    ),
    f"{TRAIN} --split random": Keys(24, "ccb99bdfa042de86", "28ceb52387c68dbd", "b8435e8ba0cedb3e"),
    f"{TRAIN} --pretrain-set complete --sample 150 --replicates 2": Keys(
        15, "14d1a4aefd2788dd", "d47287fa6f12029e", "c0f890715a00cfea"
    ),
    f"{TRAIN} --pretrain-set JUND,SP1 --pretrain-epochs 5": Keys(
        25, "49b4bdd286ea20fc", "44d77d20102d8d59", "004747284db1d3ad"
    ),
    "tune --tf ELF1 --pretrain-tfs 6 --sample 50": Keys(
        1, "a0019cfc2a351566", "9507015ea155c5f8", "9507015ea155c5f8"
    ),
    f"tune --tf ELF1,MNT {MASKED} --sample 40 --pretrain-keep last --pretrain-epochs 4": Keys(
        1, "105e2f708af701a4", "9ae796645a6d4784", "9ae796645a6d4784"
    ),
}
"""Keys by command line. The base that bindgrid comes with is the default start of `tf train`; that
one was frozen later, with the base."""

FIRST: Final = ("all-motifs", "gkm-svm")
"""The rivals that `tf train` had first."""
RIVALS: Final = {
    (f"{PEAKS} --tfs ELF1 --sizes 25 --replicates 1", tuple(Rival)): Keys(
        4, "00c63f6ef6372f89", "e90154b492f8b7d0", "07d87e26a1fa40ab"
    ),
    (f"{TRAIN} --split random --pretrain-set masked", FIRST): Keys(
        6, "e36d6712d910d2de", "cc66748df0e8d2cb", "4bbe2d5ecdd5c92c"
    ),
    (f"{TRAIN} --split random --pretrain-set masked", ("openness",)): Keys(
        3, "97314e3056b9fadf", "0ac6e8c81a3fb4f6", "9624c26d53b92612"
    ),
}
"""Keys of the runs without a network, which the plans above do not count, by command and rivals."""


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
def rivals() -> list[PlannedRun]:
    """Rivals of a plan, which came later than all other runs."""
    return []


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, rivals: list[PlannedRun]) -> list[str]:
    """Keys of what a command would run; it ends once it has planned."""
    keys: list[str] = []

    def drive(plan: Any, *_: object, **__: object) -> None:
        keys.extend(run.key for run in plan if not run.spec.rival)
        rivals.extend(run for run in plan if run.spec.rival)
        raise _Planned

    class Study:
        def __init__(self, tuning: Any, *_: object) -> None:
            keys.append(tuning.key)
            raise _Planned

    rates = Rates(train=1000.0, predict=3000.0)
    monkeypatch.setattr("orchestrator.backends.cost.calibrate", lambda *_: rates)
    monkeypatch.setattr("experiments.cli.tf.train.drive", drive)
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


@pytest.mark.parametrize(("command", "names"), RIVALS)
@pytest.mark.usefixtures("planned")
def test_keys_of_rivals_are_what_they_always_were(
    command: str,
    names: tuple[str, ...],
    simulated: Workspace,
    rivals: list[PlannedRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from experiments.cli.main import app

    monkeypatch.setenv("PATH", "")  # where LS-GKM may be
    with pytest.raises(_Planned):
        app([*command.split(), "-w", str(simulated.root)], standalone_mode=False)
    assert keys_of(run.key for run in rivals if run.spec.rival in names) == RIVALS[command, names]
