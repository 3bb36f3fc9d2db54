"""The figures of a study from its table of runs alone, where no predictions are kept.

    python -m benchmarks.study_figures benchmarks/study/runs.csv --out FOLDER

Draws the report's figures of `transfer`, `downsampling`, `binding-modes` and `pretraining-sets` by
the report's own functions. `bindgrid report` draws test regions and replicates to get intervals,
which takes the predictions of every run; here they are Student's t over replicates, and a TF of one
replicate has none. The figure of gains by size leaves out TFs that were tested on too few regions
(`experiments.transfer.findings.FEWEST_TESTED`). The same table gives the same bytes.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy import stats

from benchmarks.machine import Row, table
from experiments.binding_modes.figures import MULTI_MODEL, gain_by_group
from experiments.binding_modes.findings import OTHER_MODE, SHARED_MODE
from experiments.downsampling.figures import sizes_of_tf
from experiments.pretraining_sets.figures import sets_by_target
from experiments.pretraining_sets.findings import KINDS
from experiments.transfer.figures import arms_by_tf, gain_by_size
from experiments.transfer.findings import FEWEST_TESTED
from orchestrator.report.figure_style import svg_text
from orchestrator.report.findings import with_ends
from orchestrator.report.pairs import each_row, pair
from orchestrator.report.statistics import LEVEL, Interval, spearman, welch
from orchestrator.report.words import number, p_value
from orchestrator.role import ModeRelation
from orchestrator.role_names import MODE_WORDS

HEADER: Final = ("figure", "bytes")
ARMS: Final = ("scratch", "transfer", "multi")
Named: TypeAlias = tuple[str, Figure]


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    rows = write_figures(read_runs(options.runs), options.out)
    print(table(HEADER, rows))
    return rows


def read_runs(path: Path) -> pd.DataFrame:
    """Read the table of all runs; only an empty cell is missing."""
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def write_figures(runs: pd.DataFrame, folder: Path) -> list[Row]:
    """Write the figures into a folder as SVG, and say how long each file is."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for stem, figure in _figures(runs):
        text = svg_text(figure)
        (folder / f"{stem}.svg").write_text(text)
        rows.append((f"{stem}.svg", f"{len(text.encode()):,}"))
    return rows


def student(values: ArrayLike) -> Interval:
    """Give the interval of a mean by Student's t; not a number where nothing varies."""
    found = np.asarray(values, dtype=float)
    found = found[~np.isnan(found)]
    if len(found) < 2 or np.ptp(found) == 0:
        return Interval(low=float("nan"), high=float("nan"))
    ends = stats.ttest_1samp(found, 0.0).confidence_interval(LEVEL)
    return Interval(low=float(ends.low), high=float(ends.high))


def _figures(runs: pd.DataFrame) -> Iterator[Named]:
    transfer = _pairs(runs, "transfer")
    of_tfs = _gains(transfer)
    yield "transfer", arms_by_tf(of_tfs)
    sized = of_tfs[of_tfs["num_test_regions"] >= FEWEST_TESTED]
    related = spearman(sized["num_bound"], sized["gain"])
    if related is not None:
        title = f"Spearman's rho {number(related.rho)}, {p_value(related.p)}, {len(sized)} TFs"
        yield "transfer-gain", gain_by_size(sized, title)
    for tf, rows in _pairs(runs, "downsampling").groupby("tf"):
        yield f"downsampling-{tf}", sizes_of_tf(rows, _labels(rows))
    yield "binding-modes", _modes(_pairs(runs, "binding-modes"), transfer)
    yield "pretraining-sets", _sets(runs[runs["experiment"] == "pretraining-sets"])


def _pairs(runs: pd.DataFrame, experiment: str) -> pd.DataFrame:
    own = runs[runs["experiment"] == experiment]
    own = own.fillna({"tf": "", "group": "", "mode": ""})
    # the table tells neither, and has one run of each name
    return pair(own.assign(test_regions=own["num_test_regions"], finished_at=0.0)).table


def _gains(pairs: pd.DataFrame) -> pd.DataFrame:
    """Average the pairs of each TF, as `orchestrator.report.gains` does, by Student's t."""
    pairs = pairs.assign(gain=pairs["mcc_transfer"] - pairs["mcc_scratch"])
    rows = []
    for tf, replicates in pairs.groupby("tf", sort=True):
        row: dict[str, Any] = {"tf": tf, "num_replicates": len(replicates)}
        for size in ("num_bound", "num_test_regions"):
            row[size] = replicates[size].mean()
        for arm in ARMS:
            row |= _with_student(arm, replicates[f"mcc_{arm}"])
        rows.append(row | _with_student("gain", replicates["gain"], least=-2.0, most=2.0))
    return pd.DataFrame(rows)


def _with_student(
    name: str, values: pd.Series, least: float = -1.0, most: float = 1.0
) -> dict[str, float]:
    """Give the mean with its interval, which ends where the values can."""
    ends = student(values)
    low, high = np.clip([ends.low, ends.high], least, most)
    return with_ends(name, float(values.mean()), Interval(low=float(low), high=float(high)))


def _labels(rows: pd.DataFrame) -> dict[str, str]:
    sizes = rows.groupby(["size", "group"], sort=True)["num_bound"].mean().reset_index()
    return {
        row.group: f"{row.group}\n({row.num_bound:,.0f} bound)"
        if np.isinf(row.size)
        else str(row.group)
        for row in each_row(sizes)
    }


def _modes(pairs: pd.DataFrame, transfer: pd.DataFrame) -> Figure:
    groups = {MULTI_MODEL: _gains(transfer[transfer["mcc_multi"].notna()])}
    groups |= {
        MODE_WORDS[ModeRelation(str(mode))]: _gains(rows)
        for mode, rows in pairs.groupby("mode", sort=False)
    }
    order = [name for name in (MULTI_MODEL, SHARED_MODE, OTHER_MODE) if len(groups.get(name, ()))]
    bracket = None
    if SHARED_MODE in order and OTHER_MODE in order:
        test = welch(groups[SHARED_MODE]["gain"], groups[OTHER_MODE]["gain"])
        if test is not None:
            bracket = SHARED_MODE, OTHER_MODE, f"Welch's t-test, {p_value(test.p)}"
    return gain_by_group({name: groups[name] for name in order}, bracket)


def _sets(runs: pd.DataFrame) -> Figure:
    own = runs[runs["tf"].notna()].assign(target=runs["tf"], group=runs["set_kind"])
    tuned = own[own["arm"] == "transfer"]
    cell = ["target", "group", "with_target"]
    means = [
        dict(zip(cell, names, strict=True)) | _with_student("mcc", rows["mcc"])
        for names, rows in tuned.groupby(cell)
    ]
    scratch = [
        {"target": target} | _with_student("mcc", rows["mcc"])
        for target, rows in own[own["arm"] == "scratch"].groupby("target")
    ]
    there = set(tuned["group"])
    kinds = [kind for kind in KINDS if kind in there]
    lines = pd.DataFrame(scratch, columns=["target", "mcc", "mcc_low", "mcc_high"])
    return sets_by_target(pd.DataFrame(means), tuned, lines, kinds)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, help="table of all runs, as CSV")
    parser.add_argument("--out", type=Path, required=True, help="folder for the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
