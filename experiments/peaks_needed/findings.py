"""What experiment `peaks-needed` says: how many bound regions a good model of a TF takes.

Per target and number of bound regions there are arms on the same regions: from scratch, the motif
alone, rivals without a network, and transfer from several multi-models, of complete rows (the
paper's) and masked ones. How regions were held back, at random or by chromosome, tells findings
apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from experiments.peaks_needed.figures import MOTIF_ALONE, peaks_by_tf
from experiments.peaks_needed.plan import NAME
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.findings import Finding, NamedFigure, stem, with_brackets, with_ends
from orchestrator.report.finished import FinishedRuns
from orchestrator.report.gains import mean_mcc
from orchestrator.report.pairs import each_row, latest, scored_runs
from orchestrator.report.sections import SectionFindings, SectionInput
from orchestrator.report.statistics import Floats, Interval, interval
from orchestrator.report.words import confidence, counted, listed, number
from orchestrator.role import RIVALS, Arm, RunVariant
from orchestrator.role_names import HELD_BACK_WORDS, RIVAL_WORDS

GOOD_MCC: Final = 0.5
"""MCC that a good model reaches."""
WORSE: Final = 0.02
"""Loss of MCC above which a TF is called worse."""
COMPARED: Final = (100, 500)
"""Sizes between which arms are compared, both included."""

RICHEST_FIRST: Final = (
    RunVariant.GAPPED_KMERS,
    RunVariant.MANY_MOTIFS,
    RunVariant.CHOSEN_MOTIFS,
    RunVariant.WITH_MOTIF,
    RunVariant.PLAIN,
    RunVariant.OWN_HIDDEN,
    RunVariant.SIMILAR_HIDDEN,
)
"""Variants of the arms by masked transfer in the order in which they are set beside the rivals: the
model that knows most of the TF comes first, and those that are kept from its motif last."""

PRECISION: Final = "average_precision"
_RANK: Final[dict[Arm, int]] = {
    arm: rank for rank, arm in enumerate(("scratch", "motif", *RIVALS, "transfer", "multi"))
}
_NAMES: Final[dict[Arm, str]] = {"scratch": "from scratch", "motif": MOTIF_ALONE, **RIVAL_WORDS}
_WORDS: Final[dict[Arm, str]] = {"scratch": "from scratch", "motif": "by the motif alone"}
"""Names of arms in figures, and within a sentence."""
BEST_RIVAL: Final = "the best rival of each TF and size"
"""What is compared with the arms by transfer: the best of the rivals and the motif alone."""


@dataclass(frozen=True, kw_only=True)
class _Arm:
    """What is compared: an arm and, for transfer, its pre-training set."""

    arm: Arm
    name: str
    masked: bool
    """Whether its multi-model learnt from every resolved cell."""
    num_tfs: int
    """TFs of its multi-model; the largest number of any replicate."""
    variant: RunVariant = RunVariant.PLAIN

    @property
    def words(self) -> str:
        """Name within a sentence."""
        return _WORDS.get(self.arm, f"by {self.name}")


def findings(given: SectionInput) -> SectionFindings:
    """Compare the arms by number of regions."""
    return SectionFindings(findings=tuple(peaks_findings(given.rows, given.runs, given.boot)))


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
    # all regions are as many as there are
    asked = scored["size"].where(np.isfinite(scored["size"]), scored["num_bound"])
    scored = scored.assign(
        size=asked.round().astype(int),
        kind=scored["arm"],
        arm=[_arm_name(row) for row in each_row(scored)],
    )
    ways = [(way, scored[scored["held_back"] == way]) for way in HELD_BACK_WORDS]
    ways = [(way, own) for way, own in ways if not own.empty]
    return [
        _finding(
            own,
            runs,
            boot,
            heading=HELD_BACK_WORDS[way] if len(ways) > 1 else "",
            multi=_multi_task(rows),
        )
        for way, own in ways
    ]


def _trained_on(scored: pd.DataFrame) -> str:
    """Say how many bound regions each size trained and validated on."""
    by_size = scored.groupby("size")["num_bound"].agg(["min", "max"])
    told = (
        f"{fewest:,} of {size:,}" if fewest == most else f"{fewest:,} to {most:,} of {size:,}"
        for size, fewest, most in by_size.itertuples()
    )
    return (
        f"So many bound regions of each size were trained and validated on: {listed(list(told))}."
    )


def _finding(
    scored: pd.DataFrame, runs: FinishedRuns, boot: Bootstrap, *, heading: str, multi: list[str]
) -> Finding:
    cell = ["tf", "arm", "size", "replicate"]
    last = latest(scored, cell)
    order = _arms(last)
    table = pd.DataFrame(
        [
            {
                **dict(zip(cell, names, strict=False)),
                "num_replicates": len(own),
                **with_ends(PRECISION, own[PRECISION].mean(), _ends_of_precision(own, runs, boot)),
                **with_ends("mcc", *mean_mcc(own, runs.calls, boot)),
            }
            for names, own in last.groupby(cell[:-1], sort=True)
        ]
    )
    means = _means(table, boot)
    reached = _reached(table)
    with_best = _with_best_rival(table, order)
    details = [*_by_arm(reached, order, table["tf"].nunique()), _trained_on(last)]
    numbers: dict[str, float] = {}
    sentences = []
    for pair in _comparisons(order):
        said, found = _compare(with_best, pair.first, pair.second, boot)
        sentences += said if pair.is_told else []
        numbers |= found
    for row in each_row(means):
        numbers[f"{row.arm}/{row.size}/mean_mcc"] = row.mcc
        numbers[f"{row.arm}/{row.size}/mean_average_precision"] = row.average_precision
    name, names = stem(NAME, heading), [arm.name for arm in order]
    return Finding(
        stem=name,
        heading=heading,
        sentence=sentences[0] if sentences else details[0],
        details=(*sentences[1:], *details, *multi),
        figures=(
            NamedFigure(
                stem=name,
                figure=peaks_by_tf(table, means, names),
                caption="MCC against the number of bound regions. Bars are 95 % intervals, over "
                "test regions and replicates, and of the mean over TFs. The dotted line is MCC "
                f"{GOOD_MCC}.",
            ),
            NamedFigure(
                stem=f"{name}-average-precision",
                figure=peaks_by_tf(table, means, names, score=PRECISION),
                caption="Average precision against the number of bound regions, with intervals as "
                "above. The dotted line is what guessing reaches on balanced regions.",
            ),
        ),
        table=table,
        shown=_shown(table, reached),
        numbers=numbers,
    )


def _ends_of_precision(replicates: pd.DataFrame, runs: FinishedRuns, boot: Bootstrap) -> Interval:
    """Interval of the mean average precision over replicates."""
    own = [runs.predictions(key) for key in replicates.sort_values("replicate")["key"]]
    return boot.scores({"": own})[PRECISION].of("")


def _means(table: pd.DataFrame, boot: Bootstrap) -> pd.DataFrame:
    """Mean over the TFs that have every arm and size, with the interval over TFs."""
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
    return float(values.mean()), interval(boot.mean_over_tfs(values))


def _arms(rows: pd.DataFrame) -> list[_Arm]:
    """Arms in the order shown; the masked multi-model of most TFs comes first."""
    arms = [
        _Arm(
            arm=own["kind"].iloc[0],
            name=str(name),
            masked=bool(own["masked"].iloc[0]),
            num_tfs=max(len(tfs) for tfs in own["pretraining_tfs"]),
            variant=RunVariant(own["variant"].iloc[0]),
        )
        for name, own in rows.groupby("arm")
    ]
    return sorted(arms, key=lambda one: (_RANK[one.arm], one.masked, -one.num_tfs, one.name))


def _with_best_rival(table: pd.DataFrame, order: Sequence[_Arm]) -> pd.DataFrame:
    """Give the table with the best rival's scores of each TF and size as one more arm."""
    rivals = table[table["arm"].isin([one.name for one in order if one.arm in RIVALS])]
    if rivals.empty:
        return table
    alone = table[table["arm"].isin([one.name for one in order if one.arm == "motif"])]
    best = pd.concat([rivals, alone]).groupby(["tf", "size"], as_index=False)["mcc"].max()
    return pd.concat([table, best.assign(arm=BEST_RIVAL)], ignore_index=True)


class _Pair(NamedTuple):
    """Two arms to compare."""

    first: str
    second: str
    is_told: bool
    """Whether a sentence says how they differ; the numbers are given in any case."""


def _comparisons(order: Sequence[_Arm]) -> list[_Pair]:
    """Name the arms to compare, what matters most first.

    They are masked transfer with the best rival, the paper's transfer and the motif, or with
    scratch. Where there are rivals, of the arms with motifs only the first is compared with another
    arm than the best rival in words: the table has the others.
    """
    scratch = [one for one in order if one.arm == "scratch"]
    complete = [one for one in order if one.arm == "transfer" and not one.masked]
    masked = [one for one in order if one.arm == "transfer" and one.masked]
    masked.sort(key=lambda one: RICHEST_FIRST.index(one.variant))
    has_rivals = any(one.arm in RIVALS for one in order)
    pairs = []
    if has_rivals:
        pairs += [_Pair(one.name, BEST_RIVAL, True) for one in masked or complete]
    others = [(one, other) for one in masked for other in complete or scratch]
    others += [(one, motif) for one in masked for motif in order if motif.arm == "motif"]
    for one, other in others or [(one, other) for one in complete for other in scratch]:
        is_told = not has_rivals or one is masked[0] or one.variant is RunVariant.PLAIN
        pairs.append(_Pair(one.name, other.name, is_told))
    return pairs


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
        f"{confidence(ends)}, averaged over {counted(len(by_tf), 'TF')}; worse by more than "
        f"{WORSE} for {len(worse) or 'none'}{whom}."
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


def _by_arm(reached: pd.DataFrame, order: Sequence[_Arm], num_tfs: int) -> list[str]:
    said = []
    for arm in order:
        own = reached[(reached["arm"] == arm.name) & reached["regions"].notna()]
        if own.empty:
            said.append(f"MCC {GOOD_MCC} is reached {arm.words} for no TF of {num_tfs}.")
            continue
        each = [f"{row.tf} {row.regions:,.0f}" for row in each_row(own.sort_values("regions"))]
        said.append(
            f"MCC {GOOD_MCC} is reached {arm.words} for {len(own)} of "
            f"{counted(num_tfs, 'TF')}; bound regions needed: {listed(each)}."
        )
    return said


def _multi_task(rows: pd.DataFrame) -> list[str]:
    """Mean average precision of the multi-models themselves, where they share test regions."""
    multi = rows[(rows["arm"] == "multi") & (rows["tf"] == "") & rows["average_precision"].notna()]
    multi = multi.sort_values(["finished_at", "key"])
    said = []
    for _, own in multi.groupby("tested_on", sort=True):
        own = latest(own, ["pretraining_set", "replicate"])
        if own["masked"].nunique() < 2:
            continue
        where = own["group"].iloc[0]
        means = own.groupby("pretraining_set")["average_precision"].mean().sort_values()
        each = [f"{number(value)} ({name})" for name, value in means.items()]
        said.append(
            f"Mean average precision of the multi-models themselves {where}, on the same test "
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


def _arm_name(row: Any) -> str:
    if row.arm == "transfer":
        return f"transfer, {row.pretraining_set}"
    return _NAMES.get(row.arm, str(row.arm))
