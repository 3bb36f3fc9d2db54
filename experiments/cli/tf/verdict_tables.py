"""How suggestions and verdicts are printed on the terminal."""

from typing import TYPE_CHECKING

from rich.table import Table

from data.words import counted
from experiments.cli.console import complain, err, out

if TYPE_CHECKING:
    from experiments.own_tf.suggestion import Suggestion
    from orchestrator.verdict.verdict import Verdict


def print_suggestion(suggestion: "Suggestion") -> None:
    """Print which multi-models a TF could start from, the best first."""
    modes = ", ".join(sorted(suggestion.mode.modes)) or "unknown"
    table = Table("start", "pre-trained on", "gain here", "finished")
    # a title of the table would be filled up with blanks
    out.print(f"{suggestion.tf}: binding mode {modes} ({suggestion.mode.how})", style="italic")
    for start in suggestion.starts:
        result = start.result
        gain = (
            "" if result is None else f"{result.mean_gain:.2f} MCC, {counted(result.num_tfs, 'TF')}"
        )
        table.add_row(
            start.kind,
            start.reason,
            gain,
            start.spec.key if start.is_finished else "",
        )
    out.print(table)
    for kind, reason in suggestion.left_out.items():
        err.print(f"{kind}: left out, {reason}")


def print_verdict(verdict: "Verdict") -> None:
    """Print the scores of all arms, what the card shows, and the conclusion."""
    from orchestrator.verdict.card import SCORE_WORDS, facts, score_cells, sentences

    numbers = verdict.numbers
    titles = [f"{words} (95 % CI)" for words in SCORE_WORDS.values()]
    arms = Table("arm", *titles)
    for arm, values in numbers.arms.items():
        arms.add_row(numbers.title_of(arm), *score_cells(values))
    out.print(arms)
    if len(numbers.steps) > 1:
        curve = Table("learning curve", "bound regions trained on", *titles)
        for title, step in zip(numbers.step_titles, numbers.steps, strict=True):
            curve.add_row(title, f"{step.num_bound:,}", *score_cells(step.scores))
        out.print(curve)
    _print_shown(verdict)
    for name, value in facts(verdict):
        out.print(f"{name}: {value}")
    for sentence in sentences(verdict):
        out.print(sentence)
    if numbers.num_seen:
        complain(f"{numbers.num_seen:,} test regions were seen in pre-training")
    for command in verdict.commands:
        out.print(f"{command.purpose}: {command.line}", soft_wrap=True)
    out.print(verdict.conclusion.sentence, style="bold")


def _print_shown(verdict: "Verdict") -> None:
    """Print what thresholds do, the motifs, the best regions, and the peaks that are missed."""
    from orchestrator.verdict.card_tables import (
        MISSED_TITLES,
        THRESHOLD_TITLES,
        missed_caption,
        missed_rows,
        strongest_bases,
        threshold_caption,
        threshold_rows,
    )

    if verdict.operating is not None:
        table = Table(*THRESHOLD_TITLES)
        for cells in threshold_rows(verdict.operating):
            table.add_row(*cells)
        out.print(table)
        out.print(threshold_caption(verdict.operating, verdict.numbers))
    left = min((motif.start for motif in verdict.motifs), default=0)
    for motif in verdict.motifs:
        out.print(f"{' ' * (motif.start - left)}{motif.consensus}  {motif.title}", soft_wrap=True)
    examples = verdict.examples
    if examples is None:
        return
    for region in examples.best:
        out.print(
            f"{region.region}, probability {region.probability:.2f}: {strongest_bases(region)}",
            soft_wrap=True,
        )
    if examples.missed:
        table = Table(*MISSED_TITLES)
        for cells in missed_rows(examples):
            table.add_row(*cells)
        out.print(table)
    out.print(missed_caption(examples))
