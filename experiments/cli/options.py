"""Options that several commands take, each declared once; and how a command takes many at once.

A command that takes the same options as another takes one argument, a frozen dataclass whose
fields are annotated with the types here, and is registered as :func:`spread`.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.run_options import Backend, Keep, Precision, Split

PretrainEpochsOption = Annotated[
    int | None, typer.Option("--pretrain-epochs", help="Epochs of a multi-model at most.")
]
PretrainKeepOption = Annotated[
    Keep,
    typer.Option(
        "--pretrain-keep",
        help="Epoch of a multi-model to keep: best (paper), or last of all of them.",
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Of products in training; auto: bfloat16 if a check finds it faster, as good.",
    ),
]
SplitOption = Annotated[
    Split,
    typer.Option("--split", help="How regions are split to train, to validate and to test on."),
]
ValOption = Annotated[str, typer.Option("--val-chroms", help="Chromosomes to validate on.")]
TestOption = Annotated[str, typer.Option("--test-chroms", help="Chromosomes to test on.")]
StringOption = Annotated[
    Path | None,
    typer.Option(
        "--string",
        help="STRING's links, for STRING partners: web export, protein.links, or a list "
        "`TF partner`.",
    ),
]
StringInfoOption = Annotated[
    Path | None,
    typer.Option("--string-info", help="STRING's protein.info, if not beside protein.links."),
]
ModesOption = Annotated[
    Path | None,
    typer.Option("--modes", help="Your binding modes, a table `tf mode`; JASPAR's if none."),
]
LeftOutOption = Annotated[
    Path | None,
    typer.Option(
        "--left-out",
        help="Write the rows that do not fit the genome to this file: file, row and reason.",
    ),
]
BackendOption = Annotated[Backend, typer.Option("--backend", help="What runs the plan.")]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", help="Runs that train at once on Ray; one per CPU if not given."),
]
AddressOption = Annotated[
    str,
    typer.Option(
        "--address", envvar="RAY_ADDRESS", help="Ray cluster to use; none starts one here."
    ),
]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose argument that is a dataclass of options is spread over its fields.

    Typer sees an option for each field, in their order, where the argument stood.

    Parameters
    ----------
    command
        With one parameter, not positional, whose annotation is a dataclass.
    """
    signature = inspect.signature(command)
    [argument] = [one for one in signature.parameters.values() if is_dataclass(one.annotation)]
    options: type[Any] = argument.annotation
    spread_out = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=field.type,
        )
        for field in fields(options)
    ]
    names = [field.name for field in fields(options)]

    @wraps(command)
    def called(**values: Any) -> None:
        of_options = {name: values.pop(name) for name in names}
        command(**values, **{argument.name: options(**of_options)})

    parameters: list[inspect.Parameter] = []
    for one in signature.parameters.values():
        parameters += spread_out if one is argument else [one.replace(kind=one.KEYWORD_ONLY)]
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called
