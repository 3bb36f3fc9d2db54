"""What an experiment's record is for: one from outside is planned, run, tracked and reported."""

import ast
import re
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from experiments.registry import EXPERIMENTS, ON_CARDS, Experiment, paper_figures
from orchestrator.role import Arm
from orchestrator.runs.store import RunStore
from orchestrator.tracking.client import TrackingClient
from orchestrator.workspace import Workspace
from tests.conftest import Bindgrid
from tests.helpers.toy.findings import findings
from tests.helpers.toy.plan import NAME, toy

ROOT = Path(__file__).parents[2]
TOY = Experiment(
    name=NAME,
    title="Toys",
    figure="Fig. 9Z",
    plan=toy,
    findings=findings,
    lack="nobody played",
)


@pytest.mark.slow
def test_an_experiment_from_outside_is_planned_run_tracked_and_reported(
    bindgrid: Bindgrid, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = bindgrid("run", NAME, "-w", workspace.root)
    assert code == 2
    assert "no experiment is named 'toy'" in err
    monkeypatch.setitem(EXPERIMENTS, NAME, TOY)
    short = ("--tfs", "SPI1", "--epochs", "1", "--backend", "local", "-w", workspace.root)
    code, out, err = bindgrid("run", NAME, *short)
    assert code == 0, err
    assert "toy: toy: it says nothing of biology" in err
    assert "few" in out and "many" in out
    planned = [run.planned for run in RunStore(workspace).completed()]
    assert {run.role.label for run in planned} == {"few", "many"}

    client = TrackingClient(workspace).mlflow
    tracked = client.get_experiment_by_name(NAME)
    assert tracked is not None
    assert "`toy`, Fig. 9Z of Novakovsky et al. 2021" in tracked.tags["mlflow.note.content"]
    runs = client.search_runs([tracked.experiment_id])
    assert {run.data.tags["group"] for run in runs} == {"few", "many"}

    code, out, err = bindgrid("report", "--no-filters", "-w", workspace.root)
    assert code == 0, err
    assert "toy: Toys of 2 kinds were played with." in out
    assert "no section" not in out
    page = (workspace.report / "index.html").read_text()
    for words in ("Toys (Fig. 9Z)", "No toy is missing.", "it says nothing of biology"):
        assert words in page
    assert (workspace.report / "figures" / "toy.svg").is_file()
    runs = client.search_runs([tracked.experiment_id], "tags.summary = 'true'")
    assert [set(run.data.metrics) for run in runs] == [{"few/mcc", "many/mcc"}]


def test_an_experiment_of_which_no_run_is_finished_says_what_it_lacks(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.report import make_report
    from orchestrator.plan import Plan
    from tests.helpers.finished_runs import Study, in_role, planned_run

    monkeypatch.setitem(EXPERIMENTS, NAME, TOY)
    Study(workspace).add_pair("A", 0.6, 0.7)
    waiting = in_role(planned_run("scratch", "B"), experiment=NAME)
    RunStore(workspace).record_roles(Plan([waiting]))
    section = make_report(workspace).sections[-1]
    assert section.experiment == NAME
    assert section.headline == "Nothing to compare yet: 0 runs complete, nobody played."
    assert section.missing == ("1 run planned but not complete: B scratch 500 bound r1.",)


def test_records_are_named_as_their_place_and_have_figures_of_the_paper() -> None:
    assert all(name == record.name for name, record in EXPERIMENTS.items())
    assert paper_figures()["transfer"] == "Fig. 1A"
    assert "peaks-needed" not in paper_figures()
    assert EXPERIMENTS["peaks-needed"].heading.endswith(" (beyond the paper)")


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_an_experiment_is_a_folder_with_the_files_of_its_neighbours(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ROOT / "experiments" / name.replace("-", "_")
    assert {"plan.py", "findings.py", "figures.py"} <= {path.name for path in folder.iterdir()}
    record = EXPERIMENTS[name]
    assert record.plan.__module__ == f"experiments.{folder.name}.plan"
    asked = "the rows"
    module = f"experiments.{folder.name}.findings"
    monkeypatch.setattr(f"{module}.findings", lambda given: (module, given))
    assert record.findings(cast("Any", asked)) == (module, asked)


def names_experiment(text: str, name: str) -> list[int]:
    """Lines of a module that name an experiment: in its strings, or as a word with a hyphen.

    An arm may be called as an experiment is: such a name counts only beside the word experiment.
    """
    lines = [
        text.count("\n", 0, found.start()) + 1
        for found in re.finditer(rf"\bexperiment[ =:]+[\"'`]*{name}\b", text)
    ]
    if "-" in name:
        lines += [
            text.count("\n", 0, found.start()) + 1
            for found in re.finditer(rf"(?<![\w-]){name}(?![\w-])", text)
        ]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_name = node.value == name or f"`{name}`" in node.value
            if is_name and name not in get_args(Arm):
                lines.append(node.lineno)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asks = any("experiment" in ast.unparse(side) for side in sides)
            if asks and any(ast.unparse(side) == repr(name) for side in sides):
                lines.append(node.lineno)
    return sorted(set(lines))


@pytest.mark.parametrize("name", sorted({*EXPERIMENTS, *ON_CARDS}))
def test_nothing_in_the_orchestrator_names_an_experiment(name: str) -> None:
    files = list((ROOT / "orchestrator").rglob("*.py"))
    assert len(files) > 50
    found = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if (lines := names_experiment(path.read_text(), name))
    }
    assert not found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x = 'interpretation'", "interpretation"),
        ('"""Of `downsampling`."""', "downsampling"),
        ("# the runs of own-tf", "own-tf"),
        ("if row.experiment == 'transfer': pass", "transfer"),
        ('"""Runs of experiment `transfer`."""', "transfer"),
    ],
)
def test_a_name_of_an_experiment_is_found_wherever_it_stands(text: str, name: str) -> None:
    assert names_experiment(text, name) == [1]
    assert names_experiment("arm = 'transfer'\nimport orchestrator.interpretation", name) == []
