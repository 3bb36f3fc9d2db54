"""What is wrong with a sample sheet and the files that it names: all of it, not the first alone."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from data.errors import DataError

Made = TypeVar("Made")


class SheetError(DataError):
    """A sample sheet with faults; its message is the list of them, a line each.

    Parameters
    ----------
    faults
        One sentence for each fault, in the order of the rows.
    """

    def __init__(self, path: Path, faults: tuple[str, ...]) -> None:
        self.path = path
        self.faults = faults
        num = "1 fault" if len(faults) == 1 else f"{len(faults):,} faults"
        super().__init__("\n".join([f"{path}: {num}; nothing was built", *faults]))


class Faults:
    """Collects what is wrong with a sheet.

    Parameters
    ----------
    path
        The sheet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: list[tuple[int, str]] = []

    def add(self, row: int, text: str) -> None:
        """Note what is wrong with a row, counted from 1 as an editor shows it."""
        self._found.append((row, text))

    def attempt(self, row: int, make: Callable[[], Made]) -> Made | None:
        """Give what a function makes; where it cannot, note why at a row and give None."""
        try:
            return make()
        except DataError as error:
            self.add(row, str(error))
            return None

    def check(self) -> None:
        """Stop where anything is wrong.

        Raises
        ------
        SheetError
            If so.
        """
        if self._found:
            told = (f"row {row}: {text}" for row, text in sorted(self._found))
            raise SheetError(self.path, tuple(dict.fromkeys(told)))
