"""What `bindgrid models` says of a model: the mean of its replicates, and its verdict."""

from pathlib import Path

import pytest

from orchestrator.prediction import listing
from orchestrator.prediction.listing import models_table
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import Study


def test_a_model_is_as_good_as_the_mean_of_its_replicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "find_base", lambda: None)
    place = Workspace(tmp_path)
    for replicate, right in ((1, 0.6), (2, 0.9), (3, 0.75)):
        Study(place).add_pair("A", 0.5, right, replicate=replicate)
    rows = models_table(place).set_index("name")
    runs = [run for run in RunStore(place).completed() if run.planned.arm == "transfer"]
    of_runs = [run.metrics.mcc for run in runs]
    assert len(set(of_runs)) == 3
    assert rows.loc["A", "mcc"] == pytest.approx(sum(of_runs) / 3)
    assert rows.loc["A", "num_bound"] == 450
