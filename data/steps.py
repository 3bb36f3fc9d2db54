"""The steps of a long computation, reported in a few words before each step begins."""

from collections.abc import Callable

OnStep = Callable[[str], None]


def silent(step: str) -> None:
    """Report nothing."""
