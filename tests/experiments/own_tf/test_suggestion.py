"""What finished runs say of the multi-models that a TF may start from."""

from pathlib import Path

import pytest

from experiments.own_tf.suggestion import results_by_kind
from orchestrator.role import RunVariant, SetKind
from orchestrator.runs.store import RunStore
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import Study, in_role, planned_run


def test_a_kinds_gain_is_that_of_models_and_not_of_their_controls(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    study = Study(place)
    study.add(planned_run("scratch", "A"), 0.6)
    model = in_role(planned_run("transfer", "A"), set_kind=SetKind.MASKED)
    study.add(model, 0.9)
    other = planned_run("transfer", "A", tfs=("B", "C"))
    control = in_role(other, set_kind=SetKind.MASKED, variant=RunVariant.WITHOUT_MOTIF)
    study.add(control, 0.7)
    found = results_by_kind(RunStore(place))
    mcc = {run.key: run.metrics.mcc for run in RunStore(place).completed()}
    [scratch] = mcc.keys() - {model.key, control.key}
    assert found[SetKind.MASKED].mean_gain == pytest.approx(mcc[model.key] - mcc[scratch])
    assert found[SetKind.MASKED].num_tfs == 1
