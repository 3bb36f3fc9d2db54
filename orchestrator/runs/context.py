"""Where and how a process executes runs: what stays the same from one run to the next."""

from dataclasses import dataclass

from model.training.data_parallel import ALONE, Parallel
from model.training.loop import OnEpoch
from orchestrator.runs.loaded_dataset import LoadedDataset, SharedTables, load_dataset
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Where and how a process executes runs. Only the device can change a result."""

    workspace: Workspace
    """Has the dataset; finished runs are stored there."""
    tables: SharedTables | None = None
    """Tables of the dataset that need not be read again; None reads all from disk."""
    device: str = "cpu"
    """Where to train and to predict the test regions, "cpu" or "cuda"; dropout draws other masks on
    a GPU (`model.training.loop`). Filters are always read on the CPU."""
    parallel: Parallel = ALONE
    """This process's part where several train a run together: all of them execute the run, and the
    first one stores it. By default this process trains alone."""
    on_epoch: OnEpoch | None = None
    """Called after each epoch of training."""

    def dataset(self) -> LoadedDataset:
        """Load the workspace's dataset, once per process as long as it stays the same."""
        return load_dataset(self.workspace, self.tables)
