"""What MLflow's UI offers for each experiment: saved views and a note with links to them.

MLflow's UI keeps columns, order and grouping in the browser. What it reads from the server is a
*saved view*, a tag of the experiment that its menu lists by name and that a link opens by
`viewStateShareKey`. Each experiment of runs gets two:

- `runs`: a table of runs ordered by TF, so that transfer stands beside scratch, with the columns
  tf, arm, mcc, average_precision, group, replicate, pretraining_set, num_bound
- `arms`: the same grouped by TF, arm, group and pre-training set, means over replicates; made for
  the chart view, which its link opens

The experiments of verdicts, tuning and plans have the first one, with columns of their own. Where
bindgrid's app serves MLflow (`orchestrator.tracking.app`), an experiment shows it at once, however
it is opened. Elsewhere MLflow does not open a saved view when an experiment is chosen from its
list, so the experiment's note has the links. MLflow cannot order by two columns, or show the
difference of two groups.

The tags are those of MLflow 3.17 (`mlflow.sharedViewState.<id>`: a JSON envelope whose `state` is
the JSON of its `ExperimentPageUIState` and search facets). Another version that does not know
them shows its own default columns, and nothing breaks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, final

from orchestrator.tracking.client import NOTE_TAG, TrackingClient

if TYPE_CHECKING:
    from mlflow.entities import Experiment

View = Literal["runs", "arms"]

Figures = Callable[[], Mapping[str, str]]
"""Gives the figure of the paper that an experiment is about, such as `Fig. 1A`, by the experiment's
name. Called when a note is written, since to know all experiments takes seconds of imports."""
VERDICTS: Final = "verdicts"
"""Experiment of the verdicts on single TFs."""
TUNING: Final = "tuning"
"""Experiment of the trials of tunings."""
PLANS: Final = "plans"
"""Experiment of the plans that `bindgrid run` runs, one MLflow run each."""
_WIDTHS: Final = {
    "tags.`tf`": 80,
    "tags.`arm`": 80,
    "metrics.`mcc`": 80,
    "metrics.`average_precision`": 150,
    "tags.`group`": 90,
    "tags.`replicate`": 80,
    "tags.`pretraining_set`": 130,
    "tags.`num_bound`": 90,
}
"""Width of each column in pixels."""
COLUMNS: Final = tuple(_WIDTHS)
_OTHER_WIDTHS: Final = {
    VERDICTS: {
        "tags.`tf`": 80,
        "tags.`level`": 150,
        "metrics.`transfer/mcc`": 120,
        "metrics.`from scratch/mcc`": 140,
        "metrics.`gain over from scratch/mcc`": 200,
        "metrics.`transfer/average_precision`": 210,
        "tags.`made`": 180,
    },
    TUNING: {
        "tags.`tf`": 100,
        "metrics.`val_loss`": 120,
        "metrics.`val_loss_sd`": 120,
        "metrics.`seconds`": 100,
        "tags.`multi_model`": 130,
    },
    PLANS: {
        "metrics.`complete`": 100,
        "metrics.`failed`": 100,
        "metrics.`to_do`": 100,
        "tags.`experiments`": 200,
        "tags.`workspace`": 300,
    },
}
_GROUPED_BY: Final = ("tf", "arm", "group", "pretraining_set")
_CHARTS: Final = (
    ("BAR", "mcc"),
    ("BAR", "average_precision"),
    ("LINE", "val_loss"),
    ("LINE", "train_loss"),
    ("BAR", "auroc"),
    ("BAR", "aucpr_trapezoid"),
    ("BAR", "precision"),
    ("BAR", "recall"),
    ("BAR", "best_epoch"),
    ("BAR", "seconds"),
)
_NAMES: Final[dict[View, str]] = {
    "runs": "bindgrid: transfer beside scratch",
    "arms": "bindgrid: means over replicates",
}
_OTHER_NAMES: Final = {
    VERDICTS: "bindgrid: verdicts",
    TUNING: "bindgrid: trials",
    PLANS: "bindgrid: plans",
}
_VIEW_TAG: Final = "mlflow.sharedViewState.bindgrid-"
_RUNS_TAG: Final = f"{_VIEW_TAG}runs"
_KIND_TAG: Final = "mlflow.experimentKind"


def no_figures() -> Mapping[str, str]:
    """Give no figure of the paper."""
    return {}


@final
class ViewWriter:
    """Gives the MLflow experiments of runs their saved views and notes.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    figures : callable
        Gives the figures of the paper that notes name; none by default.
    """

    def __init__(self, client: TrackingClient, figures: Figures = no_figures) -> None:
        self._client = client
        self._figures = figures

    def experiment_id(self, name: str) -> str:
        """Find the MLflow experiment of a bindgrid experiment, or make it, with its views."""
        return self._client.experiment_id(name, partial(experiment_tags, figures=self._figures))

    def links(self) -> dict[str, str]:
        """Links to the table of each experiment's runs in MLflow's UI, from `#` on, by name.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached.
        """
        with self._client.translated():
            return {
                experiment.name: view_link(experiment.experiment_id, "runs")
                for experiment in sorted(self._client.experiments(), key=lambda one: one.name)
                if has_views(experiment)
            }


def experiment_tags(experiment: Experiment, figures: Figures = no_figures) -> dict[str, str]:
    """Give the tags that an experiment lacks or has from an older bindgrid; an existing note stays.

    Parameters
    ----------
    experiment
        As MLflow has it.
    figures
        Gives the figures of the paper that notes name; none by default.
    """
    made = int(experiment.creation_time or 0)
    tags = {f"{_VIEW_TAG}{view}": _envelope(_NAMES[view], made, _STATES[view]()) for view in _NAMES}
    if NOTE_TAG not in experiment.tags:
        tags[NOTE_TAG] = _note(experiment, figures().get(experiment.name, ""))
    changed = {name: text for name, text in tags.items() if experiment.tags.get(name) != text}
    return {**changed, **kind_tags(experiment)}


def other_tags(experiment: Experiment) -> dict[str, str]:
    """Give the tags that the experiment of verdicts, tuning or plans lacks or has from before."""
    made = int(experiment.creation_time or 0)
    widths = _OTHER_WIDTHS[experiment.name]
    text = _envelope(_OTHER_NAMES[experiment.name], made, _table(widths))
    changed = {} if experiment.tags.get(_RUNS_TAG) == text else {_RUNS_TAG: text}
    return {**changed, **kind_tags(experiment)}


def kind_tags(experiment: Experiment) -> dict[str, str]:
    """Give the tag that an experiment trains models, unless it is set; the UI would ask for it."""
    return {} if _KIND_TAG in experiment.tags else {_KIND_TAG: "custom_model_development"}


def table_state(experiment: Experiment) -> str | None:
    """Give the page state of the saved view `runs`, as JSON; None if there is none of bindgrid's.

    What is no such state, since somebody else wrote the tag, counts as none.
    """
    try:
        state = json.loads(json.loads(experiment.tags.get(_RUNS_TAG, ""))["state"])
    except (KeyError, TypeError, ValueError):
        return None
    return json.dumps(state) if isinstance(state, dict) else None


def has_views(experiment: Experiment) -> bool:
    """Whether an experiment is one of bindgrid's."""
    return _RUNS_TAG in experiment.tags


def view_link(experiment_id: str, view: View) -> str:
    """Give the part of a URL that opens a saved view in MLflow's UI, from `#` on."""
    mode = "&compareRunsMode=CHART" if view == "arms" else ""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey=bindgrid-{view}{mode}"


def _envelope(name: str, made: int, state: dict[str, Any]) -> str:
    return json.dumps(
        {"name": name, "createdAt": made, "updatedAt": made, "state": json.dumps(state)}
    )


def _table(widths: Mapping[str, int]) -> dict[str, Any]:
    """Columns and order: the fields of MLflow's page state that differ from its defaults."""
    return {
        "selectedColumns": list(widths),
        "columnOrder": list(widths),
        "columnWidths": dict(widths),
        "orderByKey": next(iter(widths)),
        "orderByAsc": True,
        "runsHiddenMode": "FIRST_20_RUNS",
    }


def _runs_state() -> dict[str, Any]:
    section = {"uuid": "bindgrid", "name": "Model metrics", "display": True}
    return {
        **_table(_WIDTHS),
        "compareRunCharts": [
            {
                "uuid": metric,
                "type": chart,
                "metricKey": metric,
                "metricSectionId": "bindgrid",
                "runsCountToCompare": 20,
                "deleted": False,
                "isGenerated": True,
                **({"selectedMetricKeys": [metric]} if chart == "LINE" else {}),
            }
            for chart, metric in _CHARTS
        ],
        "compareRunSections": [
            {**section, "isReordered": True, "deleted": False, "isGenerated": True}
        ],
    }


def _arms_state() -> dict[str, Any]:
    keys = [{"mode": "tag", "groupByData": name} for name in _GROUPED_BY]
    return {
        **_runs_state(),
        "groupBy": {"aggregateFunction": "average", "groupByKeys": keys},
        "useGroupedValuesInCharts": True,
    }


_STATES: Final = {"runs": _runs_state, "arms": _arms_state}


def _note(experiment: Experiment, figure: str) -> str:
    of_paper = f", {figure} of Novakovsky et al. 2021" if figure else ""
    runs, arms = (view_link(experiment.experiment_id, view) for view in _NAMES)
    return (
        f"`{experiment.name}`{of_paper}: a run is one trained network, named by TF, arm and "
        "replicate.\n\n"
        f"- [Transfer beside scratch]({runs}): runs ordered by TF. To compare some, tick them and "
        "press **Compare**.\n"
        f"- [Means over replicates]({arms}): charts by TF, arm, group and pre-training set.\n\n"
        "Both are among the saved views above the table too. `tags.tf = 'SPI1'` in the search box "
        "shows one TF. Intervals, tests and figures are in the run `summary`, which `bindgrid "
        "report` writes; networks that predict from sequences are among the registered models, "
        "as `bindgrid-SPI1`."
    )
