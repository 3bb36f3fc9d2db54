"""What a study says of the paper's findings, as numbers with 95 % intervals.

    python -m benchmarks.findings benchmarks/study/runs.csv
        [--filters benchmarks/study/filters.csv] [--figures FOLDER]

The first file is the table of all runs (`bindgrid results FILE`), the second one that of
`benchmarks.study_filters`. A gain is the MCC of transfer less that of its twin from scratch, which
has the same TF, group and replicate; a TF's gain is the mean over its replicates. Over TFs,
intervals are those of a bootstrap of TFs (10,000 draws, percentiles); over replicates or target
TFs, of Student's t; those of counts are Clopper and Pearson's. Nothing is corrected for the number
of intervals. `bindgrid report` gives intervals that know the single test regions too.
"""

import argparse
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from benchmarks.machine import Row, table
from benchmarks.study_figures import read_runs, student, write_figures
from experiments.transfer.findings import FEWEST_TESTED
from orchestrator.report.statistics import spearman, welch
from orchestrator.report.words import number, p_value

HEADER: Final = ("finding", "what", "n", "estimate", "95 % interval", "test")
AP1_LIKE: Final = ("BATF", "FOSL1", "JUNB", "NFE2", "NFE2L2")
"""TFs of `binding-modes` that bind like AP-1, of which the multi-model knows many."""
NUM_DRAWS: Final = 10_000


def main(arguments: Sequence[str] | None = None) -> list[Row]:
    options = _options(arguments)
    runs = read_runs(options.runs)
    rows = [*_transfer(runs), *_few_regions(runs), *_modes(runs), *_sets(runs)]
    if options.filters is not None:
        filters = pd.read_csv(options.filters, keep_default_na=False, na_values=[""])
        rows += [*_matches(filters), *_movement(filters)]
    print(table(HEADER, rows))
    if options.figures is not None:
        write_figures(runs, options.figures)
    return rows


def twins(runs: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Pair the runs by transfer of an experiment with those from scratch, a row each."""
    cell = ["tf", "group", "replicate", "num_bound", "num_test_regions", "mode"]
    own = runs[(runs["experiment"] == experiment) & runs["tf"].notna()]
    arms = [own.loc[own["arm"] == arm, [*cell, "mcc"]] for arm in ("transfer", "scratch")]
    paired = arms[0].merge(arms[1], on=cell, suffixes=("_transfer", "_scratch"))
    return paired.assign(gain=paired["mcc_transfer"] - paired["mcc_scratch"])


def _by_tf(pairs: pd.DataFrame) -> pd.DataFrame:
    columns = ["gain", "num_bound", "num_test_regions"]
    return pairs.groupby(["tf", "mode"], dropna=False)[columns].mean().reset_index()


def _transfer(runs: pd.DataFrame) -> Iterator[Row]:
    pairs = twins(runs, "transfer")
    tfs = _by_tf(pairs)
    yield _share("a", "TFs that gain by transfer", int((tfs["gain"] > 0).sum()), len(tfs))
    yield _share("a", "the same, each pair of runs", int((pairs["gain"] > 0).sum()), len(pairs))
    yield _drawn("a", "median gain", tfs["gain"], np.median)
    sized = tfs[tfs["num_test_regions"] >= FEWEST_TESTED]
    for what, rows in (("", tfs), (f", TFs of {FEWEST_TESTED} test regions or more", sized)):
        found = spearman(rows["num_bound"], rows["gain"])
        if found is not None:
            said = (number(found.rho), "", p_value(found.p))
            yield ("a", f"Spearman's rho of gain and bound regions{what}", str(len(rows)), *said)
    yield from _certain(pairs, set(sized["tf"]))
    most = sized["num_bound"] >= sized["num_bound"].max()
    yield _difference(
        "a", "gain of TFs with fewer bound regions, less of the others", sized["gain"], ~most
    )


def _certain(pairs: pd.DataFrame, tfs: set[str]) -> Iterator[Row]:
    """Count the TFs whose gain has an interval on one side of zero, and give the losers' gains."""
    by_tf = {str(tf): gains for tf, gains in pairs.groupby("tf")["gain"]}
    ends = {tf: student(gains) for tf, gains in by_tf.items() if tf in tfs}
    above = sum(one.above_zero for one in ends.values())
    below = sum(one.below_zero for one in ends.values())
    what = f"TFs of {FEWEST_TESTED} test regions or more whose gain's interval is"
    yield _untested("a", f"{what} above zero", above, len(ends))
    yield _untested("a", f"{what} below zero", below, len(ends))
    for tf, gains in by_tf.items():
        if gains.mean() <= 0:
            yield _mean("a", f"{tf}: gain", gains)


def _few_regions(runs: pd.DataFrame) -> Iterator[Row]:
    pairs = twins(runs, "downsampling")
    for (tf, group), rows in pairs.groupby(["tf", "group"], sort=False):
        bound = f"{rows['num_bound'].mean():,.0f} to train and validate on"
        for what in ("mcc_transfer", "mcc_scratch", "gain"):
            said = what.replace("mcc_", "MCC, ")
            yield _mean("b", f"{tf}, {group} ({bound}): {said}", rows[what])


def _modes(runs: pd.DataFrame) -> Iterator[Row]:
    tfs = _by_tf(twins(runs, "binding-modes"))
    for mode, rows in tfs.groupby("mode", sort=False):
        yield _drawn("c", f"mean gain, {mode} mode", rows["gain"], np.mean)
    what = "mean gain, shared mode less other mode"
    yield _difference("c", what, tfs["gain"], tfs["mode"] == "shared")
    others = tfs[~tfs["tf"].isin(AP1_LIKE)]
    what = "the same without TFs that bind like AP-1"
    yield _difference("c", what, others["gain"], others["mode"] == "shared")


def _sets(runs: pd.DataFrame) -> Iterator[Row]:
    own = runs[(runs["experiment"] == "pretraining-sets") & (runs["arm"] == "transfer")]
    cell = ["tf", "with_target", "replicate"]
    random = own.loc[own["set_kind"] == "random", [*cell, "mcc"]]
    for (tf, with_target, kind), rows in own.groupby(["tf", "with_target", "set_kind"]):
        inside = "with the target" if with_target else "without the target"
        yield _mean("d", f"{tf}, {kind} {inside}: MCC", rows["mcc"])
    others = own[own["set_kind"] != "random"]
    compared = others.merge(random, on=cell, suffixes=("", "_random"))
    compared["over_random"] = compared["mcc"] - compared["mcc_random"]
    for (with_target, kind), rows in compared.groupby(["with_target", "set_kind"], sort=False):
        inside = "with the target" if with_target else "without the target"
        targets = rows.groupby("tf")["over_random"].mean()
        for target, of_tf in rows.groupby("tf"):
            yield _mean("d", f"{target}, {kind} {inside}, less random", of_tf["over_random"])
        yield _mean("d", f"all targets, {kind} {inside}, less random", targets)
        without = targets.drop("SP1", errors="ignore")
        yield _mean("d", f"the same without SP1, {kind} {inside}", without)


def _matches(filters: pd.DataFrame) -> Iterator[Row]:
    multis = filters[filters["arm"] == "multi"]
    multis = multis.assign(which=[_multi_words(row) for row in multis.to_dict("records")])
    base = filters[filters["arm"] == "base"]
    base = base.assign(
        which=[f"the shipped base{_read_on(row)}" for row in base.to_dict("records")]
    )
    single = filters[filters["arm"].isin(["transfer", "scratch"])].assign(
        which=lambda rows: "models of one TF, " + rows["arm"]
    )
    for which, rows in pd.concat([multis, base, single]).groupby("which", sort=False):
        matched = [
            name for name in map(str, filters) if name.startswith(("matched_0", "shuffled_0"))
        ]
        for name in matched:
            if rows[name].notna().any():
                said = name.replace("_", ", q < ")
                yield _drawn("e", f"{which}: filters {said}", rows[name], np.mean)
        half = rows["matched_0.05"] > rows["num_compared"] / 2
        said = f"{which}: more than half match, q < 0.05"
        yield _untested("e", said, int(half.sum()), len(rows))


def _multi_words(row: Mapping[Hashable, Any]) -> str:
    """Name the multi-models that were trained and read as one was."""
    masked = ", every resolved label" if row.get("rows") == "resolved" else ""
    longer = f", {row['epochs']:g} epochs" if row.get("keep") == "last" else ""
    return f"multi-models of {row['num_tfs']:g} TFs{masked}{longer}{_read_on(row)}"


def _read_on(row: Mapping[Hashable, Any]) -> str:
    key = row.get("read_on")
    return f", read on the test regions of {key}" if isinstance(key, str) and key else ""


def _movement(filters: pd.DataFrame) -> Iterator[Row]:
    moved = filters[filters["share_before"].notna()]
    scratch = filters[(filters["arm"] == "scratch") & filters["target_share"].notna()]
    parts = {
        "transfer from 50 TFs": moved[moved["experiment"] != "pretraining-sets"],
        "pre-training sets": moved[moved["experiment"] == "pretraining-sets"],
    }
    parts |= {tf: moved[moved["tf"] == tf] for tf in ("SPI1", "HNF4A", "JUND")}
    for which, rows in parts.items():
        tfs = rows.groupby("tf").mean(numeric_only=True)
        if tfs.empty:
            continue
        one = len(tfs) == 1  # then runs are drawn, and not TFs
        values = rows if one else tfs
        shift = values["target_share"] - values["share_before"]
        yield _drawn("f", f"{which}: rank of the target's motif, before", values["share_before"])
        yield _drawn("f", f"{which}: rank of the target's motif, change", shift)
        beyond = shift - values["others_change"]
        yield _drawn("f", f"{which}: that change, less that of other TFs' motifs", beyond)
        beside = tfs["target_share"] - scratch.groupby("tf")["target_share"].mean()
        yield _drawn("f", f"{which}: rank of the motif, less that from scratch", beside)
        for name in ("target_like_before", "target_like", "matched_before", "matched_0.05"):
            yield _drawn("f", f"{which}: {name.replace('_', ' ')}", values[name])
        yield _drawn("f", f"{which}: distance that motifs moved", values["moved"])
        yield _share(
            "f", f"{which}: runs that moved to it more than to other TFs' motifs", *_towards(rows)
        )
    yield from _same_regions(moved)
    gained = moved["target_like"] > moved["target_like_before"]
    what = "runs in which filters began to match the motif"
    yield _untested("f", what, int(gained.sum()), len(moved))
    for name in ("target_share", "target_like", "matched_0.05"):
        by_tf = scratch.groupby("tf")[name].mean()
        yield _drawn("f", f"from scratch: {name.replace('_', ' ')}", by_tf)


def _same_regions(moved: pd.DataFrame) -> Iterator[Row]:
    """Compare filters before and after that were read on the same regions."""
    read = moved[moved["same_regions_share_before"].notna()]
    where = "on the same regions"
    higher = read["target_share"] > read["same_regions_share_before"]
    yield _share("f", f"{where}: runs that moved to the motif", int(higher.sum()), len(read))
    tfs = read.groupby("tf").mean(numeric_only=True)
    change = tfs["target_share"] - tfs["same_regions_share_before"]
    yield _drawn("f", f"{where}: rank of the target's motif, change", change, decimals=3)
    for name in ("target_like", "matched"):
        before, after = f"same_regions_{name}_before", name.replace("matched", "matched_0.05")
        yield _drawn("f", f"{where}: {name.replace('_', ' ')}, before", tfs[before])
        yield _drawn("f", f"{where}: {name.replace('_', ' ')}, change", tfs[after] - tfs[before])
    more = read["target_like"] - read["same_regions_target_like_before"]
    said = f"{int((more > 0).sum())} more, {int((more < 0).sum())} fewer"
    names = ", ".join(sorted(set(read.loc[more > 0, "tf"])))
    yield ("f", f"{where}: runs with more filters like it", str(len(read)), said, "", names)


def _towards(rows: pd.DataFrame) -> tuple[int, int]:
    change = rows["target_share"] - rows["share_before"]
    return int((change > rows["others_change"]).sum()), len(rows)


def _share(finding: str, what: str, count: int, total: int) -> Row:
    if not total:
        return (finding, what, "0", "", "", "")
    found = stats.binomtest(count, total)
    ends = found.proportion_ci()
    said = f"{ends.low:.0%} to {ends.high:.0%}", f"sign test, {p_value(found.pvalue)}"
    return (finding, what, str(total), f"{count} of {total}", *said)


def _untested(finding: str, what: str, count: int, total: int) -> Row:
    """Give a share of which one half means nothing."""
    return (*_share(finding, what, count, total)[:5], "")


def _drawn(
    finding: str,
    what: str,
    values: pd.Series,
    of: Callable[..., Any] = np.mean,
    decimals: int = 2,
) -> Row:
    found = values.dropna().to_numpy(dtype=float)
    estimate = number(float(of(found)), decimals) if len(found) else ""
    ends = ""
    if len(found) > 2:
        rng = np.random.default_rng(0)
        draws = of(rng.choice(found, (NUM_DRAWS, len(found))), axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        ends = f"{number(low, decimals)} to {number(high, decimals)}"
    elif len(found) == 2:
        ends = f"the two: {number(found[0])}, {number(found[1])}"
    return (finding, what, str(len(found)), estimate, ends, "")


def _mean(finding: str, what: str, values: pd.Series) -> Row:
    found = values.dropna().to_numpy(dtype=float)
    if len(found) < 2 or np.ptp(found) == 0:  # nothing varies, so nothing can be tested
        estimate = number(float(found.mean())) if len(found) else ""
        return (finding, what, str(len(found)), estimate, "", "")
    test, ends = stats.ttest_1samp(found, 0.0), student(found)
    said = f"{number(ends.low)} to {number(ends.high)}", f"t-test, {p_value(test.pvalue)}"
    return (finding, what, str(len(found)), number(found.mean()), *said)


def _difference(finding: str, what: str, values: pd.Series, first: ArrayLike) -> Row:
    chosen = np.asarray(first, dtype=bool)
    one, two = values[chosen], values[~chosen]
    count = f"{len(one)}, {len(two)}"
    test = welch(one, two)
    if test is None:
        return (finding, what, count, "", "", "too few TFs")
    ends = stats.ttest_ind(one, two, equal_var=False).confidence_interval()
    said = f"Welch's t = {number(test.t)}, {p_value(test.p)}"
    estimate = number(float(one.mean() - two.mean()))
    return (finding, what, count, estimate, f"{number(ends.low)} to {number(ends.high)}", said)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, help="table of all runs, as CSV")
    parser.add_argument("--filters", type=Path, help="table of `benchmarks.study_filters`, as CSV")
    parser.add_argument(
        "--figures", type=Path, help="folder for the figures, which benchmarks.study_figures draws"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
