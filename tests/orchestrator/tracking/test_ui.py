"""The UI as a command: where it serves nothing."""

import pytest

from orchestrator.errors import RunError
from orchestrator.tracking.ui import serve_ui
from orchestrator.workspace import Workspace


def test_a_workspace_that_is_not_there_is_refused_and_not_made(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("orchestrator.tracking.ui._check_free", lambda *_: pytest.fail("served"))
    with pytest.raises(RunError, match="no finished runs; start with `bindgrid run`"):
        serve_ui(Workspace(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
