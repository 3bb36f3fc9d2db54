"""How a command takes many options at once, as a frozen dataclass of them.

A field is one option, annotated as typer has it, or a further dataclass of options. The default of
a field of the second kind, if it has one, gives the defaults of the options in it. A command that
takes such a dataclass is registered as :func:`spread`.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose arguments that are dataclasses of options are spread over their fields.

    Typer sees an option for each field, in their order, where the argument stood.

    Parameters
    ----------
    command
        A command with one argument or more, not positional, whose annotation is a dataclass.
    """
    signature = inspect.signature(command)
    arguments = {
        name: one.annotation
        for name, one in signature.parameters.items()
        if is_dataclass(one.annotation)
    }

    @wraps(command)
    def called(**values: Any) -> None:
        made = {name: _made(options, values) for name, options in arguments.items()}
        command(**values, **made)

    parameters: list[inspect.Parameter] = []
    for name, one in signature.parameters.items():
        if name in arguments:
            parameters += _parameters(arguments[name], one.default)
        else:
            parameters.append(one.replace(kind=one.KEYWORD_ONLY))
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def _parameters(options: Any, default: object) -> Iterator[inspect.Parameter]:
    """Parameters of all options of a dataclass; `default` is an instance of it, or empty."""
    for field in fields(options):
        own = inspect.Parameter.empty if field.default is MISSING else field.default
        if is_dataclass(default):
            own = getattr(default, field.name)
        if is_dataclass(field.type):
            yield from _parameters(field.type, own)
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            yield inspect.Parameter(field.name, kind, default=own, annotation=field.type)


def _made(options: Any, values: dict[str, Any]) -> Any:
    """Make a dataclass of options, and take its values out of those that typer gave."""
    own = {
        field.name: _made(field.type, values)
        if is_dataclass(field.type)
        else values.pop(field.name)
        for field in fields(options)
    }
    return options(**own)
