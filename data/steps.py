"""The steps of long work, as functions report them: in a few words, before each step begins."""

from collections.abc import Callable

OnStep = Callable[[str], None]


def silent(step: str) -> None:
    """Report nothing."""
