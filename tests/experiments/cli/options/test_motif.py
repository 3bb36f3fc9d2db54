"""The option `--motif` of `bindgrid run`, bare as it was and with a word."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from experiments.cli.options.choices import MotifUse
from experiments.cli.options.motif import MotifCommand, MotifOption


@pytest.mark.parametrize(
    ("typed", "use", "names"),
    [
        ("transfer", "none", "transfer"),
        ("--motif transfer", "name", "transfer"),
        ("transfer --motif", "name", "transfer"),
        ("transfer --motif --seed 3", "name", "transfer"),
        ("--motif auto transfer", "auto", "transfer"),
        ("transfer --motif=auto", "auto", "transfer"),
        ("transfer --motif name downsampling", "name", "transfer downsampling"),
        ("transfer --motif --no-motif", "none", "transfer"),
    ],
)
def test_a_bare_motif_is_the_tfs_own_as_it_always_was(typed: str, use: str, names: str):
    app = typer.Typer()

    @app.command(cls=MotifCommand)
    def run(
        names: Annotated[list[str], typer.Argument()],
        motif: MotifOption = MotifUse.NONE,
        seed: int = 0,
    ) -> None:
        typer.echo(f"{motif.value}: {' '.join(names)}")

    found = CliRunner().invoke(app, typed.split())
    assert found.output == f"{use}: {names}\n"
