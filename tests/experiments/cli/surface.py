"""The surface of the command line as text: every command, its options, defaults and help.

A change of it is a decision. To take it, run::

    python -m tests.experiments.cli.surface > tests/experiments/cli/surface.txt
"""

import textwrap
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import typer

from experiments.cli.main import app


def surface() -> str:
    """Give the surface, a paragraph a command."""
    return "\n".join(_lines("bindgrid", typer.main.get_command(app))) + "\n"


def _lines(name: str, command: Any) -> Iterator[str]:
    yield name
    yield from _wrapped(" ".join((command.help or "").split()), "  ")
    for one in command.params:
        words = [*one.opts, *one.secondary_opts]
        if one.param_type_name == "argument":
            words = [one.name.upper()]
        default = "required" if one.required else f"default {_default(one.default)}"
        repeated = ", repeated" if one.multiple or one.nargs == -1 else ""
        yield f"  {' '.join(words)} ({_kind(one)}{repeated}), {default}"
        yield from _wrapped(one.help or "", "      ")
    yield ""
    for child, own in getattr(command, "commands", {}).items():
        yield from _lines(f"{name} {child}", own)


def _kind(one: Any) -> str:
    """What an option takes: the words of an enumeration, or the name of a type."""
    kind = one.type_descriptor.annotation
    kind = next(iter(get_args(kind)), kind)  # of a list, what it holds
    if issubclass(kind, Enum):
        return "|".join(str(word.value) for word in kind)
    return str(kind.__name__)


def _default(value: object) -> str:
    return repr(getattr(value, "value", str(value) if value is not None else None))


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, 100, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


if __name__ == "__main__":
    print(surface(), end="")
