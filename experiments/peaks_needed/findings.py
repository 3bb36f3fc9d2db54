"""What experiment `peaks-needed` says: how many bound regions a good model of a TF takes.

Per target and number of bound regions there are arms on the same regions: from scratch, the motif
alone, and transfer from several multi-models, of complete rows (the paper's) and masked ones. How
regions were held back, at random or by chromosome, tells findings apart.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from experiments.peaks_needed.figures import peaks_by_tf
from orchestrator.report.findings import Finding, NamedFigure, stem, with_brackets, with_ends
from orchestrator.report.finished import FinishedRuns
from orchestrator.report.gains import mean_mcc
from orchestrator.report.pairs import each_row, latest, scored_runs
from orchestrator.report.score_bootstrap import SCORES, ends_of, score_draws
from orchestrator.report.statistics import Bootstrap, Floats, Interval, interval
from orchestrator.report.words import confidence, counted, listed, number
from orchestrator.spec import RunSpec

EXPERIMENT: Final = "peaks-needed"
GOOD_MCC: Final = 0.5
"""What a good model reaches."""
WORSE: Final = 0.02
"""MCC by which a TF is called worse."""
COMPARED: Final = (100, 500)
"""Sizes between which arms are compared, both included."""

PRECISION: Final = "average_precision"
NUM_DRAWS: Final = 400
"""Of the intervals of average precision: each sorts all test regions."""

_SCRATCH: Final = "from scratch"
_MOTIF: Final = "motif alone"


def peaks_findings(rows: pd.DataFrame, runs: FinishedRuns, boot: Bootstrap) -> list[Finding]:
    """Compare the arms by number of regions, for each way of holding regions back.

    Parameters
    ----------
    rows
        The results table of the experiment, see `orchestrator.report.finished`.
    """
    scored = scored_runs(rows)
    if scored.empty:
        return []
    masked = {key: _is_masked(runs.specs[key]) for key in rows["key"]}
    scored = scored.assign(
        size=[_size(row) for row in each_row(scored)],
        held_back=scored["group"].str.partition(", ")[2],
        arm=[_arm(row) for row in each_row(scored)],
        masked=scored["key"].map(masked),
    )
    ways = list(scored.groupby("held_back", sort=True))
    return [
        _finding(
            own,
            runs,
            boot,
            heading=(str(way) or "at random") if len(ways) > 1 else "",
            multi=_multi_task(rows, masked),
        )
        for way, own in ways
    ]


def _finding(
    scored: pd.DataFrame, runs: FinishedRuns, boot: Bootstrap, *, heading: str, multi: list[str]
) -> Finding:
    cell = ["tf", "arm", "size", "replicate"]
    last = latest(scored, cell)
    is_masked: Mapping[str, bool] = dict(zip(last["arm"], last["masked"], strict=True))
    num_tfs: dict[str, int] = {}
    for row in each_row(last):
        num_tfs[row.arm] = max(num_tfs.get(row.arm, 0), len(row.pretraining_tfs.split()))
    # of masked multi-models the one of most TFs comes first
    order = sorted(is_masked, key=lambda arm: (_rank(arm), is_masked[arm], -num_tfs[arm], arm))
    table = pd.DataFrame(
        [
            {
                **dict(zip(cell, names, strict=False)),
                "num_replicates": len(own),
                **with_ends(PRECISION, own[PRECISION].mean(), _ends_of_precision(own, runs)),
                **with_ends("mcc", *mean_mcc(own, runs.calls, boot)),
            }
            for names, own in last.groupby(cell[:-1], sort=True)
        ]
    )
    means = _means(table, boot)
    reached = _reached(table)
    details = [*_by_arm(reached, order, table["tf"].nunique())]
    numbers: dict[str, float] = {}
    sentences = []
    for first, second in _comparisons(order, is_masked):
        said, found = _compare(table, first, second, boot)
        sentences += said
        numbers |= found
    for row in each_row(means):
        numbers[f"{row.arm}/{row.size}/mean_mcc"] = row.mcc
        numbers[f"{row.arm}/{row.size}/mean_average_precision"] = row.average_precision
    name = stem(EXPERIMENT, heading)
    return Finding(
        stem=name,
        heading=heading,
        sentence=sentences[0] if sentences else details[0],
        details=(*sentences[1:], *details, *multi),
        figures=(
            NamedFigure(
                stem=name,
                figure=peaks_by_tf(table, means, order),
                caption="MCC against the number of bound regions. Bars are 95 % intervals, over "
                "test regions and replicates, and of the mean over TFs. The dotted line is MCC "
                f"{GOOD_MCC}.",
            ),
            NamedFigure(
                stem=f"{name}-average-precision",
                figure=peaks_by_tf(table, means, order, score=PRECISION),
                caption="Average precision against the number of bound regions, with intervals as "
                "above. The dotted line is what guessing reaches on balanced regions.",
            ),
        ),
        table=table,
        shown=_shown(table, reached),
        numbers=numbers,
    )


def _ends_of_precision(replicates: pd.DataFrame, runs: FinishedRuns) -> Interval:
    """Interval of the mean average precision over replicates."""
    own = [runs.predictions(key) for key in replicates["key"]]
    draws = score_draws({"": own}, num_draws=NUM_DRAWS)[""]
    return ends_of(draws[:, SCORES.index(PRECISION)])


def _means(table: pd.DataFrame, boot: Bootstrap) -> pd.DataFrame:
    """Mean over the TFs that have all arms and sizes in common, with the interval over TFs."""
    wide = table.pivot_table(index="tf", columns=["arm", "size"], values="mcc")
    there = wide.dropna().index
    whole = table[table["tf"].isin(there)] if len(there) else table
    rows = []
    for (arm, size), own in whole.groupby(["arm", "size"], sort=True):
        row: dict[str, Any] = {"arm": arm, "size": size}
        for score in ("mcc", PRECISION):
            row |= with_ends(score, *_mean_over_tfs(own[score].to_numpy(dtype=float), boot))
        rows.append(row)
    return pd.DataFrame(rows)


def _mean_over_tfs(values: Floats, boot: Bootstrap) -> tuple[float, Interval]:
    """Mean of a value per TF, with the interval that drawing the TFs gives."""
    draws = boot.of_many(np.repeat(values[:, None], boot.num_draws, axis=1))
    return float(values.mean()), interval(draws)


def _comparisons(order: list[str], is_masked: Mapping[str, bool]) -> list[tuple[str, str]]:
    """Arms to compare: masked transfer with the paper's, and with the motif; with scratch else."""
    transfers = [arm for arm in order if arm not in (_SCRATCH, _MOTIF)]
    complete = [arm for arm in transfers if not is_masked[arm]]
    masked = [arm for arm in transfers if is_masked[arm]]
    others = complete or [arm for arm in (_SCRATCH,) if arm in order]
    pairs = [(arm, other) for arm in masked for other in others]
    pairs += [(arm, _MOTIF) for arm in masked if _MOTIF in order]
    return pairs or [(arm, _SCRATCH) for arm in complete if _SCRATCH in order]


def _compare(
    table: pd.DataFrame, first: str, second: str, boot: Bootstrap
) -> tuple[list[str], dict[str, float]]:
    """Mean difference over TFs, each TF's own mean over the sizes compared."""
    low, high = COMPARED
    sizes = table[table["size"].between(low, high)]
    wide = sizes.pivot_table(index=["tf", "size"], columns="arm", values="mcc")
    if first not in wide or second not in wide:
        return [], {}
    by_tf = (wide[first] - wide[second]).dropna().groupby("tf").mean()
    if by_tf.empty:
        return [], {}
    mean, ends = _mean_over_tfs(by_tf.to_numpy(dtype=float), boot)
    worse = list(by_tf.index[by_tf < -WORSE])
    whom = f" ({listed(worse)})" if worse else ""
    numbers = with_ends(f"{first} less {second}", mean, ends)
    numbers[f"{first} less {second}/num_tfs_worse"] = len(worse)
    return [
        f"With {low} to {high} bound regions, {first} minus {second}: {number(mean)} MCC, "
        f"{confidence(ends)}, mean of {counted(len(by_tf), 'TF')}; worse by more than {WORSE} for "
        f"{len(worse) or 'none'}{whom}."
    ], numbers


def _reached(table: pd.DataFrame) -> pd.DataFrame:
    """Bound regions at which each TF and arm reaches `GOOD_MCC`; NaN where it does not.

    Between two sizes they lie on the line through both, over the logarithm of the size; below
    the smallest size, at that size.
    """
    rows = []
    for (tf, arm), own in table.groupby(["tf", "arm"], sort=True):
        own = own.sort_values("size")
        size, mcc = own["size"].to_numpy(dtype=float), own["mcc"].to_numpy(dtype=float)
        rows.append({"tf": tf, "arm": arm, "regions": _crossing(size, mcc)})
    return pd.DataFrame(rows)


def _crossing(size: Floats, mcc: Floats) -> float:
    above = np.flatnonzero(mcc >= GOOD_MCC)
    if not len(above):
        return float("nan")
    at = int(above[0])
    if at == 0:
        return float(size[0])
    share = (GOOD_MCC - mcc[at - 1]) / (mcc[at] - mcc[at - 1])
    return float(np.exp2(np.log2(size[at - 1]) + share * np.log2(size[at] / size[at - 1])))


def _by_arm(reached: pd.DataFrame, order: list[str], num_tfs: int) -> list[str]:
    said = []
    for arm in order:
        own = reached[(reached["arm"] == arm) & reached["regions"].notna()]
        if own.empty:
            said.append(f"MCC {GOOD_MCC} is reached {arm_words(arm)} for no TF of {num_tfs}.")
            continue
        each = [f"{row.tf} {row.regions:,.0f}" for row in each_row(own.sort_values("regions"))]
        said.append(
            f"MCC {GOOD_MCC} is reached {arm_words(arm)} for {len(own)} of "
            f"{counted(num_tfs, 'TF')}; bound regions that it takes: {listed(each)}."
        )
    return said


def arm_words(arm: str) -> str:
    """Name of an arm within a sentence."""
    return {_SCRATCH: "from scratch", _MOTIF: "by the motif alone"}.get(arm, f"by {arm}")


def _multi_task(rows: pd.DataFrame, masked: Mapping[str, bool]) -> list[str]:
    """Mean average precision of the multi-models themselves, where they share test regions."""
    multi = rows[(rows["arm"] == "multi") & (rows["tf"] == "") & rows["average_precision"].notna()]
    multi = multi.sort_values(["finished_at", "key"])
    said = []
    for group, own in multi.groupby("group", sort=True):
        own = latest(own, ["pretraining_set", "replicate"])
        kinds = {masked[key] for key in own["key"]}
        if len(kinds) < 2:
            continue
        means = own.groupby("pretraining_set")["average_precision"].mean().sort_values()
        each = [f"{number(value)} ({name})" for name, value in means.items()]
        said.append(
            f"Mean average precision of the multi-models themselves {group}, on the same test "
            f"regions: {listed(each)}."
        )
    return said


def _shown(table: pd.DataFrame, reached: pd.DataFrame) -> pd.DataFrame:
    cells = table.assign(text=with_brackets(table, "mcc"))
    wide = cells.pivot_table(index=["tf", "arm"], columns="size", values="text", aggfunc="first")
    wide.columns = pd.Index([f"{size:,.0f} bound" for size in wide.columns])
    wide = wide.fillna("").reset_index()
    numbers = reached.set_index(["tf", "arm"])["regions"]
    regions = [numbers[tf, arm] for tf, arm in zip(wide["tf"], wide["arm"], strict=True)]
    title = f"regions for MCC {GOOD_MCC}"
    wide[title] = ["not reached" if np.isnan(one) else f"{one:,.0f}" for one in regions]
    return wide.rename(columns={"tf": "TF"})


def _arm(row: Any) -> str:
    if row.arm == "transfer":
        return f"transfer, {row.pretraining_set}"
    return {"scratch": _SCRATCH, "motif": _MOTIF}.get(row.arm, str(row.arm))


def _rank(arm: str) -> int:
    return {_SCRATCH: 0, _MOTIF: 1}.get(arm, 2)


def _size(row: Any) -> int:
    found = re.match(r"(\d+) bound", row.group)
    return int(found[1]) if found else round(row.num_bound)


def _is_masked(spec: RunSpec) -> bool:
    """Whether a run is, or starts from, a multi-model of every resolved cell."""
    own = spec if spec.start is None else spec.start
    return own.regions.rows == "resolved"
