"""A command that takes a dataclass of options: what typer sees, and what the command gets."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from experiments.cli.options.spread import spread


@dataclass(frozen=True, kw_only=True)
class Sizes:
    num: Annotated[int, typer.Option("--number", help="How many.")]
    words: Annotated[str, typer.Option(help="Which words.")] = "none"


def show(
    name: Annotated[str, typer.Argument(help="A name.")],
    seed: Annotated[int, typer.Option(help="A seed.")] = 0,
    *,
    options: Sizes,
    last: Annotated[bool, typer.Option("--last")] = False,
) -> None:
    """Show what came."""
    typer.echo(f"{name} {seed} {options} {last}")


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(spread(show))
    return made


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["SPI1", "--number", "2"], f"SPI1 0 {Sizes(num=2)} False"),
        (
            ["--words", "a", "--last", "SPI1", "--seed", "3", "--number", "0"],
            f"SPI1 3 {Sizes(num=0, words='a')} True",
        ),
    ],
)
def test_the_command_gets_the_dataclass(
    app: typer.Typer, arguments: list[str], expected: str
) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.strip() == expected


def test_a_field_without_default_must_be_given(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["SPI1"])
    assert result.exit_code == 2
    assert "--number" in result.output


def test_options_stand_where_the_argument_stood(app: typer.Typer) -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    places = [shown.index(word) for word in ("--seed", "--number", "--words", "--last")]
    assert places == sorted(places)
    assert "How many." in shown


@dataclass(frozen=True, kw_only=True)
class Nested:
    first: Annotated[int, typer.Option(help="First.")] = 1
    sizes: Sizes = Sizes(num=7, words="more")
    last: Annotated[int, typer.Option(help="Last.")] = 9


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], f"{Nested()}"),
        (["--number", "2", "--last", "3"], f"{Nested(sizes=Sizes(num=2, words='more'), last=3)}"),
    ],
)
def test_options_nest_and_a_default_of_the_inner_ones_is_theirs(
    arguments: list[str], expected: str
) -> None:
    def nested(*, options: Nested) -> None:
        typer.echo(str(options))

    app = typer.Typer()
    app.command()(spread(nested))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.strip() == expected
