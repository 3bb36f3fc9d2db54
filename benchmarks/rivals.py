"""How good models by transfer are compared with every rival, from few bound regions: the table.

    python -m benchmarks.rivals WORKSPACE TF [TF ...] [--sizes 100,500,1000] [--start KEY]

The runs are those of `bindgrid run peaks-needed --motif many`, on chromosomes that no multi-model
saw; what is finished is not run again. By default two multi-models without the TFs are trained,
which takes hours; --start takes a finished one of the workspace. It reports MCC and average
precision of each arm, means over TFs and replicates, and CPU seconds of what ran now.

With --openness models by transfer are also told with the openness of regions beside their
sequences, as by `bindgrid predict --openness`: each fifth of the test regions by what was fitted
to other test regions, as many as the model learnt from. Models that learn from all of these have
no regions left for that.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.machine import Row, describe, table
from data.dataset.open_biosamples import OpenBiosamples
from data.dataset.sampling import Sampling, default_chromosomes
from data.dataset.store import Dataset
from experiments.peaks_needed.plan import LABELS, MultiModelStart, peaks_needed
from experiments.study.scale import Scale
from experiments.study.study import Study
from experiments.study.trainings import Trainings
from model.calibration import fit_open_calibration, openness
from model.metrics import evaluate
from orchestrator.backends.local import run_plan
from orchestrator.plan import Plan, PlannedRun, RunOutcome
from orchestrator.report.calls import Predictions, read_predictions
from orchestrator.role import RIVALS, SetKind
from orchestrator.role_names import RIVAL_WORDS, set_name
from orchestrator.runs.loaded_dataset import LoadedDataset, load_dataset
from orchestrator.runs.store import RunStore
from orchestrator.verdict.across import parts_of, predicted_across
from orchestrator.workspace import Workspace

BEST = "best rival of each TF and size"


def plan(
    loaded: LoadedDataset, options: argparse.Namespace, store: RunStore
) -> tuple[PlannedRun, ...]:
    """Plan all arms, with --start those that need no other multi-model."""
    counts = loaded.regions.built.chromosomes()
    val, test = options.val_chrom, options.test_chrom
    if not (val and test):
        val, test = default_chromosomes(counts)
    trainings = Trainings()
    if options.epochs:
        trainings = trainings.with_epochs(multi=options.epochs, individual=options.epochs)
    study = Study(
        tfs=tuple(options.tfs),
        pretrain_tfs=options.pretrain_tfs,
        sampling=Sampling(
            split="chromosome",
            val_chroms=(val,),
            test_chroms=(test,),
            max_test_per_class=options.max_test,
            unbound_match="gc-and-openness" if options.match_openness else "gc",
        ),
        scale=Scale(
            target_replicates=options.replicates,
            peak_sizes=tuple(int(size) for size in options.sizes.split(",")),
            mode_models=0,
        ),
        trainings=trainings,
        chosen_motifs=True,
        many_motifs=True,
    )
    given: tuple[MultiModelStart, ...] = ()
    starts: tuple[PlannedRun, ...] = ()
    if options.start:
        starts = (store.open(options.start).planned,)
        spec = starts[0].spec
        if known := sorted(set(spec.regions.tfs) & set(options.tfs)):
            raise SystemExit(f"{options.start} was trained on {', '.join(known)}; name other TFs")
        given = (MultiModelStart(SetKind.MASKED, spec, study.tfs),)
    runs = (*starts, *peaks_needed(loaded, study, given).runs)
    return tuple(run for run in runs if not run.tf or arm_name(run) not in options.skip)


def run(planned: Sequence[PlannedRun], workspace: Workspace) -> Mapping[str, float]:
    """Run what is not finished; CPU seconds by key."""
    spent: dict[str, float] = {}
    began = time.process_time()

    def note(outcome: RunOutcome) -> None:
        nonlocal began
        now = time.process_time()
        spent[outcome.planned.key] = now - began
        began = now
        print(f"{outcome.planned.name}: {outcome.status} {outcome.error}", flush=True)

    run_plan(Plan(planned), workspace, on_done=note)
    return spent


def scores(
    planned: Sequence[PlannedRun], store: RunStore, places: OpenBiosamples | None
) -> pd.DataFrame:
    """Read the scores of finished individual models, a row each.

    Parameters
    ----------
    places
        How open regions are, for scores with openness; None for none.
    """
    rows: list[dict[str, Any]] = [
        {
            "arm": arm_name(one),
            "tf": one.tf,
            "size": one.role.size.num_bound,
            "rival": one.arm in RIVALS or one.arm == "motif",
            "mcc": store.open(one.key).metrics.mcc,
            "ap": store.open(one.key).metrics.average_precision,
        }
        for one in planned
        if one.tf and one.role.size is not None and store.is_complete(one.key)
    ]
    for one in planned:
        size = one.role.size
        if places is None or size is None or one.arm != "transfer" or size.num_bound is None:
            continue
        if store.is_complete(one.key):
            beside = with_openness(read_predictions(store.open(one.key)), places, size.num_bound)
            of_run = {"tf": one.tf, "size": size.num_bound, "rival": False, **beside}
            rows.append({"arm": f"{arm_name(one)}, with openness", **of_run})
    found = pd.DataFrame(rows)
    return found.groupby(["arm", "tf", "size", "rival"], as_index=False, sort=False).mean()


def with_openness(
    predicted: Predictions, places: OpenBiosamples, num_bound: int
) -> dict[str, float]:
    """Scores of a run's test regions, each fifth by a fit to `num_bound` bound ones of the others.

    And to as many unbound ones. Parts are in the order of the genome.
    """
    rng = np.random.default_rng(0)
    opened = openness(places.of_regions[predicted.region_ids])
    labels, logits = predicted.bound.astype(np.float32), predicted.logits

    def fit(known: NDArray[np.bool_], asked: NDArray[np.bool_]) -> NDArray[np.float32]:
        of_class = (np.flatnonzero(known & (labels == label)) for label in (0, 1))
        rows = np.concatenate([rng.permutation(own)[:num_bound] for own in of_class])
        fitted = fit_open_calibration(logits[rows], labels[rows], opened[rows])
        return fitted.probabilities(logits[asked], opened[asked])

    found = evaluate(labels, predicted_across(parts_of(predicted), fit))
    return {"mcc": found.mcc, "ap": found.average_precision}


def arm_name(planned: PlannedRun) -> str:
    """Name of an arm in the table."""
    if planned.arm == "transfer":
        return set_name(planned.role).replace(LABELS[planned.role.set_kind], "").lstrip(", ") or (
            "features" if planned.role.set_kind is SetKind.MASKED else "paper's transfer"
        )
    return {"motif": "motif alone", "scratch": "from scratch", **RIVAL_WORDS}[planned.arm]


def labels(dataset: Dataset, tfs: Sequence[str]) -> str:
    """Say what the labels of the TFs rest on."""
    kinds = defaultdict(list)
    for tf in tfs:
        made_from = dataset.summary(tf).made_from
        known = "sites" if made_from is None else f"{made_from.sites} sites"
        kinds[f"peaks and {known}"].append(tf)
    return "; ".join(f"{', '.join(own)}: bound by {kind}" for kind, own in kinds.items())


def table_rows(found: pd.DataFrame, spent: Mapping[str, list[float]]) -> list[Row]:
    """Give a row per arm, that of the best rival, and what is gained over it at least."""
    sizes = sorted(found["size"].unique())
    rivals = found[found["rival"]]
    best = rivals.groupby(["tf", "size"], as_index=False)[["mcc", "ap"]].max().assign(arm=BEST)
    rows: list[Row] = []
    for arm, own in pd.concat([found, best]).groupby("arm", sort=False):
        means = own.groupby("size")[["mcc", "ap"]].mean()
        cells = [f"{means.mcc[size]:.3f} / {means.ap[size]:.3f}" for size in sizes]
        seconds = spent.get(str(arm), [])
        rows.append([str(arm), *cells, f"{sum(seconds) / len(seconds):.1f}" if seconds else ""])
    limit = best.set_index(["tf", "size"])["mcc"]
    for arm, own in found[~found["rival"]].groupby("arm", sort=False):
        gain = own.set_index(["tf", "size"])["mcc"] - limit
        cells = []
        for size in sizes:
            of_size = gain.xs(size, level="size")
            cells.append(f"{of_size.mean():+.3f} (least {of_size.idxmin()} {of_size.min():+.2f})")
        rows.append([f"{arm}, MCC less the best rival", *cells, ""])
    return rows


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Run what is missing and print the table."""
    options = _options(arguments)
    torch.set_num_threads(1)
    print(describe())
    workspace = Workspace(options.workspace)
    loaded, store = load_dataset(workspace), RunStore(workspace)
    planned = plan(loaded, options, store)
    spent = run(planned, workspace)
    by_arm = defaultdict(list)
    for one in planned:
        if one.key in spent and one.tf:
            by_arm[arm_name(one)].append(spent[one.key])
    places = OpenBiosamples(loaded.dataset, loaded.regions) if options.openness else None
    found = scores(planned, store, places)
    print(f"labels: {labels(loaded.dataset, options.tfs)}; tested on what no multi-model saw")
    rows = table_rows(found, by_arm)
    sizes = sorted(found["size"].unique())
    print(table(("MCC / average precision", *(f"{size} bound" for size in sizes), "CPU s"), rows))
    wide = found.pivot_table(index="arm", columns=["size", "tf"], values="mcc", sort=False)
    for size in sizes:
        of_size = wide[size].reset_index()
        of_size = [[row[0], *(f"{one:.2f}" for one in row[1:])] for row in of_size.values.tolist()]
        print("\n" + table((f"MCC, {size} bound", *wide[size].columns), of_size))
    return rows


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("workspace", type=Path, help="workspace with a dataset; runs are added to it")
    add("tfs", nargs="+", help="TFs that no multi-model is to know")
    add("--sizes", default="100,500,1000", help="numbers of bound regions")
    add("--replicates", type=int, default=1, help="draws of regions")
    add("--start", default="", help="key of a finished masked multi-model, none to train")
    add("--pretrain-tfs", type=int, default=50, help="TFs of the multi-model of complete rows")
    add("--skip", nargs="*", default=["from scratch"], help="arms, as the table names them")
    add("--max-test", type=int, default=1500, help="test regions of a class at most")
    add("--val-chrom", default="", help="chromosome validated on, none to choose")
    add("--test-chrom", default="", help="chromosome tested on, none to choose")
    add("--openness", action="store_true", help="also with openness beside the sequence")
    add("--match-openness", action="store_true", help="the control of `bindgrid run`")
    add("--epochs", type=int, default=0, help="epochs of all trainings, 0 for the usual")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
