"""The first page of `bindgrid ui`: transfer beside scratch in every experiment, verdicts, plans.

All of it is read from MLflow, so that a server shows the runs of all workspaces that log to it.
Only the pages of reports and verdicts lie in a workspace. The server imports this file: it must
need neither torch nor matplotlib.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from data.words import counted
from orchestrator.report.rendering import render
from orchestrator.tracking.client import NOTE_TAG, WORKSPACE_TAG
from orchestrator.tracking.run_rows import read_runs
from orchestrator.tracking.views import PLANS, VERDICTS, has_views, view_link
from orchestrator.workspace import Workspace, file_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

MAX_ROWS: Final = 200
"""Rows of an experiment's table at most; the saved view has all runs."""
MAX_COMPARED: Final = 20
"""Runs that a link compares at most."""
_MAX_EXPERIMENTS: Final = 1000
_STATUS_WORDS: Final = {
    "FINISHED": "finished",
    "RUNNING": "training now",
    "FAILED": "failed",
    "KILLED": "interrupted",
}
_LONGEST_NAME: Final = 40


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The runs of one arm that a row shows."""

    run_ids: tuple[str, ...]
    """Identifiers of these runs in MLflow."""
    mcc: float | None
    """Mean over the runs; None without any."""
    average_precision: float | None
    """Mean over the runs; None without any."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Transfer from one pre-training set beside scratch, of one TF."""

    tf: str
    group: str
    network: str
    pretraining_set: str
    scratch: Arm
    transfer: Arm
    link: str
    """Opens the comparison of the runs in MLflow's UI, from `#` on."""

    @property
    def gain(self) -> float | None:
        """Difference of the means of MCC, where both arms have finished runs."""
        if self.scratch.mcc is None or self.transfer.mcc is None:
            return None
        return self.transfer.mcc - self.scratch.mcc


@dataclass(frozen=True, kw_only=True)
class ExperimentRows:
    """What the page says of an experiment."""

    name: str
    rows: Sequence[Row]
    num_left_out: int
    """Rows beyond `MAX_ROWS`."""
    short: Mapping[str, str]
    """The names of pre-training sets, long ones cut."""
    counts: str
    """How many runs finished, run now and failed, in words."""
    headline: str
    """What the report says of the experiment; empty without a report."""
    runs_link: str
    arms_link: str

    @property
    def several_networks(self) -> bool:
        """Whether the rows have more than one network."""
        return len({row.network for row in self.rows}) > 1


@dataclass(frozen=True, kw_only=True)
class CardLink:
    """A verdict, and where its page is."""

    tf: str
    sentence: str
    link: str


@dataclass(frozen=True, kw_only=True)
class PlanLine:
    """A plan that runs now, or whose process was killed and that no later command has marked."""

    experiments: str
    workspace: str
    """Name of its folder."""
    counts: str
    """How many of its runs are complete and failed, in words."""
    since: str
    """When it was begun, in words."""
    link: str
    """Opens its MLflow run, from `#` on."""


def front_page(mlflow: MlflowClient, workspace: Workspace | None) -> str:
    """Render the page.

    Parameters
    ----------
    mlflow
        Client of the store that the server serves.
    workspace
        Whose report and verdicts are served beside; None on a server of several workspaces.
    """
    experiments = list(mlflow.search_experiments(max_results=_MAX_EXPERIMENTS))
    sections = [section for experiment in experiments if (section := _section(mlflow, experiment))]
    return render(
        "mlflow.html",
        name="MLflow" if workspace is None else workspace.root.name,
        sections=sections,
        cards=[
            card
            for experiment in experiments
            if experiment.name == VERDICTS
            for card in _cards(read_runs(mlflow, experiment.experiment_id), workspace)
        ],
        plans=[
            plan
            for experiment in experiments
            if experiment.name == PLANS
            for plan in plan_lines(read_runs(mlflow, experiment.experiment_id))
        ],
        has_report=workspace is not None and (workspace.report / "index.html").is_file(),
    )


def _section(mlflow: MlflowClient, experiment: Experiment) -> ExperimentRows | None:
    """Give what the page says of an experiment; None where it does not compare arms."""
    if not has_views(experiment):
        return None
    runs = read_runs(mlflow, experiment.experiment_id)
    rows = list(comparison(runs))
    if not rows:
        return None
    headlines = [run.data.tags.get(NOTE_TAG, "") for run in runs if "summary" in run.data.tags]
    names = {row.pretraining_set for row in rows}
    return ExperimentRows(
        name=experiment.name,
        rows=rows[:MAX_ROWS],
        num_left_out=max(0, len(rows) - MAX_ROWS),
        short={name: _cut(name) for name in names},
        counts=_counts(run for run in runs if "arm" in run.data.tags),
        headline=headlines[0].split("\n")[0] if headlines else "",
        runs_link=view_link(experiment.experiment_id, "runs"),
        arms_link=view_link(experiment.experiment_id, "arms"),
    )


def comparison(runs: Iterable[Run]) -> Iterator[Row]:
    """Set the finished runs of an experiment beside each other: a row per TF, group and set.

    Parameters
    ----------
    runs
        Of MLflow; those of multi-models and those that did not finish are left out, and so is a
        replicate that was run again with other settings.
    """
    arms: dict[tuple[str, str, str], dict[str, dict[str, list[Run]]]] = defaultdict(
        lambda: {"scratch": defaultdict(list), "transfer": defaultdict(list)}
    )
    for run in runs:
        tags = run.data.tags
        if run.info.status != "FINISHED" or tags.get("arm") not in ("scratch", "transfer"):
            continue
        group = tags.get("group", "") + (" with target" if tags.get("with_target") else "")
        cell = tags.get("tf", ""), group, run.data.params.get("network.name", "")
        arms[cell][tags["arm"]][tags.get("pretraining_set", "")].append(run)
    for (tf, group, network), by_arm in sorted(arms.items()):
        scratch = _newest(run for some in by_arm["scratch"].values() for run in some)
        for name, of_set in sorted(by_arm["transfer"].items()) or [("", [])]:
            transfer = _newest(of_set)
            yield Row(
                tf=tf,
                group=group,
                network=network,
                pretraining_set=name,
                scratch=_arm(scratch),
                transfer=_arm(transfer),
                link=_compare_link([*transfer, *scratch]),
            )


def _newest(runs: Iterable[Run]) -> list[Run]:
    """Give the run of each replicate that finished last, as the report does."""
    in_order = sorted(runs, key=lambda run: run.info.end_time or 0)
    return list({run.data.tags.get("replicate", run.info.run_id): run for run in in_order}.values())


def _arm(runs: Sequence[Run]) -> Arm:
    def mean(metric: str) -> float | None:
        values = [run.data.metrics[metric] for run in runs if metric in run.data.metrics]
        return fmean(values) if values else None

    return Arm(
        run_ids=tuple(run.info.run_id for run in runs),
        mcc=mean("mcc"),
        average_precision=mean("average_precision"),
    )


def _compare_link(runs: Sequence[Run]) -> str:
    some = runs[:MAX_COMPARED]
    ids = json.dumps([run.info.run_id for run in some])
    experiments = json.dumps(sorted({run.info.experiment_id for run in some}))
    return f"#/compare-runs?runs={quote(ids)}&experiments={quote(experiments)}"


def _counts(runs: Iterable[Run]) -> str:
    by_status = Counter(run.info.status for run in runs)
    return ", ".join(
        f"{by_status[status]} {word}" for status, word in _STATUS_WORDS.items() if by_status[status]
    )


def _cards(runs: Iterable[Run], workspace: Workspace | None) -> Iterator[CardLink]:
    """Yield the newest verdict of each TF, with its page in the workspace, or its run in MLflow."""
    newest: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run.data.tags.get("made", "")):
        newest[run.data.tags.get("tf", "")] = run
    for tf, run in sorted(newest.items()):
        link = f"../#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        file = f"{file_name(tf)}.html"
        if workspace is not None and (workspace.cards / file).is_file():
            link = f"report/tf/{quote(file)}"
        # the note begins with the conclusion
        sentence = run.data.tags.get(NOTE_TAG, "").partition("\n")[0]
        yield CardLink(tf=tf, sentence=sentence, link=link)


def plan_lines(runs: Iterable[Run]) -> Iterator[PlanLine]:
    """Yield the plans that are in progress, the newest first.

    Parameters
    ----------
    runs
        The MLflow runs of plans (`orchestrator.tracking.live`).
    """
    for run in runs:
        if run.info.status != "RUNNING":
            continue
        numbers = run.data.metrics
        complete, failed, to_do = (
            int(numbers.get(name, 0)) for name in ("complete", "failed", "to_do")
        )
        counts = f"{complete} of {counted(complete + failed + to_do, 'run')} complete"
        yield PlanLine(
            experiments=run.data.tags.get("experiments", run.info.run_name or ""),
            workspace=Path(run.data.tags.get(WORKSPACE_TAG, "")).name,
            counts=f"{counts}, {failed} failed" if failed else counts,
            since=f"{datetime.fromtimestamp(run.info.start_time / 1000, UTC):%Y-%m-%d %H:%M} UTC",
            link=f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}",
        )


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
