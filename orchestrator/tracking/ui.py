"""The MLflow UI on a workspace, as a process of its own that ends with the command.

The server takes seconds of a processor to start, and so do the imports of what logs to MLflow
(torch among them): they are done while it starts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from data.steps import OnStep
from orchestrator.errors import RunError
from orchestrator.runs.lock import sole_driver
from orchestrator.tracking.app import APP, WORKSPACE_VARIABLE
from orchestrator.tracking.client import (
    TrackingClient,
    is_server,
    tracking_uri,
    without_password,
)
from orchestrator.tracking.views import Figures, ViewWriter, no_figures
from orchestrator.workspace import Workspace

START_SECONDS = 120.0
"""How long the server may take to answer; about 10 s are usual."""

_STOP_SECONDS = 10.0

# One worker and no job runner: 0.5 GB and 10 s to start, against 3 GB and 30 s.
_SERVER_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@dataclass(frozen=True, kw_only=True)
class Server:
    """An MLflow server that runs and answers."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


def serve_ui(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = 5000,
    *,
    figures: Figures = no_figures,
    on_step: OnStep = print,
) -> None:
    """Serve the MLflow UI until Ctrl-C or SIGTERM. To be called from the main thread.

    What the run store has and MLflow does not is logged while the server starts. Filters that are
    not yet compared with JASPAR are compared while the UI runs, at the lowest priority.

    Parameters
    ----------
    workspace : Workspace
        Whose runs to show.
    host, port : str, int
        Where to listen.
    figures : callable
        Gives the figures of the paper that the notes of experiments name; none by default.
    on_step : callable
        Called with the address, once it answers; then with a line for each experiment, whose
        address shows transfer beside scratch. By default the lines are printed.

    Raises
    ------
    RunError
        If there is no workspace, the port is taken, `MLFLOW_TRACKING_URI` is a server (which has
        a UI of its own), or the UI does not start or ends by itself.
    """
    uri = tracking_uri(workspace)
    if is_server(uri):
        raise RunError(
            f"MLFLOW_TRACKING_URI is a server with a UI of its own: open {without_password(uri)}"
        )
    if not workspace.root.is_dir():
        raise RunError(f"{workspace.runs}: no finished runs; start with `bindgrid run`")
    _check_free(host, port)
    client = TrackingClient(workspace)
    with client.translated():
        client.open_database()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        log = partial(_log_the_rest, workspace, figures)
        with mlflow_server(workspace, uri, host, port, meanwhile=log) as server:
            on_step(server.url)
            for name, link in ViewWriter(client).links().items():
                on_step(f"{name}: {server.url}/{link}")
            threading.Thread(target=_match_filters, args=(workspace,), daemon=True).start()
            status = server.process.wait()
            raise RunError(f"the MLflow UI ended with status {status}: see {server.log}")
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def mlflow_server(
    workspace: Workspace,
    uri: str,
    host: str,
    port: int,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[Server]:
    """Run an MLflow server with its UI for the duration of a block.

    Parameters
    ----------
    workspace : Workspace
        Where artifacts of experiments that the server makes itself go.
    uri : str
        Database to serve, such as ``sqlite:////home/me/mlflow.db``.
    host, port : str, int
        Where to listen.
    meanwhile : callable
        Called while the server starts, which takes it seconds of a processor; nothing by default.

    Yields
    ------
    Server
        The server, which answers.

    Raises
    ------
    RunError
        If the server ends or does not answer within `START_SECONDS`, or bindgrid was installed
        before it had an app of MLflow.
    """
    process = _started(workspace, uri, host, port)
    try:
        meanwhile()
        url = f"http://{host}:{port}"
        _wait(process, url, workspace.mlflow_log)
        yield Server(url=url, process=process, log=workspace.mlflow_log)
    finally:
        _stop(process)


def _started(workspace: Workspace, uri: str, host: str, port: int) -> subprocess.Popen[bytes]:
    """Start the server's processes; parameters as for :func:`mlflow_server`."""
    if APP not in {app.name for app in entry_points(group="mlflow.app")}:
        raise RunError("MLflow does not find bindgrid's pages: install bindgrid again (make setup)")
    command = [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--artifacts-destination", workspace.mlflow_artifacts.resolve().as_uri()),
        *("--host", host, "--port", str(port), "--workers", "1"),
        *("--app-name", APP),
    ]
    log = workspace.mlflow_log
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env={
                **os.environ,
                **_SERVER_ENVIRONMENT,
                # no argument: everybody on the machine sees those, and it may have a password
                "MLFLOW_BACKEND_STORE_URI": uri,
                WORKSPACE_VARIABLE: str(workspace.root),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # a process group of its own, so that all of its processes can be ended together
            start_new_session=True,
        )


def _log_the_rest(workspace: Workspace, figures: Figures) -> None:
    """Log what the run store has and MLflow does not."""
    from orchestrator.runs.store import RunStore
    from orchestrator.tracking.sync import MlflowView

    view = MlflowView(workspace, figures)
    with contextlib.suppress(RunError), sole_driver(workspace):
        # no plan runs here: what MLflow takes for running was killed
        view.live.mark_killed()
    view.sync(RunStore(workspace))


def _match_filters(workspace: Workspace) -> None:
    """Compare filters with JASPAR while the UI runs."""
    from orchestrator.runs.store import RunStore
    from orchestrator.tracking.motifs import MotifWriter

    with contextlib.suppress(OSError):
        # on Linux it lowers this thread's priority alone, below that of trainings on the machine
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    with contextlib.suppress(RunError):  # `bindgrid mlflow sync` reports such errors
        MotifWriter(TrackingClient(workspace)).log_matches(RunStore(workspace))


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RunError(
                f"cannot listen on {host}:{port} ({error.strerror}): give another --port"
            ) from error


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RunError(f"the MLflow UI ended with status {process.returncode}: see {log}")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{url}/health", timeout=2.0),
        ):
            return
        time.sleep(0.1)
    raise RunError(f"the MLflow UI does not answer at {url} after {START_SECONDS:.0f} s: see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
            break
