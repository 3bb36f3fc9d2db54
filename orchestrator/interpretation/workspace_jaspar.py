"""The part of JASPAR that goes with a workspace's TFs: that which its dataset was built with."""

from data.dataset.store import Dataset
from data.errors import DataError
from data.motifs.database import DEFAULT, Jaspar
from orchestrator.workspace import Workspace


def workspace_jaspar(workspace: Workspace) -> Jaspar:
    """Give the part of JASPAR that a workspace's filters are compared with.

    It is the paper's where the workspace has no dataset, or one that was built without naming any.

    Raises
    ------
    DataError
        If the dataset names a release that the installed `pyjaspar` lacks.
    """
    try:
        dataset = Dataset.open(workspace.dataset)
    except DataError:
        return DEFAULT
    return dataset.jaspar
