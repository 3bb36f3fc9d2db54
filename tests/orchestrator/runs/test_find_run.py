"""Which finished run a name means where TFs differ by case alone."""

from pathlib import Path

import pytest

from orchestrator.errors import UnknownModelError
from orchestrator.runs.find_run import find_run
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import Study
from tests.helpers.tiny import tiny_dataset


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_tf_is_found_in_other_letters_and_as_it_is_spelled_before_any_other(
    place: Workspace,
) -> None:
    Study(place).add_pair("MYGAB", 0.6, 0.7)
    store = RunStore(place)
    assert find_run(store, "mygab").planned.spec.regions.tfs == ("MYGAB",)
    Study(place).add_pair("mygab", 0.6, 0.7)
    store = RunStore(place)
    for name in ("MYGAB", "mygab"):
        assert find_run(store, name).planned.spec.regions.tfs == (name,)
    with pytest.raises(UnknownModelError, match="'MyGab' may be MYGAB or mygab"):
        find_run(store, "MyGab")


def test_runs_of_a_removed_tf_do_not_stand_for_one_of_other_letters(place: Workspace) -> None:
    tiny_dataset(place.dataset)
    Study(place).add_pair("Spi1", 0.6, 0.7)
    with pytest.raises(UnknownModelError, match="no finished run of 'SPI1', and Spi1, which has"):
        find_run(RunStore(place), "SPI1")
