"""The card of a base as a page in Markdown, for people: `docs/base.md` is the shipped one's."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

from data.dataset.added import SourceFile
from orchestrator.prediction.base_card import BaseCard, BaseTF, Rounding
from orchestrator.report.words import listed

_COLUMNS: Final = (
    "TF",
    "bound in training",
    "bound in test",
    "unbound in test",
    "AUROC",
    "average precision",
    "MCC at 0.5",
    "threshold",
    "MCC at threshold",
    "slope",
    "intercept",
    "calibration error",
)


def page_of(card: BaseCard) -> str:
    """Give the page."""
    lines = [
        f"# The base `{card.name}`",
        "",
        "<!-- written by `python -m experiments.base --page`; do not edit it by hand -->",
        "",
        *_about(card),
        "",
        "## How good it is",
        "",
        *_quality(card),
        "",
        *_table(_COLUMNS, [_row(one) for one in card.tfs]),
        "",
        "## What 16 bits cost",
        "",
        f"The weights are stored as {card.number_format}; vectors, such as the statistics of batch "
        "norm, stay float32. Differences to the float32 weights on the test chromosomes, means "
        "over TFs:",
        "",
        *_table(
            (
                "format",
                "bytes",
                "MCC",
                "AUROC",
                "average precision",
                "largest of a TF's MCC",
                "largest of a probability",
            ),
            [_rounding(one) for one in card.rounding],
        ),
        "",
        "## What it was trained on",
        "",
        *_data(card),
        "",
        *_table(("file", "bytes", "sha256"), [_source(one) for one in card.data.sources]),
        "",
        "## Settings",
        "",
        *_settings(card),
        "",
    ]
    return "\n".join(lines)


def _about(card: BaseCard) -> list[str]:
    without = f", without {listed(card.left_out)}" if card.left_out else ""
    num = len(card.replicates)
    return [
        f"A multi-model of {len(card.tfs)} TFs, all of the dataset with at least {card.min_bound} "
        f"bound regions{without}. It reads 200 bp of DNA and gives for each TF the probability "
        "that the TF binds there, if the region is open chromatin in a cell that has the TF. It "
        "was trained on open regions only, so it does not tell open from closed chromatin.",
        "",
        f"{num} network{'s' if num > 1 else ''}, trained on {listed(card.chroms_seen)}. "
        f"Calibrations and thresholds are from {listed(card.val_chroms)}, all measures from "
        f"{listed(card.test_chroms)}; no weight was trained on these. Made {card.made} by bindgrid "
        f"{card.bindgrid}" + (f", commit `{card.commit[:12]}`." if card.commit else "."),
    ]


def _quality(card: BaseCard) -> list[str]:
    def mid(values: Sequence[float]) -> str:
        known = [value for value in values if not math.isnan(value)]
        return f"{median(known):.2f}" if known else "not defined"

    tests = [one.test for one in card.tfs]
    return [
        f"Medians over the TFs: AUROC {mid([one.auroc for one in tests])}, average precision "
        f"{mid([one.average_precision for one in tests])}, MCC "
        f"{mid([one.mcc_at_threshold for one in card.tfs])} at the threshold that is best on the "
        "validation chromosomes. Measured on all regions of the test chromosomes that are resolved "
        "for the TF, few of which are bound: average precision and MCC are lower for this reason "
        "alone than those of individual models, which are tested on as many unbound regions as "
        "bound ones. A random prediction has an average precision equal to the fraction of "
        "bound regions. Slope and intercept turn the logit, mean of both strands, into the "
        "calibrated probability; "
        "a calibration error is the mean difference of predicted and observed fraction of bound "
        "regions over ten bins.",
    ]


def _row(one: BaseTF) -> list[str]:
    calibration = one.calibrations[0]
    return [
        one.tf,
        f"{one.num_train_bound:,}",
        f"{one.test.num_bound:,}",
        f"{one.test.num_unbound:,}",
        _cell(one.test.auroc),
        _cell(one.test.average_precision),
        _cell(one.test.mcc),
        _cell(one.threshold),
        _cell(one.mcc_at_threshold),
        _cell(calibration.slope) if one.num_val_bound else "none",
        _cell(calibration.intercept) if one.num_val_bound else "none",
        f"{one.calibration_error:.4f}",
    ]


def _rounding(one: Rounding) -> list[str]:
    changes = (one.mcc, one.auroc, one.average_precision, one.largest_mcc, one.largest_probability)
    return [one.number_format, f"{one.num_bytes:,}", *(f"{change:+.5f}" for change in changes)]


def _data(card: BaseCard) -> list[str]:
    data, about = card.data, card.data.about
    lines = [
        f"{data.num_train_regions:,} of {data.num_regions:,} regions to train, "
        f"{data.num_val_regions:,} to calibrate, {data.num_test_regions:,} to test; fingerprint "
        f"`{data.fingerprint}`."
    ]
    if about is None:
        return [*lines, "", "The card does not say where the data is from or under which licence."]
    return [
        *lines,
        "",
        f"- Source: {about.source}.",
        f"- Licence: {about.licence}.",
        f"- Genome: {about.assembly} ({about.species}).",
        f"- Real: {about.real}.",
        f"- Reconstructed: {about.reconstructed}.",
    ]


def _settings(card: BaseCard) -> list[str]:
    training = card.training
    runs = [
        f"seed {one.seed}, run `{one.key}`, {one.num_epochs} epochs in {one.seconds / 60:,.0f} "
        f"minutes, weights sha256 `{one.sha256}`"
        for one in card.replicates
    ]
    return [
        f"Adam, learning rate {training.lr:g}, batches of {training.batch_size}, at most "
        f"{training.max_epochs} epochs, {training.precision}; "
        + (
            "one strand of each region an epoch, drawn at random"
            if training.random_strand
            else "both strands of each region"
        )
        + (
            f"; weights averaged over the steps with decay {training.averaging:g}"
            if training.averaging
            else ""
        )
        + f"; the {training.keep} epoch is kept.",
        "",
        *(f"- {text}" for text in runs),
        "",
        "`python -m experiments.base` makes it again from a dataset of these files; the command is "
        'in docs/formats.md, under "A base".',
    ]


def _source(one: SourceFile) -> list[str]:
    return [one.file, f"{one.size:,}", f"`{one.sha256}`"]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    right = " ---: |" * (len(titles) - 1)
    return [
        f"| {' | '.join(titles)} |",
        f"| --- |{right}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _cell(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.3f}"
