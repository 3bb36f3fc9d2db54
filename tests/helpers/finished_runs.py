"""Finished runs written by hand: a study's run folders, with predictions as good as one likes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.dataset.sampling import Sampling
from data.records import to_json
from model.metrics import evaluate
from model.network_config import NetworkConfig
from model.training.loop import TrainingConfig
from orchestrator.plan import PlannedRun
from orchestrator.role import Arm
from orchestrator.role_records import RoleNames, RoleRecord, read_role
from orchestrator.runs.planned_records import run_record
from orchestrator.runs.store import HISTORY_FILE, METRICS_FILE, PREDICTIONS_FILE, RUN_FILE, RunStore
from orchestrator.spec import RegionSpec, RunSpec
from orchestrator.workspace import Workspace

FIFTY = tuple(f"M{number}" for number in range(3))
"""The TFs of the multi-model of the studies here."""
TRAINING = TrainingConfig(lr=0.003)
METRICS = {
    "num_bound": 450,
    "num_unbound": 450,
    "num_train_regions": 800,
    "num_val_regions": 100,
    "num_test_regions": 100,
    "num_test_regions_seen_in_pretraining": 0,
    "mcc": 0.0,
    "auroc": 0.5,
    "average_precision": 0.5,
    "aucpr_trapezoid": 0.75,
    "precision": 0.5,
    "recall": 0.5,
    "best_epoch": 1,
    "seconds": 1.0,
}
HISTORY = [{"epoch": 1, "train_loss": 0.7, "val_loss": 0.6, "seconds": 1.0}]


def multi_spec(tfs: Sequence[str], seed: int) -> RunSpec:
    return RunSpec(
        regions=RegionSpec(
            tfs=tuple(tfs), view="less-sparse", sampling=Sampling(seed=seed), dataset="data"
        ),
        network=NetworkConfig(num_tfs=len(tfs)),
        training=TRAINING,
        seed=seed,
    )


def planned_run(
    arm: Arm,
    tf: str,
    replicate: int = 1,
    *,
    experiment: str = "transfer",
    group: str = "500 bound",
    tfs: Sequence[str] = FIFTY,
    **role: Any,
) -> PlannedRun:
    """Make a run by the names that older records have; `tfs` are those of its multi-model."""
    multi = multi_spec(tfs, replicate)
    num_bound = int(group.split()[0]) if group.endswith(" bound") else None
    regions = RegionSpec(
        tfs=(tf,),
        view="sparse",
        sampling=Sampling(seed=replicate, num_bound=num_bound),
        dataset="data",
        excluded=multi.regions,
    )
    spec = RunSpec(
        regions=regions,
        network=multi.network if arm == "multi" else NetworkConfig(num_tfs=1),
        training=None if arm == "multi" else TRAINING,
        seed=replicate,
        start=None if arm == "scratch" else multi,
        layers="all" if arm == "multi" else "hidden",
    )
    spec = spec if tf else multi
    names: dict[str, Any] = {
        "experiment": experiment,
        "arm": arm,
        "tf": tf,
        "replicate": replicate,
        "pretraining_set": "" if arm == "scratch" else f"{len(tfs)} TFs",
        "group": group,
        **role,
    }
    return PlannedRun(spec=spec, role=read_role(RoleRecord(names=RoleNames(**names)), spec))


def in_role(planned: PlannedRun, **facts: Any) -> PlannedRun:
    """Give the run other facts of its role."""
    return replace(planned, role=replace(planned.role, **facts))


def store_run(
    workspace: Workspace,
    planned: PlannedRun,
    labels: NDArray[np.int8],
    called: NDArray[np.bool_],
    *,
    num_bound: int = 450,
    first_region: int = 0,
) -> None:
    """Put a run into the store that called these of its test regions bound."""
    probabilities = np.where(called, 0.5, 0.49).astype(np.float32)
    metrics = evaluate(labels.astype(np.float32), probabilities)
    record = {
        **asdict(metrics),
        "num_bound": num_bound,
        "num_unbound": num_bound,
        "num_train_regions": 2 * num_bound,
        "num_val_regions": 0,
        "num_test_regions": len(labels),
        "num_test_regions_seen_in_pretraining": 0,
        "best_epoch": 1,
        "seconds": 1.0,
    }
    predictions = {
        "region_id": np.arange(first_region, first_region + len(labels), dtype=np.int32),
        "tf": pa.array([planned.tf] * len(labels)).dictionary_encode(),
        "label": labels,
        "probability": probabilities,
    }
    with RunStore(workspace).writing(planned.key) as folder:
        (folder / RUN_FILE).write_text(to_json(run_record(planned)))
        (folder / METRICS_FILE).write_text(json.dumps(record))
        (folder / HISTORY_FILE).write_text(json.dumps(HISTORY))
        pq.write_table(pa.table(predictions), folder / PREDICTIONS_FILE)


class Study:
    """Writes runs whose calls are right for a given fraction of the test regions."""

    def __init__(self, workspace: Workspace, num_regions: int = 400, seed: int = 0) -> None:
        self.workspace = workspace
        self.num_regions = num_regions
        self._seed = seed

    def add(self, planned: PlannedRun, right: float, *, num_bound: int = 450) -> PlannedRun:
        """Store a run; runs on one TF and replicate have the test regions in common."""
        regions = [self._seed, *planned.tf.encode(), planned.replicate]
        labels = (np.random.default_rng(regions).random(self.num_regions) < 0.5).astype(np.int8)
        wrong = np.random.default_rng([int(planned.key, 16)]).random(self.num_regions) >= right
        store_run(
            self.workspace,
            planned,
            labels,
            (labels == 1) ^ wrong,
            num_bound=num_bound,
            first_region=planned.replicate * self.num_regions,
        )
        return planned

    def add_pair(
        self, tf: str, scratch: float, transfer: float, *, num_bound: int = 450, **role: Any
    ) -> None:
        """Store both arms of a TF, right for these fractions of the test regions."""
        for arm, right in (("scratch", scratch), ("transfer", transfer)):
            run = planned_run(arm, tf, **role)  # type: ignore[arg-type]
            self.add(run, right, num_bound=num_bound)
