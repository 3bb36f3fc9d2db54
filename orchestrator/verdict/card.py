"""A verdict as a page of its own, and as JSON beside it: `report/tf/<name>.html` and `.json`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from matplotlib.figure import Figure

from data.atomic import whole_file
from data.dataset.added import LABEL_WORDS, Background
from data.records import to_json
from model.gapped_kmers import MAX_SPAN, NUM_BASES
from orchestrator.errors import RunError
from orchestrator.report.bootstrap import NUM_RANK_DRAWS
from orchestrator.report.figure_style import svg_text
from orchestrator.report.page import inline_svg
from orchestrator.report.rendering import render
from orchestrator.report.weighted_scores import SCORES
from orchestrator.report.words import counted, listed, number, span
from orchestrator.verdict.arms import WITH_OPENNESS
from orchestrator.verdict.card_tables import (
    MISSED_TITLES,
    THRESHOLD_TITLES,
    missed_caption,
    missed_rows,
    threshold_caption,
    threshold_rows,
)
from orchestrator.verdict.figures import (
    arms_figure,
    calibration_figure,
    contributions_figure,
    curve_figure,
    motifs_figure,
    recall_figure,
    roc_figure,
)
from orchestrator.verdict.motifs_shown import motifs_caption
from orchestrator.verdict.numbers import Numbers, Value
from orchestrator.verdict.sentences import CARD_VERSION
from orchestrator.verdict.stored import Card, StoredCard
from orchestrator.verdict.verdict import Verdict
from orchestrator.workspace import Workspace, file_name

TEMPLATE: Final = "tf.html"
WIDE: Final = "contributions"
"""Name of the figure that is as wide as the page."""
UNBOUND_WORDS: Final[dict[Background | None, str]] = {
    None: "accessible regions of the dataset without a peak or a site",
    "accessible": "accessible peaks without a peak of the TF",
    "genome": "windows of the genome, at least 1 kb from each peak",
}
SCORE_WORDS: Final = {"mcc": "MCC", "auroc": "AUROC", "average_precision": "avg. precision"}


def write_card(verdict: Verdict, workspace: Workspace) -> StoredCard:
    """Write the page and the JSON of a verdict, in place of earlier ones.

    Raises
    ------
    RunError
        If they cannot be written.
    """
    folder = workspace.cards
    name = file_name(verdict.numbers.tf)
    made = datetime.now().astimezone()
    card = Card(
        version=CARD_VERSION,
        made=made.isoformat(timespec="seconds"),
        numbers=verdict.numbers,
        conclusion=verdict.conclusion,
        filters=verdict.filters,
        operating=verdict.operating,
        examples=verdict.examples,
        motifs=verdict.motifs,
        commands=verdict.commands,
    )
    page = _page(verdict, made.strftime("%Y-%m-%d %H:%M %Z"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / f"{name}.html") as partial:
            partial.write_text(page, encoding="utf-8")
        with whole_file(folder / f"{name}.json") as partial:
            partial.write_text(to_json(card), encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"{folder}: cannot write ({error.strerror or error}); free space or rights"
        ) from error
    return StoredCard(folder / f"{name}.json", card)


def score_cells(values: Mapping[str, Value]) -> list[str]:
    """Scores as `0.46 (0.40 to 0.52)`, in the order of `SCORES`."""
    return [f"{number(values[name].value)} ({span(values[name].ends)})" for name in SCORES]


def facts(verdict: Verdict) -> list[tuple[str, str]]:
    """Give the data and training behind the verdict, as names and texts."""
    numbers = verdict.numbers
    of_dataset = "those of the dataset, by its peaks and sites"
    used = (
        f"{numbers.num_bound:,}: {numbers.num_train_bound:,} to train, "
        f"{numbers.num_val_bound:,} to validate, {numbers.num_test_bound:,} to test on"
    )
    if numbers.learns_from_val:
        used = (
            f"{numbers.num_bound:,}: {numbers.num_train_bound + numbers.num_val_bound:,} to learn "
            f"from, none of them held back to calibrate, {numbers.num_test_bound:,} to test on"
        )
    can_tell = numbers.base is None or numbers.base.are_species_known
    seen = f"{numbers.num_seen:,}" if numbers.num_seen else "none" if can_tell else "not known"
    if numbers.num_folds:
        used = (
            f"{numbers.num_bound:,}, all to learn from; each was tested once, by a model trained "
            f"on the other {numbers.num_folds - 1} folds"
        )
        knows = numbers.base is not None and numbers.base.known_as
        whose = "its own labels too" if knows else f"the labels of TFs other than {numbers.tf}"
        seen += f", with {whose}" if numbers.num_seen else ""
    return [
        ("bound regions used", used),
        ("test regions", f"{numbers.num_test:,}, {numbers.split}"),
        ("test regions seen in pre-training", seen),
        *([("peaks", numbers.peaks)] if numbers.peaks else []),
        ("labels", LABEL_WORDS.get(numbers.sites, of_dataset)),
        ("unbound regions", UNBOUND_WORDS[numbers.unbound]),
        (
            "multi-model",
            numbers.start_name + (f", run {numbers.start_key}" if numbers.base is None else ""),
        ),
        ("replicates", _replicates(numbers)),
    ]


def _replicates(numbers: Numbers) -> str:
    """Say how many replicates there are, of which arms fewer, and how often each was trained."""
    said = f"{numbers.num_replicates}, from one multi-model"
    if numbers.num_folds:
        said += f", each trained once for each of the {numbers.num_folds} folds and once on all"
    if fewer := numbers.num_replicates_of:
        said += f"; {min(fewer.values())} of these, compared with the same of transfer: "
        said += "; ".join(fewer)
    return said


def sentences(verdict: Verdict) -> list[str]:
    """Report the other results: gains, outlook, calibration, filters."""
    numbers = verdict.numbers
    said = [
        f"Transfer minus {numbers.title_of(arm)}: "
        f"{number(values['mcc'].value)} MCC ({span(values['mcc'].ends)}), "
        f"{number(values['average_precision'].value)} average precision "
        f"({span(values['average_precision'].ends)})."
        for arm, values in numbers.gains.items()
        if arm != WITH_OPENNESS
    ]
    if gained := numbers.gains.get(WITH_OPENNESS):
        mcc = gained["mcc"]
        said.append(
            "Where it also counts in how many of the dataset's biosamples a region is open "
            f"(`bindgrid predict --openness`), the MCC changes by {number(-mcc.value)} "
            f"({number(-mcc.ends.high)} to {number(-mcc.ends.low)}). Openness says where many TFs "
            "bind, and nothing about what this one prefers."
        )
    if numbers.outlook is None:
        said.append("There are too few regions for a learning curve.")
    else:
        said.append(
            f"Twice as many bound regions would likely add {number(numbers.outlook.value)} MCC "
            f"({span(numbers.outlook.ends)}), if the curve continues as in its last steps."
        )
    check = numbers.calibration
    whose = "Calibrated probabilities" if numbers.is_calibrated else "Probabilities"
    said.append(
        f"{whose} are off by {number(check.error)} on average over "
        f"{counted(len(check.bins), 'bin')} of test regions; Brier score {number(check.brier)}."
    )
    if not numbers.is_calibrated:
        said.append(
            "So few regions are all learnt from, and none is held back to calibrate: probabilities "
            "are those of the regression itself."
        )
    if numbers.sites == "none":
        said.append(
            "A region counts as bound where the TF has a peak, so that the scores say how well "
            "peaks are found. Where a site is asked for too (--predict-sites), all arms score "
            "higher, since the motif then has a part in the labels: the two cannot be compared."
        )
    if numbers.unbound == "genome":
        said.append(
            "Its unbound regions are windows of the whole genome, nearly all of closed chromatin, "
            "and its bound ones are mostly open: the model also learnt what open chromatin looks "
            "like, and its scores say little about how well it separates bound from other open "
            "regions. DNase or ATAC peaks of the cells (--accessible) avoid this."
        )
    said += numbers.base.sentences if numbers.base is not None else ()
    many = verdict.many_motifs
    if many is not None:
        each = [f"{one.name} {one.motif}" for one in many.strongest[:5]]
        said.append(
            f"The best hits of {many.num_motifs} motifs of whichever TFs are a term of the model, "
            f"weighted by its regions; {listed(each)} weigh most."
        )
        if many.kmers_weight is not None:
            said.append(
                f"So are the numbers of gapped k-mers, {NUM_BASES} bases within {MAX_SPAN} bp, "
                "which know what no motif does."
                if many.kmers_weight
                else "Gapped k-mers were tried too and told held-out regions no better."
            )
    filters = verdict.filters
    if filters is None:
        said.append("No filters were read: too few regions are predicted correctly.")
    elif not filters.wanted:
        said.append("JASPAR has no motif of the TF to look for among the filters.")
    else:
        each = [f"{one.filter} {one.consensus}" for one in filters.matching]
        whom = f" ({listed(each, 5)})" if each else ""
        said.append(
            f"{len(filters.matching)} of {filters.num_filters} filters match the TF's motif{whom}, "
            f"and {filters.num_matched} match any motif."
        )
    return said


def _page(verdict: Verdict, made: str) -> str:
    numbers = verdict.numbers
    drawn, captions = {}, {}
    for name, (figure, caption) in _figures(verdict).items():
        drawn[name] = inline_svg(svg_text(figure), name, caption)
        captions[name] = caption
    operating, examples = verdict.operating, verdict.examples
    return render(
        TEMPLATE,
        tf=numbers.tf,
        conclusion=verdict.conclusion,
        scores=[SCORE_WORDS[name] for name in SCORES],
        arms=[(numbers.title_of(arm), score_cells(own)) for arm, own in numbers.arms.items()],
        steps=[
            (title, f"{step.num_bound:,}", score_cells(step.scores))
            for title, step in zip(numbers.step_titles, numbers.steps, strict=True)
        ],
        fewer=min(numbers.num_replicates_of.values(), default=0),
        sentences=sentences(verdict),
        facts=facts(verdict),
        start_tfs=" ".join(numbers.start_tfs),
        drawn=drawn,
        captions=captions,
        threshold_titles=THRESHOLD_TITLES,
        thresholds=[] if operating is None else threshold_rows(operating),
        threshold_caption="" if operating is None else threshold_caption(operating, numbers),
        missed_titles=MISSED_TITLES,
        missed=[] if examples is None else missed_rows(examples),
        missed_caption="" if examples is None else missed_caption(examples),
        commands=verdict.commands,
        num_draws=NUM_RANK_DRAWS,
        made=made,
    )


def _figures(verdict: Verdict) -> dict[str, tuple[Figure, str]]:
    """Give the figures of the page with their captions, by name."""
    numbers, operating, examples = verdict.numbers, verdict.operating, verdict.examples
    figures = {
        "arms": (arms_figure(numbers), "MCC of each arm on the same held-out regions."),
        "calibration": (
            calibration_figure(numbers),
            f"Fraction bound against the {numbers.probability}, test regions of all replicates.",
        ),
    }
    if len(numbers.steps) > 1:
        figures["curve"] = (
            curve_figure(numbers),
            "Transfer from fractions of the regions, on the same test regions.",
        )
    if operating is not None:
        points = "Dots are the thresholds of the table."
        figures["roc"] = (roc_figure(operating), f"ROC, test regions of all replicates. {points}")
        figures["recall"] = (
            recall_figure(operating),
            f"Precision and recall on the same regions; dotted, guessing. {points}",
        )
    if verdict.motifs:
        are_compared = verdict.filters is not None and bool(verdict.filters.wanted)
        figures["motifs"] = (
            motifs_figure(verdict.motifs),
            motifs_caption(verdict.motifs, are_compared=are_compared),
        )
    if examples is not None and examples.best:
        figures[WIDE] = (
            contributions_figure(examples.best),
            "What each base adds to the logit of the three bound test regions of the highest "
            "probability: the logit less its mean with the three other bases there.",
        )
    return figures
