"""The verdicts that were written: where they are, and what they say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from orchestrator.errors import RunError
from orchestrator.workspace import Workspace


@dataclass(frozen=True)
class StoredCard:
    """A card that was written."""

    path: Path
    """Path of the JSON file."""
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of its files, without their endings."""
        return self.path.stem

    @property
    def tf(self) -> str:
        """The TF's name."""
        return unquote(self.path.stem)

    @property
    def page(self) -> Path:
        """Path of its page."""
        return self.path.with_suffix(".html")

    @property
    def made(self) -> str:
        """When it was written, in ISO 8601."""
        return str(self.content["made"])

    @property
    def sentence(self) -> str:
        """The conclusion."""
        return str(self.content["conclusion"]["sentence"])


def stored_cards(workspace: Workspace) -> Iterator[StoredCard]:
    """All cards of a workspace, by name.

    Raises
    ------
    RunError
        If one is damaged.
    """
    for path in sorted(workspace.cards.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            yield StoredCard(path, dict(content))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(
                f"{path}: damaged ({error}); remove it and run `bindgrid tf train` again"
            ) from None
