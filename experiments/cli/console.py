"""What the commands share: the workspace option, the terminal, progress and plain errors."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from data.errors import DataError
from data.output import STANDARD_OUTPUT, check_apart, check_writable
from data.steps import OnStep
from orchestrator.errors import RunError

if TYPE_CHECKING:
    from data.left_out import LeftOut

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        envvar="BINDGRID_WORKSPACE",
        help="Folder of the dataset, the runs and their MLflow store.",
        show_default=True,
    ),
]
DEFAULT_WORKSPACE = Path("workspace")

LeftOutOption = Annotated[
    Path | None,
    typer.Option(
        "--left-out",
        help="File to write the rows to that are left out, such as those that do not fit the "
        "genome: file, row and reason. By default they are only counted.",
    ),
]

ChromAliasOption = Annotated[
    Path | None,
    typer.Option(
        help="UCSC's chromAlias.txt: what the genome's chromosomes are called in the other files. "
        "By default names that differ only by chr, and M and MT, are taken as the same.",
    ),
]

ExcludeOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="BED file of places to leave out, such as ENCODE's blacklist: what overlaps one is "
        "left out and counted. Repeat it for further files. By default nothing is left out.",
    ),
]

_FILE_WIDTH = 120  # of tables that go to a file or a pipe, which have no width of their own

_FEW_ACCESSIBLE = 0.05
"""Share of summits in accessible regions below which something is probably wrong."""

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that a terminal takes for commands, or cannot show."""


class _SafeConsole(Console):
    """Shows the escape codes that names of files and rows may hold, in place of obeying them."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text of a string; what cannot be shown is escaped as in Python."""
        return super().render_str(_UNSEEN.sub(_escaped, text), **options)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


# names of files and TFs are printed as they are: brackets are no markup, numbers no colours
out = _SafeConsole(
    width=None if sys.stdout.isatty() else _FILE_WIDTH, markup=False, highlight=False
)
"""Results go to standard output."""
err = _SafeConsole(stderr=True, soft_wrap=True, markup=False, highlight=False)
"""Progress and error messages go to standard error."""


def complain(message: str) -> None:
    """Print an error as one line."""
    one_line = " ".join(message.split())
    err.print(f"bindgrid: {one_line}", style="red")


@contextmanager
def checked_settings() -> Iterator[None]:
    """Report a setting that a dataclass refuses as the user's error; use it around settings only.

    Raises
    ------
    RunError
        In place of the `ValueError`.
    """
    try:
        yield
    except ValueError as error:
        raise RunError(str(error)) from None


def tell_left_out(left_out: "LeftOut") -> None:
    """Say which rows of the input were left out."""
    for line in left_out.lines():
        err.print(line)


def files_in(typed: object) -> Iterator[Path]:
    """Yield the files that options name: those of a dataclass, a list, or `FILE#NAME`."""
    if isinstance(typed, Path):
        yield typed
    elif isinstance(typed, str):
        if typed and (file := Path(typed.partition("#")[0])).is_file():
            yield file
    elif is_dataclass(typed):
        for one in fields(typed):
            yield from files_in(getattr(typed, one.name))
    elif isinstance(typed, list | tuple):
        for one in typed:
            yield from files_in(one)


def check_new(file: Path, *typed: object) -> None:
    """Check that a file can be written, and is none of those that options name beside itself.

    Raises
    ------
    DataError
        If it cannot, or is.
    """
    check_writable(file)
    check_apart(file, (one for one in files_in(typed) if one is not file))


@contextmanager
def left_out_kept(
    left_out: "LeftOut", file: Path | None, *typed: object, beside: Path | None = None
) -> Iterator[None]:
    """Write the rows left out to a file, if one is named, at the end of the block.

    They are written even where the block fails, so that a user who reads that too many rows do not
    fit can see which ones they are.

    Parameters
    ----------
    typed
        Options that name the files that are read.
    beside
        Another file that is written.

    Raises
    ------
    DataError
        If the file cannot be written, or is one of the others.
    """
    if file is None:
        yield
        return
    if file == STANDARD_OUTPUT:
        raise DataError("--left-out: the rows left out go to a file; name one")
    check_new(file, *typed, beside)
    try:
        yield
    except (DataError, RunError):
        left_out.write(file)
        raise
    left_out.write(file)


def tell_few_accessible(what: str, num_in_accessible: int, num_peaks: int) -> None:
    """Warn of peaks with hardly any summit in an accessible region."""
    if num_in_accessible < _FEW_ACCESSIBLE * num_peaks:
        err.print(
            f"{what}: {num_in_accessible:,} of {num_peaks:,} summits lie in an accessible region; "
            "check that assembly and biosample are right"
        )


@contextmanager
def steps(title: str) -> Iterator[OnStep]:
    """Show what is being done; gives a function that shows the next step."""
    with err.status(f"{title} …") as status:

        def on_step(step: str) -> None:
            if err.is_terminal:
                status.update(f"{title}: {step} …")
            else:
                err.print(f"{title}: {step}")

        yield on_step
