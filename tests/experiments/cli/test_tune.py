"""`bindgrid tune`: one real search on Ray, interrupted and resumed; and what it refuses."""

import json
import signal
from collections.abc import Iterator

import pytest

from experiments.cli import tune as cli_tune
from orchestrator.runs.lock import sole_driver
from orchestrator.runs.store import RunStore
from orchestrator.tuning.trials import read_training
from orchestrator.workspace import Workspace
from tests.conftest import Bindgrid

pytestmark = pytest.mark.xdist_group("ray")

ARGUMENTS = ["tune", "--tf", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--pretrain-epochs", "1"]
SMALL = ["--sample", "40", "--folds", "2", "--max-epochs", "11", "--workers", "2"]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have Ctrl-C interrupt, also where the tests were started in the background by a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c_after(num_trials: int, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = cli_tune._TrialProgress.advance

    def interrupting(self: cli_tune._TrialProgress, loss: float) -> None:
        advance(self, loss)
        if self._study.num_complete() == num_trials:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cli_tune._TrialProgress, "advance", interrupting)


def test_a_search_is_interrupted_and_goes_on(
    bindgrid: Bindgrid, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, ctrl_c: None
) -> None:
    arguments = [*ARGUMENTS, *SMALL, "-w", str(workspace.root)]
    with pytest.MonkeyPatch.context() as patch:
        press_ctrl_c_after(2, patch)
        code, _, err = bindgrid(*arguments, "--trials", 1000)
    assert code == 130, err
    assert err.splitlines()[-1] == (
        "bindgrid: interrupted; complete trials are kept, the same command resumes the search"
    )
    assert "trial 2 of 1000: validation loss" in err
    assert "Traceback" not in err
    assert not workspace.ray_results.exists()

    code, out, err = bindgrid(*arguments, "--trials", 4)
    assert code == 0, err
    assert "4 trials, 2 complete already" in err
    assert "trial 4 of 4" in err
    assert "paper's" in out
    [chosen] = (workspace.root / "tuning").glob("SPI1-*.json")
    record = json.loads(chosen.read_text())
    assert record["num_trials"] == 4
    assert sum(record["val_losses"]) <= sum(record["compared_with"]["val_losses"])
    assert record["compared_with"]["training"]["lr"] == 0.0003
    assert read_training(chosen).max_epochs <= 11
    # the multi-model is the experiment's own
    [run] = RunStore(workspace).completed()
    assert run.key == record["multi_model"]
    code, plan, _ = bindgrid(
        *("run", "transfer", "--tfs", "SPI1", "--pretrain-tfs", "ELF1,GABPA", "--dry-run"),
        *("--pretrain-epochs", "1", "--sample", "40", "--json", "-w", workspace.root),
    )
    assert run.key in {planned["key"] for planned in json.loads(plan)["runs"]}

    check_tracked(workspace, record["tuning"], 4)
    code, _, err = bindgrid(*arguments, "--trials", 1)
    assert code == 0, err
    check_tracked(workspace, record["tuning"], 4)  # each once
    # nothing is left to do: no Ray, and MLflow's absence is but a warning
    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was started"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    code, out, err = bindgrid(*arguments, "--trials", 1)
    assert code == 0
    assert "1 trial, 4 complete already" in err
    assert "MLflow at http://127.0.0.1:1 does not take the runs" in err


def check_tracked(workspace: Workspace, tuning: str, num_trials: int) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{workspace.mlflow_db}")
    experiment = client.get_experiment_by_name("tuning")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == num_trials
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["tuning"] for run in runs} == {tuning}
    [first] = [run for run in runs if run.data.params["lr"] == "0.0003"]
    assert first.data.params["frozen"] == "none"
    folds = client.get_metric_history(first.info.run_id, "fold_loss")
    mean = sum(fold.value for fold in folds) / 2
    assert first.data.metrics["val_loss"] == pytest.approx(mean)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--tf", "SPI2"], "SPI1"),
        (["--trials", "0"], "0 trials choose nothing"),
        (["--workers", "0"], "0 workers"),
        (["--folds", "0"], "0 folds judge nothing"),
        (["--folds", "10"], "give 9 folds or fewer"),
        (["--max-epochs", "5"], "is not among those to choose from"),
        (["--sample", "9999"], "bound regions"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    bindgrid: Bindgrid, workspace: Workspace, options: list[str], complaint: str
) -> None:
    code, out, err = bindgrid(*ARGUMENTS, *SMALL, *options, "-w", workspace.root)
    assert (code, out) == (2, "")
    assert complaint in err.splitlines()[-1]
    assert {path.name for path in workspace.root.iterdir()} == {"dataset"}


def test_a_workspace_in_use_is_refused(bindgrid: Bindgrid, workspace: Workspace) -> None:
    with sole_driver(workspace):
        code, _, err = bindgrid(*ARGUMENTS, *SMALL, "-w", workspace.root)
    assert code == 2
    assert "is in use by process" in err
    assert not (workspace.root / "tuning").exists()
