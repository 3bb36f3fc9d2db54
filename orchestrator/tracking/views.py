"""What MLflow's UI offers for each experiment: saved views and a note with links to them.

MLflow's UI keeps columns, order and grouping in the browser, and has no default that a program
could set. What it reads from the server is a *saved view*, a tag of the experiment that its menu
lists by name and that a link opens by `viewStateShareKey`. Each experiment gets two:

- `runs`: a table of runs ordered by TF, so that transfer stands beside scratch, with the columns
  tf, arm, pretraining_set, group, replicate, num_bound, mcc, average_precision
- `arms`: the same grouped by TF, arm, group and pre-training set, means over replicates; made for
  the chart view, which its link opens

MLflow cannot order by two columns, show the difference of two groups, or open a saved view when the
experiment is chosen from the list of all experiments; so the experiment's note has the links.

The tags are those of MLflow 3.17 (`mlflow.sharedViewState.<id>`: a JSON envelope whose `state` is
the JSON of its `ExperimentPageUIState` and search facets). Another version that does not know
them shows its own default columns, and nothing breaks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, final

from orchestrator.tracking.client import TrackingClient
from orchestrator.tracking.run_record import NOTE_TAG

if TYPE_CHECKING:
    from mlflow.entities import Experiment

View = Literal["runs", "arms"]

Figures = Mapping[str, str]
"""Figure of the paper that an experiment is about, such as `Fig. 1A`, by the experiment's name."""
NO_FIGURES: Final[Figures] = MappingProxyType({})
COLUMNS: Final = (
    "tags.`tf`",
    "tags.`arm`",
    "tags.`pretraining_set`",
    "tags.`group`",
    "tags.`replicate`",
    "tags.`num_bound`",
    "metrics.`mcc`",
    "metrics.`average_precision`",
)
_WIDTHS: Final = {
    "tags.`tf`": 80,
    "tags.`arm`": 80,
    "tags.`pretraining_set`": 130,
    "tags.`group`": 100,
    "tags.`replicate`": 90,
    "tags.`num_bound`": 100,
    "metrics.`mcc`": 100,
    "metrics.`average_precision`": 150,
}
"""Width of each column in pixels."""
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
_VIEW_TAG: Final = "mlflow.sharedViewState.bindgrid-"
_KIND_TAG: Final = "mlflow.experimentKind"


@final
class ViewWriter:
    """Gives the MLflow experiments of runs their saved views and notes.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    figures : mapping
        The figures of the paper that notes name; none by default.
    """

    def __init__(self, client: TrackingClient, figures: Figures = NO_FIGURES) -> None:
        self._client = client
        self._figures = figures

    def experiment_id(self, name: str) -> str:
        """Find the MLflow experiment of a bindgrid experiment, or make it, with its views."""
        tags = partial(experiment_tags, figure=self._figures.get(name, ""))
        return self._client.experiment_id(name, tags)

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


def experiment_tags(experiment: Experiment, figure: str = "") -> dict[str, str]:
    """Give the tags that an experiment lacks or has from an older bindgrid; an existing note stays.

    Parameters
    ----------
    experiment
        As MLflow has it.
    figure
        Figure of the paper that the note names; none by default.
    """
    made = int(experiment.creation_time or 0)
    tags = {f"{_VIEW_TAG}{view}": _envelope(view, made) for view in _NAMES}
    if NOTE_TAG not in experiment.tags:
        tags[NOTE_TAG] = _note(experiment, figure)
    changed = {name: text for name, text in tags.items() if experiment.tags.get(name) != text}
    return {**changed, **kind_tags(experiment)}


def kind_tags(experiment: Experiment) -> dict[str, str]:
    """Give the tag that an experiment trains models, unless it is set; the UI would ask for it."""
    return {} if _KIND_TAG in experiment.tags else {_KIND_TAG: "custom_model_development"}


def has_views(experiment: Experiment) -> bool:
    """Whether an experiment is one of bindgrid's."""
    return f"{_VIEW_TAG}runs" in experiment.tags


def view_link(experiment_id: str, view: View) -> str:
    """Give the part of a URL that opens a saved view in MLflow's UI, from `#` on."""
    mode = "&compareRunsMode=CHART" if view == "arms" else ""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey=bindgrid-{view}{mode}"


def _envelope(view: View, made: int) -> str:
    state = json.dumps(_runs_state() if view == "runs" else _arms_state())
    return json.dumps({"name": _NAMES[view], "createdAt": made, "updatedAt": made, "state": state})


def _runs_state() -> dict[str, Any]:
    """Columns and order: the fields of MLflow's page state that differ from its defaults."""
    section = {"uuid": "bindgrid", "name": "Model metrics", "display": True}
    return {
        "selectedColumns": list(COLUMNS),
        "columnOrder": list(COLUMNS),
        "columnWidths": _WIDTHS,
        "orderByKey": COLUMNS[0],
        "orderByAsc": True,
        "runsHiddenMode": "FIRST_20_RUNS",
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
