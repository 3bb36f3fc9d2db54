"""The command line: `bindgrid`. An error that the user can fix is one line, with exit code 2."""

import errno
import os
import sys
from collections.abc import Callable
from importlib.metadata import version

import typer

from data.errors import DataError
from experiments.cli import explain as cli_explain
from experiments.cli import mlflow as cli_mlflow
from experiments.cli import models as cli_models
from experiments.cli import motifs as cli_motifs
from experiments.cli import predict as cli_predict
from experiments.cli import report as cli_report
from experiments.cli import results as cli_results
from experiments.cli import run as cli_run
from experiments.cli import share as cli_share
from experiments.cli import tune as cli_tune
from experiments.cli.console import complain
from experiments.cli.data import app as cli_data
from experiments.cli.tf import app as cli_tf
from orchestrator.errors import RunError

# set before either library is imported: no telemetry is sent
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

NOT_WRITABLE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
}
"""Errors of the file system, such as a full disk or missing rights; they are no bugs."""
REMEDIES = {
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOTDIR: "a part of the path is a file; check it",
    **dict.fromkeys(NOT_WRITABLE, "free space or check rights, and run again"),
}
"""What a user does about an error of the file system."""

app = typer.Typer(
    name="bindgrid",
    help="Learn where transcription factors bind DNA, by transfer learning.\n\n"
    "Example: bindgrid data simulate demo/sources, then bindgrid data build ..., then "
    "bindgrid run transfer, bindgrid report, bindgrid ui.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_tf.app, name="tf")
app.add_typer(cli_mlflow.app, name="mlflow")
cli_run.register(app)
cli_tune.register(app)
cli_results.register(app)
cli_report.register(app)
cli_motifs.register(app)
cli_explain.register(app)
cli_models.register(app)
cli_predict.register(app)
cli_share.register(app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bindgrid {version('bindgrid')}")
        raise typer.Exit


def _set_tracking_uri(uri: str | None) -> None:
    """Set the variable by which every command, and what it starts, finds MLflow."""
    if uri is None:
        return
    if "@" in uri.partition("://")[2].partition("/")[0]:
        raise RunError(
            "--tracking-uri has a name or a password, and others on this machine see the options "
            "of a command: set MLFLOW_TRACKING_URI instead, or MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD beside it"
        )
    os.environ["MLFLOW_TRACKING_URI"] = uri


@app.callback()
def _options(
    _tracking_uri: str | None = typer.Option(
        None,
        "--tracking-uri",
        callback=_set_tracking_uri,
        metavar="URI",
        help="The MLflow to log to, instead of MLFLOW_TRACKING_URI. Without either, it is "
        "`mlflow.db` in the workspace. Stands before the command: `bindgrid --tracking-uri "
        "http://mlflow:5000 run ...`.",
    ),
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main(command: Callable[[], object] | None = None) -> None:
    """Run the command line; the console script.

    Parameters
    ----------
    command
        The application to run. None, the default, is `bindgrid`.
    """
    from model.errors import ModelError

    try:
        (command or app)()
    except (DataError, ModelError, RunError) as error:
        complain(str(error))
        sys.exit(2)
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        where = f"{error.filename}: " if error.filename else ""
        complain(f"{where}{error.strerror}; {REMEDIES[error.errno]}")
        sys.exit(2)
    except KeyboardInterrupt:  # before a command handles it
        complain("interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
