"""What the runs of `binding-modes` say: whether a shared binding mode helps (Fig. 2A)."""

from collections.abc import Mapping
from typing import Final

import pandas as pd

from experiments.binding_modes import figures
from experiments.binding_modes.figures import MULTI_MODEL
from experiments.binding_modes.plan import NAME
from experiments.transfer.plan import NAME as TRANSFER
from orchestrator.report.bootstrap import Bootstrap
from orchestrator.report.findings import (
    Finding,
    NamedFigure,
    gain_columns,
    out_of,
    stem,
    with_ends,
)
from orchestrator.report.gains import CallsByKey, Gains, gains
from orchestrator.report.missing import missing_pairs
from orchestrator.report.pairs import Pairs, pair
from orchestrator.report.sections import SectionFindings, SectionInput
from orchestrator.report.statistics import Floats, Interval, interval, welch
from orchestrator.report.words import confidence, counted, number, p_value, span
from orchestrator.role import ModeRelation
from orchestrator.role_names import MODE_WORDS

SHARED_MODE: Final = MODE_WORDS[ModeRelation.SHARED]
OTHER_MODE: Final = MODE_WORDS[ModeRelation.OTHER]


def findings(given: SectionInput) -> SectionFindings:
    """Compare the gains of TFs by their binding modes; the multi-model's TFs are of `transfer`."""
    pairs = pair(given.rows)
    of_transfer = given.of(TRANSFER)
    transfer = None if of_transfer.empty else pair(of_transfer)
    compared = mode_findings(pairs, transfer, given.runs.calls, given.boot)
    return SectionFindings(findings=tuple(compared), missing=tuple(missing_pairs(pairs)))


def mode_findings(
    pairs: Pairs, transfer: Pairs | None, calls: CallsByKey, boot: Bootstrap
) -> list[Finding]:
    """Fig. 2A: gain of TFs that share a binding mode with the multi-model, and of the others.

    Parameters
    ----------
    transfer
        Pairs of experiment `transfer`, whose TFs are those of the multi-model; None if there is
        none.
    """
    variants = list(pairs.table.groupby("pretraining_set", sort=True))
    found = []
    for set_name, rows in variants:
        groups = {
            _mode_name(str(mode)): gains(members, ["tf"], calls, boot)
            for mode, members in rows.groupby("mode", sort=False)
        }
        known = None if transfer is None else _multi_model_pairs(transfer.table, rows)
        if known is not None:
            groups[MULTI_MODEL] = gains(known, ["tf"], calls, boot)
        usual = (MULTI_MODEL, SHARED_MODE, OTHER_MODE)
        order = [*(name for name in usual if name in groups), *sorted(groups.keys() - set(usual))]
        heading = str(set_name) if len(variants) > 1 else ""
        found.append(_modes({name: groups[name] for name in order}, known, heading, boot))
    return found


def _mode_name(mode: str) -> str:
    return MODE_WORDS[ModeRelation(mode)] if mode else "mode not recorded"


def _multi_model_pairs(transfer: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame | None:
    """Pairs of the multi-model's own TFs, from the group with the nearest training size."""
    own = [tf in tfs for tf, tfs in zip(transfer["tf"], transfer["pretraining_tfs"], strict=True)]
    known = transfer[own]
    known = known[known["pretraining_set"].isin(rows["pretraining_set"])]
    if known.empty:
        return None
    size = rows["num_bound"].median()
    distances = (known.groupby("group")["num_bound"].median() - size).abs()
    return known[known["group"] == distances.idxmin()]


def _modes(
    groups: Mapping[str, Gains], known: pd.DataFrame | None, heading: str, boot: Bootstrap
) -> Finding:
    numbers: dict[str, float] = {}
    draws = {name: of_tfs.mean_draws(boot) for name, of_tfs in groups.items()}
    details = []
    for name, of_tfs in groups.items():
        label = name.replace(" ", "_")
        mean, ends = float(of_tfs.values.mean()), interval(draws[name])
        numbers[f"num_tfs_{label}"] = len(of_tfs)
        numbers |= with_ends(f"mean_gain_{label}", mean, ends)
        details.append(
            f"Transfer beat scratch for {out_of(of_tfs.values, 'TF')} in group {name}; mean gain "
            f"{number(mean)} MCC, {confidence(ends)}."
        )
    sentence, bracket = "One of the two groups to compare has no paired runs yet.", None
    if SHARED_MODE in groups and OTHER_MODE in groups:
        ends = interval(draws[SHARED_MODE] - draws[OTHER_MODE])
        sentence, bracket, tested = _shared_and_other(
            groups[SHARED_MODE].values, groups[OTHER_MODE].values, ends
        )
        numbers |= tested
    if known is not None:
        details.append(
            f"The multi-model's own TFs are those of experiment {TRANSFER}, "
            f"{known['group'].iloc[0]}."
        )
    name = stem(NAME, heading)
    table = pd.concat(
        [of_tfs.table.assign(group=group) for group, of_tfs in groups.items()], ignore_index=True
    )
    return Finding(
        stem=name,
        heading=heading,
        sentence=sentence,
        details=tuple(details),
        figures=(
            NamedFigure(
                stem=name,
                figure=figures.gain_by_group(
                    {group: of_tfs.table for group, of_tfs in groups.items()}, bracket
                ),
                caption="Gain by transfer of TFs that the multi-model was trained on, of TFs that "
                "share a binding mode with one of them, and of the others. A point is a TF; boxes "
                "are quartiles, whiskers extremes.",
            ),
        ),
        table=table,
        shown=gain_columns(table, {"group": "group", "tf": "TF"}),
        numbers=numbers,
    )


def _shared_and_other(
    shared: Floats, other: Floats, ends: Interval
) -> tuple[str, tuple[str, str, str] | None, dict[str, float]]:
    """Sentence, bracket of the figure and numbers."""
    difference = float(shared.mean() - other.mean())
    numbers = with_ends("shared_less_other", difference, ends)
    compared = "more" if difference >= 0 else "less"
    sentence = (
        "TFs that share a binding mode with the multi-model gained "
        f"{number(abs(difference))} MCC {compared} than the others (mean gain "
        f"{number(shared.mean())} for {counted(len(shared), 'TF')} against "
        f"{number(other.mean())} for {counted(len(other), 'TF')}; 95 % CI of the "
        f"difference {span(ends)}"
    )
    test = welch(shared, other)
    if test is None:
        return f"{sentence}; too few TFs for Welch's t-test).", None, numbers
    numbers |= {"welch_t": test.t, "welch_df": test.degrees_of_freedom, "welch_p": test.p}
    sentence += (
        f"; Welch's t = {number(test.t)}, {number(test.degrees_of_freedom, 1)} degrees of "
        f"freedom, {p_value(test.p)})."
    )
    return sentence, (SHARED_MODE, OTHER_MODE, f"Welch's t-test, {p_value(test.p)}"), numbers
