"""The verdicts that were written: where they are, and what they say."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from data.records import IF_SET, RecordError, from_json
from orchestrator.verdict.commands import Command
from orchestrator.verdict.examples import ShownRegions
from orchestrator.verdict.motifs_shown import ShownMotif
from orchestrator.verdict.numbers import Numbers
from orchestrator.verdict.operating import Operating
from orchestrator.verdict.rule import Conclusion
from orchestrator.verdict.sentences import CARD_VERSION, damaged_card
from orchestrator.verdict.verdict import Filters
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the JSON of a card says."""

    version: int
    made: str
    """When it was written, in ISO 8601."""
    numbers: Numbers
    conclusion: Conclusion
    filters: Filters | None
    """None where no region is predicted right."""
    operating: Operating | None = field(default=None, metadata=IF_SET)
    """None in what an older bindgrid wrote, as the next ones."""
    examples: ShownRegions | None = field(default=None, metadata=IF_SET)
    motifs: tuple[ShownMotif, ...] = field(default=(), metadata=IF_SET)
    commands: tuple[Command, ...] = field(default=(), metadata=IF_SET)


@dataclass(frozen=True)
class StoredCard:
    """A card that was written."""

    path: Path
    """Path of the JSON file."""
    content: Card

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
        return self.content.made

    @property
    def sentence(self) -> str:
        """The conclusion."""
        return self.content.conclusion.sentence


def stored_cards(workspace: Workspace) -> Iterator[StoredCard]:
    """All cards of a workspace, by name.

    Raises
    ------
    RunError
        If one is damaged, or a newer program wrote it.
    """
    for path in sorted(workspace.cards.glob("*.json")):
        try:
            card = from_json(path.read_bytes(), Card, {"version": CARD_VERSION})
        except (OSError, RecordError) as error:
            raise damaged_card(path, error) from None
        yield StoredCard(path, card)
