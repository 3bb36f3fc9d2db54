"""What a verdict that was written concludes, without what makes cards, which is slow to import."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from orchestrator.errors import RunError

CARD_VERSION: Final = 1
"""Increase it when an older program cannot read the JSON of a card."""
GOOD_ENOUGH: Final = "good enough to use"
"""What the sentence of a model says that nothing speaks against."""


def stored_sentence(path: Path, keys: Sequence[str] | None = None) -> str:
    """Read the conclusion of a card.

    Parameters
    ----------
    path
        The JSON file of `orchestrator.verdict.stored`.
    keys
        Keys of a model's runs: of a card on other runs, none is given. By default any card's is.

    Raises
    ------
    RunError
        If it is damaged, or a newer program wrote it.
    """
    try:
        card = json.loads(path.read_bytes())
        if card["version"] != CARD_VERSION:
            raise ValueError(f"version {card['version']}, this one reads {CARD_VERSION}")
        if keys is not None and list(keys) != card["numbers"]["keys"]:
            return ""
        return str(card["conclusion"]["sentence"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damaged_card(path, error) from None


def damaged_card(path: Path, error: Exception) -> RunError:
    """Say that a card cannot be read, and what to do."""
    return RunError(
        f"{path}: damaged, or of another bindgrid ({error}); remove it and run `bindgrid tf train` "
        "again"
    )
