from pathlib import Path

import pytest

from orchestrator.workspace import Workspace
from tests.tiny import tiny_dataset


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a tiny dataset."""
    place = Workspace(tmp_path / "workspace")
    tiny_dataset(place.dataset)
    return place
