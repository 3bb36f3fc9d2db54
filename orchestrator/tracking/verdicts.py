"""Verdicts in MLflow: experiment `verdicts`, one MLflow run per card, the page as its artifact.

Like everything in MLflow they are a view of the workspace and can be logged again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, final

from orchestrator.tracking.client import NOTE_TAG, TrackingClient
from orchestrator.tracking.views import VERDICTS, other_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.verdict.stored import Card, StoredCard

EXPERIMENT: Final = VERDICTS


@final
class VerdictWriter:
    """Writes cards to MLflow.

    Each has the name of its TF; tags ``tf made level multi_model``; as metrics every score with
    the ends of its interval (``transfer/mcc transfer/mcc_low``), the gains over the other arms, the
    calibration, what thresholds do (``from 0.5/precision``) and the numbers of regions; page and
    JSON as artifacts; in its note the conclusion, the table of thresholds, and the next
    commands.

    Parameters
    ----------
    client : TrackingClient
        The connection to MLflow.
    """

    def __init__(self, client: TrackingClient) -> None:
        self._client = client

    def log_cards(self) -> int:
        """Log the cards that MLflow does not have.

        Returns
        -------
        int
            Number of cards logged now.

        Raises
        ------
        TrackingError
            If MLflow cannot be reached or refuses a card.
        RunError
            If a card is damaged.
        """
        if not any(self._client.workspace.cards.glob("*.json")):
            return 0
        from orchestrator.verdict.stored import stored_cards  # a card imports much

        cards = list(stored_cards(self._client.workspace))
        with self._client.translated():
            experiment_id = self._client.experiment_id(EXPERIMENT, other_tags)
            missing = self._missing(cards, experiment_id)
            for card in missing:
                self._log_card(card, experiment_id)
        return len(missing)

    def _missing(self, cards: list[StoredCard], experiment_id: str) -> list[StoredCard]:
        """Find the cards that MLflow does not have; unfinished MLflow runs are deleted."""
        known = set()
        for run in list(self._client.all_runs(experiment_id)):
            if run.info.status == "FINISHED":
                known.add((run.data.tags.get("tf"), run.data.tags.get("made")))
            else:
                self._client.mlflow.delete_run(run.info.run_id)
        return [card for card in cards if (card.tf, card.made) not in known]

    def _log_card(self, card: StoredCard, experiment_id: str) -> None:
        from mlflow.entities import Metric

        numbers = card.content.numbers
        tags = {
            "tf": card.tf,
            "made": card.made,
            "level": str(card.content.conclusion.level),
            "multi_model": numbers.start_key,
            # marks it as this workspace's
            "run_folder": str(self._client.workspace.run(numbers.keys[0])),
            NOTE_TAG: card_note(card),
        }
        created = self._client.mlflow.create_run(experiment_id, tags=tags, run_name=card.tf)
        run_id = created.info.run_id
        metrics = [
            Metric(name, value, created.info.start_time, 0)
            for name, value in _metrics(card.content)
            if math.isfinite(value)
        ]
        self._client.log_batches(run_id, metrics)
        for path in (card.page, card.path):
            self._client.mlflow.log_artifact(run_id, str(path))
        self._client.mlflow.set_terminated(run_id)


def card_note(card: StoredCard) -> str:
    """Write the conclusion, what thresholds do, and the next commands, in Markdown."""
    from orchestrator.verdict.card_tables import (
        THRESHOLD_TITLES,
        threshold_caption,
        threshold_rows,
    )

    content = card.content
    lines = [content.conclusion.sentence]
    if content.operating is not None:
        lines += ["", _row(THRESHOLD_TITLES), _row(["---"] * len(THRESHOLD_TITLES))]
        lines += [_row(cells) for cells in threshold_rows(content.operating)]
        lines += ["", threshold_caption(content.operating, content.numbers)]
    if content.commands:
        lines += ["", *(f"- {one.purpose}: `{one.line}`" for one in content.commands)]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _metrics(content: Card) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a card by name, with the ends of their intervals."""
    numbers = content.numbers
    groups = [(arm.replace(",", ""), values) for arm, values in numbers.arms.items()]
    groups += [
        (f"gain over {arm.replace(',', '')}", values) for arm, values in numbers.gains.items()
    ]
    groups += [
        (f"step {step.name.replace('/', ' of ')}", step.scores)
        for step in numbers.steps[:-1]  # the last one is transfer, on all regions
    ]
    for group, values in groups:
        for score, one in values.items():
            yield f"{group}/{score}", one.value
            yield f"{group}/{score}_low", one.ends.low
            yield f"{group}/{score}_high", one.ends.high
    for point in () if content.operating is None else content.operating.points:
        for name in ("recall", "precision", "f1", "precision_at_rate", "f1_at_rate"):
            yield f"from {point.threshold:g}/{name}", getattr(point, name)
    yield "calibration/brier", numbers.calibration.brier
    yield "calibration/error", numbers.calibration.error
    for name in ("num_bound", "num_test_bound", "num_test", "num_seen"):
        yield name, float(getattr(numbers, name))
