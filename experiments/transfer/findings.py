"""What the runs of `transfer` say: how many TFs transfer helps, and by how much (Fig. 1A)."""

from typing import Final

from experiments.interpretation.learnt import learnt_findings, trained_multi_models
from experiments.transfer import figures
from experiments.transfer.plan import NAME
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
from orchestrator.report.missing import missing_pairs, without_models
from orchestrator.report.pairs import Pairs, each_row, pair
from orchestrator.report.sections import SectionFindings, SectionInput
from orchestrator.report.statistics import Spearman, spearman
from orchestrator.report.words import confidence, counted, listed, number, p_value

FEWEST_TESTED: Final = 20
"""Test regions below which an MCC says next to nothing: one call more or less changes it by 0.1."""


def findings(given: SectionInput) -> SectionFindings:
    """Compare the arms of each TF, and say what the multi-models' filters learnt (Fig. 3A)."""
    pairs = pair(given.rows)
    trained = trained_multi_models(given.rows)
    lines = missing_pairs(pairs)
    lines += without_models(pairs, (given.runs.specs[key].regions.tfs for key in trained["key"]))
    compared = transfer_findings(pairs, given.runs.calls, given.boot)
    found = SectionFindings(findings=tuple(compared), missing=tuple(lines))
    return found if given.motifs is None else found + learnt_findings(trained, given.motifs)


def transfer_findings(pairs: Pairs, calls: CallsByKey, boot: Bootstrap) -> list[Finding]:
    """Fig. 1A: the arms per TF, and gain against the number of bound regions."""
    cell = ["pretraining_set", "size", "group"]
    variants = list(pairs.table.groupby(cell, sort=True, dropna=False))
    found = []
    for (set_name, _, group), rows in variants:
        of_tfs = gains(rows, ["tf"], calls, boot)
        heading = f"{set_name}, {group}" if len(variants) > 1 else ""
        found.append(_transfer(of_tfs, heading, boot))
    return found


def _transfer(of_tfs: Gains, heading: str, boot: Bootstrap) -> Finding:
    name = stem(NAME, heading)
    values = of_tfs.values
    median, ends = of_tfs.median(boot)
    related = spearman(of_tfs.table["num_bound"], values)
    numbers = {
        "num_tfs": len(values),
        "num_tfs_transfer_better": int((values > 0).sum()),
        **with_ends("median_gain", median, ends),
    }
    shown = [
        NamedFigure(
            stem=name,
            figure=figures.arms_by_tf(of_tfs.table),
            caption="Each arm's MCC per TF, the TF with fewest bound regions first. "
            "Bars are 95 % intervals.",
        )
    ]
    if related is not None:
        numbers |= {"spearman_rho": related.rho, "spearman_p": related.p}
        title = f"Spearman's rho {number(related.rho)}, {p_value(related.p)}"
        shown.append(
            NamedFigure(
                stem=f"{name}-gain",
                figure=figures.gain_by_size(of_tfs.table, title),
                caption="Gain by transfer against the number of bound regions trained on. Bars are "
                "95 % intervals; the longest are cut.",
            )
        )
    return Finding(
        stem=name,
        heading=heading,
        sentence=f"Transfer beat scratch for {out_of(values, 'TF')}; median gain "
        f"{number(median)} MCC, {confidence(ends)}.",
        details=(_certain(of_tfs), _size_sentence(related, of_tfs), *_multi_sentence(of_tfs)),
        figures=tuple(shown),
        table=of_tfs.table,
        shown=gain_columns(of_tfs.table, {"tf": "TF"}),
        numbers=numbers,
    )


def _certain(of_tfs: Gains) -> str:
    tested = of_tfs.table["num_test_regions"] >= FEWEST_TESTED
    table, few = of_tfs.table[tested], of_tfs.table[~tested]
    above, below = table[table["gain_low"] > 0], table[table["gain_high"] < 0]
    worse = f" ({listed(list(below['tf']))})" if len(below) else ""
    said = (
        f"The interval of the gain lies above zero for {counted(len(above), 'TF')} and below "
        f"zero for {len(below) or 'none'}{worse}."
    )
    if few.empty:
        return said
    return (
        f"{said} Not counted, since fewer than {FEWEST_TESTED} test regions say next to nothing: "
        f"{listed([f'{row.tf} ({row.num_test_regions:,.0f})' for row in each_row(few)])}."
    )


def _size_sentence(related: Spearman | None, of_tfs: Gains) -> str:
    sizes = of_tfs.table["num_bound"]
    if related is None:
        if len(of_tfs) < 3:
            return "With fewer than three TFs the gain cannot be related to the training size."
        return (
            "All TFs were trained on the same number of bound regions "
            f"({sizes.iloc[0]:,.0f}), so these runs cannot say whether the "
            "gain depends on it."
        )
    said = (
        f"Spearman's rho {number(related.rho)}, {p_value(related.p)}, {counted(len(of_tfs), 'TF')}"
    )
    alike = int((sizes == sizes.max()).sum())
    if alike > len(of_tfs) / 2:
        said += f", of which {alike} have the same number, {sizes.max():,.0f}"
    if related.p >= 0.05:
        return f"No relation between the gain and the number of bound regions is seen ({said})."
    fewer = "fewer" if related.rho < 0 else "more"
    return f"The {fewer} bound regions a TF had, the more it gained ({said})."


def _multi_sentence(of_tfs: Gains) -> list[str]:
    scored = of_tfs.table[of_tfs.table["multi"].notna()]
    if scored.empty:
        return []
    over_multi = (scored["transfer"] - scored["multi"]).to_numpy(dtype=float)
    over_scratch = (scored["multi"] - scored["scratch"]).to_numpy(dtype=float)
    return [
        f"Transfer beat the multi-model itself for {out_of(over_multi, 'TF')} that it "
        f"was trained on; the multi-model beat scratch for {(over_scratch > 0).sum()} of them."
    ]
