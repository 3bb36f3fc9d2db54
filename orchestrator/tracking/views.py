"""What MLflow's UI shows of an experiment before anybody types: saved views and a note.

MLflow's UI keeps columns, order and grouping in the browser, and has no default that a program
could set; what it reads from the server is a *saved view*, a tag of the experiment that its menu
lists by name and that a link opens by `viewStateShareKey`. Each experiment gets two:

- `runs`: a table of runs ordered by TF, so that transfer stands beside scratch, with the columns
  tf, arm, pretraining_set, group, replicate, num_bound, mcc, average_precision
- `arms`: the same grouped by TF, arm, group and pre-training set, means over replicates; made for
  the chart view, that its link opens

What it cannot do: order by two columns, show a difference of two groups, or open a saved view when
the experiment is chosen from the list of all; the experiment's note has the links therefore.

The tags are those of MLflow 3.17 (`mlflow.sharedViewState.<id>`: a JSON envelope whose `state` is
the JSON of its `ExperimentPageUIState` and search facets). Another version that does not know
them shows its own default columns, and nothing breaks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from orchestrator.tracking.run_record import NOTE_TAG

if TYPE_CHECKING:
    from mlflow.entities import Experiment

View = Literal["runs", "arms"]

PAPER_FIGURES: Final = {
    "transfer": "Fig. 1A",
    "downsampling": "Fig. 1B",
    "binding-modes": "Fig. 2A",
    "pretraining-sets": "Fig. 2B",
}
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
"""In pixels."""
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


def experiment_tags(experiment: Experiment) -> dict[str, str]:
    """Tags that an experiment lacks, or has of an older bindgrid; a note of anybody stays.

    Parameters
    ----------
    experiment
        As MLflow has it.
    """
    made = int(experiment.creation_time or 0)
    tags = {f"{_VIEW_TAG}{view}": _envelope(view, made) for view in _NAMES}
    if NOTE_TAG not in experiment.tags:
        tags[NOTE_TAG] = _note(experiment)
    changed = {name: text for name, text in tags.items() if experiment.tags.get(name) != text}
    return {**changed, **kind_tags(experiment)}


def kind_tags(experiment: Experiment) -> dict[str, str]:
    """Say that an experiment trains models; the UI would ask at the first visit."""
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


def _note(experiment: Experiment) -> str:
    figure = PAPER_FIGURES.get(experiment.name)
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
