import pytest

from data.dataset.evidence_file import evidence_path, write_evidence
from orchestrator.runs.loaded_dataset import load_dataset
from orchestrator.workspace import Workspace


@pytest.fixture
def resolved(workspace: Workspace) -> Workspace:
    """The workspace with ELF1 and GABPA resolved on all chromosomes."""
    dataset = load_dataset(workspace).dataset
    codes = dataset.evidence(["SPI1"])[:, 0]
    for tf in ("ELF1", "GABPA"):
        write_evidence(evidence_path(dataset.path, tf), codes.copy(), None)
    return workspace
