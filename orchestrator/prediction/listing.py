"""What can be predicted: own models of a workspace, imported ones, and the TFs of the base.

One row per model says how good it is, the mean of its replicates, and what that was measured on.
The measures of different rows are comparable only where they were measured on the same: the base is
tested on all regions of its test chromosomes, an individual model on as many unbound regions as
bound ones.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import NamedTuple
from urllib.parse import unquote

import pandas as pd

from orchestrator.prediction.base import Base, find_base
from orchestrator.prediction.finding import BASE_PREFIX
from orchestrator.prediction.model_card import MODEL_FILE
from orchestrator.runs.find_run import is_model, replicates_of, trained_arm
from orchestrator.runs.run_metrics import RunMetrics
from orchestrator.runs.store import RunStore, StoredRun
from orchestrator.verdict.sentences import stored_sentence
from orchestrator.workspace import Workspace


class ModelRow(NamedTuple):
    """A model, and how good it is."""

    name: str
    """The name to give to `bindgrid predict`."""
    tf: str
    model: str
    """Where it is from: the base's name, `own` with its arm, or `imported`."""
    mcc: float
    """At 0.5; of the base at the threshold that is best on its validation chromosomes."""
    auroc: float
    average_precision: float
    num_bound: int
    """Bound regions that it was tested on."""
    num_unbound: int
    tested_on: str
    verdict: str
    """Conclusion of the verdict on it; empty where there is none."""


def models_table(workspace: Workspace) -> pd.DataFrame:
    """Give a row for each model that a TF can be predicted by, own ones first.

    Parameters
    ----------
    workspace
        Has the runs and the imported models; it need not exist.

    Raises
    ------
    RunError
        If a run, an imported model or the base is damaged.
    """
    base = find_base()
    rows = [*_own(workspace), *_imported(workspace)]
    taken = {row.name.upper() for row in rows}
    rows += [] if base is None else _of_base(base, taken)
    return pd.DataFrame(rows, columns=list(ModelRow._fields))


def _own(workspace: Workspace) -> Iterator[ModelRow]:
    """Models of finished runs: for each TF and arm the one that the arm stands for."""
    verdicts = _verdicts(workspace)
    models = defaultdict[tuple[str, str], list[StoredRun]](list)
    store = RunStore(workspace)
    for run in store.completed():
        arm = trained_arm(run)
        if arm is not None and arm != "multi" and is_model(run):
            models[run.planned.spec.regions.tfs[0], arm].append(run)
    for (tf, name), runs in sorted(models.items(), key=lambda one: one[0]):
        run = runs[-1]
        sampling = run.planned.spec.regions.sampling
        yield _row(
            tf if name == "transfer" else f"{tf} --arm {name}",
            tf,
            f"own, {name}",
            [one.metrics for one in replicates_of(store, run, runs)],
            _where(sampling.test_chroms, len(sampling.folds)),
            verdicts.get(tf.upper(), "") if name == "transfer" else "",
        )


def _verdicts(workspace: Workspace) -> dict[str, str]:
    """Give the sentence of each TF's card, by the TF in capitals."""
    return {
        unquote(path.stem).upper(): stored_sentence(path)
        for path in sorted(workspace.cards.glob("*.json"))
    }


def _imported(workspace: Workspace) -> Iterator[ModelRow]:
    for path in sorted(workspace.models.glob(f"*/{MODEL_FILE}")):
        # brings torch, and few workspaces have one
        from orchestrator.prediction.predictors import open_model

        model = open_model(path.parent)
        where = _where(model.about.regions.test_chroms, model.about.regions.num_folds)
        yield _row(
            unquote(path.parent.name),
            model.tf,
            "imported",
            [one.metrics for one in model.replicates],
            where,
            model.verdict,
        )


def _where(test_chroms: Sequence[str], num_folds: int) -> str:
    if num_folds:
        return f"all, in {num_folds} folds of chromosomes"
    return ", ".join(test_chroms) or "regions held out at random"


def _row(
    name: str, tf: str, model: str, metrics: Sequence[RunMetrics], where: str, verdict: str
) -> ModelRow:
    """Give the row of a model: means over its replicates, which predict together."""
    counts = [one.per_tf.get(tf, one) for one in metrics]
    return ModelRow(
        name=name,
        tf=tf,
        model=model,
        mcc=mean(one.mcc for one in metrics),
        auroc=mean(one.auroc for one in metrics),
        average_precision=mean(one.average_precision for one in metrics),
        num_bound=round(mean(one.num_bound for one in counts)),
        num_unbound=round(mean(one.num_unbound for one in counts)),
        tested_on=where,
        verdict=verdict,
    )


def _of_base(base: Base, taken: set[str]) -> Iterator[ModelRow]:
    card = base.card
    for one in sorted(card.tfs, key=lambda own: own.tf):
        test = one.test
        yield ModelRow(
            name=f"{BASE_PREFIX}{one.tf}" if one.tf.upper() in taken else one.tf,
            tf=one.tf,
            model=card.name,
            mcc=one.mcc_at_threshold,
            auroc=test.auroc,
            average_precision=test.average_precision,
            num_bound=test.num_bound,
            num_unbound=test.num_unbound,
            tested_on=", ".join(card.test_chroms),
            verdict="",
        )
