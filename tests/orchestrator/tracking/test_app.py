"""The first page of MLflow's server: what it shows, what it sets in a browser, what it serves."""

import http.client
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from docs.browser import browser, find_chromium
from docs.screenshots import free_port
from orchestrator.errors import RunError
from orchestrator.plan import Plan
from orchestrator.role import Arm
from orchestrator.runs.store import RunStore
from orchestrator.tracking import ui
from orchestrator.tracking.app import start_script, with_script
from orchestrator.tracking.client import NOTE_TAG, tracking_uri
from orchestrator.tracking.front_page import comparison, plan_lines
from orchestrator.tracking.run_rows import METRICS, PARAMS, TAGS, read_runs
from orchestrator.tracking.sync import MlflowView
from orchestrator.tracking.ui import mlflow_server
from orchestrator.tracking.views import PLANS, TUNING, VERDICTS, other_tags
from orchestrator.workspace import Workspace
from tests.helpers.finished_runs import planned_run, store_run

HOSTILE: Final = "<img src=x onerror=alert(1)>'\""
SENTENCE: Final = "SPI1: use with care."
TABLE: Final = "| 0.50 | 0.75 |"
"""What follows the conclusion in the note of a card."""
SCORES: Final[dict[Arm, float]] = {"transfer": 0.8, "scratch": 0.6}
WINDOW: Final = {"width": 1440, "height": 900}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that shows a workspace, and the workspace."""

    port: int
    place: Workspace

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, host: str = "127.0.0.1") -> tuple[int, str, dict[str, str]]:
        """Ask for a path as it is spelled, which other clients would make shorter."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"Host": f"{host}:{self.port}"})
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer.status, text, dict(answer.headers.items())


def store_pairs(place: Workspace, tfs: tuple[str, ...], num_replicates: int = 2) -> None:
    labels = np.tile(np.array([0, 1], dtype=np.int8), 50)
    for tf in tfs:
        for arm, score in SCORES.items():
            for replicate in range(1, num_replicates + 1):
                wrong = np.arange(100) < 100 * (1 - score)
                called = (labels == 1) != wrong
                store_run(place, planned_run(arm, tf, replicate), labels, called)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on runs of two TFs, one of them with a hostile name, with a report and a card."""
    place = Workspace(tmp_path_factory.mktemp("served") / "workspace")
    store_pairs(place, ("SPI1", HOSTILE))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        view = MlflowView(place)
        view.sync(RunStore(place))
        experiment = view.client.experiment_id(VERDICTS, other_tags)
        for tf, made in (("SPI1", "2026-01-01"), ("SPI1", "2026-02-01"), (HOSTILE, "2026-01-01")):
            sentence = f"{SENTENCE}\n\n{TABLE}" if made == "2026-02-01" else f"{tf}: do not use."
            tags = {"tf": tf, "made": made, "level": "use with care", NOTE_TAG: sentence}
            run = view.client.mlflow.create_run(experiment, tags=tags, run_name=tf)
            view.client.mlflow.log_metric(run.info.run_id, "transfer/mcc", 0.5)
            view.client.mlflow.set_terminated(run.info.run_id)
        trials = view.client.experiment_id(TUNING, other_tags)
        trial = view.client.mlflow.create_run(trials, tags={"tf": "SPI1"}, run_name="SPI1 trial 1")
        for name in ("val_loss", "val_loss_sd"):
            view.client.mlflow.log_metric(trial.info.run_id, name, 0.5)
        view.live.begin(Plan([planned_run("scratch", "SPI1"), planned_run("scratch", "later")]))
        place.cards.mkdir(parents=True)
        (place.cards / "SPI1.html").write_text(f"<h1>Verdict</h1>{SENTENCE}")
        (place.report / "index.html").write_text("<h1>bindgrid report</h1>")
        (place.report / "out.csv").symlink_to(place.mlflow_db)
        port = free_port()
        with mlflow_server(place, tracking_uri(place), "127.0.0.1", port):
            yield Served(port=port, place=place)


@pytest.mark.slow
def test_the_first_page_shows_the_means_of_both_arms_and_their_difference(served: Served) -> None:
    status, text, _ = served.get("/bindgrid/")
    assert status == 200
    [row] = [line for line in text.splitlines() if ">SPI1</td>" in line]
    assert ">0.200<" in row
    assert ">0.600<" in row
    assert ">+0.400<" in row
    assert "2 + 2" in row
    assert "8 finished" in text
    assert SENTENCE in text
    assert TABLE not in text
    assert text.count("tf/SPI1.html") == 1


@pytest.mark.slow
def test_the_first_page_lists_the_plans_in_progress(served: Served) -> None:
    _, text, _ = served.get("/bindgrid/")
    [line] = [line for line in text.splitlines() if "runs complete" in line]
    assert "in workspace: 1 of 2 runs complete, since 20" in line
    assert text.index("Plans in progress") < text.index("MCC transfer")


def test_a_plan_that_has_ended_is_in_progress_no_more() -> None:
    def plan(status: str, **numbers: float) -> Any:
        return SomeRun(Info(status), Data({"experiments": "transfer"}, numbers, {}))

    runs = [plan(status) for status in ("FINISHED", "FAILED", "KILLED")]
    [line] = plan_lines([*runs, plan("RUNNING", complete=3, failed=1, to_do=6)])
    assert line.counts == "3 of 10 runs complete, 1 failed"
    assert line.since == "2026-01-01 00:00 UTC"


@pytest.mark.slow
def test_the_runs_read_for_the_page_have_what_mlflows_own_search_gives(served: Served) -> None:
    from mlflow import MlflowClient

    def known(runs: Any) -> list[tuple[Any, ...]]:
        return [
            (
                *(run.info.run_id, run.info.run_name, run.info.status, run.info.start_time),
                {name: text for name, text in run.data.tags.items() if name in TAGS},
                {name: str(one) for name, one in run.data.metrics.items() if name in METRICS},
                {name: text for name, text in run.data.params.items() if name in PARAMS},
            )
            for run in runs
        ]

    client = MlflowClient(tracking_uri(served.place))
    for experiment in client.search_experiments():
        whole = list(client.search_runs([experiment.experiment_id]))
        own = known(read_runs(client, experiment.experiment_id))
        assert sorted(own, key=str) == sorted(known(whole), key=str)
        by_server = MlflowClient(served.url)  # no database: whole runs
        assert sorted(known(read_runs(by_server, experiment.experiment_id)), key=str) == sorted(
            own, key=str
        )


@pytest.mark.slow
def test_names_are_escaped_and_the_page_runs_no_script(served: Served) -> None:
    _, text, headers = served.get("/bindgrid/")
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    _, script, _ = served.get("/bindgrid/start.js")
    assert script.startswith("const SETTINGS = [")


@pytest.mark.slow
def test_the_report_and_the_cards_are_served_and_nothing_outside_their_folder(
    served: Served,
) -> None:
    assert "bindgrid report" in served.get("/bindgrid/report/index.html")[1]
    assert SENTENCE in served.get("/bindgrid/report/tf/SPI1.html")[1]
    for path in (
        "/bindgrid/report/../mlflow.db",
        "/bindgrid/report/%2e%2e/mlflow.db",
        "/bindgrid/report/tf/..%2f..%2fmlflow.db",
        f"/bindgrid/report/{served.place.mlflow_db}",
        "/bindgrid/report/out.csv",
        "/bindgrid/mlflow.db",
    ):
        status, text, _ = served.get(path)
        assert status == 404, path
        assert "SQLite" not in text


@pytest.mark.slow
def test_other_host_names_are_turned_away_as_mlflow_does_it(served: Served) -> None:
    for path in ("/", "/bindgrid/", "/bindgrid/report/index.html"):
        assert served.get(path, host="attacker.example")[0] == 403


@pytest.mark.slow
def test_mlflows_interface_is_what_it_was(served: Served) -> None:
    assert served.get("/health")[:2] == (200, "OK")
    assert json.loads(served.get("/api/2.0/mlflow/experiments/get?experiment_id=0")[1])
    assert served.get("/api/2.0/mlflow/nothing")[0] == 404


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on the path: apt install chromium")
def test_a_fresh_browser_reaches_a_comparison_and_a_card_from_the_first_address(
    served: Served,
) -> None:
    with browser(**WINDOW) as page:
        page.open(f"{served.url}/")
        page.wait_for_text("Transfer beside scratch", "MCC transfer", "0.600")
        assert in_sight(
            page, "[...document.querySelectorAll('td')].find(e => e.innerText==='0.600')"
        )
        page.click(
            "[...document.querySelectorAll('tr')].find(e => e.innerText.startsWith('SPI1'))"
            "?.querySelector('a')"
        )
        page.wait_for_text("Comparing 4 Runs", "SPI1 transfer r1", "SPI1 scratch r2")
        page.open(f"{served.url}/")
        page.click("[...document.querySelectorAll('a')].find(e => e.innerText === 'SPI1')")
        page.wait_for_text("Verdict", SENTENCE)


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on the path: apt install chromium")
def test_an_experiment_opened_from_mlflows_list_shows_both_arms_with_their_metrics_in_sight(
    served: Served,
) -> None:
    with browser(**WINDOW) as page:
        page.open(f"{served.url}/#/experiments")
        page.click("[...document.querySelectorAll('a')].find(e => e.innerText === 'transfer')")
        page.wait_for_text("SPI1 transfer r1", "SPI1 scratch r1", "mcc", "average_precision")
        assert page.evaluate("!document.body.innerText.includes('Ask questions about')")
        for name in ("mcc", "average_precision"):
            header = (
                "[...document.querySelectorAll('.ag-header-cell')]"
                f".find(e => e.innerText.trim() === '{name}')"
            )
            assert in_sight(page, header), name
        # what the user changes stays: the script sets each thing once
        key = page.evaluate("Object.keys(localStorage).find(k => k.startsWith('MLflowLocal'))")
        page.evaluate(f"localStorage.setItem({json.dumps(key)}, '{{\"mine\": 1}}')")
        page.open(f"{served.url}/#/?mlflow")
        page.wait_for_text("Model training")
        assert page.evaluate(f"localStorage.getItem({json.dumps(key)})") == '{"mine": 1}'
        # MLflow's logo and its Home lead to the first page
        page.click("[...document.querySelectorAll('a')].find(e => e.getAttribute('href') === '#/')")
        page.wait_for_text("Transfer beside scratch")


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium on the path: apt install chromium")
def test_the_experiments_of_verdicts_plans_and_tunings_open_on_their_tables_too(
    served: Served,
) -> None:
    columns = {
        VERDICTS: ("level", "transfer/mcc", "use with care"),
        PLANS: ("complete", "to_do", "transfer: 2 runs"),
        TUNING: ("val_loss", "val_loss_sd", "SPI1 trial 1"),
    }
    with browser(**WINDOW) as page:
        for name, words in columns.items():
            page.open(f"{served.url}/#/experiments")
            page.click(f"[...document.querySelectorAll('a')].find(e => e.innerText === '{name}')")
            page.wait_for_text(*words)
            assert "Traces" not in page.evaluate("location.hash")


def in_sight(page: Any, element: str) -> bool:
    at = page.evaluate(
        f"(() => {{ const b = {element}.getBoundingClientRect();"
        " return [b.left, b.right, b.top, b.bottom]; })()"
    )
    return at[0] >= 0 and at[1] <= WINDOW["width"] and at[2] >= 0 and at[3] <= WINDOW["height"]


@dataclass(frozen=True)
class Info:
    status: str
    run_id: str = "id"
    experiment_id: str = "1"
    run_name: str = "name"
    start_time: int = 1767225600000
    end_time: int = 0


@dataclass(frozen=True)
class Data:
    tags: dict[str, str]
    metrics: dict[str, float]
    params: dict[str, str]


@dataclass(frozen=True)
class SomeRun:
    info: Info
    data: Data


NUMBERS = itertools.count()


def some_run(
    arm: str, mcc: float, set_name: str = "", status: str = "FINISHED", **facts: Any
) -> Any:
    end_time = facts.pop("end_time", 0)
    tags = {"arm": arm, "tf": "A", "pretraining_set": set_name, **facts}
    info = Info(status, run_id=str(next(NUMBERS)), end_time=end_time)
    return SomeRun(info, Data(tags, {"mcc": mcc}, {}))


def test_each_pretraining_set_has_a_row_beside_the_same_scratch() -> None:
    runs = [some_run("scratch", 0.25), some_run("scratch", 0.75), some_run("multi", 0.9)]
    runs += [some_run("transfer", 0.75, "one"), some_run("transfer", 0.25, "two")]
    runs.append(some_run("transfer", 1.0, "two", status="RUNNING"))
    rows = list(comparison(runs))
    assert [(row.pretraining_set, row.scratch.mcc, row.gain) for row in rows] == [
        ("one", 0.5, 0.25),
        ("two", 0.5, -0.25),
    ]
    [alone] = comparison([some_run("scratch", 0.5)])
    assert (alone.gain, alone.transfer.mcc, alone.scratch.mcc) == (None, None, 0.5)


def test_a_replicate_that_was_run_again_counts_once() -> None:
    runs = [
        some_run("transfer", 0.9, replicate="1", end_time=3),
        some_run("transfer", 0.1, replicate="1", end_time=1),
        some_run("transfer", 0.7, replicate="2", end_time=2),
    ]
    [row] = comparison(runs)
    assert row.transfer.mcc == pytest.approx(0.8)
    assert len(row.transfer.run_ids) == 2


def test_the_script_comes_before_mlflows_own_and_leaves_an_unknown_page_alone() -> None:
    page = with_script('<head><script defer src="main.js"></script></head>')
    assert page.index("bindgrid/start.js") < page.index("main.js")
    assert with_script("no page") == "no page"


def test_an_experiment_of_others_is_not_touched_by_the_script() -> None:
    @dataclass(frozen=True)
    class Experiment:
        tags: dict[str, str]
        experiment_id: str = "7"
        name: str = "mine"
        creation_time: int = 1

    tag = "mlflow.sharedViewState.bindgrid-runs"
    for tags in ({}, {tag: "deflate;x"}, {tag: json.dumps({"state": "[]"})}):
        assert '["7"]' not in start_script([Experiment(tags)]).replace("\\", "")  # type: ignore[list-item]
    state = json.dumps({"state": json.dumps({"orderByAsc": True})})
    assert '["7"]' in start_script([Experiment({tag: state})]).replace("\\", "")  # type: ignore[list-item]


def test_an_installation_without_the_app_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "entry_points", lambda group: [])
    with (
        pytest.raises(RunError, match="install bindgrid again"),
        mlflow_server(Workspace(tmp_path), "sqlite://", "127.0.0.1", 1),
    ):
        pass
